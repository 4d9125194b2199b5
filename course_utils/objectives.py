r"""The formula of the course as objects: terms that add and scale to an objective.

    min_w  1/n sum_i L(y_i, f_w(x_i))  +  lambda R(w)

``CrossEntropy() + 0.01 * L2SP(source_model)`` is such a sum. A term that looks at samples is an
L, a term that looks at weights is an R. Letters in shapes: N samples in a batch, K classes.
"""

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor, nn

from course_utils.algebra import Batch, Objective, Term

__all__ = ["L1", "L2", "L2SP", "Batch", "CrossEntropy", "Objective", "SquaredError", "Term"]


def mean_over_samples(losses: Tensor, weights: Tensor | None) -> Tensor:
    """Average losses (N,): the sum of w_i times loss_i divided by the sum of w_i."""
    return losses.mean() if weights is None else (weights * losses).sum() / weights.sum()


class CrossEntropy(Term):
    r"""L for classes: minus the logarithm of the probability given to the true class.

    Parameters
    ----------
    class_weights : sequence of K float, optional
        How much a sample of each class counts, on top of its own weight.
    label_smoothing : float
        Share of the probability that the ideal answer spreads over all classes, 0 to below 1.

    Raises
    ------
    ValueError
        If a class weight is negative or ``label_smoothing`` is out of its range.

    Examples
    --------
    >>> CrossEntropy(label_smoothing=0.1) + 0.01 * L2()
    CrossEntropy(label_smoothing=0.1) + 0.01 * L2()
    """

    name = "cross-entropy"
    role = "L"
    latex = r"\frac{1}{n}\sum_i L_{\mathrm{CE}}\big(y_i, f_w(x_i)\big)"

    def __init__(self, *, class_weights=None, label_smoothing: float = 0.0):
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; give 0 to below 1")
        self.class_weights = None if class_weights is None else torch.as_tensor(class_weights)
        if self.class_weights is not None and not (self.class_weights >= 0).all():
            raise ValueError(f"class_weights is {class_weights}; give numbers from 0 on")
        self.label_smoothing = label_smoothing

    def value(self, batch: Batch) -> Tensor:
        """Compute the weighted mean over the batch.

        Raises
        ------
        ValueError
            If there is not one class weight for each column of the outputs.
        """
        losses = F.cross_entropy(
            batch.outputs, batch.labels, reduction="none", label_smoothing=self.label_smoothing
        )
        weights = batch.weights
        if self.class_weights is not None:
            if len(self.class_weights) != batch.outputs.shape[1]:
                raise ValueError(
                    f"class_weights has {len(self.class_weights)} numbers and the model gives "
                    f"{batch.outputs.shape[1]} classes; give one number for each class"
                )
            by_class = self.class_weights.to(losses)[batch.labels]
            weights = by_class if weights is None else weights * by_class
        return mean_over_samples(losses, weights)

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        smoothing = f"label_smoothing={self.label_smoothing:g}" if self.label_smoothing else ""
        weights = self.class_weights
        classes = "" if weights is None else f"class_weights={weights.tolist()}"
        return f"CrossEntropy({', '.join(filter(None, [classes, smoothing]))})"


class SquaredError(Term):
    """L for numbers: half the squared distance of output and label.

    The model gives (N, 1) or (N,) for labels (N,), or the shape of the labels.
    """

    name = "squared error"
    role = "L"
    latex = r"\frac{1}{n}\sum_i \tfrac{1}{2}\lVert y_i - f_w(x_i)\rVert^2"

    def value(self, batch: Batch) -> Tensor:
        """Compute the weighted mean over the batch.

        Raises
        ------
        ValueError
            If outputs and labels have different shapes; broadcasting would hide it.
        """
        outputs = batch.outputs
        if outputs.ndim == batch.labels.ndim + 1 and outputs.shape[-1] == 1:
            outputs = outputs[..., 0]
        if outputs.shape != batch.labels.shape:
            raise ValueError(
                f"outputs has shape {tuple(outputs.shape)} and labels {tuple(batch.labels.shape)}; "
                "both must agree"
            )
        squares = (outputs - batch.labels).square().reshape(len(outputs), -1).sum(1)
        return mean_over_samples(squares / 2, batch.weights)


class _WeightNorm(Term):
    """R of the weights themselves: matrices and filters that are being trained.

    Biases and the factors of BatchNorm (tensors of one dimension) are left out: pulling them to
    zero does not make a function simpler.
    """

    def _weights(self, model: nn.Module) -> list[Tensor]:
        weights = [w for w in model.parameters() if w.requires_grad and w.ndim > 1]
        if not weights:
            raise ValueError(
                f"{self.text} finds no weight to look at: the model has no trainable matrix "
                "or filter; unfreeze a part or leave the term out"
            )
        return weights


class L2(_WeightNorm):
    """R = 1/2 times the sum of squared weights: pulls towards zero."""

    name = "L2"
    role = "R"
    latex = r"\tfrac{1}{2}\lVert w\rVert_2^2"

    def value(self, batch: Batch) -> Tensor:
        """Compute half the sum of the squares of all weights."""
        return sum(w.square().sum() for w in self._weights(batch.model)) / 2


class L1(_WeightNorm):
    """R = the sum of absolute weights: pulls towards zero and makes many weights zero."""

    name = "L1"
    role = "R"
    latex = r"\lVert w\rVert_1"

    def value(self, batch: Batch) -> Tensor:
        """Compute the sum of the absolute values of all weights."""
        return sum(w.abs().sum() for w in self._weights(batch.model))


class L2SP(Term):
    """R = 1/2 times the squared distance to the source weights: pulls towards the start.

    All parameters of the backbone are compared, biases too: the source has a value for each. The
    head is left out, since source and target classes differ.

    Parameters
    ----------
    source_model : torch.nn.Module
        Model with the source weights. They are copied now; later changes of it do not matter.
    prefix : str
        Only parameters whose name starts so are compared.

    Raises
    ------
    ValueError
        If no parameter of the source model has the prefix.

    References
    ----------
    Li, Grandvalet and Davoine 2018, arXiv:1802.01483, equation 3 (their alpha is our lambda).
    """

    name = "L2-SP"
    role = "R"
    latex = r"\tfrac{1}{2}\lVert w - w_0\rVert_2^2"

    def __init__(self, source_model: nn.Module, *, prefix: str = "backbone."):
        named = source_model.named_parameters()
        # clone: detach() alone would follow the live weights if source and target are one object
        self.start = {n: w.detach().clone() for n, w in named if n.startswith(prefix)}
        if not self.start:
            raise ValueError(
                f"prefix is {prefix!r}; no parameter of source_model starts so, use '' for all"
            )

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        return "L2SP(source_model)"

    def value(self, batch: Batch) -> Tensor:
        """Compute half the sum of squared differences to the source weights.

        Raises
        ------
        ValueError
            If the model lacks a source parameter, or has it with another shape.
        """
        own = dict(batch.model.named_parameters())
        for name, start in self.start.items():
            if name not in own or own[name].shape != start.shape:
                found = tuple(own[name].shape) if name in own else "no such parameter"
                raise ValueError(
                    f"L2SP compares {name} of shape {tuple(start.shape)}; the model has {found}; "
                    "source and target need the same backbone"
                )
        distances = [
            (own[name] - start.to(own[name])).square().sum() for name, start in self.start.items()
        ]
        return sum(distances) / 2
