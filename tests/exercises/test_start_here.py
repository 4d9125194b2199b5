"""Tests of the exercises of lesson 00: right, untouched and typical wrong answers."""

import pytest
import torch
from authoring import find_faults

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.exercises.start_here import easy, medium, open_ended
from course_utils.experiments.results import Results
from course_utils.experiments.runs import repeat
from course_utils.features.extraction import feature_task
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import linear_probe
from course_utils.training.metrics import compute_metrics


def shares(predictions, labels, classes):
    """Return for each class the share that is found; 0 for a class that does not occur."""
    of_class = {k: [p for p, y in zip(predictions, labels, strict=True) if y == k] for k in classes}
    return [found.count(k) / max(1, len(found)) for k, found in of_class.items()]


def plain_accuracy(predictions, labels):
    return sum(p == y for p, y in zip(predictions, labels, strict=True)) / len(labels)


def half_precision(predictions, labels):
    found_of_zero = shares(predictions, labels, [0])[0]
    right_of_one = shares(labels, predictions, [1])[0]  # of those that the model calls 1
    return (found_of_zero + right_of_one) / 2


def only_classes_zero_and_one(predictions, labels):
    return sum(shares(predictions, labels, [0, 1])) / 2


def without_guard(predictions, labels):
    found = [[p == k for p, y in zip(predictions, labels, strict=True) if y == k] for k in (0, 1)]
    return sum(sum(of_class) / len(of_class) for of_class in found) / 2


def in_percent(predictions, labels):
    return 100 * sum(shares(predictions, labels, set(labels))) / len(set(labels))


def untouched(predictions, labels):
    return ...


class TestEasy:
    def test_is_sound(self):
        wrong = [
            (0.8, "plain accuracy"),
            (50, "not a percentage"),
            (1.0, "found in one class"),
            (0.0, "among the defective"),
            ("0.5", "without quotation marks"),
            (0.45, "too small"),
        ]
        assert find_faults(easy, wrong) == []


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (plain_accuracy, "plain accuracy"),
            (half_precision, "the model says are"),
            (only_classes_zero_and_one, "here these are 1 and 2"),
            (without_guard, "It divides by zero"),
            (in_percent, "returns 100.0, but 1.0 is expected"),
            (lambda predictions: 1.0, "another number of inputs"),
            (0.5, "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched]) == []

    def test_the_measure_of_the_package_is_right_too(self):
        """The exercise says so to the learner."""

        def balanced_accuracy(predictions, labels):
            logits = torch.eye(3)[predictions]
            return compute_metrics(logits, torch.tensor(labels)).balanced_accuracy

        assert medium.judge_answer(balanced_accuracy).text == medium.why


@pytest.fixture(scope="module")
def names():
    """Return what the notebook has defined above the open exercise, with a small task."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2
    table = torch.randn(200, 8, generator=generator)
    table[:, 0] += labels
    samples = Samples(torch.zeros(200, 1, 8, 8), labels)
    train, validation, test = (samples.select(part) for part in torch.arange(200).split(80))
    classes = ("functional", "defective")
    task = Task("small task", classes, train, validation, test, "none", "none", "random numbers")
    return {
        "mono_defect": task,
        "feature_tables": {"ImageNet features": table},
        "feature_task": feature_task,
        "linear_probe": linear_probe,
        "evaluate": evaluate,
        "repeat": repeat,
        "CrossEntropy": CrossEntropy,
        "L2": L2,
    }


class TestOpen:
    def test_is_sound(self, names):
        one_seed = {("lambda 0.1", 20): 0.7, ("lambda 100", 20): 0.6}
        one_arm = {("lambda 0.1", 5): 0.6, ("lambda 0.1", 20): 0.7}
        wrong = [
            (0.7, "Give what repeat(...) returns"),
            (Results([one_seed] * 3), "There are 3 seeds"),
            (Results([one_arm] * 5), "one arm only"),
            (Results([{("a", 5): 0.6, ("b", 20): 0.7}] * 5), "share no size"),
            (Results([{("a", 5): 0.6, ("b", 5): 0.6}] * 5), "did both run the same code"),
        ]
        assert find_faults(open_ended, wrong, names=names) == []
