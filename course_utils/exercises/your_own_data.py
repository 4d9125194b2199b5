"""Exercises of lesson 12."""

from functools import partial

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(
        answer,
        9.0,
        tolerance=0.1,
        mistakes=[
            (0.09, "That is a share. In points it is a hundred times as much."),
            (4.6, "That is one standard error. The interval reaches 1.96 of them to each side."),
            (18.1, "That is the whole width. Asked is how far it reaches to each side."),
            (70, "Divide by the square root of n: many pictures make the interval short."),
            (1.2, "Divide by the square root of n, not by n."),
        ],
    ),
    hints=[
        "The share that is right is p = 51/60. Its standard error is the root of p(1 - p)/n.",
        "p = 0.85, and p(1 - p)/60 = 0.002125. Its root is 0.046.",
        "1.96 times 0.046, in points: times 100.",
    ],
    why="With 60 test pictures 85 % means: somewhere between 76 % and 94 %.",
)


def _torn(parts, groups):
    seen = [{groups[row] for row in rows} for rows in parts.values()]
    return sum(sum(group in each for each in seen) > 1 for group in set(groups))


# Each split has its own trap: one torn group, none, one torn in three, two between later parts.
_CASES = [
    (
        {"train": [0, 1, 2], "validation": [3], "test": [4, 5]},
        ["a", "a", "b", "c", "b", "d"],
        "Only group b is torn, between train and test; a is whole. Count groups, not rows.",
    ),
    (
        {"train": [0, 1], "validation": [2, 3], "test": [4]},
        ["a", "a", "b", "b", "c"],
        "Here no group is torn: several rows of one group may stand in one part.",
    ),
    (
        {"train": [0, 1], "validation": [2, 3], "test": [4, 5]},
        ["a", "b", "a", "c", "a", "c"],
        "Groups may be torn between any two parts, also validation and test, or all three.",
    ),
]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(
        answer,
        [Case((parts, groups), _torn(parts, groups), text) for parts, groups, text in _CASES],
        tolerance=0,
    ),
    hints=[
        "For each part, make the set of the groups that it holds.",
        "A group is torn if it is in more than one of these sets.",
        "`sets = [{groups[row] for row in rows} for rows in parts.values()]`, then count.",
    ],
    why="With a torn group the test asks about something that training has seen.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.03),
    hints=[
        "Write a function of the seed: draw a split, fit a head for each arm, measure both.",
        'Return {("features", "accuracy"): ..., ("pixels", "accuracy"): ...} on validation.',
        "repeat(function, SEEDS, draws=Draws.splits(train=0.6, test=0.2), bounds=(0, 1))",
    ],
    why="Your reading fits its interval.",
)
