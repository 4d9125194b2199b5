"""Read the data of an audit, whatever they come in: samples, tensors, or a DataLoader."""

import hashlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from course_utils.audit.generators import generators_kept
from course_utils.audit.parts import Part, part_of
from course_utils.data.samples import Samples
from course_utils.environment.arguments import described

MOST_FOR_MODEL = 256  # samples that go through the model
MOST_TO_HASH = 50_000  # samples that are compared with those of other parts
EXACT = 2**24  # up to here float32 has each whole number


def as_part(
    name: str, data: Any, *, most: int = MOST_TO_HASH, end: float = math.inf, hashed: bool = True
) -> Part | None:
    """Return data as a part.

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    data : Samples, (inputs, labels), torch.Tensor, DataLoader or None
        What the user has. Of a loader, batches are ``(inputs, labels)``, or a dict with ``labels``.
    most : int
        Of a loader no batch is read after so many samples.
    end : float
        Nor after this time of `time.monotonic`; the first batch is read in any case.
    hashed : bool
        Whether samples will be compared with those of other parts.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If there is no sample, or not one label for each.
    RuntimeError
        If the loader raises an error.
    """
    if data is None:
        return None
    if isinstance(data, DataLoader):
        with generators_kept(data):
            batches = _read(name, data)
            return _joined(name, batches, (most, end, hashed), _classes(data.dataset))
    if isinstance(data, Samples):
        return _of_samples(name, data, hashed)
    is_pair = isinstance(data, tuple | list) and len(data) == 2
    if not is_pair and not isinstance(data, Tensor | np.ndarray) and not hasattr(data, "keys"):
        what, it = f"{name} is {described(data)}", "it in " if isinstance(data, Dataset) else ""
        more = " without more" if isinstance(data, tuple | list) and len(data) > 2 else ""
        raise TypeError(f"{what}; give Samples, a pair (inputs, labels){more}, or {it}a DataLoader")
    return _joined(name, [data], (MOST_TO_HASH, math.inf, hashed), None)


def _read(name: str, loader: DataLoader) -> Iterator[Any]:
    """Yield batches; what a foreign data set raises may hold data, so it is only named."""
    try:
        yield from loader
    except Exception as error:
        what = f"{name} cannot be read: its loader raises {type(error).__name__}"
        raise RuntimeError(f"{what}; look at next(iter(loader)) alone") from error


def _joined(name: str, batches: Iterable, limits: tuple, classes: Any) -> Part:
    """Read batches until there are enough samples to compare."""
    most, end, hashed = limits
    kept: list[Part] = []
    labels: list[Tensor] = []
    hashes: list[str] = []
    read, is_whole = 0, True
    for batch in batches:
        if read and (read >= most or time.monotonic() > end):
            is_whole = False
            break
        part = part_of(name, batch)
        size = len(part)
        if not size:
            continue
        if sum(map(len, kept)) < MOST_FOR_MODEL:
            kept.append(part.rows(_some(torch.arange(size), size)))
        hashes += _hashes(part.inputs, MOST_TO_HASH - read) if hashed else []
        labels += [] if part.labels is None else [part.labels]
        read += size
    if not read:
        raise ValueError(f"{name} has no sample; give at least one")
    whole = _put_together(kept)
    same = len({each.shape[1:] for each in labels}) == 1
    every = torch.cat(labels) if same else whole.labels
    whole = replace(whole, all_labels=every, hashes=hashes, classes=classes, is_whole=is_whole)
    return whole.first(MOST_FOR_MODEL)


def _put_together(kept: list[Part]) -> Part:
    """Join batches; of those that differ in shape, the ones that are as the first."""
    if isinstance(kept[0].inputs, dict) and "attention_mask" in kept[0].inputs:
        kept = _padded(kept)
    shapes = [_shapes(part) for part in kept]
    kept = [part for part, shape in zip(kept, shapes, strict=True) if shape == shapes[0]]
    first = kept[0]
    if isinstance(first.inputs, dict):
        inputs = {key: torch.cat([part.inputs[key] for part in kept]) for key in first.inputs}
    else:
        inputs = torch.cat([part.inputs for part in kept])
    return Part(inputs, None if first.labels is None else torch.cat([part.labels for part in kept]))


