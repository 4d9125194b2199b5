"""Pictures of a task: some images of each class."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.environment.door import checked
from course_utils.environment.tensors import check_grey

SIZE_OF_TEXT = 11  # points


@checked
def draw_classes(
    images: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    ax: Axes,
    *,
    title: str,
    per_class: int = 8,
) -> Axes:
    """Draw some images of each class, one row for each class.

    Parameters
    ----------
    images : torch.Tensor of shape (N, C, H, W)
        Values from 0 to 1, one or three channels.
    labels : torch.Tensor of shape (N,), int64
        Class of each image.
    classes : sequence of K str
        Their names, written beside the rows.
    ax : matplotlib.axes.Axes
        Where to draw.
    title : str
        Written above.
    per_class : int
        Images in a row; a class with fewer leaves the rest white.

    Raises
    ------
    TypeError, ValueError
        If the inputs are no images from 0 to 1 with one or three channels, there is not one label
        for each, or ``per_class`` is below 1.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or per_class < 1:
        raise ValueError(
            f"images has shape {tuple(images.shape)} and per_class is {per_class}; "
            "a gallery needs (N, C, H, W) with C = 1 or 3, and per_class of 1 or more"
        )
    check_grey("images", images)
    if not classes:
        raise ValueError("classes is empty; give the name of each class")
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)} for {len(images)} images; give one for each"
        )
    canvas, gap = _canvas(images, labels, len(classes), per_class)
    height = images.shape[2]
    ax.imshow(canvas.numpy(), interpolation="nearest")
    rows = (np.arange(len(classes)) + 0.5) * (height + gap) - gap / 2
    ax.set_yticks(rows, classes, fontsize=SIZE_OF_TEXT)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=SIZE_OF_TEXT)
    return ax


def _canvas(images: Tensor, labels: Tensor, num_classes: int, per_class: int) -> tuple[Tensor, int]:
    """Lay images out in rows on white; return them with the pixels between two of them."""
    height, width = images.shape[2:]
    gap = max(1, height // 16)
    canvas = torch.ones(num_classes * (height + gap), per_class * (width + gap), 3)
    for row in range(num_classes):
        own = images[labels == row]
        # evenly spaced: neighbours in a data set often look alike
        chosen = np.linspace(0, len(own) - 1, min(per_class, len(own))).round()
        for column, image in enumerate(own[chosen.astype(int)]):
            top, left = row * (height + gap), column * (width + gap)
            rgb = image.expand(3, -1, -1).permute(1, 2, 0)
            canvas[top : top + height, left : left + width] = rgb
    return canvas, gap


def class_picture(images: Tensor, labels: Tensor, classes: Sequence[str], title: str) -> bytes:
    """Return the gallery as a PNG file for JupyterLab; for the arguments see `draw_classes`."""
    height = 0.4 + 0.68 * len(classes)  # inches: a title, and a row for each class
    figure = Figure(figsize=(6.5, height), layout="constrained")
    draw_classes(images, labels, classes, figure.subplots(), title=title)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
    return file.getvalue()
