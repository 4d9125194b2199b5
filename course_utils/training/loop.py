"""Minimise an objective.

Letters in shapes: N samples, D features, K classes.
"""

from contextlib import contextmanager

import torch
from torch import nn

from course_utils.data.samples import Samples, check_samples
from course_utils.environment.arguments import check_choice, check_module, check_number, described
from course_utils.environment.machine import device, keep_freed_memory, progress_bar
from course_utils.models.inference import as_inputs
from course_utils.models.lora_states import check_can_learn
from course_utils.objectives.base import Objective
from course_utils.training.batches import cut
from course_utils.training.evaluation import check_terms, sample_loss
from course_utils.training.history import EarlyStopping, History, check_weights
from course_utils.training.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer, make_schedule
from course_utils.training.processes import Team
from course_utils.training.steps import PRECISIONS, Stepper


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
    precision: str = "float32",
) -> History:
    """Change the model: move its trainable weights to make the objective small.

    Modules that a term brings along, such as a domain classifier, are changed with it. Training
    mode, device and the state of torch's random numbers are the same afterwards as before.
    Gradients are cleared.

    Parameters
    ----------
    model : torch.nn.Module
        Maps inputs to outputs (N, K). Frozen parameters stay as they are. A
        ``DistributedDataParallel`` trains in several processes, see the notes.
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
    precision : {'float32', 'bfloat16'}
        ``'bfloat16'`` runs the model in mixed precision (`torch.autocast`): half the memory for
        what layers pass on. It pays on graphics cards that have it built in; on a processor
        measure first, convolutions may be several times slower. Weights, terms and the validation
        stay in float32.

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

    **Several processes.** Let ``torchrun --nproc-per-node 2 script.py`` start the script, wrap the
    model once what is frozen is frozen, and call `fit` with the same arguments in each process::

        torch.distributed.init_process_group("gloo")  # "nccl" and cuda.set_device on graphics cards
        history = fit(DistributedDataParallel(model), samples, objective, num_epochs=5)

    Each process takes its part of every batch, so ``batch_size`` is that of all together. The
    gradients are averaged by the sizes of the parts; so losses and regularisers are those of one
    process up to rounding, and history and weights are the same in each. A term that compares the
    samples of a batch with each other, such as MMD, compares those of a part. Dropout differs
    between processes. Each measures all of ``validation``. What would not be the same is refused:
    BatchNorm that is not frozen, and terms that bring modules along.

    Examples
    --------
    >>> from course_utils.objectives import CrossEntropy, L2
    >>> samples = Samples(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]))
    >>> fit(nn.Linear(1, 2), samples, CrossEntropy() + 0.1 * L2(), num_epochs=3)
    History(3 epochs of cross-entropy, L2; best epoch 3)
    """
    num_epochs, batch_size, seed = _check_numbers(num_epochs, batch_size, seed)
    team = Team(model)
    _check_learning(team.network, samples, objective, validation, patience)
    _check_kinds(optimizer, schedule, precision, progress)
    _check_steps(optimizer, batch_size, len(samples))
    team.check(samples, objective, num_epochs, batch_size, optimizer, schedule, patience)
    keep_freed_memory()
    learners = nn.ModuleList([team.network, *objective.helpers().values()])
    steps = make_optimizer(team.network, optimizer, learning_rate, objective.helpers())
    history = History.of(objective)
    with _borrowed(learners, seed + team.rank, place=None if team.is_many else device()):
        steps_per_epoch = len(cut(torch.arange(len(samples)), batch_size))
        scheduler = make_schedule(steps, schedule, num_epochs * steps_per_epoch)
        stepper = Stepper(team, objective, steps, scheduler, precision)
        stopping = EarlyStopping(learners, patience)
        epochs = range(1, num_epochs + 1)
        with _work_is_kept(history, stopping):
            for epoch in progress_bar(epochs, "fit", unit="epoch") if progress else epochs:
                learners.train()
                means = stepper.run_epoch(samples, batch_size)
                check_weights(learners)
                history.note(means, loss := _validation_loss(team, validation, objective))
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


def _check_numbers(num_epochs, batch_size, seed) -> tuple[int, int, int]:
    """Return how often, of what size and in which order steps are made, as whole numbers."""
    return (
        check_number("num_epochs", num_epochs, low=1, whole=True),
        check_number("batch_size", batch_size, low=1, whole=True),
        check_number("seed", seed, low=0, high=2**62, whole=True),
    )


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


def _check_kinds(optimizer, schedule, precision, progress) -> None:
    """Raise if a kind of optimiser, schedule or precision is unknown."""
    if not isinstance(progress, bool):
        raise TypeError(f"progress is {described(progress)}; give True or False")
    check_choice("optimizer", optimizer, OPTIMIZERS)
    check_choice("schedule", schedule, SCHEDULES)
    check_choice("precision", precision, PRECISIONS)


def _check_steps(optimizer, batch_size, number) -> None:
    """Raise if an optimiser does not fit the batches."""
    if optimizer == "lbfgs" and batch_size < number:
        raise ValueError(
            f"batch_size is {batch_size} for {number} samples; optimizer 'lbfgs' needs all "
            "of them in one batch"
        )


def _validation_loss(team: Team, validation: Samples | None, objective: Objective) -> float | None:
    """Compute the loss on validation; all processes go by the number of the first."""
    if validation is None:
        return None
    return team.as_the_first(sample_loss(team.network, validation, objective))


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
def _borrowed(model: nn.Module, seed: int, place: str | None):
    """Take a model to a device; give modes, device and random numbers back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    home = next(model.parameters()).device
    with torch.random.fork_rng(), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(seed)
        try:
            yield model if place is None else model.to(place)
        finally:
            model.zero_grad(set_to_none=True)
            model.to(home)
            for module, was_training in modes:
                module.training = was_training
