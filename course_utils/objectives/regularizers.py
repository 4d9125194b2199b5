r"""Regularisers: each R looks at the weights of the model and pulls them somewhere.

A regulariser knows which parameters it sees. ``prefix`` chooses them by the start of their names:
``L2(prefix="head.")`` sees the head only, and says so in code, in mathematics and in a history.
"""

from abc import abstractmethod

from torch import Tensor, nn

from course_utils.environment.arguments import described
from course_utils.objectives.base import Batch, Term, latex_text


class Regularizer(Term):
    """R of weights: a sum over those parameters whose names start with ``prefix``.

    Parameters
    ----------
    prefix : str
        Start of the names of the parameters that are seen; ``''`` stands for all of them.

    Raises
    ------
    TypeError
        If ``prefix`` is no text.
    """

    role = "R"
    kind: str  # the name of the term when it sees its usual parameters
    usual_prefix = ""

    def __init__(self, *, prefix: str):
        if not isinstance(prefix, str):
            raise TypeError(
                f"prefix is {described(prefix)}; give the start of parameter names, such as 'head.'"
            )
        self.prefix = prefix

    @abstractmethod
    def parameters_seen(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """Return the parameters of a model that the term looks at, by name."""

    @property
    def name(self) -> str:
        """Kind of the term, and which part it sees if that is not the usual one."""
        if self.prefix == self.usual_prefix:
            return self.kind
        return f"{self.kind} of {self.prefix.rstrip('.') or 'all parameters'}"

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        own = "" if self.prefix == self.usual_prefix else f"prefix={self.prefix!r}"
        return f"{type(self).__name__}({', '.join(filter(None, [self._source_text, own]))})"

    _source_text = ""

    @property
    def _symbol(self) -> str:
        r"""The weights in mathematics: w, or w_{\text{head}} for a part."""
        part = self.prefix.rstrip(".")
        return f"w_{{{latex_text(part)}}}" if part else "w"


class _WeightNorm(Regularizer):
    """R of the weights themselves: matrices and filters that are being trained.

    Biases and the factors of BatchNorm (tensors of one dimension) are left out: pulling them to
    zero does not make a function simpler.

    Parameters
    ----------
    prefix : str
        Start of the names of the weights that are seen. Default: all.
    """

    def __init__(self, *, prefix: str = ""):
        super().__init__(prefix=prefix)

    def parameters_seen(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """Return the trainable matrices and filters of a model that the term looks at, by name.

        Raises
        ------
        ValueError
            If there is none.
        """
        seen = {
            name: weight
            for name, weight in model.named_parameters()
            if weight.requires_grad and weight.ndim > 1 and name.startswith(self.prefix)
        }
        if not seen:
            raise ValueError(
                f"{self.text} finds no weight to look at: the model has no trainable matrix "
                f"or filter whose name starts with {self.prefix!r}; unfreeze a part, correct the "
                "prefix, or leave the term out"
            )
        return seen


class L2(_WeightNorm):
    """R = 1/2 times the sum of squared weights: pulls towards zero.

    Parameters
    ----------
    prefix : str
        Start of the names of the weights that are seen. Default: all. Biases and the factors of
        BatchNorm are never seen.

    Examples
    --------
    >>> model = nn.ModuleDict({"backbone": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    >>> list(L2().parameters_seen(model)), list(L2(prefix="head.").parameters_seen(model))
    (['backbone.weight', 'head.weight'], ['head.weight'])
    """

    kind = "L2"

    @property
    def latex(self) -> str:
        """How the term is written as mathematics."""
        return rf"\tfrac{{1}}{{2}}\lVert {self._symbol}\rVert_2^2"

    def value(self, batch: Batch) -> Tensor:
        """Compute half the sum of the squares of all weights seen."""
        return sum(w.square().sum() for w in self.parameters_seen(batch.model).values()) / 2


class L1(_WeightNorm):
    """R = the sum of absolute weights: pulls towards zero and makes many weights zero.

    Parameters
    ----------
    prefix : str
        Start of the names of the weights that are seen. Default: all. Biases and the factors of
        BatchNorm are never seen.

    Examples
    --------
    The elastic net of Zou and Hastie 2005 (doi:10.1111/j.1467-9868.2005.00503.x) is a sum:

    >>> 0.3 * L1() + 0.1 * L2()
    0.3 * L1() + 0.1 * L2()
    """

    kind = "L1"

    @property
    def latex(self) -> str:
        """How the term is written as mathematics."""
        return rf"\lVert {self._symbol}\rVert_1"

    def value(self, batch: Batch) -> Tensor:
        """Compute the sum of the absolute values of all weights seen."""
        return sum(w.abs().sum() for w in self.parameters_seen(batch.model).values())


class L2SP(Regularizer):
    """R = 1/2 times the squared distance to the source weights: pulls towards the start.

    All parameters of the backbone are compared, biases too: the source has a value for each. The
    head is left out, since source and target classes differ. Where they agree, ``prefix=""``
    compares the head as well.

    Parameters
    ----------
    source_model : torch.nn.Module
        Model with the source weights. They are copied now; later changes of it do not matter.
    prefix : str
        Start of the names of the parameters that are compared.

    Raises
    ------
    TypeError
        If ``source_model`` is no module, or ``prefix`` no text.
    ValueError
        If no parameter of the source model has the prefix.

    References
    ----------
    Li, Grandvalet and Davoine 2018, arXiv:1802.01483, equation 3 (their alpha is our lambda;
    their beta is the factor of ``L2(prefix="head.")``).

    Examples
    --------
    >>> source = nn.ModuleDict({"backbone": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    >>> list(L2SP(source).parameters_seen(source))
    ['backbone.weight', 'backbone.bias']
    >>> L2SP(source), L2SP(source, prefix="")
    (L2SP(source_model), L2SP(source_model, prefix=''))
    """

    kind = "L2-SP"
    usual_prefix = "backbone."
    _source_text = "source_model"

    def __init__(self, source_model: nn.Module, *, prefix: str = "backbone."):
        super().__init__(prefix=prefix)
        if not isinstance(source_model, nn.Module):
            raise TypeError(
                f"source_model is {described(source_model)}; give the torch module that has the "
                "source weights"
            )
        named = source_model.named_parameters()
        # clone: detach() alone would follow the live weights if source and target are one object
        self.start = {n: w.detach().clone() for n, w in named if n.startswith(prefix)}
        if not self.start:
            raise ValueError(
                f"prefix is {prefix!r}; no parameter of source_model starts so, use '' for all"
            )

    def parameters_seen(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """Return the parameters of a model that are compared with the source, by name.

        Raises
        ------
        ValueError
            If the model lacks a source parameter, or has it with another shape.
        """
        own = dict(model.named_parameters())
        for name, start in self.start.items():
            if name not in own or own[name].shape != start.shape:
                found = tuple(own[name].shape) if name in own else "no such parameter"
                raise ValueError(
                    f"L2SP compares {name} of shape {tuple(start.shape)}; the model has {found}; "
                    "source and target need the same layers there: correct the prefix, or the "
                    "model"
                )
        return {name: own[name] for name in self.start}

    @property
    def latex(self) -> str:
        """How the term is written as mathematics."""
        return rf"\tfrac{{1}}{{2}}\lVert {self._symbol} - w_0\rVert_2^2"

    def value(self, batch: Batch) -> Tensor:
        """Compute half the sum of squared differences to the source weights."""
        seen = self.parameters_seen(batch.model)
        squares = [(w - self.start[name].to(w)).square().sum() for name, w in seen.items()]
        return sum(squares) / 2
