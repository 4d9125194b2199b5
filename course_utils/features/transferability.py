r"""Scores that guess, without training, how well a pretrained network will transfer.

The larger a score, the better the network should serve the target task. Letters in shapes:
N labelled target samples, D features, K target classes, Z source classes.
"""

import math

import numpy as np
import torch
from torch import Tensor

from course_utils.environment.arguments import described
from course_utils.environment.door import checked
from course_utils.environment.tensors import as_labels

MOST_STEPS = 100  # of the fixed point of LogME, which usually needs fewer than ten


@checked(skip=("labels",))
def leep(source_probabilities: Tensor, labels: Tensor) -> float:
    r"""Return the log expected empirical prediction: what source classes say of target classes.

    The source network says how likely each source class :math:`z` is. From the labelled samples
    :math:`\hat P(y|z)` is counted, and the score is the mean log probability of the true label
    under :math:`\sum_z \hat P(y|z)\, \theta(x)_z`.

    Parameters
    ----------
    source_probabilities : torch.Tensor of shape (N, Z)
        What the source network, with its own head, answers: each row sums to 1.
    labels : torch.Tensor of shape (N,)
        Target classes, from 0 on.

    Returns
    -------
    float
        At most 0, which is a one-to-one map from source to target classes.

    Raises
    ------
    TypeError, ValueError
        If rows are no probabilities, or the number of labels differs.

    References
    ----------
    Nguyen et al. 2020, LEEP, arXiv:2002.12462, equation 2.

    Examples
    --------
    >>> leep(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([1, 0]))
    0.0
    """
    theta, labels = _pair("source_probabilities", source_probabilities, labels)
    if (theta < 0).any() or not ((theta.sum(1) - 1).abs() < 1e-4).all():
        raise ValueError(
            "source_probabilities has rows that are no probabilities; give logits.softmax(1)"
        )
    joint = _one_hot(labels).T @ theta / len(theta)  # (K, Z)
    mass = joint.sum(0)
    conditional = joint / torch.where(mass > 0, mass, 1.0)  # no sample asks a class without mass
    expected = (theta @ conditional.T)[torch.arange(len(labels)), labels]
    return float(expected.log().mean().clamp(max=0))


def nce(source_labels: Tensor, labels: Tensor) -> float:
    r"""Return the negative conditional entropy :math:`-H(Y|Z)`: what source labels leave open.

    Parameters
    ----------
    source_labels : torch.Tensor of shape (N,)
        The source class z that the source network answers for each target sample.
    labels : torch.Tensor of shape (N,)
        Target classes, from 0 on.

    Returns
    -------
    float
        In nats; 0 if the source class says which target class it is.

    Raises
    ------
    TypeError, ValueError
        If one of them are no classes, or their numbers differ.

    References
    ----------
    Tran, Nguyen and Hassner 2019, arXiv:1908.08142, equation 5.

    Examples
    --------
    >>> nce(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 0]))
    0.0
    """
    source_labels, labels = as_labels("source_labels", source_labels), as_labels("labels", labels)
    if len(source_labels) != len(labels):
        what = f"source_labels has {len(source_labels)} samples and labels {len(labels)}"
        raise ValueError(f"{what}; give one of each for every sample")
    joint = _one_hot(labels).T @ _one_hot(source_labels) / len(labels)
    entropies = [torch.special.entr(table).sum() for table in (joint, joint.sum(0))]
    return float((entropies[1] - entropies[0]).clamp(max=0)) + 0.0  # never -0.0


@checked(skip=("labels",))
def nearest_mean(features: Tensor, labels: Tensor) -> float:
    """Return the share of samples whose own class has the nearest mean, each left out in turn.

    A sample takes no part in the mean that it is compared with, so the share is no praise of
    itself. The only sample of a class counts as wrong.

    Parameters
    ----------
    features : torch.Tensor of shape (N, D)
        Of labelled target samples.
    labels : torch.Tensor of shape (N,)
        Target classes, from 0 on.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If the features are no table, or the number of labels differs.

    References
    ----------
    Snell et al. 2017, Prototypical networks, arXiv:1703.05175, equation 2: the nearest mean.

    Examples
    --------
    >>> nearest_mean(torch.tensor([[0.0], [1.0], [9.0], [8.0]]), torch.tensor([0, 0, 1, 1]))
    1.0
    """
    x, labels = _pair("features", features, labels)
    members = _one_hot(labels)
    counts, sums, right = members.sum(0), members.T @ x, 0
    for sample, own, label in zip(x, members, labels, strict=True):
        left = counts - own
        means = (sums - own[:, None] * sample) / left.clamp(min=1)[:, None]
        distances = (means - sample).norm(dim=1).masked_fill(left == 0, torch.inf)
        right += int(distances.argmin() == label and left[label] > 0)
    return right / len(x)


