"""Checks of weights: which learn, which are in the optimiser, and how far one step takes them."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from course_utils.audit.holders import held_by
from course_utils.audit.reasons import NoGradientError
from course_utils.audit.report import Finding
from course_utils.audit.source_checks import distance
from course_utils.audit.subject import Subject, after_steps
from course_utils.objectives.base import Objective
from course_utils.objectives.regularizers import L2SP

NO_RATE = 1e-8  # a learning rate below it moves nothing that counts
WIPED = 0.3  # share of its length by which one step may move a weight
FEW_STEPS = 3


def trainable_parameters(subject: Subject) -> Finding:
    """Check that something learns, and that what is frozen is spelt so that it is."""
    name = "trainable parameters"
    model = subject.model
    for path, thing in [*model.named_modules(), *model.named_parameters()]:
        place = path or "the model"
        if "require_grad" in vars(thing):
            what = f"{place} has an attribute require_grad, which nothing reads."
            return Finding(name, "wrong", what, "Write requires_grad.")
        if isinstance(thing, nn.Module) and "requires_grad" in vars(thing):
            what = f"{place} is a module with an attribute requires_grad; its weights still learn."
            return Finding(name, "wrong", what, "Call module.requires_grad_(False).")
    for path, module in model.named_modules():
        stray = [n for n in ("weight", "bias") if _is_stray(module, n)]
        if stray:
            what = f"{path or 'the model'}.{stray[0]} is a tensor that no layer uses or trains."
            return Finding(name, "wrong", what, "Is that a layer without weights, such as ReLU?")
    hidden = _hidden_modules(model)
    if hidden:
        what = f"{hidden} is a list or dict with layers, which the model does not count as its own."
        return Finding(name, "suspicious", what, "Use nn.ModuleList or nn.ModuleDict.")
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    total, learning = sum(n for n, _ in counts), sum(n for n, learns in counts if learns)
    if not total:
        cure = "Give a network with layers, before it was quantised or frozen by torch.jit."
        return Finding(name, "wrong", "The model has no weight that could learn.", cure)
    if not learning:
        what = f"None of {total:,} parameters learns."
        return Finding(name, "wrong", what, "Unfreeze a part, such as the head.")
    return Finding(name, "ok", f"{learning:,} of {total:,} parameters learn.")


def _is_stray(module, name) -> bool:
    """Return whether a tensor has the name of a weight, and none is made of other weights."""
    own = [path for path, _ in module.named_parameters(recurse=False)]
    is_made = any(path.startswith(f"{name}_") for path in own)
    return isinstance(vars(module).get(name), Tensor) and not is_made  # pruned, or normalised


def _hidden_modules(model) -> str | None:
    """Return where modules that learn are held so that torch does not find them."""
    known = set(model.modules())
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            held = value.values() if isinstance(value, dict) else value
            if name.startswith("_") or not isinstance(value, list | tuple | dict):
                continue
            for each in held:
                learns = isinstance(each, nn.Module) and any(
                    p.requires_grad for p in each.parameters()
                )
                if learns and each not in known:
                    return f"{path}.{name}".removeprefix(".")
    return None


def _parameters_of(objective: Any) -> Iterator[nn.Parameter]:
    """Yield parameters of an objective that learns, too, as far as they can be seen."""
    for held in held_by(objective):
        yield from held.parameters() if isinstance(held, nn.Module) else [held]


def optimizer_parameters(subject: Subject) -> Finding:
    """Check that each parameter that learns is in the optimiser, once, and no other one."""
    name = "optimizer parameters"
    if subject.optimizer is None:
        return Finding(name, "not checked", "Give the optimizer.")
    own = {id(p): path for path, p in subject.model.named_parameters()}
    held = [p for group in subject.optimizer.param_groups for p in group["params"]]
    counts = Counter(map(id, held))
    other = {id(p): "a weight of the objective" for p in _parameters_of(subject.objective)}
    own = other | own
    foreign = sum(id(p) not in own for p in held)
    if foreign:
        what = f"{foreign} tensors of the optimizer are not in the model: it moves something else."
        return Finding(name, "wrong", what, "Make the optimizer after the head was replaced.")
    twice = [own[key] for key, count in counts.items() if count > 1]
    if twice:
        return Finding(name, "wrong", f"{twice[0]} is listed twice.", "List each parameter once.")
    missing = [
        path for path, p in subject.model.named_parameters()
        if p.requires_grad and id(p) not in counts
    ]  # fmt: skip
    if missing:
        what = (
            f"{len(missing)} tensors learn, but not by this optimizer; the first is {missing[0]}."
        )
        return Finding(name, "wrong", what, "Add them, or freeze them.")
    count = sum(p.requires_grad for p in subject.model.parameters())
    return Finding(name, "ok", f"The optimizer holds all {count} tensors that learn, once.")


def gradients(subject: Subject) -> Finding:
    """Check that what learns gets a gradient."""
    name = "gradients"
    cure = "Is that part used? Is it merged or detached?"
    if not any(p.requires_grad for p in subject.model.parameters()):
        return Finding(name, "not checked", "Nothing learns.")
    try:
        _, seen = after_steps(subject, FEW_STEPS)
    except NoGradientError:
        return Finding(name, "wrong", "No gradient reaches the loss.", cure)
    learning = [path for path, p in subject.model.named_parameters() if p.requires_grad]
    without = [path for path in learning if path not in seen]
    if without:
        what = (
            f"{len(without)} of {len(learning)} tensors that learn get no gradient; the first is "
        )
        return Finding(name, "wrong", f"{what}{without[0]}.", cure)
    zero = [path for path in learning if not seen[path] > 0]
    if len(zero) == len(learning):
        return Finding(name, "ok", "All gradients are 0: the loss is at its minimum.")
    if zero:
        what = f"The gradient of {zero[0]} is 0 in {FEW_STEPS} steps."
        return Finding(name, "suspicious", what, "Look for what cuts it off, such as a dead ReLU.")
    return Finding(name, "ok", f"All {len(learning)} tensors that learn get a gradient.")


def learning_rate(subject: Subject) -> Finding:
    """Check that one step does not move weights by a large part of their length."""
    name = "learning rate"
    if subject.optimizer is None:
        return Finding(name, "not checked", "Give the optimizer.")
    groups = subject.optimizer.param_groups
    if all(max(g.get("lr", 1), g.get("initial_lr", 0)) < NO_RATE for g in groups):
        told = f"It is {float(groups[0]['lr']):.2g}: nothing moves." if groups else ""
        return Finding(name, "suspicious", told, "Set it, such as to 1e-3, or attach a scheduler.")
    model, _ = after_steps(subject)
    after = dict(model.named_parameters())
    steps = sorted(
        distance(after[path], p) for path, p in subject.model.named_parameters()
        if p.requires_grad and p.ndim > 1 and p.norm() > 0
    )  # fmt: skip
    if not steps:
        return Finding(name, "ok", "No matrix or filter learns.")
    middle = steps[len(steps) // 2]
    if not math.isfinite(middle):
        told = "After one step the middle weight is NaN or infinite."
        return Finding(name, "suspicious", told, "Lower the learning rate, or train in float32.")
    told = f"One step moves the middle weight by {middle:.1%} of its length."
    if middle > WIPED:
        if any(p.grad is not None and p.grad.any() for p in subject.model.parameters()):
            told += " An old gradient is added to the new one."
            return Finding(name, "suspicious", told, "Call zero_grad() after each step.")
        return Finding(name, "suspicious", told, "Lower the learning rate, or warm it up.")
    return Finding(name, "ok", told)


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
    told = "Weight decay moves only what learns."
    small = sum(p.requires_grad and p.ndim < 2 for g in decayed for p in g["params"])
    if small:
        told += f" {small} biases and weights of norm layers are among it; many recipes spare them."
    return Finding(name, "ok", told)
