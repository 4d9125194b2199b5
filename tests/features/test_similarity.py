"""Tests of course_utils.features.similarity."""

import numpy as np
import pytest
import torch

from course_utils.features.similarity import label_overlap, linear_cka, proxy_a_distance


def domain(number, shift=0.0, seed=0, features=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, features, generator=generator) + shift


class TestLabelOverlap:
    @pytest.mark.parametrize(
        ("source", "target", "expected"),
        [
            (list("01234"), tuple("56789"), 0),
            (list("01234"), tuple("43210"), 1),
            (["cat", "dog"], ["dog", "horse", "cow"], 1 / 4),
            (["cat", "cat", "dog"], ["dog"], 1 / 2),  # twice is once
        ],
    )
    def test_share_of_common_classes_by_hand(self, source, target, expected):
        assert label_overlap(source, target) == expected
        assert label_overlap(target, source) == expected

    @pytest.mark.parametrize(("source", "target"), [([], ["a"]), (["a"], [])])
    def test_no_class_is_refused(self, source, target):
        message = f"source_classes has {len(source)} .* target_classes {len(target)}; give at least"
        with pytest.raises(ValueError, match=message):
            label_overlap(source, target)

    @pytest.mark.parametrize("classes", ["cats", [1, 2], None])
    def test_what_are_no_names_is_refused(self, classes):
        with pytest.raises(TypeError, match="target_classes (is|has) .*; give"):
            label_overlap(["a"], classes)


class TestProxyADistance:
    def test_same_distribution_is_near_0(self):
        pairs = [(domain(2000, seed=s), domain(2000, seed=s + 50)) for s in range(10)]
        found = [proxy_a_distance(*pair) for pair in pairs]
        # error of a guess on 1,000 samples: 0.5 +- 0.016, so the distance is 0 +- 0.063
        assert all(abs(distance) < 0.2 for distance in found)
        assert abs(np.mean(found)) < 0.06
        assert min(found) < 0  # not cut at 0, or the mean would be above it

    def test_separable_domains_are_2_apart(self):
        assert proxy_a_distance(domain(200), domain(200, shift=8.0, seed=1)) == 2

    def test_larger_shift_is_a_larger_distance(self):
        found = [proxy_a_distance(domain(400), domain(400, s, seed=1)) for s in (0.2, 0.5, 1.0)]
        assert found == sorted(found)
        assert found[0] + 0.5 < found[2]

    def test_one_dimension_by_theory(self):
        # best error of two normals that are 2 apart: Phi(-1) = 0.1587, so 2 (1 - 2 e) = 1.365
        source, target = domain(8000, features=1), domain(8000, 2.0, seed=1, features=1)
        assert proxy_a_distance(source, target) == pytest.approx(1.365, abs=0.08)

    def test_rare_domain_counts_as_much_as_the_other(self):
        # as above, 1.365; a classifier that minds the shares would move its border from 1 to
        # 1 + log(19) / 2 = 2.47, find 32 % of the targets and 99 % of the sources: 0.62
        source, target = domain(9500, features=1), domain(500, 2.0, seed=1, features=1)
        assert proxy_a_distance(source, target) == pytest.approx(1.365, abs=0.2)

    def test_always_answering_the_common_domain_is_no_success(self):
        # it is right in 95 % and has learned nothing
        assert proxy_a_distance(domain(1900), domain(100, seed=1)) < 0.4

    def test_unit_of_a_feature_does_not_matter(self):
        source, target = domain(200), domain(200, 0.5, seed=1)
        scale = torch.tensor([1.0, 1000.0, 1e-3, 1.0, 50.0])
        found = proxy_a_distance(source * scale, target * scale)
        assert found == pytest.approx(proxy_a_distance(source, target), abs=0.05)

    def test_images_are_flattened(self):
        source, target = domain(40, features=16), domain(40, 8.0, seed=1, features=16)
        shape = (-1, 1, 4, 4)
        assert proxy_a_distance(source.reshape(shape), target.reshape(shape)) == 2

    def test_same_seed_gives_the_same_number(self):
        source, target = domain(100), domain(100, 0.5, seed=1)
        runs = [proxy_a_distance(source, target, seed=s) for s in (3, 3, 4, 5)]
        assert runs[0] == runs[1]
        assert len(set(runs)) > 1

    @pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
    def test_seed_that_is_none_is_refused(self, seed):
        with pytest.raises((TypeError, ValueError), match="seed is .*; give"):
            proxy_a_distance(domain(20), domain(20), seed=seed)

    def test_arrays_lists_and_graphs_mean_the_same(self):
        expected = proxy_a_distance(domain(20), domain(20, 1.0, seed=1))
        pair = domain(20).requires_grad_(), domain(20, 1.0, seed=1).numpy()
        assert proxy_a_distance(*pair) == expected
        assert proxy_a_distance(domain(20).tolist(), pair[1].tolist()) == expected

    @pytest.mark.parametrize(("shapes"), [((20, 3), (20, 4)), ((7, 3), (20, 3)), ((20, 3), (1, 3))])
    def test_domains_that_do_not_fit_are_refused(self, shapes):
        source, target = (torch.zeros(shape) for shape in shapes)
        with pytest.raises(
            ValueError, match=r"source is \(.* and target \(.*give the same D, and 8"
        ):
            proxy_a_distance(source, target)


