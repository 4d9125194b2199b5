"""Tests of course_utils.installation, with a runner that only pretends to install."""

import json
import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_utils.project import installation
from course_utils.project import installation as preconditions
from course_utils.project.installation import Installation, SetupError, requirement

ROOT = Path(__file__).resolve().parents[2]
LOCK = "tqdm==1 \\\n    --hash=sha256:a\n    # via timm\nuv==9.9 \\\n    --hash=sha256:b\nzlib==1\n"


class PretendedRun:
    """Record the commands and make the files that they would make.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the repository.
    """

    def __init__(self, root):
        self.course = Installation(root)
        self.fails = None  # word in the command that shall fail
        self.stderr = b""
        self.steps = []  # commands that do install work
        self.variables = []
        self.requirements = None

    def __call__(self, command, **options):
        if "-c" in command:  # does the Python of .venv work?
            return SimpleNamespace(returncode=0 if self.course.python.exists() else 1)
        if command[1:] == ["cache", "dir"]:
            return SimpleNamespace(stdout=str(self.course.root / "cache").encode())
        self.steps.append(command)
        self.variables.append(options["env"])
        if self.fails and self.fails in command:
            return SimpleNamespace(returncode=1, stderr=self.stderr)
        if "venv" in command:
            self.course.programs.mkdir(parents=True)
            self.course.python.touch()
        if "--require-hashes" in command and "-r" in command:
            self.requirements = Path(command[-1]).read_text(encoding="utf-8")
            self.course.uv.touch()
        return SimpleNamespace(returncode=0)


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "requirements.lock").write_text(LOCK, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    monkeypatch.setattr(installation, "DISK_NEEDED", 0)
    usage = namedtuple("Usage", "free")(100 * 10**9)
    monkeypatch.setattr(preconditions.shutil, "disk_usage", lambda folder: usage)
    return PretendedRun(tmp_path)


@pytest.fixture
def course(tmp_path, run):
    return Installation(tmp_path, run)


class TestInstall:
    def test_first_call_makes_the_folder_and_installs_the_lock_file(self, course, run):
        assert course.install()
        venv, uv, sync, editable = run.steps
        assert venv[1:] == ["-m", "venv", str(course.folder)]
        assert uv[:4] == [str(course.python), "-m", "pip", "install"]
        assert run.requirements == "uv==9.9 \\\n    --hash=sha256:b\n"
        assert sync[:5] == [str(course.uv), "pip", "sync", "--python", str(course.python)]
        assert sync[5:] == ["--require-hashes", str(course.lock)]
        assert editable[-4:] == ["--no-deps", "--no-build-isolation", "-e", str(course.root)]

    def test_jupyterlab_does_not_ask_about_news(self, course):
        course.install()
        page = course.folder / "etc" / "jupyter" / "labconfig" / "page_config.json"
        disabled = json.loads(page.read_text(encoding="utf-8"))["disabledExtensions"]
        assert disabled == {"@jupyterlab/apputils-extension:announcements": True}

    def test_second_call_does_no_install_work(self, course, run):
        course.install()
        run.steps.clear()
        assert not course.install()
        assert run.steps == []

    @pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
    def test_changed_requirements_are_installed(self, name, course, run):
        course.install()
        run.steps.clear()
        with (course.root / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        assert course.install()
        assert [step[2] for step in run.steps] == ["pip", "sync", "install"]  # .venv is kept

    def test_removed_package_is_installed_again(self, course):
        site = "Lib/site-packages" if os.name == "nt" else "lib/python3.12/site-packages"
        (course.folder / site / "torch-1.dist-info").mkdir(parents=True)
        course.programs.mkdir()
        course.python.touch()
        course.install()
        assert course.is_current()
        (course.folder / site / "torch-1.dist-info").rmdir()
        assert not course.is_current()

    def test_moved_repository_is_installed_again(self, course, run, tmp_path):
        course.install()
        other = tmp_path / "moved"
        shutil.copytree(course.folder, other / ".venv")
        for name in ("requirements.lock", "pyproject.toml"):
            shutil.copy(tmp_path / name, other)
        assert not Installation(other, run).is_current()

    @pytest.mark.parametrize("word", ["venv", "--require-hashes", "sync", "-e"])
    def test_failed_step_leaves_no_valid_stamp(self, word, course, run):
        run.fails = word
        with pytest.raises(SetupError, match=r"failed \(exit code 1\)"):
            course.install()
        assert not course.is_current()
        run.fails = None
        assert course.install()
        assert course.is_current()

    def test_interrupted_update_leaves_no_valid_stamp(self, course, run):
        course.install()
        old = course.lock.read_text(encoding="utf-8")
        course.lock.write_text(old + "x==1\n", encoding="utf-8")
        run.fails = "sync"
        with pytest.raises(SetupError):
            course.install()
        course.lock.write_text(old, encoding="utf-8")  # back to what was installed once
        assert not course.is_current()

    def test_folder_without_a_working_python_is_made_anew(self, course, run):
        course.install()
        course.python.unlink()
        (course.folder / "old").touch()
        run.steps.clear()
        course.install()
        assert run.steps[0][1:3] == ["-m", "venv"]
        assert not (course.folder / "old").exists()

    def test_fresh_starts_with_an_empty_folder_and_another_cache(self, course, run):
        course.install()
        (course.folder / "old").touch()
        run.steps.clear()
        assert course.install(fresh=True)
        assert not (course.folder / "old").exists()
        assert "--cache-dir" in run.steps[2]

    def test_missing_network_is_one_line(self, course, run):
        run.fails, run.stderr = "--require-hashes", b"WARNING: Retrying after connection broken"
        with pytest.raises(SetupError, match="^Installing uv failed .*: no network") as error:
            course.install()
        assert "\n" not in str(error.value)

    def test_missing_disk_space_is_found_before_anything_is_made(self, course, run, monkeypatch):
        usage = namedtuple("Usage", "free")(10**8)
        monkeypatch.setattr(preconditions.shutil, "disk_usage", lambda folder: usage)
        with pytest.raises(SetupError, match="^No disk space: 0.1 GB"):
            course.install()
        assert run.steps == []

    def test_program_that_does_not_start_is_named(self, tmp_path, course, monkeypatch):
        def missing(command, **_):
            raise FileNotFoundError("no such file")

        with pytest.raises(SetupError, match="Creating .venv failed: .* does not start"):
            Installation(tmp_path, missing).install()

    def test_another_active_environment_is_not_used(self, course, run, monkeypatch):
        monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
        monkeypatch.setenv("UV_SYSTEM_PYTHON", "1")
        monkeypatch.setenv("PYTHONPATH", "/elsewhere")
        monkeypatch.setattr(installation.sys, "executable", "/elsewhere/bin/python")
        course.install()
        assert run.steps[0][0] == sys._base_executable
        for variables in run.variables:
            assert variables["VIRTUAL_ENV"] == str(course.folder)
            assert variables["PATH"].startswith(str(course.programs) + os.pathsep)
            assert not {"UV_SYSTEM_PYTHON", "PYTHONPATH"} & set(variables)

    def test_compiled_libraries_are_kept_for_the_next_kernel(self, course, monkeypatch):
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        assert "PYTHONDONTWRITEBYTECODE" not in course.environment()

    @pytest.mark.parametrize("is_far", [True, False])
    def test_files_are_copied_if_the_cache_is_on_another_disk(
        self, is_far, course, run, monkeypatch
    ):
        monkeypatch.delenv("UV_LINK_MODE", raising=False)
        monkeypatch.setattr(Installation, "_cache_is_far", lambda self: is_far)
        course.install()
        assert (run.variables[-1].get("UV_LINK_MODE") == "copy") is is_far

    def test_cache_that_does_not_exist_yet_is_found_to_be_near(self, course):
        assert not course._cache_is_far()


class TestRequirement:
    def test_lock_file_of_the_course_pins_uv_with_checksums(self):
        lines = requirement((ROOT / "requirements.lock").read_text(encoding="utf-8"), "uv")
        assert lines.startswith("uv==")
        assert lines.count("--hash=sha256:") > 1
        assert lines.count("==") == 1
