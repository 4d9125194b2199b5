"""Modules that an objective holds from outside, and how they are given back as they were."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from inspect import getclosurevars, isfunction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from course_utils.objectives.base import Objective


def held_by(objective: Any) -> Iterator[nn.Module | nn.Parameter]:
    """Yield modules and parameters that an objective uses, as far as they can be seen.

    Seen are itself, its helpers, what a partial holds, the owner of a method, and the names that a
    function takes from around it.
    """
    if isinstance(objective, Objective):
        held = [*objective.helpers().values(), *(term for _, term in objective.parts)]
    else:
        given = (*getattr(objective, "args", ()), *getattr(objective, "keywords", {}).values())
        inner = getattr(objective, "func", None), getattr(objective, "__self__", None)
        held = [objective, *given, *inner]
    for function in filter(isfunction, list(held)):
        with suppress(ValueError):  # a name that is not set yet
            names = getclosurevars(function)
            held += [*names.nonlocals.values(), *names.globals.values()]
    yield from (each for each in held if isinstance(each, nn.Module | nn.Parameter))


@contextmanager
def given_back(*things: nn.Module | nn.Parameter) -> Iterator[None]:
    """Give gradients and statistics of modules back as they were, should something change them."""
    modules = [thing for thing in things if isinstance(thing, nn.Module)]
    weights = [thing for thing in things if isinstance(thing, nn.Parameter)]
    weights += [p for module in modules for p in module.parameters()]
    gradients = [(p, p.grad, _noted(p.grad)) for p in weights]
    statistics = [(b, _noted(b)) for module in modules for b in module.buffers()]
    try:
        yield
    finally:
        for weight, gradient, noted in gradients:
            _restore(gradient, noted)
            if weight.grad is not gradient:
                weight.grad = gradient
        for tensor, noted in statistics:
            _restore(tensor, noted)


def _noted(tensor: Tensor | None) -> Tensor | None:
    """Return a copy of values; None if there are none to compare."""
    if tensor is None or is_lazy(tensor) or tensor.is_meta or tensor.layout != torch.strided:
        return None
    return tensor.detach().clone()


def _restore(tensor: Tensor | None, noted: Tensor | None) -> None:
    """Put values back if they were changed; the count of changes misses those of BatchNorm."""
    if tensor is not None and noted is not None and not torch.equal(tensor, noted):
        with torch.no_grad():
            tensor.copy_(noted)
