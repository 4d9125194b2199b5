"""Exercises of lesson 07.

Letters in shapes: N samples.
"""

from functools import partial

import torch

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers, separator_mistakes

_WIDTH, _LAYERS, _RANK, _CLASSES = 768, 12, 4, 3  # BERT-base
_EACH = _RANK * (_WIDTH + _WIDTH)  # A and B of one linear layer
_CORRECTIONS = 2 * _LAYERS * _EACH
_HEAD = _WIDTH * _CLASSES + _CLASSES
_MISTAKES = [
    (_CORRECTIONS, "The head is missing. It is new, so it has to learn as well."),
    (_HEAD, "That is the head alone. The corrections learn as well."),
    (_CORRECTIONS + _WIDTH * _CLASSES, "The bias of the head is missing: one number per class."),
    (_EACH, "That is one corrected layer. How many are there, and what about the head?"),
    (_EACH + _HEAD, "That is one corrected layer and the head. How many are corrected?"),
    (2 * _EACH + _HEAD, "Query and value of one layer of the BERT, and the head. It has twelve."),
    (
        _LAYERS * _EACH + _HEAD,
        "Half of the corrections are missing. Two linear layers are corrected in each of the "
        "twelve, and each correction has two matrices: A with 4 x 768 numbers, and B with 768 x 4.",
    ),
    (3 * _LAYERS * _EACH + _HEAD, "Query and value only: two in each, not three."),
    (2 * _CORRECTIONS + _HEAD, "Query and value only: two in each layer, not four."),
    (
        2 * _LAYERS * _WIDTH * _WIDTH + _HEAD,
        "Those are the frozen matrices W0. A and B have one side of length 4, the rank.",
    ),
    (
        2 * _LAYERS * (_EACH + _WIDTH) + _HEAD,
        "The corrections have no bias: W0 + (alpha / r) B A has only matrices.",
    ),
    (
        2 * 6 * 8 * (384 + 384) + 384 * 5 + 5,
        "That is the lesson's MiniLM. Here width, rank, number of layers and classes are others.",
    ),
    *separator_mistakes(_CORRECTIONS + _HEAD),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(
        answer, _CORRECTIONS + _HEAD, tolerance=0, mistakes=_MISTAKES
    ),
    hints=[
        "Three counts: a correction, how many of them, and the head.",
        "A has the shape (4, 768) and B (768, 4). There are two corrections in each of 12 layers.",
        "12 * 2 * 4 * (768 + 768) for the corrections, and 768 * 3 + 3 for the head.",
    ],
    why="The corrections grow with the width, the frozen matrices with its square.",
)


def _macro_f1(predictions, labels):
    """Return the mean over the classes of 2 TP / (2 TP + FP + FN)."""
    scores = []
    for k in labels.unique():
        hits = ((predictions == k) & (labels == k)).sum()
        scores.append(2 * hits / ((predictions == k).sum() + (labels == k).sum()))
    return torch.stack(scores).mean()


# Each row has its own trap: see the words beside it.
_TABLES = [
    (
        [0, 1, 1],
        [0, 1, 1],
        "All answers are right here, so each class has the F1 1. Is it the mean over the classes?",
    ),
    (
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        "Class 1 is never predicted: its F1 is 0. It counts as much as class 0, with 2 * 3 / "
        "(2 * 3 + 1): do not weigh by the number of samples, and do not leave it out.",
    ),
    (
        [0, 0, 1, 1, 1],
        [0, 1, 1, 1, 0],
        "Class 0 has one hit, one false alarm and one miss; class 1 has two hits, one false alarm "
        "and one miss. F1 needs all three counts of each class.",
    ),
    (
        [0, 0, 0, 1, 1, 1, 2, 2],
        [0, 0, 0, 0, 0, 1, 2, 1],
        "Precision and recall differ here. F1 uses false alarms and misses, both.",
    ),
    (
        [4, 4, 4, 2],
        [4, 4, 2, 2],
        "The classes here are 2 and 4. Go through the labels that occur, labels.unique().",
    ),
]
_CASES = [
    Case((predictions, labels), _macro_f1(predictions, labels), mistake)
    for said, true, mistake in _TABLES
    for predictions, labels in [(torch.tensor(said), torch.tensor(true))]
]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(answer, _CASES, tolerance=1e-4),
    hints=[
        "Go through `labels.unique()`, compute the F1 of each class, and take the mean.",
        "Hits of class k: `((predictions == k) & (labels == k)).sum()`. 2 TP + FP + FN is how "
        "often k was predicted plus how often it is true.",
        "The F1 of class k is `2 * hits / ((predictions == k).sum() + (labels == k).sum())`.",
    ],
    why="Each class counts the same, so a class that is never found cannot hide.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        'text_encoder(pooling="cls") takes the vector of [CLS]; text_features makes its table, '
        "and unit gives its rows the same length.",
        "probe(few.with_inputs(table[few.indices])) fits a head; evaluate measures it on "
        "task.validation with the rows of the same table.",
        'Write a function of the seed that returns {("mean", 8): accuracy, ("[CLS]", 8): ...}. '
        "repeat(function, SEEDS, draws=SPLITS) runs it, and results.difference says what to read.",
    ],
    why="The comparison is paired, on validation samples, and you read its interval as it is.",
)
