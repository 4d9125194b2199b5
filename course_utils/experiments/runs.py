"""Experiments: the same run over several seeds, and what it shows."""

import math
import reprlib
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from numbers import Integral, Number, Real

import numpy as np
import torch

from course_utils.environment.arguments import described
from course_utils.environment.machine import progress_bar
from course_utils.experiments.estimates import Draws, checked_bounds, checked_draws
from course_utils.experiments.results import Results
from course_utils.experiments.workers import Failure, run_all

ALLOWED = "return a dict from (arm, size or measure) to a number"


class RunError(RuntimeError, ValueError):
    """A run of an experiment failed; its cause, where there is one, is in ``__cause__``.

    Parameters
    ----------
    message : str
        Names the seed and the case, what was found, and what to do.
    finished : dict
        What is not lost: for each seed of which a run had finished, its dict from
        ``(arm, column)`` to a number. ``Results(list(error.finished.values()), draws)`` makes
        results of them, if no case is missing. After a cell that failed, ``sys.last_value`` is
        the error.
    """

    def __init__(self, message: str, finished: dict | None = None):
        super().__init__(message)
        self.finished = finished or {}


def repeat(
    function: Callable[..., dict],
    seeds: Iterable[int],
    *,
    draws: Draws,
    cases: Iterable | None = None,
    num_workers: int = 2,
    bounds: tuple[float, float] | dict | None = None,
) -> Results:
    """Run an experiment once for each seed, several runs at the same time.

    Each run has one thread, whatever the number of workers, so results do not depend on it.
    A run that calls `repeat` itself does the inner runs in its own process, one after the other.
    After a run that failed no other one starts; what has finished is kept in the error. That of
    Ctrl-C, too, has an attribute ``finished``.

    Parameters
    ----------
    function : callable
        Takes a seed, returns a dict from ``(arm, column)`` to a number; a column is a size, such as
        labels per class, or the name of a measure. With `cases` it takes a case and a seed.
    seeds : iterable of int
        At least two, all different: a seed that counts twice would make the interval too narrow.
    draws : Draws
        What the seeds draw: ``Draws.starts()``, ``Draws.labels(pool=...)`` or
        ``Draws.splits(train=..., test=...)``. Where runs share samples, intervals get wider.
    cases : iterable, optional
        What else varies, such as methods or sizes; each case measures its own arms or sizes. Each
        case with each seed is a run of its own, so no worker waits for another that has many
        arms left. Give the longest case first.
    num_workers : int
        Processes at the same time; 1 stays in this process. A cluster has its own number.
    bounds : (float, float) or dict, optional
        What values are possible, as in `Results`.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If there are fewer than two seeds, a seed occurs twice, or less than one worker or no case
        is given.
    RunError
        If a run fails, returns something else than numbers, or its process dies; if two cases
        measure the same arm at the same size, or two seeds of a case not the same arms. It has
        what was finished.

    Notes
    -----
    On other machines the same call runs through a backend of joblib; results are the same to the
    last digit if processors and libraries are. For a Dask cluster (the package ``distributed``)::

        with Client("scheduler:8786"), joblib.parallel_config(backend="dask"):
            repeat(function, seeds, draws=draws)

    Each worker needs this package, and one thread: threads of one process would share torch's
    random numbers (``LocalCluster(threads_per_worker=1)``, ``dask worker --nthreads 1``). After a
    run that failed, what a worker had already been given may still be done, and is not kept.

    Examples
    --------
    >>> def power(exponent, seed):
    ...     return {("power", exponent): seed**exponent}
    >>> runs = dict(cases=(2, 1), num_workers=1)
    >>> repeat(power, range(2, 4), draws=Draws.starts(), **runs).values("power", 2).tolist()
    [4, 9]
    """
    seeds, draws = _checked_seeds(seeds), checked_draws(draws)
    for each in bounds.values() if isinstance(bounds, dict) else [bounds]:
        checked_bounds(each)
    given = [()] if cases is None else [(case,) for case in _checked_cases(cases)]
    _check_call(function, seeds, num_workers)
    arguments = [(*case, seed) for case in given for seed in seeds]
    found = _find(function, arguments, int(num_workers))
    rows = _rows(seeds, arguments, found)
    try:
        return Results(rows, draws, bounds)
    except ValueError as error:
        raise _run_error(str(error), arguments, found) from None


