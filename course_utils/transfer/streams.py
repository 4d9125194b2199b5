"""Pictures that are read while they are needed, and what a network makes of them.

Letters in shapes: N pictures, S height and width, D features, B pictures in a batch.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from course_utils.data.findings import DataError, shown
from course_utils.data.pictures import PictureError, picture_tensor
from course_utils.environment.machine import available_processors, progress_bar
from course_utils.features.extraction import text_features
from course_utils.features.keys import cached_answer
from course_utils.models.classifier import Backbone
from course_utils.models.inference import predict
from course_utils.models.surgery import folded
from course_utils.models.text import TextBackbone

CHUNK = 256  # inputs whose features are kept in one file of the cache
AT_ONCE = 32  # pictures that a worker hands over at once
MOST_WORKERS = 4


class Pictures(Dataset):
    """Pictures as tensors (3, S, S), uint8; one that cannot be read is a text that says why.

    Parameters
    ----------
    root : pathlib.Path
        The folder in which they lie.
    names : sequence of str
        Files relative to it.
    size : int
        S in pixels.
    """

    def __init__(self, root: Path, names: Sequence[str], size: int):
        self.root, self.names, self.size = root, list(names), size

    def __len__(self):
        return len(self.names)

    def __getitem__(self, place: int) -> Tensor | str:
        try:
            return picture_tensor(self.root / self.names[place], self.size)
        except PictureError as error:  # as a text: an error of a worker comes back as a page
            return f"{shown(self.names[place])} has changed since it was looked at: {error}"


def batches(pictures: Pictures, start: int = 0) -> Iterator[Tensor]:
    """Yield pictures from a position on, in order: (B, 3, S, S), values 0 to 1.

    Raises
    ------
    DataError
        If one can no longer be read.
    """
    left = len(pictures) - start
    workers = min(max(1, available_processors() - 1), MOST_WORKERS)
    loader = DataLoader(
        pictures,
        sampler=range(start, len(pictures)),
        batch_size=AT_ONCE,
        num_workers=workers if left > CHUNK else 0,  # for few, starting them takes longer
        collate_fn=_stacked,
    )
    for batch in loader:
        if isinstance(batch, str):
            raise DataError(batch)
        yield batch.float() / 255


def _stacked(pictures: list[Tensor | str]) -> Tensor | str:
    broken = next((each for each in pictures if isinstance(each, str)), None)
    return broken if broken is not None else torch.stack(pictures)


class _Reader:
    """Hands out pictures from any position; the loader goes on where it was."""

    def __init__(self, pictures: Pictures):
        self.pictures, self.place, self.stream = pictures, -1, iter(())

    def rows(self, first: int, number: int, make: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what ``make`` makes of the pictures ``first`` to ``first + number``."""
        if self.place != first:
            self.stream, self.place = batches(self.pictures, first), first
        found = []
        while self.place < first + number:
            batch = next(self.stream)
            found.append(make(batch))
            self.place += len(batch)
        return torch.cat(found)


def picture_rows(
    kind: str,
    model: object,
    pictures: Pictures,
    digests: Sequence[str] | None,
    make: Callable[[Tensor], Tensor],
) -> Tensor:
    """Compute a row for each picture, chunk by chunk; each chunk is kept in the cache.

    Parameters
    ----------
    kind : str
        Start of the names of the files.
    model : object
        All that decides what ``make`` makes of a picture, for the key of the cache.
    pictures : Pictures
        N of them.
    digests : sequence of N str, or None
        Content of each picture, for the key. None keeps nothing.
    make : callable
        Maps pictures (B, 3, S, S) to rows (B, ...).

    Returns
    -------
    torch.Tensor of shape (N, ...)
    """
    reader, rows = _Reader(pictures), []
    starts = range(0, len(pictures), CHUNK)
    for first in progress_bar(starts, kind, unit="chunk"):
        number = min(CHUNK, len(pictures) - first)
        compute = partial(reader.rows, first, number, make)
        asked = (pictures.size, tuple((digests or ())[first : first + number]))
        use = digests is not None
        rows.append(cached_answer(kind, model, asked, compute, use_cache=use))
    return torch.cat(rows)


def features_of(
    backbone: nn.Module,
    root: Path,
    values: Sequence[str],
    digests: Sequence[str] | None,
    length: int,
) -> Tensor:
    """Compute what a backbone says about pictures or texts: (N, D).

    Parameters
    ----------
    backbone : Backbone or TextBackbone
        It says what the inputs are.
    root : pathlib.Path
        The folder of the pictures.
    values : sequence of N str
        Files relative to it, or texts.
    digests : sequence of N str, or None
        Content of each input. None keeps nothing in the cache.
    length : int
        Pixels in height and width, or tokens.
    """
    if isinstance(backbone, Backbone):
        network, pictures = folded(backbone), Pictures(root, values, length)
        return picture_rows("features", backbone, pictures, digests, partial(predict, network))
    assert isinstance(backbone, TextBackbone)
    use = digests is not None
    starts = progress_bar(range(0, len(values), CHUNK), "features", unit="chunk")
    parts = [list(values[first : first + CHUNK]) for first in starts]
    rows = [text_features(backbone, part, max_tokens=length, use_cache=use) for part in parts]
    return torch.cat(rows)
