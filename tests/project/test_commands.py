"""Tests of the commands of course_utils.project, the Makefile and .ci/run."""

import ast
import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from course_utils.project import __main__ as project
from course_utils.project import checks
from course_utils.project.checks import lessons
from course_utils.project.installation import THREADS_THAT_WAIT, SetupError
from course_utils.project.network import cut_variables

ROOT = project.ROOT
COMMANDS = ["help", "lab", "check", "test", "setup", "notebooks", "figures", "bench", "lock"]
COMMANDS += ["site", "slides", "student", "browser-test"]
needs_make = pytest.mark.skipif(
    os.name == "nt" or not shutil.which("make"), reason="make is not needed on Windows"
)


@pytest.fixture
def installs(monkeypatch):
    """Record the installations, and pretend that each is done."""
    recorded = []

    def install(root, *, fresh=False):
        recorded.append(fresh)
        return fresh

    monkeypatch.setattr(project, "install", install)
    return recorded


@pytest.fixture
def calls(installs, monkeypatch):
    """Record what would be run; a command fails if a word of it is in ``calls.failing``."""

    class Calls(list):
        failing = ()

        def __call__(self, command, environment):
            self.append((command, environment))
            return int(any(word in command for word in self.failing))

    recorded = Calls()
    monkeypatch.setattr(project, "call", recorded)
    monkeypatch.setattr(checks, "call", recorded)
    monkeypatch.setattr(checks, "without_network", lambda command: ["cut", *command])
    return recorded


class TestMain:
    def test_help_lists_every_command(self, capsys):
        assert project.main([]) == 0
        text = capsys.readouterr().out
        assert sorted(project.COMMANDS) == sorted(COMMANDS)
        assert all(f"\n  {name} " in text for name in COMMANDS)

    def test_unknown_command_is_explained(self, capsys):
        assert project.main(["tset"]) == 2
        assert "Unknown command 'tset'; choose from lab, check, test" in capsys.readouterr().err

    @pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (3, 14, 0)])
    def test_wrong_python_gives_one_line_before_anything_is_imported(self, version, monkeypatch):
        monkeypatch.setattr(sys, "version_info", version)
        monkeypatch.setitem(sys.modules, "course_utils.project.installation", None)  # would raise
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(project.__file__, run_name="__main__")
        assert stop.value.code == (
            f"Python {version[0]}.{version[1]} found, but the course needs 3.11, 3.12 or 3.13: "
            "install one of them, then run again (make: PYTHON=python3.13; "
            "Windows: py -3.13 -m course_utils.project)."
        )

    @pytest.mark.parametrize("name", ["", "project/", "project/__main__"])
    def test_old_python_can_read_the_line_that_names_the_problem(self, name):
        file = ROOT / "course_utils" / f"{name or '__init__'}"
        file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 6))

    def test_failed_set_up_gives_one_line_and_starts_nothing(self, calls, monkeypatch, capsys):
        def fail(root, fresh=False):
            raise SetupError("No disk space.")

        monkeypatch.setattr(project, "install", fail)
        for name in COMMANDS[1:]:
            assert project.main([name]) == 1
            assert capsys.readouterr().err == "No disk space.\n"
        assert calls == []

    def test_interrupt_ends_without_a_traceback(self, installs, monkeypatch):
        def interrupt(command, environment):
            raise KeyboardInterrupt

        monkeypatch.setattr(project, "call", interrupt)
        assert project.main(["lab"]) == 130


class TestSetup:
    def test_fresh_is_passed_on(self, installs):
        assert project.main(["setup"]) == 0
        assert project.main(["setup", "--fresh"]) == 0
        assert installs == [False, True]

    @pytest.mark.parametrize("command", ["setup", "check"])
    def test_other_argument_is_refused(self, command, calls, installs, capsys):
        assert project.main([command, "--frehs"]) == 1
        assert "no argument" in capsys.readouterr().err
        assert (installs, calls) == ([], [])


def words_of(calls):
    return [" ".join(command) for command, _ in calls]


