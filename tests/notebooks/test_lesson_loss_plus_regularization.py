"""Tests of the functions that lesson 02 writes out, taken from the notebook itself.

Second implementations are scikit-learn's ridge, differences of the objective, and the package.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from lesson import Lesson, definitions
from sklearn.linear_model import LinearRegression, Ridge
from torch import nn
from toys import Net, make_samples, one_thread  # noqa: F401, a fixture

from course_utils.data.samples import Samples
from course_utils.objectives.base import Batch
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.regularizers import L2SP
from course_utils.training.loop import fit

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_loss_plus_regularization.ipynb"
EXAMPLES = ("trips",)  # functions of the lesson have it as a default


@pytest.fixture(scope="module")
def lesson():
    """Return what the notebook defines, by name."""
    return definitions(Lesson.read(NOTEBOOK), EXAMPLES)


def random_problem(seed=0, number=7, num_features=3):
    """Return X, y and w0 in double precision; more samples than features."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((number, num_features), (number,), (num_features,))
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def linear_model(weights):
    """Return f_w without a bias, in the precision of the weights."""
    model = nn.Linear(len(weights), 1, bias=False).to(weights.dtype)
    model.weight.data[0] = weights
    return model


def objective_at(w, lam, w0, samples):
    """Compute 1/(2n) |Xw - y|^2 + lam/2 |w - w0|^2 in NumPy."""
    w, w0, X, y = (np.asarray(t) for t in (w, w0, samples.inputs, samples.labels))
    return ((X @ w - y) ** 2).mean() / 2 + lam / 2 * ((w - w0) ** 2).sum()


class TestExampleByHand:
    """The numbers that the text of the lesson computes by hand."""

    def test_terms_and_objective(self, lesson):
        objective = SquaredError() + 0.5 * L2SP(lesson["linear"](lesson["SOURCE"]), prefix="")
        values = lesson["terms"](objective, lesson["linear"]([2, 2]))
        # (2 + 12.5 + 8) / 3, and ((2 - 3)^2 + (2 - 1)^2) / 2
        assert values["squared error"].item() == 7.5
        assert values["L2-SP of all parameters"].item() == 1
        assert objective.total(values).item() == 8

    def test_many_weights_at_once(self, lesson):
        points = torch.tensor([[2.0, 2.0], [3.0, 1.0]])
        found = lesson["value_at"](points, 0.5, lesson["SOURCE"])
        # at the source: (5^2 + 6^2 + 0^2) / 6
        assert found.tolist() == pytest.approx([8, 61 / 6])

    def test_new_linear_model_has_a_copy_of_the_weights(self, lesson):
        """Otherwise training would move w_0."""
        weights = torch.tensor([3.0, 1.0])
        lesson["linear"](weights).weight.data += 1
        assert weights.tolist() == [3, 1]


class TestGradient:
    @pytest.mark.parametrize("lam", [0.0, 0.5, 3.0])
    def test_agrees_with_differences_of_the_objective(self, lam, lesson):
        X, y, w0 = random_problem()
        samples, w, step = Samples(X, y), w0 + 1, 1e-4
        found = lesson["gradient"](w, lam, w0, samples)
        # exact for a quadratic function but for rounding
        expected = [
            (objective_at(w + e, lam, w0, samples) - objective_at(w - e, lam, w0, samples))
            / (2 * step)
            for e in step * torch.eye(3, dtype=torch.float64)
        ]
        assert found.dtype == torch.float64
        assert found.tolist() == pytest.approx(expected, abs=1e-9)

    def test_default_is_the_example_of_the_text(self, lesson):
        # X^T (Xw - y) / 3 + 0.5 (w - w0) with errors 2, -5, -4: (8 - 10 - 24) / 3 - 0.5, ...
        found = lesson["gradient"](torch.tensor([2.0, 2.0]), 0.5)
        assert found.tolist() == pytest.approx([-26 / 3 - 0.5, -21 / 3 + 0.5])


class TestDescend:
    def test_first_step_by_hand(self, lesson):
        path = lesson["descend"](torch.tensor([2.0, 2.0]), step_size=0.06, lam=0.5, num_steps=1)
        assert path.shape == (2, 2)
        assert path[0].tolist() == [2, 2]
        assert path[1].tolist() == pytest.approx([2 + 0.06 * 55 / 6, 2 + 0.06 * 6.5])

    def test_agrees_with_an_optimiser_of_torch(self, lesson):
        l2sp = L2SP(lesson["linear"](lesson["SOURCE"]), prefix="")
        theirs = lesson["train"](SquaredError() + 0.5 * l2sp, lr=0.05, num_steps=20)
        ours = lesson["descend"](lesson["START"], step_size=0.05, lam=0.5, num_steps=20)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)

    def test_ends_at_the_minimum_in_one_line(self, lesson):
        trips = lesson["trips"]
        path = lesson["descend"](lesson["START"], step_size=0.05, lam=0.5, num_steps=1000)
        expected = lesson["biased_ridge"](trips.inputs, trips.labels, lesson["SOURCE"], 0.5)
        torch.testing.assert_close(path[-1], expected, rtol=0, atol=1e-4)


