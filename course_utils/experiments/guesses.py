"""A guess before an experiment, and what was measured, side by side."""

import math
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.environment.arguments import check_choice, check_number
from course_utils.environment.door import checked
from course_utils.environment.progress import NEAR, note_guess
from course_utils.experiments.estimates import Estimate

_MARK = "guess"  # by which a line is found again when the cell is run once more


@checked
def compare_guess(
    guess: Any,
    measured: float | Estimate,
    *,
    why: str,
    about: str = "guess",
    low: float = 0,
    high: float = 100,
    margin: float = 5,
    scale: float = 100,
    axes: Axes | None = None,
    along: str = "y",
) -> None:
    """Say whether a guess was near what was measured, too low or too high, and why many miss.

    A guess is near if it is not farther off than `margin`, or than half of the interval where
    that is wider. A learner's guess that is none gets one line and no error. As long as the three
    dots stand, the line is always the same, and nothing is drawn or kept.

    Parameters
    ----------
    guess : number, or ``...``
        What the learner wrote before the run.
    measured : float or Estimate
        What was measured.
    why : str
        One sentence: why many guess otherwise.
    about : str
        What was guessed; `course_utils.environment.progress` shows it.
    low, high : float
        Smallest and largest guess that makes sense, in the unit of the guess.
    margin : float
        How far off a guess may be and still be near, in the unit of the guess.
    scale : float
        What 1 of `measured` is in the unit of the guess: 100 where a share is guessed in percent.
    axes : matplotlib.axes.Axes, optional
        A figure in which the guess becomes a dotted line; one of an earlier cell is shown again.
    along : str
        The axis of the figure along which `measured` runs, ``"y"`` or ``"x"``.

    Raises
    ------
    TypeError
        If an argument other than the guess is of another kind.
    ValueError
        If what was measured is not finite, or the range is empty.

    Examples
    --------
    >>> compare_guess(..., 0.83, why="Many forget the test set.")
    No guess made.
    >>> compare_guess(60, Estimate(0.83, 0.81, 0.85, 5), why="Many forget the test set.")
    Your guess 60 is too low: measured 83 [81, 85]. Many forget the test set.
    """
    low, high = check_number("low", low), check_number("high", high)
    if not low < high:
        raise ValueError(f"low is {low}, high {high}; give low < high")
    margin, scale = check_number("margin", margin, low=0), check_number("scale", scale, above=0)
    check_choice("along", along, ("x", "y"))
    value, half, interval = _in_unit_of_the_guess(measured, scale)
    if guess is None or guess is Ellipsis:
        print("No guess made.")
        return
    try:
        guess = check_number("Your guess", guess, low=low, high=high)
    except (TypeError, ValueError) as error:  # a slip of the learner's: a line is enough
        print(f"{error}.")
        return
    verdict = _verdict(guess - value, max(margin, half))
    print(f"Your guess {guess:g} is {verdict}: measured {_shown(value)}{interval}. {why}")
    if axes is not None:
        _draw(axes, guess / scale, along, f"your guess: {guess:g}")
    if scale == 100 and 0 < guess < 1:  # a slip, most likely, so it does not count
        print(f"({guess:g} is read as a percent; for a share of {guess:g} write {100 * guess:g}.)")
    else:
        note_guess(about, verdict)


def _in_unit_of_the_guess(measured: float | Estimate, scale: float) -> tuple[float, float, str]:
    """Return what was measured, half of its interval, and the interval in words."""
    if not isinstance(measured, Estimate):
        return scale * check_number("measured", measured), 0.0, ""
    ends = [scale * end for end in (measured.low, measured.mean, measured.high)]
    if not all(map(math.isfinite, ends)):
        raise ValueError(f"measured is {measured}; give an estimate of finite numbers")
    lowest, value, highest = ends
    interval = f" [{_shown(lowest)}, {_shown(highest)}]"
    return value, (highest - lowest) / 2, interval


def _verdict(excess: float, margin: float) -> str:
    if abs(excess) <= margin:
        return NEAR
    return "too high" if excess > 0 else "too low"


def _shown(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


def _draw(axes: Axes, place: float, along: str, text: str) -> None:
    """Draw a dotted line with its text beside it, in place of one drawn before."""
    for old in [*axes.lines, *axes.texts]:
        if old.get_gid() == _MARK:
            old.remove()
    _make_room(axes, place, along)
    line: dict[str, Any] = {
        "color": "black",
        "linestyle": ":",
        "linewidth": 2,
        "label": text,
        "gid": _MARK,
    }
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
    if along == "y":
        axes.axhline(place, **line)
        spot: dict[str, Any] = {
            "xy": (0.02, place),
            "xycoords": ("axes fraction", "data"),
            "va": "bottom",
        }
    else:
        axes.axvline(place, **line)
        spot = {"xy": (place, 0.02), "xycoords": ("data", "axes fraction"), "ha": "right"}
        spot |= {"rotation": 90, "va": "bottom"}
    axes.annotate(text, **spot, bbox=box, gid=_MARK)
    _show_again(axes.get_figure(root=True))


def _make_room(axes: Axes, place: float, along: str) -> None:
    """Widen the axis until a place is inside of it, with room for the words."""
    limits, set_limits = (
        (axes.get_ylim, axes.set_ylim) if along == "y" else (axes.get_xlim, axes.set_xlim)
    )
    low, high = sorted(limits())
    room = 0.1 * (high - low)
    if place < low:
        set_limits(place - room, high)
    elif place > high:
        set_limits(low, place + room)


def _show_again(figure: Figure | None) -> None:
    """Show a figure that an earlier cell has shown already; pyplot still holds one of this cell."""
    if getattr(figure, "number", None) in plt.get_fignums():
        return
    try:
        shell = get_ipython()  # type: ignore[name-defined]
    except NameError:
        return
    data, metadata = shell.display_formatter.format(figure)
    shell.display_pub.publish(data, metadata)
