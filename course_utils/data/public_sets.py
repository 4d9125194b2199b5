"""Public data sets that are too large for a package: read from a folder, fetched only when asked.

torchvision knows where their files come from, and by their MD5 whether they are whole.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_utils.data.samples import Samples
from course_utils.data.splits import split_parts
from course_utils.data.tasks import Task
from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked

# sizes of what is fetched, in MB, and what stands in the folder afterwards
FILES = {
    "CIFAR10": (170, "cifar-10-batches-py"),
    "FashionMNIST": (31, "FashionMNIST"),
}


@checked
def load_cifar10(folder: str | Path, *, download: bool = False, split_seed: int = 0) -> Task:
    """Load CIFAR-10: 60,000 photos of ten kinds of things, 32 x 32 pixels in colour.

    Test is the official one of 10,000. Of the 50,000 others 15 %, drawn within each class, are
    validation. As float32 the task fills 0.75 GB: take fewer with ``few_shot`` or
    ``subset_of_classes``.

    Parameters
    ----------
    folder : str or pathlib.Path
        Has ``cifar-10-batches-py``, the unpacked "python version" of the data set.
    download : bool
        Fetch the data into the folder if they are not there, 170 MB.
    split_seed : int
        0 or more; another seed gives another validation.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.
    OSError
        If a file is missing or damaged, or cannot be fetched; the message says what to do.
    """
    return _load(
        "CIFAR10",
        Path(folder),
        download,
        check_number("split_seed", split_seed, low=0, whole=True),
        name="what is in the photo (CIFAR-10)",
        units="red, green and blue from 0 to 1",
        licence="not stated; offered for research by its authors",
        source="Krizhevsky 2009, Learning multiple layers of features from tiny images",
    )


@checked
def load_fashion_mnist(folder: str | Path, *, download: bool = False, split_seed: int = 0) -> Task:
    """Load Fashion-MNIST: 70,000 grey pictures of ten kinds of clothes, 28 x 28 pixels.

    Parts as in `load_cifar10`, of 60,000 and 10,000 images; 0.22 GB as float32.

    Parameters
    ----------
    folder : str or pathlib.Path
        Has ``FashionMNIST/raw`` with the four files that end with ``.gz``.
    download : bool
        Fetch the data into the folder if they are not there, 31 MB.
    split_seed : int
        0 or more; another seed gives another validation.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.
    OSError
        If a file is missing or damaged, or cannot be fetched; the message says what to do.
    """
    return _load(
        "FashionMNIST",
        Path(folder),
        download,
        check_number("split_seed", split_seed, low=0, whole=True),
        name="which piece of clothing (Fashion-MNIST)",
        units="grey value 0 (black) to 1 (white)",
        licence="MIT",
        source="Xiao et al. 2017, arXiv:1708.07747",
    )


def _load(kind: str, folder: Path, download: bool, split_seed: int, **about: Any) -> Task:
    """Read both parts of a data set of torchvision, and draw validation from the first."""
    if not folder.is_dir():
        raise FileNotFoundError(f"folder is {str(folder)!r}, which is no folder; make it first")
    if not _is_whole(kind, folder):
        _fetch(kind, folder, download)
    learned, tested = _read(kind, folder)
    (pixels, labels), (test_pixels, test_labels) = _numbers(learned), _numbers(tested)
    drawn = split_parts(labels, split_seed)["validation"]
    is_drawn = torch.zeros(len(labels), dtype=torch.bool).index_fill_(0, drawn, True)
    places = torch.arange(len(labels) + len(test_labels))
    parts = {
        "train": (pixels[~is_drawn], labels[~is_drawn], places[: len(labels)][~is_drawn]),
        "validation": (pixels[is_drawn], labels[is_drawn], places[: len(labels)][is_drawn]),
        "test": (test_pixels, test_labels, places[len(labels) :]),
    }
    samples: dict[str, Any] = {
        part: Samples(x.float() / 255, y, None, i) for part, (x, y, i) in parts.items()
    }
    return Task(classes=tuple(learned.classes), **samples, **about)


def _numbers(found) -> tuple[Tensor, Tensor]:
    """Return pixels (N, C, H, W), uint8, and labels (N,) of a data set of torchvision."""
    pixels = torch.as_tensor(found.data)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return pixels, torch.as_tensor(found.targets)


def _is_whole(kind: str, folder: Path) -> bool:
    """Say whether each file is there and has its MD5."""
    from torchvision import datasets  # takes seconds to import
    from torchvision.datasets.utils import check_integrity

    known = getattr(datasets, kind)
    if kind == "CIFAR10":
        meta = known.meta["filename"], known.meta["md5"]
        files = [*known.train_list, *known.test_list, meta]
        inside = folder / known.base_folder
    else:
        files, inside = known.resources, folder / kind / "raw"
    return all(check_integrity(str(inside / name), md5) for name, md5 in files)


def _read(kind: str, folder: Path) -> list:
    """Let torchvision read the two parts of a data set whose files are whole."""
    from torchvision import datasets

    known = getattr(datasets, kind)
    if kind == "CIFAR10":
        return [known(folder, train=train) for train in (True, False)]
    # what was unpacked earlier has no checksum: unpack the files that have one, in another place
    with tempfile.TemporaryDirectory() as apart:
        shutil.copytree(
            folder / kind / "raw",
            Path(apart, kind, "raw"),
            ignore=lambda _, names: {name for name in names if not name.endswith(".gz")},
        )
        return [known(apart, train=train, download=True) for train in (True, False)]


def _fetch(kind: str, folder: Path, download: bool) -> None:
    """Fetch a data set into a folder, whole or not at all."""
    from torchvision import datasets

    size, inside = FILES[kind]
    place = folder / inside
    found = f"folder is {str(folder)!r}, where {inside} is "
    if place.exists():
        raise OSError(f"{found}not whole, or damaged; delete {str(place)!r} and fetch it anew")
    if not download:
        raise FileNotFoundError(
            f"{found}missing; where the internet is there, give download=True ({size} MB), else "
            "copy it there from another machine, or take load_mnist(), which is installed"
        )
    try:
        with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as apart:
            getattr(datasets, kind)(apart, download=True)
            Path(apart, inside).replace(place)
    except (OSError, RuntimeError) as error:  # the second is torchvision's for a wrong checksum
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise OSError(
            f"{found}missing and could not be fetched ({reason}); check the connection and the "
            "space, or copy it there from another machine"
        ) from error
