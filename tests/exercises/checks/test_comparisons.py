"""Tests of judge_comparison."""

import pytest

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.experiments.results import Results

FAIR = {("a", 5): 0.6, ("b", 5): 0.7}
EQUAL = {("a", 5): 0.6, ("b", 5): 0.6}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([0.6, 0.7], "Give what repeat(...) returns"),
        (FAIR, "Give what repeat(...) returns"),
        (Results([FAIR] * 4), "There are 4 seeds"),
        (Results([{("a", 5): 0.6, ("a", 20): 0.7}] * 5), "There is one arm only."),
        (Results([{("a", 5): 0.6, ("b", 20): 0.7}] * 5), "'a' and 'b' share no size"),
        (Results([EQUAL] * 5), "'a' and 'b' gave equal values each time"),
    ],
)
def test_unfair_comparison_is_named(answer, words):
    assert judge_comparison(answer).startswith(words)


@pytest.mark.parametrize(
    "rows",
    [
        [FAIR] * 5,
        [{("a", 5): 0.9, ("b", 5): 0.1}] * 5,  # the winner is left open
        [FAIR | {("a", 20): 0.8}] * 5,  # one common size is enough
        [EQUAL] * 4 + [FAIR],  # one seed that differs
        [EQUAL | {("a", 20): 0.7, ("b", 20): 0.8}] * 5,  # one size that differs
    ],
)
def test_fair_comparison_passes(rows):
    assert judge_comparison(Results(rows)) is None
