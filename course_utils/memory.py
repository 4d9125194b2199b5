"""When freed memory goes back to the system: late while training runs, at once before a fork.

Python frees an object, and C's library decides what becomes of its pages. Only glibc, on most kinds
of Linux, lets itself be told; elsewhere these functions leave that to the system.
"""

import ctypes
import functools
import gc
import sys

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
