"""Unusual models, optimisers and errors: the broken twin is named, the sound one is left alone."""

import copy

import pytest
import torch
from patients import noted
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler
from torch.utils._pytree import tree_leaves

from course_utils.audit import audit_transfer
from course_utils.audit.reasons import one_line

pytestmark = pytest.mark.slow

Y = torch.arange(96) % 3
X = torch.randn(96, 8, generator=torch.Generator().manual_seed(0))
X = X + 4 * functional.one_hot(Y, 8)
TOKENS = torch.arange(96 * 5).reshape(96, 5) % 6 + 6 * Y[:, None]


class Noisy(nn.Module):
    """A layer with dropout that is a function; ``always`` forgets the mode."""

    def __init__(self, *, always=False):
        super().__init__()
        self.layer, self.always = nn.Linear(8, 32), always

    def forward(self, inputs):
        return functional.dropout(self.layer(inputs).relu(), 0.3, self.always or self.training)


class Held(Noisy):
    """A part that stays in evaluation mode."""

    def train(self, mode=True):
        return super().train(False)


class Bag(nn.Module):
    """An embedding with sparse gradients, and a head."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(20, 16, sparse=True), nn.Linear(16, 3)

    def forward(self, tokens):
        return self.head(self.table(tokens).mean(1))


class Several(nn.Module):
    """A model that answers with several things."""

    def __init__(self, answer):
        super().__init__()
        self.body, self.head, self.answer = nn.Linear(8, 32), nn.Linear(32, 3), answer

    def forward(self, inputs):
        features = self.body(inputs).relu()
        return self.answer(self.head(features), features)


class Lookahead(torch.optim.Optimizer):
    """An optimiser around another: every second step goes half the way back."""

    def __init__(self, optimizer):
        self.optimizer, self.count = optimizer, 0
        held = [p for group in optimizer.param_groups for p in group["params"]]
        self.slow = [p.detach().clone() for p in held]
        super().__init__(held, {})
        self.param_groups = optimizer.param_groups

    def step(self, closure=None):
        self.optimizer.step(closure)
        self.count += 1
        if self.count % 2 == 0:
            held = [p for group in self.param_groups for p in group["params"]]
            with torch.no_grad():
                for p, slow in zip(held, self.slow, strict=True):
                    p.copy_(slow.lerp_(p, 0.5))


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))


def sgd(model, rate=0.1):
    return torch.optim.SGD(model.parameters(), rate, momentum=0.9)


def noise_in_evaluation(mode):
    def make(broken):
        torch.manual_seed(0)
        model = nn.Sequential(Noisy(always=broken), nn.Linear(32, 3)).train(mode)
        return {"model": model, "train": (X, Y)}

    return make


def frozen_function(broken):
    torch.manual_seed(0)
    body = (Noisy if broken else Held)().requires_grad_(False)
    body.layer.weight.mul_(1.5)  # so that it does not look new
    return {"model": nn.Sequential(body, nn.Linear(32, 3)).train(), "train": (X, Y)}


def noise_in_the_head(broken):
    """Put the noise into what learns; the broken one freezes that part."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), Noisy(), nn.Linear(32, 3))
    for layer in (model[0], model[1].layer):
        layer.weight.data.mul_(1.5)
    model[1 if broken else 0].requires_grad_(False)
    return {"model": model, "train": (X, Y)}


def sparse(broken):
    torch.manual_seed(0)
    model = Bag()
    model.head.requires_grad_(broken)
    optimizer = torch.optim.SparseAdam(model.table.parameters(), 1e-2)
    return {"model": model, "optimizer": optimizer, "train": (TOKENS, Y)}


def looking_ahead(broken):
    model = mlp()
    optimizer = Lookahead(sgd(model))
    if broken:
        model[2] = nn.Linear(32, 3)
    return {"model": model, "optimizer": optimizer, "train": (X, Y)}


def looking_ahead_too_far(broken):
    model = mlp()
    return {
        "model": model,
        "optimizer": Lookahead(sgd(model, 50.0 if broken else 0.1)),
        "train": (X, Y),
    }


def accumulating(broken):
    """Four parts of a batch add up; the broken one has never called zero_grad."""
    model = mlp()
    for some in torch.arange(96).split(24):
        loss = functional.cross_entropy(model(X[some]), Y[some])
        (400 * loss if broken else loss / 4).backward()
    return {"model": model, "optimizer": sgd(model), "train": (X, Y)}


def features_too(broken):
    torch.manual_seed(0)
    model = Several(lambda logits, features: (logits.detach() if broken else logits, None))
    return {"model": model, "train": (X, Y)}


def loss_and_logits(broken):
    torch.manual_seed(0)
    answer = lambda logits, _: (logits.square().mean(), logits)  # noqa: E731
    model = Several((lambda logits, _: (logits.mean(),)) if broken else answer)
    return {"model": model, "train": (X, Y)}


def scheduled(broken):
    model = mlp()
    optimizer = sgd(model, 60.0 if broken else 0.1)
    lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return {"model": model, "optimizer": optimizer, "train": (X, Y)}


