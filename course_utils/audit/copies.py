"""Copies on which things are tried: they must share nothing with what they are copies of."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from course_utils.audit.reasons import NotCheckable, one_line


def independent_copies(
    model: nn.Module, optimizer: torch.optim.Optimizer | None, objective: Any
) -> tuple[nn.Module, torch.optim.Optimizer | None, Any]:
    """Return copies that belong together; the gradients of the model are copied, too.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.
    optimizer : torch.optim.Optimizer or None
        Of the copy it holds the weights of the copy.
    objective : callable, Objective or None
        May have weights and statistics of its own.

    Raises
    ------
    NotCheckable
        If something cannot be copied, or a copy would share weights with what is given.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise NotCheckable("A scripted or traced model cannot be copied; give it before torch.jit.")
    try:
        # A pruned or normalised weight hangs on a graph: deepcopy refuses it without this.
        memo = {id(t): t.detach().clone() for t in _tensors(model) if not t.is_leaf}
        copies = copy.deepcopy((model, optimizer, objective), memo)
        _complete(optimizer, copies[1], memo)
    except Exception as error:
        raise NotCheckable(
            f"Model, optimizer or objective cannot be copied: {one_line(error)}"
        ) from error
    if _memory(model, optimizer, objective) & _memory(*copies):
        what = "A copy of the model shares weights with it, so nothing is tried;"
        raise NotCheckable(f"{what} look for a __deepcopy__ of its own.")
    pairs = list(zip(model.parameters(), copies[0].parameters(), strict=False))
    if not all(other.is_leaf and own.shape == other.shape for own, other in pairs):
        raise NotCheckable("A copy of the model has other weights, so nothing is tried.")
    for own, other in pairs:
        other.grad = None if own.grad is None else own.grad.clone()
    return copies


def _complete(optimizer, other, memo) -> None:
    """Copy what torch leaves out of a copy of an optimiser, such as the list of LBFGS.

    Functions stay out: a scheduler puts one there that steps the original.
    """
    for name, value in vars(optimizer).items() if optimizer else ():
        if name not in vars(other) and not callable(value):
            setattr(other, name, copy.deepcopy(value, memo))


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """Yield parameters, buffers and plain tensors of a module."""
    for each in module.modules():
        held = (*each._parameters.values(), *each._buffers.values(), *vars(each).values())  # noqa: SLF001
        yield from (tensor for tensor in held if isinstance(tensor, Tensor) and not is_lazy(tensor))


def _memory(*things) -> set[int]:
    """Return where the numbers of modules and optimisers lie."""
    found = set()
    for thing in things:
        tensors = _tensors(thing) if isinstance(thing, nn.Module) else ()
        if isinstance(thing, torch.optim.Optimizer):
            tensors = (p for group in thing.param_groups for p in group["params"])
        for tensor in tensors:
            with suppress(
                RuntimeError, NotImplementedError
            ):  # some kinds have no place of their own
                found.add(tensor.untyped_storage().data_ptr())
    return found - {0}  # an empty tensor lies nowhere
