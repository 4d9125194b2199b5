"""A part of the data of an audit, and what one batch of a user becomes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.environment.arguments import described

LABELS = ("labels", "label")  # names under which a dict has its labels


@dataclass
class Part:
    """One part of the data: training, validation or test.

    Parameters
    ----------
    inputs : torch.Tensor or dict of str to torch.Tensor
        The first samples; a dict is handed to the model by name.
    labels : torch.Tensor or None
        Of these samples.
    all_labels : torch.Tensor or None
        Of all samples that were read.
    hashes : list of str
        One for each sample that was read: equal inputs have equal hashes.
    classes : tuple of str or None
        Names of the classes in order, where the data know them.
    indices : torch.Tensor or None
        Of the first samples, where they are `Samples`.
    is_whole : bool
        Whether all samples were read.
    """

    inputs: Any
    labels: Tensor | None
    all_labels: Tensor | None = None
    hashes: list[str] | tuple[()] = ()
    classes: tuple[str, ...] | None = None
    indices: Tensor | None = None
    is_whole: bool = True

    def __len__(self):
        return len(
            next(iter(self.inputs.values())) if isinstance(self.inputs, dict) else self.inputs
        )

    def first(self, number: int) -> "Part":
        """Return a part with the first samples only."""
        return self.rows(torch.arange(min(number, len(self))))

    def rows(self, places: Tensor) -> "Part":
        """Return a part with some of the samples that go through the model."""
        inputs = (
            {name: value[places] for name, value in self.inputs.items()}
            if isinstance(self.inputs, dict)
            else self.inputs[places]
        )
        labels = None if self.labels is None else self.labels[places]
        indices = None if self.indices is None else self.indices[places]
        rest = self.all_labels, self.hashes, self.classes, indices, self.is_whole
        return Part(inputs, labels, *rest)

    @property
    def labels_known(self) -> Tensor | None:
        """The labels of all samples that were read, or else of these."""
        return self.labels if self.all_labels is None else self.all_labels

    @property
    def images(self) -> Tensor | None:
        """The inputs, if they are numbers that a network for images or features reads."""
        if not isinstance(self.inputs, Tensor) or self.inputs.ndim < 2 or self.inputs.is_complex():
            return None
        are_tokens = self.inputs.dtype in (torch.int64, torch.int32) and self.inputs.ndim < 4
        return None if are_tokens else self.inputs


def part_of(name: str, batch: Any) -> Part:
    """Return one batch as a part: inputs and labels; other entries of a tuple are left out.

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    batch : (inputs, labels), torch.Tensor, numpy.ndarray or dict
        What a loader gives.

    Raises
    ------
    TypeError
        If it is something else, or holds no numbers.
    ValueError
        If there is not one label, or one row, for each sample.
    """
    inputs, labels = batch, None
    if hasattr(batch, "keys"):
        inputs = dict(batch.items())
        labels = next((inputs.pop(key) for key in LABELS if key in inputs), None)
    elif isinstance(batch, tuple | list) and batch:
        inputs, labels = batch[0], batch[1] if len(batch) > 1 else None
    elif not isinstance(batch, Tensor | np.ndarray):
        what = f"{name} has a batch that is {described(batch)}"
        raise TypeError(f"{what}; give (inputs, labels), or a dict with labels")
    inputs = _inputs(name, inputs)
    if labels is not None:
        table = _table(name, labels)
        if table is None:
            what = f"{name} has labels {described(labels)}"
            raise TypeError(f"{what}; give a tensor of numbers: classes from 0 on")
        labels = table
    _check_lengths(name, inputs, labels)
    return Part(inputs, labels)


def _inputs(name, inputs):
    """Return a tensor, or a dict of those entries that hold numbers."""
    if hasattr(inputs, "keys"):
        tables = {key: _table(name, value) for key, value in inputs.items()}
        tables = {key: table for key, table in tables.items() if table is not None}
        if not tables:
            what = f"{name} has a dict without a tensor of inputs"
            raise TypeError(f'{what}; give them by name, and labels as "labels"')
        return tables
    if not isinstance(inputs, Tensor | np.ndarray) or (table := _table(name, inputs)) is None:
        what = f"{name} has inputs {described(inputs)}; give tensors, texts as their tokens"
        raise TypeError(f"{what}, several inputs as a dict, several batches as a DataLoader")
    return table


def _table(name, value) -> Tensor | None:
    """Return numbers as a tensor without a graph, or None if they are none."""
    if isinstance(value, Tensor):
        if value.is_nested or value.layout != torch.strided or value.is_meta:
            what = f"{name} has {described(value)}, nested, sparse or without numbers"
            raise TypeError(f"{what}; give plain numbers, such as to_dense()")
        return value.detach()
    if not isinstance(value, np.ndarray | list | tuple):
        return None
    try:
        array = np.asarray(value)
        return torch.as_tensor(array.copy()) if array.dtype.kind in "biufc" else None
    except (TypeError, ValueError, RuntimeError):  # rows of unequal length, or an unknown kind
        return None


def _check_lengths(name, inputs, labels) -> None:
    """Refuse what has not one row for each sample."""
    tables = dict(inputs) if isinstance(inputs, dict) else {"inputs": inputs}
    tables |= {} if labels is None else {"labels": labels}
    single = next((key for key, table in tables.items() if not table.ndim), None)
    if single is not None:
        what = f"{name} has one number as {single}, not a row for each sample"
        raise ValueError(f"{what}; give batches, such as DataLoader(data, batch_size=32)")
    if len({len(table) for table in tables.values()}) > 1:
        told = " and ".join(f"{len(table)} {key}" for key, table in tables.items())
        raise ValueError(f"{name} has {told}; give one of each for each sample")
