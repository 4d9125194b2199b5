"""What holds for the exercises of every lesson; the mistakes of each are tested with its lesson."""

import ast
import builtins
import copy
import math
from symtable import symtable

import pytest
import torch
from authoring import assert_named, find_cell, lessons, run_cell
from lesson import python_tree, tags
from toys import unfair_comparisons

from course_utils.exercises.checks.exercise import State
from course_utils.objectives import soften

EXERCISES = [
    pytest.param(exercise, id=f"{lesson.path.stem[:2]}-{name}")
    for lesson, own in lessons()
    for name, exercise in own.items()
]
# The open ones need more of their lesson, and are run with the tests of the lesson.
CLOSED = [param for param in EXERCISES if "open" not in param.id]
OPEN = [param for param in EXERCISES if "open" in param.id]


@pytest.mark.parametrize("exercise", EXERCISES)
class TestEachExercise:
    def test_untouched_cell_of_the_notebook_is_not_attempted(self, exercise):
        assert run_cell(exercise, "exercise").state is State.NOT_ATTEMPTED

    def test_hints_come_one_by_one_and_then_point_to_the_collapsed_cell(self, exercise, capsys):
        fresh = copy.deepcopy(exercise)  # hints count how many were given
        for _ in range(4):
            fresh.hint()
        *hints, end = capsys.readouterr().out.splitlines()
        assert [hint.split(": ")[0] for hint in hints] == [f"Hint {n} of 3" for n in (1, 2, 3)]
        assert "collapsed cell" in end
        _, cell = find_cell(exercise, "solution")
        assert cell.metadata.jupyter.source_hidden


@pytest.mark.parametrize("exercise", CLOSED)
def test_solution_of_the_notebook_is_right(exercise):
    names = {"torch": torch, "math": math, "nn": torch.nn, "copy": copy, "soften": soften}
    assert run_cell(exercise, "solution", names) == (State.RIGHT, exercise.why)


@pytest.mark.parametrize("exercise", OPEN)
def test_comparison_that_is_not_fair_is_named(exercise):
    assert_named(exercise, unfair_comparisons("first", "second", 5))


@pytest.mark.parametrize(
    ("lesson", "own"), [pytest.param(*pair, id=pair[0].path.stem) for pair in lessons()]
)
def test_lesson_has_all_exercises_of_its_module_and_no_other(lesson, own):
    assert {"easy", "medium", "open_ended"} <= own.keys()
    module = f"course_utils.exercises.{lesson.path.stem[3:]}"
    nodes = [node for cell in lesson.code_cells for node in python_tree(cell).body]
    (imports,) = [node for node in nodes if getattr(node, "module", None) == module]
    assert {alias.name for alias in imports.names} == own.keys()
    for tag in ("exercise", "solution"):
        assert sum(tag in tags(cell) for cell in lesson.code_cells) == len(own)


def names_set(code):
    """Return the names that a piece of code assigns, defines or imports at its top level."""
    symbols = symtable(code, "code", "exec").get_symbols()
    return {name.get_name() for name in symbols if name.is_assigned() or name.is_imported()}


def names_needed(code):
    """Return the names that a piece of code uses and does not set, also inside its functions."""
    tables = [symtable(code, "code", "exec")]
    for table in tables:
        tables += table.get_children()
    symbols = [name for table in tables for name in table.get_symbols()]
    used = {name.get_name() for name in symbols if name.is_global() and name.is_referenced()}
    return used - names_set(code) - set(dir(builtins))


@pytest.mark.parametrize("lesson", [pytest.param(it, id=it.path.stem) for it, _ in lessons()])
def test_each_solution_runs_whether_or_not_the_others_were_solved(lesson):
    """A reader may solve one exercise and not the others, or all of them in any order."""
    exercise_tags = {"exercise", "solution"}
    own = [cell for cell in lesson.code_cells if not exercise_tags & set(tags(cell))]
    known = set().union(*(names_set(ast.unparse(python_tree(cell))) for cell in own))
    solutions = [cell.source for cell in lesson.code_cells if "solution" in tags(cell)]
    for code in solutions:
        assert names_needed(code) - known == set()
        for other in solutions:
            assert other == code or not names_needed(code) & names_set(other)
