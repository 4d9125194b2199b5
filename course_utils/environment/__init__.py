"""The machine, and what pip installed: seeds, threads, the check; a learner's progress."""

from course_utils.environment.check import check_environment
from course_utils.environment.machine import cache_directory, device, seed_everything, use_threads
from course_utils.environment.packages import PackageError
from course_utils.environment.progress import forget_progress, progress

__all__ = [
    "PackageError",
    "cache_directory",
    "check_environment",
    "device",
    "forget_progress",
    "progress",
    "seed_everything",
    "use_threads",
]