class TestChecks:
    def test_check_tries_all_steps_and_names_the_failed_one(self, calls, capsys):
        calls.failing = ("format",)
        assert project.main(["check"]) == 1
        for words, step in zip(
            ["ruff check", "ruff format --check", "lint-imports", "mypy", "pytest tests"],
            words_of(calls),
            strict=True,
        ):
            assert words in step
        assert capsys.readouterr().out.splitlines()[-1] == "make check: FAILED in format."

    def test_test_adds_all_notebooks(self, calls, capsys):
        assert project.main(["test"]) == 0
        assert len(calls) == 6
        assert {"--nbval", "--nbval-current-env", "--runxfail"} <= set(calls[-1][0])
        assert set(lessons([])) <= set(calls[-1][0])
        assert capsys.readouterr().out.splitlines()[-1] == "make test: all steps passed."

    def test_test_of_one_lesson_runs_nothing_else(self, calls):
        assert project.main(["test", "05"]) == 0
        ((command, _),) = calls
        assert [Path(word).name for word in command if word.endswith(".ipynb")] == [
            "05_domain_alignment.ipynb"
        ]

    def test_steps_run_without_network_and_progress_bars(self, calls):
        project.main(["test"])
        for command, variables in calls:
            assert command[0] == "cut"
            assert variables["TQDM_DISABLE"] == "1"
            assert cut_variables().items() <= variables.items()
            assert set(THREADS_THAT_WAIT) <= set(variables)

    def test_workers_have_one_thread_each_and_notebooks_all(self, calls, monkeypatch):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        project.main(["test"])
        (*_, (tests, of_tests), (notebooks, of_notebooks)) = calls
        assert f"--numprocesses={checks.WORKERS}" in tests
        assert of_tests["OMP_NUM_THREADS"] == "1"
        assert "OMP_NUM_THREADS" not in of_notebooks
        assert not any("numprocesses" in word for word in notebooks)


