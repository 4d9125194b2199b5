"""Samples: inputs with their labels, and which of them are drawn.

Letters in shapes: N samples, C channels, H and W height and width in pixels, K classes.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.data.texts import Texts
from course_utils.environment.arguments import check_number, described
from course_utils.environment.tensors import as_labels, as_tensor, as_weights


def stable_order(indices: Tensor, key: str) -> Tensor:
    """Order positions as if at random, the same on each machine and with each library version.

    The positions are sorted by the SHA-256 of ``key`` and index, so no random number generator,
    whose stream may change between versions, decides who is in the test set.

    Parameters
    ----------
    indices : torch.Tensor of shape (N,), int64
        Positions of the samples in their complete data set.
    key : str
        Another key gives another order.

    Returns
    -------
    torch.Tensor of shape (N,), int64
        Places 0 to N - 1 in ``indices``, in the new order.

    Examples
    --------
    >>> stable_order(torch.arange(5), key="a").tolist()
    [0, 1, 3, 4, 2]
    """
    digests = [hashlib.sha256(f"{key}:{index}".encode()).digest() for index in indices.tolist()]
    return torch.tensor(sorted(range(len(digests)), key=digests.__getitem__), dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs with their labels.

    Parameters
    ----------
    inputs : torch.Tensor of shape (N, C, H, W) or (N, D), float32, or Texts of length N
        Images with grey values or colours from 0 to 1, or features. Texts, or their tokens as
        int64 of shape (N, T).
    labels : torch.Tensor of shape (N,), int64
        Class of each sample, 0 to K - 1; -1 if nobody knows it.
    weights : torch.Tensor of shape (N,), float32, optional
        How much each label counts, more than 0 and up to 1. None: all count the same.
    indices : torch.Tensor of shape (N,), int64, optional
        Position of each sample in its complete data set. Default: 0 to N - 1.

    Raises
    ------
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> samples = Samples(torch.zeros(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]))
    >>> len(samples), samples.few_shot(1, seed=0).labels.tolist()
    (4, [0, 1])
    """

    inputs: Tensor | Texts
    labels: Tensor
    weights: Tensor | None = None
    indices: Tensor | None = None

    def __post_init__(self):
        labels = _as_labels(self.labels)
        found = {"inputs": _as_texts(self.inputs), "weights": self.weights, "indices": self.indices}
        for name, value in found.items():
            if value is None and name != "inputs":
                continue
            found[name] = value if is_text(value) else as_tensor(name, value)
            number = len(value) if is_text(value) or found[name].ndim else 1
            if number != len(labels):
                raise ValueError(
                    f"{name} has {number} entries and labels has {len(labels)}; "
                    f"give one entry of {name} for each label"
                )
        if self.weights is not None:
            found["weights"] = as_weights("weights", found["weights"], len(labels))
        default = torch.arange(len(labels))
        found["indices"] = default if self.indices is None else _as_indices(found["indices"])
        for name, value in (found | {"labels": labels}).items():
            object.__setattr__(self, name, value)

    @staticmethod
    def instead(name: str, value: Any) -> str | None:
        """Say what to give in place of something that is no samples."""
        return f"give one of its parts: {name}.train" if hasattr(value, "parts") else None

    def __len__(self):
        return len(self.labels)

    def __repr__(self):
        return f"Samples({len(self)} inputs of {self.form}, labels {self.class_counts()})"

    @property
    def form(self) -> str:
        """What one input is: its shape, such as ``"1 x 28 x 28"``, or ``"text"``."""
        if isinstance(self.inputs, Texts):
            return "text"
        return " x ".join(str(side) for side in self.inputs.shape[1:])

    def class_counts(self) -> dict[int, int]:
        """Count the samples of each class that occurs."""
        classes, counts = self.labels.unique(return_counts=True)
        return dict(zip(classes.tolist(), counts.tolist(), strict=True))

    def select(self, positions: Tensor) -> "Samples":
        """Return the samples at these positions (integers, or booleans of shape (N,)).

        Raises
        ------
        TypeError, ValueError
            If these are no positions, or there is no sample at one of them.
        """
        if not isinstance(positions, slice):
            positions = torch.as_tensor(positions) if positions is not None else torch.zeros(())
            is_empty = positions.numel() == 0  # an empty list is one of float32
            positions = positions.long() if is_empty else positions
            if positions.ndim != 1 or positions.dtype not in (torch.int64, torch.int32, torch.bool):
                raise TypeError(
                    f"positions is {described(positions)}; give whole numbers or truth values, (N,)"
                )
            if positions.dtype == torch.bool and len(positions) != len(self):
                raise ValueError(
                    f"positions has {len(positions)} truth values for {len(self)} samples; give "
                    "one for each"
                )
        chosen = object.__new__(Samples)  # all was checked before: not again for each batch
        for name in ("inputs", "labels", "weights", "indices"):
            value = getattr(self, name)
            try:
                object.__setattr__(chosen, name, None if value is None else value[positions])
            except IndexError:
                raise ValueError(
                    f"positions goes from {int(positions.min())} to {int(positions.max())} for "
                    f"{len(self)} samples; give positions below that number"
                ) from None
        return chosen

    def with_inputs(self, inputs: Tensor) -> "Samples":
        """Return the same labels with other inputs, for example features instead of images."""
        return replace(self, inputs=inputs)

    def unlabelled(self) -> "Samples":
        """Return the same inputs with labels of -1, nobody knows, and without weights.

        Labels that are numbers with decimals become NaN, since there -1 could be true. A weight
        says how much a label counts, so it would tell something about the label.
        """
        unknown = torch.nan if self.labels.is_floating_point() else -1
        return replace(self, labels=torch.full_like(self.labels, unknown), weights=None)

    def few_shot(self, per_class: int, seed: int) -> "Samples":
        """Draw the same number of samples from each class.

        Draws with one seed are nested: the 5 of a class are among its 20.

        Parameters
        ----------
        per_class : int
            Labelled samples per class, at least 1.
        seed : int
            Another seed gives another draw.

        Raises
        ------
        ValueError
            If a class has fewer samples than asked for.
        """
        per_class = check_number("per_class", per_class, whole=True)
        seed = check_number("seed", seed, whole=True)
        if self.labels.ndim != 1 or self.labels.is_floating_point():
            raise TypeError(f"labels is {described(self.labels)}; few_shot needs classes: (N,)")
        counts = {label: number for label, number in self.class_counts().items() if label != -1}
        available = min(counts.values(), default=0)
        if not 1 <= per_class <= available:
            raise ValueError(
                f"per_class is {per_class}; the rarest class has {available} samples, so "
                + (f"ask for 1 to {available}" if available else "there is nothing to draw from")
            )
        order = stable_order(self.indices, key=f"few-shot {seed}")
        chosen = [order[self.labels[order] == label][:per_class] for label in counts]
        return self.select(torch.cat(chosen))


