"""Tests of `course_utils.environment.progress`: what a learner has done is kept, and only that."""

import builtins
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from filelock import FileLock
from jupyter_client.manager import run_kernel
from nbformat.v4 import new_code_cell
from tiny_notebooks import save

from course_utils.environment import forget_progress, progress
from course_utils.environment import progress as progress_function
from course_utils.environment.progress import data_directory, note_exercise, note_guess
from course_utils.exercises.checks.exercise import Exercise
from course_utils.project.notebooks import execute

NOTHING = "Nothing yet: no exercise was tried and no guess was made.\n"


def kernel(**metadata):
    """Return what stands for the shell of a kernel: it knows the message that runs the cell."""
    return SimpleNamespace(get_parent=lambda: {"metadata": metadata})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COURSE_NOTEBOOK", "00_start_here.ipynb")
    return tmp_path / "data"


@pytest.fixture
def run_by(monkeypatch):
    """Return a function that says who runs the cell; at first it is a learner in JupyterLab."""

    def change(**metadata):
        monkeypatch.setattr(builtins, "get_ipython", lambda: kernel(**metadata), raising=False)

    change(cellId="1")
    return change


def shown(capsys):
    capsys.readouterr()
    progress()
    return capsys.readouterr().out


class TestWhatIsKept:
    def test_right_exercises_and_first_guesses_by_lesson(self, run_by, monkeypatch, capsys):
        note_exercise("easy", "not yet")
        note_exercise("easy", "right")
        note_exercise("easy", "not yet")  # tried again, for fun
        note_guess("accuracy", "too low")
        note_guess("accuracy", "near")  # who knows the answer guesses well
        monkeypatch.setenv("COURSE_NOTEBOOK", "01_next.ipynb")
        note_exercise("easy", "not yet")
        note_guess("gain", "near")
        lines = shown(capsys).splitlines()
        assert [line.split(maxsplit=1) for line in lines[:2]] == [
            ["00_start_here", "easy right; accuracy: too low"],
            ["01_next", "easy not yet; gain: near"],
        ]
        assert lines[2] == "In all: 1 of 2 tried exercises right, 1 of 2 guesses near."
        assert "forget_progress() deletes it" in lines[3]

    def test_checks_of_exercises_note_it_and_untouched_ones_do_not(self, run_by, capsys):
        judge = {1: None, 2: "Not two."}.get
        easy = Exercise("easy", judge=judge, hints=["Count."], why="Numbers count.")
        easy.check(...)
        assert shown(capsys) == NOTHING
        easy.check(2)
        assert "easy not yet" in shown(capsys)
        easy.check(1)
        assert "easy right" in shown(capsys)

    def test_solutions_and_what_a_program_runs_are_nobodys_work(self, run_by, capsys, folder):
        for metadata in ({"cellId": "1", "tags": ["solution"]}, {}):
            run_by(**metadata)
            note_exercise("easy", "right")
            note_guess("accuracy", "near")
        assert shown(capsys) == NOTHING
        assert not (folder / "progress.json").exists()

    def test_outside_of_a_notebook_nothing_is_kept(self, run_by, monkeypatch, capsys):
        monkeypatch.delattr(builtins, "get_ipython")
        note_exercise("easy", "right")
        run_by(cellId="1")
        monkeypatch.setenv("COURSE_NOTEBOOK", "")
        monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
        note_exercise("easy", "right")
        assert shown(capsys) == NOTHING

    def test_one_call_forgets_all_of_it(self, run_by, capsys, folder):
        note_exercise("easy", "right")
        (folder / "progress-broken-1.json").write_text("{")
        forget_progress()
        assert not list(folder.glob("*.json"))
        assert shown(capsys) == NOTHING


