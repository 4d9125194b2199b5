"""Benchmark: solar cells against the published numbers. Run it with ``make bench``.

Deitsch et al. 2019 (doi:10.1016/j.solener.2019.02.067) report 82.44 % (SVM) and 88.42 % (VGG-19,
two graphics cards) on one random 75/25 split. These are weighted accuracies: a functional cell
counts 1, a defective one its probability of a defect.

Train and validation parts together are the 75 %. The settings below are a first guess, not yet
chosen on validation parts, so no result of this script is published.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from course_utils.backbones import Classifier, imagenet_classifier, replace_head
from course_utils.datasets import load_solar_cells, solar_cell_images
from course_utils.experiments import estimate
from course_utils.objectives import CrossEntropy
from course_utils.prefix import CachedPrefix
from course_utils.tasks import Samples
from course_utils.training import evaluate, fit

RESULTS = Path(__file__).with_suffix(".json")
PUBLISHED = {"SVM (Deitsch et al. 2019)": 0.8244, "VGG-19 (Deitsch et al. 2019)": 0.8842}
MEASURES = ("weighted_accuracy", "accuracy", "f1", "auc")


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained.

    Parameters
    ----------
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

    size: int = 192
    after: str = "stage3"
    num_epochs: int = 10
    batch_size: int = 32
    backbone_rate: float = 5e-4
    head_rate: float = 5e-3
    label_smoothing: float = 0.05


def new_model(seed: int) -> Classifier:
    """Return the ImageNet network with a new head for two classes."""
    return replace_head(imagenet_classifier(), 2, seed=seed)


def joined(first: Samples, second: Samples) -> Samples:
    """Return the samples of two parts, inputs left out: only labels, weights and rows."""
    names = ("labels", "weights", "indices")
    labels, weights, rows = (torch.cat([getattr(first, n), getattr(second, n)]) for n in names)
    return Samples(torch.zeros(len(labels), 1), labels, weights, rows)


def run_split(recipe: Recipe, table: torch.Tensor, split: str, seed: int, *, tuning: bool) -> dict:
    """Train on one split and measure: on its test part, or on validation when tuning."""
    task = load_solar_cells(size=8, split=split, split_seed=seed)  # only labels and rows are used
    train = task.train if tuning else joined(task.train, task.validation)
    measured = task.validation if tuning else task.test
    prefix = CachedPrefix(new_model(seed), after=recipe.after)
    start = time.perf_counter()
    fit(
        prefix.rest,
        prefix.samples(train, table),
        CrossEntropy(label_smoothing=recipe.label_smoothing),
        num_epochs=recipe.num_epochs,
        batch_size=recipe.batch_size,
        learning_rate={"backbone": recipe.backbone_rate, "head": recipe.head_rate},
        schedule="one_cycle",
        seed=seed,
    )
    metrics = asdict(evaluate(prefix.rest, prefix.samples(measured, table)))
    seconds = time.perf_counter() - start
    return {"split": split, "seed": seed, "seconds": seconds, **metrics}


def machine() -> dict:
    """Say where and when this ran."""
    return {
        "date": datetime.date.today().isoformat(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def table_of(report: dict) -> str:
    """Return the results as a Markdown table."""
    names = [name.replace("_", " ") for name in MEASURES]
    lines = [f"| method | splits | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]
    for name, value in PUBLISHED.items():
        lines.append(f"| {name} | 1 random | {value:.4f} |" + " – |" * (len(names) - 1))
    for split in ("random", "blocks"):
        runs = [run for run in report["runs"] if run["split"] == split]
        if len(runs) > 1:
            cells = [str(estimate(run[name] for run in runs)) for name in MEASURES]
            row = f"| EfficientNet-Lite0, ours | {len(runs)} {split} | {' | '.join(cells)} |"
            lines.append(row)
    return "\n".join(lines)


def main() -> None:
    """Run all splits, write the JSON after each and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5, help="number of splits of each kind")
    parser.add_argument(
        "--tuning", action="store_true", help="measure on validation, write nothing"
    )
    arguments = parser.parse_args()
    recipe = Recipe()
    start = time.perf_counter()
    prefix = CachedPrefix(new_model(0), after=recipe.after)
    table = prefix.activations(solar_cell_images(recipe.size), use_cache=False)
    report = {"recipe": asdict(recipe), "machine": machine(), "runs": []}
    report["seconds_for_activations"] = time.perf_counter() - start
    for split in ("random", "blocks"):
        for seed in range(arguments.splits):
            report["runs"].append(run_split(recipe, table, split, seed, tuning=arguments.tuning))
            print(report["runs"][-1], flush=True)
            report["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            if not arguments.tuning:
                RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table_of(report))


if __name__ == "__main__":
    main()
