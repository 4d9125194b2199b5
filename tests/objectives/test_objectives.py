"""Tests of course_utils.objectives: the terms together, against references in double precision."""

import inspect
import re
from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from torch import nn
from toys import Net, make_samples, one_thread  # noqa: F401, a fixture

from course_utils import objectives
from course_utils.objectives.base import Batch, Term
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.regularizers import L1, L2, L2SP
from course_utils.training.history import History
from course_utils.training.loop import linear_probe


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def make_net(seed):
    """Return a network in evaluation mode with no weight or statistic at zero or one."""
    net = Net(3).double().eval()
    for number, parameter in enumerate(net.parameters()):
        parameter.data = normal(*parameter.shape, seed=100 * seed + number)
    net.backbone[1].running_mean.copy_(normal(6, seed=seed))
    net.backbone[1].running_var.copy_(normal(6, seed=seed).abs() + 0.5)
    return net


SOURCE = make_net(1)
INPUTS, CLASSES, NUMBERS = normal(7, 4, seed=2), torch.arange(7) % 3, normal(7, 3, seed=3)
WEIGHTS = normal(7, seed=4).abs()
LOSSES = [
    CrossEntropy(),
    CrossEntropy(class_weights=[0.5, 1.0, 2.0], label_smoothing=0.2),
    SquaredError(),
]
REGULARIZERS = [
    L1(),
    L1(prefix="backbone."),
    L2(),
    L2(prefix="head."),
    L2SP(SOURCE),
    L2SP(SOURCE, prefix=""),
]
a_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
a_regularizer = pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)


def make_batch(net, objective):
    is_regression = any(isinstance(term, SquaredError) for _, term in objective.parts)
    return Batch(net, INPUTS, NUMBERS if is_regression else CLASSES, net(INPUTS), WEIGHTS)


def outcome(objective):
    """Return value and gradient for all weights of one network as a vector; no pull is zero."""
    net = make_net(5)
    total = objective.total(objective.values(make_batch(net, objective)))
    pulls = torch.autograd.grad(total, tuple(net.parameters()), materialize_grads=True)
    return torch.cat([total.detach().reshape(1), *(pull.flatten() for pull in pulls)])


class TestNames:
    OBJECTIVES = [
        CrossEntropy(),
        CrossEntropy() + 0.01 * L2(),
        SquaredError() + 0.5 * L2(prefix="head.") + L2() + 2 * L2(),
        CrossEntropy() + L2SP(SOURCE) + 0.1 * L2SP(SOURCE, prefix="") + L1(prefix="backbone.0."),
        2 * (CrossEntropy() + 0 * L1()) + L2SP(SOURCE) + 1e-5 * L2SP(SOURCE),
    ]

    @pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
    def test_are_the_same_in_values_history_and_formula(self, objective):
        values = objective.values(make_batch(make_net(5), objective))
        history = History.of(objective)
        # what stands below a brace; the index of a w has no brace before it
        below = re.findall(r"\}_\{\\text\{([^{}]*)\}\}", objective.formula)
        assert list(values) == list(history.terms) == list(history.factors) == below
        assert len(below) == len(objective.parts)

    def test_formula_by_hand(self):
        objective = CrossEntropy() + 0.1 * L2SP(SOURCE) + 1e-3 * L2(prefix="head.")
        expected = (
            r"\underbrace{\frac{1}{n}\sum_i L_{\mathrm{CE}}\big(y_i, f_w(x_i)\big)}"
            r"_{\text{cross-entropy}} + 0.1\,\cdot\,\underbrace{\tfrac{1}{2}\lVert "
            r"w_{\text{backbone}} - w_0\rVert_2^2}_{\text{L2-SP}} + 0.001\,\cdot\,"
            r"\underbrace{\tfrac{1}{2}\lVert w_{\text{head}}\rVert_2^2}_{\text{L2 of head}}"
        )
        assert objective.formula == expected
        assert objective._repr_latex_() == rf"$\displaystyle \min_w\; {expected}$"

    def test_every_term_is_found_here(self):
        kinds = [Term]
        for kind in kinds:
            kinds += kind.__subclasses__()
        own = [kind for kind in kinds if kind.__module__.startswith("course_utils.")]
        public = {kind.__name__ for kind in own if not inspect.isabstract(kind)}
        others = {"Distillation", "Hint", "LanguageModelLoss", "LearningWithoutForgetting"}
        others |= {"MMD", "CORAL", "DomainAdversarial", "EWC"}
        assert public == {"CrossEntropy", "SquaredError", "L1", "L2", "L2SP"} | others
        assert public <= set(objectives.__all__)


