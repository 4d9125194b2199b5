"""How far two tasks are apart: in their labels, and in their inputs.

Letters in shapes: N samples, D features.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from course_utils.data.splits import split_parts
from course_utils.environment.arguments import check_number, check_texts
from course_utils.environment.door import checked


def label_overlap(source_classes: Iterable[str], target_classes: Iterable[str]) -> float:
    """Share of the classes of two tasks that both have (Jaccard index), 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If a task has no class, or its classes are no texts.

    Examples
    --------
    >>> label_overlap(["cat", "dog"], ["dog", "horse"])
    0.3333333333333333
    """
    source = set(check_texts("source_classes", source_classes))
    target = set(check_texts("target_classes", target_classes))
    if not source or not target:
        raise ValueError(
            f"source_classes has {len(source)} classes and target_classes {len(target)}; "
            "give at least one each"
        )
    return len(source & target) / len(source | target)


@checked
def linear_cka(first: Tensor, second: Tensor) -> float:
    r"""Compare two representations of the same samples: linear centred kernel alignment, debiased.

    It asks whether samples that are alike in one representation are alike in the other. Turning
    or scaling one of them changes nothing. It is
    :math:`HSIC(X, Y) / \sqrt{HSIC(X, X)\, HSIC(Y, Y)}` with the unbiased estimator of HSIC: the
    usual one also counts how alike each sample is to itself, and so finds much in common in
    independent noise of many features.

    Parameters
    ----------
    first, second : torch.Tensor of shape (N, D) and (N, D')
        Features of the same N samples, in the same order; N is at least 4.

    Returns
    -------
    float
        1 if both are the same up to a turn and a factor, about 0 if they are independent. Chance
        makes it a little larger or smaller, so it may be negative; it is never below -1.

    Raises
    ------
    TypeError, ValueError
        If the numbers of samples differ or are below 4, or in one representation no samples differ
        beyond a single one.

    Notes
    -----
    A high value does not say that something was learned: compare with networks of random weights.

    References
    ----------
    Kornblith et al. 2019, arXiv:1905.00414, section 3. Song et al. 2012, Feature selection via
    dependence maximization, JMLR 13, eq. 5: the unbiased estimator. Nguyen et al. 2021,
    arXiv:2010.15327, use it for CKA.

    Examples
    --------
    >>> features = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [5.0, 3.0]])
    >>> round(linear_cka(features, 3 * features.flip(1)), 6)
    1.0
    """
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or len(first) < 4:
        raise ValueError(
            f"first has shape {tuple(first.shape)} and second {tuple(second.shape)}; "
            "give (N, D) features of the same N samples, 4 or more"
        )
    x, y = (t.double() - t.double().mean(0) for t in (first, second))
    own = [_unbiased_hsic(t, t) for t in (x, y)]
    # one sample that differs leaves only rounding errors of what the estimator adds and subtracts
    if any(not h > 1e-12 * (t.T @ t).square().sum() for h, t in zip(own, (x, y), strict=True)):
        raise ValueError(
            "first or second is the same for all samples but one at most; give features that differ"
        )
    return float(_unbiased_hsic(x, y) / (own[0] * own[1]).sqrt())


def _unbiased_hsic(x: Tensor, y: Tensor) -> Tensor:
    """Return HSIC of Song et al. 2012, eq. 5, times N (N - 3), which cancels in the CKA.

    K and L hold the products of samples, with 0 on the diagonal. Neither is made: they would have
    N x N numbers.
    """
    n, k, m = len(x), x.square().sum(1), y.square().sum(1)  # k, m: the diagonals left out
    traces = (x.T @ y).square().sum() - k @ m
    k_rows, m_rows = (t @ t.sum(0) - diagonal for t, diagonal in ((x, k), (y, m)))
    sums = k_rows.sum() * m_rows.sum() / ((n - 1) * (n - 2))
    return traces + sums - 2 / (n - 2) * (k_rows @ m_rows)


@checked
def proxy_a_distance(source: Tensor, target: Tensor, *, seed: int = 0) -> float:
    """Ask how well a linear classifier tells source inputs from target inputs.

    With its error e on samples that it has not seen, both domains counting the same, the distance
    is 2 (1 - 2 e): 0 if it can only guess, 2 if it is always right. Below 0 it does worse than a
    guess. That happens by chance, and where features were aligned on these very samples: then a
    mean that is too high in the part it learns from is too low in the part that is held out.

    Parameters
    ----------
    source, target : torch.Tensor of shape (N, ...)
        Inputs or features; flattened to (N, D). The two may differ in N.
    seed : int
        A quarter of each domain, drawn by this seed, is kept for measuring the error.

    Returns
    -------
    float
        Between -2 and 2.

    Raises
    ------
    TypeError, ValueError
        If the seed is no whole number from 0 on, the inputs differ in D, or a domain has fewer
        than 8 samples.

    References
    ----------
    Ben-David et al. 2007, "Analysis of representations for domain adaptation", section 4.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    check_number("seed", seed, low=0, whole=True)
    # a column of numbers is meant by numbers alone
    source, target = (rows.detach().reshape(len(rows), -1).cpu() for rows in (source, target))
    if source.shape[1] != target.shape[1] or min(len(source), len(target)) < 8:
        raise ValueError(
            f"source is {tuple(source.shape)} and target {tuple(target.shape)} after flattening; "
            "give the same D, and 8 or more samples of each"
        )
    inputs = torch.cat([source, target]).numpy()
    domain = torch.cat([torch.zeros(len(source)), torch.ones(len(target))]).long()
    parts = split_parts(domain, seed)
    train, test = torch.cat([parts["train"], parts["validation"]]), parts["test"]
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    )
    classifier.fit(inputs[train], domain[train])
    is_wrong = classifier.predict(inputs[test]) != domain[test].numpy()
    error = np.mean([is_wrong[domain[test].numpy() == side].mean() for side in (0, 1)])
    return float(2 * (1 - 2 * error))
