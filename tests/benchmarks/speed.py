"""How long does one split take, from nothing? The recipe and two other ways, in one run.

All ways train on the same 75 % of one random split. The tutorial is measured on the test part
after each epoch, and may stop as soon as it is as good there as the recipe is at its end: an
advantage that nobody has in a project.
"""

import time

import torch
from accuracy import (
    InBFloat16,
    InFloat32,
    Recipe,
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
LIMIT = 1500  # seconds of training after which the tutorial gives up


class FastRandomViews(InBFloat16, RandomViews):
    """Learn from random views of images, in bfloat16."""


def recipe_without_cache(recipe: Recipe, train: Samples, measured: Samples) -> dict:
    """Do the same, but send each batch through the frozen stages in each epoch."""
    start = time.perf_counter()
    prefix = new_prefix(recipe, SEED)
    views = FastRandomViews(prefix.rest, eight_views, InFloat32(freeze(prefix.beginning)))
    fit(views, with_levels(train), recipe.objective, seed=SEED, **recipe.settings)
    metrics = measured_on(measured, predict(views, measured.inputs))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "epochs": recipe.num_epochs, **metrics}


def tutorial(recipe: Recipe, train: Samples, measured: Samples, goal: float) -> dict:
    """Follow PyTorch's transfer learning tutorial: its optimiser, rate, batches and epochs."""
    model = new_model(SEED).to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    batches = -(-len(train) // 4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7 * batches, gamma=0.1)
    return epoch_by_epoch(model, train, measured, goal, TUTORIAL_EPOCHS, 4, optimizer, schedule)


def epoch_by_epoch(model, train, measured, goal, num_epochs, batch_size, optimizer, schedule):
    """Train all layers on flipped images, measure after each epoch, stop when as good as the goal.

    Only training counts as time. The backbone reads a plain tensor, in torch's own layout.
    """
    torch.manual_seed(SEED)
    seconds, best = 0.0, 0.0
    for epoch in range(1, num_epochs + 1):
        start = time.perf_counter()
        model.train()
        for batch in shuffled_batches(with_levels(train), batch_size):
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
        if best >= goal or seconds > LIMIT:
            break
    return {"seconds": seconds, "epochs": epoch, "best_weighted_accuracy": best, "goal": goal,
            "reached": best >= goal}  # fmt: skip


def measure() -> dict:
    """Run all ways on one split."""
    recipe = Recipe()
    report = {"recipe": run_split(recipe, "random", SEED)}
    print(report, flush=True)
    start = time.perf_counter()
    task = load_solar_cells(size=recipe.size, split_seed=SEED)
    report["seconds_to_read_images"] = time.perf_counter() - start
    train, measured = parts_of(task, tuning=False)
    report["recipe, nothing stored"] = recipe_without_cache(recipe, train, measured)
    print(report["recipe, nothing stored"], flush=True)
    goal = report["recipe"]["weighted_accuracy"]
    report["tutorial"] = tutorial(recipe, train, measured, goal)
    print(report["tutorial"], flush=True)
    return report
