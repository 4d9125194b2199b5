"""Tests of course_utils.features.maps."""

import numpy as np
import pytest
import torch
from scipy.linalg import inv, sqrtm
from sklearn.decomposition import PCA
from toys import one_thread  # noqa: F401, a fixture

from course_utils.features.maps import align_subspaces, coral_map
from course_utils.features.moments import center_each, standardize_each
from course_utils.features.similarity import proxy_a_distance


def domain(number, shift=0.0, *, seed=0, features=3):
    """Draw correlated features of several scales in double precision."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(features, features, generator=torch.Generator().manual_seed(seed + 99))
    return (torch.randn(number, features, generator=generator) @ mixing).double() + shift


SOURCE, TARGET = domain(30), domain(20, shift=5.0, seed=1)
PAIR = SOURCE, TARGET
EACH_MAP = {
    "center_each": center_each,
    "standardize_each": standardize_each,
    "coral_map": lambda s, t, **more: (coral_map(s, t, **more),),
    "align_subspaces": lambda s, t, **more: align_subspaces(s, t, num_components=2, **more),
}
each_map = pytest.mark.parametrize("mapping", EACH_MAP.values(), ids=EACH_MAP)


def covariance_and_identity(features):
    return np.cov(features.T.numpy()) + np.eye(features.shape[1])


class TestCoralMap:
    # algorithm 1, with the matrix functions of scipy
    EXPECTED = inv(sqrtm(covariance_and_identity(SOURCE))) @ sqrtm(covariance_and_identity(TARGET))

    def test_algorithm_of_the_paper_on_centred_features(self):
        source, target = center_each(*PAIR)
        expected = source @ torch.from_numpy(self.EXPECTED)
        torch.testing.assert_close(coral_map(source, target), expected)

    def test_mean_becomes_that_of_the_target(self):
        found = coral_map(*PAIR)
        centred = (SOURCE - SOURCE.mean(0)) @ torch.from_numpy(self.EXPECTED)
        torch.testing.assert_close(found, centred + TARGET.mean(0))

    def test_one_feature_by_hand(self):
        # variances 2 and 8 give 3 and 9: each number times sqrt(3), the means are 0 and 5
        source, target = torch.tensor([[-1.0], [1.0]]), torch.tensor([[3.0], [7.0]])
        torch.testing.assert_close(coral_map(source, target), 3**0.5 * source + 5)

    def test_covariance_is_that_of_the_target_where_the_identity_is_small_beside_it(self):
        found = coral_map(1e4 * SOURCE, 1e4 * TARGET)
        expected = 1e8 * np.cov(TARGET.T.numpy())
        np.testing.assert_allclose(np.cov(found.T.numpy()), expected, rtol=1e-6)

    def test_small_features_are_left_alone_because_of_the_identity(self):
        source, target = center_each(1e-4 * SOURCE, 1e-4 * TARGET)
        torch.testing.assert_close(coral_map(source, target), source, rtol=1e-5, atol=1e-10)

    def test_domain_that_is_only_shifted_is_moved(self):
        target = SOURCE + torch.tensor([5.0, 0, -3])
        torch.testing.assert_close(coral_map(SOURCE, target), target)

    def test_more_features_than_samples_are_no_problem(self):
        found = coral_map(domain(4, features=20), domain(3, features=20, seed=1))
        assert found.isfinite().all()


class TestAlignSubspaces:
    @pytest.mark.parametrize("num_components", [1, 2, 3])
    def test_both_domains_are_those_of_scikit_learn_up_to_the_signs(self, num_components):
        x, y = (features.numpy() for features in PAIR)
        bases = PCA(num_components).fit(x), PCA(num_components).fit(y)
        P_S, P_T = (basis.components_.T for basis in bases)
        expected = bases[0].transform(x) @ P_S.T @ P_T, bases[1].transform(y)
        found = [part.numpy() for part in align_subspaces(*PAIR, num_components=num_components)]
        signs = np.sign((found[1] * expected[1]).sum(0))  # one for both domains
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(signs * ours, theirs, atol=1e-10)

    def test_equal_domains_stay_equal_and_a_shift_does_not_matter(self):
        source, target = align_subspaces(SOURCE, SOURCE + 7, num_components=2)
        torch.testing.assert_close(source, target)

    def test_directions_that_the_target_lacks_are_left_out(self):
        source = torch.tensor([[-1.0, 0], [1, 0]])
        found = align_subspaces(source, source.flip(1), num_components=1)
        torch.testing.assert_close(found[0], torch.zeros(2, 1))
        torch.testing.assert_close(found[1].abs(), torch.ones(2, 1))

    def test_direction_between_counts_by_its_cosine(self):
        # from (1, 1) / sqrt(2) to (1, 0) is 45 degrees: sqrt(2) * cos 45 degrees = 1
        source, target = torch.tensor([[-1.0, -1], [1, 1]]), torch.tensor([[-3.0, 0], [3, 0]])
        mapped, _ = align_subspaces(source, target, num_components=1)
        torch.testing.assert_close(mapped.abs(), torch.ones(2, 1))

    def test_all_components_keep_all_distances(self):
        for mapped, features in zip(align_subspaces(*PAIR, num_components=3), PAIR, strict=True):
            torch.testing.assert_close(torch.pdist(mapped), torch.pdist(features))

    def test_spreads_of_the_target_come_in_order(self):
        _, target = align_subspaces(*PAIR, num_components=3)
        expected = np.linalg.eigvalsh(np.cov(TARGET.T.numpy()))[::-1]
        np.testing.assert_allclose(np.cov(target.T.numpy()), np.diag(expected), atol=1e-10)

    @pytest.mark.parametrize(
        ("source", "target", "number", "most"),
        [
            (SOURCE, TARGET, 0, 3),
            (SOURCE, TARGET, -1, 3),
            (SOURCE, TARGET, 4, 3),
            (SOURCE[:3], TARGET, 3, 2),  # three centred points lie in a plane
            (SOURCE, TARGET[:2], 2, 1),
        ],
    )
    def test_number_of_components_out_of_range_is_refused(self, source, target, number, most):
        with pytest.raises(ValueError, match=f"num_components is {number}; give 1 to {most}, as"):
            align_subspaces(source, target, num_components=number)


class TestWhatAllMapsShare:
    @each_map
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_precision_is_that_of_the_features_and_they_stay_as_they_were(self, mapping, dtype):
        pair = [features.to(dtype) for features in PAIR]
        copies = [features.clone() for features in pair]
        for mapped in mapping(*pair):
            assert mapped.dtype == dtype
        assert all(torch.equal(*both) for both in zip(pair, copies, strict=True))

    @each_map
    def test_each_row_goes_with_its_sample(self, mapping):
        order = torch.randperm(30, generator=torch.Generator().manual_seed(2))
        expected = mapping(*PAIR)[0][order]
        torch.testing.assert_close(mapping(SOURCE[order], TARGET)[0], expected)

    @each_map
    def test_single_precision_loses_no_digits_on_the_way(self, mapping):
        pair = [features.float() for features in PAIR]
        doubled = mapping(*(features.double() for features in pair))
        for found, expected in zip(mapping(*pair), doubled, strict=True):
            torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6)

    @each_map
    def test_features_of_two_forms_are_refused(self, mapping):
        with pytest.raises(ValueError, match=r"source has shape \(30, 3\) and target \(20, 2\)"):
            mapping(SOURCE, TARGET[:, :2])
        with pytest.raises(TypeError, match="target is torch.int64; give floating-point features"):
            mapping(SOURCE, TARGET.long())
        with pytest.raises(ValueError, match=r"source has 30 rows and target 0; give . or more"):
            mapping(SOURCE, TARGET[:0])

    @each_map
    def test_arrays_mean_the_same_and_numbers_that_are_not_finite_are_refused(self, mapping):
        expected = mapping(SOURCE.float(), TARGET.float())
        for found, same in zip(mapping(SOURCE.numpy(), TARGET.numpy()), expected, strict=True):
            torch.testing.assert_close(found, same)
        broken = TARGET.clone()
        broken[3, 1] = torch.nan
        with pytest.raises(ValueError, match="target has 1 numbers that are infinite or not"):
            mapping(SOURCE, broken)

    @pytest.mark.parametrize("name", ["coral_map", "align_subspaces"])
    def test_a_covariance_of_one_sample_is_refused(self, name):
        for pair in ((SOURCE[:1], TARGET), (SOURCE, TARGET[:1])):
            with pytest.raises(ValueError, match="give 2 or more of each"):
                EACH_MAP[name](*pair)

    @each_map
    def test_map_of_the_same_samples_is_the_default(self, mapping):
        for found, expected in zip(mapping(*PAIR, fitted_on=PAIR), mapping(*PAIR), strict=True):
            assert torch.equal(found, expected)

    @each_map
    def test_new_samples_do_not_change_the_map(self, mapping):
        """Mapping some of the samples is taking some of the mapped samples."""
        some = mapping(SOURCE[:4], TARGET[:3], fitted_on=PAIR)
        for found, expected in zip(some, mapping(*PAIR), strict=True):
            torch.testing.assert_close(found, expected[: len(found)])

    @each_map
    def test_one_new_sample_is_enough(self, mapping):
        assert all(
            part.isfinite().all() for part in mapping(SOURCE[:1], TARGET[:1], fitted_on=PAIR)
        )

    @each_map
    def test_distance_is_below_a_guess_on_the_samples_of_the_map_alone(self, mapping):
        """Why the map can be found on other samples than those that are measured."""
        on_own, on_others = [], []
        for seed in range(8):
            source, target = domain(400, seed=seed), domain(400, seed=seed + 50)
            known = source[:200], target[:200]

            def distance(pair, known=known, seed=seed):
                mapped = mapping(*pair, fitted_on=known)
                other = pair[1] if len(mapped) == 1 else mapped[1]
                return proxy_a_distance(mapped[0], other, seed=seed)

            on_own.append(distance(known))
            on_others.append(distance((source[200:], target[200:])))
        assert np.mean(on_own) < -0.05
        assert np.mean(on_own) < np.mean(on_others)

    @each_map
    @pytest.mark.parametrize(
        ("known", "error", "message"),
        [
            (SOURCE, TypeError, r"fitted_on is .*; give a pair \(features of the source"),
            ((SOURCE, TARGET, TARGET), TypeError, "fitted_on is .*; give a pair"),
            (
                (SOURCE, TARGET[:, :2]),
                ValueError,
                r"fitted_on\[0\] has shape .* and fitted_on\[1\]",
            ),
            ((SOURCE[:, :2], TARGET[:, :2]), ValueError, "fitted_on has 2 features and source 3"),
            ((SOURCE, None), TypeError, r"fitted_on\[1\]"),
        ],
    )
    def test_what_cannot_find_a_map_is_refused(self, mapping, known, error, message):
        with pytest.raises(error, match=message):
            mapping(*PAIR, fitted_on=known)
