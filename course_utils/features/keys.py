"""Keys of the cache: all that decides what a frozen network answers, or nothing is cached.

Weights are not all: a number in an attribute, a hook, a function that was exchanged, LoRA turned
off or another precision give other features. So a network is written down with everything in it.
"""

import dis
import functools
import sys
import sysconfig
from collections.abc import Callable, Iterator
from operator import attrgetter
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from course_utils.environment.cache import cached_tensor
from course_utils.environment.fingerprints import Writer, fingerprint
from course_utils.environment.machine import device
from course_utils.models import freezing

# of a module: what plays no part in an answer in evaluation mode without gradients
# how hooks are called goes by numbers that count all hooks of the process
NOT_ASKED = {
    *("training", "_non_persistent_buffers_set", "_is_full_backward_hook"),
    *("_forward_hooks_always_called", "_forward_hooks_with_kwargs"),
    "_forward_pre_hooks_with_kwargs",
}
HOOKS_NOT_ASKED = ("_backward", "_state_dict", "_load_state_dict")
PRECISIONS = (
    "backends.cudnn.allow_tf32",
    "backends.cuda.matmul.allow_tf32",
    "backends.cuda.matmul.allow_fp16_reduced_precision_reduction",
    "backends.cuda.matmul.allow_bf16_reduced_precision_reduction",
    "backends.mkldnn.matmul.fp32_precision",
    "backends.mkldnn.conv.fp32_precision",
)


def cached_answer(
    kind: str, model: Any, values: Any, compute: Callable[[], Tensor], *, use_cache: bool = True
) -> Tensor:
    """Return what `compute` makes of a model and values; stored, if all that decides is known.

    Parameters
    ----------
    kind : str
        Start of the file's name.
    model : torch.nn.Module, or a tuple of modules, functions and settings
        What answers. See `model_fingerprint`.
    values : torch.Tensor, str, number, or a tuple of these
        What is asked.
    compute : callable
        Called without arguments where nothing is stored.
    use_cache : bool
        False computes anew and stores nothing.
    """
    key = model_fingerprint(model) if use_cache else None
    if key is None:
        return compute()
    return cached_tensor(f"{kind}-{fingerprint(key, values)}", compute)


def model_fingerprint(model: Any) -> str | None:
    """Return the SHA-256 of all that decides what a model answers in evaluation mode.

    Weights and buffers, attributes, hooks, the code of classes and functions that do not come from
    an installed library, and torch's precision. Not in it: the mode, gradients, the device.

    Parameters
    ----------
    model : torch.nn.Module, or a tuple of modules, functions and settings
        Stays as it is.

    Returns
    -------
    str or None
        None if something in it cannot be written down, such as an open file.

    Examples
    --------
    >>> first, second = nn.Linear(2, 1), nn.Linear(2, 1)
    >>> model_fingerprint(first) == model_fingerprint(second)
    False
    >>> _ = second.load_state_dict(first.state_dict())
    >>> model_fingerprint(first) == model_fingerprint(second)
    True
    """
    writer = _ModelWriter()
    try:
        writer.write([model, _settings()])
    except Exception:  # foreign objects raise anything when they are asked what they are made of
        return None
    return writer.digest.hexdigest()


def _settings() -> list:
    """Return the settings of torch that change numbers."""
    places = sorted({"cpu", device()})
    autocast = [(torch.is_autocast_enabled(p), torch.get_autocast_dtype(p)) for p in places]
    found = [torch.__version__, places, autocast, torch.get_default_dtype()]
    for name in ("_global_forward_pre_hooks", "_global_forward_hooks"):
        found.append(list(getattr(nn.modules.module, name, {}).values()))
    for name in PRECISIONS:
        try:
            found.append(attrgetter(name)(torch))
        except (AttributeError, RuntimeError):  # of another version, or set by the newer names
            found.append(None)
    return found


