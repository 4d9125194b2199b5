"""Checks of the loss: whether it is one, how large it is, and where it pulls."""

import math

import torch
from torch import Tensor

from course_utils.audit.loss_probes import (
    has_class_labels,
    is_cross_entropy,
    is_shift_blind,
    mixes_samples,
    pulls_away,
    scores_classes,
)
from course_utils.audit.reasons import NotCheckable, one_line
from course_utils.audit.report import Finding
from course_utils.audit.subject import BATCH, Subject
from course_utils.objectives.base import Objective

FEW = 8  # samples on which an objective is tried
FAR_ABOVE = 20.0  # times the loss of a guess


def loss(subject: Subject) -> Finding:
    """Check that the loss is one finite number with a gradient, which pulls to the labels."""
    name = "loss"
    part, trial = subject.part().first(BATCH), subject.trial()
    trial.model.eval()
    try:
        value = trial.loss(part)
    except NotCheckable:
        raise
    except Exception as error:  # whatever the user's objective raises is a finding
        return Finding(name, "wrong", f"It fails. {one_line(error)}", "Run it on one batch alone.")
    learns = any(p.requires_grad for p in trial.model.parameters())
    no_loss = _no_loss(name, value, learns)
    if not no_loss:
        value = value.item()  # and let go of its graph, which fills the memory
        no_loss = _without_sense(name, subject)
    if no_loss:
        return no_loss
    guessing = math.log(subject.outputs.shape[1]) if scores_classes(subject) else None
    told = f"It is {value:.3g}" + (f"; guessing has {guessing:.3g}." if guessing else ".")
    if not guessing or isinstance(subject.objective, Objective):
        return Finding(name, "ok", told)
    limit = FAR_ABOVE * guessing
    if value > limit and subject.trial_in_training().loss(part) > limit:  # in both modes
        half = trial.loss(part.first(len(part) // 2)) if len(part) > 3 else value
        if 0.4 < half / value < 0.6:
            told += " With half of the samples it is half as large."
            return Finding(name, "suspicious", told, "Take the mean over the samples, not the sum.")
        return Finding(name, "suspicious", told, "Are inputs or logits far too large?")
    return Finding(name, "ok", told)


def _no_loss(name, value, learns) -> Finding | None:
    """Return what is wrong with a value in itself."""
    if not isinstance(value, Tensor):
        return Finding(name, "wrong", "It is no tensor: no gradient.", "Leave out item().")
    if value.numel() != 1 or value.ndim:
        told = f"It has the shape {tuple(value.shape)}, not one number."
        return Finding(name, "wrong", told, "Take the mean over the samples.")
    if not value.isfinite():
        return Finding(name, "wrong", f"It is {value.item():g}.", "Look at inputs and logits.")
    if not value.requires_grad and learns:
        cure = "Leave out detach() and no_grad(); of several outputs, give the logits first."
        return Finding(name, "wrong", "It has no gradient.", cure)
    return None


def _without_sense(name, subject) -> Finding | None:
    """Return what is wrong with a loss that can be computed, and yet says nothing of use."""
    outputs = subject.outputs
    if is_cross_entropy(subject.objective) and outputs.ndim == 2 and outputs.shape[1] == 1:
        told = "The model has one output, so that cross-entropy is 0 whatever it answers."
        cure = "Give objective, such as mse_loss or binary_cross_entropy_with_logits."
        return Finding(name, "wrong", told, cure)
    if mixes_samples(subject):
        shapes = tuple(outputs.shape), tuple(subject.part().first(BATCH).labels.shape)
        told = f"Each answer is compared with all labels: shapes {shapes[0]} and {shapes[1]}."
        return Finding(name, "wrong", told, "Give both one shape: outputs.squeeze(1).")
    if pulls_away(subject):
        told = "A step takes answers away from the labels."
        return Finding(name, "wrong", told, "Is there a minus too much, or maximize=True?")
    return None


def loss_scale(subject: Subject) -> Finding:
    """Check that a loss shrinks neither with classes that nobody means nor with temperature."""
    name, objective = "loss scale", subject.objective
    if objective is None or isinstance(objective, Objective) or not callable(objective):
        return Finding(
            name, "not checked", "Give objective, a function of outputs and labels of your own."
        )
    part = subject.part().first(FEW)
    if part.labels is None:
        return Finding(name, "not checked", "Give labels, too: a pair (inputs, labels).")
    objective, outputs = subject.spare.objective, subject.outputs
    if outputs.ndim != 2 or part.labels.ndim != (1 if has_class_labels(part.labels) else 2):
        return Finding(name, "not checked", "The outputs are no scores of classes.")
    scores = torch.randn(len(part), outputs.shape[1])
    told_by = scores.flip(1) if part.labels.is_floating_point() else part.labels.cpu()
    try:
        if not is_shift_blind(objective, scores, told_by):
            return Finding(name, "not checked", "The outputs are no scores of classes.")
        ratio = _ratio(objective, scores, told_by)
    except Exception:  # such as a weight for each class
        ratio = math.nan
    if not ratio >= 0:
        return Finding(name, "not checked", "The objective cannot be tried with more classes.")
    if ratio < 0.75 and has_class_labels(part.labels):  # such as a margin to the mean class
        return Finding(name, "not checked", "The objective divides by the number of classes.")
    if ratio < 0.75:
        told = f"With as many impossible classes more, it is {ratio:.2f} times as large."
        return Finding(name, "wrong", told, 'Sum over classes: reduction="batchmean".')
    return _temperature(name, objective, scores, told_by)


def _ratio(objective, scores, told_by) -> float:
    """Return how many times as large a loss is with as many classes more that nobody means."""
    impossible = torch.full_like(scores, -1e4)
    wide = torch.cat([scores, impossible], 1)
    wide_by = torch.cat([told_by, impossible], 1) if told_by.is_floating_point() else told_by
    return (objective(wide, wide_by) / objective(scores, told_by)).detach().item()


def _temperature(name, objective, scores, told_by) -> Finding:
    """Look whether the gradient shrinks where a function takes a temperature."""
    keyword = next(
        (k for k in ("temperature", "T") if k in getattr(objective, "keywords", {})), None
    )
    if keyword is None:
        return Finding(name, "ok", "It does not shrink with the number of classes.")
    sizes = []
    for temperature in (2.0, 20.0):
        leaf = scores.clone().requires_grad_()
        settings = objective.keywords | {keyword: temperature}
        objective.func(leaf, told_by, *objective.args, **settings).backward()
        sizes.append(leaf.grad.norm().item())
    if sizes[1] < sizes[0] / 10:
        told = (
            f"At temperature 20 its gradient is {sizes[0] / max(sizes[1], 1e-12):.0f} times smaller"
        )
        return Finding(name, "wrong", f"{told} than at 2.", "Multiply by the temperature squared.")
    return Finding(name, "ok", "It shrinks neither with classes nor with the temperature.")
