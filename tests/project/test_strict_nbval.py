"""The plugin strict_nbval closes the holes of nbval 0.11, each shown with a tiny notebook.

`strict` runs pytest with the plugin, `plain` without: where plain nbval passes and the strict run
fails, the hole was there and is closed.
"""

import csv
import os

import pytest
from tiny_notebooks import code, error, picture, save, stream

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

PLUGIN = ["-p", "course_utils.project.strict_nbval"]
NBVAL = ["--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-rA", "-vv"]
GOOD = code("print(1 + 1)", stream("2\n"))
UNKNOWN_MAGIC = "UsageError: Line magic function `%notmagic` not found.\n"
THREAD = """
import threading
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
"""
SWALLOWED = """
import time
for _ in range(2):
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        break
"""
CLAIM = """
import json, os
claim = {"notebook": os.environ["COURSE_NOTEBOOK"], "cell": 1, "sentence": "One is one.",
         "low": 1, "high": 1, "measured": 1}
with open(os.environ["COURSE_LEDGER"], "a", encoding="utf-8") as file:
    print(json.dumps(claim), file=file)
"""


@pytest.fixture
def plain(pytester):
    """Return a function that writes cells to a notebook and runs nbval on it."""

    def run(*cells, options=()):
        save(pytester.path / "tiny.ipynb", *cells)
        return pytester.runpytest_inprocess(*NBVAL, *options)

    return run


@pytest.fixture
def strict(plain):
    """Return the same function, with the plugin."""
    return lambda *cells, options=(): plain(*cells, options=[*PLUGIN, *options])


@pytest.fixture
def course(pytester):
    """Return the folder of a course of two notebooks that claim something; the second fails."""
    folder = pytester.mkdir("notebooks")
    save(folder / "00_good.ipynb", code(CLAIM))
    save(folder / "01_bad.ipynb", code(CLAIM), code("1 / 0"))
    return pytester.path


def message(result):
    """Return all that a run printed, as one text."""
    return result.stdout.str() + result.stderr.str()


def failures(result):
    """Return what was said of each failed item, by its name."""
    reports = result.reprec.getreports("pytest_runtest_logreport")
    return {
        report.nodeid.split("::")[1]: report.longreprtext for report in reports if report.failed
    }


def table(path):
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TestWithoutNbval:
    def test_notebooks_are_ignored_and_nbval_is_not_loaded(self, pytester):
        pytester.makepyfile(
            "import sys\n\ndef test_one():\n    assert 'nbval' not in sys.modules\n"
        )
        save(pytester.path / "tiny.ipynb", code("1 / 0"))
        result = pytester.runpytest_subprocess(*PLUGIN)
        result.assert_outcomes(passed=1)
        assert "peak memory" not in message(result)
        assert not (pytester.path / "reports").exists()

    def test_tests_may_be_spread_in_any_way(self, pytester):
        pytester.makepyfile("def test_one():\n    pass\n\ndef test_two():\n    pass\n")
        pytester.runpytest_inprocess(*PLUGIN, "-n", "2").assert_outcomes(passed=2)


GOOD_CELLS = {
    "raises as tagged": code(
        "1 / 0", error("ZeroDivisionError", "division by zero"), tags=["raises-exception"]
    ),
    "prints what is stored": GOOD,
    "may print something else": code("print(3)", stream("2\n"), tags=["nbval-ignore-output"]),
    "closing semicolon hides the value": code("x = 3\nx;"),
    "child process prints": code(
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(7)']);",
        stream("7\n"),
    ),
    "kernel has the settings of the course": code(
        "import os\n"
        "names = ['COURSE_NOTEBOOK', 'TQDM_DISABLE', 'PYTEST_CURRENT_TEST']\n"
        "print([os.environ.get(name) for name in names])",
        stream("['tiny.ipynb', '1', None]\n"),
    ),
    "figure is drawn though the user set a backend": code(
        "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])", picture()
    ),
}


