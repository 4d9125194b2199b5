"""The subject of an audit: a model with all that came with it, of which nothing is changed."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.audit.parts import Part
from course_utils.objectives.base import Batch, Objective

BATCH = 32  # samples of one trial step


class NotCheckable(Exception):  # noqa: N818  (it reports a state, not an error)
    """A check lacks what it needs; the text says what."""


class NoGradientError(NotCheckable):
    """The loss is no scalar with a gradient, so nothing can be trained on trial."""

    def __init__(self):
        super().__init__("The loss is no number with a gradient; see the check of the loss.")


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Give the random numbers of Python, numpy and torch back as they were."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


@dataclass
class Subject:
    """What is audited.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.
    optimizer : torch.optim.Optimizer, optional
        That will train it.
    source : torch.nn.Module or dict of str to torch.Tensor, optional
        The weights that the model should start from.
    parts : dict of str to Part
        The data that are given: ``"train"``, ``"validation"``, ``"test"``.
    preprocessing : object, optional
        With ``mean`` and ``std``: what the weights expect of images from 0 to 1.
    objective : callable, optional
        ``objective(outputs, labels)``, or an objective of the course. Default: cross-entropy.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer | None = None
    source: Any = None
    parts: dict[str, Part] = field(default_factory=dict)
    preprocessing: Any = None
    objective: Any = None
    trained: dict = field(default_factory=dict)  # copies after some steps, shared by checks

    def part(self, *names: str) -> Part:
        """Return the first part of these that is given.

        Raises
        ------
        NotCheckable
            If none is.
        """
        for name in names or ("train", "validation", "test"):
            if name in self.parts:
                return self.parts[name]
        raise NotCheckable(f"Give {' or '.join(names or ('train',))}.")

    def trial(self) -> tuple[nn.Module, torch.optim.Optimizer | None]:
        """Return copies of model and optimiser that belong together; gradients are copied too.

        Raises
        ------
        NotCheckable
            If the model cannot be copied.
        """
        try:
            model, optimizer = copy.deepcopy((self.model, self.optimizer))
        except Exception as error:
            what = f"The model cannot be copied: {one_line(error)}"
            raise NotCheckable(what) from error
        for own, other in zip(self.model.parameters(), model.parameters(), strict=True):
            other.grad = None if own.grad is None else own.grad.clone()
        return model, optimizer

    def answers(self, part: Part) -> Tensor:
        """Return what the model answers in evaluation mode: (N, K)."""
        model, _ = self.trial()
        model.eval()
        with torch.no_grad():  # little by little: activations of all would fill the memory
            places = torch.arange(len(part)).split(BATCH)
            return torch.cat([logits_of(model, part.rows(some).inputs) for some in places])

    @cached_property
    def outputs(self) -> Tensor:
        """What the model answers for the first samples: (N, K)."""
        return self.answers(self.part().first(BATCH))

    def loss(self, model: nn.Module, part: Part) -> Any:
        """Return what the objective says, with its gradient; nothing is checked.

        Raises
        ------
        NotCheckable
            If there are no labels.
        """
        if part.labels is None:
            raise NotCheckable("Give labels, too: a pair (inputs, labels).")
        place = device_of(model)
        if isinstance(self.objective, Objective):
            return _total(self.objective, model, part, place)
        outputs = logits_of(model, part.inputs)
        objective = self.objective or nn.functional.cross_entropy
        return objective(outputs, part.labels.to(outputs.device))


def _total(objective, model, part, place):
    inputs, labels = part.inputs.to(place), part.labels.to(place)
    features = model.backbone(inputs) if hasattr(model, "backbone") else None
    outputs = model(inputs) if features is None else model.head(features)
    indices = None if part.indices is None else part.indices.to(place)
    batch = Batch(model, inputs, labels, outputs, indices=indices, features=features)
    return objective.total(objective.values(batch))


def device_of(model: nn.Module) -> torch.device:
    """Return where the first weight of a model is."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def logits_of(model: nn.Module, inputs: Any) -> Tensor:
    """Return the scores (N, K) that a model answers, however it wraps them.

    Raises
    ------
    NotCheckable
        If it answers something else.
    """
    place = device_of(model)
    if isinstance(inputs, dict):
        found = model(**{name: value.to(place) for name, value in inputs.items()})
    else:
        found = model(inputs.to(place))
    if isinstance(found, dict) or hasattr(found, "logits"):
        found = getattr(found, "logits", None) if hasattr(found, "logits") else found.get("logits")
    elif isinstance(found, tuple) and found:
        found = found[0]
    if not isinstance(found, Tensor):
        raise NotCheckable("The model gives no scores: no tensor, and nothing named logits.")
    return found


def one_line(error: Exception) -> str:
    """Return an exception as a sentence on one line of about 150 characters."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text.rstrip('.')}." if len(text) <= 150 else text[:147] + "..."


def after_steps(subject: Subject, steps: int = 1) -> tuple[nn.Module, dict[str, Tensor]]:
    """Train a copy for some steps; return it, and the sizes of its gradients, added up.

    Raises
    ------
    NotCheckable
        If there are no data, or the loss has no gradient.
    """
    if steps in subject.trained:
        return subject.trained[steps]
    model, optimizer = subject.trial()
    if optimizer is None:
        learning = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(learning or [torch.zeros(1)], lr=1e-3)
    part, seen = subject.part().first(BATCH), {}
    model.train()
    for step in range(steps):
        if step:
            optimizer.zero_grad()  # not before the first: what lies there will be used, too
        loss = subject.loss(model, part)
        if not isinstance(loss, Tensor) or loss.ndim or not loss.requires_grad:
            raise NoGradientError
        loss.backward()
        for path, p in model.named_parameters():
            if p.grad is not None:
                seen[path] = seen.get(path, 0) + p.grad.abs().sum()
        optimizer.step()
    subject.trained[steps] = model, seen
    return model, seen
