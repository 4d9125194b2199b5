"""Which parts of a model training may move, and in which mode they run."""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def _hold_statistics(module: nn.Module, inputs) -> None:
    """Keep a frozen BatchNorm in evaluation mode; runs before each of its forward passes."""
    module.eval()


def _let_statistics_go(layer: nn.Module) -> None:
    """Undo the hold on one BatchNorm layer, if there is one."""
    if hasattr(layer, "_statistics_hold"):
        layer._statistics_hold.remove()
        del layer._statistics_hold


def batch_norms(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the BatchNorm layers of a module, itself included."""
    return (layer for layer in module.modules() if isinstance(layer, _BatchNorm))


def freeze(module: nn.Module, *, batchnorm_statistics: bool = True) -> nn.Module:
    """Change the module: training no longer moves it.

    Parameters get ``requires_grad = False``. That alone is not enough: in training mode BatchNorm
    updates its running mean and variance without any gradient. So these layers are held in
    evaluation mode as well, also after a later ``model.train()``.

    Parameters
    ----------
    module : torch.nn.Module
        A backbone, one of its parts, or a whole model. Changed in place, and returned.
    batchnorm_statistics : bool
        False leaves the running statistics free: the mistake that lesson 04 shows.

    Examples
    --------
    >>> import torch
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    >>> _ = freeze(model[:2])
    >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    ['2.weight', '2.bias']
    >>> model.train()[1].training
    True
    >>> _ = model(torch.zeros(3, 2))
    >>> model[1].training
    False
    """
    module.requires_grad_(False)
    for layer in batch_norms(module):
        _let_statistics_go(layer)
        if batchnorm_statistics:
            layer._statistics_hold = layer.register_forward_pre_hook(_hold_statistics)
            layer.eval()
    return module


def unfreeze(module: nn.Module) -> nn.Module:
    """Change the module: undo `freeze`, parameters and BatchNorm statistics learn again."""
    module.requires_grad_(True)
    for layer in batch_norms(module):
        _let_statistics_go(layer)
        layer.train(module.training)
    return module
