"""Work done once for each item, such as the training of a network for each seed."""

from collections.abc import Callable, Hashable, Iterable
from contextlib import closing
from functools import partial
from typing import Any

from course_utils.environment.arguments import check_number, described
from course_utils.environment.machine import progress_bar
from course_utils.experiments.runs import RunError
from course_utils.experiments.workers import Failure, run_all


def for_each(function: Callable[..., Any], items: Iterable, *, num_workers: int = 2) -> dict:
    """Call a function once for each item, several calls at the same time, and keep what it returns.

    `repeat` is for numbers that are compared; this is for what they are measured on, such as the
    source network of each seed. Each call has one thread, so what is returned does not depend on
    the number of workers.

    Parameters
    ----------
    function : callable
        Takes an item and returns what is to be kept. It comes back from another process as a copy.
    items : iterable of hashable
        All different, such as seeds.
    num_workers : int
        Processes at the same time; 1 stays in this process.

    Returns
    -------
    dict
        From each item to what was returned for it, in the order of the items.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If there are no items, one occurs twice, or there is less than one worker.
    RunError
        If a call fails; it has what was finished.

    Examples
    --------
    >>> for_each(abs, [-2, 3], num_workers=1)
    {-2: 2, 3: 3}
    """
    if not callable(function):
        raise TypeError(f"function is {described(function)}; give a function that takes an item")
    items = _checked_items(items)
    num_workers = check_number("num_workers", num_workers, low=1, whole=True)
    found: dict = {}
    runs = [partial(function, item) for item in items]
    with closing(run_all(runs, num_workers)) as outcomes:
        for place, outcome in progress_bar(outcomes, "items", unit="item", total=len(runs)):
            if isinstance(outcome, Failure):
                where = "a call" if place is None else f"the call number {place + 1}"
                what = f"{where} failed: {outcome.line}. {len(found)} of {len(items)} had finished"
                raise RunError(what, found) from outcome.cause
            found[items[place]] = outcome
    return {item: found[item] for item in items}


def _checked_items(items: Any) -> list[Hashable]:
    """Return items as a list; they become the keys of a dict."""
    try:
        items = list(items)
        different = len(set(items))
    except TypeError:
        what = f"items is {described(items)}; give a list of items that can be keys of a dict"
        raise TypeError(what) from None
    if not items or different < len(items):
        what = f"{len(items)} items, {different} of them different"
        raise ValueError(f"items has {what}; give one or more, each once")
    return items
