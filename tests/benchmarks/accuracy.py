"""How good are the recipes on solar cells? Five random splits and five by blocks of 60 files.

The expert gave each cell one of four probabilities of a defect, p = 0, 1/3, 2/3 or 1. What
learns here tells these four levels apart, and `decide` turns its answer into the one that the
published measure asks for. Two recipes: a kernel machine on frozen networks (module `frozen`), and
a fine-tuned network (`Recipe`).
"""

import time
from dataclasses import asdict, dataclass, replace

import frozen
import torch
from torch import Tensor, nn

from course_utils.backbones import Classifier, imagenet_classifier, replace_head
from course_utils.datasets import load_solar_cells
from course_utils.environment import seeded
from course_utils.freezing import freeze
from course_utils.metrics import compute_metrics
from course_utils.objectives import CrossEntropy
from course_utils.prefix import CachedPrefix, ViewsClassifier, eight_views
from course_utils.tasks import Samples, Task
from course_utils.training import fit, predict

ALL = "three frozen networks together"
LEVELS = (0.0, 1 / 3, 2 / 3, 1.0)  # probability of a defect, from the expert


@dataclass(frozen=True)
class Recipe:
    """How a network is fine-tuned.

    Parameters
    ----------
    architecture : str
        Of `course_utils.backbones.imagenet_classifier`.
    size : int
        Height and width of the images, in pixels.
    after : str
        Last frozen stage.
    num_epochs, batch_size : int
        Of `course_utils.training.fit`.
    backbone_rate, head_rate : float
        Highest learning rate of Adam, with a one-cycle schedule.
    label_smoothing : float
        Of the cross-entropy.
    """

    architecture: str = "EfficientNet-Lite0"
    size: int = 160
    after: str = "stage3"
    num_epochs: int = 10
    batch_size: int = 32
    backbone_rate: float = 5e-4
    head_rate: float = 5e-3
    label_smoothing: float = 0.05

    @property
    def settings(self) -> dict:
        """Arguments of `course_utils.training.fit`."""
        return {
            "num_epochs": self.num_epochs,
            "batch_size": self.batch_size,
            "learning_rate": {"backbone": self.backbone_rate, "head": self.head_rate},
            "schedule": "one_cycle",
        }

    @property
    def objective(self) -> CrossEntropy:
        """What is minimised."""
        return CrossEntropy(label_smoothing=self.label_smoothing)


def new_model(seed: int) -> Classifier:
    """Return the ImageNet network with a new head for the four levels."""
    network = imagenet_classifier(architecture=Recipe().architecture)
    return replace_head(network, len(LEVELS), seed=seed)


def with_levels(samples: Samples) -> Samples:
    """Return cells with their level, 0 to 3, as label, and without weights: all count alike."""
    # the weight of a defective cell is its p, that of a functional one is 1
    levels = torch.where(samples.labels == 1, samples.weights * 3, 0).round().long()
    return replace(samples, labels=levels, weights=None)


