"""Checks of weights: which learn, which move, and whether they are those of the source."""

from collections import Counter

from torch import Tensor, nn

from course_utils.audit.report import Finding
from course_utils.audit.subject import NoGradientError, Subject, after_steps

NEVER_LOADED = 0.9  # relative distance to the source; two random starts have about 1.4
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
        stray = [n for n in ("weight", "bias") if isinstance(vars(module).get(n), Tensor)]
        if stray:
            what = f"{path or 'the model'}.{stray[0]} is a tensor that no layer uses or trains."
            return Finding(name, "wrong", what, "Is that a layer without weights, such as ReLU?")
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    total, learning = sum(n for n, _ in counts), sum(n for n, learns in counts if learns)
    if not total:
        return Finding(name, "wrong", "The model has no weight.", "Give a network with layers.")
    if not learning:
        what = f"None of {total:,} parameters learns."
        return Finding(name, "wrong", what, "Unfreeze a part, such as the head.")
    return Finding(name, "ok", f"{learning:,} of {total:,} parameters learn.")


def optimizer_parameters(subject: Subject) -> Finding:
    """Check that each parameter that learns is in the optimiser, once, and no other one."""
    name = "optimizer parameters"
    if subject.optimizer is None:
        return Finding(name, "not checked", "Give the optimizer.")
    own = {id(p): path for path, p in subject.model.named_parameters()}
    held = [p for group in subject.optimizer.param_groups for p in group["params"]]
    counts = Counter(map(id, held))
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


def source_weights(subject: Subject) -> Finding:
    """Check that a model that should start from a source has its weights, near enough."""
    name = "source weights"
    if subject.source is None:
        return Finding(name, "not checked", "Give source, the pretrained model or its state_dict.")
    source = (
        subject.source.state_dict() if isinstance(subject.source, nn.Module) else subject.source
    )
    own = {path: p for path, p in subject.model.named_parameters() if p.ndim > 1}
    shared = {
        path: p for path, p in own.items() if path in source and source[path].shape == p.shape
    }
    if len(shared) < len(own) / 2:
        what = f"Only {len(shared)} of {len(own)} weights have the name and shape of the source."
        return Finding(
            name, "wrong", what, "Use the same architecture, or copy the part that fits."
        )
    far = {path: _distance(p, source[path]) for path, p in shared.items()}
    lost = [path for path, distance in far.items() if distance > NEVER_LOADED]
    if len(lost) > len(far) / 2:
        what = f"{len(lost)} of {len(far)} weights are as far from the source as random ones."
        return Finding(name, "wrong", what, "Load the weights, or lower the learning rate.")
    equal = sum(distance == 0 for distance in far.values())
    path = max(far, key=far.__getitem__)
    told = f"{equal} of {len(far)} weights equal the source; {path} moved most, by {far[path]:.0%}."
    return Finding(name, "ok", told)


def _distance(weight: Tensor, start: Tensor) -> float:
    start = start.detach().to(weight)
    return float((weight.detach() - start).norm() / start.norm().clamp(min=1e-12))


def learning_rate(subject: Subject) -> Finding:
    """Check that one step does not move weights by a large part of their length."""
    name = "learning rate"
    if subject.optimizer is None:
        return Finding(name, "not checked", "Give the optimizer.")
    model, _ = after_steps(subject)
    after = dict(model.named_parameters())
    steps = sorted(
        _distance(after[path], p) for path, p in subject.model.named_parameters()
        if p.requires_grad and p.ndim > 1 and p.norm() > 0
    )  # fmt: skip
    if not steps:
        return Finding(name, "ok", "No matrix or filter learns.")
    middle = steps[len(steps) // 2]
    told = f"One step moves the middle weight by {middle:.1%} of its length."
    if middle > WIPED:
        return Finding(name, "suspicious", told, "Lower the learning rate, or warm it up.")
    return Finding(name, "ok", told)
