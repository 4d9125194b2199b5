"""The root conftest.py closes the holes of nbval 0.11, each shown with a tiny notebook.

`strict` runs pytest with the conftest, `plain` without: where plain nbval passes and the strict
run fails, the hole was there and is closed.
"""

import os
from pathlib import Path

import pytest
from tiny_notebooks import code, error, picture, save, stream

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[2] / "conftest.py"
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


@pytest.fixture
def plain(pytester):
    """Return a function that writes cells to a notebook and runs nbval on it."""

    def run(*cells, options=()):
        save(pytester.path / "tiny.ipynb", *cells)
        arguments = ["--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-rA", "-vv"]
        return pytester.runpytest_inprocess(*arguments, *options)

    return run


@pytest.fixture
def strict(plain, pytester):
    """Return the same function, with the course's conftest beside the notebook."""
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    return plain


def message(result):
    """Return all that a run printed, as one text."""
    return result.stdout.str() + result.stderr.str()


class TestGoodCells:
    def test_cell_with_its_output_passes(self, strict):
        strict(GOOD).assert_outcomes(passed=2)  # the cell and its notebook's memory

    def test_cell_that_raises_as_tagged_passes(self, strict):
        raises = code(
            "1 / 0", error("ZeroDivisionError", "division by zero"), tags=["raises-exception"]
        )
        strict(raises, GOOD).assert_outcomes(passed=3)

    def test_cell_tagged_to_be_skipped_is_skipped_and_reported(self, strict):
        skipped = code("1 / 0", tags=["nbval-skip"], count=None)
        strict(skipped, GOOD).assert_outcomes(passed=2, skipped=1)

    def test_closing_semicolon_hides_the_value_as_in_jupyterlab(self, strict):
        strict(code("x = 3\nx;")).assert_outcomes(passed=2)

    def test_output_of_a_child_process_is_seen_as_in_jupyterlab(self, strict):
        child = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(7)']);"
        strict(code(child, stream("7\n"))).assert_outcomes(passed=2)

    def test_run_without_nbval_ignores_notebooks(self, pytester):
        pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
        pytester.makepyfile("def test_one():\n    assert True\n")
        save(pytester.path / "tiny.ipynb", code("1 / 0"))
        result = pytester.runpytest_inprocess()
        result.assert_outcomes(passed=1)
        assert "peak memory" not in message(result)


class TestFailingCells:
    def test_error_fails(self, strict):
        result = strict(code("1 / 0"))
        result.assert_outcomes(failed=1, passed=1)
        assert result.ret == pytest.ExitCode.TESTS_FAILED

    def test_changed_output_fails(self, strict):
        strict(code("print(3)", stream("2\n"))).assert_outcomes(failed=1, passed=1)

    def test_killed_kernel_fails_at_once(self, strict):
        result = strict(code("import os\nos._exit(1)"), options=["--nbval-cell-timeout=100"])
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert "the kernel died while it ran this cell" in message(result)
        assert result.duration < 30


HOLES = {
    "bad magic, outputs ignored": (
        [code("%notmagic\n1 / 0", tags=["nbval-ignore-output"])],
        "UsageError",
    ),
    "bad magic, message stored": (
        [code("%notmagic\n1 / 0", stream(UNKNOWN_MAGIC, name="stderr"))],
        "text on stderr is stored",
    ),
    "swallowed timeout": ([code(SWALLOWED), code("1 / 0")], "swallowed the interrupt"),
    "never run": ([code("print(1 + 1)", count=None)], "never executed"),
    "raises nothing": ([code("x = 1", tags=["raises-exception"])], "expected is error"),
    "shell command fails": ([code("!exit 3")], "shell command failed with status 3"),
    "error in a thread": ([code(THREAD, tags=["nbval-ignore-output"])], "it wrote to stderr"),
    "kernel ended politely": ([code("exit()")], "it ended the kernel"),
    "misspelt tag": ([code("x = 1", tags=["nbval_skip"])], "ignore the tag 'nbval_skip'"),
    "comment marker": ([code("# NBVAL_SKIP\n1 / 0")], "comment marker"),
}


