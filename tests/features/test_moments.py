"""Tests of course_utils.features.moments; what all maps share is in test_maps."""

import pytest
import torch
from sklearn.preprocessing import StandardScaler

from course_utils.features.moments import center_each, standardize_each

MIXING = torch.randn(3, 3, generator=torch.Generator().manual_seed(9)).double()
SOURCE = torch.randn(30, 3, generator=torch.Generator().manual_seed(0)).double() @ MIXING
TARGET = torch.randn(20, 3, generator=torch.Generator().manual_seed(1)).double() @ MIXING + 5
PAIR = SOURCE, TARGET


class TestCenterEach:
    def test_means_become_0_and_differences_stay(self):
        for found, features in zip(center_each(*PAIR), PAIR, strict=True):
            torch.testing.assert_close(found.mean(0), torch.zeros(3).double())
            torch.testing.assert_close(torch.pdist(found), torch.pdist(features))

    def test_large_means_cost_no_digits(self):
        source = SOURCE.float() + 1e4
        expected = source.double() - source.double().mean(0)
        torch.testing.assert_close(center_each(source, source)[0], expected.float())


class TestStandardizeEach:
    def test_both_domains_are_those_of_scikit_learn(self):
        for found, features in zip(standardize_each(*PAIR), PAIR, strict=True):
            expected = StandardScaler().fit_transform(features.numpy())
            torch.testing.assert_close(found, torch.from_numpy(expected))

    def test_shift_and_stretch_of_each_feature_are_undone(self):
        source, target = standardize_each(SOURCE, SOURCE * torch.tensor([2.0, 0.1, 50]) + 3)
        torch.testing.assert_close(source, target)

    def test_a_turn_is_not_undone(self):
        source, target = standardize_each(SOURCE, SOURCE.flip(1))
        assert not source.allclose(target, atol=0.5)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("number", [0.0, 0.1, 1e6 + 0.1, -1e-20])
    @pytest.mark.parametrize("num_features", [1, 3])
    def test_feature_without_spread_becomes_0(self, dtype, number, num_features):
        # the mean of 30 equal numbers is rounded: dividing what is left by itself would give 1
        source, target = (features[:, :num_features].to(dtype) for features in PAIR)
        flat = source.clone()
        flat[:, 0] = number
        found = standardize_each(flat, target)
        expected = standardize_each(source, target)
        assert found[0][:, 0].abs().max() == 0
        torch.testing.assert_close(found[0][:, 1:], expected[0][:, 1:])
        assert torch.equal(found[1], expected[1])

    def test_large_means_cost_no_digits(self):
        source = SOURCE.float() + 1e4
        expected = StandardScaler().fit_transform(source.double().numpy())
        found, _ = standardize_each(source, source)
        torch.testing.assert_close(found, torch.from_numpy(expected).float(), rtol=1e-6, atol=1e-7)

    def test_small_spread_is_one_too(self):
        source = torch.tensor([[1.0], [1.0 + 2**-20]])
        torch.testing.assert_close(standardize_each(source, source)[0], torch.tensor([[-1.0], [1]]))

    def test_single_sample_is_its_own_mean(self):
        source, _ = standardize_each(SOURCE[:1], TARGET)
        assert source.abs().max() == 0
