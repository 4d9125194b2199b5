"""Exercises of lesson 10."""

from functools import partial

import torch

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(
        answer,
        0.08,
        tolerance=0.001,
        mistakes=[
            (-0.08, "That is the gain in accuracy. The gap compares errors: with less without."),
            (0.38, "That is the error with the source alone. Subtract the error without."),
            (8, "Give a share from 0 to 1."),
        ],
    ),
    hints=[
        "The error is 1 less the accuracy.",
        "With the source 0.38, without it 0.30.",
        "0.38 less 0.30.",
    ],
    why="A gap above 0 is negative transfer: this algorithm is better without this source.",
)


def _penalty(weights, old_weights, importance):
    return 0.5 * (importance * (weights - old_weights) ** 2).sum()


_OLD = torch.tensor([1.0, -2.0, 0.5])
_MOVED = torch.tensor([2.0, -2.0, 0.0])
_CASES = [
    (
        (_MOVED, _OLD, torch.ones(3)),
        "With all F equal to 1 it is half the squared distance, as in L2-SP.",
    ),
    ((_OLD, _OLD, torch.ones(3)), "Where nothing moved it is 0: compare with the old weights."),
    (
        (_MOVED, _OLD, torch.tensor([0.0, 5.0, 2.0])),
        "Each square counts by its own F; a weight with F = 0 may go anywhere.",
    ),
]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(
        answer, [Case(given, _penalty(*given), text) for given, text in _CASES], tolerance=1e-5
    ),
    hints=[
        "Square the difference of each weight to its old value.",
        "Multiply each square by its F, add up, and take half.",
        "`0.5 * (importance * (weights - old_weights) ** 2).sum()`",
    ],
    why="This is the R of EWC. With one more factor per weight, L2-SP becomes a memory.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "start(seed, source) gives a model with a new head; tune(model, few, objective) trains it.",
        "L2SP(source) pulls towards the source; make it before the model is trained.",
        "repeat(function, SEEDS, draws=Draws.labels(pool=POOL), bounds=(0, 1)) runs it.",
    ],
    why="Your reading fits its interval.",
)
