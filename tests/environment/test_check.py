"""Tests of course_utils.environment.check: each check, when all is well and when it is not."""

import sys
from collections import namedtuple
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import torch

from course_utils.environment import check as health
from course_utils.environment.check import Report, Row
from course_utils.environment.packages import PACKAGES

GOOD = Row("Python", True, "3.12.1", "not shown")
BAD = Row("memory", False, "1 < 2 GB", "close it")


class TestReport:
    def test_report_is_ok_if_all_rows_are(self):
        assert Report((GOOD,)).ok
        assert not Report((GOOD, BAD)).ok

    def test_text_shows_the_cure_of_a_failure_only(self):
        lines = repr(Report((GOOD, BAD))).splitlines()
        assert lines[1] == "Python  OK      3.12.1"
        assert lines[2] == "memory  FAIL    1 < 2 GB  close it"

    def test_table_of_jupyterlab_says_the_status_in_words_and_escapes(self):
        table = Report((GOOD, BAD))._repr_html_()
        assert table.count('<th scope="col"') == 4
        assert ">OK</td>" in table
        assert ">FAIL</td>" in table
        assert "1 &lt; 2 GB" in table
        assert "not shown" not in table


class TestCheckPython:
    @pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 1)])
    def test_supported_version_is_ok(self, version):
        assert health.check_python(version).is_ok

    @pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 13), (3, 14, 0)])
    def test_other_version_fails_and_names_itself(self, version):
        row = health.check_python(version)
        assert not row.is_ok
        assert row.found.startswith(".".join(map(str, version)))
        assert "install Python 3.13" in row.cure


class TestCheckTorch:
    def test_installed_pair_matches(self):
        row = health.check_torch()
        assert row.is_ok
        assert torch.__version__ in row.found

    def test_operator_with_a_wrong_answer_fails(self, monkeypatch):
        ops = SimpleNamespace(nms=lambda boxes, scores, threshold: torch.tensor([0, 1]))
        fake = SimpleNamespace(ops=ops, __version__="0.0")
        monkeypatch.setitem(sys.modules, "torchvision", fake)
        assert not health.check_torch().is_ok


class TestCheckThreads:
    def test_one_thread_per_processor_is_ok(self, monkeypatch):
        monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
        assert health.check_threads(2).is_ok

    def test_more_threads_than_processors_fail(self, monkeypatch):
        monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
        row = health.check_threads(2)
        assert not row.is_ok
        assert row.found == "8 of 2"
        assert "use_threads()" in row.cure


class TestCheckMemory:
    @pytest.mark.parametrize(("available", "is_ok"), [(2 * 10**9, True), (2 * 10**9 - 1, False)])
    def test_two_gigabytes_are_the_limit(self, available, is_ok, monkeypatch):
        memory = namedtuple("Memory", "available")(available)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
        row = health.check_memory()
        assert row.is_ok is is_ok
        assert "2 GB needed" in row.found
        assert "close other programs" in row.cure


class TestCheckAccelerator:
    def test_no_accelerator_is_no_failure(self):
        assert health.check_accelerator("cpu").cells[1:3] == ("OK", "none, the CPU is enough")

    def test_accelerator_is_named(self):
        assert health.check_accelerator("cuda").found == "cuda"


class TestCheckPackage:
    def test_whole_package_is_ok_and_shows_its_checksum(self):
        row = health.check_package("digits")
        assert row.is_ok
        assert PACKAGES["digits"].sha256[:16] in row.found

    def test_wrong_checksum_fails_with_the_cure_that_helps(self, monkeypatch):
        monkeypatch.setitem(PACKAGES, "digits", replace(PACKAGES["digits"], sha256="0" * 64))
        row = health.check_package("digits")
        assert not row.is_ok
        assert "but it must be 0000" in row.found
        assert row.cure.startswith("run make setup ARGS=--fresh")

    def test_missing_package_fails_with_the_cure_that_helps(self, monkeypatch):
        monkeypatch.setitem(PACKAGES, "digits", replace(PACKAGES["digits"], path="no_such/x"))
        row = health.check_package("digits")
        assert not row.is_ok
        assert "is not installed" in row.found
        assert row.cure == "run make setup"


class TestCheckCache:
    def test_size_of_the_cache_is_shown(self, tmp_path, monkeypatch):
        monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
        (tmp_path / "a").write_bytes(bytes(1_500_000))
        row = health.check_cache(lambda: tmp_path)
        assert row.is_ok
        assert row.found == "COURSE_CACHE_DIR, 1.5 MB in 1 files"

    def test_name_of_the_user_is_not_shown(self, tmp_path, monkeypatch):
        monkeypatch.delenv("COURSE_CACHE_DIR", raising=False)
        monkeypatch.setattr(health.Path, "home", lambda: tmp_path)
        (tmp_path / "cache").mkdir()
        assert health.check_cache(lambda: tmp_path / "cache").found.startswith("~/cache, 0.0 MB")

    def test_directory_that_cannot_be_written_fails(self, tmp_path):
        row = health.check_cache(lambda: tmp_path / "not there")
        assert not row.is_ok
        assert "set COURSE_CACHE_DIR" in row.cure
