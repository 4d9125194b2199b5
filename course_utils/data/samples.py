"""Samples: inputs with their labels, and which of them are drawn.

Letters in shapes: N samples, C channels, H and W height and width in pixels, K classes.
"""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course_utils.data.texts import Texts


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
        if self.indices is None:
            object.__setattr__(self, "indices", torch.arange(len(self.labels)))
        for name in ("inputs", "weights", "indices"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.labels):
                raise ValueError(
                    f"{name} has {len(value)} entries and labels has {len(self.labels)}; "
                    f"give one entry of {name} for each label"
                )

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
        """Return the samples at these positions (integers, or booleans of shape (N,))."""
        weights = None if self.weights is None else self.weights[positions]
        return Samples(
            self.inputs[positions], self.labels[positions], weights, self.indices[positions]
        )

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
        counts = self.class_counts()
        available = min(counts.values(), default=0)
        if not 1 <= per_class <= available:
            raise ValueError(
                f"per_class is {per_class}; the rarest class has {available} samples, so "
                + (f"ask for 1 to {available}" if available else "there is nothing to draw from")
            )
        order = stable_order(self.indices, key=f"few-shot {seed}")
        chosen = [order[self.labels[order] == label][:per_class] for label in counts]
        return self.select(torch.cat(chosen))
