"""Metrics: sums over samples divided by their number, never means of batch means.

All are fractions from 0 to 1. Letters in shapes: N samples, K classes.
"""

from functools import cached_property

from torch import Tensor

from course_utils.environment.tensors import as_labels, as_rows, as_weights


class Metrics:
    """How good predictions are on N samples. Each metric is computed when it is asked for.

    Parameters
    ----------
    logits : torch.Tensor of shape (N, K), float
        One row of scores per sample. Ties go to the lower class number.
    labels : torch.Tensor of shape (N,), int64
        True classes, 0 to K - 1.
    weights : torch.Tensor of shape (N,), float, optional
        How much each sample counts in the weighted accuracy, which Deitsch et al. 2019 report for
        solar cells: the sum of w_i over right samples, divided by the sum of w_i.

    Raises
    ------
    TypeError, ValueError
        If there is no sample, lengths differ, there are not two or more columns, a logit is not
        finite, a label is no class, or a weight is not above 0.

    Examples
    --------
    >>> Metrics([[2.0, 1.0], [0.0, 3.0], [0.0, 1.0]], [0, 0, 1]).balanced_accuracy
    0.75
    """

    NAMES = ("accuracy", "balanced_accuracy", "f1", "auc", "weighted_accuracy")

    def __init__(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None):
        # copies: what is asked for later must not change with what was given
        self._logits, self._labels = (t.clone() for t in _checked(logits, labels))
        self._predictions = self._logits.argmax(1)
        is_right = (self._predictions == self._labels).double()
        self.num_samples = len(is_right)
        self.accuracy = self.weighted_accuracy = is_right.mean().item()
        if weights is not None:
            w = as_weights("weights", weights, len(is_right)).double().cpu()
            self.weighted_accuracy = ((w * is_right).sum() / w.sum()).item()

    @cached_property
    def balanced_accuracy(self) -> float:
        """Mean over the classes of the share that is found: 1/K for a guess."""
        from sklearn.metrics import recall_score  # slow to import

        classes = self._labels.unique()
        return float(recall_score(self._labels, self._predictions, labels=classes, average="macro"))

    @cached_property
    def f1(self) -> float:
        """With two classes that of class 1, else the mean over the classes (macro)."""
        from sklearn.metrics import f1_score

        average = "binary" if self._logits.shape[1] == 2 else "macro"
        return float(f1_score(self._labels, self._predictions, average=average, zero_division=0.0))

    @cached_property
    def auc(self) -> float:
        """How often a random sample of class 1 scores above one of class 0.

        With more classes, the mean over their pairs. NaN if a class does not occur.
        """
        from sklearn.metrics import roc_auc_score

        if len(self._labels.unique()) < self._logits.shape[1]:
            return float("nan")
        if self._logits.shape[1] == 2:  # a difference is never rounded to 1, as a probability is
            return float(roc_auc_score(self._labels, self._logits[:, 1] - self._logits[:, 0]))
        return float(roc_auc_score(self._labels, self._logits.softmax(1), multi_class="ovo"))

    def as_dict(self) -> dict[str, float]:
        """Return all metrics by name, with the number of samples."""
        return {name: getattr(self, name) for name in ("num_samples", *self.NAMES)}

    def __str__(self):
        rows = [f"{name.replace('_', ' '):<18}{getattr(self, name):.3f}" for name in self.NAMES]
        return "\n".join([f"{'samples':<18}{self.num_samples:,}", *rows])

    __repr__ = __str__


def compute_metrics(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Metrics:
    """Return all metrics of logits (N, K), labels (N,) and weights (N,).

    Raises
    ------
    TypeError, ValueError
        As `Metrics`.
    """
    return Metrics(logits, labels, weights)


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits in double precision and labels, after a look at both."""
    logits = as_rows("logits", logits)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"logits has shape {tuple(logits.shape)}; give two or more columns, one for each "
            "class: with one logit z for class 1, torch.stack([0 * z, z], 1)"
        )
    labels = as_labels("labels", labels, num_classes=logits.shape[1])
    if len(logits) != len(labels):
        raise ValueError(
            f"logits has {len(logits)} rows and labels {len(labels)} entries; give one row per "
            "label"
        )
    return logits.double().cpu(), labels.cpu()