def u_centred(features):
    """Products of samples with mean 0 in each row, as Szekely and Rizzo 2014 define it."""
    n, products = len(features), (features @ features.T).fill_diagonal_(0)
    rows = products.sum(1) / (n - 2)
    centred = products - rows[:, None] - rows + products.sum() / ((n - 1) * (n - 2))
    return centred.fill_diagonal_(0)


class TestLinearCka:
    def test_four_samples_by_hand(self):
        """x: 2 and 2 samples, y: crossed. K and L have 1 at two pairs and -1 at four.

        Over i != j: tr KL = -4, tr KK = 12, the sum of K is -4, each row -1, so 1'KL1 = 4 and
        HSIC(x, y) = (-4 + 16/6 - 4) / 4 = -4/3, HSIC(x, x) = (12 + 16/6 - 4) / 4 = 8/3.
        """
        x, y = torch.tensor([[-1.0], [-1], [1], [1]]), torch.tensor([[-1.0], [1], [-1], [1]])
        assert linear_cka(x, y) == pytest.approx(-1 / 2, abs=1e-12)

    def test_agrees_with_the_form_of_kernels(self):
        """Second implementation: an inner product of centred N x N matrices."""
        x, y = domain(30, seed=0).double(), domain(30, seed=1, features=3).double()
        k, m = u_centred(x), u_centred(y)
        expected = (k * m).sum() / ((k * k).sum() * (m * m).sum()).sqrt()
        assert linear_cka(x, y) == pytest.approx(expected.item(), rel=1e-9)
        assert linear_cka(y, x) == pytest.approx(expected.item(), rel=1e-9)

    def test_turn_shift_and_factor_change_nothing(self):
        x, y = domain(40, seed=0), domain(40, seed=1)
        turn = torch.linalg.qr(domain(5, seed=2)).Q
        assert linear_cka(x, -3 * x @ turn + 7) == pytest.approx(1, abs=1e-5)
        assert linear_cka(x @ turn, y) == pytest.approx(linear_cka(x, y), abs=1e-5)

    def test_stretching_one_direction_does(self):
        x = domain(40)
        assert linear_cka(x, x * torch.tensor([50.0, 1, 1, 1, 1])) < 0.9

    def test_independent_noise_has_nothing_in_common_however_many_features(self):
        """The biased estimator finds 0.76 here; on average over draws there is nothing."""
        wide = [domain(393, seed=seed, features=1280) for seed in range(6)]
        found = [linear_cka(wide[k], wide[k + 1]) for k in range(5)]
        assert max(map(abs, found)) < 0.03
        small = [linear_cka(domain(8, seed=s), domain(8, seed=s + 999)) for s in range(400)]
        assert abs(np.mean(small)) < 0.05
        assert min(small) < 0 < max(small)

    def test_what_is_shared_is_found_among_noise(self):
        x = domain(400, features=200)
        alike = linear_cka(x, x + domain(400, seed=1, features=200))
        assert alike == pytest.approx(0.5, abs=0.05)  # covariances S, S, 2 S: S.S / (S.S 2S.2S)^0.5

    @pytest.mark.parametrize("shapes", [(4, 3), (3, 3)])
    def test_different_or_too_few_samples_are_refused(self, shapes):
        first, second = map(domain, shapes)
        what = rf"first has shape \({shapes[0]}, 5\) and second \({shapes[1]}, 5\).*4 or more"
        with pytest.raises(ValueError, match=what):
            linear_cka(first, second)

    @pytest.mark.parametrize("rows", [[0.1] * 6, [7, 0, 0, 0, 0, 0], [0.3] * 5 + [1e4]])
    def test_features_with_nothing_to_compare_are_refused(self, rows):
        with pytest.raises(ValueError, match="the same for all samples but one"):
            linear_cka(domain(6), torch.tensor(rows)[:, None])
