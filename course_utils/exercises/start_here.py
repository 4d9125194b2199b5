"""Exercises of lesson 00."""

from functools import partial

import numpy as np

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(
        answer,
        0.5,
        tolerance=0.001,
        mistakes=[
            (0.8, "That is the plain accuracy: 80 of 100 right. Look at each class on its own."),
            (50, "Give a fraction from 0 to 1, not a percentage."),
            (1.0, "That is the share found in one class. Average it with the other class."),
            (0.0, "That is the share found among the defective. Average it with the other class."),
        ],
    ),
    hints=[
        "Balanced accuracy looks at each class on its own and then averages.",
        "Of the functional cells the model finds all: 80 of 80. How many of the defective ones?",
        "The mean of 1 and 0.",
    ],
    why="Plain accuracy would have praised a model that finds no defect at all.",
)

_CASES = [
    Case(([0, 0, 1, 1], [0, 0, 1, 1]), 1.0, "All predictions are right here."),
    Case(
        ([0, 0, 0, 1], [0, 0, 1, 1]),
        0.75,
        "Divide by the number of samples that truly are of the class, not by the number that "
        "the model says are.",
    ),
    Case(
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 1]),
        0.5,
        "0.8 would be the plain accuracy: average over the classes, not over the samples.",
    ),
    Case(
        ([2, 0, 1], [2, 2, 1]),
        0.75,
        "Go over the classes that occur among the labels; here these are 1 and 2, not 0 and 1.",
    ),
]

_OF_ARRAYS = [case._replace(arguments=tuple(map(np.array, case.arguments))) for case in _CASES]


def _judge_measure(answer):
    """Judge on lists; who compares a whole list as if it were an array is told so."""
    mistake = try_function(answer, _CASES)
    if mistake and try_function(answer, _OF_ARRAYS) is None:
        return (
            "Your function is right for NumPy arrays, but it gets lists. `labels == k` compares a "
            "whole list with k, which is False. Go through both with zip, or turn them into arrays "
            "first: np.array(labels)."
        )
    return mistake


medium = Exercise(
    "medium",
    judge=_judge_measure,
    hints=[
        "Which classes are there? `set(labels)` tells.",
        "For one class k, look only at the places where the label is k.",
        "Of these places, what share has the prediction k? Collect the shares, then average.",
    ],
    why="You now own the measure of this lesson; the package computes it the same way.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "Write a function of the seed that returns a dict from (arm, size) to balanced accuracy.",
        "Both arms must get the same cells: use the same seed in few_shot.",
        "repeat(function, range(5), draws=Draws.labels(pool=...)) runs it; pool is how many labels "
        "the rarer class has in train. Print .difference(arm, other, size) and read its interval.",
    ],
    why="The interval bears what you read in it. Whether both arms had the same cells, you know.",
)
