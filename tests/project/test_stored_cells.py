"""Tests of `course_utils.project.stored_cells`."""

import re

import pytest
from tiny_notebooks import code, error, stream

from course_utils.project.stored_cells import stderr_of, stored_problem


class TestStoredProblem:
    RAISES = {"tags": ["raises-exception"]}
    GOOD = {
        "compared": code("print(2)", stream("2\n")),
        "ignored": code("print(2)", stream("2\n"), tags=["nbval-ignore-output"]),
        "raises": code("1 / 0", error("ZeroDivisionError", ""), **RAISES),
        "empty": code(" \n", count=None),
        "comment in prose": code("# nbval compares the next line\nx = 1"),
    }
    BAD = {
        "misspelt tag": (code("1", tags=["nbval-ignore-outputs"]), "unknown tag 'nbval-ignore-o"),
        "marker": (code("# NBVAL_SKIP\n1 / 0"), "comment marker"),
        "misspelt marker": (code("x = 1\n  ## nbval_ignore output"), "comment marker"),
        "never run": (code("print(2)", count=None), "never executed"),
        "error": (code("1 / 0", error("ZeroDivisionError", "")), "an error is stored"),
        "no error": (code("x = 1", **RAISES), "no error is stored"),
        "stderr": (code("warn()", stream("Careful!", "stderr")), "stderr is stored.*Careful!"),
    }

    @pytest.mark.parametrize("cell", GOOD.values(), ids=GOOD)
    def test_good_cells_have_none(self, cell):
        assert stored_problem(cell) is None

    @pytest.mark.parametrize(("cell", "reason"), BAD.values(), ids=BAD)
    def test_bad_cells_have_one_that_says_why(self, cell, reason):
        assert re.search(reason, stored_problem(cell))


class TestStderrOf:
    def test_stdout_and_pictures_are_left_out(self):
        outputs = [stream("out"), stream("bad ", "stderr"), stream("news", "stderr")]
        assert stderr_of(outputs) == "bad news"
        assert stderr_of([stream("out"), error("E", "")]) == ""
