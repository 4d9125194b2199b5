"""Tests of course_utils.project.installation, with a runner that only pretends to install."""

import json
import os
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_utils.project import installation
from course_utils.project.installation import (
    GIGABYTE,
    ROOT,
    STAMP,
    THREADS_THAT_WAIT,
    SetupError,
    check_disk,
    environment,
    explain_failure,
    folder_size,
    install,
    is_current,
    program,
    requirement,
)

LOCK = "tqdm==1 \\\n    --hash=sha256:a\n    # via timm\nuv==9.9 \\\n    --hash=sha256:b\nzlib==1\n"


class PretendedRun:
    """Record the commands and make the files that they would make."""

    def __init__(self, root):
        self.python, self.uv = program(root, "python"), program(root, "uv")
        self.kernel = root / ".venv" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
        self.fails, self.stderr = None, b""  # word in the command that shall fail
        self.missing = ()  # modules that .venv lacks
        self.steps, self.variables, self.requirements = [], [], None

    def __call__(self, command, **options):
        if "-c" in command:  # does .venv work, and has it these modules?
            if not self.python.exists():
                raise FileNotFoundError(self.python)
            lacks = any(repr(module) in command[-1] for module in self.missing)
            return SimpleNamespace(returncode=int(lacks))
        self.steps.append(command)
        self.variables.append(options["env"])
        if self.fails and self.fails in command:
            return SimpleNamespace(returncode=1, stderr=self.stderr)
        if "venv" in command:
            self.python.parent.mkdir(parents=True)
            self.python.touch()
        if "--require-hashes" in command and "-r" in command:
            self.requirements = Path(command[-1]).read_text(encoding="utf-8")
        if "sync" in command:
            self.kernel.parent.mkdir(parents=True, exist_ok=True)
            self.kernel.unlink(missing_ok=True)
            self.kernel.write_text('{"argv": ["python"]}', encoding="utf-8")
        return SimpleNamespace(returncode=0)


