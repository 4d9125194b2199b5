"""The door of public functions: arguments are looked at by their annotations, before the function.

What the annotations promise is converted or refused by `course_utils.environment.arguments`; what
only the function can know, such as a range, it checks itself with the same words.
"""

import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from course_utils.environment.arguments import check_module, check_number, check_texts, described
from course_utils.environment.tensors import as_rows

Function = TypeVar("Function", bound=Callable)


def checked(function: Function | None = None, *, skip: Sequence[str] = ()) -> Any:
    """Let a function see its arguments only after they were checked by their annotations.

    Whole numbers, numbers, truth values, texts, paths, tensors, modules, functions, lists of texts,
    and classes of the course are checked; numbers of numpy, arrays and lists are converted. Other
    annotations, such as ``Any``, are not looked at.

    Parameters
    ----------
    function : callable
        A function, or the ``__init__`` of a class.
    skip : sequence of str
        Names of arguments that the function checks alone.

    Returns
    -------
    callable
        The function behind the door. Its own checks of ranges stay where they are.

    Examples
    --------
    >>> @checked
    ... def double(number: int) -> int:
    ...     return 2 * number
    >>> double("2")
    Traceback (most recent call last):
    ...
    TypeError: number is a text; give a whole number
    """
    if function is None:
        return functools.partial(checked, skip=skip)
    signature = inspect.signature(function)

    @functools.cache
    def checks() -> dict[str, Callable]:
        hints = typing.get_type_hints(function)
        return {
            name: functools.partial(_check, hint)
            for name, hint in hints.items()
            if name in signature.parameters and name not in skip
        }

    @functools.wraps(function)
    def behind_the_door(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        for name, check in checks().items():
            if name not in bound.arguments:
                continue
            value = bound.arguments[name]
            if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
                bound.arguments[name] = tuple(check(name, each) for each in value)
            else:
                bound.arguments[name] = check(name, value)
        return function(*bound.args, **bound.kwargs)

    return behind_the_door


def _check(hint: Any, name: str, value: Any) -> Any:
    """Return a value that fits an annotation, converted where it is another way to say the same."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _check_one_of(typing.get_args(hint), name, value)
    if hint is int or hint is float:
        return check_number(name, value, whole=hint is int, finite=False)
    if hint is Tensor:
        # with a graph it comes from a network that is learning, which looks at its numbers itself
        return value if isinstance(value, Tensor) and value.requires_grad else as_rows(name, value)
    if hint is nn.Module:
        return check_module(name, value)
    if hint is Path:
        return _instance(name, value, os.PathLike, "a path")
    if origin in (Sequence, Iterable, tuple, list) and str in typing.get_args(hint):
        texts = check_texts(name, value)
        return tuple(texts) if origin is tuple else texts
    if origin is Callable or hint is Callable:
        return _instance(name, value, Callable, "a function")
    words = {str: "a text", bool: "True or False", dict: "a dict"}
    if hint in words or origin is dict:
        return _instance(name, value, origin or hint, words.get(origin or hint, ""))
    if isinstance(hint, type) and hint.__module__.split(".")[0] in ("course_utils", "matplotlib"):
        return _instance(name, value, hint, hint.__name__)
    return value


def _check_one_of(hints: tuple, name: str, value: Any) -> Any:
    """Check a value that may be one of several kinds: the first one that takes it counts."""
    if value is None and type(None) in hints:
        return None
    errors = []
    for hint in hints:
        if hint is type(None):
            continue
        try:
            return _check(hint, name, value)
        except (TypeError, ValueError) as error:
            errors.append(error)
    raise errors[0]


def _instance(name: str, value: Any, kind: Any, words: str) -> Any:
    """Return a value of a class; another is refused, with what to give instead."""
    if not isinstance(value, kind):
        instead = getattr(kind, "instead", None)  # a class may know what is often given for it
        cure = (instead(name, value) if instead else None) or f"give {words}"
        raise TypeError(f"{name} is {described(value)}; {cure}")
    return value
