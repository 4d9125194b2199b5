"""The judge of answers that are numbers: type first, then shape, then values."""

import math
import numbers

import numpy as np

from course_utils.exercises.checks.answers import as_plain, one_line

_MAX_NUMBERS = (
    100_000  # a larger answer is a data set given by mistake; reading it would take minutes
)


def compare_numbers(answer, expected, *, tolerance, mistakes=()):
    """Judge one number or an array of numbers: first the type, then the shape, then the values.

    Parameters
    ----------
    answer : object
        What the learner wrote: a number, list, array or tensor if all is well.
    expected : float or array-like of float
        The right value or values, all finite.
    tolerance : float
        Largest allowed absolute difference, in the unit of `expected`, at least 0.
    mistakes : iterable of (value, str), default=()
        Typical wrong values, each with the text that names the mistake.

    Returns
    -------
    str or None
        The mistake, or None if every value is within `tolerance`.

    Raises
    ------
    ValueError
        If `expected` or `tolerance` is not usable: a fault of the exercise, not of the learner.

    Examples
    --------
    >>> compare_numbers(0.501, 0.5, tolerance=0.01) is None
    True
    >>> compare_numbers(50, 0.5, tolerance=0.01)
    'Your answer is 100 times too large. Is it in percent? A fraction from 0 to 1 is asked.'
    """
    wanted, fault = read_numbers(expected)
    if fault:
        raise ValueError(f"expected={expected!r} is not usable; give finite numbers. {fault}")
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance={tolerance!r} must be a finite number of at least 0")
    values, problem = read_numbers(answer)
    if problem:
        return problem
    for value, text in mistakes:
        # a typical value may have another shape: a total where a row of counts was asked
        typical = np.asarray(as_plain(value), dtype=float)
        if _is_close(values, typical, tolerance) and not _is_close(values, wanted, tolerance):
            return text
    if values.shape != wanted.shape:
        found, asked = describe_shape(values.shape), describe_shape(wanted.shape)
        return f"Your answer is {found}, but {asked} is asked. Look at its shape first."
    return (
        None
        if _is_close(values, wanted, tolerance)
        else _name_difference(values, wanted, tolerance)
    )


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


def describe_shape(shape):
    """Return an array shape in words.

    Parameters
    ----------
    shape : tuple of int
        Sizes of the axes.

    Returns
    -------
    str
        For example ``'one number'``.

    Examples
    --------
    >>> describe_shape(()), describe_shape((3,)), describe_shape((2, 3))
    ('one number', 'a row of length 3', 'an array of shape (2, 3)')
    """
    if shape == ():
        return "one number"
    return f"a row of length {shape[0]}" if len(shape) == 1 else f"an array of shape {shape}"


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


def _is_close(values, wanted, tolerance):
    """Return whether two arrays agree; shapes first, since NumPy would broadcast silently."""
    return values.shape == wanted.shape and not _is_off(values, wanted, tolerance).any()


def _is_off(values, wanted, tolerance):
    """Return for each value whether it differs by more than the tolerance."""
    # the last digits of a float must not decide about an answer exactly at the tolerance
    return np.abs(values - wanted) > tolerance + 1e-9 * np.abs(wanted)


def _name_difference(values, wanted, tolerance):
    """Return the typical mistake behind wrong values: percent, sign, complement, or just size."""
    is_share = np.all((wanted > 2 * tolerance) & (wanted <= 1))
    if is_share and _is_close(values, 100 * wanted, 100 * tolerance):
        return (
            "Your answer is 100 times too large. Is it in percent? A fraction from 0 to 1 is asked."
        )
    if _is_close(values, -wanted, tolerance):
        return "Only the sign is wrong. What is subtracted from what?"
    if is_share and _is_close(values, 1 - wanted, tolerance):
        return "Your answer is 1 minus the right one. Did you count the opposite case?"
    wrong = _is_off(values, wanted, tolerance)
    place = int(np.flatnonzero(wrong)[0])
    size = "too large" if values.flat[place] > wanted.flat[place] else "too small"
    if values.ndim == 0:
        return f"Your answer {float(values):.6g} is {size}. Go through its steps once more."
    return (
        f"{int(wrong.sum())} of {values.size} numbers are off. The first is at place {place}: "
        f"{float(values.flat[place]):.6g} is {size}."
    )