class TestGoodCells:
    def test_they_pass_and_the_environment_of_pytest_is_restored(self, strict, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")
        before = {**os.environ, "PYTEST_CURRENT_TEST": "which pytest itself sets and removes"}
        result = strict(*GOOD_CELLS.values())
        assert failures(result) == {}
        result.assert_outcomes(passed=len(GOOD_CELLS) + 1)  # the cells and their memory
        assert {**os.environ, "PYTEST_CURRENT_TEST": before["PYTEST_CURRENT_TEST"]} == before


class TestFailingCells:
    def test_error_and_changed_output_fail(self, strict):
        result = strict(code("1 / 0"), code("print(3)", stream("2\n")))
        result.assert_outcomes(failed=2, passed=1)
        assert result.ret == pytest.ExitCode.TESTS_FAILED

    def test_killed_kernel_fails_at_once(self, strict):
        result = strict(code("import os\nos._exit(1)"), options=["--nbval-cell-timeout=100"])
        assert "the kernel died while it ran this cell" in failures(result)["Cell 0"]
        assert result.duration < 30

    def test_file_with_merge_marks_fails_alone(self, strict, pytester):
        (pytester.path / "broken.ipynb").write_text("<<<<<<< HEAD\n{}", encoding="utf-8")
        result = strict(GOOD)
        result.assert_outcomes(passed=2, errors=1)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert "ERROR broken.ipynb" in message(result)

    def test_cells_after_a_timeout_are_not_run_and_said_so(self, strict):
        cells = [code("import time\ntime.sleep(60)"), code("1 / 0")]
        result = strict(*cells, options=["--nbval-cell-timeout=1"])
        result.assert_outcomes(failed=1, skipped=1, passed=1)
        assert "an earlier cell of this notebook ran out of time" in message(result)


IGNORED = "nbval-ignore-output"
# Cells that pass in plain nbval, and what strict nbval says about them.
HOLES = {
    "bad magic, outputs ignored": (code("%notmagic\n1 / 0", tags=[IGNORED]), "UsageError"),
    "bad magic, message stored": (
        code("%notmagic\n1 / 0", stream(UNKNOWN_MAGIC, name="stderr")),
        "text on stderr is stored",
    ),
    "never run": (code("print(1 + 1)", count=None), "never executed"),
    "raises nothing": (code("x = 1", tags=["raises-exception"]), "no error is stored in it"),
    "raises nothing, outputs ignored": (
        code("x = 1", error("E", ""), tags=["raises-exception", IGNORED]),
        "expected is error",
    ),
    "shell command fails": (code("!exit 3"), "shell command failed with status 3"),
    "error in a thread": (code(THREAD, tags=[IGNORED]), "it wrote to stderr"),
    "writes to stderr": (
        code("import sys\nprint('!', file=sys.stderr)", tags=[IGNORED]),
        "it wrote to stderr: !",
    ),
    "misspelt tag": (code("x = 1", tags=["nbval_skip"]), "unknown tag 'nbval_skip'"),
    "skipped": (code("1 / 0", tags=["nbval-skip"], count=None), "unknown tag 'nbval-skip'"),
    "comment marker": (code("# NBVAL_SKIP\n1 / 0"), "comment marker"),
}


class TestHolesOfPlainNbval:
    def test_cells_pass_in_plain_nbval_and_each_fails_in_strict(self, plain, strict):
        cells = [cell for cell, _ in HOLES.values()]
        assert plain(*cells).ret == pytest.ExitCode.OK
        found = failures(strict(*cells))
        for number, (name, (_, reason)) in enumerate(HOLES.items()):
            assert reason in found.get(f"Cell {number}", "passed"), name

    @pytest.mark.parametrize(
        ("source", "reason"),
        [(SWALLOWED, "swallowed the interrupt"), ("exit()", "it ended the kernel")],
        ids=["swallowed timeout", "kernel ended politely"],
    )
    def test_cell_that_stops_its_notebook_fails_too(self, plain, strict, source, reason):
        cells, timeout = [code(source), code("1 / 0")], ["--nbval-cell-timeout=1"]
        if source == "exit()":
            del cells[1]  # the kernel is about to end
        assert plain(*cells, options=timeout).ret == pytest.ExitCode.OK
        assert reason in failures(strict(*cells, options=timeout))["Cell 0"]


class TestMemoryCheck:
    def test_notebook_above_the_limit_fails_and_says_so(self, strict):
        # 400 MB of ones: pages that are only reserved, not written, would not count.
        large = code("data = b'1' * 400_000_000")
        result = strict(large, options=["-o", "notebook_memory_limit=400e6"])
        result.assert_outcomes(passed=1, failed=1)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert "MB of memory at its peak, allowed are 400 MB" in failures(result)["memory"]

    def test_notebook_below_the_limit_has_a_row_in_the_table_and_no_report(self, strict, pytester):
        lines = strict(code(CLAIM), code("x = 1")).stdout.lines
        row = next(line for line in lines if line.startswith("tiny.ipynb  "))
        name, cells, seconds, _, memory, _ = row.split()
        assert (name, cells) == ("tiny.ipynb", "2")
        assert float(seconds) > 0.1
        assert 20 < float(memory) < 400  # an idle kernel needs some 60 MB
        assert not (pytester.path / "reports").exists()  # it is no notebook of the course


class TestReports:
    def test_notebooks_of_the_course_leave_claims_and_costs(self, course, pytester):
        spread = ["-n", "2", "--dist", "loadfile"]  # the workers send what they measured
        result = pytester.runpytest_inprocess(*PLUGIN, *NBVAL, *spread, "notebooks")
        result.assert_outcomes(passed=4, failed=1)
        names = ["00_good.ipynb", "01_bad.ipynb"]
        claims, costs = (table(course / "reports" / f"{name}.csv") for name in ("claims", "costs"))
        assert [(row["notebook"], row["sentence"]) for row in claims] == [
            (name, "One is one.") for name in names
        ]
        assert [(row["notebook"], row["cells"]) for row in costs] == [
            (names[0], "1"),
            (names[1], "2"),
        ]
        assert all(float(row["seconds"]) > 0.1 for row in costs)
        assert "One is one." in (course / "reports" / "claims.md").read_text(encoding="utf-8")


class TestSpreadingOverWorkers:
    @pytest.mark.parametrize("spread", [["-n", "2"], ["-n", "2", "--dist", "worksteal"]])
    def test_tearing_a_notebook_apart_is_refused(self, strict, spread):
        refused = strict(GOOD, options=spread)
        assert refused.ret == pytest.ExitCode.USAGE_ERROR
        assert "add --dist loadfile" in message(refused)
