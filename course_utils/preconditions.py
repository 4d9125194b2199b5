"""What must hold before the course can be installed, each with one line that says what to do.

Like `course_utils.installation` this needs the standard library only, in the syntax of Python 3.6.
"""

import os
import shutil
import sys
from pathlib import Path

GIGABYTE = 10**9  # bytes
# Measured: 6.0 GB on Linux, where torch brings the CUDA libraries; elsewhere below 2 GB.
DISK_NEEDED = 8 * GIGABYTE if sys.platform == "linux" else 3 * GIGABYTE
NETWORK_WORDS = ("retrying", "connection", "resolution", "resolve", "timed out", "unreachable")


class SetupError(Exception):
    """A step of the set-up failed; the message is one line that says what to do."""


def check_version(version: tuple) -> None:
    """Raise `SetupError` if a Python version (major, minor, ...) cannot run the course."""
    if not (3, 11) <= tuple(version[:2]) <= (3, 13):
        found = ".".join(str(part) for part in version[:3])
        raise SetupError(
            f"Python {found} found, but the course needs 3.11, 3.12 or 3.13: install one of them, "
            "then run again (make: PYTHON=python3.13; Windows: py -3.13 -m course_utils.project)."
        )


def check_disk(folder: Path, needed: int) -> None:
    """Raise `SetupError` if fewer bytes than needed are free where a folder is."""
    free = shutil.disk_usage(str(folder)).free
    if free < needed:
        raise SetupError(
            f"No disk space: {free / GIGABYTE:.1f} GB are free at {folder}, but the set-up needs "
            f"{needed / GIGABYTE:.1f} GB: free some, or move the course to a larger disk."
        )


def explain_failure(stderr: bytes) -> str:
    """Say in one line why pip failed, from what it wrote."""
    text = (stderr or b"").decode("utf-8", "replace")
    if any(word in text.lower() for word in NETWORK_WORDS):
        return "no network, or the package index is not reached; connect, then run again"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "pip wrote nothing; run again"


def folder_size(folder: Path) -> int:
    """Return the bytes below a folder, 0 if it does not exist."""
    files = (Path(place, name) for place, _, names in os.walk(str(folder)) for name in names)
    return sum(file.lstat().st_size for file in files)
