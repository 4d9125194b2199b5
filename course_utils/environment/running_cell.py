"""The notebook and the cell that are running, as far as the kernel knows them."""

import os
from pathlib import Path


def notebook_name() -> str:
    """Return the file name of the running notebook, or an empty text where there is none."""
    # JupyterLab sets the second variable; runs of the project set the first
    path = os.environ.get("COURSE_NOTEBOOK") or os.environ.get("JPY_SESSION_NAME", "")
    return Path(path).name


def cell_number() -> int | None:
    """Return the number of the running cell, or None outside of a notebook."""
    try:
        # "In" starts with an empty entry; execution_count is one too high while a cell runs
        return len(get_ipython().user_ns["In"]) - 1  # type: ignore[name-defined]
    except NameError:
        return None


def is_work_of_the_learner() -> bool:
    """Return whether a person runs a cell that holds no solution of the course.

    JupyterLab sends the tags of a cell along with its code. A program that runs a whole notebook,
    such as `make test`, sends none: what it runs is nobody's work.
    """
    try:
        message = get_ipython().get_parent()  # type: ignore[name-defined]
    except (NameError, AttributeError, LookupError):  # no kernel, or no cell
        return False
    metadata = message.get("metadata", {})
    return "cellId" in metadata and "solution" not in metadata.get("tags", [])
