"""Tests of judge_comparison."""

import pytest

from course_utils.exercises.checks.comparisons import READINGS, judge_comparison
from course_utils.experiments.estimates import Draws
from course_utils.experiments.results import Results

FAIR = {("a", 5): 0.6, ("b", 5): 0.7}
EQUAL = {("a", 5): 0.6, ("b", 5): 0.6}
MARGIN = 0.02


def judge(results, part="validation", reading="shows none"):
    answer = {"results": results, "part": part, "reading": reading}
    return judge_comparison(answer, margin=MARGIN)


def results_of(*differences, **arguments):
    rows = [{("a", 5): 0.5 + gain, ("b", 5): 0.5} for gain in differences]
    return Results(rows, **arguments)


@pytest.mark.parametrize("answer", [[0.6, 0.7], FAIR, Results([FAIR] * 5), {"results": 1}, "x"])
def test_anything_but_three_things_is_told(answer):
    assert judge_comparison(answer, margin=MARGIN).startswith("Give three things")


@pytest.mark.parametrize("name", ["results", "part", "reading"])
def test_what_is_not_filled_in_is_named(name):
    answer = {"results": Results([FAIR] * 5), "part": "validation", "reading": "shows none"}
    found = judge_comparison(answer | {name: ...}, margin=MARGIN)
    assert found == f"{name!r} is not filled in yet."


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ([0.6, 0.7], "'results' is not what repeat(...) returns"),
        (Results([FAIR] * 4), "There are 4 seeds"),
        (Results([{("a", 5): 0.6, ("a", 20): 0.7}] * 5), "There is one arm only."),
        (Results([{("a", 5): 0.6, ("b", 20): 0.7}] * 5), "'a' and 'b' share no column"),
        (Results([EQUAL] * 5), "'a' and 'b' gave equal values each time"),
    ],
)
def test_unfair_comparison_is_named(results, words):
    assert judge(results).startswith(words)


def test_the_test_part_is_not_the_one_to_choose_by():
    assert judge(Results([FAIR] * 5), part="test").startswith("You measured on test samples.")
    assert judge(Results([FAIR] * 5), part="train").startswith("'part' is")
    assert judge(Results([FAIR] * 5), reading="better").startswith("'reading' is 'better'")


@pytest.mark.parametrize(
    ("gains", "right"),
    [
        ((0.05, 0.06, 0.05, 0.06, 0.05), ["shows a gain"]),
        ((-0.1, -0.2, -0.1, -0.2, -0.1), ["shows none"]),  # a loss is no gain
        ((0.001, -0.001, 0.001, 0.0, -0.001), ["shows none"]),
        ((0.01, 0.011, 0.01, 0.011, 0.01), ["shows a gain", "shows none"]),  # too small to matter
        ((0.2, -0.2, 0.1, -0.1, 0.05), ["cannot tell"]),
    ],
)
def test_only_what_the_interval_says_is_right(gains, right):
    for reading in READINGS:
        verdict = judge(results_of(*gains), reading=reading)
        assert (verdict is None) == (reading in right)
        assert verdict is None or "'a' minus 'b' is" in verdict


def test_overlapping_splits_make_a_gain_unsure():
    gains = 0.01, 0.03, 0.02, 0.04, 0.01
    assert judge(results_of(*gains), reading="shows a gain") is None
    split = results_of(*gains, draws=Draws.splits(train=0.6, test=0.25))
    assert judge(split, reading="shows a gain") is not None


def test_columns_that_differ_ask_for_one():
    rows = [row | {("a", 20): 0.9, ("b", 20): 0.5} for row in results_of(*[-0.2] * 5).rows]
    results = Results(rows)
    assert "results.select(arms, columns)" in judge(results, reading="shows a gain")
    assert judge(results.select(["a", "b"], [20]), reading="shows a gain") is None
