"""What a hostile reader tried: nothing changes, no false alarm, nothing missed, one line each."""

import copy
import time
from functools import partial

import numpy as np
import pytest
import torch
from patients import noted
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, TensorDataset

from course_utils.audit import AuditError, Finding, Report, audit_transfer
from course_utils.data.samples import Samples

torch.manual_seed(0)
Y = torch.arange(96) % 3
X = torch.randn(96, 8) + 4 * functional.one_hot(Y, 8).float()
PHOTOS = 0.9 * torch.rand(24, 3, 8, 8)
MARKS = (X[:, :4] > 3).float()
binary = functional.binary_cross_entropy_with_logits
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def mlp(outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, outputs))


def conv():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))


def photo_net():
    net = conv()
    net(PHOTOS)  # lazy layers get their size
    return net


def sgd(net, rate=0.1, **settings):
    return torch.optim.SGD(net.parameters(), lr=rate, **settings)


class Layer(nn.Module):
    """A head of one linear layer with a function after it."""

    def __init__(self, after, outputs=3):
        super().__init__()
        self.head, self.after = mlp(outputs), after

    def forward(self, inputs):
        return self.after(self.head(inputs))


class Selfish(nn.Linear):
    def __deepcopy__(self, memo):
        return self


class Head(nn.Module):
    """An objective that learns and counts."""

    def __init__(self):
        super().__init__()
        self.register_buffer("centre", torch.zeros(3))
        self.head = nn.Linear(3, 3)

    def forward(self, outputs, labels):
        self.centre.mul_(0.9).add_(0.1 * outputs.detach().mean(0))
        return functional.cross_entropy(self.head(outputs) - self.centre, labels)


class TestNothingIsChanged:
    @pytest.mark.parametrize(
        "make",
        [lambda: torch.jit.trace(mlp(), X), lambda: Selfish(8, 3)],
        ids=["traced", "selfish"],
    )
    def test_a_model_without_a_copy_of_its_own_is_not_tried(self, make):
        net = make()
        before = copy.copy({name: w.clone() for name, w in net.state_dict().items()})
        report = audit_transfer(net, sgd(net), train=(X, Y))
        torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
        assert all(p.grad is None for p in net.parameters())
        assert not noted(report), report
        assert "copy" in report["gradients"].found or "copied" in report["gradients"].found

    def test_spectral_norm_is_looked_at_in_a_copy(self):
        net = mlp()
        parametrizations.spectral_norm(net[2])
        before = copy.deepcopy(net.state_dict())
        audit_transfer(net, train=(X, Y))
        torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)

    def test_generators_inside_of_samplers_and_data_are_given_back(self):
        class Noisy(TensorDataset):
            drawn = np.random.default_rng(0)

            def __init__(self):
                super().__init__(X, Y)
                self.drawn = np.random.default_rng(0)

            def __getitem__(self, place):
                return X[place] + self.drawn.normal(), Y[place]

        generator, data = torch.Generator().manual_seed(6), Noisy()
        sampler = BatchSampler(RandomSampler(range(96), generator=generator), 16, drop_last=False)
        before = generator.get_state(), copy.deepcopy(data.drawn.bit_generator.state)
        audit_transfer(mlp(), train=DataLoader(data, batch_sampler=sampler), checks=["labels"])
        assert torch.equal(generator.get_state(), before[0])
        assert data.drawn.bit_generator.state == before[1]

    def test_an_objective_that_learns_and_counts_is_copied(self):
        net, objective = mlp(), Head()
        optimizer = torch.optim.SGD([*net.parameters(), *objective.parameters()], lr=0.1)
        report = audit_transfer(net, optimizer, train=(X, Y), objective=objective)
        assert not objective.centre.any()
        assert objective.head.weight.grad is None
        assert report["optimizer parameters"].verdict == "ok"

    def test_a_module_around_an_objective_is_given_back(self):
        net, teacher = mlp(), nn.BatchNorm1d(8)
        net(X).sum().backward()
        before = [p.grad.clone() for p in net.parameters()], copy.deepcopy(teacher.state_dict())

        def objective(outputs, labels):
            pull = sum(p.square().sum() for p in net.parameters()) + teacher(X).square().mean()
            return functional.cross_entropy(outputs, labels) + 1e-3 * pull

        audit_transfer(net, train=(X, Y), objective=objective)
        torch.testing.assert_close([p.grad for p in net.parameters()], before[0], rtol=0, atol=0)
        torch.testing.assert_close(teacher.state_dict(), before[1], rtol=0, atol=0)
        assert teacher.weight.grad is None