def decide(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits of levels (N, 4) into logits of functional and defective (N, 2).

    Of a cell of level k, the answer "defective" earns its weight p_k, and "functional" earns 1 if
    k = 0. So compare what each answer can be expected to earn: sum of P(k) p_k with P(0).
    """
    probability = logits.softmax(1)
    earned = torch.stack([probability[:, 0], probability @ torch.tensor(LEVELS)], 1)
    return earned.clamp_min(1e-9).log()


def measured_on(samples: Samples, logits: torch.Tensor) -> dict:
    """Return all metrics of logits of levels (N, 4) on cells with their own labels and weights."""
    return asdict(compute_metrics(decide(logits), samples.labels, samples.weights))


def four_of_eight(images: torch.Tensor) -> list[torch.Tensor]:
    """Draw four of the eight views of each image, other ones for each image.

    In training the network so sees all eight, and their activations fit in 2 GB.
    """
    views = torch.stack(eight_views(images), 1)
    drawn = torch.rand(len(images), views.shape[1]).argsort(1)[:, :4]
    return list(views[torch.arange(len(images))[:, None], drawn].unbind(1))


class InFloat32(nn.Module):
    """Run a layer in single precision, whatever the layers around it do."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Give the inputs to the layer in single precision."""
        with torch.autocast(inputs.device.type, enabled=False):
            return self.layer(inputs.float())


class InBFloat16:
    """Put before a classifier: it runs in bfloat16 where the processor has instructions for it.

    Half of the digits are enough for a gradient. Weights and optimiser keep all of them.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits of the classifier in single precision."""
        place = inputs.device.type
        with torch.autocast(place, dtype=torch.bfloat16, enabled=place != "cpu" or has_bfloat16()):
            return super().forward(inputs).float()


class FastViewsClassifier(InBFloat16, ViewsClassifier):
    """A classifier of stored views, in bfloat16."""


def has_bfloat16() -> bool:
    """Say whether the processor computes in bfloat16 without a detour."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def new_prefix(recipe: Recipe, seed: int) -> CachedPrefix:
    """Cut a new model. In the rest, filters that look at one channel alone are frozen.

    They are 4 % of the weights, and their gradient takes a quarter of a step on a processor. In
    bfloat16 they are slow, so they stay in single precision.
    """
    prefix = CachedPrefix(new_model(seed), after=recipe.after, views=four_of_eight)
    for parent in list(prefix.rest.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.Conv2d) and part.groups > 1:
                setattr(parent, name, InFloat32(freeze(part)))
    prefix.rest = FastViewsClassifier(prefix.rest.backbone, prefix.rest.head)
    return prefix


def joined(first: Samples, second: Samples) -> Samples:
    """Return the samples of two parts as one, inputs included."""
    names = ("inputs", "labels", "weights", "indices")
    return Samples(*(torch.cat([getattr(first, name), getattr(second, name)]) for name in names))


def parts_of(task: Task, *, tuning: bool) -> tuple[Samples, Samples]:
    """Return what to train on and what to measure on.

    When tuning, that is the training part and the validation part. Else both together, which are
    the published 75 %, and the test part.
    """
    if tuning:
        return task.train, task.validation
    return joined(task.train, task.validation), task.test


def activations(prefix: CachedPrefix, samples: Samples, seed: int) -> torch.Tensor:
    """Run the frozen stages on views of samples; the seed says which views are drawn."""
    with seeded(seed):
        return prefix.activations(samples.inputs, use_cache=False)


def run_split(recipe: Recipe, split: str, seed: int, *, tuning: bool = False) -> dict:
    """Train on one split from nothing, with empty caches, and measure it once."""
    start = time.perf_counter()
    task = load_solar_cells(size=recipe.size, split=split, split_seed=seed)
    train, measured = parts_of(task, tuning=tuning)
    prefix = new_prefix(recipe, seed)
    samples = with_levels(train).with_inputs(activations(prefix, train, seed))
    del task, train  # images and activations do not fit in 2 GB with what training needs
    stored = time.perf_counter()
    fit(prefix.rest, samples, recipe.objective, seed=seed, **recipe.settings)
    trained = time.perf_counter()
    del samples
    metrics = measured_on(measured, predict(prefix.rest, activations(prefix, measured, seed)))
    return {
        "split": split,
        "seed": seed,
        "epochs": recipe.num_epochs,
        "seconds": time.perf_counter() - start,
        "seconds_to_store": stored - start,
        "seconds_to_train": trained - stored,
        **metrics,
    }


def frozen_split(tables: list[Tensor], split: str, seed: int, *, tuning: bool = False) -> dict:
    """Let a kernel machine learn from one split of what frozen networks say, and measure it once.

    Parameters
    ----------
    tables : list of torch.Tensor of shape (2624, D)
        From `frozen.channel_statistics`.
    split, seed
        Of `course_utils.datasets.load_solar_cells`.
    tuning : bool
        Measure on the validation part, see `parts_of`.
    """
    start = time.perf_counter()
    task = load_solar_cells(size=8, split=split, split_seed=seed)  # its images are not looked at
    train, measured = parts_of(task, tuning=tuning)
    alike = frozen.kernel(tables, train.indices)
    levels = with_levels(train).labels
    logits = frozen.answers(alike, train.indices, levels, measured.indices)
    metrics = measured_on(measured, logits)
    return {"split": split, "seed": seed, "seconds": time.perf_counter() - start, **metrics}


def measure(num_splits: int, *, tuning: bool = False) -> dict:
    """Measure the recipe on all splits, and each network alone on the random ones.

    Parameters
    ----------
    num_splits : int
        Number of splits of each kind.
    tuning : bool
        Measure on validation parts, and only on random splits.
    """
    tables, seconds = frozen.statistics_of_cells()
    control, _ = frozen.statistics_of_cells(frozen.NETWORKS[-1:], pretrained=False)
    report = {"seconds_of_networks": seconds, "runs": []}
    ways = {ALL: list(tables.values())}
    ways |= {name: [table] for name, table in (tables | control).items()}
    for name, used in ways.items():
        for split in ("random", "blocks") if name == ALL and not tuning else ("random",):
            for seed in range(num_splits):
                run = frozen_split(used, split, seed, tuning=tuning)
                report["runs"].append({"method": name, **run})
                print(report["runs"][-1], flush=True)
    return report
