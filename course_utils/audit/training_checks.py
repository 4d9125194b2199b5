"""Checks of training: the loss, what a few steps do, and the mode of the model."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from course_utils.audit.loss_probes import is_binary_cross_entropy, is_cross_entropy
from course_utils.audit.parts import LABELS, Part
from course_utils.audit.reasons import NoGradientError, NotCheckable, one_line
from course_utils.audit.report import Finding
from course_utils.audit.subject import BATCH, Subject
from course_utils.objectives.base import Objective

FEW, STEPS, RATES = 8, 50, (1e-3, 1e-2)
HALF = 0.5  # of the loss at the start: then it learns
SMALL = 0.05  # a loss that leaves nothing to learn
FAR_OFF = 10  # numbers as labels so far from 0 are out of reach of a few steps


def outputs(subject: Subject) -> Finding:
    """Check that the model gives one row of finite scores for each input."""
    name = "outputs"
    part = subject.part().first(BATCH)
    try:
        found = subject.outputs
    except NotCheckable as reason:
        if "no scores" not in str(reason):
            raise
        return Finding(name, "wrong", str(reason), "Put a head on the encoder.")
    except (MemoryError, torch.OutOfMemoryError):
        return Finding(name, "not checked", "The memory is full. Give smaller inputs.")
    except Exception as error:  # a foreign model may raise anything
        told = f"The model fails on these inputs. {one_line(error)}"
        return Finding(name, "wrong", told, _what_to_compare(part))
    if not found.is_floating_point() or not found.isfinite().all():
        return Finding(name, "wrong", "An output is not a finite number.", "Look at the inputs.")
    if not _has_a_sensible_shape(subject, found, part):
        told = f"The outputs have the shape {tuple(found.shape)}."
        return Finding(name, "suspicious", told, "A classifier gives (samples, classes).")
    if _changes_inputs(subject, part):
        told, cure = "The model changes its inputs in place.", "Let it work on a copy: x.clone()."
        return Finding(name, "suspicious", told, cure)
    return _of_scores(name, subject, found)


def _of_scores(name, subject, found) -> Finding:
    """Look whether finite scores are logits."""
    if is_binary_cross_entropy(subject.objective) and (found >= 0).all() and (found <= 1).all():
        told = "The outputs lie from 0 to 1; this loss takes them for logits."
        return Finding(name, "suspicious", told, "Take out the sigmoid at the end.")
    if found.ndim != 2:
        return Finding(name, "ok", f"The outputs have the shape {tuple(found.shape)}.")
    if found.shape[1] > 1 and (found >= 0).all() and ((found.sum(1) - 1).abs() < 1e-3).all():
        told = "The outputs are probabilities; cross-entropy would take them for logits."
        return Finding(name, "suspicious", told, "Take out the softmax at the end.")
    return Finding(name, "ok", f"{found.shape[1]} finite scores for each input.")


def _what_to_compare(part) -> str:
    """Say where to look if a model fails on its inputs."""
    if isinstance(part.inputs, dict):
        names = ", ".join(map(str, part.inputs))
        return f"It was called with {names}; labels are read from {' or '.join(LABELS)}."
    shape = tuple(part.inputs.shape)
    if len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3):
        return "Put colours before height and width: images.permute(0, 3, 1, 2)."
    return "Compare shapes and types with what it expects."


def _has_a_sensible_shape(subject, found, part) -> bool:
    """Return whether outputs are scores of classes, or of a form that an own loss may want."""
    if not found.ndim or len(found) != len(part):
        return False
    has_own = subject.objective is not None or part.labels is None or part.labels.ndim > 1
    return found.ndim == 2 or has_own


def _changes_inputs(subject, part) -> bool:
    """Return whether a pass through the model leaves other numbers in its inputs."""
    seen, trial = [], subject.trial()
    trial.model.eval()

    def note(_, given, named):
        tensors = [t for t in (*given, *named.values()) if isinstance(t, Tensor)]
        seen.extend((tensor, tensor.detach().clone()) for tensor in tensors)

    hook = trial.model.register_forward_pre_hook(note, with_kwargs=True)
    trial.scores(part)
    hook.remove()
    return any(not torch.equal(now, before) for now, before in seen if not now.is_complex())


def overfits(subject: Subject) -> Finding:
    """Check that what learns can learn eight samples by heart."""
    name = "overfits eight samples"
    if not any(p.requires_grad for p in subject.model.parameters()):
        return Finding(name, "not checked", "Nothing learns.")
    subject.forget()  # the steps below need more memory than all other checks
    part, best = subject.part().first(FEW), math.inf
    floor = _floor(subject.objective, part.labels)
    for rate in RATES:
        losses = []
        for value in _steps(subject, part, rate):
            losses.append(value)
            if not math.isfinite(value):
                told = f"After {len(losses) - 1} steps the loss is {value}."
                return Finding(name, "wrong", told, "Look at inputs, labels and the loss.")
            if _is_learned(losses[0] - floor, value - floor):
                told = f"{len(losses)} steps take the loss from {losses[0]:.2g} to {value:.2g}."
                return Finding(name, "ok", told)
        if not losses:
            return Finding(name, "not checked", str(NoGradientError()))
        if not any(losses):
            return Finding(name, "not checked", "The loss is 0 from the start.")
        best = min(best, 1 - (losses[0] - min(losses[-5:])) / max(abs(losses[0] - floor), 1e-9))
    told = f"After {STEPS} steps the loss is still {best:.0%} of what it was."
    verdict = "wrong" if best > 0.98 else "suspicious" if best > 0.7 else "ok"
    if verdict != "ok" and _are_far_off(part.labels):
        cure = "Labels are far from 0: divide them by their standard deviation, less their mean."
        return Finding(name, "suspicious", told, cure)
    return Finding(name, verdict, told, "Do labels belong to inputs?" if verdict != "ok" else "")


def _floor(objective: Any, labels: Tensor | None) -> float:
    """Return the least cross-entropy that answers can have: with soft labels it is not 0."""
    if not is_cross_entropy(objective) or labels is None or not labels.is_floating_point():
        return 0.0
    is_share = labels.ndim == 2 and bool((labels >= 0).all())
    return torch.special.entr(labels.float()).sum(1).mean().item() if is_share else 0.0


def _are_far_off(labels: Tensor | None) -> bool:
    """Return whether labels are numbers that a few steps cannot reach."""
    if labels is None or not labels.is_floating_point():
        return False
    return bool(labels.abs().max() > FAR_OFF)


def _is_learned(start: float, value: float) -> bool:
    """Return whether a loss has fallen far enough; it may be negative."""
    return 0 < value < SMALL or value < start - HALF * abs(start)


def _losses_only(objective: Any) -> Any:
    """Return an objective without its regularisers, which may not want it to fall."""
    if not isinstance(objective, Objective):
        return objective
    losses = [factor * term for factor, term in objective.parts if term.role == "L"]
    return sum(losses) if losses else objective


def _steps(subject: Subject, part: Part, rate: float) -> Iterator[float]:
    """Train a copy on a few samples; yield the loss before each step."""
    trial = subject.trial_in_training()
    trial = replace(trial, objective=_losses_only(trial.objective))
    learning = [p for p in trial.model.parameters() if p.requires_grad]
    is_half = any(p.dtype == torch.float16 for p in learning)  # where 1e-8 is 0
    # One tensor after the other: a list of all at once doubles what a step needs.
    small = 1e-4 if is_half else 1e-8
    stepper = torch.optim.Adam(learning, lr=rate, eps=small, foreach=False)
    for _ in range(STEPS):
        stepper.zero_grad()
        value = trial.loss(part)
        if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
            return
        value.backward()
        for p in learning:  # Adam refuses sparse gradients, such as those of an embedding
            p.grad = p.grad.to_dense() if p.grad is not None and p.grad.is_sparse else p.grad
        stepper.step()
        yield value.item()
