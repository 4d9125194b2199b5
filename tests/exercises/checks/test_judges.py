"""Tests of the judges; expected texts follow by hand from the wrong answers."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from course_utils.exercises.checks.answers import NotAttempted
from course_utils.exercises.checks.judges import Case, compare_choice, try_function
from course_utils.exercises.checks.number_judge import compare_numbers, separator_mistakes


class TestCompareNumbers:
    @pytest.mark.parametrize(
        "answer",
        [
            0.5,
            Fraction(1, 2),
            np.float32(0.5),
            np.array(0.5),
            torch.tensor(0.5, requires_grad=True),
            torch.tensor(0.5, dtype=torch.bfloat16),
            0.51,  # exactly at the tolerance; 0.51 - 0.5 is a little more than 0.01 in floats
        ],
    )
    def test_right_number_of_any_kind_passes(self, answer):
        assert compare_numbers(answer, 0.5, tolerance=0.01) is None

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (True, "holds True"),
            (np.bool_(True), "holds True"),
            (torch.tensor([True, False]), "holds True"),
            ("0.5", "the text '0.5'"),
            (["0.5"], "the text '0.5'"),
            (float("nan"), "NaN"),
            (torch.tensor(float("inf")), "infinite"),
            ([0.5, ...], "three dots"),
            ([[1, 2], [3]], "unlike lengths"),
            ({"a": 0.5}, "of the kind dict"),
            (0.5j, "of the kind complex"),
            (len, "Call the function"),
            ([0.5], "a row of length 1, but one number is asked"),
            (np.zeros((2, 3)), "an array of shape (2, 3), but one number"),
            (np.zeros((400, 400)), "a whole array of shape (400, 400)"),
            ([], "a row of length 0"),
            (50, "100 times too large"),
            (-0.5, "Only the sign"),
            (0.52, "0.52 is too large"),
            (-3, "-3 is too small"),
        ],
    )
    def test_mistake_is_named(self, answer, words):
        assert words in compare_numbers(answer, 0.5, tolerance=0.01)

    def test_complement_is_named(self):
        assert "1 minus" in compare_numbers(0.8, 0.2, tolerance=0.01)

    def test_percent_is_not_suspected_where_the_answer_is_no_share(self):
        assert "percent" not in compare_numbers(500, 5, tolerance=0.01)
        assert "percent" not in compare_numbers(0.5, 0, tolerance=0.01)

    def test_typical_value_wins_over_the_general_text_and_over_the_shape(self):
        mistakes = [(2.0, "You gave the inverse."), ([0.2, 0.8], "Both shares; one is asked.")]
        assert compare_numbers(2, 0.5, tolerance=0.01, mistakes=mistakes) == mistakes[0][1]
        assert compare_numbers([0.2, 0.8], 0.5, tolerance=0.01, mistakes=mistakes) == mistakes[1][1]

    def test_typical_value_near_the_right_one_does_not_spoil_it(self):
        mistakes = [(0.505, "Too coarse.")]
        assert compare_numbers(0.5, 0.5, tolerance=0.01, mistakes=mistakes) is None

    def test_typical_value_of_another_shape_does_not_match(self):
        mistakes = [(2.0, "You gave the second one only.")]
        text = compare_numbers([2, 2, 2], 1, tolerance=0.1, mistakes=mistakes)
        assert text.startswith("Your answer is a row of length 3")

    @pytest.mark.parametrize("bad", [{"expected": float("nan")}, {"tolerance": float("nan")}])
    def test_nothing_is_right_where_the_exercise_itself_has_no_number(self, bad):
        """So the test of the solution finds the fault."""
        assert compare_numbers(1, **{"expected": 1, "tolerance": 0.1, **bad}) is not None


REASONS = {"target": "The target comes second.", "both": "One of them."}


class TestCompareChoice:
    @pytest.mark.parametrize("answer", ["source", " SOURCE ", np.str_("source")])
    def test_right_choice_passes(self, answer):
        assert compare_choice(answer, "source", reasons=REASONS) is None

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ("Target", "The target comes second."),
            (1, "1 is not one of the choices"),
            ("sauce", "Choose one of: 'both', 'source', 'target'."),
            (["source"], "is not one of the choices"),
        ],
    )
    def test_other_answers_are_named(self, answer, words):
        assert words in compare_choice(answer, "source", reasons=REASONS)


def double_in_place(values):
    values *= 2
    return values


DOUBLE = [Case(([1, 2],), [2, 4], "Twice, not plus one."), Case(([-1],), [-2], "Keep the sign.")]


class TestTryFunction:
    @pytest.mark.parametrize(
        "function", [lambda v: [2 * x for x in v], lambda v: 2 * torch.tensor(v)]
    )
    def test_right_function_passes(self, function):
        assert try_function(function, DOUBLE) is None

    @pytest.mark.parametrize(
        ("function", "words"),
        [
            (lambda v: [x + x**2 for x in v], "but [2, 4] is expected. Twice, not plus one."),
            (lambda v: [2 * abs(x) for x in v], "[-1] your function returns [2]"),
            (lambda v: [2 * abs(x) for x in v], "Keep the sign."),
            (lambda v: v[5], "a place that does not exist"),
            (lambda v: [2 * x for x in v] if v[0] > 0 else None, "every branch end in a return"),
            (lambda: 1, "takes another number of inputs"),
            (lambda v: [True], "returns [True], but [2, 4]"),
            (lambda v: 2, "returns 2, but [2, 4]"),
            ([2, 4], "but a function is asked"),
        ],
    )
    def test_first_failing_case_is_named(self, function, words):
        assert words in try_function(function, DOUBLE)

    @pytest.mark.parametrize("nothing", [None, ...])
    def test_function_that_returns_nothing_is_not_attempted(self, nothing):
        with pytest.raises(NotAttempted, match="returns nothing yet"):
            try_function(lambda v: nothing, DOUBLE)

    def test_function_that_changes_its_input_does_not_change_the_table(self):
        cases = [Case((np.array([1.0, 2.0]),), [2, 4], "Twice.")]
        for _ in range(2):
            assert try_function(double_in_place, cases) is None
        assert cases[0].arguments[0].tolist() == [1, 2]

    def test_infinity_may_be_expected(self):
        cases = [Case((1,), float("inf"), "Never.")]
        assert try_function(lambda x: np.inf, cases) is None
        assert "returns 1, but inf is expected. Never." in try_function(lambda x: x, cases)

    def test_shorter_result_does_not_pass_by_broadcasting(self):
        assert "Twice." in try_function(lambda x: [1], [Case((1,), [1, 1, 1], "Twice.")])

    def test_tolerance_is_used(self):
        cases = [Case((1,), 0.3, "Rounding?")]
        assert try_function(lambda x: 0.31, cases, tolerance=0.02) is None
        assert "Rounding?" in try_function(lambda x: 0.31, cases)

    def test_builtin_without_signature_is_tried(self):
        assert try_function(max, [Case((1, 2), 2, "The larger one.")]) is None


class TestSeparatorMistakes:
    @pytest.mark.parametrize(
        ("number", "misread"), [(5124, [(5, 124), 5.124]), (75653, [(75, 653), 75.653])]
    )
    def test_holds_what_python_makes_of_a_separator(self, number, misread):
        mistakes = separator_mistakes(number)
        for answer in misread:
            said = compare_numbers(answer, number, tolerance=0, mistakes=mistakes)
            assert said.startswith("The number is right, but Python reads it as another.")
        assert compare_numbers(number, number, tolerance=0, mistakes=mistakes) is None
