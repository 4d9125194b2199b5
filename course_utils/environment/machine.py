"""The machine: seeds, threads, device, memory, the cache directory, progress bars.

Heavy libraries are imported inside the functions: importing this module takes milliseconds.
"""

import ctypes
import functools
import gc
import os
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

from course_utils.environment.user_folders import user_folder

# Names and numbers of glibc's malloc.h. By itself glibc gives pages back after almost every layer,
# and the next layer gets them again, cleared one by one by the system: up to a third of the time of
# a pass over images. 32 MiB is the most that every glibc takes for the second.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


KEPT_BYTES = 128 * 2**20  # freed memory that stays with the process


LARGE_BYTES = 32 * 2**20  # a tensor from this size on goes back as soon as it is freed


@functools.cache
def keep_freed_memory() -> None:
    """Keep up to 128 MiB of freed memory in this process, for the next layer or batch.

    Results do not change. It counts for the rest of the process, and for those forked from it.

    Examples
    --------
    >>> keep_freed_memory()
    """
    option = _of_glibc("mallopt")
    if option is not None:
        option(M_TRIM_THRESHOLD, KEPT_BYTES)
        option(M_MMAP_THRESHOLD, LARGE_BYTES)


def release_memory() -> None:
    """Give memory that is no longer used back to the system.

    After some training these are hundreds of megabytes.

    Examples
    --------
    >>> release_memory()
    """
    gc.collect()
    give_back = _of_glibc("malloc_trim")
    if give_back is not None:
        give_back(0)


def _of_glibc(name: str):
    """Return a function of C's library, or None where there is none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


LARGEST_SEED = 2**32 - 1  # numpy takes no larger one


def seed_everything(seed: int) -> None:
    """Start the random numbers of Python, numpy and torch (on every device) from one seed.

    Equal seeds give equal numbers on one machine. Another processor, another number of threads
    or a GPU can still change the last digits of a result.

    Parameters
    ----------
    seed : int
        0 to 2**32 - 1.

    Raises
    ------
    TypeError, ValueError
        If the seed is not a whole number, or out of range.

    Examples
    --------
    >>> seed_everything(0)
    >>> round(random.random(), 4)
    0.8444
    """
    import numpy as np
    import torch

    _check_whole("seed", seed)
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed is {seed}, but must be 0 to {LARGEST_SEED}; choose another one.")
    random.seed(int(seed))
    np.random.seed(seed)  # noqa: NPY002 (libraries that use the global generator need it)
    torch.manual_seed(int(seed))


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw torch's random numbers on the CPU by a seed for a while, then go on as before.

    Parameters
    ----------
    seed : int, optional
        None changes nothing: the numbers are the global ones, and move on.

    Examples
    --------
    >>> import torch
    >>> with seeded(0):
    ...     first = torch.rand(3)
    >>> with seeded(0):
    ...     print(bool((torch.rand(3) == first).all()))
    True
    """
    import torch

    if seed is not None:
        _check_whole("seed", seed)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            # torch.manual_seed would also change the random numbers of graphics cards
            torch.default_generator.manual_seed(int(seed))
        yield


def use_threads(number: int | None = None) -> int:
    """Set how many threads torch uses inside one operation.

    More threads than processors would make torch slower, so a larger number is lowered.

    Parameters
    ----------
    number : int, optional
        At least 1. Without it: one thread per available processor.

    Returns
    -------
    int
        The number of threads now in use.

    Raises
    ------
    TypeError, ValueError
        If the number is not a whole number, or below 1.

    Examples
    --------
    >>> use_threads(1)
    1
    """
    import torch

    available = available_processors()
    number = available if number is None else _check_whole("number", number)
    if number < 1:
        raise ValueError(f"number is {number}, but must be at least 1; leave it out for all.")
    torch.set_num_threads(min(number, available))
    return torch.get_num_threads()


_CHOSEN: list[str] = []  # devices that `use_device` asks for, the innermost last


def device() -> str:
    """Return the best device that torch finds: "cuda", "mps" (Apple) or "cpu". See `use_device`."""
    import torch

    if _CHOSEN:
        return _CHOSEN[-1]
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def use_device(name: str) -> Iterator[str]:
    """Let `device` name this one for a while: all of the course then computes there.

    Parameters
    ----------
    name : {'auto', 'cpu', 'cuda', 'mps'}
        ``'auto'`` is the best one.

    Raises
    ------
    ValueError
        If the name is another one, or torch does not find that device.

    Examples
    --------
    >>> with use_device("cpu"):
    ...     print(device())
    cpu
    """
    import torch

    there = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available()}
    there["mps"] = torch.backends.mps.is_available()
    if not isinstance(name, str) or not there.get(name):
        allowed = ", ".join(repr(each) for each, is_there in there.items() if is_there)
        raise ValueError(f"device is {name!r}; this machine has {allowed}")
    _CHOSEN.append(device() if name == "auto" else name)
    try:
        yield _CHOSEN[-1]
    finally:
        _CHOSEN.pop()


def cache_directory() -> Path:
    """Return the directory of cached features, created if it does not exist.

    It is the user's cache directory, or the one named by the variable COURSE_CACHE_DIR.

    Raises
    ------
    ValueError
        If the directory cannot be created.
    """
    import platformdirs

    default = platformdirs.user_cache_dir("transfer-learning-course", appauthor=False)
    return user_folder("cache directory", default, "COURSE_CACHE_DIR")


def progress_bar(
    iterable: Iterable, description: str, *, unit: str = "step", total: int | None = None
) -> Iterable:
    """Show a progress bar while an iterable is consumed; it disappears at the end.

    Runners whose outputs are stored or compared set TQDM_DISABLE=1: then nothing is shown.

    Parameters
    ----------
    iterable : iterable
        What is consumed.
    description : str
        Text before the bar.
    unit : str, default="step"
        What is counted.
    total : int, optional
        Number of items, where the iterable cannot tell.

    Returns
    -------
    tqdm.tqdm
        Yields the same items.
    """
    from tqdm.auto import tqdm

    # Passed on because the widget of tqdm.auto overrides the variable (tqdm/notebook.py).
    disable = os.environ.get("TQDM_DISABLE", "") not in ("", "0")
    return tqdm(iterable, desc=description, unit=unit, total=total, leave=False, disable=disable)


def available_processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: what this process may use, not what is built in
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_whole(name, value):
    if isinstance(value, bool) or not isinstance(value, Integral):  # Integral: numpy's too
        raise TypeError(f"{name} is of type {type(value).__name__}; give a whole number as an int.")
    return value
