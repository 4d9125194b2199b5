"""Tests of the helpers for authors: every kind of faulty exercise must be found."""

import pytest
from authoring import find_faults, run_solution

from course_utils.exercises import Exercise
from course_utils.exercises.checks.exercise import State
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

WRONG = [(50, "percent"), (-0.5, "sign"), ("0.5", "text")]


def make_exercise(solution, judge=None, answer_name="answer"):
    return Exercise(
        "easy",
        question="What is half of 1?",
        judge=judge or (lambda answer: compare_numbers(answer, 0.5, tolerance=0.01)),
        hints=["Divide."],
        solution=solution,
        why="Halves come up everywhere.",
        answer_name=answer_name,
    )


class TestRunSolution:
    def test_function_of_the_solution_sees_given_names_and_its_own(self):
        solution = "step = 1\ndef half(x):\n    return step * x / two"
        exercise = make_exercise(
            solution,
            judge=lambda answer: try_function(answer, [Case((3,), 1.5, "Divide.")]),
            answer_name="half",
        )
        assert run_solution(exercise, {"two": 2}).state is State.RIGHT
        assert exercise.state is State.NOT_ATTEMPTED

    def test_given_names_are_not_changed(self):
        names = {"x": 1}
        run_solution(make_exercise("x = 0.5\nanswer = x"), names)
        assert names == {"x": 1}

    def test_solution_that_only_relies_on_an_earlier_answer_is_refused(self):
        with pytest.raises(ValueError, match="does not define 'answer'"):
            run_solution(make_exercise("other = 0.5"), {"answer": 0.5})

    def test_error_of_the_solution_is_raised(self):
        with pytest.raises(NameError, match="unknown"):
            run_solution(make_exercise("answer = unknown"))


class TestFindFaults:
    def test_sound_exercise_has_none(self):
        assert find_faults(make_exercise("answer = 1 / 2"), WRONG) == []

    def test_wrong_solution_is_found(self):
        faults = find_faults(make_exercise("answer = 2"), WRONG)
        assert faults == [
            "the solution is judged not yet: Your answer 2 is too large. "
            "Go through its steps once more."
        ]

    def test_too_few_wrong_answers_are_found(self):
        assert find_faults(make_exercise("answer = 0.5"), WRONG[:2]) == [
            "2 wrong answers are tried, need 3"
        ]

    def test_wrong_answer_that_passes_is_found(self):
        faults = find_faults(make_exercise("answer = 0.5"), [*WRONG, (0.5, "sign")])
        assert faults == ["wrong answer 0.5 is judged right"]

    def test_mistake_under_another_name_is_found(self):
        (fault,) = find_faults(make_exercise("answer = 0.5"), [*WRONG, (7, "sign")])
        assert fault.startswith("wrong answer 7: 'sign' is not in")

    def test_skeleton_that_counts_as_an_attempt_is_found(self):
        (fault,) = find_faults(make_exercise("answer = 0.5"), WRONG, untouched=[0])
        assert fault.startswith("untouched 0 is judged not yet")
