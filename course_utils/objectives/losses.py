"""Losses: each L compares what the model answers with the labels.

Letters in shapes: N samples in a batch, K classes.
"""

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor

from course_utils.data.samples import Samples
from course_utils.environment.arguments import check_number
from course_utils.environment.tensors import as_rows
from course_utils.objectives.base import Batch, Term


def mean_over_samples(
    losses: Tensor, weights: Tensor | None, all_weights: Tensor | None = None
) -> Tensor:
    """Average losses (N,), each times its weight over the mean weight of *all* samples.

    For all samples at once it is the sum of w_i loss_i divided by the sum of w_i. The mean over
    batches is the same number, and so is its gradient. Divided by the sum of weights of its own
    batch, a batch of light samples would count as much as one of heavy ones.

    Parameters
    ----------
    losses : torch.Tensor of shape (N,)
        Losses of a batch.
    weights : torch.Tensor of shape (N,), optional
        How much each counts. None: all the same.
    all_weights : torch.Tensor of shape (M,), optional
        Weights of all samples, from which the batch was drawn. Default: the batch is all.

    Examples
    --------
    >>> weights = torch.tensor([1.0, 3.0])
    >>> mean_over_samples(torch.tensor([2.0]), weights[:1], weights)  # 2 * 1 / 2
    tensor(1.)
    """
    if weights is None:
        return losses.mean()
    mean = (weights if all_weights is None else all_weights).mean().to(losses)
    return (weights * losses).mean() / mean


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
    if outputs.shape[1] < 2:
        raise ValueError(
            f"outputs has shape {tuple(outputs.shape)}, one number for each sample; CrossEntropy "
            "needs a column for each class: give the model two or more outputs, or use "
            "SquaredError() for numbers"
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
        self.label_smoothing = check_number("label_smoothing", label_smoothing, low=0, below=1)
        self.class_weights = None
        if class_weights is not None:
            self.class_weights = as_rows("class_weights", class_weights, ndim=1).float()
            if not (self.class_weights >= 0).all() or not (self.class_weights > 0).any():
                raise ValueError(
                    f"class_weights is {self.class_weights.tolist()}; give numbers from 0 on, "
                    "one of them above 0"
                )

    def check(self, batch: Batch) -> None:
        """Raise if the batch is no batch for this loss.

        Raises
        ------
        ValueError
            If the batch has no samples or no labels, a label is no class from 0 to K - 1, there
            is not one class weight for each column of the outputs, or no sample counts.
        """
        _check_classes(_labels_for(self, batch), batch.outputs)
        if self.class_weights is not None and len(self.class_weights) != batch.outputs.shape[1]:
            raise ValueError(
                f"class_weights has {len(self.class_weights)} numbers and the model gives "
                f"{batch.outputs.shape[1]} classes; give one number for each class"
            )
        counts = self._count(batch.data or batch)
        if counts is not None and not (counts > 0).any():
            raise ValueError(
                "class_weights is 0 for each class that occurs, so no sample counts; give one of "
                "them a weight above 0"
            )

    def value(self, batch: Batch) -> Tensor:
        """Compute the weighted mean over the batch. For what it refuses see `check`."""
        self.check(batch)
        losses = F.cross_entropy(
            batch.outputs, batch.labels, reduction="none", label_smoothing=self.label_smoothing
        )
        return mean_over_samples(losses, self._count(batch), self._count(batch.data or batch))

    def _count(self, samples: Batch | Samples) -> Tensor | None:
        """Return how much each sample counts, by its own weight and that of its class."""
        if self.class_weights is None:
            return samples.weights
        by_class = self.class_weights.to(samples.labels.device)[samples.labels]
        return by_class if samples.weights is None else samples.weights * by_class

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

    def check(self, batch: Batch) -> None:
        """Raise if outputs and labels do not belong together; broadcasting would hide it.

        Raises
        ------
        ValueError
            If the batch has no samples or no labels, one of them is unknown or not finite, or
            outputs and labels have different shapes.
        """
        labels = _labels_for(self, batch)
        is_known = labels.isfinite() if labels.is_floating_point() else labels >= 0
        if not is_known.all():
            raise ValueError(
                f"labels has {int((~is_known).sum())} numbers that nobody knows, -1 or NaN, or "
                "that are infinite; leave these samples out, or give decimals if they are numbers"
            )
        if self._outputs(batch).shape != labels.shape:
            raise ValueError(
                f"outputs has shape {tuple(batch.outputs.shape)} and labels "
                f"{tuple(labels.shape)}; both must agree"
            )

    def value(self, batch: Batch) -> Tensor:
        """Compute the weighted mean over the batch. For what it refuses see `check`."""
        self.check(batch)
        squares = (self._outputs(batch) - batch.labels).square().reshape(
            len(batch.outputs), -1
        ).sum(1) / 2
        return mean_over_samples(squares, batch.weights, (batch.data or batch).weights)

    def _outputs(self, batch: Batch) -> Tensor:
        """Return the outputs, (N, 1) as (N,) where the labels are (N,)."""
        outputs = batch.outputs
        is_column = outputs.ndim == batch.labels.ndim + 1 and outputs.shape[-1] == 1
        return outputs[..., 0] if is_column else outputs
