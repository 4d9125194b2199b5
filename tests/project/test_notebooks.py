"""Tests of `course_utils.project.notebooks`, each with a notebook of one or two cells."""

import json
import sys

import nbformat
import pytest
from tiny_notebooks import code, error, picture, save, stream, text

from course_utils.project import notebooks
from course_utils.project.normal_form import normal_text
from course_utils.project.notebooks import NotebookError, execute, store

pytestmark = pytest.mark.slow

HANGS = """
import time
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""
PICTURE = """
class Picture:
    def _repr_html_(self):
        raise RuntimeError('cannot be drawn')
Picture()
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that executes a notebook of the given cells and returns its cells."""

    def run(*cells, **options):
        return execute(save(tmp_path / "tiny.ipynb", *cells), **options).cells

    return run


class TestExecute:
    def test_kernel_is_this_python_in_the_folder_of_the_notebook(self, run, tmp_path):
        variables = ["COURSE_NOTEBOOK", "TQDM_DISABLE"]
        source = (
            "import json, os, sys, pathlib\n"
            f"print(json.dumps([sys.executable, str(pathlib.Path.cwd()), "
            f"*map(os.environ.get, {variables})]))"
        )
        (cell,) = run(code(source))
        expected = [sys.executable, str(tmp_path.resolve()), "tiny.ipynb", "1"]
        assert json.loads(cell.outputs[0].text) == expected

    def test_figures_are_stored_though_the_user_set_a_backend(self, run, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")
        source = "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])"
        data = run(code(source))[0].outputs[0].data
        assert data["text/plain"] == picture().data["text/plain"]
        assert data["image/png"].startswith("iVBOR")

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("1 / 0", "failed: ZeroDivisionError: division by zero"),
            ("%notmagic", "failed: UsageError"),
            ("import os\nos._exit(1)", "failed: Kernel died"),
            (PICTURE, "failed: RuntimeError: cannot be drawn"),  # though the kernel replied "ok"
            ("import sys\nprint('Careful!', file=sys.stderr)", "text on stderr.*: Careful!"),
        ],
    )
    def test_failing_cell_is_named_with_its_error(self, run, source, reason):
        with pytest.raises(NotebookError, match=rf"^tiny.ipynb, code cell 2.*{reason}") as caught:
            run(text("# Title"), code("x = 1"), code(source))
        assert "\x1b" not in str(caught.value)

    def test_timeout_fails_though_the_cell_swallows_the_interrupt(self, run):
        with pytest.raises(NotebookError, match="code cell 1 failed.*timed out"):
            run(code(HANGS), timeout=1)

    def test_tagged_cell_may_raise_and_must(self, run):
        tagged = {"tags": ["raises-exception"]}
        assert run(code("1 / 0", **tagged))[0].outputs[0].ename == "ZeroDivisionError"
        with pytest.raises(NotebookError, match="raises-exception, and no error is stored"):
            run(code("x = 1", error("ZeroDivisionError", ""), **tagged))


class TestStore:
    def test_new_outputs_replace_the_old_in_normal_form(self, tmp_path):
        bar = code("print('10%\\r20%')\nprint('done')", stream("old"), count=7)
        path = save(tmp_path / "a.ipynb", text("# Title"), bar, code("3"))
        assert store([path])
        stored = nbformat.read(path, as_version=4)
        assert path.read_text(encoding="utf-8") == normal_text(stored)
        assert stored.cells[1].outputs == [stream("20%\ndone\n")]
        assert stored.cells[2].outputs[0].data == {"text/plain": "3"}

    def test_storing_twice_changes_nothing(self, tmp_path):
        source = "import matplotlib.pyplot as plt\nprint('x')\n_ = plt.plot([1, 2])"
        path = save(tmp_path / "a.ipynb", code(source))
        assert store([path])
        first = path.read_bytes()
        assert store([path])
        assert path.read_bytes() == first

    def test_what_cannot_be_stored_is_named_and_left_alone_and_the_others_are_stored(
        self, tmp_path, capsys
    ):
        marks, empty, listed = (tmp_path / f"0_{name}.ipynb" for name in ("marks", "empty", "list"))
        marks.write_text('{"cells": [\n<<<<<<< HEAD\n]}', encoding="utf-8")
        empty.write_text("{}", encoding="utf-8")
        listed.write_text("[1]", encoding="utf-8")
        failing = save(tmp_path / "1_failing.ipynb", code("print(1)", stream("old")), code("1 / 0"))
        good = save(tmp_path / "2_good.ipynb", code("print(1)", stream("old")))
        bad = [marks, empty, listed, failing]
        before = [path.read_bytes() for path in bad]
        assert not store([*bad, good])
        assert [path.read_bytes() for path in bad] == before
        assert nbformat.read(good, as_version=4).cells[0].outputs == [stream("1\n")]
        assert sorted(tmp_path.iterdir()) == [*sorted(bad), good]
        printed = capsys.readouterr().err
        assert "0_marks.ipynb cannot be read as a notebook; look for merge marks" in printed
        assert "1_failing.ipynb, code cell 2 failed: ZeroDivisionError" in printed
        assert f"Not stored: {', '.join(path.name for path in bad)}" in printed


class TestMain:
    @pytest.mark.parametrize(("is_well", "status"), [(True, 0), (False, 1)])
    def test_exit_status_says_whether_all_were_stored(self, tmp_path, monkeypatch, is_well, status):
        called = []
        monkeypatch.setattr(notebooks, "store", lambda paths: called.append(paths) or is_well)
        path = save(tmp_path / "a.ipynb", code("x"))
        assert notebooks.main(["store", str(path)]) == status
        assert called == [[path]]

    def test_all_notebooks_of_the_course_are_the_default(self, tmp_path, monkeypatch):
        called = []
        monkeypatch.setattr(notebooks, "store", lambda paths: called.append(paths) or True)
        monkeypatch.setattr(notebooks, "ROOT", tmp_path)
        (tmp_path / "notebooks").mkdir()
        paths = [save(tmp_path / "notebooks" / name, code("x")) for name in ("0.ipynb", "1.ipynb")]
        assert notebooks.main(["store"]) == 0
        assert called == [paths]

    def test_missing_file_and_empty_course_are_refused(self, tmp_path, monkeypatch, capsys):
        assert notebooks.main(["store", str(tmp_path / "none.ipynb")]) == 2
        assert "none.ipynb" in capsys.readouterr().err
        monkeypatch.setattr(notebooks, "ROOT", tmp_path)
        assert notebooks.main(["store"]) == 2
