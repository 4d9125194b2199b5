"""Networks, and what is done to one: cut, freeze, adapt, save, ask."""

from course_utils.models.averages import average_weights
from course_utils.models.checkpoints import load_classifier, save_classifier
from course_utils.models.classifier import Backbone, Classifier, Preprocessing, small_cnn
from course_utils.models.encoders import load_encoder, text_encoder
from course_utils.models.freezing import freeze, unfreeze
from course_utils.models.generation import sample_text
from course_utils.models.gpt import GPT, GPTBackbone
from course_utils.models.imagenet import imagenet_backbone, imagenet_classifier
from course_utils.models.inference import evaluation_mode, predict
from course_utils.models.layers import layer_rates, text_layers
from course_utils.models.lora import LoRALinear, add_lora
from course_utils.models.lora_states import (
    load_lora,
    lora_state,
    merge_lora,
    unmerge_lora,
    without_lora,
)
from course_utils.models.surgery import adapt_input, cut_after, replace_head, stages
from course_utils.models.text import TextBackbone, token_task
from course_utils.models.tokenizer import Tokenizer, train_tokenizer
from course_utils.models.zoo import load_backbone

__all__ = [
    "GPT",
    "Backbone",
    "Classifier",
    "GPTBackbone",
    "LoRALinear",
    "Preprocessing",
    "TextBackbone",
    "Tokenizer",
    "adapt_input",
    "add_lora",
    "average_weights",
    "cut_after",
    "evaluation_mode",
    "freeze",
    "imagenet_backbone",
    "imagenet_classifier",
    "layer_rates",
    "load_backbone",
    "load_classifier",
    "load_encoder",
    "load_lora",
    "lora_state",
    "merge_lora",
    "predict",
    "replace_head",
    "sample_text",
    "save_classifier",
    "small_cnn",
    "stages",
    "text_encoder",
    "text_layers",
    "token_task",
    "train_tokenizer",
    "unfreeze",
    "unmerge_lora",
    "without_lora",
]
