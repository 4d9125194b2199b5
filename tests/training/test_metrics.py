"""Tests of course_utils.training.metrics."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import Tensor

from course_utils.training.metrics import Metrics, compute_metrics


def accuracy(logits, labels, weights=None):
    return compute_metrics(logits, labels, weights).weighted_accuracy


def random_case(num_classes, number=200):
    generator = np.random.default_rng(num_classes)
    labels = generator.integers(0, num_classes, number)
    logits = generator.normal(size=(number, num_classes)) + 1.5 * np.eye(num_classes)[labels]
    weights = generator.uniform(0.1, 1, number)
    return torch.tensor(logits).float(), torch.tensor(labels), torch.tensor(weights).float()


class TestAccuracy:
    def test_share_of_right_samples(self):
        logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 0.0], [1.0, 0.0]])
        assert accuracy(logits, torch.tensor([0, 0, 0, 0])) == 0.75

    def test_ties_go_to_the_lower_class(self):
        assert accuracy(torch.zeros(2, 3), torch.tensor([0, 1])) == 0.5

    def test_always_functional_has_the_published_weighted_accuracy(self):
        # METHODS 1.1 and 1.2: weight 1 for p = 0, else p; 1508 / 2392 = 63.0 %, plain 57.5 %
        labels = torch.tensor([0] * 1508 + [1] * (295 + 106 + 715))
        weights = torch.tensor([1.0] * 1508 + [1 / 3] * 295 + [2 / 3] * 106 + [1.0] * 715)
        always_functional = torch.tensor([[1.0, 0.0]]).expand(2624, 2)
        assert accuracy(always_functional, labels, weights) == pytest.approx(1508 / 2392, abs=1e-7)
        assert accuracy(always_functional, labels) == pytest.approx(1508 / 2624)

    def test_common_factor_of_the_weights_does_not_matter(self):
        logits, labels, weights = random_case(3)
        found = accuracy(logits, labels, 10 * weights)
        assert found == pytest.approx(accuracy(logits, labels, weights), rel=1e-6)

    @pytest.mark.parametrize(("rows", "entries"), [(3, 2), (2, 3)])
    def test_different_lengths_are_refused(self, rows, entries):
        message = f"logits has {rows} rows and labels {entries} entries; give one row per label"
        with pytest.raises(ValueError, match=message):
            accuracy(torch.zeros(rows, 2), torch.zeros(entries, dtype=torch.int64))

    @pytest.mark.parametrize("number", [1, 2, 4])
    def test_wrong_number_of_weights_is_refused_also_if_it_would_broadcast(self, number):
        with pytest.raises(
            ValueError, match=f"weights has {number} entries for 3 labels; give one"
        ):
            accuracy(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), torch.ones(number))

    @pytest.mark.parametrize("convert", [Tensor.numpy, Tensor.tolist, Tensor.double])
    def test_columns_arrays_and_lists_mean_the_same(self, convert):
        logits, labels, weights = random_case(3)
        expected = accuracy(logits, labels, weights)
        assert accuracy(convert(logits), labels[:, None], weights[:, None]) == expected
        assert accuracy(logits.requires_grad_(), labels.int(), convert(weights)) == expected
        assert accuracy(logits, labels.tolist(), weights.tolist()) == expected

    @pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 2, 1)])
    def test_one_logit_is_refused_with_what_to_give(self, shape):
        with pytest.raises(ValueError, match="logits has shape .*; give two or more columns"):
            accuracy(torch.zeros(shape), torch.zeros(8).long())

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_outputs_that_are_not_finite_are_refused(self, value):
        logits, labels, weights = random_case(3)
        logits[5, 1] = value
        with pytest.raises(ValueError, match="logits has 1 numbers that are infinite or not a"):
            compute_metrics(logits, labels, weights)

    @pytest.mark.parametrize("label", [-1, 3, 10**9])
    def test_label_that_is_no_class_is_refused(self, label):
        logits, labels, _ = random_case(3)
        labels[7] = label
        with pytest.raises(ValueError, match=f"labels has the label {label}"):
            compute_metrics(logits, labels)

    @pytest.mark.parametrize("labels", [torch.full((4,), 0.5), torch.zeros(4, 2).long(), ["a"] * 4])
    def test_what_are_no_labels_is_refused(self, labels):
        with pytest.raises((TypeError, ValueError), match="labels (has|is)"):
            accuracy(torch.zeros(4, 2), labels)

    @pytest.mark.parametrize("value", [0.0, -0.5, float("nan"), float("inf")])
    def test_weight_that_is_not_above_0_is_refused(self, value):
        logits, labels, weights = random_case(3)
        weights[3] = value
        with pytest.raises(ValueError, match="weights has"):
            accuracy(logits, labels, weights)


class TestComputeMetrics:
    @pytest.mark.parametrize("num_classes", [2, 3, 7])
    def test_all_agree_with_sklearn(self, num_classes):
        logits, labels, weights = random_case(num_classes)
        found, predictions = compute_metrics(logits, labels, weights), logits.argmax(1)
        average = "binary" if num_classes == 2 else "macro"
        assert found.num_samples == 200
        assert found.accuracy == pytest.approx(reference.accuracy_score(labels, predictions))
        expected = reference.balanced_accuracy_score(labels, predictions)
        assert found.balanced_accuracy == pytest.approx(expected)
        assert found.f1 == pytest.approx(reference.f1_score(labels, predictions, average=average))
        expected = reference.accuracy_score(labels, predictions, sample_weight=weights)
        assert found.weighted_accuracy == pytest.approx(expected, rel=1e-6)

    def test_auc_of_two_classes_counts_pairs(self):
        logits, labels, _ = random_case(2, number=40)
        scores = logits[:, 1] - logits[:, 0]
        above = scores[labels == 1][:, None] > scores[labels == 0]
        assert compute_metrics(logits, labels).auc == pytest.approx(above.double().mean().item())

    def test_auc_of_many_classes_is_the_mean_over_pairs(self):
        logits, labels, _ = random_case(3, number=60)
        shares, pairs = logits.double().softmax(1), []
        for first in range(3):
            for second in range(3):
                if first != second:
                    a, b = shares[labels == first, first], shares[labels == second, first]
                    pairs.append((a[:, None] > b).double().mean())
        found = compute_metrics(logits, labels).auc
        assert found == pytest.approx(torch.stack(pairs).mean().item())

    @pytest.mark.parametrize("num_classes", [2, 3, 10])
    def test_auc_with_ties_is_that_of_sklearn(self, num_classes):
        logits, labels, _ = random_case(num_classes)
        logits = logits.round()
        if num_classes == 2:
            expected = reference.roc_auc_score(labels, logits[:, 1] - logits[:, 0])
        else:
            shares = logits.double().softmax(1)
            expected = reference.roc_auc_score(labels, shares, multi_class="ovo")
        assert compute_metrics(logits, labels).auc == pytest.approx(expected, abs=1e-12)

    def test_auc_of_two_classes_survives_very_sure_logits(self):
        logits = torch.tensor([[0.0, 100.0], [0.0, 200.0], [0.0, 150.0]])
        assert compute_metrics(logits, torch.tensor([0, 1, 1])).auc == 1

    def test_large_logits_of_float32_do_not_break_the_auc(self):
        logits, labels, _ = random_case(3)
        assert compute_metrics(1000 * logits, labels).auc > 0.5

    def test_auc_is_not_a_number_where_a_class_is_missing(self):
        logits, labels, _ = random_case(3)
        found = compute_metrics(logits[labels < 2], labels[labels < 2])
        assert math.isnan(found.auc)
        assert 0 < found.balanced_accuracy <= 1

    def test_balanced_accuracy_of_one_answer_is_a_guess(self):
        labels = torch.tensor([0] * 90 + [1] * 10)
        found = compute_metrics(torch.tensor([[1.0, 0.0]]).expand(100, 2), labels)
        assert (found.accuracy, found.balanced_accuracy, found.f1) == (0.9, 0.5, 0)

    def test_without_weights_weighted_accuracy_is_the_plain_one(self):
        logits, labels, _ = random_case(3)
        found = compute_metrics(logits, labels)
        assert found.weighted_accuracy == found.accuracy

    def test_auc_of_sure_logits_near_the_largest_float_is_right(self):
        logits = torch.tensor([[3e38, -3e38], [-3e38, 3e38], [0.0, 1.0]])  # their difference is inf
        assert compute_metrics(logits, torch.tensor([0, 1, 1])).auc == 1

    def test_what_is_asked_for_later_does_not_change_with_what_was_given(self):
        logits, labels, weights = random_case(3)
        expected = compute_metrics(logits, labels, weights).as_dict()
        found = compute_metrics(logits, labels, weights)
        logits.zero_()
        labels.zero_()
        assert found.as_dict() == expected

    def test_auc_is_computed_only_when_it_is_asked_for(self, monkeypatch):
        monkeypatch.setattr(reference, "roc_auc_score", lambda *_, **__: 0.125)
        found = compute_metrics(*random_case(10))
        assert 0 < found.accuracy <= 1
        assert found.auc == found.as_dict()["auc"] == 0.125

    def test_no_warning_where_a_class_is_never_true_or_never_said(self, recwarn):
        logits = 5 * torch.eye(4)[[0, 1, 3, 3]]
        str(compute_metrics(logits, torch.tensor([0, 1, 1, 2])))
        assert not recwarn.list

    def test_no_sample_is_refused(self):
        with pytest.raises(ValueError, match="logits is empty"):
            compute_metrics(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))


class TestMetrics:
    def test_text_is_a_table_of_fractions(self):
        logits = torch.tensor([[1.0, 0.0, -1.0]]).expand(1200, 3)
        labels = torch.tensor([0] * 900 + [1] * 300)
        lines = str(Metrics(logits, labels, 1 + 2.0 * labels)).splitlines()
        assert [line.rsplit(maxsplit=1) for line in lines] == [
            ["samples", "1,200"],
            ["accuracy", "0.750"],
            ["balanced accuracy", "0.500"],
            ["f1", "0.429"],
            ["auc", "nan"],
            ["weighted accuracy", "0.500"],
        ]
