"""Typical wrong answers to the exercises of lesson 00, and its open solution on small data."""

import numpy as np
import torch
from authoring import assert_named, assert_right, run_cell
from toys import make_task, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.exercises.checks.exercise import State
from course_utils.exercises.start_here import easy, medium, open_ended
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import repeat
from course_utils.features.extraction import feature_task
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import linear_probe
from course_utils.training.metrics import compute_metrics


def test_mistakes_in_the_easy_one_are_named():
    mistakes = [
        (0.8, "plain accuracy"),
        (50, "not a percentage"),
        (1.0, "found in one class"),
        (0.0, "among the defective"),
        ("0.5", "without quotation marks"),
        (0.45, "too small"),
    ]
    assert_named(easy, mistakes)


def shares(predictions, labels, classes):
    """Return for each class the share that is found; 0 for a class that does not occur."""
    of_class = {k: [p for p, y in zip(predictions, labels, strict=True) if y == k] for k in classes}
    return [found.count(k) / max(1, len(found)) for k, found in of_class.items()]


def without_guard(predictions, labels):
    found = [[p == k for p, y in zip(predictions, labels, strict=True) if y == k] for k in (0, 1)]
    return sum(sum(of_class) / len(of_class) for of_class in found) / 2


def as_if_arrays(predictions, labels):
    """Compare a whole list with a class: False, which picks nothing, or the first entry."""
    return float(np.mean([np.mean(predictions[labels == k] == k) for k in set(labels)]))


def test_mistakes_in_the_medium_one_are_named():
    mistakes = [
        (lambda p, y: sum(map(int.__eq__, p, y)) / len(y), "plain accuracy"),
        # recall of class 0 and precision of class 1
        (lambda p, y: (shares(p, y, [0])[0] + shares(y, p, [1])[0]) / 2, "the model says are"),
        (lambda p, y: sum(shares(p, y, [0, 1])) / 2, "here these are 1 and 2"),
        (without_guard, "It divides by zero"),
        (lambda p, y: 100 * sum(shares(p, y, set(y))) / len(set(y)), "returns 100.0, but 1.0 is"),
        (as_if_arrays, "right for NumPy arrays, but it gets lists"),
        (lambda predictions: 1.0, "another number of inputs"),
        (0.5, "a function is asked"),
    ]
    assert_named(medium, mistakes)


def test_the_measure_of_the_package_is_right_as_the_exercise_says():
    def balanced_accuracy(predictions, labels):
        logits = torch.eye(3)[predictions]
        return compute_metrics(logits, torch.tensor(labels)).balanced_accuracy

    assert_right(medium, balanced_accuracy)


def test_open_solution_of_the_notebook_is_a_fair_comparison():
    table = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
    names = {
        "mono_defect": make_task(0),
        "feature_tables": {"ImageNet features": table},
        **{"feature_task": feature_task, "linear_probe": linear_probe, "evaluate": evaluate},
        **{"repeat": repeat, "Draws": Draws, "CrossEntropy": CrossEntropy, "L2": L2},
    }
    assert run_cell(open_ended, "solution", names).state is State.RIGHT
