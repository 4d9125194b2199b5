"""Execute one notebook on a fresh kernel and notice every kind of failure.

A kernel reports a failure in two ways: in its reply to the cell and as an error message among the
outputs. nbclient reads the first, nbval the second. `execute` reads both.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import ipykernel.kernelspec
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from course_utils.project.kernels import UsageMeter, kernel_environment
from course_utils.project.normal_form import normalise
from course_utils.project.stored_cells import may_raise, stderr_of

CELL_TIMEOUT = 600  # seconds, the same as in the nbval run of "make test"


class NotebookError(RuntimeError):
    """A notebook does not run from top to bottom; the message names the cell and the error."""


@dataclass(frozen=True)
class Execution:
    """A notebook that ran from top to bottom.

    Attributes
    ----------
    notebook : nbformat.NotebookNode
        In normal form, with its new outputs.
    seconds : float
        Time from the start of the kernel to its end.
    peak_memory : int
        Bytes, of the kernel with its child processes.
    """

    notebook: NotebookNode
    seconds: float
    peak_memory: int


class _ThisPython(KernelSpecManager):
    """Knows one kernel: the Python that runs this module, whatever else is registered."""

    def get_kernel_spec(self, kernel_name):
        return self.kernel_spec_class(
            resource_dir=ipykernel.kernelspec.RESOURCES, **ipykernel.kernelspec.get_kernel_dict()
        )


class _StrictClient(NotebookClient):
    """Executes like nbclient, measures, and raises for the failures that nbclient accepts."""

    current_cell = None
    reported_error = None
    meter = None

    def create_kernel_manager(self):
        self.km = AsyncKernelManager(kernel_spec_manager=_ThisPython())
        return self.km

    async def async_start_new_kernel(self, **options):
        await super().async_start_new_kernel(**options)
        self.meter = UsageMeter(self.km.provisioner.pid).start()

    def process_message(self, msg, cell, cell_index):
        # Drawing a figure or an Output widget can fail although the cell's reply says "ok".
        if msg["msg_type"] == "error":
            self.reported_error = f"{msg['content']['ename']}: {msg['content']['evalue']}"
        return super().process_message(msg, cell, cell_index)

    async def async_execute_cell(self, cell, cell_index, **options):
        self.current_cell, self.reported_error = cell, None
        cell = await super().async_execute_cell(cell, cell_index, **options)
        problem = _problem(cell, self.reported_error)
        if problem:
            raise NotebookError(problem)
        return cell


def _problem(cell, reported_error):
    """Say what is wrong with a cell that nbclient accepts, or return None."""
    if cell.cell_type != "code":
        return None
    if may_raise(cell) and not reported_error:
        return "it is tagged raises-exception, and nothing was raised"
    if reported_error and not may_raise(cell):
        return reported_error
    if stderr_of(cell.outputs):
        return f"it wrote to stderr: {stderr_of(cell.outputs)}"
    return None


def execute(path, *, ledger=None, timeout=CELL_TIMEOUT):
    """Execute a notebook from top to bottom on a fresh kernel; its file stays as it is.

    Parameters
    ----------
    path : str or pathlib.Path
        Notebook. Its folder is the kernel's working directory.
    ledger : str or pathlib.Path, default=None
        File to which the notebook's claims are added.
    timeout : float, default=600
        Seconds that one cell may take.

    Returns
    -------
    Execution
        The notebook with its new outputs, and what it cost.

    Raises
    ------
    NotebookError
        If the kernel does not start, or a cell fails, takes too long, ends the kernel, writes to
        stderr, or does not raise though it is tagged `raises-exception`.
    """
    path = Path(path).resolve()
    client = _StrictClient(
        nbformat.read(path, as_version=4),
        resources={"metadata": {"path": str(path.parent)}},
        timeout=timeout,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as ipython_folder:
        environment = kernel_environment(path, ipython_folder)
        if ledger is not None:
            environment["COURSE_LEDGER"] = str(Path(ledger).resolve())
        try:
            # ipykernel warns there about TCP on this machine; the cells' own stderr still arrives.
            client.execute(env=environment, stderr=subprocess.DEVNULL)
        except (CellExecutionError, TimeoutError, RuntimeError) as error:
            raise NotebookError(_describe(path.name, client, error)) from None
        finally:
            if client.meter:
                client.meter.stop()
    return Execution(normalise(client.nb), client.meter.seconds, client.meter.peak_memory)


def _describe(name, client, error):
    """Return a message that names notebook, cell and error, with the traceback or the source."""
    if client.current_cell is None:
        return f"{name} was not begun, since its kernel did not start: {error}"
    reason, details = str(error), client.current_cell.source
    if isinstance(error, CellExecutionError):
        reason = f"{error.ename}: {error.evalue}"
        details = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback)  # without terminal colours
    code_cells = [cell for cell in client.nb.cells if cell.cell_type == "code"]
    number = next(n for n, cell in enumerate(code_cells, 1) if cell is client.current_cell)
    return f"{name}, code cell {number} failed: {reason}\n\n{details}\n"
