"""Make nbval strict and measure the notebooks: no error, timeout or unexecuted cell may pass.

nbval 0.11 lets several failing cells pass (each is shown in tests/test_strict_nbval.py). It reads
the error *message* of a cell; a kernel also says in its *reply* how the cell ended. Here both are
read. After its cells, each notebook gets one more item, "memory", that fails above the limit.
Without `--nbval` nothing here has an effect.
"""

import os
import tempfile
import time
from queue import Empty
from unittest import mock

import nbval.plugin
import pytest

from course_utils.project.kernels import UsageMeter, kernel_environment
from course_utils.project.reports import format_table, megabytes
from course_utils.project.stored_cells import stderr_of, stored_problem

MEMORY_LIMIT = 2e9  # bytes: what a free cloud notebook has
POLL = 1.0  # seconds between two looks at whether a silent kernel is alive
# Evaluated after each cell: did its last "!command" fail, and forget about it.
EXIT_STATUS = "get_ipython().user_ns.pop('_exit_code', 0)"


def pytest_addoption(parser):
    """Add the limit as a setting, so that a test can lower it."""
    parser.addini("notebook_memory_limit", "bytes that a notebook may use", default=MEMORY_LIMIT)


def pytest_configure(config):
    """Refuse the ways of pytest-xdist that spread the cells of one notebook over kernels."""
    dist = config.getoption("dist", "no")
    if config.getoption("nbval", False) and dist not in ("no", "loadfile", "loadscope"):
        raise pytest.UsageError(f"--dist {dist} tears notebooks apart; add --dist loadfile")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Replace the notebooks that nbval collects by strict ones."""
    collectors = yield
    return [
        StrictNotebook.from_parent(parent, path=file_path)
        if isinstance(collector, nbval.plugin.IPyNbFile)
        else collector
        for collector in collectors
    ]


def pytest_terminal_summary(terminalreporter):
    """Print what each notebook cost."""
    reports = [
        report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)
    ]
    rows = [row for report in reports for name, row in report.user_properties if name == "notebook"]
    if rows:
        terminalreporter.section("notebooks")
        header = ["notebook", "cells", "seconds", "peak memory"]
        terminalreporter.write_line(format_table(header, sorted(rows)))


class StrictKernel(nbval.plugin.RunningKernel):
    """A kernel that keeps the reply to each cell and notices its own death."""

    reply = None

    def get_message(self, stream, timeout=None):
        """Wait for a message like nbval, but fail at once if the kernel has died."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = POLL if end is None else min(POLL, max(0.0, end - time.monotonic()))
            try:
                message = super().get_message(stream, timeout=left)
            except Empty:
                if not self.is_alive():
                    pytest.fail("the kernel died while it ran this cell", pytrace=False)
                if end is not None and time.monotonic() >= end:
                    raise
                continue
            if message["msg_type"] == "execute_reply":
                self.reply = message["content"]
            return message

    def execute_cell_input(self, cell_input, allow_stdin=None):
        """Run a cell with history, so that `Out` and a closing `;` act as in JupyterLab."""
        self.reply = None
        return self.kc.execute(
            cell_input,
            store_history=True,
            user_expressions={"exit_status": EXIT_STATUS},
            allow_stdin=allow_stdin,
            stop_on_error=False,
        )


class StrictNotebook(nbval.plugin.IPyNbFile):
    """A notebook of strict cells, with a meter on its kernel."""

    meter = None

    def collect(self):
        """Yield the cells, then the memory check."""
        cells = [
            StrictCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )
            for cell in super().collect()
        ]
        yield from cells
        if cells:
            yield MemoryCheck.from_parent(self, name="memory")

    def setup(self):
        """Start the kernel in the environment that is also used to store outputs."""
        self.started = time.perf_counter()
        self.ipython_folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        environment = kernel_environment(self.path, self.ipython_folder.name)
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.object(nbval.plugin, "RunningKernel", StrictKernel),
        ):
            super().setup()
        self.meter = UsageMeter(self.kernel.km.provisioner.pid).start()

    def teardown(self):
        """Stop what `setup` started."""
        if self.meter:
            self.meter.stop()
        super().teardown()
        self.ipython_folder.cleanup()


class StrictCell(nbval.plugin.IPyNbCell):
    """A code cell that passes only if it was stored well, ran well and printed what is stored."""

    def setup(self):
        """Leave out the cells after one that ran out of time, which nbval would let fail freely."""
        if self.parent.timed_out:
            pytest.skip("not run: an earlier cell of this notebook ran out of time")

    def runtest(self):
        """Check the stored cell, run it and compare, check how it ended."""
        self._refuse(stored_problem(self.cell))
        super().runtest()
        self._refuse(self._ending_problem())

    def _refuse(self, problem):
        if problem:
            pytest.fail(f"Cell {self.cell_num}: {problem}\n\n{self.cell.source}", pytrace=False)

    def _ending_problem(self):
        """Say what nbval overlooked in the end of this cell, or return None."""
        if self.parent.timed_out:
            return "it ran out of time and swallowed the interrupt"
        reply = self.parent.kernel.reply
        must_raise = bool(self.options["check_exception"])
        if (reply["status"] == "error") != must_raise:
            expected = "error" if must_raise else "ok"
            error = f" ({reply['ename']}: {reply['evalue']})" if not must_raise else ""
            return f"it ended with status {reply['status']}{error}, expected is {expected}"
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            return "it ended the kernel"
        status = reply.get("user_expressions", {}).get("exit_status", {}).get("data", {})
        if status.get("text/plain", "0") != "0":
            return f"its shell command failed with status {status['text/plain']}"
        if stderr_of(self.test_outputs):
            return f"it wrote to stderr: {stderr_of(self.test_outputs)}"
        return None


class MemoryCheck(pytest.Item):
    """Last item of a notebook: fails if the notebook needed more memory than allowed."""

    def runtest(self):
        """Compare the peak with the limit and leave the row of the table."""
        meter, notebook = self.parent.meter, self.parent
        meter.stop()
        cells = sum(cell.cell_type == "code" for cell in notebook.nb.cells)
        seconds = time.perf_counter() - notebook.started
        row = [notebook.name, str(cells), f"{seconds:.1f}", megabytes(meter.peak_memory)]
        self.user_properties.append(("notebook", row))
        limit = float(self.config.getini("notebook_memory_limit"))
        if meter.peak_memory > limit:
            pytest.fail(
                f"{notebook.name} used {megabytes(meter.peak_memory)} of memory at its peak, "
                f"allowed are {megabytes(limit)}: use smaller batches or fewer worker processes",
                pytrace=False,
            )