class TestLessons:
    def test_numbers_and_files_are_found_in_order_and_once(self):
        found = lessons(["7", "05", "notebooks/05_domain_alignment.ipynb"])
        names = [Path(file).name for file in found]
        assert names == ["07_text_with_bert.ipynb", "05_domain_alignment.ipynb"]

    def test_no_name_means_all(self):
        assert lessons([]) == [str(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]

    @pytest.mark.parametrize("command", ["test", "notebooks"])
    @pytest.mark.parametrize("name", ["95", "tests/toys.py", "notebooks/missing.ipynb", "--fast"])
    def test_unknown_lesson_is_refused_with_those_that_exist(
        self, name, command, calls, installs, capsys
    ):
        assert project.main([command, "05", name]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"No lesson {name!r}: name lessons by their numbers (00, 01, ")
        assert error.count("\n") == 1
        assert (installs, calls) == ([], [])


class TestOtherCommands:
    def test_notebooks_are_stored_without_progress_bars(self, calls):
        assert project.main(["notebooks", "00"]) == 0
        ((command, variables),) = calls
        assert command[2:4] == ["course_utils.project.notebooks", "store"]
        assert command[4:] == lessons(["00"])
        assert variables["TQDM_DISABLE"] == "1"

    def test_all_drawings_are_tried_and_the_failed_one_is_named(
        self, calls, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.setattr(project, "ROOT", tmp_path)
        (tmp_path / "figures").mkdir()
        for name in ("draw_a.py", "draw_b.py", "style.py"):
            (tmp_path / "figures" / name).touch()
        calls.failing = (str(tmp_path / "figures" / "draw_a.py"),)
        assert project.main(["figures"]) == 1
        assert [Path(command[1]).name for command, _ in calls] == ["draw_a.py", "draw_b.py"]
        assert "Not drawn: draw_a.py" in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["site", "slides", "student"])
    def test_book_slides_and_copies_are_made_of_the_named_lessons(self, name, calls):
        assert project.main([name, "05"]) == 0
        ((command, _),) = calls
        assert command[1:] == ["-m", "course_utils.project.book", name, *lessons(["05"])]

    def test_browser_tries_the_named_lessons_also_the_long_ones(self, calls):
        assert project.main(["browser-test", "05", "07"]) == 0
        ((command, _),) = calls
        assert command[command.index("pytest") + 1] == "tests/browser"
        assert "long or not long" in command
        assert command[command.index("-k") + 1] == "not long_lesson or lesson_05 or lesson_07"

    def test_benchmark_is_a_script_that_gets_the_arguments(self, calls):
        assert project.main(["bench", "--splits", "3"]) == 0
        ((command, _),) = calls
        assert Path(command[1]).is_file()
        assert Path(command[1]).name == "solar_cells.py"
        assert command[2:] == ["--splits", "3"]

    def test_lock_file_was_made_by_the_command_lock(self, calls):
        assert project.main(["lock", "--upgrade"]) == 0
        ((command, _),) = calls
        assert command[1:5] == ["pip", "compile", "requirements.txt", "-o"]
        assert {"--universal", "--generate-hashes", "--no-emit-index-url", "--upgrade"} <= set(
            command
        )
        head = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()[1]
        assert head.split() == [
            "#",
            *command[command.index("--custom-compile-command") + 1].split(),
        ]


@pytest.mark.slow
class TestLab:
    def test_more_options_are_passed_on(self, calls):
        assert project.main(["lab", "--no-browser"]) == 0
        ((command, _),) = calls
        assert command[1:3] == ["-m", "jupyterlab"]
        assert command[-1] == "--no-browser"

    def test_nobody_is_asked_for_news_or_updates(self):
        options = {
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
            "--LabApp.extension_manager=readonly",
        }
        assert options <= set(project.lab_command([]))

    def test_kernel_of_the_installation_wins_over_the_users_kernel(self, tmp_path, monkeypatch):
        user = tmp_path / "user" / "kernels" / "python3"
        user.mkdir(parents=True)
        kernel = {"argv": ["/elsewhere/python"], "display_name": "other", "language": "python"}
        (user / "kernel.json").write_text(json.dumps(kernel), encoding="utf-8")
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "user"))
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "user"))
        assert self.python_of_kernel(dict(os.environ)) == "/elsewhere/python"
        assert self.python_of_kernel(project.lab_environment()) == sys.executable

    def python_of_kernel(self, variables):
        code = (
            "from jupyter_client import KernelManager\n"
            "print(KernelManager(kernel_name='python3').format_kernel_cmd()[0])"
        )
        command = [sys.executable, "-c", code]
        return subprocess.check_output(command, env=variables, text=True).strip()

    def test_first_lesson_is_served(self, tmp_path, monkeypatch):
        monkeypatch.setattr(project, "PYTHON", sys.executable)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        extra = ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
        extra += ["--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1", "--allow-root"]
        variables = project.lab_environment()
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            variables[name] = str(tmp_path / name)
        log = tmp_path / "log"
        with log.open("wb") as output:
            command = project.lab_command(extra)
            server = subprocess.Popen(
                command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            base = f"http://127.0.0.1:{port}"
            page, address = fetch(f"{base}/", server, log)  # JupyterLab forwards to its start
            assert address == f"{base}/lab/tree/notebooks/00_start_here.ipynb"
            assert b"JupyterLab" in page
            text, _ = fetch(f"{base}/api/contents/{project.FIRST_LESSON}", server, log)
            assert json.loads(text)["type"] == "notebook"
        finally:
            server.terminate()
            server.wait(timeout=30)


def fetch(address, server, log):
    """Return the body and the final address of a page once the server answers with HTTP 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback, no proxy
    deadline = time.monotonic() + 120  # seconds; a start takes 2 to 20
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with opener.open(address, timeout=30) as answer:
                assert answer.status == 200
                return answer.read(), answer.url
        except urllib.error.HTTPError:
            raise
        except OSError:  # not listening yet
            time.sleep(0.2)
    pytest.fail(log.read_text(encoding="utf-8", errors="replace"))


@needs_make
class TestMakefile:
    def make(self, *arguments, **variables):
        command = [shutil.which("make"), "--no-print-directory", "-C", str(ROOT), *arguments]
        environment = {**os.environ, **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def test_default_target_is_help(self):
        result = self.make()
        assert result.returncode == 0
        assert result.stdout.rstrip("\n") == project.HELP

    def test_every_command_has_a_target(self):
        for name in COMMANDS:
            result = self.make("--dry-run", name, "ARGS=--option")
            assert f"-m course_utils.project {name} --option" in result.stdout

    def test_python_that_does_not_start_is_passed_over(self, tmp_path):
        for name in ("python3", "python3.13"):  # as a pyenv shim without a version behind it
            (tmp_path / name).write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
            (tmp_path / name).chmod(0o755)
        (tmp_path / "python3.12").symlink_to(sys.executable)
        result = self.make("help", PYTHON="", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        assert result.returncode == 0
        assert "make COMMAND" in result.stdout

    def test_missing_python_gives_one_line(self, tmp_path):
        result = self.make("setup", PATH=str(tmp_path), PYTHON="")
        assert result.returncode != 0
        lines = [line for line in result.stderr.splitlines() if not line.startswith("make")]
        assert lines == [
            "No working Python 3.11, 3.12 or 3.13 found: install one, "
            "or name one with make setup PYTHON=/path/to/python3.13"
        ]


@needs_make
class TestContinuousIntegration:
    @pytest.mark.parametrize("code", [0, 3])
    def test_log_ends_with_the_closing_lines_of_pytest(self, code, tmp_path):
        (tmp_path / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
        closing = ["=== 12 passed in 3.45s ===", "=== 1 failed, 2 passed in 70.00s (0:01:10) ==="]
        lines = [closing[0], "tests/test_a.py ... passed in 3s", closing[1], "make test: done"]
        recipe = "".join(f"\t@echo '{line}'\n" for line in lines)
        makefile = f"test:\n{recipe}\t@exit {code}\n"
        (tmp_path / "Makefile").write_text(makefile, encoding="utf-8")
        result = subprocess.run(
            [tmp_path / ".ci" / "run"], capture_output=True, text=True, check=False
        )
        assert (result.returncode == 0) is (code == 0)
        assert result.stdout.splitlines()[-2:] == closing

    def test_no_host_of_a_package_index_is_named(self):
        files = [ROOT / "requirements.lock", ROOT / "Makefile", *(ROOT / ".ci").glob("run")]
        for file in files:
            assert "://" not in file.read_text(encoding="utf-8"), file
