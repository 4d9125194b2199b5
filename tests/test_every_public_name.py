"""Each public function, with each argument made wrong in each way that users do.

The functions are found in the faces of the rooms, and the ways in the kinds of the arguments: a new
function is covered as soon as its arguments have an example here.
"""

import importlib
import inspect
import linecache
import random
from copy import deepcopy

import matplotlib.figure
import numpy as np
import pytest
import torch
from text_toys import SENTENCES, tiny_bert, tiny_gpt, tiny_gpt_backbone, tiny_tokenizer
from torch import Tensor, nn
from toys import Net, apart, is_same, state

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.models.classifier import Classifier, Preprocessing, small_cnn
from course_utils.models.lora import add_lora
from course_utils.objectives.losses import CrossEntropy

ROOMS = [
    *("environment", "data", "models", "features", "objectives", "training", "experiments"),
    "plotting",
]
SECRET = 4242.4242
X = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(8) % 2
IMAGES = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TOKENS = torch.randint(1, 20, (8, 5), generator=torch.Generator().manual_seed(0))

# What has no arguments of users, or only holds values: checked where it is used.
HOLDERS = {
    *("PackageError", "TrainingDivergedError", "ClaimError", "Objective", "Term", "Batch"),
    *("History", "Metrics", "Estimate", "Method", "Tokenizer"),
}


def samples_of(inputs=X):
    return Samples(inputs.clone(), Y.clone())


def task_of(inputs=IMAGES):
    parts = apart(samples_of(inputs), samples_of(inputs), samples_of(inputs))
    return Task("t", ("a", "b"), *parts, "grey value", "none", "random numbers")


def axes():
    return matplotlib.figure.Figure().subplots()


def lora_model():
    return add_lora(Classifier(tiny_bert(), nn.Linear(tiny_bert().num_features, 2)), 2, 1.0)


# An example of each argument, by its name; "function.argument" where a function needs another.
EXAMPLES = {
    # the keys are filled in below, when all branches are together
}


def public():
    for room in ROOMS:
        face = importlib.import_module(f"course_utils.{room}")
        for name in face.__all__:
            if name not in HOLDERS:
                yield name, getattr(face, name)
