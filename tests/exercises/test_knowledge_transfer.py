"""Typical wrong answers to the exercises of lesson 06, and its open solution on small data."""

import math
from functools import partial

import torch
from authoring import assert_named, assert_right, run_cell
from torch import nn
from toys import Net, make_task, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.exercises.checks.exercise import State
from course_utils.exercises.knowledge_transfer import easy, medium, open_ended
from course_utils.experiments.runs import repeat
from course_utils.objectives.distillation import Distillation, distillation_loss
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.teacher import answers_by_index
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

RIGHT = math.exp(1) / (math.exp(1) + math.exp(3))  # logits 6 and 2, divided by 2


def test_mistakes_in_the_easy_one_are_named():
    mistakes = [
        (math.exp(2) / (math.exp(2) + math.exp(6)), "the softmax at T = 1"),
        (math.exp(4) / (math.exp(4) + math.exp(12)), "You multiplied the logits"),
        (1 - RIGHT, "the other class"),
        (2 / 8, "the logits over their sum"),
        (math.exp(1) / math.exp(3), "the ratio of the two"),
        (math.exp(2) / (math.exp(2) + math.exp(6)) / 2, "divided the probability by T"),
        (100 * RIGHT, "not percent"),
        (f"{RIGHT:.4f}", "without quotation marks"),
        (0.6, "too large"),
    ]
    assert_named(easy, mistakes)


def test_a_number_rounded_to_three_places_counts():
    assert_right(easy, round(RIGHT, 3))


def soft(logits, temperature):
    return (logits / temperature).softmax(1)


def cross_entropy(student, teacher, temperature):
    log_s = (student / temperature).log_softmax(1)
    return -(temperature**2) * (soft(teacher, temperature) * log_s).sum(1).mean()


def student_not_softened(student, teacher, temperature):
    t = soft(teacher, temperature)
    return temperature**2 * (t * (t.log() - student.log_softmax(1))).sum(1).mean()


def test_mistakes_in_the_medium_one_are_named():
    loss = distillation_loss  # of the course: one number for each sample
    mistakes = [
        (lambda s, t, T: loss(s, t, T).mean() / T**2, "multiply the result by T * T"),
        (lambda s, t, T: loss(s, t, T).mean() / T, "multiply the result by T * T"),
        (student_not_softened, "Divide the logits of both by T"),
        (lambda s, t, T: loss(s, t, T).mean() / s.shape[1], "not over classes"),
        (lambda s, t, T: loss(s, t, T).sum(), "then the mean over samples"),
        (lambda s, t, T: loss(s, t, T).sum() / 2, "The mean is over the samples"),
        (lambda s, t, T: loss(t, s, T).mean(), "t from the teacher"),
        (cross_entropy, "t (log t - log s)"),
        (loss, "then the mean over samples"),
        (lambda student: student, "another number of inputs"),
        (torch.zeros(2), "a function is asked"),
    ]
    assert_named(medium, mistakes)


def test_the_loss_of_torch_counts():
    """Second implementation: torch's own, with the right reduction."""

    def by_torch(student, teacher, temperature):
        log_s = (student / temperature).log_softmax(1)
        target = soft(teacher, temperature)
        return temperature**2 * nn.functional.kl_div(log_s, target, reduction="batchmean")

    assert_right(medium, by_torch)


def train(model, samples, objective, seed):
    fit(model, samples, objective, num_epochs=20, seed=seed)
    return model


def student(seed):
    torch.manual_seed(seed)
    return Net()


def test_open_solution_of_the_notebook_is_a_fair_comparison():
    names = {
        **{"load_mnist": make_task, "train": train, "student": student},
        "train_teacher": lambda samples, seed: train(student(seed), samples, CrossEntropy(), seed),
        **{"FEW": 1, "TEMPERATURE": 2.0, "SEEDS": range(5), "answers_by_index": answers_by_index},
        **{"Distillation": Distillation, "CrossEntropy": CrossEntropy, "evaluate": evaluate},
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }
    assert run_cell(open_ended, "solution", names).state is State.RIGHT
