"""What users hand in is converted or refused here, before anything changes.

Converted is what can be meant in one way only, such as numbers of numpy. All else is refused in one
line that names the argument, what was found, what is allowed and the next step. No message shows
the data. For tensors see `course_utils.environment.tensors`, for the door that asks both
`course_utils.environment.door`.
"""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


def described(value: Any) -> str:
    """Say what a value is without showing data.

    Examples
    --------
    >>> described(np.zeros((8, 4))), described([1, 2]), described("some text"), described(3)
    ('an array of shape (8, 4) and type float64', 'a list of length 2', 'a text', '3')
    """
    if isinstance(value, Tensor | np.ndarray):
        kind = "a tensor" if isinstance(value, Tensor) else "an array"
        return f"{kind} of shape {tuple(value.shape)} and type {value.dtype}"
    if value is None or isinstance(value, Real):
        return repr(value)
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of length {len(value)}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"of type {type(value).__name__}"


def check_number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
    finite: bool = True,
) -> Any:
    """Return a number as Python's own int or float, after its range was checked.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : number
        Python's or numpy's; a truth value or a text is no number.
    low, high : float
        Smallest and largest value allowed.
    above, below : float, optional
        Values that it must exceed, or stay under.
    whole : bool
        Only integers.
    finite : bool
        False looks at the kind of the value only, and leaves its range to somebody else.

    Raises
    ------
    TypeError
        If it is no number, or no whole one where one is asked.
    ValueError
        If it is out of range, infinite or not a number.

    Examples
    --------
    >>> check_number("size", np.int64(3), low=1, whole=True)
    3
    """
    kind, words = (Integral, "a whole number") if whole else (Real, "a number")
    span = _span(low, high, above, below)
    if isinstance(value, bool | np.bool_) or not isinstance(value, kind):
        span = f", {span.removeprefix('a number ')}" if span else ""
        raise TypeError(f"{name} is {described(value)}; give {words}{span}")
    number = int(value) if isinstance(value, Integral) else float(value)  # numpy's become Python's
    if not finite:
        return number
    is_inside = low <= number <= high and (above is None or number > above)
    is_finite = isinstance(number, int) or math.isfinite(number)
    if not is_finite or not is_inside or not (below is None or number < below):
        raise ValueError(f"{name} is {value}; give {span or 'a finite number'}")
    return number


def _span(low, high, above, below) -> str:
    """Say a range in words."""
    if above is not None:
        return f"a number above {above:g}" + (f", at most {high:g}" if high < math.inf else "")
    if low == -math.inf:
        return ""
    if below is not None:
        return f"{low:g} to below {below:g}"
    return f"{low:g} to {high:g}" if high < math.inf else f"{low:g} or more"


def check_choice(name: str, value: Any, allowed: Iterable) -> Any:
    """Return the value of the argument ``name`` if it is one of those ``allowed``.

    Raises
    ------
    ValueError
        With the list of those allowed.

    Examples
    --------
    >>> check_choice("split", "random", ("random", "blocks"))
    'random'
    """
    allowed = list(allowed)
    if not isinstance(value, str | None) or value not in allowed:
        found = repr(value) if isinstance(value, str) else described(value)
        raise ValueError(f"{name} is {found}; give one of {', '.join(map(repr, allowed))}")
    return value


def check_texts(name: str, texts: Any) -> list[str]:
    """Return texts as a list; one text alone, or an entry that is none, is refused.

    Raises
    ------
    TypeError
        If it is one text, no sequence of texts, or has an entry that is no text.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable) or texts is None:
        raise TypeError(f"{name} is {described(texts)}; give a list of texts, also for one text")
    listed = list(texts)
    for place, text in enumerate(listed):
        if not isinstance(text, str):
            raise TypeError(
                f"{name} has {described(text)} at position {place}; give texts only, and leave "
                "out what is missing"
            )
    return listed


def check_module(name: str, model: Any, *parts: str, learns: bool = False) -> nn.Module:
    """Return the module, after a look at what it must have.

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    model : torch.nn.Module
        A network.
    *parts : str
        Attributes that it must have, such as ``"backbone"`` and ``"head"``.
    learns : bool
        It must have a parameter that learns.

    Raises
    ------
    TypeError
        If it is no module, or a part is missing.
    ValueError
        If nothing in it learns.

    Examples
    --------
    >>> check_module("model", nn.Linear(4, 2), learns=True)
    Linear(in_features=4, out_features=2, bias=True)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"{name} is {described(model)}; give a torch.nn.Module")
    missing = [part for part in parts if not hasattr(model, part)]
    if missing:
        hint = (
            "give its backbone: model.backbone"
            if hasattr(model, "backbone")
            else ("give a Backbone" if "body" in parts else "give a Classifier")
        )
        raise TypeError(f"{name} is a {type(model).__name__} without {missing[0]}; {hint}")
    if learns and any(not is_lazy(w) and w.is_inference() for w in model.parameters()):
        raise ValueError(f"{name} has weights that were made in inference mode; build it outside")
    if learns and not any(weight.requires_grad for weight in model.parameters()):
        has_any = next(model.parameters(), None) is not None
        cure = "unfreeze a part of it" if has_any else "it has no parameters: give a network"
        raise ValueError(f"{name} has no trainable parameter; {cure}")
    return model