class TestText:
    @a_loss
    @a_regularizer
    @pytest.mark.parametrize("factor", [0, 1, 0.25, 1e-05, 2.5e07])
    def test_is_code_that_gives_the_same_objective(self, loss, regularizer, factor):
        objective = 2 * loss + factor * (regularizer + L2())
        again = eval(repr(objective), {**vars(objectives), "source_model": SOURCE})
        assert repr(again) == repr(objective)
        assert list(again.named_parts()) == list(objective.named_parts())
        assert torch.equal(outcome(again), outcome(objective))


class TestGradients:
    """All against finite differences."""

    @pytest.mark.parametrize("term", LOSSES + REGULARIZERS, ids=repr)
    def test_of_all_weights_of_a_network(self, term):
        net = make_net(5)
        parameters = tuple(net.parameters())
        assert torch.autograd.gradcheck(lambda *_: term.value(make_batch(net, term)), parameters)

    @a_loss
    def test_of_outputs(self, loss):
        def value(outputs):
            batch = make_batch(make_net(5), loss)
            return loss.value(Batch(batch.model, INPUTS, batch.labels, outputs, WEIGHTS))

        assert torch.autograd.gradcheck(value, normal(7, 3, seed=6).requires_grad_())


class TestLaws:
    """Of value and gradient; the terms are real, and so is the network."""

    @a_loss
    @a_regularizer
    def test_factors_scale_value_and_gradient_of_each_term(self, loss, regularizer):
        found = outcome(3 * loss + 0.25 * regularizer)
        expected = 3 * outcome(loss) + 0.25 * outcome(regularizer)
        torch.testing.assert_close(found, expected)

    def test_sums_of_sums_may_be_bracketed_in_any_way(self):
        a, b, c, d = CrossEntropy(), 0.1 * L1(), 0.5 * L2SP(SOURCE), 2 * L2(prefix="head.")
        expected = sum(outcome(part) for part in (a, b, c, d))
        for objective in (
            (a + b) + (c + d),
            a + (b + (c + d)),
            ((a + b) + c) + d,
            sum([a, b, c, d]),
        ):
            torch.testing.assert_close(outcome(objective), expected)

    @a_loss
    @a_regularizer
    def test_factor_zero_leaves_value_and_gradient_as_without_the_term(self, loss, regularizer):
        assert torch.equal(outcome(loss + 0 * regularizer), outcome(loss))
        assert torch.equal(outcome(0 * loss + regularizer), outcome(regularizer))
        assert outcome(0 * (loss + regularizer)).count_nonzero() == 0


class TestElasticNetIsASum:
    """Against the formula in the documentation of scikit-learn's ElasticNet."""

    LAMBDA, RHO = 0.3, 0.6
    X = normal(40, 6, seed=7)
    y = X @ torch.tensor([2.0, -1.0, 0.5, 0, 0, 0]).double() + normal(40, seed=8)

    def value(self, w):
        model = linear(torch.as_tensor(w))
        objective = SquaredError() + self.LAMBDA * self.RHO * L1()
        objective += self.LAMBDA * (1 - self.RHO) * L2()
        batch = Batch(model, self.X, self.y, model(self.X))
        return objective.total(objective.values(batch)).item()

    @pytest.fixture
    def solution(self):
        reference = ElasticNet(alpha=self.LAMBDA, l1_ratio=self.RHO, fit_intercept=False, tol=1e-12)
        return reference.fit(self.X, self.y).coef_

    def test_value_is_that_of_sklearn(self, solution):
        for w in (solution, normal(6, seed=9).numpy()):
            error = np.square(self.y.numpy() - self.X.numpy() @ w).sum() / (2 * 40)
            pull = self.LAMBDA * self.RHO * np.abs(w).sum()
            pull += 0.5 * self.LAMBDA * (1 - self.RHO) * np.square(w).sum()
            assert self.value(w) == pytest.approx(error + pull, rel=1e-12)

    def test_minimum_is_where_sklearn_finds_it(self, solution):
        assert 0 < np.count_nonzero(solution) < 6  # L1 has made some weights zero, not all
        steps = [
            sign * size * axis for sign in (-1, 1) for size in (1e-4, 0.1) for axis in np.eye(6)
        ]
        assert all(self.value(solution) < self.value(solution + step) for step in steps)


