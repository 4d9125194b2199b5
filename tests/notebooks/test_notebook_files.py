"""Every notebook of the course keeps every rule, as a file and without a run."""

import re
from functools import cache
from pathlib import Path

import pytest
from lesson import Lesson
from notebook_rules import RULES

read = cache(Lesson.read)  # once for all rules, which change nothing
ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
README = (ROOT / "README.md").read_text("utf-8")


class TestCourse:
    def test_lessons_are_there_and_only_planned_ones_leave_a_gap(self):
        numbers = [path.name[:2] for path in NOTEBOOKS]
        assert len(numbers) >= 2, "notebooks/ has fewer than two lessons"
        rows = re.findall(r"^\| (\d\d) .*\| planned \|", README, re.MULTILINE)
        both = sorted(numbers + rows)
        assert both == [f"{number:02d}" for number in range(len(both))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
class TestEachNotebook:
    def test_keeps_the_rule(self, rule, path):
        problems = rule(read(path))
        assert not problems, f"{path.name}\n" + "\n".join(f"- {problem}" for problem in problems)
