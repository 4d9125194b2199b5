"""Small samples and networks for tests, and whether a network has changed."""

import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.experiments.results import Results
from course_utils.objectives.base import Batch


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Two threads for tiny layers or few images only stand in each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_pyplot_state():
    """Fail the test if a figure was registered with pyplot, which would keep and show it."""
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


@pytest.fixture
def full_precision():
    """Keep a graphics card from rounding convolutions more coarsely than a processor does."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def apart(*parts):
    """Give parts of a task that are made by hand the positions of one data set."""
    first, found = 0, []
    for part in parts:
        rows = torch.arange(first, first + len(part))
        found.append(Samples(part.inputs, part.labels, part.weights, rows))
        first += len(part)
    return found


def make_samples(number=30, num_classes=2, seed=0, weighted=False):
    """Classes that overlap, in four dimensions."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % num_classes
    centres = torch.randn(num_classes, 4, generator=torch.Generator().manual_seed(99))
    inputs = centres[labels] + torch.randn(number, 4, generator=generator)
    weights = torch.rand(number, generator=generator) + 0.1 if weighted else None
    return Samples(inputs, labels, weights)


def make_task(split_seed=0):
    """Return a task of two classes: 60 samples to learn from, 40 to choose by, 20 to test."""
    samples = make_samples(120, seed=split_seed)
    parts = [samples.select(part) for part in torch.arange(120).split([60, 40, 20])]
    return Task("toy", ("0", "1"), *parts, "none", "none", "random numbers")


def unfair_comparisons(first, second, size):
    """Answers to an open exercise that are no fair comparison of two arms, and what is said."""
    one_arm = Results([{(second, size): 0.5 + seed / 100} for seed in range(5)])
    few_seeds = Results([{(first, size): 0.5, (second, size): 0.6 + seed} for seed in range(2)])
    equal = Results([{(first, size): 0.5, (second, size): 0.5} for _ in range(5)])
    apart = Results([{(first, size): 0.5, (second, size + 1): 0.6 + seed} for seed in range(5)])
    told = {"part": "validation", "reading": "shows none"}
    return [
        ({"results": one_arm} | told, "one arm only"),
        ({"results": few_seeds} | told, "2 seeds"),
        ({"results": equal} | told, "equal values each time"),
        ({"results": apart} | told, "share no column"),
        (0.7, "Give three things"),
    ]


class Net(nn.Module):
    """A backbone with BatchNorm and dropout, and a head; remembers the sizes of its batches."""

    def __init__(self, num_classes=2):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(
            nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.2)
        )
        self.head = nn.Linear(6, num_classes)
        self.batches = []

    def forward(self, inputs):
        self.batches.append(len(inputs))
        return self.head(self.backbone(inputs))


class Plain(nn.Module):
    """A backbone without BatchNorm and dropout, and a head; keeps what the backbone reads."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.backbone = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
            self.head = nn.Linear(6, 2)
        self.read = []
        self.backbone.register_forward_pre_hook(lambda _, given: self.read.append(given[0]))

    def forward(self, inputs):
        return self.head(self.backbone(inputs))


def domain(number, shift=0.0, seed=0):
    return torch.randn(number, 4, generator=torch.Generator().manual_seed(seed)) + shift


def make_batch(model, inputs=None, indices=None):
    inputs = domain(8) if inputs is None else inputs
    features = model.backbone(inputs)
    return Batch(model, inputs, None, model.head(features), None, indices, features)


def shifted_task(spread=4.0):
    """Two classes that differ in the first number, in two domains.

    In the target the second number is shifted, and the third spread more widely.
    """
    labels = torch.arange(160) % 2
    source = domain(160, seed=1)
    source[:, 0] += 3 * labels
    target = domain(160, seed=2)
    target[:, 0] += 3 * labels
    target[:, 1] += 3
    target[:, 2] *= spread
    return Samples(source, labels), Samples(target, labels)


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def is_same(before, module):
    return all(value.equal(before[name]) for name, value in module.state_dict().items())