TWINS = {
    "dropout in each mode, training": ("mode and batches", noise_in_evaluation(True)),
    "dropout in each mode, evaluation": ("mode and batches", noise_in_evaluation(False)),
    "a function of dropout in a frozen part": ("frozen dropout", frozen_function),
    "dropout of one frozen part of three": ("frozen dropout", noise_in_the_head),
    "sparse gradients, the head left out": ("optimizer parameters", sparse),
    "an optimiser in another, a stale head": ("optimizer parameters", looking_ahead),
    "an optimiser in another, its rate": ("learning rate", looking_ahead_too_far),
    "gradients that add up": ("learning rate", accumulating),
    "a tuple, detached": ("gradients", features_too),
    "a loss and logits": ("outputs", loss_and_logits),
    "a scheduler": ("learning rate", scheduled),
}


@pytest.mark.parametrize("name", TWINS)
def test_broken_twin_is_named(name):
    check, make = TWINS[name]
    report = audit_transfer(**make(True))
    assert report[check].verdict in ("wrong", "suspicious"), report
    assert report[check].next_step


@pytest.mark.parametrize("name", TWINS)
def test_sound_twin_is_left_alone(name):
    report = audit_transfer(**TWINS[name][1](False))
    assert not noted(report), report


def state(given):
    """Return copies of all that an audit must leave as it was."""
    model, optimizer = given["model"], given.get("optimizer")
    gradients = [None if p.grad is None else p.grad.to_dense() for p in model.parameters()]
    modes = [(m.training, len(m._forward_hooks)) for m in model.modules()]  # noqa: SLF001
    held = {} if optimizer is None else {k: v for k, v in vars(optimizer).items() if k != "state"}
    inner = getattr(optimizer, "optimizer", optimizer)
    kept = (inner.state_dict(), held.get("slow"), held.get("count")) if inner else ()
    return copy.deepcopy([model.state_dict(), gradients, modes, sorted(held), kept])


@pytest.mark.parametrize("name", TWINS)
def test_twin_stays_as_it_was(name):
    given = TWINS[name][1](True)
    before, numbers = state(given), torch.get_rng_state()
    audit_transfer(**given)
    pairs = list(zip(tree_leaves(state(given)), tree_leaves(before), strict=True))
    assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)
    assert torch.equal(torch.get_rng_state(), numbers)


def test_gradients_that_add_up_are_told_from_a_high_rate():
    report = audit_transfer(**accumulating(True), checks=["learning rate"])
    assert "zero_grad" in report["learning rate"].next_step


def test_scheduler_can_step_as_before():
    given = scheduled(False)
    schedule = lr_scheduler.CosineAnnealingLR(given["optimizer"], 10)
    before = copy.deepcopy({k: v for k, v in vars(schedule).items() if k != "optimizer"})
    audit_transfer(**given)
    after = {k: v for k, v in vars(schedule).items() if k != "optimizer"}
    assert str(after) == str(before)


def test_wrapper_that_is_no_optimiser_is_refused_with_what_it_wraps():
    class Wrapper:
        optimizer = sgd(mlp())

    with pytest.raises(TypeError, match="give its attribute optimizer$"):
        audit_transfer(mlp(), Wrapper(), train=(X, Y))


def test_biases_and_norm_weights_that_decay_are_counted():
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    for params, told in (
        (model.parameters(), "3 biases"),
        ([model[0].weight], "only what learns."),
    ):
        optimizer = torch.optim.AdamW(params, 1e-3)
        (finding,) = audit_transfer(model, optimizer, checks=["weight decay"]).findings
        assert finding.verdict == "ok"
        assert told in finding.found


class TestForeignErrors:
    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (ValueError(f"bad rows\n{X}"), "ValueError: bad rows tensor(...)."),
            (RuntimeError(f"rows {X[0].tolist()}\nx"), "RuntimeError: rows [...] x."),
            (RuntimeError("rows [1e-05, 2e-05] x"), "RuntimeError: rows [...] x."),
            (AssertionError(f"{X.numpy()!r}"), "AssertionError: array(...)."),
            (ValueError("no number: 'Ann'"), "ValueError: no number: '...'."),
        ],
    )
    def test_data_in_them_are_left_out(self, error, told):
        assert one_line(error) == told

    @pytest.mark.parametrize(
        "error",
        [
            NameError("name 'F' is not defined."),
            RuntimeError("mat1 and mat2 shapes cannot be multiplied (16x3 and 4x2)."),
            RuntimeError("expected input[16, 1, 8, 8] to have 3 channels."),
            RuntimeError("Tensor for argument weight is on cpu."),
        ],
    )
    def test_shapes_and_names_are_kept(self, error):
        assert one_line(error) == f"{type(error).__name__}: {error}"

    def test_report_has_none_of_the_data(self):
        def objective(outputs, labels):
            raise ValueError(f"a strange batch\n{outputs}")

        report = audit_transfer(mlp(), train=(X, Y), objective=objective)
        assert "tensor(..." in report["loss"].found
        assert not any("grad_fn" in f.found or "\n" in f.found for f in report.findings)
