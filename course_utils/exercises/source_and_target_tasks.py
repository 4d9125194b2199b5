"""Exercises of lesson 01."""

import math
from functools import partial

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, compare_choice, try_function

easy = Exercise(
    "easy",
    judge=lambda answer: compare_choice(
        answer,
        "transductive",
        reasons={
            "inductive": "Inductive transfer has a few target labels. Has the new scanner any?",
            "supervised domain adaptation": "The domain differs. But has the new scanner labels?",
        },
    ),
    hints=[
        "Which scanner is the source, and which the target?",
        "Source labels: 5,000. Target labels: none. Target inputs: 3,000. Find the row.",
        "The task is the same, the domain differs, and nobody has labelled the target: last row.",
    ],
    why="So lesson 05 is the one to read: aligning domains without target labels.",
)

_SIZES = [1, 5, 20, 100]
_CASES = [
    Case(
        (_SIZES, [0.4, 0.6, 0.8, 0.9], 0.7),
        20,
        "Return the smallest number of labels that is enough, not its place in the list and not "
        "the accuracy.",
    ),
    Case(
        (_SIZES, [0.4, 0.6, 0.8, 0.9], 0.6),
        5,
        "A curve that is exactly as high as the level has reached it: use >=.",
    ),
    Case(
        (_SIZES, [0.5, 0.6, 0.8, 0.9], 0.3),
        1,
        "Return the first size that is enough, not the last one.",
    ),
    Case(
        (_SIZES, [0.4, 0.6, 0.8, 0.9], 0.95),
        math.inf,
        "The curve never gets there. No number of labels that was tried is enough: infinity.",
    ),
]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(answer, _CASES),
    hints=[
        "Go along both lists at the same time: `zip(sizes, accuracies)`.",
        "The sizes grow, so the first one that is good enough is the smallest.",
        "After the loop, nothing was good enough: `return float('inf')`.",
    ],
    why="You can now read any label-efficiency curve sideways; the package also interpolates.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "`subset_of_classes(mnist, [...])` makes the two tasks, `pretrain(source)` the start.",
        "Write a function of the seed; `build` makes each model, `adapt` lets it learn.",
        "repeat(function, range(5), draws=draws_from(target)) runs it. Print "
        ".difference(arm, other, size) and read its interval.",
    ],
    why="The interval bears what you read in it. Would a stronger opponent change your reading?",
)
