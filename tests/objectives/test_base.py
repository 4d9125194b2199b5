"""Tests of course_utils.objectives.base."""

import numpy as np
import pytest
import torch
from torch import nn

from course_utils.objectives.base import Batch, Objective, Term
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.regularizers import L1, L2


class Constant(Term):
    """A term whose value is known."""

    name = "constant"
    role = "R"
    latex = "c"

    def __init__(self, number):
        self.number = number

    def value(self, batch):
        return torch.tensor(float(self.number))


class Other(Constant):
    """A term of another class with the same name."""


def total(objective):
    batch = Batch(nn.Identity(), torch.zeros(1), torch.zeros(1), torch.zeros(1))
    return objective.total(objective.values(batch)).item()


def factors(objective):
    return [(factor, term.number) for factor, term in objective.parts]


class TestSum:
    def test_value_of_a_sum_is_the_sum_of_values(self):
        assert total(Constant(2) + Constant(5)) == 7

    def test_sums_commute_in_value(self):
        first = 3 * Constant(2) + 0.5 * Constant(8)
        second = 0.5 * Constant(8) + 3 * Constant(2)
        assert total(first) == total(second) == 10

    def test_brackets_do_not_matter(self):
        a, b, c = Constant(1), Constant(2), Constant(4)
        assert factors((a + b) + c) == factors(a + (b + c))

    def test_builtin_sum_works(self):
        assert factors(sum([Constant(1), 2 * Constant(4)])) == [(1, 1), (2, 4)]

    def test_adding_leaves_the_summands_as_they_were(self):
        first = Constant(1) + Constant(2)
        first + Constant(3)
        assert factors(first) == [(1, 1), (1, 2)]

    @pytest.mark.parametrize("other", [1, 0.5, "L2", None])
    def test_anything_else_cannot_be_added(self, other):
        with pytest.raises(
            TypeError, match="add terms of the course|multiply a term with a number"
        ):
            Constant(1) + other

    def test_only_zero_may_stand_before_it(self):
        with pytest.raises(
            TypeError, match="add terms of the course|multiply a term with a number"
        ):
            1 + Constant(1)


class TestScale:
    def test_factor_may_stand_on_either_side(self):
        assert total(3 * Constant(2)) == total(Constant(2) * 3) == 6

    def test_factor_distributes_over_a_sum(self):
        assert factors(2 * (Constant(1) + 3 * Constant(4))) == [(2, 1), (6, 4)]

    def test_factors_multiply(self):
        assert factors(2 * (0.25 * Constant(1))) == [(0.5, 1)]

    def test_zero_keeps_the_term_in_the_history(self):
        objective = 0 * Constant(5) + Constant(1)
        assert total(objective) == 1
        assert list(objective.named_parts()) == ["constant", "constant (2)"]

    @pytest.mark.parametrize("factor", [np.float64(0.5), np.float32(0.5)])
    def test_numbers_of_numpy_are_numbers(self, factor):
        assert isinstance(factor * L2(), Objective)
        assert repr(factor * L2()) == repr(L2() * factor) == "0.5 * L2()"

    @pytest.mark.parametrize("factor", [-1, -1e-9, float("inf"), float("nan")])
    def test_negative_or_infinite_factor_is_refused(self, factor):
        with pytest.raises(ValueError, match=f"the factor is {factor}; lambda must be 0 or more"):
            factor * Constant(1)

    @pytest.mark.parametrize("factor", [True, "2", None, 1j, Constant(1)])
    def test_what_is_no_real_number_is_refused(self, factor):
        with pytest.raises(TypeError, match="unsupported operand|multiply"):
            factor * Constant(1)


class TestNamedParts:
    def test_second_term_of_one_kind_gets_a_number(self):
        objective = CrossEntropy() + 0.1 * L2() + L1() + 0.5 * L2() + L2()
        assert list(objective.named_parts()) == ["cross-entropy", "L2", "L1", "L2 (2)", "L2 (3)"]
        assert [factor for factor, _ in objective.named_parts().values()] == [1, 0.1, 1, 0.5, 1]

    def test_other_class_with_the_same_name_is_not_lost(self):
        objective = Constant(1) + Other(10) + Constant(100)
        assert list(objective.named_parts()) == ["constant", "constant (2)", "constant (3)"]
        assert total(objective) == 111

    def test_values_have_no_factor(self):
        objective = 3 * Constant(2) + 5 * Constant(7)
        batch = Batch(nn.Identity(), torch.zeros(1), torch.zeros(1), torch.zeros(1))
        values = {name: value.item() for name, value in objective.values(batch).items()}
        assert values == {"constant": 2, "constant (2)": 7}


class TestText:
    @pytest.mark.parametrize(
        ("objective", "text"),
        [
            (L2(), "L2()"),
            (1 * L2(), "L2()"),
            (CrossEntropy() + 0.01 * L2(), "CrossEntropy() + 0.01 * L2()"),
            (2 * (SquaredError() + 1e-5 * L1()), "2 * SquaredError() + 2e-05 * L1()"),
            (0 * L2(), "0 * L2()"),
        ],
    )
    def test_text_reads_like_the_code(self, objective, text):
        assert repr(objective) == text

    def test_text_is_code_that_gives_the_same_objective(self):
        text = repr(CrossEntropy(label_smoothing=0.1, class_weights=[1.0, 2.0]) + 0.25 * L2())
        assert repr(eval(text)) == text


class TestFormula:
    @pytest.mark.parametrize(
        ("factor", "written"),
        [
            (0.01, r"0.01\,\cdot\,"),
            (0, r"0\,\cdot\,"),
            (1, ""),
            (1e-5, r"10^{-5}\,\cdot\,"),
            (2.5e-6, r"2.5\cdot 10^{-6}\,\cdot\,"),
            (3e7, r"3\cdot 10^{7}\,\cdot\,"),
        ],
    )
    def test_factor_stands_before_the_term_as_mathematics(self, factor, written):
        expected = written + r"\underbrace{c}_{\text{constant}}"
        assert (factor * Constant(1)).formula == expected

    def test_each_term_of_a_sum_has_its_own_name_below(self):
        objective = Constant(1) + 2 * Constant(1) + 0.5 * Other(1)
        assert objective.formula == (
            r"\underbrace{c}_{\text{constant}} + 2\,\cdot\,\underbrace{c}_{\text{constant (2)}}"
            r" + 0.5\,\cdot\,\underbrace{c}_{\text{constant (3)}}"
        )

    def test_jupyter_shows_what_is_minimised_over_w(self):
        expected = r"$\displaystyle \min_w\; \underbrace{c}_{\text{constant}}$"
        assert Constant(1)._repr_latex_() == expected

    def test_formula_of_real_terms_has_them_all(self):
        formula = (CrossEntropy() + 0.5 * L2()).formula
        assert rf"\underbrace{{{CrossEntropy().latex}}}" in formula
        assert rf" + 0.5\,\cdot\,\underbrace{{{L2().latex}}}" in formula
        assert formula.count("{") == formula.count("}")


class TestTerm:
    def test_term_without_value_cannot_be_made(self):
        with pytest.raises(TypeError, match="abstract"):
            Term()