@pytest.mark.parametrize(("cells", "reason"), HOLES.values(), ids=HOLES)
class TestHolesOfPlainNbval:
    def test_plain_nbval_is_green(self, plain, cells, reason):
        result = plain(*cells, options=["--nbval-cell-timeout=1"])
        assert result.ret == pytest.ExitCode.OK

    def test_strict_nbval_is_red(self, strict, cells, reason):
        result = strict(*cells, options=["--nbval-cell-timeout=1"])
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert result.parseoutcomes()["failed"] == 1
        assert reason in message(result)


class TestCellsAfterTimeout:
    def test_they_are_not_run_and_said_so(self, strict):
        cells = [code("import time\ntime.sleep(60)"), code("1 / 0")]
        result = strict(*cells, options=["--nbval-cell-timeout=1"])
        result.assert_outcomes(failed=1, skipped=1, passed=1)
        assert "an earlier cell of this notebook ran out of time" in message(result)


class TestKernelEnvironment:
    def test_kernel_gets_the_settings_of_the_course(self, strict, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")
        names = ["COURSE_NOTEBOOK", "TQDM_DISABLE", "PYTEST_CURRENT_TEST"]
        source = f"import os\nprint([os.environ.get(name) for name in {names}])"
        seen = stream("['tiny.ipynb', '1', None]\n")
        strict(code(source, seen)).assert_outcomes(passed=2)

    def test_figures_are_drawn_though_the_user_set_a_backend(self, strict, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")
        source = "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])"
        strict(code(source, picture())).assert_outcomes(passed=2)

    def test_environment_of_pytest_itself_is_restored(self, strict):
        before = {**os.environ, "PYTEST_CURRENT_TEST": "which pytest itself sets and removes"}
        strict(GOOD)
        after = {**os.environ, "PYTEST_CURRENT_TEST": before["PYTEST_CURRENT_TEST"]}
        assert after == before


class TestMemoryCheck:
    def test_notebook_above_the_limit_fails_and_says_so(self, strict):
        result = strict(GOOD, options=["-o", "notebook_memory_limit=1e6"])
        result.assert_outcomes(passed=1, failed=1)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert "MB of memory at its peak, allowed are 1 MB" in message(result)

    def test_memory_of_a_cell_is_counted(self, strict):
        # 400 MB of ones: pages that are only reserved, not written, would not count.
        large = code("import time\ndata = b'1' * 400_000_000\ntime.sleep(0.6)\ndel data")
        result = strict(large, options=["-o", "notebook_memory_limit=400e6"])
        result.assert_outcomes(passed=1, failed=1)

    def test_table_has_a_row_for_each_notebook(self, strict):
        lines = strict(GOOD, code("x = 1")).stdout.lines
        row = next(line for line in lines if line.startswith("tiny.ipynb  "))
        name, cells, seconds, memory, unit = row.split()
        assert (name, cells, unit) == ("tiny.ipynb", "2", "MB")
        assert float(seconds) > 0.1
        assert 20 < float(memory) < 400  # an idle kernel needs some 60 MB


class TestSpreadingOverWorkers:
    def test_tearing_a_notebook_apart_is_refused(self, strict, pytester):
        # A stand-in for pytest-xdist, which the course does not need: it only adds the option.
        pytester.makepyfile(
            standin="def pytest_addoption(parser):\n    parser.addoption('--dist', default='no')\n"
        )
        pytester.syspathinsert()
        refused = strict(GOOD, options=["-p", "standin", "--dist", "load"])
        assert refused.ret == pytest.ExitCode.USAGE_ERROR
        assert "add --dist loadfile" in message(refused)
        strict(GOOD, options=["-p", "standin", "--dist", "loadfile"]).assert_outcomes(passed=2)
