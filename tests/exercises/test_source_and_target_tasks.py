"""Tests of the exercises of lesson 01: right, untouched and typical wrong answers."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from authoring import find_faults
from lesson import Lesson, definitions
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.exercises.source_and_target_tasks import easy, medium, open_ended
from course_utils.experiments.results import Results
from course_utils.experiments.runs import repeat

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_source_and_target_tasks.ipynb"


def reaching(sizes, accuracies, level):
    return [size for size, accuracy in zip(sizes, accuracies, strict=True) if accuracy >= level]


def place_in_the_list(sizes, accuracies, level):
    return sizes.index((*reaching(sizes, accuracies, level), sizes[-1])[0])


def accuracy_itself(sizes, accuracies, level):
    return next((accuracy for accuracy in accuracies if accuracy >= level), math.inf)


def strictly_above(sizes, accuracies, level):
    above = [size for size, a in zip(sizes, accuracies, strict=True) if a > level]
    return (*above, math.inf)[0]


def last_size(sizes, accuracies, level):
    return (math.inf, *reaching(sizes, accuracies, level))[-1]


def size_after_those_below(sizes, accuracies, level):
    """Return infinity also when no size is below."""
    below = sum(accuracy < level for accuracy in accuracies)
    return sizes[below] if 0 < below < len(sizes) else math.inf


def largest_size_at_the_end(sizes, accuracies, level):
    return (*reaching(sizes, accuracies, level), sizes[-1])[0]


def nothing_at_the_end(sizes, accuracies, level):
    for size in reaching(sizes, accuracies, level):
        return size


def without_bound(sizes, accuracies, level):
    return reaching(sizes, accuracies, level)[0]


def untouched(sizes, accuracies, level):
    return ...


class TestEasy:
    def test_is_sound(self):
        wrong = [
            ("inductive", "Has the new scanner any?"),
            (" Unsupervised", "Has the old scanner some?"),
            ("domain adaptation", "is not one of the choices"),
            (2, "is not one of the choices"),
        ]
        assert find_faults(easy, wrong) == []


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (place_in_the_list, "not its place in the list"),
            (accuracy_itself, "not the accuracy"),
            (strictly_above, "use >="),
            (last_size, "returns 100, but"),
            (size_after_those_below, "Return the first size that is enough"),
            (largest_size_at_the_end, "infinity"),
            (nothing_at_the_end, "Does every branch end in a return?"),
            (without_bound, "place that does not exist"),
            (20, "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched]) == []

    def test_the_package_is_right_too_where_it_does_not_interpolate(self):
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


@pytest.fixture
def names():
    """Yield what the notebook has defined above the open exercise, with less to compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    # one process: starting workers would take longer than the work
    fast = {"SOURCE_EPOCHS": 1, "TARGET_STEPS": 20, "repeat": partial(repeat, num_workers=1)}
    yield definitions(Lesson.read(NOTEBOOK)) | fast | {"mnist": small_mnist()}
    torch.set_num_threads(before)


class TestOpen:
    def test_is_sound(self, names):
        one_seed = {("frozen", 5): 0.7, ("from scratch", 5): 0.8}
        wrong = [
            ({"frozen": 0.7}, "Give what repeat(...) returns"),
            (Results([one_seed] * 4), "There are 4 seeds"),
            (Results([{("frozen", 5): 0.7}] * 5), "one arm only"),
            (Results([{("a", 5): 0.6, ("b", 20): 0.7}] * 5), "share no size"),
            (Results([{("a", 5): 0.6, ("b", 5): 0.6}] * 5), "did both run the same code"),
        ]
        assert find_faults(open_ended, wrong, names=names) == []

    def test_settings_that_are_made_small_are_those_of_the_lesson(self):
        """Under another name they would have no effect."""
        names = set(definitions(Lesson.read(NOTEBOOK)))
        assert {"SOURCE_EPOCHS", "TARGET_STEPS", "repeat"} <= names


class TestDefinitions:
    def test_imports_settings_and_functions_are_kept_and_nothing_runs(self):
        cell = new_code_cell("import math\nSIDE = 2\n1 / 0\nx = 3\ndef area():\n    return SIDE**2")
        namespace = definitions(Lesson(NOTEBOOK, new_notebook(cells=[cell])))
        assert namespace["math"] is math
        assert namespace["area"]() == 4
        assert "x" not in namespace
