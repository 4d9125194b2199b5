"""Tests of course_utils.environment.packages."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from course_utils.environment import packages
from course_utils.environment.packages import (
    PACKAGES,
    PackageError,
    checksum,
    package_path,
    verify_package,
)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Make a package with one data file of the text "abc", known under the key "toy"."""
    folder = tmp_path / "toy_data_package"
    folder.mkdir()
    # Importing it would fail: the course must only look for its files.
    (folder / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    (folder / "data.bin").write_bytes(b"abc")
    monkeypatch.syspath_prepend(tmp_path)
    package = replace(
        PACKAGES["mnist"],
        pip_name="toy-data",
        path="toy_data_package/data.bin",
        sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
    monkeypatch.setitem(PACKAGES, "toy", package)
    return folder / "data.bin"


class TestPackages:
    def test_the_seven_packages_of_the_course_are_listed(self):
        expected = [
            "mnist",
            "digits",
            "solar_cells",
            "bbc_news",
            "efficientnet_lite0",
            "efficientnet_lite2",
            "minilm",
        ]
        assert list(PACKAGES) == expected

    @pytest.mark.parametrize("key", list(PACKAGES))
    def test_installed_package_is_the_one_the_course_was_written_with(self, key):
        assert verify_package(key) == package_path(key)

    @pytest.mark.parametrize(
        ("key", "start"),  # measured by other people on other machines
        [
            ("efficientnet_lite0", "579344248a93e230"),
            ("efficientnet_lite2", "9656183e"),  # part of its file name
            ("minilm", "53aa51172d142c89"),
        ],
    )
    def test_checksum_is_the_one_known_from_elsewhere(self, key, start):
        assert PACKAGES[key].sha256.startswith(start)

    @pytest.mark.parametrize("key", list(PACKAGES))
    def test_package_says_what_it_is_and_where_it_comes_from(self, key):
        package = PACKAGES[key]
        assert all([package.what, package.pip_name, package.licence])
        assert "doi:" in package.source or "arXiv:" in package.source

    def test_solar_cells_are_marked_as_non_commercial(self):
        assert "non-commercial" in PACKAGES["solar_cells"].licence


class TestPackagePath:
    def test_number_of_data_files_is_the_known_one(self):
        cells = package_path("solar_cells")
        assert len(list(cells.glob("images/*.png"))) == 2624
        assert len(list(package_path("bbc_news").glob("*/*.txt"))) == 2225

    def test_config_and_tokenizer_lie_beside_the_weights_of_the_language_model(self):
        assert package_path("minilm").with_name("tokenizer.json").is_file()
        assert [name for name, _ in PACKAGES["minilm"].beside] == ["config.json", "tokenizer.json"]

    def test_no_package_is_imported(self, toy):
        assert package_path("toy") == toy

    def test_no_large_library_is_imported(self):
        code = (
            "import sys; from course_utils.environment.packages import PACKAGES, package_path; "
            "[package_path(key) for key in PACKAGES]; "
            "sys.exit(any(m in sys.modules for m in ('sklearn', 'torch', 'numpy', 'mlxtend')))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_missing_package_is_named_with_its_cure(self, toy, monkeypatch):
        monkeypatch.setitem(PACKAGES, "toy", replace(PACKAGES["toy"], path="no_such_module/x"))
        with pytest.raises(PackageError, match=r"'toy-data' is not installed.*run make setup\."):
            package_path("toy")

    def test_missing_file_is_named_with_its_cure(self, toy):
        toy.unlink()
        with pytest.raises(PackageError, match=r"has no 'data.bin'.*make setup ARGS=--fresh"):
            package_path("toy")

    def test_unknown_key_lists_the_known_ones(self):
        with pytest.raises(ValueError, match="key is 'imagenet', but must be one of mnist, digits"):
            package_path("imagenet")


class TestVerifyPackage:
    def test_whole_file_is_accepted(self, toy):
        assert verify_package("toy") == toy

    def test_damaged_file_is_refused_with_both_sums(self, toy):
        toy.write_bytes(b"abd")
        with pytest.raises(PackageError, match="is a52d159f262b2c6d.*must be ba7816bf8f01cfea"):
            verify_package("toy")

    def test_file_is_read_once(self, toy, monkeypatch):
        verify_package("toy")
        monkeypatch.setattr(packages, "checksum", lambda *_: pytest.fail("read again"))
        verify_package("toy")

    def test_file_damaged_after_a_good_check_is_refused(self, toy):
        verify_package("toy")
        before = toy.stat()
        toy.write_bytes(b"abd")  # same size; the time differs
        os.utime(toy, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        with pytest.raises(PackageError, match="damaged or another version"):
            verify_package("toy")

    def test_added_file_in_a_folder_is_refused(self, toy, monkeypatch):
        patterns = ("*.bin",)
        total = packages.checksum(toy.parent, patterns)
        folder = replace(
            PACKAGES["toy"], path="toy_data_package/.", sha256=total, patterns=patterns
        )
        monkeypatch.setitem(PACKAGES, "toy", folder)
        verify_package("toy")
        (toy.parent / "more.bin").write_bytes(b"")
        with pytest.raises(PackageError, match="SHA-256"):
            verify_package("toy")


class TestFilesBeside:
    @pytest.fixture
    def beside(self, toy, monkeypatch):
        """Let the toy need a second file, of the text "abc" too."""
        other = toy.with_name("other.bin")
        other.write_bytes(b"abc")
        package = replace(PACKAGES["toy"], beside=(("other.bin", PACKAGES["toy"].sha256),))
        monkeypatch.setitem(PACKAGES, "toy", package)
        return other

    def test_whole_files_are_accepted(self, toy, beside):
        assert verify_package("toy") == toy

    def test_damaged_file_is_refused_by_its_name(self, beside):
        verify_package("toy")
        beside.write_bytes(b"abcd")
        with pytest.raises(PackageError, match=r"SHA-256 of other.bin is 88d4266fd4e6338d.*fresh"):
            verify_package("toy")

    def test_missing_file_is_named_with_its_cure(self, beside):
        beside.unlink()
        with pytest.raises(PackageError, match=r"toy: other.bin is missing.*make setup ARGS=--fr"):
            verify_package("toy")


def make_folder(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode("utf-8"))
    return folder


class TestChecksum:
    def test_sum_of_a_file_is_the_published_one(self, tmp_path):
        (tmp_path / "abc").write_bytes(b"abc")  # the first test vector of FIPS 180-4
        expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        assert checksum(tmp_path / "abc") == expected

    def test_sum_of_a_folder_follows_its_definition(self, tmp_path):
        make_folder(tmp_path, ["b/2.txt", "a/1.txt"])
        parts = [name + b"\0" + hashlib.sha256(name).digest() for name in (b"a/1.txt", b"b/2.txt")]
        assert checksum(tmp_path, ("*/*.txt",)) == hashlib.sha256(b"".join(parts)).hexdigest()

    def test_order_of_creation_and_other_files_do_not_matter(self, tmp_path):
        first = make_folder(tmp_path / "first", ["a/1.txt", "b/2.txt"])
        second = make_folder(tmp_path / "second", ["b/2.txt", "a/1.txt", "a/1.pyc"])
        assert checksum(first, ("*/*.txt",)) == checksum(second, ("*/*.txt",))

    def test_renamed_file_changes_the_sum(self, tmp_path):
        make_folder(tmp_path, ["a/1.txt"])
        before = checksum(tmp_path, ("*/*.txt",))
        (tmp_path / "a" / "1.txt").rename(tmp_path / "a" / "2.txt")
        assert checksum(tmp_path, ("*/*.txt",)) != before