def linear(w):
    """Return a linear function of one output without bias, in double precision."""
    model = nn.Linear(len(w), 1, bias=False).double()
    model.weight.data = w.reshape(1, -1).clone()
    return model


class TestBiasedRidge:
    """Minimise 1/n sum_i 1/2 (y_i - x_i w)^2 + lambda/2 |w - w0|^2, against scikit-learn."""

    X, y = normal(20, 4, seed=10), normal(20, seed=11)
    START = torch.tensor([1.0, -2.0, 0.5, 3.0]).double()  # w0
    SHARES = normal(20, seed=12).abs()

    def total(self, model, factor, weights=None):
        objective = SquaredError() + factor * L2SP(linear(self.START), prefix="")
        batch = Batch(model, self.X, self.y, model(self.X), weights)
        return objective.total(objective.values(batch))

    def minimise(self, factor, weights=None):
        """Go down from w = 0, which is not w0."""
        model = linear(torch.zeros_like(self.START))
        stepper = torch.optim.LBFGS(
            model.parameters(),
            max_iter=200,
            tolerance_grad=1e-11,
            tolerance_change=1e-15,
            line_search_fn="strong_wolfe",
        )

        def closure():
            stepper.zero_grad()
            value = self.total(model, factor, weights)
            value.backward()
            return value

        stepper.step(closure)
        return model.weight[0].detach()

    def reference(self, factor, weights=None):
        """Ridge on the residuals y - X w0, plus w0: for v = w - w0 the pull is towards 0."""
        # sklearn minimises sum_i s_i r_i^2 + alpha |v|^2: ours times 2 sum_i s_i (or 2 n)
        total = 20 if weights is None else weights.sum().item()
        residuals = self.y - self.X @ self.START
        ridge = Ridge(alpha=total * factor, fit_intercept=False)
        ridge.fit(self.X.numpy(), residuals.numpy(), None if weights is None else weights.numpy())
        return self.START + torch.tensor(ridge.coef_)

    @pytest.mark.parametrize("factor", [1e-3, 0.3, 10])
    @pytest.mark.parametrize("weights", [None, SHARES], ids=["equal", "weighted"])
    def test_equals_ridge_of_sklearn_on_residuals(self, factor, weights):
        found, expected = self.minimise(factor, weights), self.reference(factor, weights)
        torch.testing.assert_close(found, expected, atol=1e-8, rtol=0)

    @pytest.mark.parametrize("factor", [1e-3, 0.3, 10])
    def test_gradient_is_zero_at_the_solution_of_sklearn_and_only_there(self, factor):
        expected = self.reference(factor)
        for w, is_solution in ((expected, True), (expected + 1e-3, False)):
            model = linear(w)
            self.total(model, factor).backward()
            assert (model.weight.grad.abs().max() < 1e-12) == is_solution

    def test_lambda_zero_gives_ordinary_least_squares(self):
        expected = torch.tensor(np.linalg.lstsq(self.X.numpy(), self.y.numpy())[0])
        torch.testing.assert_close(self.minimise(0), expected, atol=1e-8, rtol=0)
        assert (expected - self.START).abs().max() > 1  # the source is elsewhere

    def test_huge_lambda_gives_the_source(self):
        torch.testing.assert_close(self.minimise(1e8), self.START, atol=1e-6, rtol=0)