@checked(skip=("labels",))
def h_score(features: Tensor, labels: Tensor, *, shrunk: bool = True) -> float:
    r"""Return how far class means lie apart, measured in the spread of the features.

    It is :math:`\mathrm{tr}(\Sigma^{-1} \Sigma_B)` with the covariance of the features and that of
    the class means.

    Parameters
    ----------
    features : torch.Tensor of shape (N, D)
        Of labelled target samples.
    labels : torch.Tensor of shape (N,)
        Target classes, from 0 on.
    shrunk : bool
        Whether the covariance is pulled to a multiple of the identity (Ledoit and Wolf 2004), as it
        must where N is not much larger than D. Without it, the pseudo-inverse is taken.

    Returns
    -------
    float
        From 0 to the number of classes less one, without shrinkage.

    Raises
    ------
    TypeError, ValueError
        If the features are no table, all rows agree, or the number of labels differs.

    References
    ----------
    Bao et al. 2019, doi:10.1109/ICIP.2019.8803726, definition 2; shrunk: Ibrahim et al. 2022,
    arXiv:2110.06893, equation 7.

    Examples
    --------
    >>> features = torch.tensor([[0.0, 1.0], [0.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    >>> round(h_score(features, torch.tensor([0, 0, 1, 1]), shrunk=False), 6)
    1.0
    """
    from sklearn.covariance import ledoit_wolf  # slow to import

    x, labels = _pair("features", features, labels)
    x = x - x.mean(0)
    if not x.abs().max() > 0:
        raise ValueError("features has the same row for all samples; there is nothing to compare")
    members = _one_hot(labels)
    members = members[:, members.sum(0) > 0]
    means = (members.T @ x) / members.sum(0)[:, None]
    between = (means.T * (members.sum(0) / len(x))) @ means
    if not shrunk:
        return float((torch.linalg.pinv(x.T @ x / len(x), hermitian=True) * between).sum())
    covariance, shrinkage = ledoit_wolf(x.numpy(), assume_centered=True)
    inverse = np.linalg.inv(covariance)
    return float((1 - shrinkage) * (inverse * between.numpy()).sum())


@checked(skip=("labels",))
def log_me(features: Tensor, labels: Tensor) -> float:
    r"""Return the log maximum evidence: how likely labels are under a Bayesian linear model.

    For each class, :math:`y = Fw + \text{noise}` with :math:`w \sim N(0, I / \alpha)` and noise
    of precision :math:`\beta`. The evidence :math:`p(y | F, \alpha, \beta)` integrates over all
    :math:`w`, so a wide network that could fit anything gains nothing by that. :math:`\alpha` and
    :math:`\beta` are chosen to make it as large as possible.

    Parameters
    ----------
    features : torch.Tensor of shape (N, D)
        Of labelled target samples.
    labels : torch.Tensor of shape (N,)
        Target classes, from 0 on.

    Returns
    -------
    float
        Log evidence divided by N, mean over the classes.

    Raises
    ------
    TypeError, ValueError
        If the features are no table, are all zero, or the number of labels differs.

    References
    ----------
    You et al. 2021, LogME, arXiv:2102.11005, algorithm 1; by the singular values of F as in You et
    al. 2022, arXiv:2110.10545.

    Examples
    --------
    >>> features = torch.tensor([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.2]])
    >>> good, bad = (log_me(features, labels) for labels in ([0, 0, 1, 1], [0, 1, 0, 1]))
    >>> good > bad
    True
    """
    x, labels = _pair("features", features, labels)
    left, singular, _ = torch.linalg.svd(x, full_matrices=False)
    if not singular[0] > 0:
        raise ValueError("features is 0 everywhere; there is nothing to compare")
    columns = _one_hot(labels).T  # one regression for each class
    found = [_log_evidence(left.T @ y, singular.square(), y, x.shape[1]) for y in columns]
    return float(np.mean(found))


def _log_evidence(along: Tensor, squares: Tensor, y: Tensor, width: int) -> float:
    """Maximise the log evidence of one column over alpha and beta, by their fixed point."""
    n, outside = len(y), float((y.square().sum() - along.square().sum()).clamp(min=0))
    tiny = 1e-12 * float(y.square().sum().clamp(min=1))
    ratio = 1.0  # alpha / beta
    for _ in range(MOST_STEPS):
        gamma = float((squares / (ratio + squares)).sum())
        weights = float((squares * along.square() / (ratio + squares).square()).sum())
        errors = float((along.square() * (ratio / (ratio + squares)).square()).sum()) + outside
        alpha, beta = gamma / max(weights, tiny), (n - gamma) / max(errors, tiny)
        beta = max(beta, tiny)
        old, ratio = ratio, alpha / beta
        if abs(old - ratio) <= 1e-8 * old:
            break
    weights = float((squares * along.square() / (ratio + squares).square()).sum())
    errors = float((along.square() * (ratio / (ratio + squares)).square()).sum()) + outside
    log_det = float((alpha + beta * squares).log().sum()) + (width - len(squares)) * math.log(alpha)
    fit = width * math.log(alpha) + n * math.log(beta) - beta * errors - alpha * weights
    return (fit - log_det - n * math.log(2 * math.pi)) / (2 * n)


def _pair(name: str, table: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return a table in double precision, and a class for each of its rows."""
    if table.ndim != 2:
        raise ValueError(f"{name} is {described(table)}; give a table with one row per sample")
    labels = as_labels("labels", labels).cpu()
    if len(labels) != len(table):
        what = f"{name} has {len(table)} samples and labels {len(labels)}"
        raise ValueError(f"{what}; give one label for each sample")
    # numbered anew: only classes that occur count, and a large number must not make a large table
    return table.detach().double().cpu(), labels.unique(return_inverse=True)[1]


def _one_hot(labels: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(labels.unique(return_inverse=True)[1]).double()
