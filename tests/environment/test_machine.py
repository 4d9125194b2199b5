"""Tests of course_utils.environment."""

import os
import random
import runpy
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
import tqdm.auto

from course_utils.environment import check as health
from course_utils.environment import machine as environment
from course_utils.environment.check import check_environment
from course_utils.environment.machine import (
    cache_directory,
    device,
    progress_bar,
    seed_everything,
    seeded,
    use_threads,
)
from course_utils.environment.packages import PACKAGES


@pytest.fixture
def threads_restored():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def draw():
    old = np.random.rand()  # noqa: NPY002 (the global generator is what is tested)
    return random.random(), old, torch.rand(1).item()


class TestImport:
    def test_no_large_library_is_loaded(self):
        code = (
            "import sys, course_utils.environment; "
            "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'tqdm', 'psutil')))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestSeedEverything:
    def test_equal_seeds_give_equal_numbers_in_all_three_libraries(self):
        seed_everything(3)
        first = draw()
        assert all(a != b for a, b in zip(first, draw(), strict=True))
        seed_everything(np.int64(3))
        assert draw() == first

    @pytest.mark.parametrize("seed", [-1, 2**32])
    def test_seed_out_of_range_is_refused(self, seed):
        with pytest.raises(ValueError, match=f"seed is {seed}, but must be 0 to 4294967295"):
            seed_everything(seed)

    @pytest.mark.parametrize("seed", [1.0, "1", None, True])
    def test_seed_of_another_type_is_refused(self, seed):
        with pytest.raises(TypeError, match="seed is of type .*; give a whole number"):
            seed_everything(seed)


@pytest.mark.usefixtures("threads_restored")
class TestUseThreads:
    def test_number_is_set(self):
        assert use_threads(1) == 1
        assert torch.get_num_threads() == 1

    def test_default_is_one_thread_per_available_processor(self, monkeypatch):
        monkeypatch.setattr(environment, "available_processors", lambda: 3)
        assert use_threads() == 3

    def test_more_threads_than_processors_are_lowered(self, monkeypatch):
        monkeypatch.setattr(environment, "available_processors", lambda: 2)
        assert use_threads(64) == 2

    def test_zero_threads_are_refused(self):
        with pytest.raises(ValueError, match="number is 0, but must be at least 1"):
            use_threads(0)

    def test_half_a_thread_is_refused(self):
        with pytest.raises(TypeError, match="number is of type float; give a whole number"):
            use_threads(0.5)


class TestDevice:
    @pytest.mark.parametrize(
        ("has_cuda", "has_mps", "expected"),
        [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
    )
    def test_best_device_is_taken(self, has_cuda, has_mps, expected, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has_mps)
        assert device() == expected


class TestCacheDirectory:
    def test_directory_of_the_variable_is_created(self, tmp_path, monkeypatch):
        monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "a" / "b"))
        assert cache_directory() == tmp_path / "a" / "b"
        assert (tmp_path / "a" / "b").is_dir()

    @pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME is a rule of Linux")
    def test_default_is_the_users_cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("COURSE_CACHE_DIR", "")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_directory() == tmp_path / "transfer-learning-course"

    def test_relative_directory_does_not_move_with_the_working_directory(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COURSE_CACHE_DIR", "cache")
        assert cache_directory().is_absolute()

    def test_file_in_its_place_is_named(self, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "file"))
        with pytest.raises(ValueError, match="cannot be made a folder.*set COURSE_CACHE_DIR"):
            cache_directory()


