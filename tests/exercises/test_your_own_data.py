"""Tests of the exercises of lesson 12."""

import copy

import torch
from authoring import assert_named, find_cell
from toys import one_thread  # noqa: F401, a fixture is used by its name

from course_utils.data import Samples
from course_utils.exercises import your_own_data
from course_utils.exercises.checks.exercise import State
from course_utils.experiments import Draws, repeat
from course_utils.objectives import L2, CrossEntropy
from course_utils.training import evaluate, linear_probe


def test_easy_mistakes_are_named():
    mistakes = [(0.09, "a hundred times"), (4.61, "one standard error"), (18.07, "whole width")]
    assert_named(your_own_data.easy, mistakes)


def test_medium_mistakes_are_named():
    def rows_not_groups(parts, groups):
        seen = [{groups[row] for row in rows} for rows in parts.values()]
        return sum(sum(group in each for each in seen) > 1 for group in groups)

    def train_and_test_only(parts, groups):
        train, test = ({groups[row] for row in parts[name]} for name in ("train", "test"))
        return len(train & test)

    def each_repeated_group(parts, groups):
        return sum(groups.count(group) > 1 for group in set(groups))

    mistakes = [
        (rows_not_groups, "Count groups, not rows"),
        (train_and_test_only, "between any two parts"),
        (each_repeated_group, "a is whole"),
    ]
    assert_named(your_own_data.medium, mistakes)


def test_open_solution_of_the_notebook_is_a_fair_comparison(one_thread):  # noqa: F811
    _, cell = find_cell(your_own_data.open_ended, "solution")
    torch.manual_seed(0)
    labels = torch.arange(60) % 2
    names = {
        "features": torch.randn(60, 4) + labels[:, None],
        "pictures": torch.rand(60, 1, 96, 96),
        "labels": labels,
        "torch": torch,
        "Samples": Samples,
        "SEEDS": range(5),
        "Draws": Draws,
        "L2": L2,
        "CrossEntropy": CrossEntropy,
        "evaluate": evaluate,
        "linear_probe": linear_probe,
        "repeat": lambda *given, **settings: repeat(*given, num_workers=1, **settings),
        "open_ended": copy.deepcopy(your_own_data.open_ended),
    }
    exec(compile(cell.source, "<solution>", "exec"), names)
    assert names["open_ended"].state in (State.RIGHT, State.NOT_YET)
    assert names["results"].arms == ["features", "pixels"]
