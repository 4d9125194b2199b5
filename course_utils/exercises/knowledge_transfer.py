"""Exercises of lesson 06.

Letters in shapes: N samples, K classes.
"""

import math
from functools import partial

import torch

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

_TEMPERATURE = 2
_LOGITS = (6.0, 2.0)
_SCALE = 1 / (1 + math.exp((_LOGITS[0] - _LOGITS[1]) / _TEMPERATURE))
_MISTAKES = [
    (1 / (1 + math.exp(4)), "That is the softmax at T = 1. Divide the logits by T first."),
    (1 / (1 + math.exp(8)), "You multiplied the logits by T. Divide: a high T makes answers flat."),
    (1 - _SCALE, "That is the other class, the one with the larger logit."),
    (0.25, "Those are the logits over their sum. A softmax takes the exponential of each first."),
    (math.exp(1) / math.exp(3), "That is the ratio of the two, not a probability: add them below."),
    (
        0.5 / (1 + math.exp(4)),
        "You divided the probability by T. Divide the logits, before the softmax.",
    ),
    (_SCALE * 100, "Give a number from 0 to 1, not percent."),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(answer, _SCALE, tolerance=0.001, mistakes=_MISTAKES),
    hints=[
        "Divide both logits by T, then take the softmax.",
        "The divided logits are 3 and 1. A softmax is exp(z) over the sum of all exp(z).",
        "exp(1) / (exp(3) + exp(1)); torch.tensor([3.0, 1.0]).softmax(0) computes both.",
    ],
    why="At T = 1 it would be 0.018: the temperature lifts what the teacher holds for unlikely.",
)


def _loss(student_logits, teacher_logits, temperature):
    student = (student_logits / temperature).log_softmax(1)
    teacher = (teacher_logits / temperature).softmax(1)
    return temperature**2 * (teacher * (teacher.log() - student)).sum(1).mean()


_STUDENT = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.0, 0.0]])
_TEACHER = torch.tensor([[2.0, 1.0, -1.0], [-1.0, 0.0, 3.0]])
# one trap after the other: the loss at T = 1, another T, more samples than classes
_SETS = [
    (
        (_STUDENT, _TEACHER, 1.0),
        "At T = 1 it is the sum over classes of t (log t - log s), t from the teacher and s from "
        "the student, then the mean over samples, not over classes.",
    ),
    (
        (_STUDENT, _TEACHER, 4.0),
        "At T = 1 it is right. Divide the logits of both by T, and multiply the result by T * T.",
    ),
    (
        (_STUDENT.repeat(3, 1), _TEACHER.repeat(3, 1), 2.0),
        "The mean is over the samples, however many there are.",
    ),
]
_CASES = [Case(given, _loss(*given), mistake) for given, mistake in _SETS]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(answer, _CASES, tolerance=1e-4),
    hints=[
        "Three steps: soften both answers, add up over the classes, take the mean over samples.",
        "log_t = (teacher_logits / temperature).log_softmax(1), and the same for the student.",
        "`(log_t.exp() * (log_t - log_s)).sum(1)` is the divergence of each sample.",
    ],
    why="You wrote the L of distillation, with T² and without a mean over classes.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "train_teacher(samples, seed) makes a teacher. Give it few labelled samples.",
        "answers_by_index(teacher, task.train) asks it about all images; Distillation takes that.",
        "Write a function of the seed that returns {(arm, 1): accuracy} for both arms. "
        "repeat(function, SEEDS) runs it.",
    ],
    why="You know now whether a teacher needs more labels than its student to be of use.",
)