class TestProgressBar:
    @pytest.mark.parametrize(
        ("value", "is_disabled"), [("1", True), ("true", True), ("0", False), ("", False)]
    )
    def test_variable_switches_it_off(self, value, is_disabled, monkeypatch, capsys):
        monkeypatch.setenv("TQDM_DISABLE", value)
        assert list(progress_bar([1, 2, 3], "reading", unit="file")) == [1, 2, 3]
        assert ("reading" not in capsys.readouterr().err) is is_disabled

    def test_widget_of_a_notebook_is_told_too(self, monkeypatch):
        found = {}
        monkeypatch.setattr(tqdm.auto, "tqdm", lambda iterable, **options: found.update(options))
        monkeypatch.setenv("TQDM_DISABLE", "1")
        progress_bar([], "reading")
        assert found["disable"] is True
        assert found["leave"] is False


class TestCheckEnvironment:
    NAMES = ("Python", "torch and torchvision", "threads", "free memory", "accelerator")

    def rows(self):
        return {row.name.split(" (")[0]: row for row in check_environment().rows}

    def test_all_that_the_course_needs_is_checked(self):
        assert tuple(self.rows()) == (*self.NAMES, *PACKAGES, "cache directory")

    def test_libraries_that_do_not_match_give_a_row_with_the_cure(self, monkeypatch):
        class Mismatched(ModuleType):
            def __getattr__(self, name):
                raise RuntimeError("operator torchvision::nms does not exist")

        monkeypatch.setitem(sys.modules, "torchvision", Mismatched("torchvision"))
        row = self.rows()["torch and torchvision"]
        assert not row.is_ok
        assert row.found == "RuntimeError: operator torchvision::nms does not exist"
        assert "make setup ARGS=--fresh" in row.cure

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("torchvision", "torch and torchvision"),
            ("psutil", "free memory"),
            ("platformdirs", "cache directory"),
        ],
    )
    def test_missing_library_gives_a_row_with_the_cure(self, module, name, monkeypatch):
        monkeypatch.setitem(sys.modules, module, None)  # import then raises ImportError
        row = self.rows()[name]
        assert not row.is_ok
        assert module in row.found
        assert "run make setup" in row.cure

    def test_unusable_cache_directory_gives_its_own_cure(self, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "file"))
        row = self.rows()["cache directory"]
        assert not row.is_ok
        assert "set COURSE_CACHE_DIR" in row.cure


class TestMain:
    def run(self):
        with pytest.raises(SystemExit) as stop:
            runpy.run_module("course_utils.environment", run_name="__main__")
        return int(stop.value.code)

    def test_exit_code_is_zero_when_all_is_well(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
        monkeypatch.setattr(health, "MEMORY_NEEDED", 0)  # other programs may run beside this test
        torch.set_num_threads(min(torch.get_num_threads(), os.cpu_count() or 1))
        assert self.run() == 0
        assert "FAIL" not in capsys.readouterr().out

    def test_exit_code_is_one_and_the_cure_is_printed_on_failure(
        self, tmp_path, monkeypatch, capsys
    ):
        (tmp_path / "file").touch()
        monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "file"))
        assert self.run() == 1
        line = capsys.readouterr().out.splitlines()[-1]
        assert line.startswith("cache directory")
        assert "FAIL" in line
        assert "set COURSE_CACHE_DIR to a folder" in line


class TestSeeded:
    def test_numbers_are_those_of_the_seed_and_the_global_ones_go_on_as_before(self):
        torch.manual_seed(3)
        expected = torch.rand(2)
        torch.manual_seed(3)
        with seeded(7):
            inside = torch.rand(4)
        assert torch.rand(2).equal(expected)
        torch.manual_seed(7)
        assert torch.rand(4).equal(inside)

    def test_without_a_seed_the_global_numbers_move_on(self):
        torch.manual_seed(3)
        expected = torch.rand(2)
        torch.manual_seed(3)
        with seeded(None):
            first = torch.rand(1)
        assert torch.cat([first, torch.rand(1)]).equal(expected)

    def test_the_global_numbers_are_given_back_after_an_error(self):
        before = torch.get_rng_state()
        with pytest.raises(ZeroDivisionError), seeded(7):
            torch.rand(1)
            raise ZeroDivisionError
        assert torch.get_rng_state().equal(before)
