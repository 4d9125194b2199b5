"""Losses: each L compares what the model answers with the labels.

Letters in shapes: N samples in a batch, K classes.
"""

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor

from course_utils.objectives.base import Batch, Term


def mean_over_samples(losses: Tensor, weights: Tensor | None) -> Tensor:
    """Average losses (N,): the sum of w_i times loss_i divided by the sum of w_i."""
    return losses.mean() if weights is None else (weights * losses).sum() / weights.sum()


def _labels_for(term: Term, batch: Batch) -> Tensor:
    """Return the labels of a batch, which every L needs: at least one."""
    if batch.labels is None:
        raise ValueError(
            f"{term.text} needs labels and the batch has none; give labelled samples, or leave "
            "the term out"
        )
    if len(batch.labels) == 0:
        raise ValueError(f"{term.text} got an empty batch; a mean needs at least one sample")
    return batch.labels


def _check_classes(labels: Tensor, outputs: Tensor) -> None:
    """Raise if labels (N,) are no classes from 0 to K - 1 of the outputs (N, K)."""
    if outputs.ndim != 2 or labels.shape != outputs.shape[:1]:
        raise ValueError(
            f"outputs has shape {tuple(outputs.shape)} and labels {tuple(labels.shape)}; "
            "CrossEntropy needs (N, K) and (N,)"
        )
    if labels.dtype != torch.int64:
        raise ValueError(
            f"labels has the type {labels.dtype}; CrossEntropy needs classes as torch.int64: "
            "convert them, or use SquaredError() for numbers"
        )
    lowest, highest = labels.min().item(), labels.max().item()
    if lowest < 0 or highest >= outputs.shape[1]:
        unknown = "; -1 is a label that nobody knows: learn there from a teacher, see Distillation"
        raise ValueError(
            f"labels has values from {lowest} to {highest} and the model gives "
            f"{outputs.shape[1]} classes, 0 to {outputs.shape[1] - 1}; replace the head, or "
            f"number the classes from 0 on{unknown if lowest == -1 else ''}"
        )


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
    >>> 2 * CrossEntropy(label_smoothing=0.1)
    2 * CrossEntropy(label_smoothing=0.1)
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
            If the batch has no samples or no labels, a label is no class from 0 to K - 1, or there
            is not one class weight for each column of the outputs.
        """
        labels = _labels_for(self, batch)
        _check_classes(labels, batch.outputs)
        losses = F.cross_entropy(
            batch.outputs, labels, reduction="none", label_smoothing=self.label_smoothing
        )
        weights = batch.weights
        if self.class_weights is not None:
            if len(self.class_weights) != batch.outputs.shape[1]:
                raise ValueError(
                    f"class_weights has {len(self.class_weights)} numbers and the model gives "
                    f"{batch.outputs.shape[1]} classes; give one number for each class"
                )
            by_class = self.class_weights.to(losses)[labels]
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
            If the batch has no samples or no labels, or outputs and labels have different shapes;
            broadcasting would hide it.
        """
        outputs, labels = batch.outputs, _labels_for(self, batch)
        if outputs.ndim == labels.ndim + 1 and outputs.shape[-1] == 1:
            outputs = outputs[..., 0]
        if outputs.shape != labels.shape:
            raise ValueError(
                f"outputs has shape {tuple(outputs.shape)} and labels {tuple(labels.shape)}; "
                "both must agree"
            )
        squares = (outputs - labels).square().reshape(len(outputs), -1).sum(1)
        return mean_over_samples(squares / 2, batch.weights)
