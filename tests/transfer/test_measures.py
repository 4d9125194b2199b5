"""Intervals and calibration, compared with what is known."""

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from course_utils.transfer.measures import (
    balanced,
    bootstrap,
    calibration_error,
    confusion,
    interval,
    temperature_for,
)
from course_utils.transfer.sentences import limits


@pytest.fixture
def answers():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(400, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return logits, labels


def test_wilson_covers_the_truth_as_often_as_it_says():
    drawn = torch.rand(400, 60, generator=torch.Generator().manual_seed(0)) < 0.9
    found = [interval(row, torch.arange(60)) for row in drawn]
    assert 0.92 < sum(each["low"] <= 0.9 <= each["high"] for each in found) / 400 < 0.985


def test_whole_groups_make_a_wider_interval():
    right = (torch.arange(100) // 10) % 5 > 0  # ten groups, all right or all wrong
    alone, together = (interval(right, torch.arange(100) // size) for size in (1, 10))
    assert together["method"] == "bootstrap over 10 groups"
    assert together["high"] - together["low"] > 1.5 * (alone["high"] - alone["low"])


def test_bootstrap_is_the_same_each_time():
    right = torch.arange(50) % 3 > 0
    measure = lambda rows: right[rows].double().mean().item()  # noqa: E731
    assert bootstrap(measure, torch.arange(50)) == bootstrap(measure, torch.arange(50))


def test_temperature_undoes_what_was_made_too_sure(answers):
    logits, labels = answers
    assert temperature_for(3 * logits, labels) == pytest.approx(
        3 * temperature_for(logits, labels), rel=1e-3
    )
    assert temperature_for(logits, labels) == pytest.approx(1, abs=0.25)


def test_calibration_error_sees_what_is_too_sure(answers):
    logits, labels = answers
    before = calibration_error((3 * logits).softmax(1), labels)
    assert before > 0.15 > 0.08 > calibration_error(logits.softmax(1), labels)


def test_counts_are_those_of_scikit_learn(answers):
    logits, labels = answers
    said = logits.argmax(1)
    assert confusion(said, labels, 3) == confusion_matrix(labels, said).tolist()
    assert balanced(said, labels) == pytest.approx(balanced_accuracy_score(labels, said))


def report_with(groups=40, baseline=0.6):
    return {
        "data": {"groups": 200},
        "test": {"groups": groups, "classes": [], "accuracy": {"value": 0.8}},
        "baseline": {"classical": {"name": "counted words", "validation": baseline}},
        "choice": {"name": "linear probe", "accuracy": 0.7},
        "audit": {"ok": True},
    }


@pytest.mark.parametrize(("in_test", "warns"), [(11, True), (40, False)])
def test_few_groups_in_the_test_part_are_a_limit_though_the_data_have_many(in_test, warns):
    report = report_with(groups=in_test)
    told = [line for line in limits(report) if "groups in the test part" in line]
    assert bool(told) == warns


@pytest.mark.parametrize(("baseline", "warns"), [(0.6, False), (0.7, False), (0.8, True)])
def test_a_baseline_that_is_ahead_on_validation_is_a_limit(baseline, warns):
    told = [line for line in limits(report_with(baseline=baseline)) if "was ahead" in line]
    assert (
        told == ["On validation counted words was ahead of linear probe, 80.0 % to 70.0 %."] * warns
    )
