"""Tests of `course_utils.project.notebooks`."""

import nbformat
import pytest
from tiny_notebooks import code, save, stream

from course_utils.project import notebooks
from course_utils.project.normal_form import is_normal, write_notebook

CLAIM = """
import json, os
claim = {"notebook": os.environ["COURSE_NOTEBOOK"], "cell": 1, "sentence": "One is one.",
         "low": 1, "high": 1, "measured": 1}
with open(os.environ["COURSE_LEDGER"], "a", encoding="utf-8") as file:
    print(json.dumps(claim), file=file)
"""


class TestRun:
    def test_table_and_claims_of_good_and_failing_notebooks(self, tmp_path, capsys):
        good = save(tmp_path / "00_good.ipynb", code(CLAIM))
        bad = save(tmp_path / "01_bad.ipynb", code(CLAIM), code("1 / 0"))
        before = good.read_bytes(), bad.read_bytes()
        reports = tmp_path / "reports"
        assert not notebooks.run([good, bad], reports=reports)
        printed = capsys.readouterr()
        rows = [line.split() for line in printed.out.splitlines() if ".ipynb  " in line]
        assert rows[0][0] == "00_good.ipynb" and float(rows[0][1]) > 0 and rows[0][-1] == "1"
        assert rows[1] == ["01_bad.ipynb", "failed", "-", "1"]
        assert "01_bad.ipynb, code cell 2 failed: ZeroDivisionError" in printed.err
        table = (reports / "claims.md").read_text(encoding="utf-8")
        assert table.count("| One is one. | 1 to 1 | 1 | 0") == 2
        assert (good.read_bytes(), bad.read_bytes()) == before

    def test_claims_of_an_earlier_run_are_forgotten(self, tmp_path):
        (tmp_path / "ledger.jsonl").write_text("an earlier run", encoding="utf-8")
        assert notebooks.run([save(tmp_path / "a.ipynb", code(CLAIM))], reports=tmp_path)
        assert "One is one." in (tmp_path / "claims.md").read_text(encoding="utf-8")


class TestStore:
    def test_failing_notebook_is_left_alone_and_the_others_are_stored(self, tmp_path, capsys):
        bad = save(tmp_path / "00_bad.ipynb", code("print(1)", stream("old")), code("1 / 0"))
        good = save(tmp_path / "01_good.ipynb", code("print(1)", stream("old"), count=5))
        before = bad.read_bytes()
        assert not notebooks.store([bad, good])
        assert bad.read_bytes() == before
        assert "00_bad.ipynb, code cell 2 failed: ZeroDivisionError" in capsys.readouterr().err
        assert is_normal(good)
        assert nbformat.read(good, as_version=4).cells[0].outputs == [stream("1\n")]

    def test_storing_twice_changes_nothing(self, tmp_path):
        source = "import matplotlib.pyplot as plt\nprint('x')\n_ = plt.plot([1, 2])"
        path = save(tmp_path / "a.ipynb", code(source))
        assert notebooks.store([path])
        first = path.read_bytes()
        assert notebooks.store([path])
        assert path.read_bytes() == first


class TestCheck:
    def test_only_strays_are_named(self, tmp_path, capsys):
        stray = save(tmp_path / "stray.ipynb", code("x", count=9))
        normal = tmp_path / "normal.ipynb"
        write_notebook(nbformat.read(stray, as_version=4), normal)
        assert notebooks.check([normal])
        assert not notebooks.check([normal, stray])
        assert capsys.readouterr().err.split()[0] == "stray.ipynb"


class TestMain:
    @pytest.mark.parametrize("is_well", [True, False])
    @pytest.mark.parametrize("command", ["run", "store", "check"])
    def test_exit_status_is_that_of_the_command(self, tmp_path, monkeypatch, command, is_well):
        called = []
        monkeypatch.setattr(notebooks, command, lambda paths: called.append(paths) or is_well)
        path = save(tmp_path / "a.ipynb", code("x"))
        assert notebooks.main([command, str(path)]) == (0 if is_well else 1)
        assert called == [[path]]

    def test_all_notebooks_of_the_course_are_the_default(self, tmp_path, monkeypatch):
        (tmp_path / "notebooks").mkdir()
        monkeypatch.setattr(notebooks, "ROOT", tmp_path)
        first, second = (tmp_path / "notebooks" / name for name in ("00_a.ipynb", "01_b.ipynb"))
        write_notebook(nbformat.read(save(second, code("x")), as_version=4), second)
        save(first, code("x", count=9))
        assert notebooks.main(["check"]) == 1
        write_notebook(nbformat.read(first, as_version=4), first)
        assert notebooks.main(["check"]) == 0

    def test_missing_file_and_empty_course_are_refused(self, tmp_path, monkeypatch, capsys):
        assert notebooks.main(["check", str(tmp_path / "none.ipynb")]) == 2
        assert "none.ipynb" in capsys.readouterr().err
        monkeypatch.setattr(notebooks, "ROOT", tmp_path)
        assert notebooks.main(["check"]) == 2
