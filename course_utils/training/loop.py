"""Minimise an objective.

Letters in shapes: N samples, D features, K classes.
"""

import math
from collections import defaultdict
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_utils.data.samples import Samples
from course_utils.environment.machine import device, keep_freed_memory, progress_bar
from course_utils.models.inference import check_tensor
from course_utils.objectives.base import Batch, Objective
from course_utils.training.batches import cut, shuffled_batches
from course_utils.training.evaluation import sample_loss
from course_utils.training.history import EarlyStopping, History
from course_utils.training.optimizers import make_optimizer, make_schedule, undone_on_error


class TrainingDivergedError(ArithmeticError):
    """A term of the objective became infinite or not a number."""


def fit(
    model: nn.Module,
    samples: Samples,
    objective: Objective,
    *,
    num_epochs: int,
    learning_rate: float | dict[str, float] = 1e-3,
    batch_size: int = 32,
    optimizer: str = "adam",
    schedule: str = "constant",
    validation: Samples | None = None,
    patience: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> History:
    """Change the model: move its trainable weights to make the objective small.

    Modules that a term brings along, such as a domain classifier, are changed with it. Training
    mode, device and the state of torch's random numbers are the same afterwards as before.
    Gradients are cleared.

    Parameters
    ----------
    model : torch.nn.Module
        Maps inputs to outputs (N, K). Frozen parameters stay as they are.
    samples : Samples
        What to learn from.
    objective : Objective
        For example ``CrossEntropy() + 0.01 * L2()``.
    num_epochs : int
        Times each sample is seen.
    learning_rate : float or dict of str to float
        Step size; a dict gives one for each prefix of parameter names, such as
        ``{"backbone": 1e-4, "head": 1e-3}``, and must cover all trainable parameters, those of
        ``objective.helpers()`` too.
    batch_size : int
        Samples in a step.
    optimizer : {'adam', 'sgd', 'lbfgs'}
        ``'sgd'`` has momentum 0.9; ``'lbfgs'`` needs all samples in one batch. None has weight
        decay: the regulariser stands in the objective, where it can be seen.
    schedule : {'constant', 'cosine', 'one_cycle'}
        Course of the learning rate over all steps; ``'one_cycle'`` rises for 30 % of them.
    validation : Samples, optional
        Measured after each epoch. Needed for ``patience``.
    patience : int, optional
        Stop after so many epochs without a lower validation loss, and take the best weights, also
        of modules that a term brings along.
    seed : int
        Order of the samples, and dropout.
    progress : bool
        Show a bar that counts the epochs.

    Raises
    ------
    TrainingDivergedError
        If a term, or the loss on validation, is no finite number; the step that would use the
        term is not made.
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from course_utils.objectives import CrossEntropy, L2
    >>> samples = Samples(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]))
    >>> fit(nn.Linear(1, 2), samples, CrossEntropy() + 0.1 * L2(), num_epochs=3)
    History(3 epochs of cross-entropy, L2; best epoch 3)
    """
    _check_arguments(samples, num_epochs, batch_size, validation, patience)
    if optimizer == "lbfgs" and batch_size < len(samples):
        raise ValueError(
            f"batch_size is {batch_size} for {len(samples)} samples; optimizer 'lbfgs' needs all "
            "of them in one batch"
        )
    keep_freed_memory()
    history = History.of(objective)
    helpers = objective.helpers()
    learners = nn.ModuleList([model, *helpers.values()])
    with _borrowed(learners, seed):
        stepper = make_optimizer(model, optimizer, learning_rate, helpers)
        steps_per_epoch = len(cut(torch.arange(len(samples)), batch_size))
        scheduler = make_schedule(stepper, schedule, num_epochs * steps_per_epoch)
        stopping = EarlyStopping(learners, patience)
        epochs = range(1, num_epochs + 1)
        for epoch in progress_bar(epochs, "fit", unit="epoch") if progress else epochs:
            batches = shuffled_batches(samples, batch_size)
            learners.train()
            means = _run_epoch(model, batches, objective, stepper, scheduler)
            for name, mean in means.items():
                history.terms[name].append(mean)
            if validation is not None:
                history.validation_loss.append(sample_loss(model, validation, objective))
                _check_finite({"loss on validation": history.validation_loss[-1]})
                if stopping.is_over(epoch, history.validation_loss[-1]):
                    break
        history.best_epoch = stopping.restore(epoch)
    return history


def linear_probe(samples: Samples, objective: Objective, *, num_classes: int) -> nn.Linear:
    """Learn a linear head on features by fitting it to all samples at once, from w = 0.

    The objective is convex, so its minimum does not depend on a seed or a step size.

    Parameters
    ----------
    samples : Samples
        Features (N, D) with labels; see `course_utils.features.feature_task`.
    objective : Objective
        For example ``CrossEntropy() + 0.1 * L2()``.
    num_classes : int
        K.

    Raises
    ------
    ValueError
        If the inputs are no features.
    """
    if samples.inputs.ndim != 2:
        raise ValueError(
            f"samples.inputs has shape {tuple(samples.inputs.shape)}; give features (N, D), "
            "see extract_features"
        )
    head = nn.Linear(samples.inputs.shape[1], num_classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    fit(
        head,
        samples,
        objective,
        num_epochs=1,
        learning_rate=1.0,
        batch_size=len(samples),
        optimizer="lbfgs",
    )
    return head


def _check_arguments(samples, num_epochs, batch_size, validation, patience):
    for name, value in (("num_epochs", num_epochs), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name} is {value}; give 1 or more")
    if len(samples) == 0:
        raise ValueError("samples is empty; give at least one sample to learn from")
    check_tensor(samples.inputs)
    if patience is not None and (validation is None or patience < 1):
        raise ValueError(
            f"patience is {patience}; give 1 or more epochs, and validation samples to watch"
        )


@contextmanager
def _borrowed(model: nn.Module, seed: int):
    """Take a model to the best device; give modes, device and random numbers back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    home = next(model.parameters()).device
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield model.to(device())
        finally:
            model.zero_grad(set_to_none=True)
            model.to(home)
            for module, was_training in modes:
                module.training = was_training


def _run_epoch(model, batches, objective, stepper, scheduler) -> dict[str, float]:
    """Make one step for each batch. Return the mean of each term over the samples."""
    sums: dict[str, float] = defaultdict(float)
    number = 0
    for samples in batches:
        last: dict[str, float] = {}

        # the values go into a dict: kept on closure itself, they would tie model and optimiser
        # into a cycle that stays in memory until the garbage collector comes
        def closure(samples=samples, last=last):
            stepper.zero_grad(set_to_none=True)
            values = _values(model, samples, objective)
            last.update({name: value.item() for name, value in values.items()})
            _check_finite(last)
            total = objective.total(values)
            total.backward()
            return total

        with undone_on_error(stepper):
            stepper.step(closure)
        scheduler.step()
        for name, value in last.items():
            sums[name] += value * len(samples)
        number += len(samples)
    return {name: value / number for name, value in sums.items()}


def _values(model, samples: Samples, objective: Objective) -> dict[str, Tensor]:
    """Run the model on a batch and compute each term of the objective."""
    place = next(model.parameters()).device
    inputs, labels = samples.inputs.to(place), samples.labels.to(place)
    weights = None if samples.weights is None else samples.weights.to(place)
    outputs, features = _outputs_and_features(model, inputs)
    batch = Batch(model, inputs, labels, outputs, weights, samples.indices, features)
    return objective.values(batch)


def _outputs_and_features(model, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
    """Run the model once; keep what its backbone gave on the way, if it has one."""
    if not isinstance(getattr(model, "backbone", None), nn.Module):
        return model(inputs), None
    kept = []
    watch = model.backbone.register_forward_hook(lambda module, given, made: kept.append(made))
    try:
        return model(inputs), kept[0]
    finally:
        watch.remove()


def _check_finite(values: dict[str, float]) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise TrainingDivergedError(
                f"the term {name!r} is {value}, not a finite number; lower learning_rate or the "
                "factor of the term, and look for inputs that are not finite"
            )
