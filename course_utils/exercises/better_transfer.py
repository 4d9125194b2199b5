"""Exercises of lesson 09."""

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
        3.0,
        tolerance=0.001,
        mistakes=[
            (4, "That is how many samples there are. Unequal weights count for less."),
            (12, "That is the sum of the squares. Divide the square of the sum by it."),
            (36, "That is the square of the sum. Divide it by the sum of the squares."),
            (1 / 3, "Upside down: the square of the sum goes on top."),
            (0.5, "That divides the sum by the sum of the squares. Square the sum first."),
        ],
    ),
    hints=[
        "Two numbers: the sum of the weights, squared, and the sum of the squared weights.",
        "The sum is 6, so its square is 36. The squares are 9, 1, 1 and 1.",
        "36 / 12.",
    ],
    why="Four samples that count as three: one of them speaks for half of the sum.",
)


def _gaps(probabilities):
    two = probabilities.topk(2, dim=1).values
    return two[:, 0] - two[:, 1]


# Each table has its own trap: the largest alone, the order of columns, more than two classes.
_CASES = [
    (
        torch.tensor([[0.5, 0.3, 0.2], [0.4, 0.39, 0.21], [0.9, 0.05, 0.05]]),
        "The gap is between the two most likely classes of each row.",
    ),
    (
        torch.tensor([[0.1, 0.9], [0.55, 0.45], [0.45, 0.55]]),
        "The most likely class may stand in any column: sort, or use topk.",
    ),
    (
        torch.tensor([[0.34, 0.33, 0.33, 0.0], [0.48, 0.02, 0.02, 0.48]]),
        "Only the two most likely count. A row with two equal ones has the gap 0.",
    ),
]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(
        answer, [Case((table,), _gaps(table), text) for table, text in _CASES], tolerance=1e-5
    ),
    hints=[
        "In each row, find the two largest probabilities.",
        "`probabilities.topk(2, dim=1).values` has the shape (N, 2), the larger one first.",
        "`two = probabilities.topk(2, dim=1).values`, then `two[:, 0] - two[:, 1]`",
    ],
    why="The smallest gaps are the samples that `least_certain` asks about.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "Write a function of the seed that trains both arms on uci.train.few_shot(FEW, seed).",
        "Return {(arm, FEW): accuracy on uci.validation}, the arm with both changes first.",
        'repeat(function, SEEDS, draws=Draws.labels(pool=POOLS["digits"]), bounds=(0, 1)) runs it.',
    ],
    why="Your reading fits its interval.",
)
