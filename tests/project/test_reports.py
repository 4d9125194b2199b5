"""Tests of `course_utils.project.reports`."""

import csv

import pytest

from course_utils.project.reports import claims_markdown, replace_file, write_reports

CLAIM = {
    "sentence": "Transfer helps, with 5 labels.",
    "low": 0.1,
    "high": None,
    "measured": 0.2123456,
    "interval": "",
    "notebook": "00_a.ipynb",
    "cell": 7,
}


@pytest.fixture
def course(tmp_path):
    """Return the folder of a course with two notebooks."""
    (tmp_path / "notebooks").mkdir()
    for name in ("00_a.ipynb", "01_b.ipynb"):
        (tmp_path / "notebooks" / name).touch()
    return tmp_path


def cost(notebook, seconds=1.0):
    return {"notebook": notebook, "cells": 2, "seconds": seconds, "peak_megabytes": 80}


def read(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TestReplaceFile:
    def test_failed_write_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch):
        path = tmp_path / "a.ipynb"
        path.write_text("old", encoding="utf-8")

        def no_space(self, target):
            raise OSError("no space left on device")

        monkeypatch.setattr("pathlib.Path.replace", no_space)
        with pytest.raises(OSError, match="no space"):
            replace_file(path, "new")
        assert path.read_text(encoding="utf-8") == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_letters_outside_ascii_and_line_ends_are_kept(self, tmp_path):
        replace_file(tmp_path / "a.ipynb", "λ R(w) ≤ 1\n")
        assert (tmp_path / "a.ipynb").read_bytes() == "λ R(w) ≤ 1\n".encode()


class TestWriteReports:
    def test_tables_read_back(self, course):
        write_reports(course, [cost("00_a.ipynb")], [CLAIM])
        expected = {key: "" if value is None else str(value) for key, value in CLAIM.items()}
        assert read(course / "reports" / "claims.csv") == [expected]
        expected = {key: str(value) for key, value in cost("00_a.ipynb").items()}
        assert read(course / "reports" / "costs.csv") == [expected]

    def test_run_of_some_notebooks_replaces_only_what_is_said_of_them(self, course):
        ours, theirs = CLAIM, {**CLAIM, "notebook": "01_b.ipynb", "sentence": "Theirs."}
        gone = {**CLAIM, "notebook": "02_gone.ipynb", "sentence": "Gone."}
        costs = [cost(claim["notebook"]) for claim in (gone, theirs, ours)]
        write_reports(course, costs, [gone, theirs, ours])
        news = [{**CLAIM, "sentence": "News, first."}, {**CLAIM, "sentence": "Also.", "cell": 3}]
        write_reports(course, [cost("00_a.ipynb", seconds=9.0)], news)
        reports = course / "reports"
        sentences = ["News, first.", "Also.", "Theirs."]
        assert [row["sentence"] for row in read(reports / "claims.csv")] == sentences
        lines = (reports / "claims.md").read_text(encoding="utf-8").splitlines()[-3:]
        assert [line.split(" | ")[0] for line in lines] == [f"| {words}" for words in sentences]
        assert [row["seconds"] for row in read(reports / "costs.csv")] == ["9.0", "1.0"]


class TestClaimsMarkdown:
    def test_numbers_are_rounded_also_those_read_from_a_table(self):
        row = "| Transfer helps, with 5 labels. | 0.1 |  | 0.2123 |  | 00_a.ipynb | 7 |"
        as_text = {key: "" if value is None else str(value) for key, value in CLAIM.items()}
        assert claims_markdown([CLAIM, as_text]).splitlines()[-2:] == [row, row]