def mse(outputs, labels):
    return functional.mse_loss(outputs, labels)


class InPlace(nn.Linear):
    def forward(self, inputs):
        return super().forward(inputs.mul_(2).add_(1))


class Hidden(nn.Linear):
    def __init__(self):
        super().__init__(8, 3)
        self.parts = [nn.Linear(8, 8)]

    def forward(self, inputs):
        return super().forward(self.parts[0](inputs))


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.MultiheadAttention(8, 2, dropout=0.3, batch_first=True).requires_grad_(False)
        self.head = nn.Linear(8, 3)

    def forward(self, inputs):
        rows = inputs[:, None].expand(-1, 2, -1)
        return self.head(self.body(rows, rows, rows)[0][:, 0])


def failing(inputs):
    raise AssertionError


def loaded(*names, change=lambda weight: weight + 5):
    """Return source and model that differ in some weights."""
    torch.manual_seed(0)
    source = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 8), nn.Linear(8, 3))
    source(X)
    model = copy.deepcopy(source)
    for name in names:
        tensor = dict(model.named_parameters()) | dict(model.named_buffers())
        tensor[name].data.copy_(change(tensor[name].data))
    return {"model": model, "source": source}


def nan(weight):
    return torch.full_like(weight, torch.nan)


MISSED = {
    "photos without normalising": (
        "input range",
        lambda: {"model": photo_net(), "train": (PHOTOS, Y[:24]), "preprocessing": IMAGENET},
    ),
    "photos of -1 to 1": (
        "input range",
        lambda: {
            "model": photo_net(),
            "train": ((PHOTOS / PHOTOS.max()) * 2 - 1, Y[:24]),
            "preprocessing": IMAGENET,
        },
    ),
    "photos of 0 to 255 in int64": (
        "input range",
        lambda: {"model": photo_net(), "train": ((PHOTOS * 255).long(), Y[:24])},
    ),
    "photos less their mean": (
        "input range",
        lambda: {"model": photo_net(), "train": (PHOTOS * 255 - 120, Y[:24])},
    ),
    "colours last": (
        "outputs",
        lambda: {"model": photo_net(), "train": (PHOTOS.permute(0, 2, 3, 1), Y[:24])},
    ),
    "a minus too much": (
        "loss",
        lambda: {
            "model": mlp(),
            "train": (X, Y),
            "objective": lambda o, t: -functional.cross_entropy(o, t),
        },
    ),
    "an optimiser that climbs": (
        "loss",
        lambda: {
            "model": (net := mlp()),
            "optimizer": sgd(net, maximize=True),
            "train": (X, Y),
        },
    ),
    "one output and cross-entropy": (
        "loss",
        lambda: {"model": mlp(1), "train": (X, X[:, :1])},
    ),
    "a minus too much in a regression": (
        "loss",
        lambda: {"model": mlp(4), "train": (X, X[:, :4]), "objective": lambda o, t: -mse(o, t)},
    ),
    "(N, 1) with (N,)": (
        "loss",
        lambda: {"model": mlp(1), "train": (X, X[:, 0]), "objective": mse},
    ),
    "(N,) with (N, 1)": (
        "loss",
        lambda: {
            "model": Layer(lambda o: o[:, 0], 1),
            "train": (X, X[:, :1]),
            "objective": lambda o, t: ((o - t) ** 2).mean(),
        },
    ),
    "a sigmoid too much": (
        "outputs",
        lambda: {"model": Layer(torch.sigmoid, 4), "train": (X, MARKS), "objective": binary},
    ),
    "dropout inside of frozen attention": (
        "frozen dropout",
        lambda: {"model": Attending(), "train": (X, Y)},
    ),
    "numbers drawn in evaluation": (
        "mode and batches",
        lambda: {
            "model": Layer(lambda o: o + torch.randn_like(o)).eval(),
            "test": (X, Y),
        },
    ),
    "a rate of 0": (
        "learning rate",
        lambda: {"model": (net := mlp()), "optimizer": sgd(net, 0.0), "train": (X, Y)},
    ),
    "inputs changed in place": ("outputs", lambda: {"model": InPlace(8, 3), "train": (X, Y)}),
    "some layers never loaded": (
        "source weights",
        lambda: loaded("0.weight", change=torch.randn_like),
    ),
    "statistics never loaded": ("source weights", lambda: loaded("1.running_mean")),
    "biases never loaded": ("source weights", lambda: loaded("2.bias")),
    "NaN in a weight": ("source weights", lambda: loaded("2.weight", change=nan)),
    "an error without words": ("outputs", lambda: {"model": Layer(failing), "train": (X, Y)}),
    "layers in a list": ("trainable parameters", lambda: {"model": Hidden(), "train": (X, Y)}),
    "copies in another type": (
        "duplicates across parts",
        lambda: {"model": mlp(), "train": (X, Y), "validation": (X[:10].double(), Y[:10])},
    ),
    "a sum over samples": (
        "loss",
        lambda: {
            "model": mlp(),
            "train": (X, Y),
            "objective": partial(functional.cross_entropy, reduction="sum"),
        },
    ),
}


@pytest.mark.parametrize("name", MISSED)
def test_mistakes_of_every_day_are_named(name):
    check, make = MISSED[name]
    given = make()
    report = audit_transfer(**given, checks=[check])
    assert report[check].verdict in ("wrong", "suspicious"), report
    assert report[check].next_step


@pytest.mark.parametrize("kind", [torch.uint8, torch.bool, torch.int32])
def test_labels_of_other_types_stop_no_check(kind):
    report = audit_transfer(mlp(), train=(X, (Y % 2).to(kind)), checks=["labels", "class order"])
    assert "It stopped" not in repr(report)


def test_no_check_that_could_be_made_is_not_ok():
    report = Report([Finding("loss", "not checked", "Give train.")])
    assert not report.ok
    assert repr(report).endswith("1 check: 1 not checked. Nothing could be checked.")
    with pytest.raises(AuditError, match=r"^Nothing could be checked. Give train.$"):
        report.raise_if_wrong()
    with pytest.raises(ValueError, match="^checks is empty; give one or more names of CHECKS"):
        audit_transfer(mlp(), checks=[])


def frozen_backbone():
    body = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.Dropout(0.3))
    net = nn.Sequential(body.requires_grad_(False), nn.Linear(32, 3)).train()
    body.eval()
    return net


def focal(outputs, labels):
    losses = functional.cross_entropy(outputs, labels, reduction="none")
    return ((1 - (-losses).exp()) ** 2 * losses).mean()


def apart(embeddings, labels):
    """Return a metric loss: near for one class, and far for two."""
    near = functional.normalize(embeddings) @ functional.normalize(embeddings).T
    return (near - (labels[:, None] == labels).float()).square().mean()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def trained(net, objective, labels):
    stepper = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(200):
        stepper.zero_grad()
        objective(net(X), labels).backward()
        stepper.step()
    return net


def pruned():
    net = mlp()
    prune.l1_unstructured(net[0], "weight", 0.5)
    return net


def points(number, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, 2, generator=generator), torch.arange(number) % 2


def combinations(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(2, (96, 8), generator=generator).float() * 2, Y


class Forces(nn.Module):
    """A model that takes a gradient on its way."""

    def __init__(self):
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(8, 32), nn.Softplus(), nn.Linear(32, 1, bias=False))

    def forward(self, inputs):
        inputs = inputs.requires_grad_()
        return torch.autograd.grad(self.energy(inputs).sum(), inputs, create_graph=True)[0][:, :3]


class Pair(nn.Module):
    """Gives features and scores."""

    def __init__(self, width=16, *, learns=False):
        super().__init__()
        self.body, self.head = nn.Linear(8, width).requires_grad_(learns), nn.Linear(width, 3)

    def forward(self, inputs):
        features = self.body(inputs)
        return features, self.head(features)


class Named(Pair):
    """Gives both by name."""

    def forward(self, inputs):
        features, scores = super().forward(inputs)
        return {"features": features, "logits": scores}


