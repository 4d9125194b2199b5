"""Tests of course_utils.features.distances."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel
from toys import one_thread  # noqa: F401, a fixture

from course_utils.features.distances import WIDTHS, coral_distance, mmd_squared


def domain(number, shift=0.0, scale=1.0, *, seed=0, features=3):
    """Draw normal features in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(number, features, generator=generator).double() + shift


def column(*values):
    return torch.tensor(values)[:, None]


def uncorrelated(*variances):
    """Four samples of three features with exactly these variances and covariance 0."""
    signs = torch.tensor([[1.0, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]])
    return signs * (0.75 * torch.tensor(variances)).sqrt()


def turn(features, seed=9):
    """Turn features by a random orthogonal matrix."""
    return features @ torch.linalg.qr(domain(features.shape[1], seed=seed, features=3))[0]


def mmd_of_scikit_learn(source, target, bandwidths):
    def mean_kernel(first, second):
        return np.mean([rbf_kernel(first, second, gamma=1 / width) for width in bandwidths])

    x, y = source.numpy(), target.numpy()
    return mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)


class TestMmdSquaredByHand:
    def test_two_points(self):
        # K_SS = K_TT = 1, and K_ST is a mean over two widths
        found = mmd_squared(column(0.0), column(1.0), bandwidths=[1.0, 2.0])
        assert found.item() == pytest.approx(2 - (math.exp(-1) + math.exp(-0.5)))

    def test_domains_of_two_sizes_count_the_same(self):
        # 0 and 2 against 1: mean K_SS = (1 + 1 + 2 e^-4) / 4, K_TT = 1, K_ST = 1/e both times
        found = mmd_squared(column(0.0, 2.0), column(1.0), bandwidths=[1.0])
        assert found.item() == pytest.approx((1 + math.exp(-4)) / 2 + 1 - 2 * math.exp(-1))

    def test_usual_widths_are_the_mean_squared_distance_times_powers_of_two(self):
        # one pair of different rows, 2 apart: b = 1, 2, 4, 8, 16
        expected = 2 - 2 * np.mean([math.exp(-4 / b) for b in (1, 2, 4, 8, 16)])
        assert mmd_squared(column(0.0), column(2.0)).item() == pytest.approx(expected)

    def test_usual_widths_are_those_of_all_pairs_of_both_domains(self):
        # 0, 0 and 3: squares 0, 9 and 9, mean 6
        found = mmd_squared(column(0.0, 0.0), column(3.0))
        expected = mmd_squared(column(0.0, 0.0), column(3.0), bandwidths=[6 * w for w in WIDTHS])
        torch.testing.assert_close(found, expected)
        assert WIDTHS == (0.25, 0.5, 1, 2, 4)


class TestMmdSquaredAgainstReferences:
    PAIR = domain(7), domain(11, shift=0.5, seed=1)

    @pytest.mark.parametrize("widths", [[0.3], [1.0], [20.0], [0.5, 3.0, 10.0]])
    def test_kernel_of_scikit_learn(self, widths):
        found = mmd_squared(*self.PAIR, bandwidths=widths).item()
        assert found == pytest.approx(mmd_of_scikit_learn(*self.PAIR, widths), rel=1e-12)

    def test_usual_widths_in_loops(self):
        rows = torch.cat(self.PAIR).numpy()
        squares = [
            ((x - y) ** 2).sum() for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j
        ]
        widths = [np.mean(squares) * 2.0**k for k in range(-2, 3)]
        expected = mmd_of_scikit_learn(*self.PAIR, widths)
        assert mmd_squared(*self.PAIR).item() == pytest.approx(expected, rel=1e-12)

    def test_mean_for_one_distribution_is_what_theory_says(self):
        # (1/N_S + 1/N_T) (1 - E K); x - y is normal with variance 2, so E K = (1 + 4/b)^(-D/2)
        pairs = [(domain(5, seed=2 * s), domain(20, seed=2 * s + 1)) for s in range(400)]
        found = np.mean([mmd_squared(*pair, bandwidths=[4.0]).item() for pair in pairs])
        expected = (1 / 5 + 1 / 20) * (1 - (1 + 4 / 4.0) ** (-3 / 2))
        assert found == pytest.approx(expected, rel=0.03)  # 2 standard errors

    def test_wide_kernel_sees_only_the_distance_of_the_means(self):
        # exp(-q) is near 1 - q, and what is left of the squares is 2 |mean difference|^2 / b
        source, target = self.PAIR
        found = 1e6 * mmd_squared(source, target, bandwidths=[1e6])
        expected = 2 * (source.mean(0) - target.mean(0)).square().sum()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)

    def test_narrow_kernel_sees_all_points_apart(self):
        # only the diagonals are left: 1/7 + 1/11
        found = mmd_squared(*self.PAIR, bandwidths=[1e-9]).item()
        assert found == pytest.approx(1 / 7 + 1 / 11)


