"""Judges of exercise answers: each returns None for right, or the typical mistake as text.

A judge never decides about style and never raises because of what a learner wrote. Its text
names the mistake and says what to look at next. Judges combine with ``or``:
``try_function(answer, cases) or my_own_check(answer)``.
"""

import copy
import inspect
from typing import Any, NamedTuple

from course_utils.exercises.checks.answers import (
    NotAttempted,
    as_plain,
    explain_error,
    is_untouched,
    shorten,
)
from course_utils.exercises.checks.number_judge import is_close, read_numbers


class Case(NamedTuple):
    """One row of the table on which `try_function` tries a learner's function.

    Parameters
    ----------
    arguments : tuple
        Positional arguments of the call; the function gets a copy.
    expected : object
        What the function must return.
    mistake : str
        The mistake that this row catches, and what to look at next.
    """

    arguments: tuple
    expected: Any
    mistake: str


def compare_choice(answer, expected, *, reasons):
    """Judge a word chosen from a list; case and outer spaces do not matter.

    Parameters
    ----------
    answer : object
        What the learner chose.
    expected : str
        The right choice, in lower case.
    reasons : mapping of str to str
        Every wrong choice with the reason why it is not right and what to look at next.

    Returns
    -------
    str or None
        The reason, or the list of choices if the answer is none of them, or None if right.

    Examples
    --------
    >>> reasons = {"target": "The target comes second. Which task has many labels?"}
    >>> compare_choice("target", "source", reasons=reasons)
    'The target comes second. Which task has many labels?'
    >>> compare_choice(" Source ", "source", reasons=reasons) is None
    True
    """
    texts = {expected: None, **reasons}
    given = as_plain(answer)
    given = given.strip().casefold() if isinstance(given, str) else None
    if given in texts:
        return texts[given]
    listed = ", ".join(sorted(map(repr, texts)))
    return f"{shorten(answer)} is not one of the choices. Choose one of: {listed}."


def try_function(answer, cases, *, tolerance=1e-6):
    """Judge a function by calling it on a table of cases; the first failing case is reported.

    Parameters
    ----------
    answer : object
        The learner's function.
    cases : sequence of Case
        Inputs, expected results and the mistake that each row catches, simplest first.
    tolerance : float, default=1e-6
        Largest allowed absolute difference of returned numbers, in their own unit.

    Returns
    -------
    str or None
        Input, found and expected result with the mistake named, or None if all cases pass.

    Raises
    ------
    NotAttempted
        If the function returns nothing (None or ...) in every case.

    Examples
    --------
    >>> cases = [Case((4,), 2, "Look at the factor."), Case((-4,), -2, "Keep the sign.")]
    >>> try_function(lambda x: x / 2, cases) is None
    True
    >>> try_function(lambda x: abs(x) / 2, cases)
    'For the input -4 your function returns 2.0, but -2 is expected. Keep the sign.'
    """
    if not callable(answer):
        return (
            f"Your answer is {shorten(answer)}, but a function is asked. "
            "Give its name without the brackets behind it."
        )
    problems, untouched = zip(*(_try_case(answer, case, tolerance) for case in cases), strict=True)
    if all(untouched):
        raise NotAttempted("Your function returns nothing yet. Is there a return at its end?")
    return next(filter(None, problems), None)


def _try_case(function, case, tolerance):
    """Return the problem of one case (or None), and whether the function returned nothing."""
    arguments = copy.deepcopy(case.arguments)  # a function that changes its input spoils nothing
    given = ", ".join(shorten(argument) for argument in case.arguments)
    start = f"For the input {given} your function"
    if not _accepts(function, arguments):
        return f"{start} cannot be called: it takes another number of inputs.", False
    try:
        result = function(*arguments)
    except Exception as error:  # whatever the learner's code raises is an answer, not a crash
        return f"{start} stops. {explain_error(error)}", False
    if is_untouched(result):
        return f"{start} returns nothing. Does every branch end in a return?", True
    if _matches(result, case.expected, tolerance):
        return None, False
    found, wanted = shorten(result), shorten(case.expected)
    return f"{start} returns {found}, but {wanted} is expected. {case.mistake}", False


def _accepts(function, arguments):
    """Return whether the call has a fitting number of arguments (True if that cannot be known)."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # some built-in functions have no signature
        return True
    return True


def _matches(result, expected, tolerance):
    """Return whether a result is the expected one: finite numbers within tolerance, else equal."""
    if read_numbers(expected)[1]:  # infinity
        return as_plain(result) == as_plain(expected)
    values, problem = read_numbers(result)
    return problem is None and is_close(values, expected, tolerance)
