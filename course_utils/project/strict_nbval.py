"""A pytest plugin that makes nbval strict and measures the notebooks.

nbval 0.11 lets several failing cells pass (each is shown in tests/project/test_strict_nbval.py). It
reads the error *message* of a cell; a kernel also says in its *reply* how the cell ended. Here both
are read. After its cells, each notebook gets one more item, "memory", that fails above the limit.
A test of the course's notebooks writes their claims and costs to reports/.

Without `--nbval` nothing here has an effect, and nbval is not even loaded: that takes a second.
"""

import json
import os
import tempfile
import time
from queue import Empty
from unittest import mock

import pytest

from course_utils.project.kernels import UsageMeter, kernel_environment, ledger
from course_utils.project.reports import write_reports
from course_utils.project.stored_cells import stderr_of, stored_problem

MEMORY_LIMIT = 2e9  # bytes: what a free cloud notebook has
LIMIT = "notebook_memory_limit"  # name of the setting
COST = "notebook"  # name under which a report carries what a notebook cost
POLL = 1.0  # seconds between two looks at whether a silent kernel is alive
# Evaluated after each cell: did its last "!command" fail, and forget about it.
EXIT_STATUS = "get_ipython().user_ns.pop('_exit_code', 0)"


def pytest_addoption(parser, pluginmanager):
    """Add the limit as a setting, so that a test can lower it; keep nbval from loading itself."""
    parser.addini(LIMIT, "bytes that a notebook may use", default=MEMORY_LIMIT)
    pluginmanager.set_blocked("nbval")


def pytest_load_initial_conftests(early_config, args):
    """Load nbval where one of its options is given."""
    if any(argument.startswith("--nbval") for argument in args):
        early_config.pluginmanager.import_plugin("nbval.plugin")


def pytest_configure(config):
    """Raise a usage error where pytest-xdist would spread the cells of a notebook over kernels."""
    if not _is_on(config):
        return
    dist = config.getoption("dist", "no")
    if dist not in ("no", "loadfile", "loadscope"):
        raise pytest.UsageError(f"--dist {dist} tears notebooks apart; add --dist loadfile")
    # a file with merge marks fails alone; the other notebooks are tested all the same
    config.option.continue_on_collection_errors = True


def _is_on(config):
    return config.getoption("nbval", False) or config.getoption("nbval_lax", False)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Make the notebooks strict that nbval collects."""
    collectors = yield
    if _is_on(parent.config) and file_path.suffix == ".ipynb":
        for notebook in collectors:
            _make_strict(notebook, StrictNotebook)
    return collectors


def _make_strict(thing, kind):
    """Put the methods of a class before those of an object of nbval, whose classes load late."""
    thing.__class__ = type(kind.__name__, (kind, type(thing)), {})


def pytest_terminal_summary(terminalreporter, config):
    """Print what each notebook cost; write the reports if they are notebooks of the course."""
    reports = [
        report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)
    ]
    found = [value for report in reports for name, value in report.user_properties if name == COST]
    if not found:
        return
    terminalreporter.section("notebooks: code cells, seconds, peak memory")
    for row, _, _ in sorted(found, key=lambda entry: -entry[0]["seconds"]):
        terminalreporter.write_line(
            "{notebook:40} {cells:>3} {seconds:>7.1f} s {peak_megabytes:>6} MB".format(**row)
        )
    of_course = [entry for entry in found if entry[2] == str(config.rootpath / "notebooks")]
    if of_course:
        claims = [claim for _, claims, _ in of_course for claim in claims]
        write_reports(config.rootpath, [row for row, _, _ in of_course], claims)


class StrictKernel:
    """Before nbval's RunningKernel: keeps the reply to each cell and notices its own death."""

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


class StrictNotebook:
    """Before nbval's IPyNbFile: a notebook of strict cells, with a meter on its kernel."""

    meter = None

    def collect(self):
        """Yield the cells, then the memory check."""
        cells = list(super().collect())
        for cell in cells:
            _make_strict(cell, StrictCell)
        yield from cells
        if cells:
            yield MemoryCheck.from_parent(self, name="memory")

    def setup(self):
        """Start the kernel in the environment that is also used to store outputs."""
        self.started = time.perf_counter()
        self.scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        environment = kernel_environment(self.path, self.scratch.name)
        with mock.patch.dict(os.environ, environment, clear=True):
            super().setup()
        _make_strict(self.kernel, StrictKernel)
        self.meter = UsageMeter(self.kernel.km.provisioner.pid).start()

    def teardown(self):
        """Stop what `setup` started."""
        if self.meter:
            self.meter.stop()
        super().teardown()
        self.scratch.cleanup()

    def cost(self):
        """Return the row of costs, the claims made so far, and the folder of the notebook."""
        self.meter.stop()
        row = {
            "notebook": self.path.name,
            "cells": sum(cell.cell_type == "code" for cell in self.nb.cells),
            "seconds": round(time.perf_counter() - self.started, 1),
            "peak_megabytes": round(self.meter.peak_memory / 1e6),
        }
        claims = ledger(self.scratch.name)
        lines = claims.read_text(encoding="utf-8").splitlines() if claims.exists() else []
        return row, [json.loads(line) for line in lines], str(self.path.parent)


class StrictCell:
    """Before nbval's IPyNbCell: passes only if it was stored well, ran well, printed the same."""

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
        """Compare the peak with the limit and leave what the notebook cost in the report."""
        cost = self.parent.cost()
        self.user_properties.append((COST, cost))
        peak, limit = self.parent.meter.peak_memory, float(self.config.getini(LIMIT))
        if peak > limit:
            pytest.fail(
                f"{self.parent.name} used {peak / 1e6:.0f} MB of memory at its peak, "
                f"allowed are {limit / 1e6:.0f} MB: use smaller batches or fewer worker processes",
                pytrace=False,
            )
