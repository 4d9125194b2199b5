"""Tests of the exercises of lesson 09."""

import copy
from functools import partial

import torch
from authoring import assert_named, find_cell
from toys import Net, make_task, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.exercises import better_transfer
from course_utils.exercises.checks.exercise import State
from course_utils.experiments import Draws, repeat
from course_utils.objectives import CrossEntropy
from course_utils.training import evaluate, fit


def test_easy_mistakes_are_named():
    mistakes = [(4, "Unequal weights"), (12, "sum of the squares"), (0.5, "Square the sum")]
    assert_named(better_transfer.easy, mistakes)


def test_medium_mistakes_are_named():
    mistakes = [
        (lambda p: 1 - p.max(1).values, "between the two most likely"),
        (lambda p: p[:, 0] - p[:, 1], "any column"),
        (lambda p: p.max(1).values - p.min(1).values, "between the two most likely"),
    ]
    assert_named(better_transfer.medium, mistakes)


def test_open_solution_of_the_notebook_is_a_fair_comparison(one_thread):  # noqa: F811
    _, cell = find_cell(better_transfer.open_ended, "solution")

    def train(start, few, *, seed, **settings):
        model = start()
        fit(model, few, CrossEntropy(), num_epochs=3, learning_rate=0.05, seed=seed)
        return model

    names = {
        "uci": make_task(),
        "FEW": 5,
        "POOLS": {"digits": 30},
        "SEEDS": range(5),
        "SCHEDULES": {"one cycle": None},
        "Draws": Draws,
        "evaluate": evaluate,
        "partial": partial,
        "torch": torch,
        "start_digits": lambda seed: Net(),
        "grown": lambda few, change, seed: few,
        "CHANGES": {"small crops": None},
        "train": train,
        "repeat": lambda *given, **settings: repeat(*given, num_workers=1, **settings),
        "open_ended": copy.deepcopy(better_transfer.open_ended),
    }
    exec(compile(cell.source, "<solution>", "exec"), names)
    assert names["open_ended"].state in (State.RIGHT, State.NOT_YET)
    assert names["results"].arms == ["both", "plain"]
