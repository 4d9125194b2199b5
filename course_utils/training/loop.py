"""Minimise an objective.

Letters in shapes: N samples, D features, K classes.
"""

from collections import defaultdict
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_utils.data.samples import Samples, check_samples
from course_utils.environment.arguments import check_choice, check_module, check_number, described
from course_utils.environment.machine import device, keep_freed_memory, progress_bar
from course_utils.models.inference import as_inputs, ask
from course_utils.models.lora_states import check_can_learn
from course_utils.objectives.base import Batch, Objective
from course_utils.training.batches import cut, shuffled_batches
from course_utils.training.evaluation import check_terms, sample_loss
from course_utils.training.history import EarlyStopping, History, check_finite, check_weights
from course_utils.training.optimizers import (
    OPTIMIZERS,
    SCHEDULES,
    make_optimizer,
    make_schedule,
    undone_on_error,
)


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
        If a term, or the loss on validation, is no finite number.
    TypeError, ValueError
        If an argument is not allowed; nothing has changed then.

    Notes
    -----
    Whatever ends the training, Ctrl-C too, the model has the best weights so far: those of the
    epoch with the lowest loss on validation, without it those of the last whole epoch, before the
    first one those of the start. The error has the history as its attribute ``history``.

    Examples
    --------
    >>> from course_utils.objectives import CrossEntropy, L2
    >>> samples = Samples(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]))
    >>> fit(nn.Linear(1, 2), samples, CrossEntropy() + 0.1 * L2(), num_epochs=3)
    History(3 epochs of cross-entropy, L2; best epoch 3)
    """
    num_epochs = check_number("num_epochs", num_epochs, low=1, whole=True)
    batch_size = check_number("batch_size", batch_size, low=1, whole=True)
    seed = check_number("seed", seed, low=0, high=2**62, whole=True)
    _check_learning(model, samples, objective, validation, patience)
    _check_steps(optimizer, schedule, batch_size, len(samples), progress)
    keep_freed_memory()
    helpers = objective.helpers()
    learners = nn.ModuleList([model, *helpers.values()])
    stepper = make_optimizer(model, optimizer, learning_rate, helpers)
    history = History.of(objective)
    with _borrowed(learners, seed):
        steps_per_epoch = len(cut(torch.arange(len(samples)), batch_size))
        scheduler = make_schedule(stepper, schedule, num_epochs * steps_per_epoch)
        stopping = EarlyStopping(learners, patience)
        epochs = range(1, num_epochs + 1)
        with _work_is_kept(history, stopping):
            for epoch in progress_bar(epochs, "fit", unit="epoch") if progress else epochs:
                learners.train()
                means = _run_epoch(model, samples, batch_size, objective, (stepper, scheduler))
                check_weights(learners)
                loss = None if validation is None else sample_loss(model, validation, objective)
                history.note(means, loss)
                if stopping.note(epoch, loss):
                    break
            history.best_epoch = stopping.finish()
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
    num_classes = check_number("num_classes", num_classes, low=1, whole=True)
    inputs = as_inputs(check_samples("samples", samples).inputs)
    if inputs.ndim != 2 or not inputs.is_floating_point():
        raise ValueError(
            f"samples.inputs has shape {tuple(samples.inputs.shape)}; give features (N, D), "
            "see extract_features"
        )
    head = nn.utils.skip_init(nn.Linear, inputs.shape[1], num_classes)  # no random numbers
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


def _check_learning(model, samples, objective, validation, patience) -> None:
    """Raise, before anything changes, if the model cannot learn from the samples."""
    check_can_learn(check_module("model", model, learns=True))
    check_samples("samples", samples)
    if not isinstance(objective, Objective):
        raise TypeError(
            f"objective is {described(objective)}; give a term or a sum of terms, such as "
            "CrossEntropy() + 0.01 * L2()"
        )
    as_inputs(samples.inputs)
    check_terms("samples", model, samples, objective)
    if validation is not None:
        as_inputs(check_samples("validation", validation).inputs)
        check_terms("validation", model, validation, objective, roles="L")
    if patience is not None:
        check_number("patience", patience, low=1, whole=True)
        if validation is None:
            raise ValueError(f"patience is {patience}; give validation samples to watch as well")


def _check_steps(optimizer, schedule, batch_size, number, progress) -> None:
    """Raise if a kind of optimiser or schedule is unknown, or does not fit the batches."""
    if not isinstance(progress, bool):
        raise TypeError(f"progress is {described(progress)}; give True or False")
    check_choice("optimizer", optimizer, OPTIMIZERS)
    check_choice("schedule", schedule, SCHEDULES)
    if optimizer == "lbfgs" and batch_size < number:
        raise ValueError(
            f"batch_size is {batch_size} for {number} samples; optimizer 'lbfgs' needs all "
            "of them in one batch"
        )


@contextmanager
def _work_is_kept(history: History, stopping: EarlyStopping):
    """Whatever ends the training, Ctrl-C too: keep the best weights so far, and the history."""
    try:
        yield
    except BaseException as error:
        history.best_epoch = stopping.restore()
        error.history = history  # type: ignore[attr-defined]
        if history.num_epochs:
            error.add_note(
                f"The model has its weights of epoch {history.best_epoch} of "
                f"{history.num_epochs}; the attribute history of this error tells of all of them."
            )
        raise


@contextmanager
def _borrowed(model: nn.Module, seed: int):
    """Take a model to the best device; give modes, device and random numbers back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    home = next(model.parameters()).device
    with torch.random.fork_rng(), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(seed)
        try:
            yield model.to(device())
        finally:
            model.zero_grad(set_to_none=True)
            model.to(home)
            for module, was_training in modes:
                module.training = was_training


