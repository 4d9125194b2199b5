"""Which parts of a model training may move, and in which mode they run."""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.parameter import is_lazy

from course_utils.environment.arguments import check_module

# these do the same in both modes: a hook on each would only cost time
SAME_IN_BOTH_MODES = (
    nn.Sequential, nn.ModuleList, nn.Identity, nn.Flatten, nn.Linear, nn.Conv1d, nn.Conv2d,
    nn.Conv3d, nn.Embedding, nn.LayerNorm, nn.GroupNorm, nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU,
    nn.Tanh, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d,
)  # fmt: skip


class _Hold:
    """Keep one module as it is: hooks that run before and after each of its passes.

    Its mode is that of evaluation meanwhile. Observers and codebooks move their buffers in that
    mode as well: they work on copies, which are thrown away.
    """

    def __init__(self, module: nn.Module):
        self.has_state = _has_state(module)
        self.needs_copies = self.has_state and not isinstance(module, _NormBase)
        self.kept: list[tuple[bool, list[tuple[nn.Module, str, Tensor]]]] = []
        self.handles = (
            # first of all hooks: the old spectral norm is a hook too, and looks at the mode
            module.register_forward_pre_hook(self.before, prepend=True),
            module.register_forward_hook(self.after, always_call=True),
        )

    def before(self, module: nn.Module, inputs) -> None:
        """Take the mode of evaluation, unless a part of the module may learn again."""
        self.kept.append((module.training, _swap_buffers(module) if self.needs_copies else []))
        if module.training:
            may_learn = any(weight.requires_grad for weight in module.parameters())
            module.training = may_learn and not self.has_state

    def after(self, module: nn.Module, inputs, outputs) -> None:
        """Give mode and buffers back, also after an error."""
        if not self.kept:  # a hook of somebody else raised before ours could run
            return
        was_training, buffers = self.kept.pop()
        if was_training:
            module.training = True
        for owner, name, buffer in buffers:
            setattr(owner, name, buffer)


def batch_norms(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the BatchNorm layers of a module, itself included."""
    return (layer for layer in module.modules() if isinstance(layer, _BatchNorm))


def is_held(module: nn.Module) -> bool:
    """Say whether a module answers as in evaluation, also while the model around it trains."""
    return bool(_holds(module))


def _has_state(module: nn.Module) -> bool:
    """Say whether a module itself owns buffers, such as running statistics."""
    return any(True for _ in module.buffers(recurse=False))


def _swap_buffers(module: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """Put a copy in the place of each buffer; return owners, names and buffers."""
    found = [
        (owner, name, buffer)
        for owner in module.modules()
        for name, buffer in owner.named_buffers(recurse=False)
        if not is_lazy(buffer)
    ]
    for owner, name, buffer in found:
        setattr(owner, name, buffer.clone())
    return found


def _holds(module: nn.Module) -> list[_Hold]:
    """Return what holds a module: one hold, or none."""
    owners = (getattr(hook, "__self__", None) for hook in module._forward_pre_hooks.values())
    return [owner for owner in owners if isinstance(owner, _Hold)]


def _check_shapes(module: nn.Module) -> None:
    """Raise if it is no module, or has lazy layers that never saw an input."""
    if any(is_lazy(weight) for weight in check_module("module", module).parameters()):
        raise ValueError("module has lazy layers without a shape; run it once on a batch first")


def _let_go(module: nn.Module) -> None:
    """Undo the holds on a module and all its parts."""
    for part in module.modules():
        for hold in _holds(part):
            for handle in hold.handles:
                handle.remove()


def hold_state(module: nn.Module) -> None:
    """Change the module: hold its parts that keep state; dropout goes on as it was."""
    for part in module.modules():
        if _has_state(part) and not _holds(part):
            _Hold(part)


def freeze(module: nn.Module, *, batchnorm_statistics: bool = True) -> nn.Module:
    """Change the module: training no longer moves it, and it answers as in evaluation.

    Parameters get ``requires_grad = False``. That alone is not enough: in training mode BatchNorm
    updates its running mean and variance without any gradient, as other layers with buffers do.
    So each part runs in evaluation mode, also after a later ``model.train()``, and no pass moves a
    buffer. Dropout is off as well: what is frozen gives the same features in each epoch. A part
    that is unfrozen later runs in its own mode again, as do modules around it.

    What a module keeps outside of parameters and buffers, in plain attributes, cannot be held.

    Parameters
    ----------
    module : torch.nn.Module
        A backbone, one of its parts, or a whole model. Changed in place, and returned.
    batchnorm_statistics : bool
        False freezes the parameters only, and leaves modes and buffers free: the mistake that
        lesson 04 shows.

    Raises
    ------
    TypeError
        If it is no module.
    ValueError
        If a lazy layer in it has no shape yet.

    Examples
    --------
    >>> import torch
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(), nn.Linear(2, 2))
    >>> _ = freeze(model[:3])
    >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    ['3.weight', '3.bias']
    >>> inputs = torch.ones(3, 2)
    >>> model.train()(inputs).equal(model(inputs)), model[1].running_mean
    (True, tensor([0., 0.]))
    """
    _check_shapes(module)
    module.requires_grad_(False)
    _let_go(module)
    if batchnorm_statistics:
        for part in module.modules():
            if _has_state(part) or type(part) not in SAME_IN_BOTH_MODES:
                _Hold(part)
    return module


def unfreeze(module: nn.Module) -> nn.Module:
    """Change the module: undo `freeze`, so that parameters, statistics and modes are free again.

    Raises
    ------
    TypeError
        If it is no module.
    ValueError
        If a lazy layer has no shape yet, or a parameter was made in inference mode and can never
        learn. Nothing is changed then.
    """
    _check_shapes(module)
    # whole numbers, such as quantised weights, cannot learn
    weights = [weight for weight in module.parameters() if weight.is_floating_point()]
    if any(weight.is_inference() for weight in weights):
        raise ValueError("module has weights that were made in inference mode; build it outside")
    for weight in weights:
        weight.requires_grad_(True)
    _let_go(module)
    return module
