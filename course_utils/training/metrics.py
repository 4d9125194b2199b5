"""Metrics: sums over samples divided by their number, never means of batch means.

All are fractions from 0 to 1. Letters in shapes: N samples, K classes.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Metrics:
    """How good predictions are on N samples.

    Parameters
    ----------
    num_samples : int
        N.
    accuracy : float
        Share of samples whose largest logit is at the true class.
    balanced_accuracy : float
        Mean over the classes of the share that is found: 1/K for a guess, whatever the shares.
    f1 : float
        With two classes that of class 1, else the mean over the classes (macro).
    auc : float
        With two classes, how often a random sample of class 1 scores above one of class 0; else
        the mean over the pairs of classes. NaN if a class does not occur.
    weighted_accuracy : float
        Sum of the weights of the right samples divided by the sum of all weights.
    """

    num_samples: int
    accuracy: float
    balanced_accuracy: float
    f1: float
    auc: float
    weighted_accuracy: float

    def __str__(self):
        names = ("accuracy", "balanced_accuracy", "f1", "auc", "weighted_accuracy")
        rows = [f"{name.replace('_', ' '):<18}{getattr(self, name):.3f}" for name in names]
        return "\n".join([f"{'samples':<18}{self.num_samples:,}", *rows])


def accuracy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """Share of samples whose largest logit is at the true class.

    Parameters
    ----------
    logits : torch.Tensor of shape (N, K), float
        One row of scores per sample. Ties go to the lower class number.
    labels : torch.Tensor of shape (N,), int64
        True classes, 0 to K - 1.
    weights : torch.Tensor of shape (N,), float, optional
        How much each sample counts. For solar cells this is the weighted accuracy that Deitsch
        et al. 2019 report: sum of w_i over right samples, divided by the sum of w_i.

    Raises
    ------
    ValueError
        If there is no sample or lengths differ, those of the weights too.

    Examples
    --------
    >>> logits, labels = torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])
    >>> accuracy(logits, labels), accuracy(logits, labels, weights=torch.tensor([3.0, 1.0]))
    (0.5, 0.75)
    """
    if len(labels) == 0 or len(logits) != len(labels):
        raise ValueError(
            f"logits has {len(logits)} rows and labels {len(labels)} entries; "
            "give one row per label, and at least one"
        )
    if weights is not None and len(weights) != len(labels):
        raise ValueError(
            f"weights has {len(weights)} entries and labels {len(labels)}; give one for each label"
        )
    is_right = (logits.argmax(1) == labels).double()
    if weights is None:
        return is_right.mean().item()
    return ((weights * is_right).sum() / weights.double().sum()).item()


def compute_metrics(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Metrics:
    """Compute all metrics from logits (N, K), labels (N,) and weights (N,).

    Raises
    ------
    ValueError
        If there is no sample or lengths differ; see `accuracy`.
    """
    weighted_accuracy = accuracy(logits, labels, weights)  # first, it checks the arguments
    from sklearn.metrics import f1_score  # slow to import

    predictions = logits.argmax(1)
    recalls = [(predictions[labels == k] == k).double().mean() for k in labels.unique()]
    average = "binary" if logits.shape[1] == 2 else "macro"
    return Metrics(
        num_samples=len(labels),
        accuracy=accuracy(logits, labels),
        balanced_accuracy=torch.stack(recalls).mean().item(),
        f1=float(f1_score(labels, predictions, average=average, zero_division=0.0)),
        auc=_auc(logits, labels),
        weighted_accuracy=weighted_accuracy,
    )


def _auc(logits: Tensor, labels: Tensor) -> float:
    """Compute the mean over ordered pairs of classes of how often the first one scores higher.

    It is what ``sklearn.metrics.roc_auc_score(multi_class="ovo")`` computes, but many times as fast
    with ten classes, for whose 90 pairs that checks its arguments anew (Hand and Till 2001).
    """
    num_classes = logits.shape[1]
    if len(labels.unique()) < num_classes:
        return float("nan")
    if num_classes == 2:  # a difference, which is never rounded to 1 as a probability is
        scores = logits[:, 1] - logits[:, 0]
        return _share_above(scores[labels == 1], scores[labels == 0].sort().values)
    shares = logits.double().softmax(1).T.contiguous()
    parts = [shares[:, labels == k].sort(1).values for k in range(num_classes)]
    pairs = itertools.permutations(range(num_classes), 2)
    found = [_share_above(parts[a][a], parts[b][a]) for a, b in pairs]
    return sum(found) / len(found)


def _share_above(first: Tensor, second: Tensor) -> float:
    """Compute how often a score exceeds one of the second, which is sorted; a tie counts half."""
    below, up_to = (torch.searchsorted(second, first, right=right) for right in (False, True))
    return ((below + up_to).double().mean() / 2 / len(second)).item()
