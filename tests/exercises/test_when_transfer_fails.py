"""Tests of the exercises of lesson 10."""

import copy

import torch
from authoring import assert_named, find_cell
from toys import Net, make_task, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.exercises import when_transfer_fails
from course_utils.exercises.checks.exercise import State
from course_utils.experiments import Draws, repeat
from course_utils.objectives import L2SP, CrossEntropy
from course_utils.training import evaluate, fit


def test_easy_mistakes_are_named():
    mistakes = [(-0.08, "gain in accuracy"), (0.38, "Subtract the error"), (8, "share from 0")]
    assert_named(when_transfer_fails.easy, mistakes)


def test_medium_mistakes_are_named():
    mistakes = [
        (lambda w, old, f: ((w - old) ** 2).sum(), "half the squared distance"),
        (lambda w, old, f: 0.5 * (f * w**2).sum(), "half the squared distance"),
        (lambda w, old, f: 0.5 * ((w - old) ** 2).sum(), "counts by its own F"),
    ]
    assert_named(when_transfer_fails.medium, mistakes)


def test_open_solution_of_the_notebook_is_a_fair_comparison(one_thread):  # noqa: F811
    _, cell = find_cell(when_transfer_fails.open_ended, "solution")
    asked = []

    def tune(model, few, objective, seed):
        asked.append(repr(objective))
        fit(model, few, objective, num_epochs=3, learning_rate=0.05, seed=seed)
        return model

    def start(seed, source):
        torch.manual_seed(seed)
        return Net()

    names = {
        "target": make_task(),
        "FEW": 5,
        "POOL": 30,
        "SEEDS": range(5),
        "Draws": Draws,
        "L2SP": L2SP,
        "CrossEntropy": CrossEntropy,
        "evaluate": evaluate,
        "pretrain": lambda way, seed: Net(),
        "start": start,
        "tune": tune,
        "repeat": lambda *given, **settings: repeat(*given, num_workers=1, **settings),
        "open_ended": copy.deepcopy(when_transfer_fails.open_ended),
    }
    exec(compile(cell.source, "<solution>", "exec"), names)
    assert names["open_ended"].state in (State.RIGHT, State.NOT_YET)
    assert names["results"].arms == ["pulled", "plain"]
    assert set(asked) == {"CrossEntropy() + 0.1 * L2SP(source_model)", "CrossEntropy()"}
