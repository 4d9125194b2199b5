"""Tests of the scores of transferability against hand calculations and brute force."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import mutual_info_score

from course_utils.features import h_score, leep, log_me, nce, nearest_mean, prototype_head


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.fixture
def table():
    labels = torch.arange(60) % 3
    return normal(60, 4) + labels[:, None] * torch.tensor([1.0, 0.0, -1.0, 0.5]), labels


class TestLeep:
    def test_by_hand(self):
        """P(y, z) = [[.45, .05], [.15, .35]], so P(y|z) = [[.75, .125], [.25, .875]]."""
        theta = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
        expected = (np.log(0.75 * 0.9 + 0.125 * 0.1) + np.log(0.25 * 0.3 + 0.875 * 0.7)) / 2
        assert leep(theta, [0, 1]) == pytest.approx(expected, abs=1e-6)

    def test_a_map_one_to_one_has_the_largest_score(self):
        assert leep(torch.eye(4)[[2, 0, 1, 2]], [0, 1, 2, 0]) == 0

    def test_without_information_it_is_the_entropy_of_the_labels(self):
        theta = torch.full((8, 3), 1 / 3)
        assert leep(theta, [0, 1] * 4) == pytest.approx(-np.log(2))

    def test_a_source_class_without_mass_changes_nothing(self):
        theta = torch.tensor([[0.9, 0.1, 0.0], [0.3, 0.7, 0.0]])
        assert leep(theta, [0, 1]) == leep(theta[:, :2], [0, 1])

    @pytest.mark.parametrize("wrong", [[[2.0, 0.0]], [[0.5, 0.4]], [[1.5, -0.5]]])
    def test_what_are_no_probabilities_is_refused(self, wrong):
        with pytest.raises(ValueError, match="no probabilities; give logits.softmax"):
            leep(torch.tensor(wrong), [0])


class TestNce:
    def test_it_is_the_mutual_information_less_the_entropy(self):
        generator = torch.Generator().manual_seed(0)
        z, y = (torch.randint(0, k, (200,), generator=generator) for k in (7, 4))
        shares = torch.bincount(y) / 200
        entropy = -(shares * shares.log()).sum().item()
        assert nce(z, y) == pytest.approx(mutual_info_score(z, y) - entropy, abs=1e-6)

    def test_a_source_class_that_tells_the_target_class_leaves_nothing_open(self):
        assert nce([5, 5, 2, 0], [1, 1, 0, 2]) == 0

    def test_sizes_that_differ_are_refused(self):
        with pytest.raises(ValueError, match="source_labels has 2 samples and labels 3"):
            nce([0, 1], [0, 1, 1])


class TestHScore:
    def test_it_is_the_trace_of_discriminant_analysis(self, table):
        """tr(S^-1 B) from the eigenvalues of LDA: each is between / within variance."""
        features, labels = table
        ratios = _between_per_within(features.numpy(), labels.numpy())
        expected = (ratios / (1 + ratios)).sum()
        assert h_score(features, labels, shrunk=False) == pytest.approx(expected)

    def test_an_invertible_map_changes_nothing(self, table):
        features, labels = table
        moved = features @ normal(4, 4, seed=1) + 3
        found = [h_score(each, labels, shrunk=False) for each in (features, moved)]
        assert found[0] == pytest.approx(found[1])

    def test_it_grows_with_the_distance_of_the_classes(self, table):
        features, labels = table
        assert h_score(features + 3 * labels[:, None], labels) > h_score(features, labels)

    def test_shrinkage_keeps_few_samples_from_looking_perfect(self):
        """40 samples of 100 random features: any labels are told apart without shrinkage."""
        features, labels = normal(40, 100), torch.arange(40) % 2
        assert h_score(features, labels, shrunk=False) == pytest.approx(1)
        assert h_score(features, labels) < 0.2

    def test_one_row_for_all_is_refused(self):
        with pytest.raises(ValueError, match="the same row for all samples"):
            h_score(torch.ones(4, 2), [0, 0, 1, 1])


def _between_per_within(features, labels):
    found = LinearDiscriminantAnalysis(solver="eigen").fit(features, labels)
    means = found.transform(features)
    means -= means.mean(0)
    within = sum(((means[labels == c] - means[labels == c].mean(0)) ** 2).sum(0) for c in range(3))
    between = sum((labels == c).sum() * means[labels == c].mean(0) ** 2 for c in range(3))
    return between / within


def evidence(features, y, alpha, beta):
    """Let y be normal with covariance F F^T / alpha + I / beta: no formula of LogME is used."""
    covariance = features @ features.T / alpha + np.eye(len(y)) / beta
    return multivariate_normal(np.zeros(len(y)), covariance).logpdf(y)


class TestLogMe:
    @pytest.mark.parametrize("shape", [(30, 4), (12, 20)])
    def test_it_is_the_largest_evidence_that_a_search_finds(self, shape):
        labels = torch.arange(shape[0]) % 2
        features = normal(*shape) + 0.5 * labels[:, None]
        best = []
        for c in (0, 1):
            y = (labels == c).double().numpy()

            def loss(logs, y=y):
                return -evidence(features.numpy(), y, *np.exp(logs))

            starts = ((0, 0), (3, 3), (3, 0))
            tries = [minimize(loss, start, method="Nelder-Mead").fun for start in starts]
            best.append(-min(tries) / shape[0])
        assert log_me(features, labels) == pytest.approx(np.mean(best), abs=1e-3)

    def test_labels_that_the_features_tell_have_more_evidence(self, table):
        features, labels = table
        shuffled = labels[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
        assert log_me(features, labels) > log_me(features, shuffled) + 0.1

    def test_more_random_features_do_not_help(self, table):
        features, labels = table
        wide = torch.cat([features, normal(60, 300, seed=2)], 1)
        assert log_me(wide, labels) < log_me(features, labels)

    def test_labels_that_fit_exactly_give_a_number(self):
        labels = torch.arange(8) % 2
        found = log_me(torch.nn.functional.one_hot(labels).float(), labels)
        assert np.isfinite(found)

    def test_features_of_zeros_are_refused(self):
        with pytest.raises(ValueError, match="features is 0 everywhere"):
            log_me(torch.zeros(4, 2), [0, 1, 0, 1])


@pytest.mark.parametrize("score", [leep, h_score, log_me])
def test_one_label_for_each_row_is_needed(score):
    with pytest.raises(ValueError, match="has 4 samples and labels 3; give one label for each"):
        score(torch.full((4, 2), 0.5), [0, 1, 1])


class TestNearestMean:
    def test_agrees_with_refitting_a_head_without_each_sample(self):
        torch.manual_seed(0)
        labels = torch.arange(30) % 3
        features = torch.randn(30, 5) + 1.2 * torch.nn.functional.one_hot(labels, 5)
        right = 0
        for place in range(30):
            others = torch.arange(30) != place
            head = prototype_head(features[others], labels[others])
            right += int(head(features[place : place + 1]).argmax() == labels[place])
        assert 0.4 < nearest_mean(features, labels) < 1
        assert nearest_mean(features, labels) == pytest.approx(right / 30)

    def test_random_labels_are_no_better_than_luck(self):
        torch.manual_seed(0)
        share = nearest_mean(torch.randn(400, 20), torch.randint(0, 2, (400,)))
        assert 0.4 < share < 0.6

    def test_the_only_sample_of_a_class_counts_as_wrong(self):
        assert nearest_mean(torch.tensor([[0.0], [0.1], [5.0]]), torch.tensor([0, 0, 1])) == 2 / 3
