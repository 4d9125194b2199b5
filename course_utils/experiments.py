"""Experiments: the same run over several seeds, and what it shows."""

import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from joblib import Parallel, delayed

from course_utils.benchmark import benchmark_results
from course_utils.claims import ClaimError, claim
from course_utils.environment import progress_bar
from course_utils.memory import release_memory
from course_utils.results import Estimate, Results, estimate, paired_difference

__all__ = [
    "ClaimError",
    "Estimate",
    "Results",
    "benchmark_results",
    "claim",
    "estimate",
    "paired_difference",
    "repeat",
]

# imported at first use, by optimisers and by metrics: better once than in each worker
USED_BY_EACH_RUN = ("torch._dynamo", "sklearn.metrics")
_remembered: list[Callable[[int], dict]] = []  # filled in forked workers only


def repeat(
    function: Callable[[int], dict] | Sequence[Callable[[int], dict]],
    seeds: Iterable[int],
    *,
    num_workers: int = 2,
) -> Results:
    """Run an experiment once for each seed, several runs at the same time.

    Each run has one thread, whatever the number of workers, so results do not depend on it.

    Parameters
    ----------
    function : callable, or sequence of callables
        Takes a seed, returns a dict from ``(arm, size)`` to a number. Several functions measure
        several arms with the same seeds: each is a run of its own, so no worker has to wait for
        another that has many arms left. Give the longest first.
    seeds : iterable of int
        At least two, all different: a seed that counts twice would make the interval too narrow.
    num_workers : int
        Processes at the same time; 1 stays in this process.

    Raises
    ------
    ValueError
        If there are fewer than two seeds, a seed occurs twice, less than one worker or no function
        is given, or two functions measure the same arm at the same size.

    Examples
    --------
    >>> parts = [lambda seed: {("plain", 5): seed}, lambda seed: {("squared", 5): seed**2}]
    >>> repeat(parts, range(2, 4), num_workers=1).values("squared", 5).tolist()
    [4, 9]
    """
    seeds = list(seeds)
    if len(set(seeds)) < max(2, len(seeds)) or num_workers < 1:
        raise ValueError(
            f"seeds is {seeds} and num_workers {num_workers}; "
            "give two or more different seeds and at least one worker"
        )
    functions = [function] if callable(function) else list(function)
    if not functions:
        raise ValueError("function is an empty sequence; give one callable or more")
    places = [(place, seed) for place in range(len(functions)) for seed in seeds]
    found = _run_all(functions, places, num_workers)
    found = progress_bar(found, "runs", unit="run", total=len(places))
    rows = {seed: {} for seed in seeds}
    for (_, seed), part in zip(places, found, strict=True):
        twice = rows[seed].keys() & part.keys()
        if twice:
            raise ValueError(f"two functions measure {min(twice, key=str)}; let one do it")
        rows[seed] |= part
    return Results(list(rows.values()))


def _run_all(
    functions: list[Callable[[int], dict]], places: list[tuple[int, int]], num_workers: int
) -> Iterable[dict]:
    """Yield what each function, given by its place, finds for a seed, in order.

    Forked workers share the memory of libraries and data with this process: on Linux that saves
    half a gigabyte each, and the time to import torch again. A process that may use CUDA cannot be
    forked, and other systems fork unsafely or not at all: there joblib starts fresh workers.
    """
    if num_workers > 1 and sys.platform == "linux" and not torch.cuda.is_available():
        for name in USED_BY_EACH_RUN:
            importlib.import_module(name)
        release_memory()  # pages that a worker would write to and so double
        # given at the fork, the functions and their data are not copied, and need no pickling
        context, given = get_context("fork"), (functions,)
        with ProcessPoolExecutor(num_workers, context, _remember, given) as pool:
            yield from pool.map(_run_remembered, *zip(*places, strict=True))
    else:
        parallel = Parallel(n_jobs=num_workers, return_as="generator")
        runs = (delayed(_run_on_one_thread)(functions[place], seed) for place, seed in places)
        yield from parallel(runs)


def _remember(functions: list[Callable[[int], dict]]) -> None:
    """Keep the functions in a forked worker, which runs nothing else."""
    _remembered.extend(functions)


def _run_remembered(place: int, seed: int) -> dict:
    return _run_on_one_thread(_remembered[place], seed)


def _run_on_one_thread(function: Callable[[int], dict], seed: int) -> dict:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two processes with two threads each are far slower on two cores
    try:
        return function(seed)
    finally:
        torch.set_num_threads(threads)
