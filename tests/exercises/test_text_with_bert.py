"""Typical wrong answers to the exercises of lesson 07, and its open solution on small data."""

from functools import partial

import pytest
import torch
from authoring import assert_named, assert_right, run_cell
from sklearn.metrics import f1_score
from toys import make_task, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.exercises.checks.exercise import State
from course_utils.exercises.text_with_bert import _macro_f1, easy, medium, open_ended
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import repeat
from course_utils.models.lora import LoRALinear
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import linear_probe

CORRECTION = 4 * (768 + 768)
HEAD = 768 * 3 + 3


def test_mistakes_in_the_easy_one_are_named():
    mistakes = [
        (24 * CORRECTION, "The head is missing"),
        (HEAD, "the head alone"),
        (24 * CORRECTION + 768 * 3, "The bias of the head is missing"),
        (CORRECTION, "one corrected layer"),
        (CORRECTION + HEAD, "one corrected layer and the head"),
        (2 * CORRECTION + HEAD, "It has twelve"),
        (12 * CORRECTION + HEAD, "Two linear layers"),
        (36 * CORRECTION + HEAD, "not three"),
        (48 * CORRECTION + HEAD, "not four"),
        (24 * 4 * 768 + HEAD, "two matrices"),
        (24 * 768 * 768 + HEAD, "the frozen matrices W0"),
        (24 * (CORRECTION + 768) + HEAD, "have no bias"),
        (75_653, "the lesson's MiniLM"),
        ((149, 763), "digits alone"),
        (149.763, "digits alone"),
        ("149763", "without quotation marks"),
        (160_000, "is too large"),
    ]
    assert_named(easy, mistakes)


def test_what_lora_leaves_to_learn_is_right():
    """Second implementation: count on layers of this size, with the course's own LoRA."""
    layer = LoRALinear(torch.nn.Linear(768, 768), rank=4, alpha=16, seed=0)
    learns = sum(p.numel() for p in layer.parameters() if p.requires_grad)
    head = sum(p.numel() for p in torch.nn.Linear(768, 3).parameters())
    assert_right(easy, 12 * 2 * learns + head)


def per_class(count):
    """Return the function that averages `count(said, true)` over the classes that occur."""

    def mean(predictions, labels):
        classes = labels.unique()
        return sum(count(predictions == k, labels == k) for k in classes) / len(classes)

    return mean


def without_false_alarms(said, true):
    hits = (said & true).sum()
    return 2 * hits / (2 * hits + (true & ~said).sum())


def by_library(predictions, labels, **settings):
    settings = {"average": "macro", "labels": labels.unique()} | settings
    return f1_score(labels, predictions, zero_division=0.0, **settings)


def test_mistakes_in_the_medium_one_are_named():
    recall = per_class(lambda said, true: (said & true).sum() / true.sum())
    precision = per_class(lambda said, true: (said & true).sum() / said.sum().clamp_min(1))
    without_the_two = per_class(lambda said, true: (said & true).sum() / (said.sum() + true.sum()))
    jaccard = per_class(lambda said, true: (said & true).sum() / (said | true).sum())
    mistakes = [
        (lambda said, true: (said == true).float().mean(), "Class 1 is never predicted"),
        (recall, "Class 1 is never predicted"),
        (precision, "Class 1 is never predicted"),
        (partial(by_library, average="weighted"), "do not weigh by the number of samples"),
        (lambda p, y: by_library(p, y, labels=p.unique()), "do not leave it out"),
        (without_the_two, "each class has the F1 1"),
        (per_class(without_false_alarms), "Class 1 is never predicted"),
        (jaccard, "Class 1 is never predicted"),
        (lambda p, y: by_library(p, y, labels=range(int(y.max()) + 1)), "labels.unique()"),
        (partial(by_library, average=None), "mean over the classes"),
        (lambda labels: 1.0, "another number of inputs"),
        (torch.zeros(2), "a function is asked"),
    ]
    assert_named(medium, mistakes)


def test_scikit_learn_counts():
    assert_right(medium, by_library)


@pytest.mark.parametrize("seed", range(3))
def test_expected_numbers_are_computed_as_scikit_learn_does(seed):
    """On random answers, where each class occurs."""
    predictions, labels = torch.randint(5, (2, 40), generator=torch.Generator().manual_seed(seed))
    found = float(_macro_f1(predictions, labels))
    assert found == pytest.approx(by_library(predictions, labels), abs=1e-6)


def text_features(backbone, texts, max_tokens):
    return torch.randn(len(texts), 3, generator=torch.Generator().manual_seed(1))


def test_open_solution_of_the_notebook_is_a_fair_comparison():
    names = {
        "load_bbc_news": make_task,
        "probe": lambda samples: linear_probe(samples, CrossEntropy() + 0.1 * L2(), num_classes=2),
        **{"text_features": text_features, "evaluate": evaluate, "unit": lambda table: table},
        "text_encoder": lambda pooling: pooling,
        "news_texts": lambda: [""] * 120,
        "tables": {"MiniLM": torch.randn(120, 4)},
        **{"HEADLINE_TOKENS": 32, "SEEDS": range(5)},
        "SPLITS": Draws.splits(train=0.6, test=0.25),
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }
    assert run_cell(open_ended, "solution", names).state is State.RIGHT
