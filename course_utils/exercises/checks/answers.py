"""Reading what a learner wrote: is it untouched, how does it look, what does its error mean."""

import math
import re
import sysconfig
import traceback
from pathlib import Path

_MAX_SHOWN = 80  # characters of a value or message that fit on one line of a notebook

_PLAIN_WORDS = {  # first match wins, so special classes stand before general ones
    ModuleNotFoundError: "It imports a module that is not installed.",
    NameError: "It uses a name that was never given a value. Is it spelt as you defined it?",
    ZeroDivisionError: "It divides by zero. Which count or sum can be 0?",
    IndexError: "It asks for a place that does not exist. Compare the index with the length.",
    KeyError: "It asks for a key that does not exist. Which keys are there?",
    AttributeError: "It uses a property or method that this kind of object does not have.",
    TypeError: "It combines or calls things of kinds that do not fit together.",
    RecursionError: "The function calls itself without end.",
    OverflowError: "A number becomes too large.",
    ValueError: "A value or a shape does not fit the operation.",
    RuntimeError: "An operation refuses its inputs, often because shapes or devices differ.",
}


class NotAttempted(Exception):  # noqa: N818  (it reports a state, not an error)
    """Raised by a judge when the answer still is the untouched skeleton of the exercise."""


def is_untouched(answer):
    """Return whether an answer still is the skeleton.

    That is ``...``, ``None``, ``"..."``, ``""``, or a list, tuple or dictionary of nothing else.

    Examples
    --------
    >>> is_untouched(...), is_untouched([..., ...]), is_untouched([..., 3])
    (True, True, False)
    """
    if answer is Ellipsis or answer is None:
        return True
    if isinstance(answer, str):
        return answer.strip() in {"", "...", "…"}
    if isinstance(answer, dict):
        answer = list(answer.values())
    return isinstance(answer, list | tuple) and len(answer) > 0 and all(map(is_untouched, answer))


def as_plain(value):
    """Return a value with arrays, tensors and NumPy scalars turned into plain Python objects.

    Tuples become lists; lists and dictionaries are walked through.

    Examples
    --------
    >>> import numpy as np
    >>> as_plain((np.float32(0.5), np.array([1, 2])))
    [0.5, [1, 2]]
    """
    if hasattr(value, "tolist") and not isinstance(value, type):  # NumPy, torch, pandas
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    return value


def shorten(value):
    """Return a value as one line of at most 80 characters, without memory addresses.

    Examples
    --------
    >>> shorten((1.0, 2.0)), shorten(float)
    ('[1.0, 2.0]', 'float')
    """
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    shape = tuple(getattr(value, "shape", ()))
    if math.prod(shape) > _MAX_SHOWN:  # the text of a large array would only be cut off again
        return f"an array of shape {shape}"
    return one_line(repr(as_plain(value)))


def explain_error(error):
    """Return an exception in plain words, with the learner's line where it is known.

    Parameters
    ----------
    error : Exception
        What the learner's code raised.

    Returns
    -------
    str
        Two to four sentences on one line; no traceback.

    Raises
    ------
    NotAttempted
        If the error only says that three dots are still in the code, or that it is to be written.

    Examples
    --------
    >>> explain_error(RecursionError("too deep"))
    'The function calls itself without end. Python says: RecursionError, too deep.'
    """
    message = one_line(str(error))
    if isinstance(error, NotImplementedError) or (
        isinstance(error, TypeError) and "ellipsis" in message.lower()
    ):
        raise NotAttempted("Three dots are still in your code. Replace them.") from None
    matches = (words for kind, words in _PLAIN_WORDS.items() if isinstance(error, kind))
    meaning = next(matches, "It stops with an error.")
    if "NoneType" in message:
        meaning = "Somewhere a value is None. Is a return missing?"
    line = _learner_line(error)
    where = f" It happens in the line: {line}" if line else ""
    return f"{meaning} Python says: {type(error).__name__}, {message.rstrip('.')}.{where}"


def one_line(text):
    r"""Return a text on one line of at most 80 characters, without memory addresses.

    Examples
    --------
    >>> one_line("<object\n at 0x7f3a>")
    '<object>'
    """
    text = " ".join(text.split())
    text = re.sub(r" at 0x[0-9a-f]+", "", text, flags=re.IGNORECASE)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def _learner_line(error):
    """Return the source line of the learner's own frame, or an empty string."""
    paths = sysconfig.get_paths()
    # frames of the judges, of the standard library and of installed packages would mislead
    foreign = [
        Path(__file__).parents[1],
        *(Path(paths[name]) for name in ("stdlib", "purelib", "platlib")),
    ]
    for frame in traceback.extract_tb(error.__traceback__):
        if not any(Path(frame.filename).is_relative_to(folder) for folder in foreign):
            return (frame.line or "").strip()
    return ""
