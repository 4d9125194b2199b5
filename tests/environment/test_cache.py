"""Tests of course_utils.environment.cache."""

import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from course_utils.environment import cache
from course_utils.environment.cache import cached_tensor

VALUE = torch.arange(6.0).reshape(2, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Counted:
    """A slow computation that counts its calls."""

    def __init__(self, value=VALUE):
        self.calls = 0
        self.value = value

    def __call__(self):
        self.calls += 1
        return self.value


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.suffix == ".part"]


class TestCachedTensor:
    def test_second_call_reads_the_file(self, folder):
        compute = Counted()
        first, second = cached_tensor("a", compute), cached_tensor("a", compute)
        assert compute.calls == 1
        assert torch.equal(first, VALUE) and torch.equal(second, VALUE)

    def test_another_key_is_computed_anew(self, folder):
        cached_tensor("a", Counted())
        other = cached_tensor("b", Counted(VALUE + 1))
        assert torch.equal(other, VALUE + 1)

    @pytest.mark.parametrize("value", [VALUE.T, VALUE.long(), VALUE.bool(), VALUE.half()])
    def test_type_shape_and_values_come_back(self, folder, value):
        cached_tensor("a", Counted(value))
        again = cached_tensor("a", Counted())
        assert again.dtype == value.dtype
        assert torch.equal(again, value)

    def test_tensor_with_gradient_is_stored_without(self, folder):
        assert not cached_tensor("a", Counted(VALUE.clone().requires_grad_())).requires_grad

    @pytest.mark.parametrize("key", ["", "-", "a/b", "../a", "a.b", "a b"])
    def test_key_that_is_no_file_name_is_refused(self, folder, key):
        with pytest.raises(ValueError, match=f"key is '{key}'; use letters, digits"):
            cached_tensor(key, Counted())


class TestDamage:
    def damage(self, folder, content):
        """Store a tensor, replace its file, and see what comes back."""
        cached_tensor("a", Counted())
        path = folder / "a.safetensors"
        path.write_bytes(content(path.read_bytes()))
        compute = Counted()
        assert torch.equal(cached_tensor("a", compute), VALUE)
        assert torch.equal(cached_tensor("a", Counted(VALUE - 1)), VALUE)  # and it was mended
        return compute.calls

    @pytest.mark.parametrize("kept", [0, 1, 8, 100, 191])
    def test_truncated_file_is_rebuilt(self, folder, kept):
        assert self.damage(folder, lambda raw: raw[:kept]) == 1

    def test_file_with_something_behind_is_rebuilt(self, folder):
        assert self.damage(folder, lambda raw: raw + b"x") == 1

    def test_other_kind_of_file_is_rebuilt(self, folder):
        assert self.damage(folder, lambda raw: b"<html>404 not found</html>" * 20) == 1

    def test_file_of_the_expected_content_is_not_rebuilt(self, folder):
        assert self.damage(folder, lambda raw: raw) == 0

    def test_any_flipped_bit_is_noticed(self, folder):
        cached_tensor("a", Counted())
        path = folder / "a.safetensors"
        raw = path.read_bytes()
        for position in range(len(raw)):
            flipped = raw[position] ^ (1 << position % 8)
            path.write_bytes(raw[:position] + bytes([flipped]) + raw[position + 1 :])
            assert cache._read(path) is None, position

    @pytest.mark.parametrize(
        ("name", "metadata"),
        [("tensor", None), ("tensor", {"sha256": "0" * 64}), ("other", {"sha256": "0" * 64})],
    )
    def test_foreign_safetensors_file_is_rebuilt(self, folder, name, metadata):
        folder.mkdir()
        save_file({name: VALUE + 5}, folder / "a.safetensors", metadata=metadata)
        assert torch.equal(cached_tensor("a", Counted()), VALUE)


class TestFailures:
    def test_failed_computation_leaves_no_file(self, folder):
        def fail():
            raise RuntimeError("out of memory")

        with pytest.raises(RuntimeError, match="out of memory"):
            cached_tensor("a", fail)
        assert not (folder / "a.safetensors").exists()
        assert leftovers(folder) == []
        assert torch.equal(cached_tensor("a", Counted()), VALUE)  # the lock is free again

    @pytest.mark.parametrize("error", [OSError("disk full"), SafetensorError("disk full")])
    def test_failed_write_names_the_file_and_the_cure_and_leaves_nothing(
        self, folder, monkeypatch, error
    ):
        def write_half(tensors, path, metadata):
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(b"half")
            raise error

        monkeypatch.setattr(cache, "save_file", write_half)
        with pytest.raises(OSError, match=r"cannot write .*a\.safetensors .*disk full.*COURSE_CAC"):
            cached_tensor("a", Counted())
        assert leftovers(folder) == []
        assert not (folder / "a.safetensors").exists()

    def test_failed_write_keeps_what_was_there(self, folder, monkeypatch):
        cached_tensor("a", Counted())
        before = (folder / "a.safetensors").read_bytes()
        (folder / "a.safetensors").write_bytes(before[:-1])

        def fail(tensors, path, metadata):
            raise OSError("disk full")

        monkeypatch.setattr(cache, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            cached_tensor("a", Counted())
        assert (folder / "a.safetensors").read_bytes() == before[:-1]

    def test_folder_below_a_file_is_refused_with_the_cure(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("no folder", encoding="utf-8")
        monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "file" / "cache"))
        with pytest.raises(ValueError, match="cache directory is .*set COURSE_CACHE_DIR"):
            cached_tensor("a", Counted())


@pytest.mark.slow
class TestTwoProcesses:
    def test_they_compute_once(self, folder, tmp_path):
        code = f"""
import time, torch
from pathlib import Path
from course_utils.environment.cache import cached_tensor

def compute():
    with Path({str(tmp_path / "calls")!r}).open("a", encoding="utf-8") as file:
        file.write("called\\n")
    deadline = time.monotonic() + 30
    while len(list(Path({str(tmp_path)!r}).glob("ready-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)  # until the other process is about to ask
    time.sleep(0.3)
    return torch.arange(3.0)

import os
Path({str(tmp_path)!r}, f"ready-{{os.getpid()}}").touch()
print(cached_tensor("shared", compute).tolist())
"""
        command = [sys.executable, "-c", code]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [process.communicate(timeout=120)[0] for process in both]
        assert outputs == ["[0.0, 1.0, 2.0]\n"] * 2
        assert (tmp_path / "calls").read_text(encoding="utf-8") == "called\n"