class TestMmdSquaredAsADistance:
    PAIRS = [
        (domain(5, seed=s), domain(3 + s, shift=0.1 * s, scale=1 + 0.1 * s, seed=s + 50))
        for s in range(20)
    ]

    @pytest.mark.parametrize("bandwidths", [None, [0.1], [1.0, 100.0]])
    def test_never_below_zero_and_symmetric(self, bandwidths):
        for source, target in self.PAIRS:
            found = mmd_squared(source, target, bandwidths=bandwidths)
            assert 0 <= found <= 2
            torch.testing.assert_close(found, mmd_squared(target, source, bandwidths=bandwidths))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_identical_samples_are_0_apart_in_any_order(self, dtype):
        features = domain(30).to(dtype)
        order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
        for again in (features, features[order], features.repeat(2, 1)):
            found = mmd_squared(features, again).item()
            assert 0 <= found < 1e-6  # rounding in float32

    def test_turning_and_shifting_both_domains_changes_nothing(self):
        for source, target in self.PAIRS:
            expected = mmd_squared(source, target)
            torch.testing.assert_close(mmd_squared(turn(source) + 3, turn(target) + 3), expected)

    @pytest.mark.parametrize("scale", [1e-3, 1e3])
    def test_scale_matters_only_where_the_widths_are_given(self, scale):
        source, target = self.PAIRS[5]
        found = mmd_squared(scale * source, scale * target)
        torch.testing.assert_close(found, mmd_squared(source, target))
        found = mmd_squared(scale * source, scale * target, bandwidths=[scale**2, 4 * scale**2])
        torch.testing.assert_close(found, mmd_squared(source, target, bandwidths=[1, 4]))
        fixed = mmd_squared(scale * source, scale * target, bandwidths=[1.0])
        assert not fixed.isclose(mmd_squared(source, target, bandwidths=[1.0]), rtol=0.1)

    def test_larger_shift_is_a_larger_distance(self):
        shifts = (0.0, 0.5, 1.0, 2.0, 4.0)
        found = [mmd_squared(domain(200), domain(200, s, seed=1)).item() for s in shifts]
        assert found == sorted(found)
        assert found[0] < 0.01 < 0.5 < found[-1]

    def test_another_spread_around_the_same_mean_is_seen(self):
        narrow, wide = domain(300), domain(300, scale=3.0, seed=1)
        narrow, wide = narrow - narrow.mean(0), wide - wide.mean(0)
        assert mmd_squared(narrow, wide) > 10 * mmd_squared(narrow, domain(300, seed=2))

    def test_width_below_rounding_gives_no_kernel_above_1(self):
        source, target = 100 * domain(20).float(), 100 * domain(20, seed=1).float()
        assert 0 <= mmd_squared(source, target, bandwidths=[1e-6]) <= 2

    def test_large_means_cost_no_digits(self):
        source, target = domain(20).float(), domain(20, 0.5, seed=1).float()
        found = mmd_squared(source + 1000, target + 1000)  # rounding of 1000 + x: 3e-5
        torch.testing.assert_close(found, mmd_squared(source, target), rtol=1e-3, atol=0)