@pytest.mark.slow
class TestARealKernel:
    def test_knows_whose_cell_it_runs(self, folder, monkeypatch):
        monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/00_start_here.ipynb")
        code = "from course_utils.environment.progress import note_exercise\n"
        with run_kernel() as client:
            for name, metadata in (
                ("by JupyterLab", {"cellId": "1", "tags": ["exercise"]}),
                ("solution", {"cellId": "2", "tags": ["solution"]}),
                ("by a program", {}),
            ):
                content = {"code": f"{code}note_exercise({name!r}, 'right')", "silent": False}
                message = client.session.msg("execute_request", content, metadata=metadata)
                client.shell_channel.send(message)
                while (reply := client.get_shell_msg(timeout=60))["msg_type"] != "execute_reply":
                    pass  # what the client asked on its own when it began
                assert reply["content"]["status"] == "ok"
        kept = json.loads((folder / "progress.json").read_text("utf-8"))
        assert kept == {"00_start_here": {"exercises": {"by JupyterLab": "right"}, "guesses": {}}}

    def test_of_a_run_by_the_project_sees_nothing_of_the_learners(self, folder, tmp_path, run_by):
        note_exercise("easy", "right")
        before = (folder / "progress.json").read_bytes()
        source = (
            "from course_utils.environment import progress\n"
            "from course_utils.exercises.start_here import easy\n"
            "easy.check(0.5)\nprogress()"
        )
        path = save(tmp_path / "00_start_here.ipynb", new_code_cell(source))
        (output,) = execute(path).cells[0].outputs
        assert output.text.startswith("easy: right.") and output.text.endswith(NOTHING)
        assert (folder / "progress.json").read_bytes() == before


class TestTheFile:
    @pytest.mark.parametrize(
        "text", ["{cut off", "[]", '{"00": {}}', '{"00": {"exercises": {"a": 1}, "guesses": {}}}']
    )
    def test_broken_one_is_set_aside_and_never_lost(self, run_by, capsys, folder, text):
        for number in (1, 2):
            data_directory().joinpath("progress.json").write_text(text)
            note_exercise("easy", "right")
            assert f"set aside as progress-broken-{number}.json" in capsys.readouterr().out
            assert (folder / f"progress-broken-{number}.json").read_text() == text
        assert "easy right" in shown(capsys)

    def test_two_notebooks_at_once_lose_nothing(self, run_by, folder):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: note_exercise(f"number {n}", "right"), range(40)))
        kept = json.loads((folder / "progress.json").read_text("utf-8"))
        assert len(kept["00_start_here"]["exercises"]) == 40
        assert not list(folder.glob("*.tmp"))

    def test_where_it_cannot_be_written_an_exercise_works_all_the_same(
        self, run_by, monkeypatch, capsys, tmp_path
    ):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "file" / "data"))
        Exercise("easy", judge=lambda answer: None, hints=["-"], why="So.").check(1)
        first, second = capsys.readouterr().out.splitlines()
        assert first == "easy: right. So."
        assert "not kept" in second and "set COURSE_DATA_DIR" in second
        with pytest.raises(ValueError, match="data folder is .*set COURSE_DATA_DIR"):
            progress()

    def test_who_waits_too_long_for_another_notebook_is_told(
        self, run_by, monkeypatch, capsys, folder
    ):
        monkeypatch.setattr(sys.modules[progress_function.__module__], "_WAIT", 0.1)
        with FileLock(data_directory() / "progress.lock"):
            note_exercise("easy", "right")
        assert "not kept" in capsys.readouterr().out

    def test_is_in_the_users_data_folder_unless_the_variable_moves_it(self, monkeypatch, tmp_path):
        monkeypatch.delenv("COURSE_DATA_DIR")
        monkeypatch.setattr("platformdirs.user_data_dir", lambda *a, **k: str(tmp_path / "own"))
        assert data_directory() == tmp_path / "own"

    @pytest.mark.slow
    def test_test_runs_have_one_of_their_own(self, tmp_path):
        test = tmp_path / "test_it.py"
        test.write_text("import os\ndef test_it(): assert os.environ['COURSE_DATA_DIR'] != '/own'")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "course_utils.project.own_data"]
        environment = {**os.environ, "COURSE_DATA_DIR": "/own"}
        run = subprocess.run(
            [*command, "-p", "no:cacheprovider", str(test)],
            env=environment,
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout
