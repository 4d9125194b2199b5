"""The checks of the environment: each looks at one thing and returns one row of a report.

What a check looks for is not raised but reported: a failed check is a row that says what to do.
Libraries are imported inside the checks, because a library that is missing is such a failure.
"""

import html
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_utils.environment.machine import available_processors, cache_directory, device
from course_utils.environment.packages import PACKAGES, PackageError, verify_package

GIGABYTE = 10**9  # bytes


MEMORY_NEEDED = 2 * GIGABYTE  # the budget of one notebook; a free cloud notebook has that


@dataclass(frozen=True)
class Row:
    """What one check found.

    Parameters
    ----------
    name : str
        What was checked.
    is_ok : bool
        Whether the course can run with it.
    found : str
        The state found, in a few words.
    cure : str, default=""
        What to do next; shown only if it is not OK.
    """

    name: str
    is_ok: bool
    found: str
    cure: str = ""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row as four texts: name, OK or FAIL, what was found, the cure of a failure."""
        if self.is_ok:
            return self.name, "OK", self.found, ""
        return self.name, "FAIL", self.found, self.cure


@dataclass(frozen=True)
class Report:
    """All rows of a check, shown as a table in a terminal and in JupyterLab.

    Parameters
    ----------
    rows : tuple of Row
        One row per check.

    Examples
    --------
    >>> print(Report((Row("Python", True, "3.12.1"), Row("memory", False, "1.0 GB", "close it"))))
    check   status  found   cure
    Python  OK      3.12.1
    memory  FAIL    1.0 GB  close it
    """

    rows: tuple[Row, ...]

    HEADER = ("check", "status", "found", "cure")

    @property
    def ok(self) -> bool:
        """Whether every row is OK."""
        return all(row.is_ok for row in self.rows)

    def __str__(self):
        lines = [self.HEADER, *(row.cells for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        padded = ("  ".join(map(str.ljust, line, widths)) for line in lines)
        return "\n".join(line.rstrip() for line in padded)

    __repr__ = __str__

    def _repr_html_(self):
        head = "".join(
            f'<th scope="col" style="text-align:left">{cell}</th>' for cell in self.HEADER
        )
        body = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left">{html.escape(c)}</td>' for c in cells)
            + "</tr>"
            for cells in (row.cells for row in self.rows)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def check_python(version: tuple = sys.version_info) -> Row:
    """Check that Python is one of the versions that the course is tested with."""
    return Row(
        "Python",
        (3, 11) <= tuple(version[:2]) <= (3, 13),
        f"{'.'.join(map(str, version[:3]))} on {platform.system()}",
        "install Python 3.13, delete the folder .venv, run make setup",
    )


def check_torch() -> Row:
    """Check that torch and torchvision are a matching pair, by calling an operator of the pair.

    Builds that do not match can be installed together; then importing torchvision, or the call,
    ends with "operator torchvision::nms does not exist".
    """
    import torch
    import torchvision

    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]])  # the same box twice
    kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5)
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    return Row(
        "torch and torchvision", kept.tolist() == [0], versions, "run make setup ARGS=--fresh"
    )


def check_threads(available: int) -> Row:
    """Check that torch uses no more threads than there are processors available to it."""
    import torch

    number = torch.get_num_threads()
    return Row(
        "threads",
        number <= available,
        f"{number} of {available}",
        "call use_threads() and unset OMP_NUM_THREADS: too many threads wait for each other",
    )


def check_memory() -> Row:
    """Check that the free memory is enough for one notebook."""
    import psutil

    available = psutil.virtual_memory().available  # bytes
    return Row(
        "free memory",
        available >= MEMORY_NEEDED,
        f"{available / GIGABYTE:.1f} GB, {MEMORY_NEEDED / GIGABYTE:.0f} GB needed",
        "close other programs and notebooks",
    )


def check_accelerator(device: str) -> Row:
    """Name the device that torch would use; every lesson also runs on the CPU."""
    return Row("accelerator", True, "none, the CPU is enough" if device == "cpu" else device)


def check_package(key: str) -> Row:
    """Check that a data or model package is there and whole."""
    name = f"{key} ({PACKAGES[key].pip_name})"
    try:
        verify_package(key)
    except PackageError as error:
        return Row(name, False, error.found, error.cure)
    return Row(name, True, f"SHA-256 {PACKAGES[key].sha256[:16]}...")


def check_cache(find_directory: Callable[[], Path]) -> Row:
    """Check that a file can be written into the cache directory, and measure what lies in it."""
    try:
        directory = find_directory()
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b"course")
    except (OSError, ValueError) as error:
        cure = "set COURSE_CACHE_DIR to a folder that you may write to and that has space"
        return Row("cache directory", False, str(error), cure)
    sizes = [file.stat().st_size for file in directory.rglob("*") if file.is_file()]
    found = f"{_short(directory)}, {sum(sizes) / 10**6:.1f} MB in {len(sizes)} files"
    return Row("cache directory", True, found)


def _short(directory):
    """Name a directory without the user's name in it, because notebooks are stored."""
    if os.environ.get("COURSE_CACHE_DIR"):
        return "COURSE_CACHE_DIR"
    if directory.is_relative_to(Path.home()):
        return f"~/{directory.relative_to(Path.home()).as_posix()}"
    return directory.name


def check_environment() -> Report:
    """Check all that the course needs: the libraries, the machine, the data, the cache.

    Returns
    -------
    Report
        A table with the cure of each failure; its attribute ``ok`` says whether all is well.
    """
    rows = [
        _row("Python", check_python),
        _row("torch and torchvision", check_torch),
        _row("threads", lambda: check_threads(available_processors())),
        _row("free memory", check_memory),
        _row("accelerator", lambda: check_accelerator(device())),
        *(_row(key, lambda key=key: check_package(key)) for key in PACKAGES),
        _row("cache directory", lambda: check_cache(cache_directory)),
    ]
    return Report(tuple(rows))


def _row(name: str, check: Callable[[], Row]) -> Row:
    """Run one check; a broken library must give a row, not end the report."""
    try:
        return check()
    except Exception as error:  # a library that does not load can raise anything
        found = f"{type(error).__name__}: {error}".splitlines()[0]
        return Row(name, False, found, "run make setup; if it stays, make setup ARGS=--fresh")
