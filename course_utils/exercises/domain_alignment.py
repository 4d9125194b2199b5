"""Exercises of lesson 05."""

from functools import partial

import torch

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

# 10 % of the source are wrong and 20 % of the target: e = 0.15
_MISTAKES = [
    (1.5, "That counts all 400 samples alike. Both domains count the same: take two shares first."),
    (1.6, "That is the error on the source alone. Take the mean of the two domains."),
    (1.2, "That is the error on the target alone. Take the mean of the two domains."),
    (0.7, "That is 1 - 2 e. The distance is twice as much, so that it goes from 0 to 2."),
    (0.85, "That is the share of right answers. A guess would have 0.5 of it, and distance 0."),
    (1.7, "That is 2 (1 - e). With e = 0.5, a guess, it would be 1, and it has to be 0."),
    (0.3, "That is 2 e: large where the domains look alike. Subtract it from 1, and double."),
    (0.6, "That is 4 e: large where the domains look alike. Subtract it from 2."),
    (0.8, "The two shares are added here: e is their mean, as a guess has to have the error 0.5."),
    (0.15, "That is the error e itself. The formula is 2 (1 - 2 e)."),
    (1.4 - 2, "The sign is wrong: 2 (1 - 2 e), not 2 (1 - 2 e) - 2."),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(answer, 1.4, tolerance=0.005, mistakes=_MISTAKES),
    hints=[
        "Which share of the source is wrong, and which of the target? e is the mean of the two.",
        "A guess has the error e = 0.5 and the distance 0; always right is e = 0 and distance 2.",
        "2 * (1 - 2 * e), with e = (0.1 + 0.2) / 2.",
    ],
    why="Much of what the features say still depends on the domain: 2 would be the most.",
)

# Each row has its own trap: one feature only, several features, more rows on one side.
_TABLES = [
    (
        [[0.0], [2.0]],
        [[4.0], [4.0]],
        "The means are 1 and 4 here, their squared distance is 9: subtract the means, not the "
        "rows, and square.",
    ),
    (
        [[1.0, 0.0], [3.0, 0.0]],
        [[0.0, 1.0], [0.0, 3.0]],
        "Add the squares over the features: 4 + 4. Do not average them, and take no root.",
    ),
    (
        [[0.0, 6.0], [0.0, 0.0], [3.0, 0.0]],
        [[1.0, 2.0]],
        "The two domains may have different numbers of rows: take the mean of each by itself.",
    ),
]


def _squared_distance_of_means(source, target):
    return (source.mean(0) - target.mean(0)).square().sum()


_CASES = [
    Case((source, target), _squared_distance_of_means(source, target), mistake)
    for rows, other_rows, mistake in _TABLES
    for source, target in [(torch.tensor(rows), torch.tensor(other_rows))]
]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(answer, _CASES, tolerance=1e-4),
    hints=[
        "Two means first: one for each domain, each of shape (D,).",
        "Subtract them, square each of the D differences, and add the squares.",
        "`(source.mean(0) - target.mean(0))` is the difference of the means.",
    ],
    why="This distance sees the means alone; Gaussian kernels also see spread and shape.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "target.train.inputs[:20] are 20 unlabelled images. MMD draws from what it is given.",
        "train_network(source, objective, seed) returns a trained network; "
        "evaluate(network, target.validation) measures it. A number of steps such as 282 is "
        "faster, if both arms get it.",
        'Write a function of the seed that returns {(arm, "accuracy"): accuracy}, "all" before '
        '"20". repeat(function, FEWER_SEEDS, draws=SPLITS) runs it, '
        "and results.difference(first, second, column) is the interval to read.",
    ],
    why="Your reading fits the interval of five seeds. Compare it with the prediction that you "
    "wrote down.",
)