class TestLogisticRegression:
    @pytest.mark.parametrize("factor", [0.02, 0.3])
    @pytest.mark.parametrize("num_classes", [2, 3])
    def test_has_its_minimum_where_sklearn_finds_it(self, num_classes, factor):
        # unequal classes, so that the intercept, which nothing pulls, is needed
        samples = make_samples(60, num_classes).select(torch.arange(60) % 6 != 1)
        # sklearn: C sum_i L_i + 1/2 |w|^2. For two classes it has one vector u, we have u/2 and
        # -u/2, so that |w|^2 = |u|^2 / 2
        C = (2 if num_classes == 2 else 1) / (factor * len(samples))
        reference = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
        reference.fit(samples.inputs.double().numpy(), samples.labels.numpy())
        weight, bias = torch.tensor(reference.coef_), torch.tensor(reference.intercept_)
        if num_classes == 2:
            weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
        objective = CrossEntropy() + factor * L2()

        found = linear_probe(samples, objective, num_classes=num_classes)
        torch.testing.assert_close(found.weight.double(), weight, atol=2e-3, rtol=2e-3)
        torch.testing.assert_close(found.bias.double(), bias - bias.mean(), atol=5e-3, rtol=5e-3)

        exact = deepcopy(found).double()
        exact.weight.data, exact.bias.data = weight, bias
        inputs = samples.inputs.double()
        values = objective.values(Batch(exact, inputs, samples.labels, exact(inputs)))
        objective.total(values).backward()
        assert max(p.grad.abs().max() for p in exact.parameters()) < 1e-6
        assert bias.abs().max() > 0.1


class TestFullL2SP:
    """Li, Grandvalet and Davoine 2018, equation 3: alpha pulls to the source, beta the new head."""

    def gradient_of_cross_entropy(self, net):
        """Go backwards through softmax, head, ReLU, BatchNorm and the first layer by hand."""
        first, norm, head = net.backbone[0], net.backbone[1], net.head
        scale = (norm.running_var + norm.eps).rsqrt()
        normalised = (INPUTS @ first.weight.T + first.bias - norm.running_mean) * scale
        before_relu = norm.weight * normalised + norm.bias
        features = before_relu.clamp(min=0)
        probabilities = (features @ head.weight.T + head.bias).softmax(1)
        error = (probabilities - torch.eye(3)[CLASSES]) / 7  # n = 7
        at_norm = (error @ head.weight) * (before_relu > 0)
        at_first = at_norm * norm.weight * scale
        return {
            "backbone.0.weight": at_first.T @ INPUTS,
            "backbone.0.bias": at_first.sum(0),
            "backbone.1.weight": (at_norm * normalised).sum(0),
            "backbone.1.bias": at_norm.sum(0),
            "head.weight": error.T @ features,
            "head.bias": error.sum(0),
        }

    def test_gradient_by_hand(self):
        alpha, beta, net = 0.1, 0.01, make_net(5)
        objective = CrossEntropy() + alpha * L2SP(SOURCE) + beta * L2(prefix="head.")
        batch = Batch(net, INPUTS, CLASSES, net(INPUTS))
        objective.total(objective.values(batch)).backward()
        with torch.no_grad():
            expected, start = self.gradient_of_cross_entropy(net), SOURCE.state_dict()
            for name, parameter in net.backbone.named_parameters(prefix="backbone"):
                expected[name] += alpha * (parameter - start[name])
            expected["head.weight"] += beta * net.head.weight  # and nothing pulls its bias
        found = {name: parameter.grad for name, parameter in net.named_parameters()}
        torch.testing.assert_close(found, expected)

    def test_text_and_names_tell_the_two_parts_apart(self):
        objective = CrossEntropy() + 0.1 * L2SP(SOURCE) + 0.01 * L2(prefix="head.")
        expected = "CrossEntropy() + 0.1 * L2SP(source_model) + 0.01 * L2(prefix='head.')"
        assert repr(objective) == expected
        assert list(objective.named_parts()) == ["cross-entropy", "L2-SP", "L2 of head"]

    def test_no_parameter_is_pulled_twice(self):
        pulled = [
            name
            for term in (L2SP(SOURCE), L2(prefix="head."))
            for name in term.parameters_seen(SOURCE)
        ]
        unpulled = {name for name, _ in SOURCE.named_parameters()} - set(pulled)
        assert len(pulled) == len(set(pulled))
        assert unpulled == {"head.bias"}
