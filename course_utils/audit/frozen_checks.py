"""Checks of what is frozen: weights, statistics, dropout, and layers that never learned."""

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from course_utils.audit.report import Finding
from course_utils.audit.subject import BATCH, Subject, after_steps
from course_utils.models.lora import LoRALinear


def frozen_weights(subject: Subject) -> Finding:
    """Check that what is frozen does not move in a step of training."""
    name = "frozen weights"
    frozen = {path: p for path, p in subject.model.named_parameters() if not p.requires_grad}
    if not frozen:
        return Finding(name, "ok", "No weight is frozen.")
    model, _ = after_steps(subject)
    after = dict(model.named_parameters())
    moved = [path for path, p in frozen.items() if not torch.equal(p, after[path])]
    if moved:
        what = f"{len(moved)} frozen tensors move in one step; the first is {moved[0]}."
        cure = "Set their grad to None, and leave them out of the optimizer."
        return Finding(name, "wrong", what, cure)
    return Finding(name, "ok", f"{len(frozen)} frozen tensors stay where they are.")


def frozen_statistics(subject: Subject) -> Finding:
    """Check that statistics inside a frozen part do not follow the new data."""
    name = "frozen statistics"
    parts = _frozen_parts(subject.model)
    if not parts:
        return Finding(name, "ok", "No part is frozen.")
    part, trial = subject.part().first(BATCH), subject.trial_in_training()
    trial.scores(part)
    after = dict(trial.model.named_buffers())
    moved = [
        path for path, buffer in subject.model.named_buffers()
        if path.rpartition(".")[0] in parts and not torch.equal(buffer, after[path])
    ]  # fmt: skip
    if moved:
        what = f"{len(moved)} statistics in frozen parts move in training; the first is {moved[0]}."
        return Finding(name, "suspicious", what, "Keep frozen parts in eval() while you train.")
    return Finding(name, "ok", "Statistics in frozen parts stay as they are.")


def frozen_dropout(subject: Subject) -> Finding:
    """Check that no dropout adds noise to frozen features, which cannot adapt to it."""
    name = "frozen dropout"
    learning = [path for path, p in subject.model.named_parameters() if p.requires_grad]
    adapters = any(isinstance(module, LoRALinear) for module in subject.model.modules())
    if adapters or any("lora_" in path for path in learning):  # ours, or those of peft
        return Finding(name, "ok", "LoRA learns inside of what is frozen: the dropout is for it.")
    active = _active_dropout(subject)
    if active:
        what = f"{len(active)} layers of dropout act in frozen parts; the first is {active[0]}."
        return Finding(name, "suspicious", what, "Keep frozen parts in eval() while you train.")
    return Finding(name, "ok", "No dropout is active in a frozen part.")


def _active_dropout(subject: Subject) -> list[str]:
    """Return the paths of modules in frozen parts that answer the same input in another way.

    Their flags do not tell: a hook may put a layer into evaluation mode for each pass, and
    dropout may be a function. So the innermost module that draws random numbers is asked again.
    """
    trial = subject.trial_in_training()
    frozen, before, drawn = _frozen_parts(trial.model, with_children=True), {}, {}

    def note(module, given, named):
        before[module] = _random_state(), tree_map(_copied, (given, named))

    def compare(module, given, named, found):
        state, inputs = before.pop(module, (None, None))  # none if it has called itself
        inside = any(each in drawn for each in module.modules())
        if inputs and not inside and state != _random_state():
            drawn[module] = inputs, tree_map(_copied, found)

    paths = {module: path for path, module in trial.model.named_modules() if path in frozen}
    hooks = []
    for module in paths:
        hooks.append(module.register_forward_pre_hook(note, with_kwargs=True, prepend=True))
        hooks.append(module.register_forward_hook(compare, with_kwargs=True))
    if frozen:
        trial.scores(subject.part().first(BATCH))
    for hook in hooks:
        hook.remove()
    return [paths[module] for module, seen in drawn.items() if _is_noisy(module, *seen)]


def _random_state() -> list[bytes]:
    """Return the states of torch's random numbers, of all devices."""
    more = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return [state.numpy().tobytes() for state in (torch.get_rng_state(), *more)]


def _copied(value):
    """Return a copy of a tensor: a module may change its inputs."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def _is_noisy(module, inputs, found) -> bool:
    """Return whether a module answers the same inputs in another way."""
    given, named = inputs
    pairs = zip(tree_leaves(found), tree_leaves(module(*given, **named)), strict=True)
    return any(not torch.equal(a, b) for a, b in pairs if isinstance(a, Tensor))


def _frozen_parts(model: nn.Module, *, with_children: bool = False) -> set[str]:
    """Return the paths of modules with weights of which none learns.

    With children, what has no weights of its own counts as its nearest parent with weights.
    """
    found = set()
    for path, module in model.named_modules():
        weights = list(module.parameters())
        if not weights and path:
            parent = path.rpartition(".")[0]
            weights = list(model.get_submodule(parent).parameters()) if parent else []
            if not with_children and not list(module.buffers()):
                continue
        if weights and not any(p.requires_grad for p in weights):
            found.add(path)
    return found


def random_layers(subject: Subject) -> Finding:
    """Check that no frozen layer has the values that torch draws for new layers."""
    name = "random layers"
    kinds = nn.Linear | nn.modules.conv._ConvNd  # noqa: SLF001
    fresh = [
        path for path, module in subject.trial().model.named_modules()  # reading may change it
        if isinstance(module, kinds) and _is_frozen_and_new(module.weight)
    ]  # fmt: skip
    if fresh:
        what = f"{len(fresh)} frozen layers look as torch makes new ones; the first is {fresh[0]}."
        return Finding(name, "suspicious", what, "Load weights into them, or let them learn.")
    return Finding(name, "ok", "No frozen layer looks new.")


def _is_frozen_and_new(weight: Tensor) -> bool:
    """Return whether a weight is evenly spread up to 1 / sqrt(inputs), torch's default."""
    if weight.requires_grad or weight.numel() < 1000:
        return False  # it learns, or there are too few to tell
    from scipy.stats import kstest  # slow to import

    bound = weight[0].numel() ** -0.5
    scaled = weight.detach().float().flatten().cpu() / bound
    is_inside = bool(scaled.abs().max() <= 1 + 1e-6)
    return (
        is_inside
        and kstest(scaled[:: max(1, len(scaled) // 5000)].numpy(), "uniform", (-1, 2)).pvalue
        > 0.001
    )
