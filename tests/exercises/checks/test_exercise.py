"""Tests of the exercise base: three states and staged hints."""

import linecache

import numpy as np
import pytest

from course_utils.exercises import Exercise
from course_utils.exercises.checks.exercise import State
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers


def make_exercise(judge=None, **changes):
    parts = {
        "judge": judge or (lambda answer: compare_numbers(answer, 0.5, tolerance=0.01)),
        "hints": ["Divide.", "Divide by 2."],
        "why": "Halves come up everywhere.",
    }
    return Exercise("easy", **{**parts, **changes})


def double_judge(answer):
    return try_function(answer, [Case((2,), 4, "Twice."), Case((3,), 6, "Not squared.")])


def dots_in_the_middle(x):
    factor = ...
    return factor * x


def not_written(x):
    raise NotImplementedError


class TestCheck:
    @pytest.mark.parametrize("answer", [..., None, "...", "", [..., ...], {"a": ..., "b": None}])
    def test_untouched_answer_is_not_attempted(self, answer, capsys):
        exercise = make_exercise()
        exercise.check(answer)
        assert exercise.state is State.NOT_ATTEMPTED
        assert capsys.readouterr().out.startswith("easy: not attempted. ")

    @pytest.mark.parametrize(
        "answer", [lambda x: ..., lambda x: None, dots_in_the_middle, not_written]
    )
    def test_untouched_function_is_not_attempted(self, answer):
        exercise = make_exercise(double_judge)
        exercise.check(answer)
        assert exercise.state is State.NOT_ATTEMPTED

    @pytest.mark.parametrize("answer", [dots_in_the_middle, not_written])
    def test_untouched_function_is_not_attempted_for_a_judge_without_helpers(self, answer):
        exercise = make_exercise(lambda answer: None if answer(2) == 4 else "Twice.")
        exercise.check(answer)
        assert exercise.state is State.NOT_ATTEMPTED

    def test_wrong_answer_prints_the_mistake_and_the_next_step(self, capsys):
        exercise = make_exercise()
        assert exercise.check(50) is None
        assert exercise.state is State.NOT_YET
        assert capsys.readouterr().out == (
            "easy: not yet. Your answer is 100 times too large. Is it in percent? "
            "A fraction from 0 to 1 is asked.\n"
            "Look at it again; hint() helps one step further.\n"
        )

    def test_right_answer_prints_why_it_matters(self, capsys):
        exercise = make_exercise()
        exercise.check(np.float32(0.5))
        assert exercise.state is State.RIGHT
        assert capsys.readouterr().out == "easy: right. Halves come up everywhere.\n"

    def test_state_follows_the_latest_answer(self):
        exercise = make_exercise()
        exercise.check(0.5)
        exercise.check(7)
        assert exercise.state is State.NOT_YET

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda x: x / 0, "divides by zero"),
            (lambda x: undefined_name, "never given a value"),  # noqa: F821
            (lambda x: [1][x], "a place that does not exist"),
            (lambda x: {}[x], "a key that does not exist"),
            (lambda x: x.shape, "a property or method"),
            (lambda x: None + x, "a value is None"),
            (lambda x: x + "a", "kinds that do not fit"),
            (lambda x: int("a"), "A value or a shape does not fit"),
        ],
    )
    def test_answer_that_raises_is_not_yet_in_plain_words(self, answer, words, capsys):
        exercise = make_exercise(double_judge)
        exercise.check(answer)
        printed = capsys.readouterr().out
        assert exercise.state is State.NOT_YET
        assert words in printed
        assert "Traceback" not in printed

    def test_line_of_the_learner_is_shown_and_no_line_of_a_library(self, capsys):
        source = "import statistics\n\ndef middle(x):\n    return statistics.mean(str(x))\n"
        linecache.cache["cell"] = (len(source), None, source.splitlines(True), "cell")
        namespace = {}
        exec(compile(source, "cell", "exec"), namespace)
        make_exercise(double_judge).check(namespace["middle"])
        assert "in the line: return statistics.mean(str(x))" in capsys.readouterr().out

    def test_interrupt_of_the_learner_is_not_swallowed(self):
        def interrupt(x):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make_exercise(double_judge).check(interrupt)

    @pytest.mark.parametrize("verdict", [True, False, "", 0])
    def test_judge_that_returns_no_text_is_a_fault_of_the_exercise(self, verdict):
        with pytest.raises(TypeError, match="judge of exercise 'easy' returned"):
            make_exercise(lambda answer: verdict).check(1)


class TestHint:
    def test_hints_come_one_by_one_and_then_point_to_the_solution(self, capsys):
        exercise = make_exercise()
        for _ in range(4):
            exercise.hint()
        end = "That was the last hint. The collapsed cell below the exercise is a solution."
        printed = ["Hint 1 of 2: Divide.", "Hint 2 of 2: Divide by 2.", end, end]
        assert capsys.readouterr().out.splitlines() == printed


class TestExercise:
    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"judge": "no function"}, TypeError, "judge='no function'"),
            ({"hints": "one text"}, TypeError, "hints='one text'"),
            ({"hints": []}, ValueError, "exercise 'easy' has an empty name, why or hint"),
            ({"hints": ["Divide.", ""]}, ValueError, "empty name, why or hint"),
            ({"why": ""}, ValueError, "empty name, why or hint"),
        ],
    )
    def test_incomplete_exercise_is_refused(self, change, error, message):
        with pytest.raises(error, match=message):
            make_exercise(**change)
