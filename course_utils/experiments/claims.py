"""Claims: sentences of a lesson that turn red when they stop being true."""

import json
import math
import os
from numbers import Real
from pathlib import Path
from typing import Any

from course_utils.environment.arguments import described


class ClaimError(AssertionError):
    """A measured value lies outside the band of its claim."""


def claim(
    sentence: str, value: float, *, low: float | None = None, high: float | None = None
) -> None:
    """Print that a sentence holds, or raise if the measured value is outside the band.

    What is printed does not contain the value, so that it stays the same from run to run. Each
    claim is noted in the file that the environment variable COURSE_LEDGER names, if any.

    Parameters
    ----------
    sentence : str
        What the lesson says.
    value : float
        What was measured.
    low, high : float, optional
        Ends of the band, both allowed values; at least one is needed.

    Raises
    ------
    ClaimError
        If the value is outside the band or is not a number.
    TypeError
        If the sentence is no text, or a value no number.
    ValueError
        If there is no band, or ``low`` is above ``high``.

    Examples
    --------
    >>> claim("Transfer helps.", 0.12, low=0.05)
    Claim holds: Transfer helps. (0.05 or more)
    """
    if not isinstance(sentence, str):
        raise TypeError(f"sentence is {described(sentence)}; give what the lesson says, a text")
    value = _number("value", value)
    ends = {"low": low, "high": high}
    low, high = (None if end is None else _number(name, end) for name, end in ends.items())
    is_band = None in (low, high) or low <= high  # with NaN, no
    if low is None and high is None or not is_band or math.isnan(sum(filter(None, (low, high)))):
        raise ValueError(f"the band is low={low}, high={high}; give low, high, or low <= high")
    place, band = _place(), _band(low, high)
    is_inside = (low is None or value >= low) and (high is None or value <= high)
    _note(place | {"sentence": sentence, "low": low, "high": high, "measured": value})
    if math.isnan(value) or not is_inside:
        where = f"{place['notebook'] or 'no notebook'}, cell {place['cell'] or '-'}"
        raise ClaimError(f"{sentence} Measured {value:.9g}, but the band is {band} ({where}).")
    print(f"Claim holds: {sentence} ({band})")


def _number(name: str, value: Any) -> float:
    """Return a number of any library as Python's own, which can be written to the ledger."""
    if not isinstance(value, Real) and not (hasattr(value, "item") and math.prod(value.shape) == 1):
        raise TypeError(f"{name} is {described(value)}; give one number")
    return float(value)


def _band(low: float | None, high: float | None) -> str:
    if low is None:
        return f"{high:g} or less"
    return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"


def _place() -> dict:
    """Name the notebook and the number of the cell that is running, where there is one."""
    notebook = os.environ.get("COURSE_NOTEBOOK") or os.environ.get("JPY_SESSION_NAME", "")
    try:
        # "In" starts with an empty entry; execution_count is one too high while a cell runs
        cell = len(get_ipython().user_ns["In"]) - 1
    except NameError:
        cell = None
    return {"notebook": Path(notebook).name, "cell": cell}


def _note(entry: dict) -> None:
    ledger = os.environ.get("COURSE_LEDGER")
    if ledger:
        with Path(ledger).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
