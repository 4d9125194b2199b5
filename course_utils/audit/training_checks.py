"""Checks of training: the loss, what a few steps do, and the mode of the model."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.audit.parts import Part
from course_utils.audit.report import Finding
from course_utils.audit.subject import (
    BATCH,
    NoGradientError,
    NotCheckable,
    Subject,
    logits_of,
    one_line,
)
from course_utils.objectives.base import Objective
from course_utils.objectives.regularizers import L2SP

FEW, STEPS, RATES = 8, 50, (1e-3, 1e-2)
HALF = 0.5  # of the loss at the start: then it learns
FAR_ABOVE = 20.0  # times the loss of a guess


def outputs(subject: Subject) -> Finding:
    """Check that the model gives one row of finite scores for each input."""
    name = "outputs"
    try:
        found = subject.outputs
    except NotCheckable as reason:
        if "no scores" not in str(reason):
            return Finding(name, "not checked", str(reason))
        return Finding(name, "wrong", str(reason), "Put a head on the encoder.")
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        told = f"The model fails on these inputs. {one_line(error)}"
        return Finding(name, "wrong", told, "Compare shapes and types with what it expects.")
    if not found.is_floating_point() or not found.isfinite().all():
        return Finding(name, "wrong", "An output is not a finite number.", "Look at the inputs.")
    if found.ndim != 2 or len(found) != len(subject.part().first(BATCH)):
        told = f"The outputs have the shape {tuple(found.shape)}."
        return Finding(name, "suspicious", told, "A classifier gives (samples, classes).")
    sums = found.sum(1)
    if found.shape[1] > 1 and (found >= 0).all() and ((sums - 1).abs() < 1e-3).all():
        told = "The outputs are probabilities; cross-entropy would take them for logits."
        return Finding(name, "suspicious", told, "Take out the softmax at the end.")
    return Finding(name, "ok", f"{found.shape[1]} finite scores for each input.")


def loss(subject: Subject) -> Finding:
    """Check that the loss is one finite number with a gradient, not far above a guess."""
    name = "loss"
    part = subject.part().first(BATCH)
    model, _ = subject.trial()
    try:
        value = subject.loss(model.eval(), part)
    except NotCheckable as reason:
        return Finding(name, "not checked", str(reason))
    except Exception as error:  # whatever the user's objective raises is a finding
        return Finding(name, "wrong", f"It fails. {one_line(error)}", "Run it on one batch alone.")
    if not isinstance(value, Tensor):
        return Finding(name, "wrong", "It is no tensor: no gradient.", "Leave out item().")
    if value.numel() != 1 or value.ndim:
        told = f"It has the shape {tuple(value.shape)}, not one number."
        return Finding(name, "wrong", told, "Take the mean over the samples.")
    if not value.isfinite():
        return Finding(name, "wrong", f"It is {value.item():g}.", "Look at inputs and logits.")
    if not value.requires_grad and any(p.requires_grad for p in model.parameters()):
        return Finding(name, "wrong", "It has no gradient.", "Leave out detach() and no_grad().")
    guessing = _guessing(subject, part)
    told = f"It is {value.item():.3g}" + (f"; guessing has {guessing:.3g}." if guessing else ".")
    is_far = (
        guessing
        and not isinstance(subject.objective, Objective)
        and _is_far(value, subject.loss(model.train(), part), FAR_ABOVE * guessing)
    )
    if is_far:
        return Finding(name, "suspicious", told, "Are inputs or logits far too large?")
    return Finding(name, "ok", told)


def _is_far(evaluated, trained, limit) -> bool:
    """Return whether a loss is far above a guess in both modes: new statistics fit in one only."""
    return bool(evaluated > limit and trained > limit)


def _guessing(subject, part) -> float | None:
    """Return log K, the cross-entropy of a guess, if the labels are classes."""
    if part.labels is None or part.labels.is_floating_point() or part.labels.ndim != 1:
        return None
    return math.log(max(2, subject.outputs.shape[-1]))


def loss_scale(subject: Subject) -> Finding:
    """Check that a loss shrinks neither with classes that nobody means nor with temperature."""
    name = "loss scale"
    objective = subject.objective
    if objective is None or isinstance(objective, Objective) or not callable(objective):
        return Finding(
            name, "not checked", "Give objective, a function of outputs and labels of your own."
        )
    part = subject.part()
    if part.labels is None:
        return Finding(name, "not checked", "Give labels, too: a pair (inputs, labels).")
    scores = torch.randn(FEW, subject.outputs.shape[-1])
    told_by = scores.flip(1) if part.labels.is_floating_point() else part.labels[:FEW]
    impossible = torch.full((len(told_by), scores.shape[1]), -1e4)
    wide = torch.cat([scores[: len(told_by)], impossible], 1)
    wide_by = torch.cat([told_by, impossible], 1) if told_by.is_floating_point() else told_by
    plain = objective(scores[: len(told_by)], told_by)
    ratio = float(objective(wide, wide_by) / plain)
    if not math.isfinite(ratio):
        return Finding(name, "not checked", "The objective cannot be tried with more classes.")
    if ratio < 0.75:
        told = f"With as many impossible classes more, it is {ratio:.2f} times as large."
        return Finding(name, "wrong", told, 'Sum over classes: reduction="batchmean".')
    return _temperature(name, objective, scores[: len(told_by)], told_by)


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


def overfits(subject: Subject) -> Finding:
    """Check that what learns can learn eight samples by heart."""
    name = "overfits eight samples"
    if not any(p.requires_grad for p in subject.model.parameters()):
        return Finding(name, "not checked", "Nothing learns.")
    part, best = subject.part().first(FEW), math.inf
    for rate in RATES:
        losses = []
        for value in _steps(subject, part, rate):
            losses.append(value)
            if value < max(HALF * losses[0], 0.05):
                told = f"{len(losses)} steps take the loss from {losses[0]:.2g} to {value:.2g}."
                return Finding(name, "ok", told)
        if not losses:
            return Finding(name, "not checked", str(NoGradientError()))
        best = min(best, min(losses[-5:]) / losses[0])
    told = f"After {STEPS} steps the loss is still {best:.0%} of what it was."
    verdict = "wrong" if best > 0.98 else "suspicious" if best > 0.7 else "ok"
    return Finding(name, verdict, told, "Do labels belong to inputs?" if verdict != "ok" else "")


def _losses_only(objective: Any) -> Any:
    """Return an objective without its regularisers, which may not want it to fall."""
    if not isinstance(objective, Objective):
        return objective
    losses = [factor * term for factor, term in objective.parts if term.role == "L"]
    return sum(losses) if losses else objective


def _steps(subject: Subject, part: Part, rate: float) -> Iterator[float]:
    """Train a copy on a few samples; yield the loss before each step."""
    model, _ = subject.trial()
    subject = replace(subject, objective=_losses_only(subject.objective), trained={})
    stepper = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
    model.train()
    for _ in range(STEPS):
        stepper.zero_grad()
        value = subject.loss(model, part)
        if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
            return
        value.backward()
        stepper.step()
        yield value.item()


def modes(subject: Subject) -> Finding:
    """Check that answers come from evaluation mode, and depend on one input alone."""
    name = "mode and batches"
    part = subject.part("test", "validation").first(BATCH)
    if len(part) < 4:
        return Finding(name, "not checked", "Give four or more samples.")
    model, _ = subject.trial()
    with torch.no_grad():
        together = logits_of(model, part.inputs)
        half = logits_of(model, part.first(len(part) // 2).inputs)
    scale = together.abs().mean().clamp(min=1e-6)
    difference = float((together[: len(half)] - half).abs().max() / scale)
    told = f"The mode is {'training' if model.training else 'evaluation'}."
    if difference < 0.01:
        return Finding(name, "ok", f"{told} An answer does not depend on the rest of the batch.")
    told += f" An answer changes by {difference:.0%} with the rest of the batch."
    if not model.training:
        active = any(
            isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training for m in model.modules()
        )  # noqa: SLF001
        cure = (
            "Call model.eval() again: a part is in training mode."
            if active
            else "Look for what mixes samples."
        )
        return Finding(name, "wrong", told, cure)
    if subject.optimizer is not None or "train" in subject.parts:
        return Finding(name, "ok", f"{told} That is so while you train.")
    return Finding(name, "suspicious", told, "Call model.eval() before you trust an answer.")


def weight_decay(subject: Subject) -> Finding:
    """Check that decay does not pull where something else pulls already."""
    name = "weight decay"
    if subject.optimizer is None:
        return Finding(name, "not checked", "Give the optimizer.")
    decayed = [g for g in subject.optimizer.param_groups if g.get("weight_decay", 0) > 0]
    if not decayed:
        return Finding(name, "ok", "The optimizer has no weight decay.")
    objective = subject.objective
    pulls = objective.parts if isinstance(objective, Objective) else ()
    if any(isinstance(term, L2SP) for _, term in pulls):
        told = "The optimizer pulls to zero what the objective pulls to the source."
        return Finding(name, "suspicious", told, "Set weight_decay=0, or decay the head alone.")
    held = [p for g in decayed for p in g["params"] if not p.requires_grad and p.grad is not None]
    if held:
        told = f"{len(held)} frozen tensors have an old gradient, and decay moves them."
        return Finding(name, "wrong", told, "Set their grad to None, or take them out.")
    return Finding(name, "ok", "Weight decay moves only what learns.")
