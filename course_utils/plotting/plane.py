"""Pictures of an objective with two weights: contours of L, balls of R, and paths of w.

Letters in shapes: M points in the plane of the two weights.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Circle, Polygon
from torch import Tensor

from course_utils.data.gallery import SIZE_OF_TEXT
from course_utils.environment.arguments import check_choice, check_number, described
from course_utils.environment.door import checked
from course_utils.plotting.curves import COLOURS, look

GRID = 120  # points along each side: the contours look smooth


# heights of the contour lines, as shares of the highest point; denser near the minimum
LEVELS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.55, 0.8)


@checked
def draw_contours(
    loss: Callable[[Tensor], Tensor],
    ax: Axes,
    *,
    first: tuple[float, float],
    second: tuple[float, float],
    through: Tensor | None = None,
) -> Axes:
    """Draw lines of equal loss over the plane of two weights.

    Parameters
    ----------
    loss : callable
        Maps weights (M, 2) to losses (M,).
    ax : matplotlib.axes.Axes
        Where to draw.
    first, second : tuple of float
        Smallest and largest value of the first and of the second weight.
    through : torch.Tensor of shape (2,), optional
        Weights; the line of equal loss through them is drawn dark.

    Raises
    ------
    TypeError, ValueError
        If an end is no number, or ``loss`` does not give one finite number for each point, or
        gives the same for all.
    """
    ends = (_ends("first", first), _ends("second", second))
    points = torch.cartesian_prod(*(torch.linspace(*pair, GRID) for pair in ends))
    dark = None if through is None else torch.tensor([_place("through", through)])
    heights = loss(points).detach()
    if heights.shape != points.shape[:1]:
        raise ValueError(
            f"loss gives shape {tuple(heights.shape)} for {tuple(points.shape)} weights; "
            f"it must give one number for each row, shape {tuple(points.shape[:1])}"
        )
    if not heights.isfinite().all() or heights.min() == heights.max():
        raise ValueError(
            f"loss lies between {heights.min():g} and {heights.max():g} in this part of the plane; "
            "lines of equal loss need finite numbers that differ"
        )
    columns, rows, heights = (t.reshape(GRID, GRID).numpy() for t in (*points.T, heights))
    lowest, highest = heights.min(), heights.max()
    levels = lowest + np.array(LEVELS) * (highest - lowest)
    ax.contour(columns, rows, heights, levels=levels, colors="0.65", linewidths=0.9)
    if dark is not None:
        own = [loss(dark).item()]
        ax.contour(columns, rows, heights, levels=own, colors="black", linewidths=1.5)
    ax.set_aspect("equal")
    ax.set_xlabel("first weight", fontsize=SIZE_OF_TEXT)
    ax.set_ylabel("second weight", fontsize=SIZE_OF_TEXT)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


@checked
def draw_ball(norm: str, centre: Tensor, radius: float, ax: Axes) -> Axes:
    """Draw the weights that lie as far from a centre as ``radius``.

    Parameters
    ----------
    norm : {'L1', 'L2'}
        Sum of absolute differences (a diamond) or length of the difference (a circle).
    centre : torch.Tensor of shape (2,)
        Zeros, or the source weights.
    radius : float
        Distance from the centre, in the unit of the weights.
    ax : matplotlib.axes.Axes
        Where to draw.

    Raises
    ------
    TypeError, ValueError
        If the norm is unknown, the centre is no point, or the radius is negative.
    """
    check_choice("norm", norm, ("L1", "L2"))
    check_number("radius", radius, low=0)
    x, y = _place("centre", centre)
    style = {"facecolor": COLOURS[0], "alpha": 0.2, "edgecolor": COLOURS[0], "linewidth": 1.5}
    if norm == "L2":
        ax.add_patch(Circle((x, y), radius, **style))
    else:
        corners = [(x + radius, y), (x, y + radius), (x - radius, y), (x, y - radius)]
        ax.add_patch(Polygon(corners, **style))
    return ax


@checked
def draw_path(
    points: Tensor, ax: Axes, *, label: str, number: int = 0, texts: Sequence[str] = ()
) -> Axes:
    """Draw how weights move: a line with a marker at each point, and a ring at the last.

    Parameters
    ----------
    points : torch.Tensor of shape (M, 2)
        Weights, in order.
    ax : matplotlib.axes.Axes
        Where to draw.
    label : str
        For the legend.
    number : int
        Number of the path in its figure, which gives colour, marker and line style.
    texts : sequence of M str, optional
        Written beside the points; empty texts leave a point bare.

    Raises
    ------
    TypeError, ValueError
        If these are no points, or there is not one text for each.
    """
    if texts and len(texts) != len(points):
        raise ValueError(f"texts has {len(texts)} entries for {len(points)} points; give one each")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points has shape {tuple(points.shape)}; give weights (M, 2)")
    x, y = points.T.tolist()
    ax.plot(x, y, label=label, markersize=4, linewidth=1.2, **look(number))
    for place in zip(texts, x, y, strict=False):
        _write(*place, ax, offset=(8, -4))
    ax.plot(x[-1:], y[-1:], "o", markersize=11, markerfacecolor="none", color=look(number)["color"])
    return ax


@checked
def draw_point(
    point: Tensor, ax: Axes, *, text: str, marker: str = "*", below: bool = False
) -> Axes:
    """Mark a point of the plane and write a text beside it.

    Parameters
    ----------
    point : torch.Tensor of shape (2,)
        Weights.
    ax : matplotlib.axes.Axes
        Where to draw.
    text : str
        What the point is.
    marker : str
        Shape of the mark, as in matplotlib.
    below : bool
        Write the text below the mark, not above it.

    Raises
    ------
    TypeError, ValueError
        If this is no point, or matplotlib has no such mark.
    """
    x, y = _place("point", point)
    try:
        MarkerStyle(marker)
    except ValueError:
        raise ValueError(f"marker is {marker!r}; give one of matplotlib, such as '*'") from None
    ax.plot(x, y, marker=marker, color="black", markersize=10)
    _write(text, x, y, ax, offset=(8, -14 if below else 4))
    return ax


def _ends(name: str, pair: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the largest value of a weight."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise TypeError(f"{name} is {described(pair)}; give the smallest and the largest value")
    low = check_number(name, pair[0])
    return low, check_number(name, pair[1], above=low)


def _place(name: str, point: Tensor) -> tuple[float, float]:
    """Return the two coordinates of a point."""
    if point.shape != (2,):
        raise ValueError(f"{name} has shape {tuple(point.shape)}; give two weights, shape (2,)")
    return tuple(point.tolist())


def _write(text: str, x: float, y: float, ax: Axes, *, offset: tuple[int, int]) -> None:
    """Write a text beside a point; the offset is in points of a letter's size."""
    place = {"xytext": offset, "textcoords": "offset points"}
    ax.annotate(text, (x, y), fontsize=SIZE_OF_TEXT, **place)
