"""How long does one split take, from nothing? The recipe and three other ways, in one run.

All ways learn from the same 75 % of one random split. Two of them fine-tune the last stages of a
network: once on stored activations of the first stages, once without storing them. The tutorial
moves the whole network. It is measured on the test part after each epoch, and may stop as soon as
it is as good there as the recipe: an advantage that nobody has in a project.
"""

import time
from dataclasses import asdict

import frozen
import torch
from accuracy import Way, learned, measured_on, parts_of, with_levels
from fine_tuning import FineTuning, InBFloat16, InFloat32, new_model, new_prefix, run_split
from random_views import RandomViews
from torch import nn

from course_utils.data.augmentation import eight_views
from course_utils.data.images import load_solar_cells
from course_utils.data.samples import Samples
from course_utils.models.freezing import freeze
from course_utils.models.inference import predict
from course_utils.training.batches import shuffled_batches
from course_utils.training.loop import fit

SEED = 0  # of the split, the head and the order of the samples
TUTORIAL_EPOCHS = 25  # of PyTorch's transfer learning tutorial
LIMIT = 10  # times the seconds of the recipe, after which the tutorial gives up


class FastRandomViews(InBFloat16, RandomViews):
    """Learn from random views of images, in bfloat16."""


def frozen_from_nothing() -> dict:
    """Run the frozen networks over all cells, and let a kernel machine learn from one split."""
    start = time.perf_counter()
    tables = [frozen.table_of_cells(name)[0] for name in frozen.NETWORKS]
    train, measured = parts_of(load_solar_cells(size=8, split_seed=SEED))
    run = learned(Way(tables), train, measured)
    return run | {"seconds": time.perf_counter() - start, "epochs": None}


def fine_tuned_without_cache(settings: FineTuning, train: Samples, measured: Samples) -> dict:
    """Fine-tune, but send each batch through the frozen stages in each epoch."""
    start = time.perf_counter()
    prefix = new_prefix(settings, SEED)
    views = FastRandomViews(prefix.rest, eight_views, InFloat32(freeze(prefix.beginning)))
    fit(views, with_levels(train), settings.objective, seed=SEED, **settings.of_fit)
    metrics = measured_on(measured, predict(views, measured.inputs))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "epochs": settings.num_epochs, **metrics}


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
    settings = FineTuning()
    report = {"recipe": frozen_from_nothing(), "fine_tuning": asdict(settings)}
    print(report, flush=True)
    report["fine-tuned on stored activations"] = run_split(settings, SEED)
    print(report["fine-tuned on stored activations"], flush=True)
    task = load_solar_cells(size=settings.size, split_seed=SEED)
    train, measured = parts_of(task)
    del task
    report["fine-tuned, nothing stored"] = fine_tuned_without_cache(settings, train, measured)
    print(report["fine-tuned, nothing stored"], flush=True)
    goal, seconds = (report["recipe"][name] for name in ("weighted_accuracy", "seconds"))
    report["tutorial: all layers"] = tutorial(train, measured, goal, LIMIT * seconds)
    print(report["tutorial: all layers"], flush=True)
    return report
