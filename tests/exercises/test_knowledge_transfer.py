"""Tests of the exercises of lesson 06: right, untouched and typical wrong answers."""

import math
from functools import partial

import pytest
import torch
from authoring import find_faults, run_solution
from torch import nn
from toys import Net, make_task, one_thread, unfair_comparisons  # noqa: F401, a fixture is used by its name

from course_utils.exercises.knowledge_transfer import easy, medium, open_ended
from course_utils.experiments.runs import repeat
from course_utils.objectives.distillation import Distillation, distillation_loss
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.teacher import answers_by_index
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

RIGHT = math.exp(1) / (math.exp(1) + math.exp(3))  # logits 6 and 2, divided by 2

EASY_MISTAKES = [
    (math.exp(2) / (math.exp(2) + math.exp(6)), "the softmax at T = 1"),
    (math.exp(4) / (math.exp(4) + math.exp(12)), "You multiplied the logits"),
    (1 - RIGHT, "the other class"),
    (2 / 8, "the logits over their sum"),
    (math.exp(1) / math.exp(3), "the ratio of the two"),
    (math.exp(2) / (math.exp(2) + math.exp(6)) / 2, "divided the probability by T"),
    (100 * RIGHT, "not percent"),
]


class TestEasy:
    def test_is_sound(self):
        wrong = [*EASY_MISTAKES, (f"{RIGHT:.4f}", "without quotation marks"), (0.6, "too large")]
        assert find_faults(easy, wrong, names={"torch": torch}) == []

    def test_a_number_rounded_to_three_places_counts(self):
        assert easy.judge_answer(round(RIGHT, 3)).text == easy.why


def soft(logits, temperature):
    return (logits / temperature).softmax(1)


def without_factor(student, teacher, temperature):
    return distillation_loss(student, teacher, temperature).mean() / temperature**2


def factor_of_one_temperature(student, teacher, temperature):
    return distillation_loss(student, teacher, temperature).mean() / temperature


def mean_over_classes(student, teacher, temperature):
    return distillation_loss(student, teacher, temperature).mean() / student.shape[1]


def added_over_samples(student, teacher, temperature):
    return distillation_loss(student, teacher, temperature).sum()


def halved(student, teacher, temperature):
    return distillation_loss(student, teacher, temperature).sum() / 2


def the_other_way_round(student, teacher, temperature):
    return distillation_loss(teacher, student, temperature).mean()


def cross_entropy(student, teacher, temperature):
    log_s = (student / temperature).log_softmax(1)
    return -(temperature**2) * (soft(teacher, temperature) * log_s).sum(1).mean()


def student_not_softened(student, teacher, temperature):
    t = soft(teacher, temperature)
    return temperature**2 * (t * (t.log() - student.log_softmax(1))).sum(1).mean()


def for_each_sample(student, teacher, temperature):
    return distillation_loss(student, teacher, temperature)


def untouched(student, teacher, temperature):
    return ...


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (without_factor, "multiply the result by T * T"),
            (factor_of_one_temperature, "multiply the result by T * T"),
            (student_not_softened, "Divide the logits of both by T"),
            (mean_over_classes, "not over classes"),
            (added_over_samples, "then the mean over samples"),
            (halved, "The mean is over the samples"),
            (the_other_way_round, "t from the teacher"),
            (cross_entropy, "t (log t - log s)"),
            (lambda student: student, "another number of inputs"),
            (torch.zeros(2), "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched]) == []

    def test_one_number_for_each_sample_does_not_count(self):
        assert medium.judge_answer(for_each_sample).text != medium.why

    def test_the_loss_of_torch_counts(self):
        """Second implementation: torch's own, with the right reduction."""

        def by_torch(student, teacher, temperature):
            log_s = (student / temperature).log_softmax(1)
            target = soft(teacher, temperature)
            return temperature**2 * nn.functional.kl_div(log_s, target, reduction="batchmean")

        assert medium.judge_answer(by_torch).text == medium.why


@pytest.fixture(scope="module")
def names():
    """Return what the notebook has defined above the open exercise."""

    def train(model, samples, objective, seed):
        fit(model, samples, objective, num_epochs=20, seed=seed)
        return model

    def student(seed):
        torch.manual_seed(seed)
        return Net()

    return {
        "load_mnist": make_task,
        "train": train,
        "student": student,
        "train_teacher": lambda samples, seed: train(student(seed), samples, CrossEntropy(), seed),
        "FEW": 1,
        "TEMPERATURE": 2.0,
        "SEEDS": range(5),
        "answers_by_index": answers_by_index,
        "Distillation": Distillation,
        "CrossEntropy": CrossEntropy,
        "evaluate": evaluate,
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }


class TestOpen:
    def test_solution_is_a_fair_comparison(self, names):
        assert run_solution(open_ended, names).text == open_ended.why

    def test_is_sound(self, names):
        wrong = unfair_comparisons("labels", "taught", 1)
        assert find_faults(open_ended, wrong, names=names) == []