SOUND = {
    "a backbone in eval()": lambda: {"model": frozen_backbone(), "train": (X, Y)},
    "several labels": lambda: {
        "model": mlp(4),
        "train": (X, (X[:, :4] > 0).float()),
        "objective": functional.binary_cross_entropy_with_logits,
    },
    "several labels, learned": lambda: {
        "model": trained(mlp(4), binary, MARKS),
        "train": (X, MARKS),
        "objective": binary,
    },
    "counts": lambda: {
        "model": mlp(4),
        "train": (X, 0.3 * X[:, :4].abs()),
        "objective": functional.poisson_nll_loss,
        "checks": ["loss", "loss scale", "outputs"],
    },
    "smoothed labels, learned without": lambda: {
        "model": trained(mlp(), functional.cross_entropy, Y),
        "train": (X, Y),
        "objective": partial(functional.cross_entropy, label_smoothing=0.1),
        "checks": ["loss", "loss scale", "outputs"],
    },
    "a loss that grows on purpose": lambda: {
        "model": (net := mlp()),
        "optimizer": sgd(net, maximize=True),
        "train": (X, Y),
        "objective": lambda o, t: -functional.cross_entropy(o, t),
        "checks": ["loss"],
    },
    "a loss without labels": lambda: {
        "model": mlp(1),
        "train": (X, X[:, 0]),
        "objective": lambda o, t: (o - 1).square().mean(),
        "checks": ["loss"],
    },
    "regression of four numbers": lambda: {
        "model": mlp(4),
        "train": (X, X[:, :4]),
        "objective": mse,
    },
    "regression of one number": lambda: {
        "model": Layer(lambda o: o[:, 0], 1),
        "train": (X, X[:, 0]),
        "objective": mse,
    },
    "regression of whole numbers": lambda: {
        "model": Layer(lambda o: o[:, 0], 1),
        "train": (X, (X[:, 0]).round().long()),
        "objective": functional.l1_loss,
    },
    "an autoencoder": lambda: {"model": mlp(8), "train": (X, X), "objective": mse},
    "a metric loss": lambda: {"model": mlp(128), "train": (X, Y), "objective": apart},
    "a metric loss of four": lambda: {"model": mlp(4), "train": (X, Y), "objective": apart},
    "a focal loss": lambda: {"model": mlp(), "train": (X, Y), "objective": focal},
    "weights of classes": lambda: {
        "model": mlp(),
        "train": (X, Y),
        "objective": nn.CrossEntropyLoss(weight=torch.ones(3)),
    },
    "points of two numbers": lambda: {
        "model": nn.Linear(2, 2),
        "train": points(100, 0),
        "test": points(100, 1),
        "checks": ["near duplicates", "duplicates across parts"],
    },
    "a wrapped model": lambda: {"model": nn.DataParallel(net := mlp()), "source": net},
    "a source with prefixes": lambda: {
        "model": (net := mlp()),
        "source": {f"module._orig_mod.{name}": w for name, w in net.state_dict().items()},
    },
    "labels that are left out": lambda: {
        "model": mlp(),
        "train": (X, torch.where(Y == 2, -100, Y)),
        "seconds": 10**400,
        "checks": ["labels", "loss"],
    },
    "labels that nobody knows": lambda: {
        "model": mlp(),
        "train": Samples(X, torch.where(torch.arange(96) > 60, -1, Y)),
    },
    "a pruned network": lambda: {"model": pruned(), "train": (X, Y)},
    "spectral_norm, the old form": lambda: {
        "model": nn.Sequential(
            nn.utils.spectral_norm(nn.Linear(8, 32)), nn.ReLU(), nn.Linear(32, 3)
        ),
        "train": (X, Y),
    },
    "segmentation": lambda: {
        "model": nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 2, 1)),
        "train": (PHOTOS, (PHOTOS.mean(1) > 0.45).long()),
        "objective": functional.cross_entropy,
    },
    "a model with forces": lambda: {"model": Forces(), "train": (X, Y)},
    "temperatures": lambda: {
        "model": photo_net(),
        "train": (250 + 50 * PHOTOS, Y[:24]),
        "checks": ["input range"],
    },
    "images of the night": lambda: {
        "model": photo_net(),
        "train": ((0.2 * PHOTOS - 0.45) / 0.225, Y[:24]),
        "preprocessing": IMAGENET,
        "checks": ["input range"],
    },
    "features from a graph": lambda: {"model": mlp(), "train": (X.clone().requires_grad_(), Y)},
    "features and scores": lambda: {"model": Pair(), "train": (X, Y)},
    "features that learn, and scores": lambda: {"model": Pair(learns=True), "train": (X, Y)},
    "features as many as classes": lambda: {"model": Pair(3), "train": (X, Y)},
    "features, and scores of numbers": lambda: {
        "model": Pair(learns=True),
        "train": (X, X[:, :3]),
        "objective": mse,
    },
    "an objective of features and scores": lambda: {
        "model": Pair(learns=True),
        "train": (X, Y),
        "objective": lambda o, t: functional.cross_entropy(o[1], t) + 1e-3 * o[0].square().mean(),
    },
    "an objective of what has names": lambda: {
        "model": Named(learns=True),
        "train": (X, Y),
        "objective": lambda o, t: functional.cross_entropy(dict(o)["logits"], t),
    },
    "bfloat16": lambda: {
        "model": mlp().bfloat16(),
        "train": (X.bfloat16(), Y),
        "checks": ["input range", "labels", "outputs", "loss", "duplicates across parts"],
    },
    "a margin": lambda: {
        "model": mlp(),
        "train": (X, Y),
        "objective": functional.multi_margin_loss,
    },
    "half precision": lambda: {"model": mlp().half(), "train": (X.half(), Y)},
    "soft labels": lambda: {
        "model": mlp(),
        "train": (X, torch.softmax(torch.randn(96, 3, generator=seeded(0)), 1)),
    },
    "LBFGS": lambda: {
        "model": (net := mlp()),
        "optimizer": torch.optim.LBFGS(net.parameters(), lr=1e-3),
        "train": (X, Y),
    },
    "a warm-up from 0": lambda: {
        "model": (net := mlp()),
        "optimizer": (warm := sgd(net)),
        "train": (X, Y),
        "source": torch.optim.lr_scheduler.LambdaLR(warm, lambda step: step / 10) and None,
    },
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_models_are_left_alone(name):
    torch.manual_seed(0)
    report = audit_transfer(**SOUND[name]())
    assert not noted(report), report


@pytest.mark.parametrize(
    "given",
    [
        {"model": Pair(3, learns=True), "train": (X, Y)},  # as many features as classes
        {"model": Pair(learns=True), "train": X},  # no labels
        {"model": Pair(learns=True), "train": (X, Y % 2)},  # other classes
    ],
)
def test_which_tensor_are_the_scores_is_not_guessed(given):
    report = audit_transfer(**given)
    assert not noted(report), report
    told = report["outputs"]
    assert told.verdict == "not checked"
    assert "which are the scores?" in told.found
    assert 'returns these alone, or as "logits"' in told.found


def test_a_detached_tensor_of_scores_is_not_passed_over_for_features():
    class Detached(Pair):
        def forward(self, inputs):
            features, scores = super().forward(inputs)
            return features, scores.detach()

    report = audit_transfer(Detached(learns=True), train=(X, Y), checks=["loss"])
    assert report["loss"].found == "It has no gradient."


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_mode_of_the_caller_does_not_matter(mode):
    with mode():
        report = audit_transfer(mlp(), train=(X, Y))
        assert torch.is_grad_enabled() is False
    assert not noted(report), report


def test_few_values_repeat_and_that_is_not_wrong():
    report = audit_transfer(mlp(), train=combinations(0), test=combinations(1))
    assert report["duplicates across parts"].verdict == "suspicious"


def test_labels_far_from_0_are_named_as_such():
    given = {"train": (X, X[:, :1] * 1000 + 5e4), "objective": mse}
    report = audit_transfer(mlp(1), **given)
    assert report["overfits eight samples"].verdict == "suspicious"
    assert "far from 0" in report["overfits eight samples"].next_step
    assert report.ok


def test_padding_of_each_batch_alone_can_be_read():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Embedding(9, 8), nn.Linear(8, 2)

        def forward(self, input_ids, attention_mask):
            states = self.table(input_ids) * attention_mask[..., None]
            return self.head(states.sum(1) / attention_mask.sum(1, keepdim=True))

    batches = []
    for length in (4, 6, 5, 4):
        labels = torch.arange(8) % 2
        ids = 1 + torch.randint(4, (8, length)) + 4 * labels[:, None]
        batches.append({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})
    report = audit_transfer(Mean(), train=DataLoader(batches, batch_size=None))
    assert not noted(report), report


def test_images_of_several_sizes_can_be_read():
    pairs = [(torch.rand(1, 3, 8 + k % 2, 8), torch.tensor([k % 3])) for k in range(24)]
    report = audit_transfer(photo_net(), train=DataLoader(pairs, batch_size=None))
    assert report["outputs"].verdict == "ok"
    assert report["labels"].found == "3 classes, 8 to 8 samples each."


class Broken(TensorDataset):
    def __getitem__(self, place):
        raise OSError("patient_17.png\nis not there")


