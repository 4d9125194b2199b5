"""Tests of judge_comparison, and of the agreement of exercise modules and notebooks."""

import ast
import importlib
from pathlib import Path

import pytest
from lesson import Lesson, python_tree, tags
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.exercises import Exercise
from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.experiments.results import Results

NOTEBOOKS = sorted((Path(__file__).parents[3] / "notebooks").glob("*.ipynb"))


def results(values, num_seeds=5):
    """Return results with the same values for each seed."""
    return Results([values] * num_seeds)


FAIR = {("a", 5): 0.6, ("b", 5): 0.7}


class TestJudgeComparison:
    @pytest.mark.parametrize("answer", [0.7, [0.6, 0.7], FAIR, "repeat"])
    def test_something_else_than_results_is_named(self, answer):
        assert judge_comparison(answer).startswith("Give what repeat(...) returns")

    def test_four_seeds_are_too_few_and_five_are_enough(self):
        assert judge_comparison(results(FAIR, num_seeds=4)).startswith("There are 4 seeds")
        assert judge_comparison(results(FAIR, num_seeds=5)) is None

    def test_one_arm_at_several_sizes_is_no_comparison(self):
        answer = results({("a", 5): 0.6, ("a", 20): 0.7})
        assert judge_comparison(answer).startswith("There is one arm only.")

    def test_arms_without_a_common_size_are_named(self):
        answer = results({("a", 5): 0.6, ("b", 20): 0.7})
        assert judge_comparison(answer).startswith("'a' and 'b' share no size")

    def test_one_common_size_is_enough(self):
        assert judge_comparison(results(FAIR | {("a", 20): 0.8})) is None

    def test_equal_values_are_named(self):
        answer = results({("a", 5): 0.6, ("b", 5): 0.6})
        assert judge_comparison(answer).startswith("'a' and 'b' gave equal values each time")

    def test_one_seed_or_one_size_that_differs_is_enough(self):
        equal = {("a", 5): 0.6, ("b", 5): 0.6}
        assert judge_comparison(Results([equal] * 4 + [FAIR])) is None
        assert judge_comparison(results(equal | {("a", 20): 0.7, ("b", 20): 0.8})) is None

    def test_the_winner_is_left_open(self):
        assert judge_comparison(results({("a", 5): 0.9, ("b", 5): 0.1})) is None
        assert judge_comparison(results({("a", 5): 0.1, ("b", 5): 0.9})) is None


def exercises_of(lesson):
    """Return the exercises that a lesson imports, under the names that it uses."""
    name = f"course_utils.exercises.{lesson.path.stem[3:]}"
    imports = [node for cell in lesson.code_cells for node in ast.walk(python_tree(cell))]
    names = [
        alias.name
        for node in imports
        if isinstance(node, ast.ImportFrom) and node.module == name
        for alias in node.names
    ]
    module = importlib.import_module(name)
    return {name: getattr(module, name) for name in names}


def disagreements(lesson, exercises):
    """Say where the notebook differs from its exercises: solution cells and questions."""
    text = one_line("\n".join(cell.source for cell in lesson.markdown_cells))
    solutions = [tree(cell.source) for cell in lesson.code_cells if "solution" in tags(cell)]
    problems = []
    for name, exercise in exercises.items():
        code = f"{exercise.solution_code}\n\n{name}.check({exercise.answer_name})"
        if tree(code) not in solutions:
            problems.append(f"{name}: no cell tagged solution is\n{code}")
        if one_line(exercise.question) not in text:
            problems.append(f"{name}: this question is not in the text: {exercise.question}")
    if len(solutions) != len(exercises):
        problems.append(f"{len(solutions)} solution cells for {len(exercises)} exercises")
    return problems


def tree(code):
    """Return code as it is compared: without comments and line breaks."""
    return ast.dump(ast.parse(code))


def one_line(text):
    return " ".join(text.split())


class TestNotebooks:
    @pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
    def test_show_the_questions_and_solutions_of_their_module(self, path):
        lesson = Lesson.read(path)
        exercises = exercises_of(lesson)
        assert len(exercises) >= 3
        assert all(isinstance(exercise, Exercise) for exercise in exercises.values())
        assert disagreements(lesson, exercises) == []


@pytest.fixture
def sound():
    """Return a notebook with one exercise, and that exercise."""
    exercise = Exercise(
        "easy",
        question="What is half of 1?",
        judge=lambda answer: None if answer == 0.5 else "Divide.",
        hints=["Divide."],
        solution="answer = 1 / 2",
        why="Halves come up everywhere.",
    )
    solution = "answer = 1/2  # formatted in another way\n\n\neasy.check(answer)"
    cells = [
        new_markdown_cell("### Easy\n\nWhat is half\nof 1?"),
        new_code_cell(solution, metadata={"tags": ["solution"]}),
    ]
    return Lesson(Path("00_demo.ipynb"), new_notebook(cells=cells)), {"easy": exercise}


class TestDisagreements:
    def test_line_breaks_comments_and_format_do_not_matter(self, sound):
        assert disagreements(*sound) == []

    def test_other_question_is_found(self, sound):
        sound[0].cells[0].source = "### Easy\n\nWhat is a third of 1?"
        (problem,) = disagreements(*sound)
        assert problem.startswith("easy: this question is not in the text")

    @pytest.mark.parametrize(
        ("old", "new"), [("1/2", "2/4"), ("easy.check", "medium.check"), ("(answer)", "(0.5)")]
    )
    def test_other_solution_is_found(self, sound, old, new):
        cell = sound[0].cells[1]
        assert old in cell.source
        cell.source = cell.source.replace(old, new)
        (problem,) = disagreements(*sound)
        assert problem.startswith("easy: no cell tagged solution is")

    def test_solution_without_an_exercise_is_found(self, sound):
        assert disagreements(sound[0], {}) == ["1 solution cells for 0 exercises"]
