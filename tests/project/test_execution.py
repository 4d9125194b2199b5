"""Tests of `course_utils.project.execution`, each with a notebook of one or two cells."""

import json
import sys

import pytest
from tiny_notebooks import code, picture, save, stream, text

from course_utils.project.execution import NotebookError, execute
from course_utils.project.normal_form import normalise

HANGS = """
import time
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that executes a notebook of the given cells."""

    def run(*cells, **options):
        return execute(save(tmp_path / "tiny.ipynb", *cells), **options)

    return run


class TestExecute:
    def test_new_outputs_are_in_normal_form_and_the_file_stays(self, run, tmp_path):
        cells = text("# Title"), code("print(1)\nprint(2)", stream("old"), count=7), code("3")
        notebook = run(*cells).notebook
        assert notebook == normalise(notebook)
        assert notebook.cells[1].outputs == [stream("1\n2\n")]
        assert notebook.cells[2].outputs[0].data == {"text/plain": "3"}
        assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2]
        assert "old" in (tmp_path / "tiny.ipynb").read_text(encoding="utf-8")

    def test_kernel_is_this_python_in_the_folder_of_the_notebook(self, run, tmp_path):
        names = ["COURSE_NOTEBOOK", "TQDM_DISABLE", "COURSE_LEDGER"]
        source = (
            "import json, os, sys, pathlib\n"
            f"print(json.dumps([sys.executable, str(pathlib.Path.cwd()), "
            f"*map(os.environ.get, {names})]))"
        )
        cell = run(code(source), ledger=tmp_path / "ledger.jsonl").notebook.cells[0]
        assert json.loads(cell.outputs[0].text) == [
            sys.executable,
            str(tmp_path.resolve()),
            "tiny.ipynb",
            "1",
            str((tmp_path / "ledger.jsonl").resolve()),
        ]

    def test_figures_are_stored_though_the_user_set_a_backend(self, run, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")
        source = "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])"
        data = run(code(source)).notebook.cells[0].outputs[0].data
        assert data["text/plain"] == picture().data["text/plain"]
        assert data["image/png"].startswith("iVBOR")

    def test_seconds_and_memory_are_measured(self, run):
        execution = run(code("import time\ndata = b'1' * 300_000_000\ntime.sleep(0.6)"))
        assert 0.6 < execution.seconds < 60
        assert 300e6 < execution.peak_memory < 600e6

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("1 / 0", "ZeroDivisionError: division by zero"),
            ("%notmagic", "UsageError"),
            ("import sys\nprint('Careful!', file=sys.stderr)", "wrote to stderr: Careful!"),
            ("import os\nos._exit(1)", "Kernel died"),
        ],
    )
    def test_failing_cell_is_named_with_its_error(self, run, source, reason):
        with pytest.raises(NotebookError) as caught:
            run(text("# Title"), code("x = 1"), code(source))
        assert str(caught.value).startswith("tiny.ipynb, code cell 2 failed: ")
        assert reason in str(caught.value)
        assert "\x1b" not in str(caught.value)

    def test_figure_that_cannot_be_drawn_fails_though_the_reply_says_ok(self, run):
        source = (
            "class Picture:\n"
            "    def _repr_html_(self):\n"
            "        raise RuntimeError('cannot be drawn')\n"
            "Picture()"
        )
        with pytest.raises(NotebookError, match="RuntimeError: cannot be drawn"):
            run(code(source))

    def test_timeout_fails_though_the_cell_swallows_the_interrupt(self, run):
        with pytest.raises(NotebookError, match="code cell 1 failed.*timed out"):
            run(code(HANGS), timeout=1)

    def test_tagged_cell_may_raise(self, run):
        outputs = run(code("1 / 0", tags=["raises-exception"])).notebook.cells[0].outputs
        assert outputs[0].ename == "ZeroDivisionError"

    def test_tagged_cell_must_raise(self, run):
        with pytest.raises(NotebookError, match="raises-exception, and nothing was raised"):
            run(code("x = 1", tags=["raises-exception"]))
