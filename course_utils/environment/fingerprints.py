"""Fingerprints: one short text for values, equal only if they are equal bit by bit."""

import hashlib
from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.environment.arguments import described

PLAIN = (type(None), bool, int, float, complex, str, bytes, range, type(...))
OF_TORCH = (torch.dtype, torch.device, torch.layout, torch.memory_format)


def fingerprint(*parts: Any) -> str:
    """Return the SHA-256 of values, with their order, shapes and types.

    Parameters
    ----------
    *parts : torch.Tensor, numpy.ndarray, str, bytes, number or None
        Also lists, tuples, dicts and sets of these.

    Raises
    ------
    TypeError
        If there is something else, of which nobody knows what makes it equal to another.

    Examples
    --------
    >>> fingerprint(torch.zeros(2)) == fingerprint(torch.zeros(2, 1))
    False
    """
    writer = Writer()
    for part in parts:
        writer.write(part)
    return writer.digest.hexdigest()


class Writer:
    """Writes values into a SHA-256 so that different ones never look the same."""

    def __init__(self):
        self.digest = hashlib.sha256()
        self.inside: list[int] = []  # the containers that are being written

    def note(self, *words: Any) -> None:
        """Write some words; their length goes first, so that "ab", "c" is not "a", "bc"."""
        content = repr(words).encode("utf-8", "surrogatepass")
        self.digest.update(b"%d:" % len(content) + content)

    def write(self, value: Any) -> None:
        """Write one value with all that is in it."""
        if type(value) in PLAIN:
            self.note(type(value).__name__, value)
        elif isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, np.ma.MaskedArray):  # an array, but its mask counts as well
            self.other(value)
        elif isinstance(value, np.generic | np.ndarray):
            self._array(np.asarray(value))
        elif isinstance(value, OF_TORCH):
            self.note(type(value).__name__, str(value))
        elif isinstance(value, list | tuple | deque | dict | set | frozenset):
            self._container(value)
        else:
            self.other(value)

    def other(self, value: Any) -> None:
        """Raise `TypeError`: this is no value."""
        raise TypeError(
            f"a part is {described(value)}; give tensors, arrays, texts, numbers, or lists and "
            "dicts of these"
        )

    def _tensor(self, tensor: Tensor) -> None:
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise TypeError(
                f"a part is a tensor of layout {tensor.layout} on {tensor.device}; give a dense "
                "one that has its numbers: tensor.to_dense()"
            )
        self.note("tensor", str(tensor.dtype), tuple(tensor.shape))
        values = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().view(-1)
        self.digest.update(memoryview(values.view(torch.uint8).numpy()))

    def _array(self, array: np.ndarray) -> None:
        self.note("array", array.dtype.descr, array.shape)
        if array.dtype.hasobject:
            self.write(array.tolist())
        else:
            self.digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def _container(self, container: Any) -> None:
        if id(container) in self.inside:
            raise TypeError("a part contains itself; give values without a circle")
        self.note(type(container).__qualname__, len(container))
        self.inside.append(id(container))
        if isinstance(container, set | frozenset):  # a set has no order, and that of hashes varies
            self.note(*sorted(self._alone(member) for member in container))
        else:
            for member in container.items() if isinstance(container, dict) else container:
                self.write(member)
        self.inside.pop()

    def _alone(self, value: Any) -> str:
        writer = type(self)()
        writer.write(value)
        return writer.digest.hexdigest()
