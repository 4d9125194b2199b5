"""Tests of course_utils.project, the Makefile and .ci/run."""

import json
import os
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
from course_utils.project.installation import Installation, SetupError

ROOT = project.ROOT
COMMANDS = ["help", "lab", "test", "setup", "run", "notebooks", "figures", "bench", "lock"]
needs_make = pytest.mark.skipif(
    os.name == "nt" or not shutil.which("make"), reason="make is not needed on Windows"
)


class InstalledAlready(Installation):
    """An installation that is up to date, with the Python that runs the tests."""

    def __init__(self, root):
        super().__init__(root)
        self.folder = Path(sys.prefix)
        self.python = Path(sys.executable)
        self.installs = []

    def install(self, *, fresh=False):
        self.installs.append(fresh)
        return fresh


@pytest.fixture
def course(monkeypatch):
    ready = InstalledAlready(ROOT)
    monkeypatch.setattr(project, "Installation", lambda root: ready)
    return ready


@pytest.fixture
def calls(monkeypatch):
    """Record what would be run; a command fails if a word of it is in ``calls.failing``."""

    class Calls(list):
        failing = ()

        def __call__(self, command, environment):
            self.append((command, environment))
            return int(any(word in command for word in self.failing))

    recorded = Calls()
    monkeypatch.setattr(project, "call", recorded)
    return recorded


class TestMain:
    def test_help_lists_every_command(self, capsys):
        assert project.main([]) == 0
        text = capsys.readouterr().out
        assert sorted(project.COMMANDS) == sorted(COMMANDS)
        assert all(f"\n  {name} " in text for name in COMMANDS)

    def test_unknown_command_is_explained(self, capsys):
        assert project.main(["tset"]) == 2
        assert "Unknown command 'tset'; choose from lab, test" in capsys.readouterr().err

    def test_wrong_python_gives_one_line_and_exit_code_one(self, monkeypatch, capsys):
        monkeypatch.setattr(project.sys, "version_info", (3, 10, 13))
        assert project.main(["setup"]) == 1
        assert capsys.readouterr().err.splitlines() == [
            "Python 3.10.13 found, but the course needs 3.11, 3.12 or 3.13: install one of them, "
            "then run again (make: PYTHON=python3.13; Windows: py -3.13 -m course_utils.project)."
        ]

    def test_failed_set_up_gives_one_line_and_starts_nothing(
        self, course, calls, monkeypatch, capsys
    ):
        def fail(fresh=False):
            raise SetupError("No disk space.")

        monkeypatch.setattr(course, "install", fail)
        for name in COMMANDS[1:]:
            assert project.main([name]) == 1
            assert capsys.readouterr().err == "No disk space.\n"
        assert calls == []

    def test_interrupt_ends_without_a_traceback(self, course, monkeypatch):
        def interrupt(command, environment):
            raise KeyboardInterrupt

        monkeypatch.setattr(project, "call", interrupt)
        assert project.main(["lab"]) == 130


class TestSetup:
    def test_fresh_is_passed_on(self, course):
        assert project.main(["setup"]) == 0
        assert project.main(["setup", "--fresh"]) == 0
        assert course.installs == [False, True]

    def test_other_argument_is_refused(self, course, capsys):
        assert project.main(["setup", "--frehs"]) == 1
        assert "no argument but --fresh, found: --frehs" in capsys.readouterr().err
        assert course.installs == []


class TestTest:
    def test_all_steps_run_and_the_failed_one_is_named(self, course, calls, capsys):
        calls.failing = ("format",)
        assert project.main(["test"]) == 1
        assert len(calls) == 4
        assert capsys.readouterr().out.splitlines()[-1] == "make test: FAILED in format."

    def test_success_is_said_at_the_end(self, course, calls, capsys):
        assert project.main(["test"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "make test: all steps passed."

    def test_pytest_runs_twice_and_without_the_network(self, course, calls):
        project.main(["test"])
        runs = [(command, env) for command, env in calls if "pytest" in command]
        assert [command[6] for command, _ in runs] == ["tests", "notebooks"]
        for command, variables in runs:
            assert command[1:3] == ["-m", "course_utils.network"]
            assert (variables["TQDM_DISABLE"], variables["HF_HUB_OFFLINE"]) == ("1", "1")
        assert {"--nbval", "--nbval-current-env", "--runxfail"} <= set(runs[1][0])


class TestOtherCommands:
    @pytest.mark.parametrize(("name", "action"), [("run", "run"), ("notebooks", "store")])
    def test_notebooks_are_run_without_progress_bars(self, name, action, course, calls):
        assert project.main([name, "notebooks/00_start_here.ipynb"]) == 0
        ((command, variables),) = calls
        assert command[2:] == ["course_utils.notebooks", action, "notebooks/00_start_here.ipynb"]
        assert variables["TQDM_DISABLE"] == "1"

    def test_all_drawings_are_tried_and_the_failed_one_is_named(
        self, course, calls, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.setattr(project, "ROOT", tmp_path)
        (tmp_path / "figures").mkdir()
        for name in ("draw_a.py", "draw_b.py", "style.py"):
            (tmp_path / "figures" / name).touch()
        calls.failing = (str(tmp_path / "figures" / "draw_a.py"),)
        assert project.main(["figures"]) == 1
        assert [Path(command[1]).name for command, _ in calls] == ["draw_a.py", "draw_b.py"]
        assert "Not drawn: draw_a.py" in capsys.readouterr().err

    def test_benchmark_is_a_script_that_gets_the_arguments(self, course, calls):
        assert project.main(["bench", "--splits", "3"]) == 0
        ((command, _),) = calls
        assert Path(command[1]).is_file()
        assert Path(command[1]).name == "solar_cells.py"
        assert command[2:] == ["--splits", "3"]

    def test_lock_file_was_made_by_the_command_lock(self, course, calls):
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


class TestCall:
    def test_exit_code_is_passed_on(self):
        assert project.call([sys.executable, "-c", "raise SystemExit(5)"], dict(os.environ)) == 5


class TestLab:
    def test_more_options_are_passed_on(self, course, calls):
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
        assert options <= set(project.lab_command(Path(sys.executable), []))

    def test_kernel_of_the_installation_wins_over_the_users_kernel(
        self, course, tmp_path, monkeypatch
    ):
        user = tmp_path / "user" / "kernels" / "python3"
        user.mkdir(parents=True)
        kernel = {"argv": ["/elsewhere/python"], "display_name": "other", "language": "python"}
        (user / "kernel.json").write_text(json.dumps(kernel), encoding="utf-8")
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "user"))
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "user"))
        assert self.python_of_kernel(dict(os.environ)) == "/elsewhere/python"
        assert self.python_of_kernel(project.lab_environment(course)) == sys.executable

    def python_of_kernel(self, variables):
        code = (
            "from jupyter_client import KernelManager\n"
            "print(KernelManager(kernel_name='python3').format_kernel_cmd()[0])"
        )
        command = [sys.executable, "-c", code]
        return subprocess.check_output(command, env=variables, text=True).strip()

    def test_first_lesson_is_served(self, course, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        extra = ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
        extra += ["--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1", "--allow-root"]
        variables = project.lab_environment(course)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            variables[name] = str(tmp_path / name)
        log = tmp_path / "log"
        with log.open("wb") as output:
            command = project.lab_command(Path(sys.executable), extra)
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
