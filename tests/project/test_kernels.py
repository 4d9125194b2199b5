"""Tests of `course_utils.project.kernels`."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from course_utils.project import kernels
from course_utils.project.kernels import UsageMeter, kernel_environment, tree_memory

pytestmark = pytest.mark.slow

MEGABYTE = 1_000_000
# Writes 200 MB, says so, and waits until its input is closed.
HOLDS_200_MB = "data = b'1' * 200_000_000; print('ready', flush=True); input()"
# The same in a child process of its own.
CHILD_HOLDS_200_MB = (
    "import subprocess, sys\n"
    f"child = subprocess.Popen([sys.executable, '-c', {HOLDS_200_MB!r}])\n"
    "child.wait()"
)


@pytest.fixture
def start():
    """Return a function that runs Python source in a process and waits until it is ready."""
    processes = []

    def run(source):
        process = subprocess.Popen(
            [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in processes:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


class TestKernelEnvironment:
    def test_settings_that_change_outputs_are_fixed_and_all_others_passed_on(self, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")
        monkeypatch.setenv("TQDM_DISABLE", "0")
        monkeypatch.setenv("COURSE_CACHE_DIR", "/cache")
        before = dict(os.environ)
        environment = kernel_environment("/anywhere/03_tiny.ipynb", "/scratch")
        assert dict(os.environ) == before
        assert not {"MPLBACKEND", "PYTEST_CURRENT_TEST"} & set(environment)
        assert environment["TQDM_DISABLE"] == "1"
        assert environment["COURSE_NOTEBOOK"] == "03_tiny.ipynb"
        assert environment["IPYTHONDIR"] == "/scratch"
        assert environment["COURSE_CACHE_DIR"] == "/cache"


class TestTreeMemory:
    def test_written_pages_of_child_processes_count(self, start):
        process = start(CHILD_HOLDS_200_MB)
        assert 200 * MEGABYTE < tree_memory(process.pid) < 300 * MEGABYTE
        assert psutil.Process(process.pid).memory_info().rss < 100 * MEGABYTE

    def test_ended_process_has_none(self):
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        assert tree_memory(process.pid) == 0

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the shared part")
    def test_shared_pages_count_once(self):
        data = b"1" * (200 * MEGABYTE)
        before = tree_memory(os.getpid())
        child = os.fork()
        if child == 0:  # shares all pages with its parent and waits to be ended
            time.sleep(30)
            os._exit(0)
        try:
            assert tree_memory(os.getpid()) < before + len(data) / 2
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)

    def test_systems_without_shared_part_use_resident_memory(self, start, monkeypatch):
        monkeypatch.setattr(psutil, "LINUX", False)
        process = start(HOLDS_200_MB)
        resident = psutil.Process(process.pid).memory_info().rss
        assert tree_memory(process.pid) == pytest.approx(resident, rel=0.01)


class TestUsageMeter:
    def test_what_is_kept_to_the_end_is_seen_however_rare_readings_are(self, monkeypatch):
        sizes = iter([1, 5])
        monkeypatch.setattr(kernels, "tree_memory", lambda pid: next(sizes))
        monkeypatch.setattr(kernels, "PAUSE", 60)
        meter = UsageMeter(os.getpid()).start()
        meter.stop()
        assert meter.peak_memory == 5

    def test_peak_is_kept_after_memory_is_freed(self, monkeypatch):
        monkeypatch.setattr(kernels, "PAUSE_PER_READING", 0)  # a process of tests is large
        monkeypatch.setattr(kernels, "PAUSE", 0.01)
        before = tree_memory(os.getpid())
        meter = UsageMeter(os.getpid()).start()
        data = b"1" * (200 * MEGABYTE)
        deadline = time.monotonic() + 30
        while meter.peak_memory < before + 150 * MEGABYTE and time.monotonic() < deadline:
            time.sleep(0.01)
        del data
        meter.stop()
        assert meter.peak_memory > before + 150 * MEGABYTE
        assert tree_memory(os.getpid()) < before + 50 * MEGABYTE

    def test_long_readings_are_rare(self, monkeypatch):
        readings = []

        def long_reading(pid):
            readings.append(pid)
            time.sleep(0.02)
            return 1

        monkeypatch.setattr(kernels, "tree_memory", long_reading)
        monkeypatch.setattr(kernels, "PAUSE", 0.01)
        meter = UsageMeter(os.getpid()).start()
        time.sleep(0.8)
        meter.stop()
        assert 2 <= len(readings) <= 3  # pauses of 0.6 seconds and the end; without them 26
