"""Tests of TrAdaBoost: weights by hand for three rounds, and what it is for."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from course_utils.data.samples import Samples
from course_utils.training import TrAdaBoost


class Told:
    """A learner that says what it is told, round by round; scikit-learn's clone makes it anew."""

    said = ()
    rounds = 0

    def get_params(self, deep=False):
        return {}

    def fit(self, rows, labels, sample_weight):
        self.answers = Told.said[Told.rounds]
        Told.rounds += 1
        return self

    def predict(self, rows):
        return np.array([self.answers[int(row[0])] for row in rows])


def test_weights_of_three_rounds_by_hand():
    """Three source samples (0, 1, 2), three target samples (3, 4, 5); all labels are 0."""
    rows = torch.arange(6.0)[:, None]
    source, target = Samples(rows[:3], [0, 0, 0]), Samples(rows[3:], [0, 0, 0])
    Told.said = ([1, 0, 0, 1, 0, 0], [1, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0])
    Told.rounds = 0
    found = TrAdaBoost(3, Told()).fit(source, target)
    beta = 1 / (1 + np.sqrt(2 * np.log(3) / 3))
    w = np.ones(6)
    for place, wrong in enumerate(np.array(Told.said)):
        w = w / w.sum()
        error = max((w[3:] * wrong[3:]).sum() / w[3:].sum(), 1e-6)
        beta_t = error / (1 - error)
        assert found.betas[place] == pytest.approx(beta_t, rel=1e-6)
        w = np.concatenate([w[:3] * beta ** wrong[:3], w[3:] * (1 / beta_t) ** wrong[3:]])
        assert found.source_weights[place].numpy() == pytest.approx(w[:3] / w.sum())
    assert found.betas[0] == pytest.approx(0.5)  # one of three is wrong: (1/3) / (2/3)


def test_only_the_later_half_votes():
    rows = torch.arange(6.0)[:, None]
    source, target = Samples(rows[:3], [0, 0, 1]), Samples(rows[3:], [0, 0, 1])
    Told.said = ([1, 1, 1, 0, 0, 1], [0, 0, 1, 0, 0, 1], [0, 0, 1, 0, 0, 1])
    Told.rounds = 0
    found = TrAdaBoost(3, Told()).fit(source, target)
    assert found.predict(rows).tolist() == [0, 0, 1, 0, 0, 1]


@pytest.fixture(scope="module")
def domains():
    """Half of the source samples have the wrong label, as seen by the target."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(400, 2, generator=generator)
    labels = (inputs[:, 0] > 0).long()
    is_harmful = inputs[:, 1] > 0
    source = Samples(inputs, torch.where(is_harmful, 1 - labels, labels))
    few = torch.randn(40, 2, generator=generator)
    test = torch.randn(1000, 2, generator=generator)
    return source, Samples(few, (few[:, 0] > 0).long()), test, is_harmful


def test_samples_that_contradict_the_target_lose_their_weight(domains):
    source, target, test, is_harmful = domains
    found = TrAdaBoost(10).fit(source, target)
    last = found.source_weights[-1]
    assert last[is_harmful].mean() < 0.2 * last[~is_harmful].mean()
    truth = (test[:, 0] > 0).long()
    together = LogisticRegression().fit(
        torch.cat([source.inputs, target.inputs]), torch.cat([source.labels, target.labels])
    )
    plain = (torch.from_numpy(together.predict(test.numpy())) == truth).float().mean()
    assert (found.predict(test) == truth).float().mean() > plain + 0.03


def test_a_learner_of_your_own_is_used(domains):
    source, target, test, _ = domains
    found = TrAdaBoost(5, DecisionTreeClassifier(max_depth=2, random_state=0)).fit(source, target)
    assert isinstance(found.learners[0], DecisionTreeClassifier)
    assert set(found.predict(test).tolist()) == {0, 1}


def test_wrong_calls_are_told(domains):
    source, target, test, _ = domains
    with pytest.raises(RuntimeError, match="call fit"):
        TrAdaBoost().predict(test)
    with pytest.raises(TypeError, match="learner has no fit and predict"):
        TrAdaBoost(3, "tree")
    with pytest.raises(ValueError, match="give both the same features"):
        TrAdaBoost(3).fit(source, Samples(torch.ones(2, 3), [0, 1]))
    with pytest.raises(ValueError, match="target has the label 2"):
        TrAdaBoost(3).fit(source, Samples(torch.ones(2, 2), [0, 2]))
