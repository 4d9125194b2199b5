"""Tests of course_utils.checksums."""

import hashlib
import os

from course_utils.environment.packages import checksum, fingerprint


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


class TestFingerprint:
    def test_time_of_change_alone_changes_it(self, tmp_path):
        file = make_folder(tmp_path, ["x"]) / "x"
        before = fingerprint(file)
        os.utime(file, ns=(1, 1))
        assert fingerprint(file) != before

    def test_names_sizes_and_times_of_a_folder_are_in_it(self, tmp_path):
        make_folder(tmp_path, ["a/1.txt", "a/22.txt", "a/3.csv"])
        found = fingerprint(tmp_path, ("*/*.txt",))
        assert [(name[-6:], size) for name, size, _ in found] == [("/1.txt", 7), ("22.txt", 8)]