def _run_epoch(model, samples, batch_size, objective, stepping) -> dict[str, float]:
    """Make one step for each batch. Return the mean of each term over the samples."""
    stepper, scheduler = stepping
    sums: dict[str, float] = defaultdict(float)
    for batch in shuffled_batches(samples, batch_size):
        last: dict[str, float] = {}

        # the values go into a dict: kept on closure itself, they would tie model and optimiser
        # into a cycle that stays in memory until the garbage collector comes
        def closure(batch=batch, last=last):
            stepper.zero_grad(set_to_none=True)
            values = _values(model, batch, objective, samples)
            last.update({name: value.item() for name, value in values.items()})
            check_finite(last)
            total = objective.total(values)
            if not total.requires_grad:
                raise ValueError(
                    f"objective {objective!r} has no gradient for what learns in the model; "
                    "unfreeze the part that it looks at, or keep its value a tensor"
                )
            total.backward()
            return total

        with undone_on_error(stepper):
            stepper.step(closure)
        scheduler.step()
        for _, term in objective.parts:
            term.count_step()
        for name, value in last.items():
            sums[name] += value * len(batch)
    return {name: value / len(samples) for name, value in sums.items()}


def _values(model, samples: Samples, objective: Objective, data: Samples) -> dict[str, Tensor]:
    """Run the model on a batch and compute each term of the objective."""
    place = next(model.parameters()).device
    inputs, labels = samples.inputs.to(place), samples.labels.to(place)
    weights = None if samples.weights is None else samples.weights.to(place)
    outputs, features = _outputs_and_features(model, inputs)
    indices = samples.indices
    batch = Batch(model, inputs, labels, outputs, weights, indices, features, data)
    return objective.values(batch)


def _outputs_and_features(model, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
    """Run the model once; keep what its backbone gave on the way, if it has one."""
    if not isinstance(getattr(model, "backbone", None), nn.Module):
        return ask(model, inputs), None
    kept = []
    watch = model.backbone.register_forward_hook(lambda module, given, made: kept.append(made))
    try:
        outputs = ask(model, inputs)
        return outputs, kept[0] if kept and isinstance(kept[0], Tensor) else None
    finally:
        watch.remove()
