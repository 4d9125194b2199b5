"""Give generators of random numbers back as they were after data were read."""

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

DEEP, WIDE, MANY = 6, 64, 10_000  # steps from the loader, entries of a list, objects in all


@contextmanager
def generators_kept(loader: Any) -> Iterator[None]:
    """Give the generators that a loader holds their states back: its next batches stay the same.

    Looked at are the attributes of the loader, its samplers and its data set, and theirs.
    """
    resets = [reset for thing in _reachable(loader, {}, 0) if (reset := _reset(thing))]
    try:
        yield
    finally:
        for reset in resets:
            reset()


def _reset(thing) -> Callable[[], Any] | None:
    """Return what puts a generator back; None for other things."""
    if isinstance(thing, torch.Generator):
        state = thing.get_state()
        return lambda: thing.set_state(state)
    if isinstance(thing, np.random.Generator):
        bits, state = thing.bit_generator, copy.deepcopy(thing.bit_generator.state)
        return lambda: setattr(bits, "state", state)
    if isinstance(thing, np.random.RandomState):
        state = thing.get_state()
        return lambda: thing.set_state(state)
    if isinstance(thing, random.Random):
        state = thing.getstate()
        return lambda: thing.setstate(state)
    return None


def _reachable(thing, seen, depth) -> Iterator[Any]:
    """Yield an object and what its attributes hold, without calling anything."""
    kinds = Tensor | np.ndarray | type | ModuleType | FunctionType | str | bytes | int | float
    if id(thing) in seen or depth > DEEP or len(seen) > MANY or isinstance(thing, kinds):
        return
    seen[id(thing)] = thing  # kept, so that no other object gets its id
    yield thing
    if isinstance(thing, dict):
        inner = list(thing.values())
    elif isinstance(thing, list | tuple | set):
        inner = list(thing)
    else:
        inner = list(getattr(thing, "__dict__", {}).values())
    for each in inner[:WIDE]:
        yield from _reachable(each, seen, depth + 1)
