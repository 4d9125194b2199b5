"""Tests of what course_utils.experiments.results refuses, and of values that all agree."""

import numpy as np
import pytest
import torch

from course_utils.experiments.estimates import Draws, estimate, paired_difference
from course_utils.experiments.results import Results


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


class TestColumns:
    """Columns are sizes or measures."""

    ROWS = [
        {("probe", "accuracy"): 0.9, ("probe", "distance"): 1.5, ("probe", 5): 0.5},
        {("probe", "accuracy"): 1.0, ("probe", "distance"): 1.9, ("probe", 5): 0.7},
    ]

    def test_measures_stand_after_sizes_in_their_own_order(self):
        assert Results(self.ROWS).columns == [5, "accuracy", "distance"]
        head, line, *_ = str(Results(self.ROWS)).splitlines()
        assert head.split() == ["5", "accuracy", "distance"]
        assert line[head.index("distance") :].startswith("1.700 [")

    def test_the_last_line_says_what_the_seeds_draw(self):
        splits = Draws.splits(train=0.6, test=0.25)
        assert str(Results(self.ROWS, splits)).splitlines()[-1].startswith("2 seeds draw splits")

    def test_columns_are_selected(self):
        results = Results(self.ROWS, Draws.splits(train=1, test=1), {"accuracy": (0, 1)})
        found = results.select(["probe"], ["accuracy"])
        assert (found.columns, found.draws, found.bounds) == (
            ["accuracy"],
            results.draws,
            results.bounds,
        )
        with pytest.raises(ValueError, match="columns is .*; give one or more of"):
            results.select(["probe"], ["f1"])

    def test_intervals_and_differences_are_corrected(self):
        splits = Draws.splits(train=0.6, test=0.25)
        plain, corrected = Results(self.ROWS), Results(self.ROWS, splits)
        width = np.sqrt((1 / 2 + 0.25 / 0.6) / (1 / 2))
        for one, other in (
            (plain.estimate("probe", 5), corrected.estimate("probe", 5)),
            (plain.difference("probe", "probe", 5), corrected.difference("probe", "probe", 5)),
        ):
            assert other.high - other.mean == pytest.approx(width * (one.high - one.mean))

    def test_labels_drawn_need_their_number(self):
        with pytest.raises(ValueError, match="column of labels is 'accuracy'; give size="):
            Results(self.ROWS, Draws.labels(pool=100))
        Results(self.ROWS, Draws.labels(pool=100, size=5))

    def test_intervals_end_at_what_is_possible(self):
        found = Results(self.ROWS, bounds={"accuracy": (0, 1)})
        assert found.estimate("probe", "accuracy").high == 1
        assert found.estimate("probe", "distance").high > 2

    @pytest.mark.parametrize("bounds", [(1, 0), (0,), 1, ("a", "b"), {"accuracy": 1}])
    def test_bounds_that_are_none_are_refused(self, bounds):
        with pytest.raises(ValueError, match="^bounds has .*; give \\(lowest, highest\\)"):
            Results(self.ROWS, bounds=bounds)

    def test_a_value_out_of_bounds_is_named(self):
        with pytest.raises(ValueError, match="^rows has 1.5 at .*distance.*; give bounds that"):
            Results(self.ROWS, bounds=(0, 1))