def _shapes(part: Part) -> dict[str, Any]:
    """Return shape and type of one sample."""
    tables = part.inputs if isinstance(part.inputs, dict) else {"inputs": part.inputs}
    tables = tables | ({} if part.labels is None else {"its labels": part.labels})
    return {key: (table.shape[1:], table.dtype) for key, table in tables.items()}


def _padded(kept: list[Part]) -> list[Part]:
    """Return batches of tokens with rows of one length: each was padded to its own longest."""
    longest = max(part.inputs["attention_mask"].shape[-1] for part in kept)

    def pad(table, length, value):
        if table is None or table.ndim != 2 or table.shape[1] != length:
            return table
        return torch.nn.functional.pad(table, (0, longest - length), value=value)

    found = []
    for part in kept:
        length = part.inputs["attention_mask"].shape[-1]
        inputs = {key: pad(table, length, 0) for key, table in part.inputs.items()}
        found.append(Part(inputs, pad(part.labels, length, -100)))  # what cross-entropy leaves out
    return found


def _of_samples(name: str, samples: Samples, hashed: bool) -> Part:
    """Return samples as a part; their indices tell a teacher's answers apart."""
    if not isinstance(samples.inputs, Tensor):
        what = f"{name} has inputs {described(samples.inputs)}"
        raise TypeError(f"{what}; give tensors, texts as their tokens")
    unknown = samples.labels.isnan() if samples.labels.is_floating_point() else samples.labels == -1
    unknown = unknown.flatten(1).all(1) if unknown.ndim > 1 else unknown
    known = samples.select(~unknown) if unknown.any() and not unknown.all() else samples
    pair = (known.inputs, None if unknown.all() and len(unknown) else known.labels)
    part = _joined(name, [pair], (MOST_TO_HASH, math.inf, False), None)
    part.hashes = _hashes(samples.inputs, MOST_TO_HASH) if hashed else []
    part.indices = _some(known.indices, len(known))
    return part


def _some(rows: Tensor, number: int) -> Tensor:
    """Return some rows in disorder: data are often sorted by class."""
    places = torch.randperm(number, generator=torch.Generator().manual_seed(0))
    return rows[places[:MOST_FOR_MODEL]]


def _hashes(inputs: Any, most: int) -> list[str]:
    """Return a hash of each input; the numbers count, not how they are stored."""
    tables = list(inputs.values()) if isinstance(inputs, dict) else [inputs]
    found = []
    for places in torch.arange(min(len(tables[0]), max(most, 0))).split(1024):
        rows = [_as_stored_alike(table[places]) for table in tables]
        for row in range(len(places)):
            joined = b"|".join(table[row].tobytes() for table in rows)
            found.append(hashlib.blake2b(joined, digest_size=16).hexdigest())
    return found


def _as_stored_alike(table: Tensor) -> np.ndarray:
    """Return float32 for all real numbers, but for whole ones that do not fit into it."""
    table = torch.view_as_real(table) if table.is_complex() else table
    table = table.reshape(len(table), -1).cpu()
    if table.dtype == torch.int64 and table.numel() and table.abs().max() > EXACT:
        return table.numpy()
    return table.float().contiguous().numpy()


def _classes(dataset: Any) -> tuple[str, ...] | None:
    while not hasattr(dataset, "classes") and hasattr(dataset, "dataset"):
        dataset = dataset.dataset  # a Subset of a folder
    classes = getattr(dataset, "classes", None)
    if isinstance(classes, list | tuple) and all(isinstance(each, str) for each in classes):
        return tuple(classes)
    return None
