"""Typical wrong answers to the exercises of lesson 06, and its open solution on small data."""

import math
from functools import partial

import torch
from authoring import assert_named, assert_right, run_cell
from torch import nn
from toys import Net, make_task, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.exercises.checks.exercise import State
from course_utils.exercises.knowledge_transfer import easy, medium, open_ended
from course_utils.experiments.estimates import Draws
from course_utils.experiments.results import Results
from course_utils.experiments.runs import repeat
from course_utils.objectives.distillation import Distillation, distillation_loss, soften
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.teacher import answers_by_index
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

RIGHT = 4 / math.log(3)  # logits 6 and 2: their ratio is exp(4 / T), and must be 3


def test_the_right_temperature_gives_a_quarter():
    answers = soften(torch.tensor([[6.0, 2.0]]), RIGHT)
    torch.testing.assert_close(answers, torch.tensor([[0.75, 0.25]]))


def test_mistakes_in_the_easy_one_are_named():
    mistakes = [
        (1 / RIGHT, "1 over T"),
        (4 / math.log(4), "the ratio 3 to 1"),
        (4 * math.log(3), "You multiplied"),
        (4 / 3, "You took the ratio itself"),
        (4 / math.log10(3), "base 10"),
        (2 / math.log(3), "T divides this difference"),
        (6 / math.log(3), "Only the difference"),
        (f"{RIGHT:.4f}", "without quotation marks"),
        (3.0, "too small"),
        (20, "too large"),
    ]
    assert_named(easy, mistakes)


def test_a_temperature_found_by_trying_counts():
    assert_right(easy, round(RIGHT, 2))


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
    """Both arms come from the same few labels, and the taught student sees no label at all."""
    seen, measured = [], []

    def recorded(model, samples, objective, seed):
        seen.append((len(samples), samples.labels.min().item() >= 0))
        return train(model, samples, objective, seed)

    def recorded_evaluate(model, samples):
        measured.append(len(samples))
        return evaluate(model, samples)

    names = {
        **{"load_mnist": make_task, "train": recorded, "student": student},
        "train_teacher": lambda few, seed: recorded(student(seed), few, CrossEntropy(), seed),
        "SPLITS": Draws.splits(train=0.6, test=0.25),
        **{"FEW": 1, "TEMPERATURE": 2.0, "SEEDS": range(5), "answers_by_index": answers_by_index},
        **{"Distillation": Distillation, "CrossEntropy": CrossEntropy},
        "evaluate": recorded_evaluate,
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }
    assert run_cell(open_ended, "solution", names).state is State.RIGHT
    assert seen == [(2, True), (60, False), (2, True)] * 5
    assert set(measured) == {40}  # validation


def test_readings_of_the_open_one_are_judged():
    arms = [{("taught", "accuracy"): 0.8 + n / 500, ("labels", "accuracy"): 0.7} for n in range(5)]
    answer = {"results": Results(arms), "part": "validation", "reading": "shows a gain"}
    assert_right(open_ended, answer)
    mistakes = [
        (answer | {"reading": "shows none"}, "That is not 'shows none'"),
        (answer | {"reading": "cannot tell"}, "That is not 'cannot tell'"),
        (answer | {"part": "test"}, "the test part is read once"),
        (Results(arms), "Give three things"),
    ]
    assert_named(open_ended, mistakes)
