"""Why a check cannot be made, and foreign errors on one line, without the data."""

import re

TENSOR = re.compile(r"\b(tensor|Parameter containing: tensor|array)\(.*\)?", re.DOTALL)
NUMBERS = re.compile(r"\[[^\]]*\d(\.|e-)[^\]]*\]+")  # real numbers: a shape has none
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class NotCheckable(Exception):  # noqa: N818  (it reports a state, not an error)
    """A check lacks what it needs; the text says what."""


class NoGradientError(NotCheckable):
    """The loss is no scalar with a gradient, so nothing can be trained on trial."""

    def __init__(self):
        super().__init__("The loss is no number with a gradient; see the check of the loss.")


class TimeOverError(NotCheckable):
    """The seconds of the audit are over."""

    def __init__(self):
        super().__init__("The time was over.")


def one_line(error: Exception) -> str:
    """Return an exception as a sentence on one line of about 150 characters.

    Tensors and lists of real numbers are left out, and what a ValueError quotes: they may be data.
    """
    try:
        told = str(error)
    except Exception:  # a foreign class may fail even here
        told = ""
    told = NUMBERS.sub("[...]", TENSOR.sub(r"\1(...)", told))
    told = QUOTED.sub("'...'", told) if isinstance(error, ValueError) else told
    text = " ".join(f"{type(error).__name__}: {told}".split()).removesuffix(":")
    return f"{text.rstrip('.')}." if len(text) <= 150 else text[:147] + "..."
