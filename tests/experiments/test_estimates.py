"""Tests of course_utils.experiments.estimates: intervals that contain the truth often enough."""

import numpy as np
import pytest
from scipy import stats

from course_utils.experiments.estimates import Draws, estimate, paired_difference

SPLITS = Draws.splits(train=0.6, test=0.25)
VALUES = [0.81, 0.84, 0.80, 0.86, 0.83]


def coverage(values, truth, draws, column=None):
    """Return how often the interval of a row of values contains the truth."""
    found = [estimate(row, draws=draws, column=column) for row in values]
    return np.mean([each.low <= truth <= each.high for each in found])


def test_width_by_hand_for_splits():
    """Nadeau and Bengio 2003, eq. 9: 1/5 becomes 1/5 + .25/.6, that is 1.756 times as wide."""
    plain, corrected = estimate(VALUES), estimate(VALUES, draws=SPLITS)
    assert corrected.mean == plain.mean
    ratio = (corrected.high - corrected.low) / (plain.high - plain.low)
    assert ratio == pytest.approx(np.sqrt((1 / 5 + 0.25 / 0.6) / (1 / 5)))
    assert ratio == pytest.approx(1.756, abs=0.001)


def test_width_by_hand_for_labels():
    half = stats.t.ppf(0.975, 4) * np.std(VALUES, ddof=1) * np.sqrt(1 / 5 + 0.25 / 0.75)
    found = estimate(VALUES, draws=Draws.labels(pool=20), column=5)
    assert found.high - found.mean == pytest.approx(half)
    assert estimate(VALUES, draws=Draws.labels(pool=20, size=5)).high == found.high


def test_a_draw_of_the_whole_pool_is_no_draw():
    assert Draws.labels(pool=20).shared(20) == Draws.labels(pool=20).shared(25) == 0
    assert Draws.labels(pool=20).shared(19) == 0.95


def test_paired_differences_are_corrected_too():
    first, second = VALUES, [0.8] * 5
    found = paired_difference(first, second, draws=SPLITS)
    expected = estimate(np.subtract(first, second), draws=SPLITS)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_coverage_where_splits_overlap():
    """200 samples, split five times: a threshold between two class means is learned and tested.

    The truth is the expected accuracy of such a threshold on new samples.
    """
    generator = np.random.default_rng(0)
    rows, truths = [], []
    for _ in range(400):
        labels = np.arange(200) % 2
        inputs = generator.normal(labels * 1.0)
        row = []
        for _ in range(5):
            order = generator.permutation(200)
            train, test = order[:120], order[120:170]
            threshold = (
                inputs[train][labels[train] == 0].mean() + inputs[train][labels[train] == 1].mean()
            ) / 2
            row.append(((inputs[test] > threshold) == labels[test]).mean())
            truths.append((stats.norm.cdf(threshold) + stats.norm.cdf(1 - threshold)) / 2)
        rows.append(row)
    truth = np.mean(truths)
    assert coverage(rows, truth, Draws.starts()) < 0.90
    assert coverage(rows, truth, SPLITS) > 0.93


def test_coverage_where_labels_come_from_a_small_pool():
    """A mean of 15 of 20 samples: the truth is the mean of all that the pool was drawn from."""
    generator = np.random.default_rng(0)
    pools = generator.normal(size=(600, 20))
    rows = [[generator.permutation(pool)[:15].mean() for _ in range(5)] for pool in pools]
    assert coverage(rows, 0, Draws.starts(), 15) < 0.75
    assert coverage(rows, 0, Draws.labels(pool=20), 15) == pytest.approx(0.95, abs=0.03)


def test_independent_runs_need_no_correction():
    rows = np.random.default_rng(0).normal(size=(1000, 5))
    assert coverage(rows, 0, Draws.starts()) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Draws.labels(pool=0), "pool is 0; give 1 or more"),
        (lambda: Draws.labels(pool=5, size=0), "size is 0; give size=, the labels per class"),
        (lambda: Draws.splits(train=0, test=0.5), "train is 0; give a number above 0"),
        (lambda: Draws.splits(train=0.5, test=-1), "test is -1; give a number above 0"),
        (lambda: Draws.labels(pool=5).shared("AUC"), "the column of labels is 'AUC'; give size="),
    ],
)
def test_draws_that_cannot_be_are_refused(make, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        make()


@pytest.mark.parametrize("draws", [None, "splits", 0.25])
def test_draws_must_be_draws(draws):
    with pytest.raises(TypeError, match="^draws is [^\\n]*; give Draws.starts"):
        estimate(VALUES, draws=draws)
