"""Which layers should move? Nine answers on small images of solar cells, five random splits.

Each row trains on the training part and is measured on the test part. Rates and strengths are set
by hand, the same for all rows where that is possible; nothing is chosen by these numbers.
"""

import time
from dataclasses import asdict, dataclass

import torch
from random_views import RandomViews
from torch import nn

from course_utils.data.augmentation import flipped_views
from course_utils.data.images import load_solar_cells, solar_cell_images
from course_utils.data.tasks import Task
from course_utils.experiments.estimates import Draws, estimate
from course_utils.features.extraction import feature_task
from course_utils.features.prefix import FrozenStages
from course_utils.models.classifier import Classifier
from course_utils.models.freezing import batch_norms, freeze
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.inference import predict
from course_utils.models.surgery import replace_head
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2, L2SP
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit, linear_probe

SPLITS = Draws.splits(train=0.6, test=0.25)
SIZE = 64  # pixels: whole networks on larger images would take an hour
NUM_EPOCHS = 6
RATE, HEAD_RATE = 5e-4, 5e-3  # highest rates of a cycle
SCRATCH_RATE = 2e-3
PROBE_LAMBDA, PULL = 0.1, 0.1
SMOOTHED = CrossEntropy(label_smoothing=0.05)


@dataclass(frozen=True)
class Row:
    """What one answer gave on one split.

    Parameters
    ----------
    weighted_accuracy : float
        On the test part.
    parameters : int
        How many may move.
    seconds : float
        From the pretrained network to the trained one, with what is stored on the way.
    """

    weighted_accuracy: float
    parameters: int
    seconds: float


def new_model(seed: int) -> Classifier:
    """Return the ImageNet network with a new head for two classes."""
    return replace_head(imagenet_classifier(), 2, seed=seed)


def trainable(model: nn.Module) -> int:
    """Count the parameters that may move."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def probe(task: Task, seed: int) -> tuple[nn.Linear, Task]:
    """Fit a linear head on the mean features of four flipped views, and return its task too."""
    backbone, images = new_model(seed).backbone, solar_cell_images(SIZE)
    views = [predict(backbone, view) for view in flipped_views(images)]
    cells = feature_task(task, torch.stack(views).mean(0))
    objective = CrossEntropy() + PROBE_LAMBDA * L2()
    return linear_probe(cells.train, objective, num_classes=2), cells


def linear_probe_row(task: Task, seed: int) -> Row:
    """Only the head moves."""
    start = time.perf_counter()
    head, cells = probe(task, seed)
    seconds = time.perf_counter() - start
    return Row(evaluate(head, cells.test).weighted_accuracy, trainable(head), seconds)


def late_stages(after: str):
    """Return the row in which the stages behind one move, on stored activations."""

    def row(task: Task, seed: int) -> Row:
        start = time.perf_counter()
        prefix = FrozenStages(new_model(seed), after=after)
        table = prefix.activations(solar_cell_images(SIZE), use_cache=False)
        rates = {"backbone": RATE, "head": HEAD_RATE}
        settings = {"num_epochs": NUM_EPOCHS, "learning_rate": rates, "schedule": "one_cycle"}
        fit(prefix.rest, prefix.samples(task.train, table), SMOOTHED, seed=seed, **settings)
        seconds = time.perf_counter() - start
        found = evaluate(prefix.rest, prefix.samples(task.test, table))
        return Row(found.weighted_accuracy, trainable(prefix.rest), seconds)

    return row


def all_layers(start_of, rate, pull: float = 0.0):
    """Return a row in which all layers move.

    Parameters
    ----------
    start_of : callable
        Maps a task and a seed to the model to start from.
    rate : float or dict of str to float
        Highest learning rate.
    pull : float
        Lambda of L2-SP.
    """

    def row(task: Task, seed: int) -> Row:
        start = time.perf_counter()
        model = start_of(task, seed)
        objective = SMOOTHED + pull * L2SP(model) if pull else SMOOTHED
        views = RandomViews(model, flipped_views)
        settings = {"num_epochs": NUM_EPOCHS, "learning_rate": rate, "schedule": "one_cycle"}
        fit(views, task.train, objective, seed=seed, **settings)
        seconds = time.perf_counter() - start
        found = evaluate(views, task.test)
        return Row(found.weighted_accuracy, trainable(model), seconds)

    return row


def at_random(task: Task, seed: int) -> Classifier:
    """Start from random weights."""
    return replace_head(imagenet_classifier("random", seed=seed), 2, seed=seed)


def pretrained(task: Task, seed: int) -> Classifier:
    """Start from ImageNet weights and a new head."""
    return new_model(seed)


def statistics_held(task: Task, seed: int) -> Classifier:
    """Start from ImageNet weights, with the statistics of BatchNorm held."""
    model = new_model(seed)
    for layer in batch_norms(model):
        freeze(layer).requires_grad_(True)
    return model


def probed(task: Task, seed: int) -> Classifier:
    """Start from ImageNet weights and the head of a linear probe.

    The probe saw features that were shifted and divided; the head gets both into its weights.
    """
    model, head = new_model(seed), probe(task, seed)[0]
    images = task.train.inputs
    features = torch.stack([predict(model.backbone, view) for view in flipped_views(images)]).mean(
        0
    )
    mean = features.mean(0)
    scale = (features - mean).std()
    model.head.weight.data = head.weight.data / scale
    model.head.bias.data = head.bias.data - head.weight.data @ mean / scale
    return model


TWO_RATES = {"backbone": RATE, "head": HEAD_RATE}
ROWS = {
    "scratch": all_layers(at_random, SCRATCH_RATE),
    "linear probe": linear_probe_row,
    "last stage": late_stages("stage7"),
    "last three stages": late_stages("stage5"),
    "all": all_layers(pretrained, TWO_RATES),
    "all, BatchNorm held": all_layers(statistics_held, TWO_RATES),
    "all, one rate": all_layers(pretrained, RATE),
    "LP-FT": all_layers(probed, RATE),
    "L2-SP": all_layers(pretrained, TWO_RATES, pull=PULL),
}


def measure(num_splits: int) -> dict:
    """Run all rows on each split."""
    found = {name: [] for name in ROWS}
    solar_cell_images(SIZE)  # read once, before any clock runs
    for seed in range(num_splits):
        task = load_solar_cells(size=SIZE, split_seed=seed)
        for name, row in ROWS.items():
            found[name].append(row(task, seed))
            print(seed, name, found[name][-1], flush=True)
    rows = {name: summary(runs) for name, runs in found.items()}
    return {"size": SIZE, "epochs": NUM_EPOCHS, "splits": num_splits, "rows": rows}


def summary(runs: list[Row]) -> dict:
    """Return mean and interval, parameters and mean seconds of one row over its splits."""
    accuracies = [run.weighted_accuracy for run in runs]
    found = estimate(accuracies, draws=SPLITS, bounds=(0, 1))
    return {
        "weighted_accuracy": {k: v for k, v in asdict(found).items() if k != "draws"},
        "runs": accuracies,
        "parameters": runs[0].parameters,
        "seconds": sum(run.seconds for run in runs) / len(runs),
    }
