"""Exercises of lesson 03."""

from functools import partial

import torch

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

_MISTAKES = [
    (50, "Some time of the head is missing. It trains for 50 epochs, also on stored features."),
    (500 / 15, "The head trains in each epoch without storing too: 10 + 0.1 seconds, 50 times."),
    (505 / 10, "Stored features still need a head: add its 50 epochs to the 10 seconds."),
    (101, "The features must be computed once before they are stored: add these 10 seconds."),
    (100, "Two times are missing: the first pass with storing, and the head without it."),
    (15 / 505, "That is upside down: divide the longer time by the shorter one."),
    (490, "That is how many seconds are saved. A ratio is asked: divide, do not subtract."),
    (490 / 15, "That is the time saved per second with storing. Divide the whole 505 s instead."),
    (490 / 505, "That is the share of the time that is saved. Divide one time by the other."),
    (505, "That is the time without storing, in seconds. Divide it by the time with storing."),
    (15, "That is the time with storing, in seconds. The time without it is divided by this."),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(answer, 505 / 15, tolerance=0.05, mistakes=_MISTAKES),
    hints=[
        "Write down two times in seconds, each with a part for the backbone and one for the head.",
        "How often does the backbone run in each of the two? And the head?",
        "Without storing: 50 * (10 + 0.1) seconds. With storing: 10 + 50 * 0.1 seconds.",
    ],
    why="A frozen backbone says the same each time, so one pass is enough for all that follows.",
)

# The first three rows give the same table twice, so each can look at one step only: centred
# columns with standard deviation 1, then other means, then other standard deviations.
_CENTRED = [[-1, 0], [0, 1], [1, -1]]
_SHIFTED = [[1, 11], [2, 12], [3, 10]]
_SCALED = [[2, 10], [4, 30], [6, 20]]
_TABLES = [
    (
        _CENTRED,
        _CENTRED,
        "Each column here has mean 0. Give each its own standard deviation, not one for all "
        "columns or one per row: dimension 0 runs down a column.",
    ),
    (
        _SHIFTED,
        _SHIFTED,
        "Only the means differ from 0 here. Subtract from each column its own mean: "
        "dimension 0 of `reference` again.",
    ),
    (
        _SCALED,
        _SCALED,
        "Here the columns spread unlike. Divide each by its standard deviation: not leaving that "
        "out, and not by the variance, its square.",
    ),
    (
        [[1, 50], [5, 10]],
        _SCALED,
        "Mean and standard deviation both come from `reference`; what is moved is `features`. "
        "Did you use one for the other?",
    ),
]


def _make_cases(correction):
    """Return the cases with standard deviations that divide by rows minus `correction`."""
    cases = []
    for rows, reference_rows, mistake in _TABLES:
        features, reference = torch.tensor(rows).float(), torch.tensor(reference_rows).float()
        expected = (features - reference.mean(0)) / reference.std(0, correction=correction)
        cases.append(Case((features, reference), expected, mistake))
    return cases


def _judge_standardise(answer):
    """Judge the function; n - 1 as in torch and n as in NumPy are both standard deviations."""
    with_n = _make_cases(correction=0)
    uses_n = try_function(answer, with_n[:1], tolerance=1e-4) is None
    return try_function(answer, with_n if uses_n else _make_cases(correction=1), tolerance=1e-4)


medium = Exercise(
    "medium",
    judge=_judge_standardise,
    hints=[
        "Two steps: subtract a mean from each column, then divide by a standard deviation.",
        "One mean for each column has the shape (D,). Which dimension is averaged away?",
        "`reference.mean(0)` and `reference.std(0)` have the shape (D,); torch repeats them in "
        "each row.",
    ],
    why="With each domain as its own reference, a shift and a scale between domains vanish, "
    "without a label.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "tables['ImageNet']['stage3'] has the features of all cells; feature_task finds the rows.",
        "Learn on feature_task(mono, table).train, measure on feature_task(poly, table)"
        ".validation. Each kind is then shifted and scaled by its own training samples.",
        "Write a function of the seed that returns {(stage, 'AUC'): value} for both stages. "
        "repeat(function, range(5), draws=SPLITS) runs it; its results.difference(first, second, "
        "'AUC') is what you read.",
    ],
    why="Two stages, five splits, and a reading that the interval bears. Compare it with your "
    "prediction.",
)
