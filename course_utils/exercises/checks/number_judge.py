"""The judge of answers that are numbers: type first, then shape, then value."""

import math
import numbers

import numpy as np

from course_utils.exercises.checks.answers import as_plain, one_line

# A larger answer is a data set given by mistake; reading it would take minutes.
_MAX_NUMBERS = 100_000


def compare_numbers(answer, expected, *, tolerance, mistakes=()):
    """Judge one number: first the type, then the shape, then the value.

    Parameters
    ----------
    answer : object
        What the learner wrote: a number, or an array or tensor of no axis, if all is well.
    expected : float
        The right value.
    tolerance : float
        Largest allowed absolute difference, in the unit of `expected`.
    mistakes : iterable of (value, str), default=()
        Typical wrong values, each with the text that names the mistake.

    Returns
    -------
    str or None
        The mistake, or None if the answer is within `tolerance`.

    Examples
    --------
    >>> compare_numbers(0.501, 0.5, tolerance=0.01) is None
    True
    >>> compare_numbers(50, 0.5, tolerance=0.01)
    'Your answer is 100 times too large. Is it in percent? A fraction from 0 to 1 is asked.'
    """
    values, problem = read_numbers(answer)
    if problem:
        return problem
    if is_close(values, expected, tolerance):
        return None
    for value, text in mistakes:  # may have another shape: a whole row where its total was asked
        if is_close(values, value, tolerance):
            return text
    if values.ndim:
        shape = values.shape
        found = (
            f"a row of length {len(values)}" if values.ndim == 1 else f"an array of shape {shape}"
        )
        return f"Your answer is {found}, but one number is asked. Look at its shape first."
    return _name_difference(values, expected, tolerance)


def separator_mistakes(number: int) -> list[tuple]:
    """Return how Python misreads a whole number that is written with a separator, as mistakes.

    Parameters
    ----------
    number : int
        The right answer, 1,000 to 999,999: with one separator.

    Examples
    --------
    >>> [value for value, text in separator_mistakes(5124)]
    [[5, 124], 5.124]
    """
    text = "The number is right, but Python reads it as another. Write it as digits alone."
    return [([*divmod(number, 1000)], text), (number / 1000, text)]  # 5,124 is a tuple


def read_numbers(answer):
    """Read an answer as an array of finite numbers, or say why it is none.

    Parameters
    ----------
    answer : object
        A number, list, array or tensor if all is well. True and False are no numbers here.

    Returns
    -------
    values : numpy.ndarray of float64, or None
        The numbers in the shape of the answer.
    problem : str or None
        What is wrong with the answer, in plain words.

    Examples
    --------
    >>> read_numbers("0.5")
    (None, "Your answer is the text '0.5'. Write a number, without quotation marks.")
    """
    shape = tuple(getattr(answer, "shape", ()))
    if math.prod(shape) > _MAX_NUMBERS:
        return None, f"Your answer is a whole array of shape {shape}. Which part of it is asked?"
    items = np.asarray(as_plain(answer), dtype=object)
    for item in items.flat:
        problem = _name_kind(item)
        if problem:
            return None, problem
    return items.astype(float), None


def is_close(values, wanted, tolerance):
    """Return whether values agree with those wanted, within a tolerance; shapes first.

    NumPy would broadcast silently.
    """
    wanted = np.asarray(as_plain(wanted), dtype=float)
    # the last digits of a float must not decide about an answer exactly at the tolerance
    limit = tolerance + 1e-9 * np.abs(wanted)
    return values.shape == wanted.shape and bool((np.abs(values - wanted) <= limit).all())


def _name_kind(item):
    """Return what is wrong with one item of an answer that should be a finite number, or None."""
    if item is Ellipsis or item is None:
        return "A part of your answer still is empty or three dots. Fill in every place."
    if isinstance(item, bool):
        return (
            f"Your answer holds {item}, but a number is asked. Did you compare instead of compute?"
        )
    if isinstance(item, str):
        text = one_line(repr(item))
        return f"Your answer is the text {text}. Write a number, without quotation marks."
    if isinstance(item, list):
        return (
            "The rows of your answer have unlike lengths. Give each row the same number of values."
        )
    if not isinstance(item, numbers.Real):
        kind = getattr(item, "__name__", None) or f"of the kind {type(item).__name__}"
        hint = " Call the function: add brackets." if callable(item) else ""
        return f"Your answer is {kind}, but a number is asked.{hint}"
    if math.isnan(item):
        return "Your answer holds NaN, which is no number. Look for 0/0 or a missing value."
    if math.isinf(item):
        return "Your answer is infinite. Look for a division by zero or the logarithm of zero."
    return None


def _name_difference(values, wanted, tolerance):
    """Return the typical mistake behind a wrong value: percent, sign, complement, or its size."""
    is_share = 2 * tolerance < wanted <= 1
    if is_share and is_close(values, 100 * wanted, 100 * tolerance):
        return (
            "Your answer is 100 times too large. Is it in percent? A fraction from 0 to 1 is asked."
        )
    if is_close(values, -wanted, tolerance):
        return "Only the sign is wrong. What is subtracted from what?"
    if is_share and is_close(values, 1 - wanted, tolerance):
        return "Your answer is 1 minus the right one. Did you count the opposite case?"
    size = "too large" if values > wanted else "too small"
    return f"Your answer {float(values):.6g} is {size}. Go through its steps once more."
