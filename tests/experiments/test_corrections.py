"""Tests of the correction for many comparisons."""

import numpy as np
import pytest
from scipy import stats

from course_utils.experiments import Draws, estimate, holm


def test_one_difference_has_the_p_value_of_a_t_test():
    values = [0.3, -0.1, 0.4, 0.2, 0.25]
    assert holm([estimate(values)])[0] == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_three_by_hand():
    plain = [stats.ttest_1samp(v, 0).pvalue for v in SAMPLES]
    smallest, middle, largest = sorted(plain)
    expected = {smallest: 3 * smallest, middle: max(3 * smallest, 2 * middle)}
    expected[largest] = max(expected[middle], largest)
    found = holm([estimate(v) for v in SAMPLES])
    assert found == pytest.approx([min(1, expected[p]) for p in plain])


SAMPLES = ([1.0, 1.2, 0.9, 1.1], [0.2, 0.5, 0.4, -0.1], [0.1, -0.2, 0.3, 0.0])


@pytest.mark.slow
def test_of_twenty_tables_of_pure_luck_about_one_in_twenty_claims_something():
    rng = np.random.default_rng(0)
    fooled = plain = 0
    for _ in range(300):
        found = [estimate(rng.normal(size=5)) for _ in range(20)]
        fooled += min(holm(found)) < 0.05
        plain += any(each.low > 0 or each.high < 0 for each in found)
    assert plain > 0.5 * 300
    assert fooled < 0.09 * 300


def test_wider_intervals_of_shared_splits_give_larger_p_values():
    values = [0.3, 0.1, 0.4, 0.2, 0.25]
    shared = estimate(values, draws=Draws.splits(train=0.6, test=0.25))
    assert holm([shared])[0] > holm([estimate(values)])[0]


def test_no_spread_at_all():
    found = holm([estimate([0.1, 0.1, 0.1]), estimate([0.0, 0.0, 0.0])])
    assert found == pytest.approx([0, 1], abs=1e-6)


def test_something_else_is_named():
    with pytest.raises(TypeError, match="differences has 0.5; give what results.difference"):
        holm([0.5])
