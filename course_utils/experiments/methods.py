"""Methods side by side: each as a choice of start, L and R in the formula of the course."""

from typing import NamedTuple

from torch import nn

from course_utils.data.samples import Samples
from course_utils.environment.arguments import described
from course_utils.models.classifier import Classifier
from course_utils.objectives.base import Objective


class Method(NamedTuple):
    """A method before it is run.

    Parameters
    ----------
    model : Classifier
        At its start, with what is frozen frozen.
    samples : Samples
        What it learns from.
    objective : Objective
        What it minimises.
    """

    model: Classifier
    samples: Samples
    objective: Objective


class MethodTable:
    """Methods with what they start from, what moves, their code and their formula.

    Start and movement are read off the models, not told.

    Parameters
    ----------
    source_model : Classifier
        With the source weights w_0.
    methods : dict of str to Method
        At least one method by name.

    Raises
    ------
    TypeError, ValueError
        If there is no classifier or no method, or one of them is no `Method`.

    Examples
    --------
    >>> from course_utils.models import small_cnn
    >>> from course_utils.objectives import CrossEntropy
    >>> import torch
    >>> source, samples = small_cnn(2), Samples(torch.zeros(1, 1, 8, 8), torch.zeros(1).long())
    >>> MethodTable(source, {"no transfer": Method(small_cnn(2), samples, CrossEntropy())})
    no transfer: from random weights; moves: backbone, head; samples: 1; CrossEntropy()
    """

    def __init__(self, source_model: Classifier, methods: dict[str, Method]):
        if not methods:
            raise ValueError("methods is empty; give at least one Method by its name")
        for name, method in methods.items():
            if not isinstance(name, str) or not isinstance(method, Method):
                raise TypeError(
                    f"methods has {described(method)} by the name {name!r}; give each Method by a "
                    "text"
                )
        self.source_model = source_model
        self.methods = methods

    def start(self, name: str) -> str:
        """Return where a method starts: ``"w_0"`` if its backbone has the source weights."""
        own = self.methods[name].model.backbone
        return "w_0" if _same_weights(own, self.source_model.backbone) else "random weights"

    def moves(self, name: str) -> str:
        """Return the parts of a method's model that are trained."""
        parts = self.methods[name].model.named_children()
        return ", ".join(part for part, module in parts if _is_trainable(module)) or "nothing"

    def learns_from(self, name: str) -> str:
        """Return how many samples a method learns from, and whether they are weighted."""
        samples = self.methods[name].samples
        return f"{len(samples):,}" + ("" if samples.weights is None else ", weighted")

    def __repr__(self):
        return "\n".join(
            f"{name}: from {self.start(name)}; moves: {self.moves(name)}; "
            f"samples: {self.learns_from(name)}; {method.objective!r}"
            for name, method in self.methods.items()
        )

    def _repr_markdown_(self):
        rows = ["| method | start | what moves | samples | objective, as code and as mathematics |"]
        rows.append("|---|---|---|---|---|")
        for name, method in self.methods.items():
            start = self.start(name).replace("w_0", "$w_0$")
            # below each other: beside each other they are too wide for a notebook
            objective = f"`{method.objective!r}`<br>{method.objective._repr_latex_()}"
            escaped = name.replace("|", r"\|")  # or it would end the cell of the table
            told = f"{escaped} | {start} | {self.moves(name)} | {self.learns_from(name)}"
            rows.append(f"| {told} | {objective} |")
        return "\n".join(rows)


def _same_weights(module: nn.Module, other: nn.Module) -> bool:
    own, theirs = module.state_dict(), other.state_dict()
    return own.keys() == theirs.keys() and all(
        value.equal(theirs[key]) for key, value in own.items()
    )


def _is_trainable(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())
