r"""How terms add and scale to an objective: the arithmetic of the formula.

    min_w  1/n sum_i L(y_i, f_w(x_i))  +  lambda R(w)

The terms themselves are in `course_utils.objectives`.
Letters in shapes: N samples in a batch, K classes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real

from torch import Tensor, nn

from course_utils.data.samples import Samples
from course_utils.environment.arguments import described


@dataclass(frozen=True)
class Batch:
    """What a term may look at in one step of training.

    Parameters
    ----------
    model : torch.nn.Module
        The model that is being trained, with its weights w.
    inputs : torch.Tensor of shape (N, ...)
        Inputs x of the batch.
    labels : torch.Tensor of shape (N,) or (N, ...), or None
        What is to be predicted, y; None if nobody has labelled the inputs.
    outputs : torch.Tensor of shape (N, K)
        ``model(inputs)``, f_w(x), computed once for all terms.
    weights : torch.Tensor of shape (N,), optional
        How much each sample counts.
    indices : torch.Tensor of shape (N,), int64, optional
        Position of each sample in its complete data set.
    features : torch.Tensor of shape (N, D), optional
        What ``model.backbone`` made of the inputs on the way to the outputs, with its gradient.
    data : Samples, optional
        All samples, from which the batch was drawn. A weighted mean needs them: divided by the
        weights of its own batch, each batch would count the same, whatever its weights are.
        Default: the batch is all there is.
    """

    model: nn.Module
    inputs: Tensor
    labels: Tensor | None
    outputs: Tensor
    weights: Tensor | None = None
    indices: Tensor | None = None
    features: Tensor | None = None
    data: Samples | None = None


class Objective:
    """A sum of scaled terms. Add objectives, and multiply them with numbers from 0 on.

    Shown as text it reads like the code that made it, with factors rounded to six digits.
    """

    parts: tuple[tuple[float, "Term"], ...]  # the terms, each with its factor

    def values(self, batch: Batch) -> dict[str, Tensor]:
        """Compute each term without its factor: a scalar for each name.

        Raises
        ------
        TypeError
            If a term gives something else.
        """
        values = {name: term.value(batch) for name, (_, term) in self.named_parts().items()}
        for name, value in values.items():
            if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
                raise TypeError(
                    f"the term {name!r} gives {described(value)}; let its value() return a tensor "
                    "of one number, with its gradient: no float(), no item()"
                )
        return values

    def named_parts(self) -> dict[str, tuple[float, "Term"]]:
        """Return factor and term by name; a second L2 gets the name ``"L2 (2)"``."""
        named: dict[str, tuple[float, Term]] = {}
        for factor, term in self.parts:
            number = 1 + sum(other.name == term.name for _, other in named.values())
            named[term.name if number == 1 else f"{term.name} ({number})"] = (factor, term)
        return named

    def helpers(self) -> dict[str, nn.Module]:
        """Return the modules that terms bring along and that learn with the model, by name.

        Raises
        ------
        ValueError
            If two terms bring different modules under one name.
        """
        found: dict[str, nn.Module] = {}
        for _, term in self.parts:
            for name, module in term.own_helpers().items():
                if found.setdefault(name, module) is not module:
                    raise ValueError(
                        f"two terms bring a module named {name!r}; leave one of them out"
                    )
        return found

    def total(self, values: dict[str, Tensor]) -> Tensor:
        """Add the values of `values`, each times its factor: the number to be minimised."""
        return sum(factor * values[name] for name, (factor, _) in self.named_parts().items())

    def __add__(self, other):
        if not isinstance(other, Objective):
            raise TypeError(
                f"{self!r} + something {described(other)}; add terms of the course, with their "
                "brackets, such as L2()"
            )
        return _Sum(self.parts + other.parts)

    def __radd__(self, other):
        return self if isinstance(other, Real) and other == 0 else self + other  # sum() starts at 0

    def __mul__(self, factor):
        if not isinstance(factor, Real) or isinstance(factor, bool):
            raise TypeError(
                f"{self!r} times something {described(factor)}; multiply a term with a number, 0 "
                "or more, and add terms with +"
            )
        if not 0 <= factor < float("inf"):
            raise ValueError(f"the factor is {factor}; lambda must be 0 or more, and finite")
        return _Sum(tuple((factor * own, term) for own, term in self.parts))

    def _refuse(self, other=None):
        raise TypeError(f"{self!r} can be added with + and multiplied with a number, nothing else")

    __rmul__ = __mul__
    __sub__ = __rsub__ = __truediv__ = __rtruediv__ = __neg__ = __pow__ = _refuse
    __array_ufunc__ = None  # an array asks us, instead of multiplying each of its entries

    def __repr__(self):
        texts = [term.text if f == 1 else f"{f:g} * {term.text}" for f, term in self.parts]
        return " + ".join(texts)

    @property
    def formula(self) -> str:
        """The sum as LaTeX, with the name of each term below it, as in a history."""
        named = self.named_parts().items()
        return " + ".join(_latex_part(factor, term, name) for name, (factor, term) in named)

    def _repr_latex_(self):
        return rf"$\displaystyle \min_w\; {self.formula}$"


def latex_text(words: str) -> str:
    r"""Write words inside mathematics; an underscore would start an index there.

    Examples
    --------
    >>> print(latex_text("conv_stem"))
    \text{conv\_stem}
    """
    return rf"\text{{{words}}}".replace("_", r"\_")


def _latex_part(factor: float, term: "Term", name: str) -> str:
    """Write a term as mathematics, with its factor before it and its name below."""
    named = rf"\underbrace{{{term.latex}}}_{{{latex_text(name)}}}"
    return named if factor == 1 else rf"{_latex_number(factor)}\,\cdot\,{named}"


def _latex_number(number: float) -> str:
    """Write 1e-05 as 10^{-5}: in mathematics the letter e would be a variable."""
    digits, _, exponent = f"{number:g}".partition("e")
    if not exponent:
        return digits
    power = f"10^{{{int(exponent)}}}"
    return power if digits == "1" else rf"{digits}\cdot {power}"


def features_in(term: "Term", batch: Batch) -> Tensor:
    """Return the features of a batch, which ``term`` needs.

    Raises
    ------
    ValueError
        If there are none.
    """
    if batch.features is None:
        raise ValueError(
            f"{term.text} needs features and the batch has none; give a model with a part named "
            "backbone, such as course_utils.models.Classifier"
        )
    return batch.features


class _Sum(Objective):
    def __init__(self, parts):
        self.parts = parts


class Term(Objective, ABC):
    """One L or one R. Subclasses say how it is computed and how it is written."""

    name: str  # in a history and in a figure
    role: str  # "L" compares outputs with labels, "R" looks at anything else
    latex: str  # in JupyterLab

    @abstractmethod
    def value(self, batch: Batch) -> Tensor:
        """Compute the term for a batch: a scalar with a gradient."""

    def check(self, batch: Batch) -> None:
        """Raise if the term cannot be computed for labels and outputs like those of the batch.

        `fit` asks before the first step, with all samples and outputs of the right shape.
        """

    def count_step(self) -> None:
        """Take note of a finished step of the optimiser, which may have computed values often."""

    def own_helpers(self) -> dict[str, nn.Module]:
        """Return modules of the term itself that learn along, such as a domain classifier."""
        return {}

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        return f"{type(self).__name__}()"

    @property
    def parts(self) -> tuple[tuple[float, "Term"], ...]:
        """The term itself, once."""
        return ((1.0, self),)
