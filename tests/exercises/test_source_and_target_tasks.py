"""Typical wrong answers to the exercises of lesson 01, and its open solution on small data."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from authoring import assert_named, run_cell
from lesson import Lesson, definitions
from nbformat.v4 import new_code_cell, new_notebook
from toys import one_thread  # noqa: F401, a fixture is used by its name

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.exercises.checks.exercise import State
from course_utils.exercises.source_and_target_tasks import easy, medium, open_ended
from course_utils.experiments.results import Results
from course_utils.experiments.runs import repeat

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_source_and_target_tasks.ipynb"


def test_mistakes_in_the_easy_one_are_named():
    mistakes = [
        ("inductive", "Has the new scanner any?"),
        (" Supervised domain adaptation", "has the new scanner labels?"),
        ("unsupervised", "is not one of the choices"),
        (2, "is not one of the choices"),
    ]
    assert_named(easy, mistakes)


def reaching(sizes, accuracies, level):
    return [size for size, accuracy in zip(sizes, accuracies, strict=True) if accuracy >= level]


def size_after_those_below(sizes, accuracies, level):
    """Return infinity also when no size is below."""
    below = sum(accuracy < level for accuracy in accuracies)
    return sizes[below] if 0 < below < len(sizes) else math.inf


def test_mistakes_in_the_medium_one_are_named():
    mistakes = [
        (lambda s, a, v: s.index((*reaching(s, a, v), s[-1])[0]), "not its place in the list"),
        (lambda s, a, v: next((x for x in a if x >= v), math.inf), "not the accuracy"),
        (lambda s, a, v: (*reaching(s, a, v + 1e-9), math.inf)[0], "use >="),
        (lambda s, a, v: (math.inf, *reaching(s, a, v))[-1], "returns 100, but"),
        (size_after_those_below, "Return the first size that is enough"),
        (lambda s, a, v: (*reaching(s, a, v), s[-1])[0], "infinity"),
        (lambda s, a, v: (*reaching(s, a, v), None)[0], "Does every branch end in a return?"),
        (lambda s, a, v: reaching(s, a, v)[0], "place that does not exist"),
        (20, "a function is asked"),
    ]
    assert_named(medium, mistakes)


def test_the_package_is_right_too_where_it_does_not_interpolate():
    results = Results([{("arm", 1): 0.4, ("arm", 5): 0.6, ("arm", 20): 0.8}])
    for level, expected in [(0.3, 1), (0.6, 5), (0.8, 20), (0.9, math.inf)]:
        assert results.labels_needed("arm", level)[0] == pytest.approx(expected)


def small_mnist():
    """Return a task with ten classes, as small as the open exercise allows."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(240) % 10
    shapes = torch.rand(10, 1, 8, 8, generator=generator)
    images = (shapes[labels] + torch.rand(240, 1, 8, 8, generator=generator)) / 2
    parts = [Samples(images, labels).select(part) for part in torch.arange(240).split(80)]
    classes = tuple("0123456789")
    return Task("small task", classes, *parts, "grey value", "none", "random numbers")


def test_open_solution_of_the_notebook_is_a_fair_comparison():
    names = definitions(Lesson.read(NOTEBOOK))
    # under another name these settings would have no effect; one process: workers start slowly
    fast = {"SOURCE_EPOCHS": 1, "CLASSES_STEPS": 20, "repeat": partial(repeat, num_workers=1)}
    assert fast.keys() <= names.keys()
    names |= fast | {"mnist": small_mnist()}
    assert run_cell(open_ended, "solution", names).state is State.RIGHT


def test_definitions_keep_imports_settings_and_functions_and_run_nothing():
    cell = new_code_cell("import math\nSIDE = 2\n1 / 0\nx = 3\ndef area():\n    return SIDE**2")
    namespace = definitions(Lesson(NOTEBOOK, new_notebook(cells=[cell])))
    assert namespace["math"] is math
    assert namespace["area"]() == 4
    assert "x" not in namespace
