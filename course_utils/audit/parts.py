"""The data of an audit, whatever they come in: samples, tensors, or a DataLoader."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils.data.samples import Samples
from course_utils.environment.arguments import described

MOST_FOR_MODEL = 256  # samples that go through the model
MOST_TO_HASH = 50_000  # samples that are compared with those of other parts


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
    """

    inputs: Any
    labels: Tensor | None
    all_labels: Tensor | None
    hashes: list[str]
    classes: tuple[str, ...] | None = None
    indices: Tensor | None = None

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
        return Part(inputs, labels, self.all_labels, self.hashes, self.classes, indices)

    @property
    def images(self) -> Tensor | None:
        """The inputs, if they are numbers that a network for images or features reads."""
        is_table = isinstance(self.inputs, Tensor) and self.inputs.ndim >= 2
        return (
            self.inputs
            if is_table and self.inputs.dtype not in (torch.int64, torch.int32)
            else None
        )


def as_part(name: str, data: Any) -> Part | None:
    """Return data as a part.

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    data : Samples, (inputs, labels), torch.Tensor, DataLoader or None
        What the user has. Of a loader, batches are ``(inputs, labels)``, or a dict with ``labels``.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If there is no sample.
    """
    if data is None:
        return None
    if isinstance(data, DataLoader):
        with _generators_kept(data):
            return _joined(name, data, _classes(data.dataset))
    if isinstance(data, Samples):
        return _of_samples(name, data)
    is_pair = isinstance(data, tuple | list) and len(data) == 2
    if not is_pair and not isinstance(data, Tensor | np.ndarray | dict):
        what = f"{name} is {described(data)}"
        raise TypeError(f"{what}; give Samples, a pair (inputs, labels), or a DataLoader")
    return _joined(name, [data], None)


@contextmanager
def _generators_kept(loader: DataLoader) -> Iterator[None]:
    """Give the generators of a loader their states back: its next batches stay the same."""
    holders = (loader, loader.sampler, loader.batch_sampler)
    generators = [getattr(holder, "generator", None) for holder in holders]
    states = [(each, each.get_state()) for each in generators if each is not None]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


def _joined(name, batches, classes) -> Part:
    """Read batches until there are enough samples to compare."""
    kept: list[Part] = []
    all_labels, hashes = [], []
    for batch in batches:
        inputs, labels = _split(name, batch)
        size = len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)
        if not size:
            continue
        if sum(len(part) for part in kept) < MOST_FOR_MODEL:
            whole = Part(inputs, labels, None, [])
            kept.append(whole.rows(_some(torch.arange(size), size)))
        hashes += _hashes(inputs, size)
        all_labels += [] if labels is None else [labels]
        if len(hashes) >= MOST_TO_HASH:
            break
    if not hashes:
        raise ValueError(f"{name} has no sample; give at least one")
    first = kept[0]
    if isinstance(first.inputs, dict):
        inputs = {key: torch.cat([part.inputs[key] for part in kept]) for key in first.inputs}
    else:
        inputs = torch.cat([part.inputs for part in kept])
    labels = None if first.labels is None else torch.cat([part.labels for part in kept])
    every = torch.cat(all_labels) if all_labels else None
    return Part(inputs, labels, every, hashes, classes).first(MOST_FOR_MODEL)


def _of_samples(name: str, samples: Samples) -> Part:
    """Return samples as a part; their indices tell a teacher's answers apart."""
    if not isinstance(samples.inputs, Tensor):
        what = f"{name} has inputs {described(samples.inputs)}"
        raise TypeError(f"{what}; give tensors, texts as their tokens")
    part = _joined(name, [(samples.inputs, samples.labels)], None)
    part.indices = _some(samples.indices, len(samples))
    return part


def _some(rows: Tensor, number: int) -> Tensor:
    """Return some rows in disorder: data are often sorted by class."""
    places = torch.randperm(number, generator=torch.Generator().manual_seed(0))
    return rows[places[:MOST_FOR_MODEL]]


def _split(name, batch):
    """Return inputs and labels of a batch; other entries of a pair are left out."""
    if isinstance(batch, dict) or hasattr(batch, "keys"):
        batch = {key: value for key, value in batch.items() if isinstance(value, Tensor)}
        labels = batch.pop("labels", batch.pop("label", None))
        return batch, labels
    if isinstance(batch, Tensor | np.ndarray):
        return torch.as_tensor(batch), None
    inputs, labels = batch[0], batch[1] if len(batch) > 1 else None
    if isinstance(inputs, dict) or hasattr(inputs, "keys"):
        inputs = {key: value for key, value in inputs.items() if isinstance(value, Tensor)}
        return inputs, None if labels is None else torch.as_tensor(labels)
    if not isinstance(inputs, Tensor | np.ndarray):
        what = f"{name} has inputs {described(inputs)}"
        raise TypeError(f"{what}; give tensors, texts as their tokens")
    return torch.as_tensor(inputs), None if labels is None else torch.as_tensor(labels)


def _hashes(inputs, size) -> list[str]:
    """Return a hash of each input; the numbers count, not how they are stored."""
    tables = inputs.values() if isinstance(inputs, dict) else [inputs]
    tables = [table.detach().cpu().reshape(size, -1).contiguous().numpy() for table in tables]
    return [
        hashlib.blake2b(
            b"|".join(table[row].tobytes() for table in tables), digest_size=16
        ).hexdigest()
        for row in range(size)
    ]


def _classes(dataset) -> tuple[str, ...] | None:
    while not hasattr(dataset, "classes") and hasattr(dataset, "dataset"):
        dataset = dataset.dataset  # a Subset of a folder
    classes = getattr(dataset, "classes", None)
    if isinstance(classes, list | tuple) and all(isinstance(each, str) for each in classes):
        return tuple(classes)
    return None
