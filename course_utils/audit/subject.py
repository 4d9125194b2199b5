"""The subject of an audit: a model with all that came with it, of which nothing is changed."""

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.audit.answers import answer_of, device_of, fresh, scores_in
from course_utils.audit.copies import independent_copies
from course_utils.audit.parts import Part
from course_utils.audit.reasons import NoGradientError, NotCheckable, TimeOverError
from course_utils.objectives.base import Batch, Objective

BATCH, FEW = 16, 8  # samples of one trial step, and of one pass that asks only


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
    end : float
        From this time of `time.monotonic` on nothing is tried any more.
    trained : dict
        Copies after some steps, which checks share.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer | None = None
    source: Any = None
    parts: dict[str, Part] = field(default_factory=dict)
    preprocessing: Any = None
    objective: Any = None
    end: float = math.inf
    trained: dict = field(default_factory=dict)

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

    def check_time(self) -> None:
        """Stop a check when the time is over.

        Raises
        ------
        TimeOverError
            If it is.
        """
        if time.monotonic() > self.end:
            raise TimeOverError

    def trial(self) -> "Subject":
        """Return the same with copies of model, optimiser and objective that belong together.

        Raises
        ------
        NotCheckable
            If they cannot be copied.
        """
        self.check_time()
        copies = independent_copies(self.model, self.optimizer, self.objective)
        model, optimizer, objective = copies
        return replace(self, model=model, optimizer=optimizer, objective=objective, trained={})

    def trial_in_training(self) -> "Subject":
        """Return a trial in training mode; what is in eval() in a model that trains stays so."""
        trial = self.trial()
        if not trial.model.training:
            trial.model.train()
        return trial

    def scores(self, part: Part) -> Tensor:
        """Return what the model answers in the mode it has, without a graph.

        Gradients are not switched off before: some models need them inside.
        """
        self.check_time()
        return scores_in(answer_of(self.model, part.inputs), part.labels_known).detach()

    def answers(self, part: Part) -> Tensor:
        """Return what the model answers in evaluation mode: (N, K)."""
        trial = self.trial()
        trial.model.eval()  # and little by little: activations of all would fill the memory
        places = torch.arange(len(part)).split(FEW)
        return torch.cat([trial.scores(part.rows(some)) for some in places])

    @cached_property
    def outputs(self) -> Tensor:
        """What the model answers for the first samples: (N, K)."""
        return self.answers(self.part().first(BATCH))

    @cached_property
    def spare(self) -> "Subject":
        """A trial that the probes of the objective share: they call its objective only."""
        return self.trial()

    def forget(self) -> None:
        """Let go of the copies that checks share; each is made anew when it is asked for."""
        self.trained.clear()
        vars(self).pop("spare", None)

    def loss(self, part: Part) -> Any:
        """Return what the objective says, with its gradient; nothing is checked.

        Raises
        ------
        NotCheckable
            If there are no labels.
        """
        self.check_time()
        if part.labels is None:
            raise NotCheckable("Give labels, too: a pair (inputs, labels).")
        if isinstance(self.objective, Objective):
            return _total(self.objective, self.model, part)
        answer = answer_of(self.model, part.inputs)
        if self.objective is not None and not isinstance(answer, Tensor):
            with suppress(Exception):  # then it takes the scores alone
                return self.objective(answer, part.labels.to(device_of(self.model)))
        outputs = scores_in(answer, part.labels_known)
        objective = self.objective or nn.functional.cross_entropy
        return objective(outputs, part.labels.to(outputs.device))


def _total(objective, model, part):
    place = device_of(model)
    inputs, labels = fresh(part.inputs, place), fresh(part.labels, place)
    features = model.backbone(inputs) if hasattr(model, "backbone") else None
    outputs = model(inputs) if features is None else model.head(features)
    indices = None if part.indices is None else part.indices.to(place)
    batch = Batch(model, inputs, labels, outputs, indices=indices, features=features)
    return objective.total(objective.values(batch))


def _step(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> None:
    """Take one step; LBFGS computes the loss anew."""

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure) if isinstance(optimizer, torch.optim.LBFGS) else optimizer.step()


def after_steps(subject: Subject, steps: int = 1) -> tuple[nn.Module, dict[str, Tensor]]:
    """Train a copy for some steps; return it, and the sizes of its gradients, added up.

    Raises
    ------
    NotCheckable
        If there are no data, or the loss has no gradient.
    """
    if steps in subject.trained:
        return subject.trained[steps]
    part, seen = subject.part().first(BATCH), {}
    trial = subject.trial_in_training()
    model, optimizer = trial.model, trial.optimizer
    if optimizer is None:
        learning = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(learning or [torch.zeros(1)], lr=1e-3)
    for step in range(steps):
        if step:
            optimizer.zero_grad()  # not before the first: what lies there will be used, too
        loss = trial.loss(part)
        if not isinstance(loss, Tensor) or loss.ndim or not loss.requires_grad:
            raise NoGradientError
        loss.backward()
        for path, p in model.named_parameters():
            if p.grad is not None:
                seen[path] = seen.get(path, 0) + p.grad.abs().sum()
        _step(optimizer, lambda: trial.loss(part))
    subject.trained[steps] = model, seen
    return model, seen
