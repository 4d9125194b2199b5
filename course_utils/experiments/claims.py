"""Claims: sentences of a lesson that turn red when they stop being true."""

import json
import math
import os
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

from course_utils.environment.arguments import described
from course_utils.environment.running_cell import cell_number, notebook_name
from course_utils.experiments.estimates import Estimate


class ClaimError(AssertionError):
    """A measured value lies outside the band of its claim."""


def claim(
    sentence: str,
    value: float | Estimate,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    within: tuple[float, float] | None = None,
) -> None:
    """Print that a sentence holds, or raise if what was measured does not bear it.

    One number, such as a count, is claimed by a band, `low` and `high`. An estimate is claimed by
    its interval: "better" is `above`, "worse" is `below`, and "level" is `within` a margin that was
    said beforehand. So a mean cannot be claimed by accident.

    What is printed does not contain the value, so that it stays the same from run to run. Each
    claim is noted in the file that the environment variable COURSE_LEDGER names, if any.

    Parameters
    ----------
    sentence : str
        What the lesson says.
    value : float or Estimate
        What was measured.
    low, high : float, optional
        For one number: ends of the band, both allowed values.
    above : float, optional
        For an estimate: what the low end of its interval must exceed.
    below : float, optional
        For an estimate: what the high end of its interval must stay under.
    within : (float, float), optional
        For an estimate: ends of the margin that must contain the whole interval.

    Raises
    ------
    ClaimError
        If the value, or its interval, is outside the band or is not a number.
    TypeError
        If the sentence is no text, a value no number, or the band is not one for this value.
    ValueError
        If there is no band, two kinds of it, or its low end is above the high one.

    Examples
    --------
    >>> claim("There are five classes.", 5, low=5, high=5)
    Claim holds: There are five classes. (5 to 5)
    >>> claim("Transfer helps.", Estimate(0.12, 0.08, 0.16, 5), above=0.05)
    Claim holds: Transfer helps. (whole interval above 0.05)
    """
    if not isinstance(sentence, str):
        raise TypeError(f"sentence is {described(sentence)}; give what the lesson says, a text")
    given = {"low": low, "high": high, "above": above, "below": below, "within": within}
    given = {name: end for name, end in given.items() if end is not None}
    place = _place()
    if isinstance(value, Estimate):
        band, number, ends = _interval_band(given), value.mean, (value.low, value.high)
        interval = f"{ends[0]:.9g} to {ends[1]:.9g}"
    else:
        number = _number("value", value)
        band, ends, interval = _number_band(given), (number, number), ""
    entry = {"sentence": sentence, **band.as_dict(), "measured": number, "interval": interval}
    _note(place | entry)
    if not band.contains(*ends):  # with NaN, too
        where = f"{place['notebook'] or 'no notebook'}, cell {place['cell'] or '-'}"
        measured = interval or f"{number:.9g}"
        raise ClaimError(f"{sentence} Measured {measured}, but the band is {band} ({where}).")
    print(f"Claim holds: {sentence} ({band})")


class _Band(NamedTuple):
    """What a value or a whole interval must be in; the ends belong to it, unless it is open."""

    low: float
    high: float
    of_interval: bool = False
    is_open: bool = False

    def contains(self, low: float, high: float) -> bool:
        if self.is_open:
            return self.low < low and high < self.high
        return self.low <= low and high <= self.high

    def as_dict(self) -> dict:
        ends = {"low": self.low, "high": self.high}
        return {name: end if math.isfinite(end) else None for name, end in ends.items()}

    def __str__(self):
        whole = "whole interval " if self.of_interval else ""
        if self.low == -math.inf:
            return whole + (f"below {self.high:g}" if self.is_open else f"{self.high:g} or less")
        if self.high == math.inf:
            return whole + (f"above {self.low:g}" if self.is_open else f"{self.low:g} or more")
        return whole + f"{self.low:g} to {self.high:g}"


def _number_band(given: dict) -> _Band:
    named = ", ".join(f"{name}={end}" for name, end in given.items()) or "missing"
    if given.keys() - {"low", "high"}:
        what = f"value is one number, the band {named}"
        raise TypeError(f"{what}; give an Estimate, such as results.estimate(...), or low and high")
    band = _Band(
        _number("low", given.get("low", -math.inf)), _number("high", given.get("high", math.inf))
    )
    if not given or not band.low <= band.high:
        raise ValueError(f"the band is {named}; give low, high, or low <= high")
    return band


def _interval_band(given: dict) -> _Band:
    named = ", ".join(f"{name}={end}" for name, end in given.items()) or "missing"
    if given.keys() - {"above", "below", "within"}:
        what = f"value is an Estimate, the band {named}"
        raise TypeError(f"{what}; give above, below or within: a mean alone is no claim")
    if len(given) != 1:
        raise ValueError(f"the band is {named}; give one of above, below and within")
    pair = given.get("within", (given.get("above", -math.inf), given.get("below", math.inf)))
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"within is {described(pair)}; give a pair (low, high)")
    (name,) = given
    low, high = (_number(name, end) for end in pair)
    band = _Band(low, high, of_interval=True, is_open=name != "within")
    if not band.low <= band.high:
        raise ValueError(f"the band is {named}; give numbers, low <= high")
    return band


def _number(name: str, value: Any) -> float:
    """Return a number of any library as Python's own, which can be written to the ledger."""
    if not isinstance(value, Real) and not (hasattr(value, "item") and math.prod(value.shape) == 1):
        raise TypeError(f"{name} is {described(value)}; give one number")
    return float(value)


def _place() -> dict:
    """Name the notebook and the number of the cell that is running, where there is one."""
    return {"notebook": notebook_name(), "cell": cell_number()}


def _note(entry: dict) -> None:
    ledger = os.environ.get("COURSE_LEDGER")
    if ledger:
        with Path(ledger).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
