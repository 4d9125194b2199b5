"""Audit a model, its optimiser and its data before you trust a result."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from course_utils.audit import (
    data_checks,
    frozen_checks,
    input_checks,
    loss_checks,
    mode_checks,
    source_checks,
    training_checks,
    weight_checks,
)
from course_utils.audit.holders import given_back, held_by
from course_utils.audit.input_checks import mean_and_std
from course_utils.audit.parts import Part
from course_utils.audit.reading import MOST_FOR_MODEL, MOST_TO_HASH, as_part
from course_utils.audit.reasons import NotCheckable, TimeOverError, one_line
from course_utils.audit.report import Finding, Report
from course_utils.audit.subject import Subject, same_random_numbers
from course_utils.environment.arguments import (
    check_choice,
    check_module,
    check_number,
    check_texts,
    described,
)
from course_utils.environment.machine import progress_bar

TO_READ = 1 / 3  # share of the seconds in which data are read
LONGEST = 1e6  # seconds: more than a week

CHECKS: dict[str, Callable[[Subject], Finding]] = {
    "trainable parameters": weight_checks.trainable_parameters,
    "optimizer parameters": weight_checks.optimizer_parameters,
    "gradients": weight_checks.gradients,
    "frozen weights": frozen_checks.frozen_weights,
    "frozen statistics": frozen_checks.frozen_statistics,
    "frozen dropout": frozen_checks.frozen_dropout,
    "source weights": source_checks.source_weights,
    "random layers": frozen_checks.random_layers,
    "learning rate": weight_checks.learning_rate,
    "weight decay": weight_checks.weight_decay,
    "outputs": training_checks.outputs,
    "loss": loss_checks.loss,
    "loss scale": loss_checks.loss_scale,
    "mode and batches": mode_checks.modes,
    "input range": input_checks.input_range,
    "input shape": input_checks.input_shape,
    "labels": data_checks.labels,
    "class order": data_checks.class_order,
    "duplicates across parts": data_checks.duplicates,
    "near duplicates": data_checks.near_duplicates,
    "overfits eight samples": training_checks.overfits,
}


def audit_transfer(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    source: Any = None,
    train: Any = None,
    validation: Any = None,
    test: Any = None,
    preprocessing: Any = None,
    objective: Any = None,
    seconds: float = 60.0,
    checks: Iterable[str] = tuple(CHECKS),
) -> Report:
    """Look for the usual mistakes of transfer learning in a model, its optimiser and its data.

    Nothing that is given is changed, nor are random numbers: what has to be tried is tried on
    copies. Each check says what it found; one that lacks what it needs says so. If none could be
    made, ``report.ok`` is False.

    An audit cannot protect what it cannot see. What a function or a hook takes from around it, in a
    closure or as a global name, is used, not copied. Modules that an objective takes so get their
    gradients and statistics back; a list, a counter, or a module in a hook does not. A stream that
    can be read only once is read. A loader has the generators given back that are attributes of it,
    its samplers or its data set.

    Parameters
    ----------
    model : torch.nn.Module
        Any network, before or after training.
    optimizer : torch.optim.Optimizer, optional
        That trains it.
    source : torch.nn.Module or dict, optional
        The pretrained model, or its ``state_dict``, from which the model should start.
    train, validation, test : Samples, (inputs, labels), DataLoader or dict, optional
        Parts of the data; of a loader, batches are pairs, or dicts with ``labels``. A loader is
        read up to 50,000 samples, and in a third of ``seconds``; one batch is read in any case.
    preprocessing : object or dict, optional
        With ``mean`` and ``std``: what the weights expect, for images from 0 to 1.
    objective : callable or Objective, optional
        ``objective(outputs, labels)``, or an objective of the course. Default: cross-entropy.
    seconds : float
        After that time nothing is tried any more. One pass through the model, or one batch of a
        loader, is not cut.
    checks : iterable of str
        Names of the checks to run, of those in ``CHECKS``; all by default.

    Raises
    ------
    TypeError, ValueError
        If the model is no torch module or has lazy layers, data come in another form, or a check is
        unknown.
    RuntimeError
        If a loader raises an error.

    Examples
    --------
    >>> model, inputs = nn.Linear(4, 2), torch.eye(4)
    >>> report = audit_transfer(model.requires_grad_(False), train=(inputs, torch.arange(4) % 2))
    >>> report["trainable parameters"].found
    'None of 10 parameters learns.'
    """
    _check_arguments(model, optimizer, source, objective, preprocessing)
    names = [check_choice("checks", name, CHECKS) for name in check_texts("checks", checks)]
    if not names:
        raise ValueError("checks is empty; give one or more names of CHECKS")
    seconds = min(check_number("seconds", seconds, above=0), LONGEST)
    start = time.monotonic()
    given = {"train": train, "validation": validation, "test": test}
    given = {name: data for name, data in given.items() if data is not None}
    held = given_back(model, *held_by(objective))
    with torch.inference_mode(False), torch.enable_grad(), same_random_numbers(), held:
        parts = _read(given, names, start, seconds * TO_READ)
        subject = Subject(
            model, optimizer, source, parts, preprocessing, objective, start + seconds
        )
        return Report(
            _run(name, CHECKS[name], subject) for name in progress_bar(names, "audit", unit="check")
        )


def _check_arguments(model, optimizer, source, objective, preprocessing) -> None:
    """Refuse what is something else."""
    check_module("model", model)
    if any(map(is_lazy, model.parameters())):
        raise ValueError("model has layers without a size yet; call it once: model(inputs)")
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        cure = "give one of torch.optim"
        if isinstance(optimizer, type):
            cure += ", called: (model.parameters(), lr=...)"
        elif isinstance(getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
            cure = "it wraps one of torch.optim: give its attribute optimizer"
        raise TypeError(f"optimizer is {described(optimizer)}; {cure}")
    if source is not None and not isinstance(source, nn.Module | dict):
        raise TypeError(f"source is {described(source)}; give a module, or its state_dict()")
    if objective is not None and not callable(objective) and not hasattr(objective, "parts"):
        raise TypeError(f"objective is {described(objective)}; give a function of outputs, labels")
    if isinstance(objective, type):
        raise TypeError(f"objective is {described(objective)}; call it: {objective.__name__}()")
    if preprocessing is not None:
        mean_and_std(preprocessing)


def _read(given: dict, names: list[str], start: float, seconds: float) -> dict[str, Part]:
    """Read the parts: only as much as the checks need, and each part in its share of the time."""
    hashed = len(given) > 1 and "duplicates across parts" in names
    most = MOST_TO_HASH if hashed or "labels" in names else MOST_FOR_MODEL
    parts = {}
    for place, (name, data) in enumerate(given.items(), 1):
        end = start + seconds * place / len(given)
        parts[name] = as_part(name, data, most=most, end=end, hashed=hashed)
    return {name: part for name, part in parts.items() if part is not None}


def _run(name: str, check: Callable[[Subject], Finding], subject: Subject) -> Finding:
    """Run one check; whatever it lacks or raises becomes a finding."""
    try:
        subject.check_time()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return check(subject)
    except TimeOverError as reason:
        return Finding(name, "not checked", str(reason), "Give more seconds.")
    except NotCheckable as reason:
        return Finding(name, "not checked", str(reason))
    except Exception as error:  # a foreign model may raise anything
        return Finding(name, "not checked", f"It stopped with {one_line(error)}")