class TestMmdSquaredWhereAllRowsAgree:
    @pytest.mark.parametrize("number", [0.0, 1.0, -1e4])
    def test_it_is_0_with_a_gradient_of_0(self, number):
        source = torch.full((3, 2), number, requires_grad=True)
        found = mmd_squared(source, torch.full((4, 2), number))
        found.backward()
        assert found == 0
        assert torch.equal(source.grad, torch.zeros(3, 2))

    @pytest.mark.parametrize("size", [1e-17, 1e-18, 1e-19, 1e-20, 1e-22, 1e-23, 1e-30])
    def test_it_is_finite_where_squares_are_too_small_for_float32(self, size):
        source, target = size * torch.ones(2, 1), torch.zeros(2, 1).requires_grad_()
        found = mmd_squared(source, target)
        found.backward()
        assert 0 <= found <= 2
        assert target.grad.isfinite().all()

    def test_number_that_is_not_finite_is_not_hidden(self):
        source = domain(3)
        source[0, 0] = math.nan
        assert mmd_squared(source, domain(3, seed=1)).isnan()


class TestMmdSquaredGradient:
    def test_against_finite_differences(self):
        pair = domain(5).requires_grad_(), domain(4, 0.5, seed=1).requires_grad_()
        assert torch.autograd.gradcheck(lambda *p: mmd_squared(*p, bandwidths=[1.0, 5.0]), pair)

    def gradients(self, bandwidths):
        pair = domain(5).requires_grad_(), domain(4, 0.5, seed=1).requires_grad_()
        return torch.autograd.grad(mmd_squared(*pair, bandwidths=bandwidths), pair)

    def test_none_flows_into_the_usual_widths(self):
        rows = torch.cat([domain(5), domain(4, 0.5, seed=1)])
        mean = torch.pdist(rows).square().mean().item()
        found, expected = self.gradients(None), self.gradients([w * mean for w in WIDTHS])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs)

    def test_both_domains_are_pulled_to_each_other(self):
        pulls = [-gradient.sum(0) for gradient in self.gradients(None)]
        assert (pulls[0] > 0.01).all()  # the target is shifted by 0.5 in each direction
        torch.testing.assert_close(pulls[0], -pulls[1])  # shifting both changes nothing


class TestCoralDistance:
    @pytest.mark.parametrize(
        ("first", "second", "expected"),
        [
            ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 0),
            ((2.0, 1.0, 1.0), (1.0, 1.0, 1.0), 1 / 36),
            ((4.0, 0.0, 1.0), (1.0, 2.0, 3.0), (9 + 4 + 4) / 36),
        ],
    )
    def test_diagonal_covariances_in_closed_form(self, first, second, expected):
        found = coral_distance(uncorrelated(*first), uncorrelated(*second))
        assert found.item() == pytest.approx(expected, abs=1e-6)

    def test_equal_variances_with_another_correlation(self):
        # covariances [[2, 2], [2, 2]] and [[2, -2], [-2, 2]]: 2 * 4^2 / (4 * 2^2)
        source, target = torch.tensor([[1.0, 1], [-1, -1]]), torch.tensor([[1.0, -1], [-1, 1]])
        assert coral_distance(source, target) == 2

    def test_covariance_of_numpy(self):
        source, target = domain(9), domain(6, scale=2.0, seed=1)
        difference = np.cov(source.T.numpy()) - np.cov(target.T.numpy())
        expected = (difference**2).sum() / (4 * 3**2)
        assert coral_distance(source, target).item() == pytest.approx(expected, rel=1e-12)

    def test_it_is_blind_to_the_means(self):
        source = domain(20)
        assert coral_distance(source, source + torch.tensor([100.0, -7, 0])).item() < 1e-20

    def test_symmetric_and_blind_to_order(self):
        source, target = domain(9), domain(6, scale=2.0, seed=1)
        expected = coral_distance(source, target)
        torch.testing.assert_close(coral_distance(target, source), expected)
        torch.testing.assert_close(coral_distance(source.flip(0), target.flip(0)), expected)

    def test_small_batch_of_many_small_features_is_near_0_whatever_the_domains_are(self):
        """The factor 1 / (4 D^2): why nothing happens with lambda 1."""
        source = domain(8, scale=0.1, features=256)
        same = domain(8, scale=0.1, seed=1, features=256)
        other = domain(8, shift=1.0, scale=0.2, seed=2, features=256)
        assert coral_distance(source, same) < 1e-4
        assert coral_distance(source, other) < 1e-3
        assert mmd_squared(source, other) > 100 * coral_distance(source, other)

    def test_gradient_against_finite_differences(self):
        pair = domain(5).requires_grad_(), domain(4, 0.5, 2.0, seed=1).requires_grad_()
        assert torch.autograd.gradcheck(coral_distance, pair)

    def test_spread_is_pulled_towards_that_of_the_other_domain(self):
        narrow, wide = domain(50).requires_grad_(), domain(50, scale=2.0, seed=1).requires_grad_()
        coral_distance(narrow, wide).backward()
        for features, sign in ((narrow, 1), (wide, -1)):
            outwards = (features - features.mean(0)).detach()
            assert sign * (-features.grad * outwards).sum() > 0


