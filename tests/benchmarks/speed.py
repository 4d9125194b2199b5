"""How long does one split take, from nothing? The recipe and three other ways, in one run.

All ways train on the same 75 % of one random split. The last two are measured on the test part
after each epoch, and may stop as soon as they are as good there as the recipe is at its end: an
advantage that nobody has in a project, and still they need longer.
"""

import time

import torch
from accuracy import Recipe, measured_on, new_model, new_prefix, parts_of, with_levels
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
LIMIT = 1200  # seconds after which a way that is not as good gives up


def recipe_with_cache(recipe: Recipe, train: Samples, measured: Samples) -> dict:
    """Store the activations of the frozen stages, and train the rest."""
    start = time.perf_counter()
    prefix = new_prefix(recipe, SEED)
    table = prefix.activations(train.inputs, use_cache=False)
    stored = time.perf_counter() - start
    samples = with_levels(train).with_inputs(table)
    fit(prefix.rest, samples, recipe.objective, seed=SEED, **recipe.settings)
    trained = time.perf_counter() - start
    del samples, table
    table = prefix.activations(measured.inputs, use_cache=False)
    metrics = measured_on(measured, predict(prefix.rest, table))
    return {
        "seconds": time.perf_counter() - start,
        "seconds_to_store": stored,
        "seconds_to_train": trained - stored,
        "epochs": recipe.num_epochs,
        **metrics,
    }


def recipe_without_cache(recipe: Recipe, train: Samples, measured: Samples) -> dict:
    """Do the same, but send each batch through the frozen stages in each epoch."""
    start = time.perf_counter()
    prefix = new_prefix(recipe, SEED)
    views = RandomViews(prefix.rest, eight_views, freeze(prefix.beginning))
    fit(views, with_levels(train), recipe.objective, seed=SEED, **recipe.settings)
    metrics = measured_on(measured, predict(views, measured.inputs))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "epochs": recipe.num_epochs, **metrics}


def whole_network(recipe: Recipe, train: Samples, measured: Samples, goal: float) -> dict:
    """Let all layers move, with the optimiser, rates and schedule of the recipe."""
    model = new_model(SEED).to(memory_format=torch.contiguous_format)
    groups = [
        {"params": list(model.backbone.parameters()), "lr": recipe.backbone_rate},
        {"params": list(model.head.parameters()), "lr": recipe.head_rate},
    ]
    steps = recipe.num_epochs * -(-len(train) // recipe.batch_size)
    optimizer = torch.optim.Adam(groups)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps, cycle_momentum=False)
    return epoch_by_epoch(
        model, train, measured, goal, recipe.num_epochs, recipe.batch_size, optimizer, schedule
    )


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
    start = time.perf_counter()
    task = load_solar_cells(size=recipe.size, split_seed=SEED)
    reading = time.perf_counter() - start
    train, measured = parts_of(task, tuning=False)
    report = {"seconds_to_read_images": reading}
    report["recipe"] = recipe_with_cache(recipe, train, measured)
    print(report, flush=True)
    report["recipe, nothing stored"] = recipe_without_cache(recipe, train, measured)
    print(report["recipe, nothing stored"], flush=True)
    goal = report["recipe"]["weighted_accuracy"]
    for name, way in (("whole network", whole_network), ("tutorial", tutorial)):
        report[name] = way(recipe, train, measured, goal)
        print(name, report[name], flush=True)
    return report
