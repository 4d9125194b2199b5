"""Run notebooks from top to bottom and store them with their outputs, in normal form.

`python -m course_utils.project.notebooks store FILES` is `make notebooks`. Whether a notebook
prints what is stored in it is judged by pytest with `course_utils.project.strict_nbval`.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course_utils.project.kernels import kernel_environment
from course_utils.project.normal_form import normal_text
from course_utils.project.reports import replace_file
from course_utils.project.stored_cells import stored_problem

ROOT = Path(__file__).resolve().parents[2]
CELL_TIMEOUT = 600  # seconds, the same as in the nbval run of "make test"


class NotebookError(RuntimeError):
    """A notebook cannot be stored; the message names it, the cell and the error."""


def execute(path, *, timeout=CELL_TIMEOUT):
    """Execute a notebook from top to bottom on a fresh kernel; its file stays as it is.

    Parameters
    ----------
    path : str or pathlib.Path
        Notebook. Its folder is the kernel's working directory.
    timeout : float, default=600
        Seconds that one cell may take.

    Returns
    -------
    nbformat.NotebookNode
        The notebook with its new outputs.

    Raises
    ------
    NotebookError
        If the file is no notebook, the kernel does not start, or a cell fails, takes too long,
        ends the kernel, or is no reference for a comparison (see `stored_problem`).
    """
    path, begun = Path(path).resolve(), []
    notebook = _read(path)
    # Without folders of kernels there is one kernel: the Python that runs this module.
    specs = KernelSpecManager(kernel_dirs=[])
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=specs),
        resources={"metadata": {"path": str(path.parent)}},
        timeout=timeout,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        on_cell_start=lambda cell, cell_index: begun.append(cell),
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            # ipykernel warns there about TCP on this machine; the cells' own stderr still arrives.
            client.execute(
                cleanup_kc=True, env=kernel_environment(path, scratch), stderr=subprocess.DEVNULL
            )
        except (CellExecutionError, TimeoutError, RuntimeError) as error:
            raise NotebookError(_describe(path, notebook, begun, error)) from None
    for number, cell in enumerate(_code_cells(notebook), 1):
        problem = stored_problem(cell)
        if problem:
            raise NotebookError(f"{path.name}, code cell {number}: {problem}\n\n{cell.source}\n")
    return notebook


def _read(path):
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat lets errors of many kinds pass, such as AttributeError
        raise NotebookError(
            f"{path.name} cannot be read as a notebook; look for merge marks (<<<<<<<) in it. "
            f"{type(error).__name__}: {error}"
        ) from None
    return notebook


def _code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _describe(path, notebook, begun, error):
    """Return a message that names notebook, cell and error, with the traceback or the source."""
    if not begun:
        return f"{path.name} was not begun, since its kernel did not start: {error}"
    reason, details = str(error), begun[-1].source
    if isinstance(error, CellExecutionError):
        # where a figure cannot be drawn, only the cell's output names the error
        shown = [output for output in begun[-1].outputs if output.output_type == "error"]
        reason = "{0.ename}: {0.evalue}".format((shown or [error])[-1])
        details = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback)  # without terminal colours
    number = next(n for n, cell in enumerate(_code_cells(notebook), 1) if cell is begun[-1])
    return f"{path.name}, code cell {number} failed: {reason}\n\n{details}\n"


def store(paths):
    """Execute notebooks and replace their files, each only if it ran from top to bottom.

    Parameters
    ----------
    paths : list of pathlib.Path
        Notebooks. One that fails is named, and the others are stored all the same.

    Returns
    -------
    bool
        Whether all of them were stored.
    """
    failed = []
    for path in paths:
        print(f"executing {path.name}", flush=True)
        try:
            replace_file(path, normal_text(execute(path)))
        except (NotebookError, OSError) as error:
            failed.append(path.name)
            print(error, file=sys.stderr, flush=True)
    if failed:
        print(f"Not stored: {', '.join(failed)}; see above.", file=sys.stderr)
    return not failed


def main(arguments=None):
    """Command line of this module.

    Parameters
    ----------
    arguments : list of str, default=None
        The word "store" and file names; None means those of the command line.

    Returns
    -------
    int
        Exit status: 0 if all is well, 1 if a notebook failed, 2 if there is none.
    """
    parser = argparse.ArgumentParser("python -m course_utils.project.notebooks")
    parser.add_argument("command", choices=["store"], help="run notebooks and store their outputs")
    parser.add_argument("files", nargs="*", type=Path, help="default: all of notebooks/")
    chosen = parser.parse_args(arguments)
    paths = chosen.files or sorted((ROOT / "notebooks").glob("*.ipynb"))
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        print(f"no such notebook: {', '.join(missing) or 'notebooks/*.ipynb'}", file=sys.stderr)
        return 2
    return 0 if store(paths) else 1


if __name__ == "__main__":
    # Notebooks hold letters that a Windows pipe cannot show; they must not stop the run.
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    raise SystemExit(main())
