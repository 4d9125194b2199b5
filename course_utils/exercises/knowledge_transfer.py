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

_TEMPERATURE = 4 / math.log(3)  # where exp(4 / T) is 3, so the two have 3/4 and 1/4
_MISTAKES = [
    (math.log(3) / 4, "That is 1 over T: at this one the second class has almost nothing."),
    (4 / math.log(4), "There the two have the ratio 4 to 1. 0.75 and 0.25 have the ratio 3 to 1."),
    (4 * math.log(3), "You multiplied by log(3). The logits are divided: (6 - 2) / T = log(3)."),
    (4 / 3, "You took the ratio itself. A softmax takes the exponential, so take its logarithm."),
    (4 / math.log10(3), "That is the logarithm to base 10; a softmax needs the natural one."),
    (2 / math.log(3), "The logits differ by 4, from 6 to 2; T divides this difference."),
    (6 / math.log(3), "Only the difference of the two logits counts, and it is 4."),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(answer, _TEMPERATURE, tolerance=0.01, mistakes=_MISTAKES),
    hints=[
        "Try some: (torch.tensor([6.0, 2.0]) / T).softmax(0). A higher T lifts the second number.",
        "0.75 and 0.25 have the ratio 3. In a softmax the ratio of two classes is the exponential "
        "of the difference of their divided logits.",
        "exp(4 / T) = 3. Take the logarithm of both sides.",
    ],
    why="At T = 1 this class had 0.018. At twice your T it would have 0.37: 0.5 is never reached.",
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
        'A function of the seed returns {("taught", "accuracy"): ..., '
        '("labels", "accuracy"): ...}; repeat(function, SEEDS, draws=SPLITS) runs it. '
        "Look at the difference before you read.",
    ],
    why="The interval bears what you read in it. Compare the difference with your prediction.",
)
