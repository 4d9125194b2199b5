"""Experiments: the same run over several seeds, and what it shows."""

import importlib
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import torch
from joblib import Parallel, delayed

from course_utils.environment.machine import progress_bar, release_memory
from course_utils.experiments.results import Results

# imported at first use, by optimisers and by metrics: better once than in each worker
USED_BY_EACH_RUN = ("torch._dynamo", "sklearn.metrics")


_remembered: list[Callable[[], dict]] = []  # filled in forked workers only


def repeat(
    function: Callable[..., dict],
    seeds: Iterable[int],
    *,
    cases: Iterable | None = None,
    num_workers: int = 2,
) -> Results:
    """Run an experiment once for each seed, several runs at the same time.

    Each run has one thread, whatever the number of workers, so results do not depend on it.

    Parameters
    ----------
    function : callable
        Takes a seed, returns a dict from ``(arm, size)`` to a number. With `cases` it takes a case
        and a seed.
    seeds : iterable of int
        At least two, all different: a seed that counts twice would make the interval too narrow.
    cases : iterable, optional
        What else varies, such as methods or sizes; each case measures its own arms or sizes. Each
        case with each seed is a run of its own, so no worker waits for another that has many
        arms left. Give the longest case first.
    num_workers : int
        Processes at the same time; 1 stays in this process.

    Raises
    ------
    ValueError
        If there are fewer than two seeds, a seed occurs twice, less than one worker or no case
        is given, or two cases measure the same arm at the same size.

    Examples
    --------
    >>> def power(exponent, seed):
    ...     return {("power", exponent): seed**exponent}
    >>> repeat(power, range(2, 4), cases=(2, 1), num_workers=1).values("power", 2).tolist()
    [4, 9]
    """
    seeds = list(seeds)
    if len(set(seeds)) < max(2, len(seeds)) or num_workers < 1:
        raise ValueError(
            f"seeds is {seeds} and num_workers {num_workers}; "
            "give two or more different seeds and at least one worker"
        )
    given = [()] if cases is None else [(case,) for case in cases]
    if not given:
        raise ValueError("cases is empty; give one or more, or leave it out")
    arguments = [(*case, seed) for case in given for seed in seeds]
    runs = [partial(function, *each) for each in arguments]
    found = progress_bar(_run_all(runs, num_workers), "runs", unit="run", total=len(runs))
    rows = {seed: {} for seed in seeds}
    for (*case, seed), measured in zip(arguments, found, strict=True):
        twice = rows[seed].keys() & measured.keys()
        if twice:
            raise ValueError(
                f"case {case[0]!r} measures {min(twice, key=str)}, as a case before it does; "
                "let each case measure its own arms or sizes"
            )
        rows[seed] |= measured
    return Results(list(rows.values()))


def _run_all(runs: list[Callable[[], dict]], num_workers: int) -> Iterable[dict]:
    """Yield what each run finds, in order.

    Forked workers share the memory of libraries and data with this process: on Linux that saves
    half a gigabyte each, and the time to import torch again. A process that may use CUDA cannot be
    forked, and other systems fork unsafely or not at all: there joblib starts fresh workers.
    """
    if num_workers > 1 and sys.platform == "linux" and not torch.cuda.is_available():
        for name in USED_BY_EACH_RUN:
            importlib.import_module(name)
        release_memory()  # pages that a worker would write to and so double
        # given at the fork, the runs and their data are not copied, and need no pickling
        with ProcessPoolExecutor(num_workers, get_context("fork"), _remember, (runs,)) as pool:
            yield from pool.map(_run_remembered, range(len(runs)))
    else:
        parallel = Parallel(n_jobs=num_workers, return_as="generator")
        yield from parallel(delayed(_run_on_one_thread)(run) for run in runs)


def _remember(runs: list[Callable[[], dict]]) -> None:
    """Keep the runs in a forked worker, which does nothing else."""
    _remembered.extend(runs)


def _run_remembered(place: int) -> dict:
    return _run_on_one_thread(_remembered[place])


def _run_on_one_thread(run: Callable[[], dict]) -> dict:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two processes with two threads each are far slower on two cores
    try:
        return run()
    finally:
        torch.set_num_threads(threads)