class TestBiasedRidge:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("lam", [0.25, 0.1, 3.0, 40.0])
    def test_is_ridge_regression_on_what_the_source_gets_wrong(self, lam, seed, lesson):
        X, y, w0 = random_problem(seed)
        ridge = Ridge(alpha=len(y) * lam, fit_intercept=False).fit(X, y - X @ w0)
        found = lesson["biased_ridge"](X, y, w0, lam)
        # the lesson keeps n times lambda in single precision
        assert found.tolist() == pytest.approx(w0.numpy() + ridge.coef_, rel=1e-6)

    def test_source_of_zeros_makes_it_ridge_regression(self, lesson):
        X, y, w0 = random_problem()
        ridge = Ridge(alpha=7 * 0.5, fit_intercept=False).fit(X, y)
        found = lesson["biased_ridge"](X, y, torch.zeros_like(w0), 0.5)
        assert found.tolist() == pytest.approx(ridge.coef_)

    def test_lambda_zero_is_target_only(self, lesson):
        X, y, w0 = random_problem()
        alone = LinearRegression(fit_intercept=False).fit(X, y).coef_
        for start in (w0, 100 * w0):  # whatever the source
            found = lesson["biased_ridge"](X, y, start, 0.0)
            assert found.tolist() == pytest.approx(alone)

    def test_large_lambda_is_source_only(self, lesson):
        X, y, w0 = random_problem()
        found = lesson["biased_ridge"](X, y, w0, 1e9)
        assert found.tolist() == pytest.approx(w0.tolist(), abs=1e-8)

    def test_distance_to_the_source_shrinks_as_lambda_grows(self, lesson):
        X, y, w0 = random_problem()
        away = [(lesson["biased_ridge"](X, y, w0, lam) - w0).norm() for lam in (0, 0.1, 1, 10)]
        assert away == sorted(away, reverse=True)

    @pytest.mark.parametrize("lam", [0.0, 0.5, 4.0])
    def test_objective_of_the_package_has_no_slope_there(self, lam, lesson):
        X, y, w0 = random_problem()
        model = linear_model(lesson["biased_ridge"](X, y, w0, lam))
        objective = SquaredError() + lam * L2SP(linear_model(w0), prefix="")
        objective.total(lesson["terms"](objective, model, Samples(X, y))).backward()
        assert model.weight.grad.abs().max() < 1e-12

    def test_fewer_samples_than_weights_have_one_minimum_if_lambda_is_above_zero(self, lesson):
        X, y, w0 = random_problem(number=2, num_features=5)
        ridge = Ridge(alpha=2 * 0.5, fit_intercept=False).fit(X, y - X @ w0)
        found = lesson["biased_ridge"](X, y, w0, 0.5)
        assert found.tolist() == pytest.approx(w0.numpy() + ridge.coef_)

    def test_source_that_fits_stays_as_it_is(self, lesson):
        X, _, w0 = random_problem()
        torch.testing.assert_close(lesson["biased_ridge"](X, X @ w0, w0, 0.5), w0)


class TestSameAnswers:
    INPUTS = torch.tensor([[1.0, 0.0], [1.0, 2.0]])

    def batch(self, model):
        return Batch(model, self.INPUTS, None, model(self.INPUTS))

    def layer(self, weights):
        layer = nn.Linear(2, 2, bias=False)
        layer.weight.data = torch.tensor(weights)
        return layer

    @pytest.fixture
    def source(self):
        return self.layer([[1.0, 0.0], [0.0, 1.0]])

    @pytest.fixture
    def other(self):
        return self.layer([[2.0, 0.0], [0.0, 3.0]])

    def test_zero_for_the_source_itself_and_for_its_copy(self, source, lesson):
        term = lesson["SameAnswers"](source)
        for model in (source, deepcopy(source)):
            assert term.value(self.batch(model)).item() == 0

    def test_value_by_hand(self, source, other, lesson):
        # answers (2, 0) and (2, 6) against (1, 0) and (1, 2): (1 + 0 + 1 + 16) / 2 / 2
        assert lesson["SameAnswers"](source).value(self.batch(other)).item() == 4.5

    def test_only_the_model_that_is_trained_gets_a_gradient(self, source, other, lesson):
        lesson["SameAnswers"](source).value(self.batch(other)).backward()
        assert source.weight.grad is None
        # the mean over samples of (difference of the answers) times (input), by hand
        assert other.weight.grad.tolist() == [[1, 1], [2, 4]]

    def test_gradient_agrees_with_differences_of_the_value(self, source, other, lesson):
        source, other, inputs = source.double(), other.double(), self.INPUTS.double()
        term = lesson["SameAnswers"](source)

        def value(weight):
            outputs = inputs @ weight.T
            return term.value(Batch(other, inputs, None, outputs))

        assert torch.autograd.gradcheck(value, other.weight)

    def test_it_is_a_term_like_any_other(self, source, lesson):
        term = lesson["SameAnswers"](source)
        objective = CrossEntropy() + 0.1 * term
        assert (term.role, term.name) == ("R", "same answers")
        assert repr(objective) == "CrossEntropy() + 0.1 * SameAnswers(source_model)"
        assert rf"0.1\,\cdot\,\underbrace{{{term.latex}}}" in objective.formula

    def test_training_brings_the_answers_closer_and_leaves_the_source_as_it_is(self, lesson):
        source, model, samples = Net(), Net(), make_samples()
        source.eval()
        model.head.reset_parameters()
        before = deepcopy(source.state_dict())
        objective = CrossEntropy() + 10 * lesson["SameAnswers"](source)
        history = fit(model, samples, objective, num_epochs=20, learning_rate=0.02)
        distances = history.terms["same answers"]
        assert distances[-1] < distances[0] / 2
        assert all(value.equal(before[name]) for name, value in source.state_dict().items())