class TestWhatIsRefused:
    distances = pytest.mark.parametrize("distance", [mmd_squared, coral_distance])

    @distances
    @pytest.mark.parametrize(
        ("source", "target"),
        [
            (torch.zeros(4, 3), torch.zeros(4, 2)),
            (torch.zeros(4, 3), torch.zeros(4, 1)),  # would broadcast
            (torch.zeros(4), torch.zeros(4)),
            (torch.zeros(4, 3, 2, 2), torch.zeros(4, 3, 2, 2)),
        ],
    )
    def test_features_of_two_forms(self, distance, source, target):
        shapes = rf"source has shape \({source.shape[0]}.* target \({target.shape[0]}"
        with pytest.raises(ValueError, match=rf"{shapes}.*; give features \(N_S, D\) and \(N_T"):
            distance(source, target)

    @distances
    @pytest.mark.parametrize(
        ("wrong", "found"),
        [
            (np.zeros((4, 3), int), "torch.int64"),
            ("text", "a text"),
            (torch.zeros(4, 3).long(), "torch.int64"),
            (torch.zeros(4, 3).bool(), "torch.int64"),
            (None, "None"),
        ],
    )
    def test_no_tensor_of_numbers(self, distance, wrong, found):
        for name, pair in (("source", (wrong, domain(4))), ("target", (domain(4), wrong))):
            with pytest.raises(TypeError, match=f"^{name} is {found}; give .*(floating|numbers)"):
                distance(*pair)

    @distances
    def test_arrays_and_lists_mean_the_same(self, distance):
        source, target = domain(5).float(), domain(6, seed=1).float()
        expected = distance(source, target)
        for convert in (torch.Tensor.numpy, torch.Tensor.tolist):
            torch.testing.assert_close(distance(convert(source), convert(target)), expected)

    @pytest.mark.parametrize(
        ("distance", "numbers"),
        [
            (mmd_squared, (0, 3)),
            (mmd_squared, (3, 0)),
            (coral_distance, (1, 3)),
            (coral_distance, (3, 1)),
        ],
    )
    def test_too_few_rows(self, distance, numbers):
        with pytest.raises(ValueError, match=r"source has . rows and target .; give . or more"):
            distance(*(torch.zeros(number, 3) for number in numbers))

    @pytest.mark.parametrize("widths", [[], [0.0], [1.0, -1.0], [math.inf], [math.nan]])
    def test_widths_that_are_not_above_0(self, widths):
        with pytest.raises(ValueError, match=r"bandwidths is \[.*\]; give one or more finite"):
            mmd_squared(domain(3), domain(3), bandwidths=widths)

    @pytest.mark.parametrize("widths", [1.0, 3, [None], [[1.0]], ["wide"]])
    def test_widths_that_are_no_sequence_of_numbers(self, widths):
        with pytest.raises(TypeError, match=r"bandwidths is .*; give a sequence of numbers, such"):
            mmd_squared(domain(3), domain(3), bandwidths=widths)

    def test_widths_may_be_a_tensor_or_an_array(self):
        expected = mmd_squared(domain(3), domain(3, seed=1), bandwidths=[1.0, 2.0])
        for widths in (torch.tensor([1.0, 2.0]), np.array([1.0, 2.0]), (1, 2), iter([1, 2])):
            assert mmd_squared(domain(3), domain(3, seed=1), bandwidths=widths) == expected
