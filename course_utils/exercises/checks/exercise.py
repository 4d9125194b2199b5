"""Exercises that check themselves: not attempted, not yet (with the mistake named), right.

An exercise cell of a notebook runs untouched::

    answer = ...            # replace the three dots
    easy.check(answer)
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from course_utils.environment.progress import note_exercise
from course_utils.exercises.checks.answers import NotAttempted, explain_error, is_untouched


class State(StrEnum):
    """The three states of an exercise."""

    NOT_ATTEMPTED = "not attempted"
    NOT_YET = "not yet"
    RIGHT = "right"


class Verdict(NamedTuple):
    """What a check found: the state, and the mistake or why a right answer matters."""

    state: State
    text: str


class Exercise:
    """A judge with staged hints; question and solution stand in the notebook.

    Parameters
    ----------
    name : str
        Short name that begins every printed line, such as ``"easy"``.
    judge : callable
        ``judge(answer)`` returns None if the answer is right, else a text that names the
        typical mistake and says what to look at next. Exceptions that the answer causes inside
        the judge are told to the learner as "not yet".
    hints : sequence of str
        At least one hint, from a nudge to nearly the answer.
    why : str
        One sentence, printed when the answer is right: why it matters.

    Raises
    ------
    ValueError
        If a text is empty, or if there is no hint.
    TypeError
        If `judge` cannot be called, or if `hints` is one string.

    Examples
    --------
    >>> from course_utils.exercises.checks.number_judge import compare_numbers
    >>> easy = Exercise(
    ...     "easy",
    ...     judge=lambda answer: compare_numbers(answer, 0.5, tolerance=0.01),
    ...     hints=["Divide."],
    ...     why="Halves come up everywhere.",
    ... )
    >>> easy.check(...)
    easy: not attempted. Replace the three dots with your answer and run the cell again.
    >>> easy.check(0.5)
    easy: right. Halves come up everywhere.
    >>> easy
    Exercise easy (right)
    """

    def __init__(
        self, name: str, *, judge: Callable[[object], str | None], hints: Sequence[str], why: str
    ):
        if not callable(judge):
            raise TypeError(
                f"judge={judge!r} of exercise {name!r} must be a function of the answer"
            )
        if isinstance(hints, str):
            raise TypeError(f"hints={hints!r} of exercise {name!r} must be a list, not one text")
        if not (name and why and hints and all(hints)):
            raise ValueError(f"exercise {name!r} has an empty name, why or hint; write it out")
        self.name, self.why, self.state = name, why, State.NOT_ATTEMPTED
        self._judge, self._hints, self._hints_given = judge, tuple(hints), 0

    def __repr__(self):
        return f"Exercise {self.name} ({self.state})"

    def judge_answer(self, answer) -> Verdict:
        """Return the verdict on an answer without printing and without changing the state.

        Raises
        ------
        TypeError
            If the judge returns something else than None or a text: a fault of the exercise.
        """
        if is_untouched(answer):
            text = "Replace the three dots with your answer and run the cell again."
            if answer is None:
                text = "Your answer is None. If you did compute one, it was not given back."
            return Verdict(State.NOT_ATTEMPTED, text)
        try:
            mistake = self._run_judge(answer)
        except NotAttempted as reason:
            return Verdict(State.NOT_ATTEMPTED, str(reason))
        if mistake is None:
            return Verdict(State.RIGHT, self.why)
        if not (isinstance(mistake, str) and mistake.strip()):
            raise TypeError(
                f"the judge of exercise {self.name!r} returned {mistake!r}; it must return None "
                "(right) or a text that names the mistake"
            )
        return Verdict(State.NOT_YET, mistake)

    def _run_judge(self, answer):
        """Return what the judge says; an exception becomes a mistake in plain words."""
        try:
            return self._judge(answer)
        except NotAttempted:
            raise
        except Exception as error:  # whatever an answer raises is "not yet", never a traceback
            return f"Your answer cannot be used. {explain_error(error)}"

    def check(self, answer) -> None:
        """Print the verdict on an answer; keep its state in `state` and for `progress`."""
        self.state, text = self.judge_answer(answer)
        print(f"{self.name}: {self.state}. {text}")
        if self.state is not State.NOT_ATTEMPTED:
            note_exercise(self.name, str(self.state))
        if self.state is State.NOT_YET:
            print("Look at it again; hint() helps one step further.")

    def hint(self) -> None:
        """Print the next hint; after the last one, point to the solution in the notebook."""
        if self._hints_given == len(self._hints):
            print("That was the last hint. The collapsed cell below the exercise is a solution.")
            return
        text = self._hints[self._hints_given]
        self._hints_given += 1
        print(f"Hint {self._hints_given} of {len(self._hints)}: {text}")
