"""Audit a model, its optimiser and its data before you trust a result."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from course_utils.audit import data_checks, frozen_checks, training_checks, weight_checks
from course_utils.audit.parts import as_part
from course_utils.audit.report import Finding, Report
from course_utils.audit.subject import NotCheckable, Subject, one_line, same_random_numbers
from course_utils.environment.arguments import (
    check_choice,
    check_module,
    check_number,
    check_texts,
    described,
)
from course_utils.environment.machine import progress_bar

CHECKS: dict[str, Callable[[Subject], Finding]] = {
    "trainable parameters": weight_checks.trainable_parameters,
    "optimizer parameters": weight_checks.optimizer_parameters,
    "gradients": weight_checks.gradients,
    "frozen weights": frozen_checks.frozen_weights,
    "frozen statistics": frozen_checks.frozen_statistics,
    "frozen dropout": frozen_checks.frozen_dropout,
    "source weights": weight_checks.source_weights,
    "random layers": frozen_checks.random_layers,
    "learning rate": weight_checks.learning_rate,
    "weight decay": training_checks.weight_decay,
    "outputs": training_checks.outputs,
    "loss": training_checks.loss,
    "loss scale": training_checks.loss_scale,
    "mode and batches": training_checks.modes,
    "input range": data_checks.input_range,
    "input shape": data_checks.input_shape,
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
    copies. Each check says what it found; one that lacks what it needs says so.

    Parameters
    ----------
    model : torch.nn.Module
        Any network, before or after training.
    optimizer : torch.optim.Optimizer, optional
        That trains it.
    source : torch.nn.Module or dict, optional
        The pretrained model, or its ``state_dict``, from which the model should start.
    train, validation, test : Samples, (inputs, labels), DataLoader or dict, optional
        Parts of the data; of a loader, batches are pairs, or dicts with ``labels``.
    preprocessing : object or dict, optional
        With ``mean`` and ``std``: what the weights expect, for images from 0 to 1.
    objective : callable or Objective, optional
        ``objective(outputs, labels)``, or an objective of the course. Default: cross-entropy.
    seconds : float
        After that time no further check begins.
    checks : iterable of str
        Names of the checks to run, of those in ``CHECKS``; all by default.

    Raises
    ------
    TypeError, ValueError
        If the model is no torch module, data come in another form, or a check is unknown.

    Examples
    --------
    >>> model, inputs = nn.Linear(4, 2), torch.eye(4)
    >>> report = audit_transfer(model.requires_grad_(False), train=(inputs, torch.arange(4) % 2))
    >>> report["trainable parameters"].found
    'None of 10 parameters learns.'
    """
    check_module("model", model)
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer is {described(optimizer)}; give one of torch.optim")
    if source is not None and not isinstance(source, nn.Module | dict):
        raise TypeError(f"source is {described(source)}; give a module, or its state_dict()")
    if objective is not None and not callable(objective) and not hasattr(objective, "parts"):
        raise TypeError(f"objective is {described(objective)}; give a function of outputs, labels")
    names = [check_choice("checks", name, CHECKS) for name in check_texts("checks", checks)]
    end = time.monotonic() + check_number("seconds", seconds, above=0)
    with same_random_numbers():
        given = {"train": train, "validation": validation, "test": test}
        read = {name: as_part(name, data) for name, data in given.items()}
        parts = {name: part for name, part in read.items() if part is not None}
        subject = Subject(model, optimizer, source, parts, preprocessing, objective)
        return Report(
            _run(name, CHECKS[name], subject, end)
            for name in progress_bar(names, "audit", unit="check")
        )


def _run(name: str, check: Callable[[Subject], Finding], subject: Subject, end: float) -> Finding:
    """Run one check; whatever it lacks or raises becomes a finding."""
    if time.monotonic() > end:
        return Finding(name, "not checked", "The time was over.", "Give more seconds.")
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return check(subject)
    except NotCheckable as reason:
        return Finding(name, "not checked", str(reason))
    except Exception as error:  # a foreign model may raise anything
        return Finding(name, "not checked", f"It stopped with {one_line(error)}")
