"""What does more pre-training bring? The GPT of lesson 08 after a quarter, one and four passes.

Each seed draws its own start, its own order of the texts and its own labels. Sizes and rates are
those of the lesson; nothing is chosen by these numbers. A quarter of a pass reads a quarter of the
rows, drawn at random.
"""

from functools import cache

import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer
from torch import nn

from course_utils.data.news import load_bbc_news
from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.models.classifier import Classifier
from course_utils.models.gpt import GPT, GPTBackbone
from course_utils.models.inference import predict
from course_utils.models.surgery import replace_head
from course_utils.models.text import token_task
from course_utils.models.tokenizer import Tokenizer, train_tokenizer
from course_utils.objectives.language import LanguageModelLoss, language_loss, pack_texts
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.batches import epochs_for
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit, linear_probe

PASSES = (0, 0.25, 1, 4)
LABELS = (8, 32)  # of each class
NUM_SEEDS, NUM_DRAWS = 3, 3  # pre-trainings for each number of passes, draws of labels for each
NUM_TOKENS, CONTEXT, BEGINNING = 2000, 64, 48
SIZES = {"width": 128, "depth": 2, "heads": 4, "context": CONTEXT}
PRETRAINING_RATE, RATE, NUM_STEPS = 3e-3, 2e-3, 120
COMPONENTS = 10  # of LSA, as lesson 08 chooses it on validation


@cache
def materials() -> tuple[Task, Tokenizer, Task]:
    """Return the articles, a tokenizer that was trained on them, and their beginnings as tokens."""
    news = load_bbc_news("article")
    tokenizer = train_tokenizer(news.train.inputs, NUM_TOKENS)
    backbone = GPTBackbone("GPT", GPT(tokenizer.num_tokens, **SIZES, seed=0), tokenizer)
    return news, tokenizer, token_task(news, backbone, BEGINNING)


def pretrained(passes: float, seed: int) -> GPT:
    """Return a GPT that has read the training articles so many times; 0 leaves it at random."""
    news, tokenizer, _ = materials()
    gpt = GPT(tokenizer.num_tokens, **SIZES, seed=seed)
    if passes == 0:
        return gpt
    rows = pack_texts(news.train.inputs, tokenizer, CONTEXT)
    if passes < 1:
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        rows = rows.select(order[: int(len(rows) * passes)])
    settings = {"num_epochs": max(1, int(passes)), "learning_rate": PRETRAINING_RATE}
    fit(gpt, rows, LanguageModelLoss(), batch_size=8, schedule="one_cycle", seed=seed, **settings)
    return gpt


def fine_tuned(gpt: GPT, few: Task, seed: int) -> float:
    """Return the accuracy on test articles of a copy of the network, all of whose weights learn."""
    tokenizer = materials()[1]
    copied = GPT(tokenizer.num_tokens, **SIZES, seed=seed)
    copied.load_state_dict(gpt.state_dict())
    backbone = GPTBackbone("GPT", copied, tokenizer, pooling="mean")
    network = replace_head(Classifier(backbone, nn.Identity()), len(few.classes), seed=seed)
    settings = {"learning_rate": RATE, "batch_size": 16, "schedule": "one_cycle", "seed": seed}
    num_epochs = epochs_for(NUM_STEPS, len(few.train), batch_size=16)
    fit(network, few.train, CrossEntropy(), num_epochs=num_epochs, **settings)
    return evaluate(network, few.test).accuracy


def probed(gpt: GPT, few: Task) -> float:
    """Return the accuracy on test articles of a head on features of the frozen network."""
    frozen = GPTBackbone("GPT", gpt, materials()[1], pooling="mean")
    train, test = (part.with_inputs(predict(frozen, part.inputs)) for part in (few.train, few.test))
    head = linear_probe(train, CrossEntropy() + 0.1 * L2(), num_classes=len(few.classes))
    return evaluate(head, test).accuracy


@cache
def lsa() -> Pipeline:
    """Return the map from texts to components, fitted to the same articles without labels."""
    svd = TruncatedSVD(COMPONENTS, random_state=0)
    steps = make_pipeline(TfidfVectorizer(sublinear_tf=True), svd, Normalizer())
    return steps.fit(list(materials()[0].train.inputs))


def counted(few: Task) -> float:
    """Return the accuracy on test articles of LSA and logistic regression."""
    train, test = (lsa().transform(texts_of(part)) for part in (few.train, few.test))
    head = LogisticRegression(C=10, max_iter=1000).fit(train, few.train.labels)
    return float(head.score(test, few.test.labels))


def texts_of(samples: Samples) -> list[str]:
    """Return the texts that the network reads as tokens."""
    return [materials()[1].decode(row) for row in samples.inputs]


def draws_of(seed: int) -> range:
    """Return the seeds of the labels for a seed of pre-training; no two share one."""
    return range(seed * NUM_DRAWS, (seed + 1) * NUM_DRAWS)


def mean_over_draws(function, seed: int) -> dict:
    """Return the mean of a function of few labels and a seed, by labels per class."""
    beginnings, draws = materials()[2], draws_of(seed)
    return {
        str(number): sum(function(beginnings.few_shot(number, d), d) for d in draws) / NUM_DRAWS
        for number in LABELS
    }


def run(passes: float, seed: int) -> dict:
    """Pre-train once, and measure the loss and what labels make of it."""
    news, tokenizer, _ = materials()
    held_out = pack_texts(news.test.inputs, tokenizer, CONTEXT).inputs[::6]
    gpt = pretrained(passes, seed)
    return {
        "nats": language_loss(gpt, held_out),
        "fine-tuned": mean_over_draws(lambda few, draw: fine_tuned(gpt, few, draw), seed),
        "probe": mean_over_draws(lambda few, _: probed(gpt, few), seed),
    }


def measure() -> dict:
    """Pre-train all networks with each seed, and measure LSA with the same labels."""
    rows = {}
    for passes in PASSES:
        rows[f"{passes:g}"] = [run(passes, seed) for seed in range(NUM_SEEDS)]
        print(passes, rows[f"{passes:g}"], flush=True)
    lsa_rows = [mean_over_draws(lambda few, _: counted(few), seed) for seed in range(NUM_SEEDS)]
    report = {"seeds": NUM_SEEDS, "draws of labels for each": NUM_DRAWS, "steps": NUM_STEPS}
    return report | {"passes": rows, "LSA": lsa_rows}