REFUSED = {
    "an empty dict": ({}, TypeError, "train has a dict without a tensor of inputs; give them"),
    "labels alone": ({"labels": Y}, TypeError, "train has a dict without a tensor of inputs"),
    "fewer labels": ((X, Y[:50]), ValueError, "train has 96 inputs and 50 labels; give one of"),
    "names as labels": ((X, ["a"] * 96), TypeError, "train has labels a list of length 96; give a"),
    "boxes": ((X, [{"boxes": X}] * 96), TypeError, "train has labels a list of length 96; give a"),
    "one number": ((torch.tensor(1.0), torch.tensor(1)), ValueError, "train has one number as in"),
    "sparse": ((X.to_sparse(), Y), TypeError, "train has a tensor of shape .*; give plain numbers"),
    "batches in a list": ([(X, Y), (X, Y)], TypeError, "train has inputs a tuple .* a DataLoader"),
    "several inputs": (((X, X), Y), TypeError, "train has inputs a tuple .* inputs as a dict"),
    "weights of samples": ((X, Y, Y), TypeError, "train is a tuple .* without more, or a Data"),
    "a data set": (TensorDataset(X, Y), TypeError, "train is of type .* or it in a DataLoader"),
    "single samples": (
        DataLoader(TensorDataset(X, Y), batch_size=None),
        ValueError,
        "train has one number as labels, .* give batches",
    ),
    "nothing collated": (
        DataLoader(TensorDataset(X, Y), collate_fn=lambda rows: None),
        TypeError,
        "train has a batch that is None; give",
    ),
    "a broken file": (
        DataLoader(Broken(X, Y)),
        RuntimeError,
        "train cannot be read: its loader raises OSError; look at",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_data_of_another_form_are_refused_in_one_line(name):
    data, kind, words = REFUSED[name]
    with pytest.raises(kind, match=f"^{words}") as caught:
        audit_transfer(mlp(), train=data)
    assert "\n" not in str(caught.value)
    assert "patient" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seconds": -1}, "seconds is -1; give a number above 0"),
        ({"optimizer": torch.optim.Adam}, "optimizer is the class Adam; .* called"),
        ({"objective": nn.CrossEntropyLoss}, "objective is the class CrossEntropyLoss; call it"),
        ({"preprocessing": "imagenet"}, "preprocessing is a text without numbers mean and std; g"),
        ({"preprocessing": [0.5]}, "preprocessing is a list of length 1 without numbers mean and"),
        ({"preprocessing": {"mean": 0.5, "std": 0}}, "preprocessing has a mean or std out of ran"),
        ({"preprocessing": {"mean": torch.nan, "std": 1}}, "preprocessing has a mean or std out"),
    ],
)
def test_other_arguments_are_refused_in_one_line(arguments, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        audit_transfer(mlp(), train=(X, Y), **arguments)


def test_lazy_layers_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^model has layers without a size yet; call it once"):
        audit_transfer(conv(), train=(PHOTOS, Y[:24]))


def test_numbers_of_numpy_and_lists_in_a_dict_are_read():
    class Named(nn.Linear):
        def forward(self, x):
            return super().forward(x)

    report = audit_transfer(Named(8, 3), train={"x": X.numpy(), "labels": Y.tolist()})
    assert not noted(report), report


def test_an_error_that_cannot_be_told_ends_nothing():
    class MuteError(Exception):
        def __str__(self):
            raise ValueError("no str")

    def raising(inputs):
        raise MuteError

    report = audit_transfer(Layer(raising), train=(X, Y))
    assert "MuteError." in report["outputs"].found


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            time.sleep(0.01)
            yield X[0], Y[0]


@pytest.mark.slow
def test_the_seconds_hold_for_reading_too():
    start = time.monotonic()
    report = audit_transfer(mlp(), train=DataLoader(Endless(), 4), seconds=6)
    assert time.monotonic() - start < 30
    assert report["outputs"].verdict == "ok"


@pytest.mark.slow
def test_the_seconds_hold_inside_of_a_check():
    def slowly(scores):
        time.sleep(0.2)
        return scores

    start = time.monotonic()
    report = audit_transfer(Layer(slowly), train=(X, Y), seconds=1.5)
    assert time.monotonic() - start < 4
    assert report["overfits eight samples"].found == "The time was over."


def test_only_what_the_checks_need_is_read():
    read = []

    class Counting(TensorDataset):
        def __getitem__(self, place):
            read.append(place)
            return X[place % 96], Y[place % 96]

    data = Counting(torch.zeros(3000), torch.zeros(3000))
    audit_transfer(mlp(), train=DataLoader(data, 32), checks=["outputs"])
    assert len(read) < 400
