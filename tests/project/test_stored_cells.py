"""Tests of `course_utils.project.stored_cells`."""

import re

import nbval.plugin
import pytest
from tiny_notebooks import code, error, stream

from course_utils.project.stored_cells import (
    NBVAL_TAGS,
    is_misspelt,
    may_raise,
    stderr_of,
    stored_problem,
)


class TestNbvalTags:
    def test_they_are_those_of_the_installed_nbval(self):
        legacy = {"pytest-validate-ignore-output"}
        assert set(NBVAL_TAGS) == set(nbval.plugin.metadata_tags) - legacy


class TestIsMisspelt:
    @pytest.mark.parametrize(
        "tag",
        ["nbval_skip", "NBVAL-SKIP", "raise-exception", "raises_exception", "skip-execution"],
    )
    def test_near_misses_are_found(self, tag):
        assert is_misspelt(tag)

    @pytest.mark.parametrize("tag", [*NBVAL_TAGS, "solution", "exercise", "hide-input"])
    def test_good_and_unrelated_tags_are_left_alone(self, tag):
        assert not is_misspelt(tag)


class TestStoredProblem:
    GOOD = {
        "compared": code("print(2)", stream("2\n")),
        "ignored": code("print(2)", stream("2\n"), tags=["nbval-ignore-output"]),
        "raises": code("1 / 0", error("ZeroDivisionError", ""), tags=["raises-exception"]),
        "skipped": code("1 / 0", tags=["nbval-skip"], count=None),
        "empty": code(" \n", count=None),
        "comment in prose": code("# nbval compares the next line\nx = 1"),
    }
    BAD = {
        "misspelt tag": (code("1", tags=["nbval-ignore-outputs"]), "ignore the tag"),
        "marker": (code("# NBVAL_SKIP\n1 / 0"), "comment marker"),
        "misspelt marker": (code("x = 1\n  ## nbval_ignore output"), "comment marker"),
        "never run": (code("print(2)", count=None), "never executed"),
        "error": (code("1 / 0", error("ZeroDivisionError", "")), "an error is stored"),
        "stderr": (code("warn()", stream("Careful!", "stderr")), "stderr is stored.*Careful!"),
    }

    @pytest.mark.parametrize("cell", GOOD.values(), ids=GOOD)
    def test_good_cells_have_none(self, cell):
        assert stored_problem(cell) is None

    @pytest.mark.parametrize(("cell", "reason"), BAD.values(), ids=BAD)
    def test_bad_cells_have_one_that_says_why(self, cell, reason):
        assert re.search(reason, stored_problem(cell))


class TestMayRaise:
    def test_both_spellings_count(self):
        assert may_raise(code("1", tags=["raises-exception"]))
        assert may_raise(code("1", tags=["nbval-raises-exception"]))
        assert not may_raise(code("1"))


class TestStderrOf:
    def test_stdout_and_pictures_are_left_out(self):
        outputs = [stream("out"), stream("bad ", "stderr"), stream("news", "stderr")]
        assert stderr_of(outputs) == "bad news"
        assert stderr_of([stream("out"), error("E", "")]) == ""