def _find(function, arguments, num_workers):
    """Return what each run found, in order."""
    runs = [partial(_measure, function, *each) for each in arguments]
    found = {}
    try:
        with closing(run_all(runs, num_workers)) as outcomes:
            for place, outcome in progress_bar(outcomes, "runs", unit="run", total=len(runs)):
                if isinstance(outcome, Failure):
                    name = "a run" if place is None else _name(arguments[place])
                    what = f"{name} failed: {outcome.line}"
                    raise _run_error(what, arguments, found) from outcome.cause
                found[place] = outcome
    except (KeyboardInterrupt, SystemExit) as error:
        error.finished = _by_seed(arguments, found)
        error.add_note(_kept(arguments, found))
        raise
    return found


def _rows(seeds, arguments, found):
    """Put together what the cases measured for each seed; all seeds must have measured the same."""
    rows = {seed: {} for seed in seeds}
    for place, (*case, seed) in enumerate(arguments):
        measured, name = found[place], _name(arguments[place])
        expected = found[place // len(seeds) * len(seeds)]  # what the first seed of the case found
        for key in sorted(measured.keys() ^ expected.keys(), key=str)[:1]:
            what = f"{name} {'measures' if key in measured else 'does not measure'} {key}"
            what += f", other than seed {seeds[0]}; let all seeds measure the same"
            raise _run_error(what, arguments, found)
        for key in sorted(rows[seed].keys() & measured.keys(), key=str)[:1]:
            what = f"case {_short(*case)} measures {key}, as a case before it does"
            what += "; let each case measure its own arms or sizes"
            raise _run_error(what, arguments, found)
        rows[seed] |= measured
    return list(rows.values())


def _measure(function, *arguments):
    """Do one run, and return its measurements as plain numbers."""
    found = function(*arguments)
    if not isinstance(found, dict) or not found:
        what = "an empty dict" if isinstance(found, dict) else _short(found)
        raise TypeError(f"it returned {what}; {ALLOWED}")
    return {_checked_key(key): _checked_value(key, value) for key, value in found.items()}


def _checked_key(key):
    is_pair = isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], Real | str)
    if not is_pair or key[1] != key[1]:  # NaN
        raise TypeError(f"it returned a dict with the key {_short(key)}; {ALLOWED}")
    return key


def _checked_value(key, value):
    """Return a measurement that is a number; what is infinite may stand for "never"."""
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real | np.bool_) or math.isnan(value):
        raise TypeError(f"it returned {_short(value)} for {_short(key)}; {ALLOWED}")
    is_known = isinstance(value, int | float | np.number | np.bool_)
    return value if is_known else float(value)  # a fraction, for example


def _checked_seeds(seeds):
    try:
        seeds = list(seeds.tolist() if hasattr(seeds, "tolist") else seeds)
    except TypeError:
        raise TypeError(f"seeds is {_short(seeds)}; give whole numbers, such as range(5)") from None
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, Integral):
            raise TypeError(f"seeds has {described(seed)}; give whole numbers, such as range(5)")
    return [int(seed) for seed in seeds]


def _checked_cases(cases):
    if isinstance(cases, str | bytes) or not isinstance(cases, Iterable):
        raise TypeError(f"cases is {_short(cases)}; give a list of cases, or leave it out")
    cases = list(cases)
    if not cases:
        raise ValueError("cases is empty; give one or more, or leave it out")
    return cases


def _check_call(function, seeds, num_workers):
    if not callable(function):
        raise TypeError(f"function is {_short(function)}; give a function that takes a seed")
    if isinstance(num_workers, bool) or not isinstance(num_workers, Integral):
        raise TypeError(f"num_workers is {_short(num_workers)}; give a whole number from 1 on")
    if len(set(seeds)) < max(2, len(seeds)) or num_workers < 1:
        raise ValueError(
            f"seeds is {reprlib.repr(seeds)} and num_workers {num_workers}; "
            "give two or more different seeds and at least one worker"
        )


def _run_error(what, arguments, found):
    return RunError(f"{what}. {_kept(arguments, found)}", _by_seed(arguments, found))


def _kept(arguments, found):
    """Say where the runs are that had finished."""
    where = "; they are kept in the error's .finished (here: sys.last_value.finished)"
    return f"{len(found)} of {len(arguments)} runs had finished{where * bool(found)}"


def _by_seed(arguments, found):
    rows = {}
    for place in sorted(found):
        rows.setdefault(arguments[place][-1], {}).update(found[place])
    return rows


def _name(argument):
    *case, seed = argument
    return f"the run of seed {seed}" + "".join(f", case {_short(each)}" for each in case)


def _short(value):
    """Name a value in a few letters, and no data."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_short, value))})"
    if value is None or isinstance(value, str | bytes | Number):
        return reprlib.repr(value)
    return getattr(value, "__name__", None) or f"an object of type {type(value).__name__}"
