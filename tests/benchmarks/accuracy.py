"""How good is the recipe on solar cells? Five random splits and five by blocks of 60 files.

The expert gave each cell one of four probabilities of a defect, p = 0, 1/3, 2/3 or 1. What
learns here tells these four levels apart, and `decide` turns its answer into the one that the
published measure asks for.
"""

import time
from dataclasses import dataclass, replace

import frozen
import torch
from torch import Tensor

from course_utils.data.images import load_solar_cells
from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.training.metrics import compute_metrics

RECIPE = "two frozen networks together"  # name of the recipe among all that is measured
NUM_FOLDS = 8  # of the cross-validation by which all choices were made
LEVELS = (0.0, 1 / 3, 2 / 3, 1.0)  # probability of a defect, from the expert


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
    return compute_metrics(decide(logits), samples.labels, samples.weights).as_dict()


def joined(first: Samples, second: Samples) -> Samples:
    """Return the samples of two parts as one, inputs included."""
    names = ("inputs", "labels", "weights", "indices")
    return Samples(*(torch.cat([getattr(first, name), getattr(second, name)]) for name in names))


def parts_of(task: Task) -> tuple[Samples, Samples]:
    """Return the published 75 % to learn from, training and validation part, and the test part."""
    return joined(task.train, task.validation), task.test


@dataclass(frozen=True)
class Way:
    """What a kernel machine gets to learn from.

    Parameters
    ----------
    tables : list of torch.Tensor of shape (2624, D)
        From `frozen.table_of_cells`.
    weigh : bool
        Of `frozen.kernel`.
    """

    tables: list[Tensor]
    weigh: bool = True


def learned(way: Way, train: Samples, measured: Samples) -> dict:
    """Let a kernel machine learn from what frozen networks say of cells, and measure it.

    Parameters
    ----------
    way : Way
        Tables of all cells.
    train, measured : Samples
        Their indices are rows of the tables; their inputs are not looked at.

    Returns
    -------
    dict of str to float
        Seconds, and all metrics.
    """
    start = time.perf_counter()
    levels = with_levels(train).labels
    alike = frozen.kernel(way.tables, train.indices, levels, weigh=way.weigh)
    logits = frozen.answers(alike, train.indices, levels, measured.indices)
    return {"seconds": time.perf_counter() - start, **measured_on(measured, logits)}


def cases(num_splits: int) -> list[tuple[dict, Samples, Samples]]:
    """Return name and number of each split, what to learn from, and the test part."""
    found = []
    for split in ("random", "blocks"):
        for seed in range(num_splits):
            task = load_solar_cells(size=8, split=split, split_seed=seed)
            found.append(({"split": split, "seed": seed}, *parts_of(task)))
    return found


def folds() -> list[tuple[dict, Samples, Samples]]:
    """Return the like of `cases` for making choices: no test cell occurs.

    The cells to learn from of the first random split are cut into eight parts at random, and each
    part is measured on once.
    """
    cells, _ = parts_of(load_solar_cells(size=8, split_seed=0))
    part = torch.randperm(len(cells), generator=torch.Generator().manual_seed(5)) % NUM_FOLDS
    return [
        ({"split": "fold", "seed": k}, cells.select(part != k), cells.select(part == k))
        for k in range(NUM_FOLDS)
    ]


def ways() -> tuple[dict[str, Way], dict[str, float]]:
    """Compute tables with all networks.

    Returns
    -------
    dict of str to Way
        What each row of the result learns from.
    dict of str to float
        How many seconds each network of the recipe took.
    """
    found = {name: frozen.table_of_cells(name) for name in frozen.NETWORKS}
    seconds = {name: needed for name, (_, needed) in found.items()}
    tables = {name: table for name, (table, _) in found.items()}
    *_, last = frozen.NETWORKS
    means, _ = frozen.table_of_cells(last, "mean")
    control, _ = frozen.table_of_cells(last, pretrained=False)
    rows = {
        RECIPE: Way(list(tables.values())),
        "the same, all features alike": Way(list(tables.values()), weigh=False),
        **{name: Way([table]) for name, table in tables.items()},
        f"{last}, means for maxima": Way([means]),
        f"{last}, random weights": Way([control]),
    }
    return rows, seconds


def measure(num_splits: int, *, tuning: bool = False) -> dict:
    """Measure the recipe on both kinds of splits, and on random ones each change of it.

    The changes: all features count alike, each network alone, means, and random weights.

    Parameters
    ----------
    num_splits : int
        Number of splits of each kind.
    tuning : bool
        Cross-validate in the training cells of the first random split, in place of all splits.
    """
    rows, seconds = ways()
    report = {"recipe": RECIPE, "seconds_of_networks": seconds, "runs": []}
    splits = folds() if tuning else cases(num_splits)
    for name, way in rows.items():
        for case, *parts in splits:
            if case["split"] == "blocks" and name != RECIPE:
                continue
            report["runs"].append({"method": name, **case, **learned(way, *parts)})
            print(report["runs"][-1], flush=True)
    return report