def let_be_free(monkeypatch, free):
    usage = namedtuple("Usage", "free")(free)
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda folder: usage)


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "requirements.lock").write_text(LOCK, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    let_be_free(monkeypatch, 100 * GIGABYTE)
    pretended = PretendedRun(tmp_path)
    monkeypatch.setattr(installation.subprocess, "run", pretended)
    return pretended


class TestInstall:
    def test_first_call_makes_the_folder_and_installs_the_lock_file(self, tmp_path, run):
        assert install(tmp_path)
        venv, uv, sync, editable = run.steps
        assert venv[1:] == ["-m", "venv", str(tmp_path / ".venv")]
        assert uv[:4] == [str(run.python), "-m", "pip", "install"]
        assert run.requirements == "uv==9.9 \\\n    --hash=sha256:b\n"
        assert sync[:5] == [str(run.uv), "pip", "sync", "--python", str(run.python)]
        assert sync[5:] == ["--require-hashes", str(tmp_path / "requirements.lock")]
        assert editable[-4:] == ["--no-deps", "--no-build-isolation", "-e", str(tmp_path)]

    def test_second_call_does_no_install_work(self, tmp_path, run):
        install(tmp_path)
        run.steps.clear()
        assert not install(tmp_path)
        assert run.steps == []

    @pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
    def test_changed_requirements_are_installed(self, name, tmp_path, run):
        install(tmp_path)
        run.steps.clear()
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        assert install(tmp_path)
        assert [step[2] for step in run.steps] == ["pip", "sync", "install"]  # .venv is kept

    @pytest.mark.parametrize("module", ["torch", "jupyterlab", "pytest", "course_utils"])
    def test_installation_that_lacks_a_module_is_mended(self, module, tmp_path, run):
        install(tmp_path)
        run.missing = (module,)
        run.steps.clear()
        assert install(tmp_path)
        assert len(run.steps) == 3

    def test_moved_repository_is_installed_again(self, tmp_path, run):
        install(tmp_path)
        other = tmp_path / "moved"
        other.mkdir()
        for name in (".venv", "requirements.lock", "pyproject.toml"):
            (other / name).symlink_to(tmp_path / name)
        assert not is_current(other)

    @pytest.mark.parametrize("word", ["venv", "--require-hashes", "sync", "-e"])
    def test_interrupted_set_up_goes_on(self, word, tmp_path, run):
        run.fails = word
        with pytest.raises(SetupError, match=r"failed \(exit code 1\)"):
            install(tmp_path)
        assert not is_current(tmp_path)
        run.fails = None
        assert install(tmp_path)
        assert is_current(tmp_path)
        assert sum("venv" in step for step in run.steps) == 1 + (word == "venv")

    def test_interrupted_update_is_not_taken_for_the_old_installation(self, tmp_path, run):
        install(tmp_path)
        lock = tmp_path / "requirements.lock"
        lock.write_text(LOCK + "x==1\n", encoding="utf-8")
        run.fails = "sync"
        with pytest.raises(SetupError):
            install(tmp_path)
        lock.write_text(LOCK, encoding="utf-8")  # back to what was installed once
        assert not is_current(tmp_path)

    def test_folder_without_a_working_python_is_made_anew(self, tmp_path, run):
        install(tmp_path)
        run.python.unlink()
        (tmp_path / ".venv" / "old").touch()
        run.steps.clear()
        install(tmp_path)
        assert run.steps[0][1:3] == ["-m", "venv"]
        assert not (tmp_path / ".venv" / "old").exists()

    def test_fresh_starts_with_an_empty_folder_and_another_cache(self, tmp_path, run):
        install(tmp_path)
        (tmp_path / ".venv" / "old").touch()
        run.steps.clear()
        assert install(tmp_path, fresh=True)
        assert not (tmp_path / ".venv" / "old").exists()
        assert "--cache-dir" in run.steps[2]

    def test_missing_network_is_one_line(self, tmp_path, run):
        run.fails, run.stderr = "--require-hashes", b"WARNING: Retrying after connection broken"
        with pytest.raises(SetupError, match="^Installing uv failed .*: no network") as error:
            install(tmp_path)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("fresh", [False, True])
    def test_missing_disk_space_is_found_before_anything_is_changed(
        self, fresh, tmp_path, run, monkeypatch
    ):
        install(tmp_path)
        run.missing = () if fresh else ("torch",)
        run.steps.clear()
        let_be_free(monkeypatch, GIGABYTE // 10)
        with pytest.raises(SetupError, match="^No disk space: 0.1 GB"):
            install(tmp_path, fresh=fresh)
        assert run.steps == []
        assert (tmp_path / STAMP).exists()

    def test_program_that_does_not_start_is_named(self, tmp_path, run, monkeypatch):
        def missing(command, **_):
            raise FileNotFoundError("no such file")

        monkeypatch.setattr(installation.subprocess, "run", missing)
        with pytest.raises(SetupError, match="Creating .venv failed: .* does not start"):
            install(tmp_path)

    def test_another_active_environment_is_not_used(self, tmp_path, run, monkeypatch):
        monkeypatch.setattr(installation.sys, "executable", "/elsewhere/bin/python")
        monkeypatch.setenv("UV_SYSTEM_PYTHON", "1")
        install(tmp_path)
        assert run.steps[0][0] == sys._base_executable
        assert not any("UV_SYSTEM_PYTHON" in variables for variables in run.variables)


class TestJupyter:
    def test_jupyterlab_does_not_ask_about_news(self, tmp_path, run):
        install(tmp_path)
        page = tmp_path / ".venv" / "etc" / "jupyter" / "labconfig" / "page_config.json"
        disabled = json.loads(page.read_text(encoding="utf-8"))["disabledExtensions"]
        assert disabled == {"@jupyterlab/apputils-extension:announcements": True}

    def test_kernel_is_told_how_threads_wait(self, tmp_path, run):
        install(tmp_path)
        kernel = json.loads(run.kernel.read_text(encoding="utf-8"))
        assert kernel == {"argv": ["python"], "env": THREADS_THAT_WAIT}

    def test_file_in_the_cache_of_uv_is_not_changed_through_a_link(self, tmp_path, run):
        install(tmp_path)
        run.kernel.write_text('{"argv": ["python"]}', encoding="utf-8")
        (tmp_path / "cached.json").hardlink_to(run.kernel)
        installation._configure_jupyter(tmp_path / ".venv")
        assert (tmp_path / "cached.json").read_text(encoding="utf-8") == '{"argv": ["python"]}'
        assert "env" in run.kernel.read_text(encoding="utf-8")


class TestEnvironment:
    def test_settings_of_another_environment_are_dropped(self, monkeypatch):
        foreign = ("PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX", "PYTHONDONTWRITEBYTECODE")
        for name in (*foreign, "VIRTUAL_ENV"):
            monkeypatch.setenv(name, "/elsewhere")
        variables = environment(ROOT)
        assert not set(foreign) & set(variables)
        assert variables["VIRTUAL_ENV"] == str(ROOT / ".venv")
        own = str(program(ROOT, "python").parent)
        assert variables["PATH"] == own + os.pathsep + os.environ["PATH"]

    def test_threads_wait_as_set_unless_the_user_says_otherwise(self, monkeypatch):
        for name in THREADS_THAT_WAIT:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GOMP_SPINCOUNT", "7")
        variables = environment(ROOT)
        assert variables["GOMP_SPINCOUNT"] == "7"
        assert variables["KMP_BLOCKTIME"] == THREADS_THAT_WAIT["KMP_BLOCKTIME"]


class TestCall:
    def test_exit_code_is_passed_on(self):
        command = [sys.executable, "-c", "raise SystemExit(5)"]
        assert installation.call(command, dict(os.environ)) == 5


class TestCheckDisk:
    @pytest.mark.parametrize(("free", "fails"), [(8 * GIGABYTE, False), (8 * GIGABYTE - 1, True)])
    def test_limit_is_exact(self, free, fails, tmp_path, monkeypatch):
        let_be_free(monkeypatch, free)
        if not fails:
            return check_disk(tmp_path, 8 * GIGABYTE)
        with pytest.raises(SetupError, match=r"^No disk space: 8.0 GB are free.*needs 8.0 GB"):
            check_disk(tmp_path, 8 * GIGABYTE)


class TestExplainFailure:
    @pytest.mark.parametrize(
        "text", [b"x after connection broken", b"failure in name resolution", b"Read timed out."]
    )
    def test_missing_network_is_recognised(self, text):
        assert explain_failure(text).startswith("no network")

    def test_other_failure_is_quoted(self):
        text = b"ERROR: x\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n\n"
        assert explain_failure(text) == "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"

    def test_silent_failure_is_said_to_be_silent(self):
        assert explain_failure(None) == "pip wrote nothing; run again"


class TestFolderSize:
    def test_bytes_of_all_folders_are_added(self, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "x").write_bytes(bytes(3))
        (tmp_path / "a" / "b" / "y").write_bytes(bytes(4))
        assert folder_size(tmp_path) == 7
        assert folder_size(tmp_path / "missing") == 0


class TestRequirement:
    def test_lock_file_of_the_course_pins_uv_with_checksums(self):
        lines = requirement((ROOT / "requirements.lock").read_text(encoding="utf-8"), "uv")
        assert lines.startswith("uv==")
        assert lines.count("--hash=sha256:") > 1
        assert lines.count("==") == 1