def _as_texts(inputs: Any) -> Any:
    """Return a list or an array of texts as `Texts`, and all else as it is."""
    is_listed = isinstance(inputs, list | tuple | np.ndarray) and len(inputs) > 0
    return Texts(inputs) if is_listed and isinstance(inputs[0], str) else inputs


def is_text(inputs: Any) -> bool:
    """Whether inputs are texts, which a network cannot read before they are tokens."""
    return isinstance(inputs, Texts)


def check_samples(name: str, samples: Any) -> Samples:
    """Return the samples if they are some, at least one.

    Raises
    ------
    TypeError
        If it is something else, such as a task or a pair of tensors.
    ValueError
        If there is no sample.
    """
    if not isinstance(samples, Samples):
        cure = Samples.instead(name, samples) or "give Samples"
        raise TypeError(f"{name} is {described(samples)}; {cure}")
    if len(samples) == 0:
        raise ValueError(f"{name} is empty; give at least one sample")
    return samples


def _as_labels(labels: Any) -> Tensor:
    """Return labels: classes (N,) as int64, numbers with decimals or tokens (N, ...)."""
    if labels is None:
        raise TypeError(
            "labels is None; give one for each input, or -1 for each if nobody knows them"
        )
    found = as_tensor("labels", labels, finite=False)  # NaN stands for a number nobody knows
    if found.ndim == 0:
        raise ValueError("labels is one number; give one for each input")
    if found.is_floating_point():
        return found
    if len(found) and found[0].numel() == 1:
        return as_labels("labels", found, unknown=True)
    return found.long()


def _as_indices(found: Tensor) -> Tensor:
    """Return positions in a complete data set as int64 of shape (N,)."""
    if found.is_floating_point() or found.dtype == torch.bool or found.ndim != 1:
        raise ValueError(
            f"indices has shape {tuple(found.shape)} and type {found.dtype}; give one whole "
            "number for each label"
        )
    if len(found) and int(found.min()) < 0:
        raise ValueError(f"indices has the value {int(found.min())}; give positions from 0 on")
    return found.long()
