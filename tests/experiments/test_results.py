"""Tests of what course_utils.experiments.results refuses, and of values that all agree."""

import numpy as np
import pytest
import torch

from course_utils.experiments.results import Results, estimate, paired_difference


@pytest.mark.parametrize(
    "values", [["0.5", "0.6"], "0.5", 0.5, None, [[0.1, 0.2]], np.zeros((2, 2)), [None, 0.5]]
)
def test_what_are_no_numbers_is_refused_in_one_line(values):
    with pytest.raises(TypeError, match="^values is [^\\n]*; give a list with one number for each"):
        estimate(values)
    with pytest.raises(TypeError, match="^first is [^\\n]*; give a list"):
        paired_difference(values, [0.1, 0.2])


def test_numbers_of_any_library_mean_the_same():
    expected = estimate([0.5, 0.75])
    for values in (np.array([0.5, 0.75]), torch.tensor([0.5, 0.75]), iter([0.5, 0.75])):
        assert estimate(values) == expected


def test_values_that_all_agree_have_no_interval_and_no_warning(recwarn):
    found = paired_difference([0.8, 0.9, 0.7], [0.7, 0.8, 0.6])
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert not recwarn.list


@pytest.mark.parametrize(
    "rows", [None, {}, [0.5], [{"a": 0.5}], [{("a", 1): "0.5"}], [{("a", 1): [0.5]}], [{}]]
)
def test_rows_that_are_no_results_are_refused(rows):
    with pytest.raises((TypeError, ValueError), match="^rows [^\\n]*$"):
        Results(rows)
