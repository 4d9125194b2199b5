"""For tests of exercises: run the notebook's cells of an exercise, and try typical mistakes."""

import importlib
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from lesson import Lesson, tags

from course_utils.exercises import Exercise
from course_utils.exercises.checks.exercise import State

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MIN_MISTAKES = 3  # fewer do not show that a judge tells mistakes apart


@cache
def lessons():
    """Return all lessons, each with the exercises of its module by name."""
    found = []
    for path in NOTEBOOKS:
        module = importlib.import_module(f"course_utils.exercises.{path.stem[3:]}")
        own = {name: it for name, it in vars(module).items() if isinstance(it, Exercise)}
        found.append((Lesson.read(path), own))
    return found


def find_cell(exercise, tag):
    """Return the name of an exercise in its notebook, and its cell with this tag."""
    ((lesson, name),) = [
        (lesson, name) for lesson, own in lessons() for name, it in own.items() if it is exercise
    ]
    (cell,) = [
        cell
        for cell in lesson.code_cells
        if tag in tags(cell) and cell.source.rpartition("\n")[2].startswith(f"{name}.check(")
    ]
    return name, cell


def run_cell(exercise, tag, names=None):
    """Run a cell of the notebook where only `names` are known; return the verdict of its check."""
    name, cell = find_cell(exercise, tag)
    verdicts = []
    check = SimpleNamespace(check=lambda answer: verdicts.append(exercise.judge_answer(answer)))
    # one dictionary for globals and locals, so that functions of the cell see its names
    exec(compile(cell.source, f"<{tag} of {name}>", "exec"), {**(names or {}), name: check})
    (verdict,) = verdicts
    return verdict


def assert_right(exercise, answer):
    """Check that an answer is right."""
    assert exercise.judge_answer(answer) == (State.RIGHT, exercise.why)


def assert_named(exercise, mistakes):
    """Check that each wrong answer is not yet right and gets a text with the given words."""
    assert len(mistakes) >= MIN_MISTAKES
    for answer, words in mistakes:
        state, text = exercise.judge_answer(answer)
        assert state is State.NOT_YET, f"{answer!r}: {state}"
        assert words in text, f"{answer!r}: {words!r} is not in {text!r}"
