"""The machine, and what pip installed: seeds, threads, the check."""

from course_utils.environment.check import check_environment
from course_utils.environment.machine import cache_directory, device, seed_everything, use_threads
from course_utils.environment.packages import PackageError

__all__ = [
    "PackageError",
    "cache_directory",
    "check_environment",
    "device",
    "seed_everything",
    "use_threads",
]
