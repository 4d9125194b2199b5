"""Small texts, tokenizers and networks for tests about language. The sentences are our own."""

import random

import torch

from course_utils.models.gpt import GPT, GPTBackbone
from course_utils.models.text import TextBackbone
from course_utils.models.tokenizer import train_tokenizer

SENTENCES = [
    "The rain in the hills feeds the river.",
    "A short text.",
    "Two boats left the harbour before the storm reached the coast.",
    "The river feeds the mill, and the mill feeds the town.",
    "Nobody saw the second boat again, said the keeper of the light.",
    "Rain!",
    "In the town, the mill stood still for a week, and so did the trains on the hill line.",
]


def tiny_tokenizer(num_tokens=300):
    return train_tokenizer(SENTENCES, num_tokens)


def tiny_gpt(**sizes):
    usual = {"num_tokens": 300, "width": 16, "depth": 2, "heads": 2, "context": 24, "seed": 0}
    return GPT(**(usual | sizes))


def tiny_gpt_backbone(pooling="mean", **sizes):
    return GPTBackbone("tiny", tiny_gpt(**sizes), tiny_tokenizer(), pooling=pooling)


def tiny_bert(pooling="mean"):
    """Build a BERT of two narrow layers, with dropout as usual."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"vocab_size": 300, "intermediate_size": 32, "max_position_embeddings": 24}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = BertModel(BertConfig(**sizes), add_pooling_layer=False)
    return TextBackbone("tiny", body, 16, tiny_tokenizer(), pooling=pooling)


def babble(number, seed=0):
    """Make short texts of two kinds, told apart by their words: labels 0 and 1."""
    rng = random.Random(seed)
    words = ["rain storm river harbour coast".split(), "mill train town week keeper".split()]
    texts = [" ".join(rng.choices(words[k % 2], k=rng.randint(3, 6))) for k in range(number)]
    return texts, torch.arange(number) % 2
