"""How long does one split take, from nothing? The recipe and three other ways, in one run.

All ways learn from the same 75 % of one random split. Two of them fine-tune the last stages of a
network: once on stored activations of the first stages, once without storing them. The tutorial
moves the whole network. It is measured on the test part after each epoch, and may stop as soon as
it is as good there as the recipe: an advantage that nobody has in a project.
"""

import time

import frozen
import torch
from accuracy import (
    InBFloat16,
    InFloat32,
    Recipe,
    frozen_split,
    measured_on,
    new_model,
    new_prefix,
    parts_of,
    run_split,
    with_levels,
)
from random_views import RandomViews
from torch import nn

from course_utils.batches import shuffled_batches
from course_utils.datasets import load_solar_cells
from course_utils.freezing import freeze
from course_utils.prefix import eight_views
from course_utils.tasks import Samples
from course_utils.training import fit, predict

SEED = 0  # of the split, the head and the order of the samples
TUTORIAL_EPOCHS = 25  # of PyTorch's transfer learning tutorial
LIMIT = 5  # times the seconds of the recipe, after which the tutorial gives up


class FastRandomViews(InBFloat16, RandomViews):
    """Learn from random views of images, in bfloat16."""


def frozen_from_nothing() -> dict:
    """Run three frozen networks over all cells, and let a kernel machine learn from one split."""
    start = time.perf_counter()
    tables, _ = frozen.statistics_of_cells()
    run = frozen_split(list(tables.values()), "random", SEED)
    return run | {"seconds": time.perf_counter() - start, "epochs": None}


def fine_tuned_without_cache(recipe: Recipe, train: Samples, measured: Samples) -> dict:
    """Fine-tune, but send each batch through the frozen stages in each epoch."""
    start = time.perf_counter()
    prefix = new_prefix(recipe, SEED)
    views = FastRandomViews(prefix.rest, eight_views, InFloat32(freeze(prefix.beginning)))
    fit(views, with_levels(train), recipe.objective, seed=SEED, **recipe.settings)
    metrics = measured_on(measured, predict(views, measured.inputs))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "epochs": recipe.num_epochs, **metrics}


def tutorial(train: Samples, measured: Samples, goal: float, limit: float) -> dict:
    """Follow PyTorch's transfer learning tutorial: its optimiser, rate, batches and epochs.

    Parameters
    ----------
    train, measured : Samples
        Images.
    goal : float
        Weighted accuracy at which it may stop.
    limit : float
        Seconds of training after which it gives up.
    """
    model = new_model(SEED).to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    batches = -(-len(train) // 4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7 * batches, gamma=0.1)
    torch.manual_seed(SEED)
    seconds, best = 0.0, 0.0  # only training counts as time
    for epoch in range(1, TUTORIAL_EPOCHS + 1):
        start = time.perf_counter()
        model.train()
        for batch in shuffled_batches(with_levels(train), 4):
            images = batch.inputs if torch.rand(()) < 0.5 else batch.inputs.flip(3)
            features = model.backbone.body(model.backbone.preprocessing(images))
            loss = nn.functional.cross_entropy(model.head(features), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        seconds += time.perf_counter() - start
        found = measured_on(measured, predict(model, measured.inputs))["weighted_accuracy"]
        best = max(best, found)
        print(f"  epoch {epoch}, {seconds:.0f} s: {found:.4f}", flush=True)
        if best >= goal or seconds > limit:
            break
    return {"seconds": seconds, "epochs": epoch, "best_weighted_accuracy": best, "goal": goal,
            "reached": best >= goal}  # fmt: skip


def measure() -> dict:
    """Run all ways on one split."""
    report = {"recipe": frozen_from_nothing()}
    print(report, flush=True)
    recipe = Recipe()
    report["fine-tuned on stored activations"] = run_split(recipe, "random", SEED)
    print(report["fine-tuned on stored activations"], flush=True)
    task = load_solar_cells(size=recipe.size, split_seed=SEED)
    train, measured = parts_of(task, tuning=False)
    del task
    report["fine-tuned, nothing stored"] = fine_tuned_without_cache(recipe, train, measured)
    print(report["fine-tuned, nothing stored"], flush=True)
    goal, seconds = (report["recipe"][name] for name in ("weighted_accuracy", "seconds"))
    report["tutorial: all layers"] = tutorial(train, measured, goal, LIMIT * seconds)
    print(report["tutorial: all layers"], flush=True)
    return report
