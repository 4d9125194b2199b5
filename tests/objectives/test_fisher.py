"""Tests of the Fisher information and of EWC against formulas and plain autograd."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from toys import Net, make_samples

from course_utils.data.samples import Samples
from course_utils.models.classifier import small_cnn
from course_utils.objectives import EWC, L2SP, Batch, CrossEntropy, fisher_information


class LogisticRegression(nn.Module):
    """p(y = 1) = sigmoid(w x), as two logits."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([weight]))

    def forward(self, inputs):
        score = inputs @ self.weight[:, None]
        return torch.cat([torch.zeros_like(score), score], 1)


def by_loop(model, samples, labels):
    """One sample and one class at a time."""
    model = deepcopy(model).eval()
    sums = {name: torch.zeros_like(w) for name, w in model.named_parameters()}
    for x, y in zip(samples.inputs, samples.labels, strict=True):
        p = model(x[None])[0].softmax(0).detach()
        for k in range(len(p)):
            share = p[k] if labels == "model" else float(k == y)
            pull = torch.autograd.grad(
                model(x[None])[0].log_softmax(0)[k], list(model.parameters())
            )
            for name, g in zip(sums, pull, strict=True):
                sums[name] += share * g.square()
    return {name: total / len(samples) for name, total in sums.items()}


class TestFisher:
    def test_of_logistic_regression_by_formula(self):
        """The true one is p (1 - p) x^2, the empirical one (y - p)^2 x^2."""
        x, y = torch.tensor([[0.5], [-1.0], [2.0]]), torch.tensor([1, 0, 0])
        p = torch.sigmoid(0.7 * x[:, 0])
        samples, model = Samples(x, y), LogisticRegression(0.7)
        true = fisher_information(model, samples)["weight"]
        assert true.item() == pytest.approx((p * (1 - p) * x[:, 0] ** 2).mean().item())
        empirical = fisher_information(model, samples, labels="observed")["weight"]
        assert empirical.item() == pytest.approx(((y - p) ** 2 * x[:, 0] ** 2).mean().item())

    @pytest.mark.parametrize("labels", ["model", "observed"])
    def test_is_that_of_autograd_sample_by_sample(self, labels):
        samples = make_samples(40)
        found = fisher_information(Net(3), samples, labels=labels)
        torch.manual_seed(0)
        net = Net(3)
        found = fisher_information(net, samples, labels=labels)
        for name, expected in by_loop(net, samples, labels).items():
            assert torch.allclose(found[name], expected, rtol=1e-4, atol=1e-8), name

    def test_the_model_stays_as_it_is(self):
        net, samples = Net(3).train(), make_samples(10)
        before = deepcopy(net.state_dict())
        fisher_information(net, samples)
        assert net.training
        assert all(torch.equal(before[n], t) for n, t in net.state_dict().items())
        assert all(weight.grad is None for weight in net.parameters())

    def test_a_prefix_chooses_parameters(self):
        found = fisher_information(Net(3), make_samples(4), prefix="head.")
        assert set(found) == {"head.weight", "head.bias"}
        with pytest.raises(ValueError, match="^prefix is 'neck.'; no parameter of model starts so"):
            fisher_information(Net(3), make_samples(4), prefix="neck.")

    def test_images_go_through_a_convolutional_network(self):
        samples = Samples(torch.rand(5, 1, 8, 8), torch.arange(5) % 2)
        found = fisher_information(small_cnn(2), samples)
        assert all(values.isfinite().all() for values in found.values())


class TestEWC:
    def value(self, term, model):
        samples = make_samples(4)
        return term.value(Batch(model, samples.inputs, samples.labels, model(samples.inputs)))

    def test_is_zero_at_the_start_and_the_weighted_square_away_from_it(self):
        net, samples = Net(3).eval(), make_samples(20)
        term = EWC(net, samples)
        assert self.value(term, net) == 0
        moved = deepcopy(net)
        with torch.no_grad():
            moved.head.bias += 0.5
        expected = 0.125 * fisher_information(net, samples)["head.bias"].sum()
        assert self.value(term, moved).item() == pytest.approx(expected.item())

    def test_with_equal_importance_it_is_l2sp(self):
        net, moved = Net(3).eval(), Net(3).eval()
        term = EWC(net, make_samples(8))
        term.importance = {name: torch.ones_like(f) for name, f in term.importance.items()}
        expected = self.value(L2SP(net, prefix=""), moved)
        assert torch.allclose(self.value(term, moved), expected)

    def test_online_it_adds_what_the_tasks_before_needed(self):
        net, first, second = Net(3).eval(), make_samples(8), make_samples(8, seed=1)
        before, alone = EWC(net, first), EWC(net, second)
        both = EWC(net, second, previous=before, decay=0.5)
        for name, values in both.importance.items():
            expected = 0.5 * before.importance[name] + alone.importance[name]
            assert torch.allclose(values, expected)

    def test_it_reads_like_the_formula(self):
        net = Net(3)
        objective = CrossEntropy() + 100 * EWC(net, make_samples(4))
        assert repr(objective) == "CrossEntropy() + 100 * EWC(source_model, samples)"
        assert r"\sum_i F_i\,(w - w_0)_i^2" in objective.formula

    def test_a_term_before_of_another_model_is_refused(self):
        before = EWC(Net(3), make_samples(4))
        with pytest.raises(ValueError, match="^previous holds .*; give a model with the same"):
            EWC(Net(2), make_samples(4), previous=before)
        with pytest.raises(ValueError, match="^previous holds other parameters"):
            EWC(Net(3), make_samples(4), previous=before, prefix="head.")
