"""Tests of choosing and weighing samples."""

import itertools

import numpy as np
import pytest
import torch

from course_utils.features import (
    effective_sample_size,
    importance_weights,
    k_centre,
    least_certain,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def radius(features, chosen):
    return torch.cdist(features, features[list(chosen)]).amin(1).max().item()


class TestKCentre:
    @pytest.mark.parametrize("seed", range(5))
    def test_its_radius_is_at_most_twice_the_best_of_all_choices(self, seed):
        features = normal(12, 2, seed=seed)
        best = min(radius(features, each) for each in itertools.combinations(range(12), 3))
        assert radius(features, k_centre(features, 3).tolist()) <= 2 * best + 1e-6

    def test_each_next_one_is_the_farthest_from_those_before(self):
        features = normal(30, 3)
        found = k_centre(features, 6).tolist()
        for number in range(1, 6):
            distances = torch.cdist(features, features[found[:number]]).amin(1)
            assert found[number] == distances.argmax()

    def test_what_is_labelled_already_counts_and_is_not_chosen_again(self):
        features = torch.tensor([[0.0], [0.1], [4.0], [10.0]])
        assert k_centre(features, 1, chosen=[0, 3]).tolist() == [2]
        assert sorted(k_centre(features, 3, chosen=[0]).tolist()) == [1, 2, 3]

    def test_equal_samples_are_chosen_once_each(self):
        assert sorted(k_centre(torch.zeros(4, 2), 4).tolist()) == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("number", "chosen", "words"),
        [
            (5, None, "number is 5; give 1 to 4"),
            (3, [0, 1], "number is 3; give 1 to 2"),
            (1, [4], "chosen has the place 4"),
        ],
    )
    def test_more_than_there_are_is_refused(self, number, chosen, words):
        with pytest.raises(ValueError, match=f"^{words}"):
            k_centre(normal(4, 2), number, chosen=chosen)


class TestLeastCertain:
    def test_it_is_the_smallest_margin_between_two_classes(self):
        logits = normal(50, 4)
        sorted_ones = np.sort(logits.softmax(1).numpy(), 1)
        expected = np.argsort(sorted_ones[:, -1] - sorted_ones[:, -2])[:10]
        assert least_certain(logits, 10).tolist() == expected.tolist()


class TestImportanceWeights:
    def test_they_are_the_ratio_of_two_gaussians(self):
        """For N(1, 1) over N(0, 1) the ratio is exp(x - 1/2), which is logistic in x."""
        source, target = normal(4000, 1), normal(4000, 1, seed=1) + 1
        found = importance_weights(source, target)
        true = (source[:, 0] - 0.5).exp()
        assert torch.corrcoef(torch.stack([found, true / true.mean()]))[0, 1] > 0.99
        assert (found * source[:, 0]).mean() == pytest.approx(1, abs=0.1)

    def test_the_sizes_of_the_domains_cancel(self):
        source, target = normal(2000, 1), normal(500, 1, seed=1) + 1
        found = importance_weights(source, target)
        assert (found * source[:, 0]).mean() == pytest.approx(1, abs=0.2)

    def test_a_domain_like_the_source_leaves_all_as_they_are(self):
        found = importance_weights(normal(1000, 3), normal(1000, 3, seed=1), strength=0.01)
        assert effective_sample_size(found) > 950

    def test_domains_far_apart_leave_few_samples(self):
        found = importance_weights(normal(500, 2), normal(500, 2, seed=1) + 4, strength=100)
        assert effective_sample_size(found) < 50

    @pytest.mark.parametrize("target", [normal(20, 3), normal(4, 2), normal(20)])
    def test_tables_that_do_not_fit_are_refused(self, target):
        with pytest.raises(ValueError, match="^source is .* and target .*; give"):
            importance_weights(normal(20, 2), target)


class TestEffectiveSampleSize:
    def test_by_hand(self):
        assert effective_sample_size([2.0, 1.0, 1.0]) == pytest.approx(16 / 6)
        assert effective_sample_size(torch.full((7,), 0.3)) == pytest.approx(7)

    @pytest.mark.parametrize("weights", [[1.0, -1.0], [0.0, 0.0], [[1.0]]])
    def test_what_are_no_weights_is_refused(self, weights):
        with pytest.raises(ValueError, match="^weights must be a row of numbers from 0 on"):
            effective_sample_size(weights)