class _ModelWriter(Writer):
    """Writes modules, functions, classes and objects as well."""

    def __init__(self):
        super().__init__()
        # number and object by id; objects are kept, or their ids would be used again
        self.known: dict[int, tuple[int, Any]] = {}

    def other(self, value: Any) -> None:  # noqa: C901, one line for each kind of thing
        """Write what is no plain value; what was written before, by its number."""
        if id(value) in self.known:
            self.note("again", self.known[id(value)][0])
            return
        self.known[id(value)] = len(self.known), value
        if isinstance(value, ModuleType):
            self.note("module", value.__name__)
        elif isinstance(value, FunctionType | type) and _is_of_a_library(value):
            self.note("library", value.__module__, value.__qualname__)
        elif isinstance(value, nn.Module):
            self._module(value)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, MethodType):
            self.write([value.__func__, value.__self__])
        elif isinstance(value, property):
            self.write([value.fget, value.fset])
        elif isinstance(value, staticmethod | classmethod):
            self.write([type(value).__name__, value.__func__])
        elif not isinstance(value, RemovableHandle):  # which only knows how to take a hook away
            self._object(value)

    def _module(self, module: nn.Module) -> None:
        self.write(type(module))
        for name, value in sorted(vars(module).items()):
            if name in NOT_ASKED or name.startswith(HOOKS_NOT_ASKED):
                continue
            if isinstance(value, RemovableHandle):
                continue
            self.note(name)
            is_hooks = name.startswith("_forward_") and isinstance(value, dict)
            self.write(_asked_hooks(value) if is_hooks else value)

    def _class(self, kind: type) -> None:
        """Write the name of a class, and all that it does, up to the classes of a library."""
        self.note("class", kind.__module__, kind.__qualname__)
        for base in kind.__mro__[1:]:
            self.write(base)
        for name, value in sorted(vars(kind).items()):
            is_code = isinstance(value, FunctionType | property | staticmethod | classmethod)
            if is_code or not name.startswith(("__", "_abc_")):
                self.note(name)
                self.write(value)

    def _function(self, function: FunctionType) -> None:
        """Write what a function does, its defaults, and the values outside that it looks up."""
        self._code(function.__code__)
        self.write([function.__defaults__, function.__kwdefaults__, vars(function)])
        for cell in function.__closure__ or ():
            try:
                self.write(cell.cell_contents)
            except ValueError:  # a variable that has no value yet
                self.note("empty")
        for name in sorted(set(_globals_of(function.__code__)) & function.__globals__.keys()):
            self.note(name)
            self.write(function.__globals__[name])

    def _code(self, code: CodeType) -> None:
        self.note(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_flags)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._code(constant)
            else:
                self.write(constant)

    def _object(self, value: Any) -> None:
        """Write an object as the parts of which pickle would build it again."""
        made = value.__reduce_ex__(4)
        if isinstance(made, str):  # something that a library has once, such as torch.tanh
            self.note("global", getattr(value, "__module__", None), made)
            return
        for part in made:
            self.write(list(part) if isinstance(part, Iterator) else part)


def _asked_hooks(hooks: dict) -> list:
    """Return hooks without their keys, which count all of the process, and without those of freeze.

    They hold a layer in evaluation mode, where it is anyway.
    """
    return [h for h in hooks.values() if getattr(h, "__module__", "") != freezing.__name__]


def _globals_of(code: CodeType) -> Iterator[str]:
    """Yield the names of global variables that a function, or one inside it, looks up."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant)


def _is_of_a_library(value: FunctionType | type) -> bool:
    """Whether a function or class can be imported from what pip installed, or comes with Python."""
    module = sys.modules.get(value.__module__ or "")
    file = getattr(module, "__file__", None) or ""
    if module is None or not (_is_installed(file) or module.__name__ in sys.stdlib_module_names):
        return False
    try:
        return attrgetter(value.__qualname__)(module) is value
    except AttributeError:  # made while a program runs: its name says too little
        return False


@functools.cache
def _is_installed(file: str) -> bool:
    is_package = "site-packages" in file or "dist-packages" in file
    return is_package or file.startswith(sysconfig.get_path("stdlib"))
