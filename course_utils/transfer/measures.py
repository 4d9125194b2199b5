"""What may be said about answers: intervals, calibration, confusion, the worst errors.

Letters in shapes: N inputs, K classes.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor

LEVEL = 0.95
DRAWS = 2000  # of the bootstrap
BINS = 15  # of the calibration error, as Guo et al. 2017
TEMPERATURES = (0.25, 20.0)  # range in which one is looked for


def interval(right: Tensor, clusters: Tensor) -> dict:
    """Return a proportion with its 95 % interval.

    Parameters
    ----------
    right : torch.Tensor of shape (N,), bool
        Which answers are right.
    clusters : torch.Tensor of shape (N,), int64
        Equal for inputs that belong together, by their group or as copies. If none do, the
        interval is Wilson's; otherwise whole clusters are drawn again (bootstrap).

    Returns
    -------
    dict
        ``value``, ``low``, ``high`` and ``method``.

    Examples
    --------
    >>> found = interval(torch.tensor([True] * 9 + [False]), torch.arange(10))
    >>> found["method"], round(found["low"], 3), round(found["high"], 3)
    ('Wilson', 0.596, 0.982)
    """
    value = right.double().mean().item()
    if len(clusters.unique()) == len(right):
        from scipy.stats import binomtest  # slow to import

        found = binomtest(int(right.sum()), len(right)).proportion_ci(LEVEL, method="wilson")
        low, high = float(found.low), float(found.high)
        return {"value": value, "low": low, "high": high, "method": "Wilson"}
    return bootstrap(lambda rows: right[rows].double().mean().item(), clusters)


def bootstrap(measure: Callable[[Tensor], float], clusters: Tensor) -> dict:
    """Return a measure with its 95 % interval by drawing whole clusters again.

    Parameters
    ----------
    measure : callable
        Maps positions of inputs, some of them repeatedly, to a number.
    clusters : torch.Tensor of shape (N,), int64
        Equal for inputs that belong together.

    Returns
    -------
    dict
        ``value``, ``low``, ``high`` and ``method``.

    References
    ----------
    Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13 (percentiles).
    """
    rows, order = np.arange(len(clusters)), np.argsort(clusters.numpy(), kind="stable")
    sizes = clusters.unique(return_counts=True)[1].numpy()
    members = np.split(order, np.cumsum(sizes)[:-1])
    generator, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn = generator.integers(len(members), size=len(members))
        found.append(measure(torch.from_numpy(np.concatenate([members[d] for d in drawn]))))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(found, [tail, 1 - tail]).tolist()
    alone = len(members) == len(rows)
    method = f"bootstrap over {len(members)} {'inputs' if alone else 'groups'}"
    return {"value": measure(torch.from_numpy(rows)), "low": low, "high": high, "method": method}


def balanced(said: Tensor, labels: Tensor) -> float:
    """Return the mean over the classes that occur of the share that is found.

    Examples
    --------
    >>> balanced(torch.tensor([0, 0, 0]), torch.tensor([0, 0, 1]))
    0.5
    """
    right = (said == labels).double()
    counts = torch.bincount(labels).double()
    found = torch.bincount(labels, weights=right)
    return (found[counts > 0] / counts[counts > 0]).mean().item()


def temperature_for(logits: Tensor, labels: Tensor) -> float:
    """Return the number by which logits are divided so that they are calibrated best.

    It makes the cross-entropy smallest; the answers stay the same.

    Parameters
    ----------
    logits : torch.Tensor of shape (N, K), float
        Of samples that were not trained on.
    labels : torch.Tensor of shape (N,), int64
        Their classes.

    References
    ----------
    Guo et al. 2017, arXiv:1706.04599, section 4.2.

    Examples
    --------
    >>> sure = 8 * torch.eye(2)[torch.tensor([0, 1, 0, 1, 0, 1, 0, 1])]
    >>> temperature_for(sure, torch.tensor([0, 1, 0, 1, 0, 1, 1, 0])) > 2
    True
    """
    from scipy.optimize import minimize_scalar  # slow to import

    logits = logits.double()
    found = minimize_scalar(
        lambda log: F.cross_entropy(logits / np.exp(log), labels).item(),
        bounds=np.log(TEMPERATURES),
        method="bounded",
    )
    return float(np.exp(found.x))


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Return the expected calibration error: how far confidence is from accuracy, over 15 bins.

    Parameters
    ----------
    probabilities : torch.Tensor of shape (N, K), float
        Rows sum to 1.
    labels : torch.Tensor of shape (N,), int64
        Classes.

    References
    ----------
    Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599, section 2.

    Examples
    --------
    >>> round(calibration_error(torch.tensor([[0.8, 0.2]] * 4), torch.tensor([0, 0, 1, 1])), 3)
    0.3
    """
    confidence, said = probabilities.double().max(1)
    right = (said == labels).double()
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    gaps = torch.zeros(BINS, dtype=torch.float64)
    gaps.scatter_add_(0, bins, right - confidence)
    return (gaps.abs().sum() / len(labels)).item()


def confusion(said: Tensor, labels: Tensor, num_classes: int) -> list[list[int]]:
    """Count answers ``said``: a row for each class of ``labels``, a column for each answer.

    Examples
    --------
    >>> confusion(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), num_classes=2)
    [[1, 1], [0, 1]]
    """
    places = labels * num_classes + said
    return torch.bincount(places, minlength=num_classes**2).view(num_classes, -1).tolist()
