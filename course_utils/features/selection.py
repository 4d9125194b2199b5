"""Choose samples: whose label to ask for, and how much each source sample should count."""

import numpy as np
import torch
from torch import Tensor

from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked
from course_utils.environment.tensors import as_labels

NUM_FOLDS = 5


@checked(skip=("chosen",))
def k_centre(features: Tensor, number: int, *, chosen: Tensor | None = None) -> Tensor:
    r"""Choose samples so that none is far from a chosen one: the greedy core set.

    The next one is always the sample that is farthest from all that are chosen. Its largest
    distance is at most twice that of the best possible choice (Gonzalez 1985).

    Parameters
    ----------
    features : torch.Tensor of shape (N, D)
        Of unlabelled samples.
    number : int
        How many to choose anew.
    chosen : torch.Tensor of int64, optional
        Places that are labelled already. Without any, the sample nearest to the mean is the first.

    Returns
    -------
    torch.Tensor of shape (number,), int64
        Places of the chosen samples, in the order in which they were chosen.

    Raises
    ------
    TypeError, ValueError
        If the features are no table, or fewer samples are left than are asked for.

    References
    ----------
    Sener and Savarese 2018, arXiv:1708.00489, algorithm 1.

    Examples
    --------
    >>> k_centre(torch.tensor([[0.0], [1.0], [5.0], [6.0]]), 2, chosen=[0]).tolist()
    [3, 1]
    """
    if features.ndim != 2:
        raise ValueError(f"features has shape {tuple(features.shape)}; give a table (N, D)")
    features = features.detach().double()
    old = torch.tensor([], dtype=torch.int64) if chosen is None else as_labels("chosen", chosen)
    if len(old) and int(old.max()) >= len(features):
        raise ValueError(f"chosen has the place {int(old.max())}, of {len(features)} samples")
    left = len(features) - len(old.unique())
    number = check_number("number", number, low=1, high=left, whole=True)
    taken, new = old.tolist(), []
    distances = torch.full((len(features),), torch.inf, dtype=features.dtype)
    if taken:
        distances = torch.cdist(features, features[old]).amin(1)
    while len(new) < number:
        if taken:
            distances[taken] = -1.0  # of two equal samples, too, each is chosen once
            place = int(distances.argmax())
        else:
            place = int((features - features.mean(0)).norm(dim=1).argmin())
        new.append(place)
        taken.append(place)
        own = (features - features[place]).norm(dim=1)
        distances = torch.minimum(distances, own)
    return torch.tensor(new)


@checked
def least_certain(logits: Tensor, number: int) -> Tensor:
    """Choose the samples whose two most likely classes are closest: margin sampling.

    Parameters
    ----------
    logits : torch.Tensor of shape (N, K)
        What a model trained on the labels so far answers for unlabelled samples.
    number : int
        How many to choose.

    Returns
    -------
    torch.Tensor of shape (number,), int64
        Places, the least certain sample first.

    Raises
    ------
    TypeError, ValueError
        If there are not two or more classes, or fewer samples than asked for.

    References
    ----------
    Scheffer, Decomain and Wrobel 2001, doi:10.1007/3-540-44816-0_31.

    Examples
    --------
    >>> least_certain(torch.tensor([[3.0, 0.0], [0.1, 0.0], [0.0, 1.0]]), 2).tolist()
    [1, 2]
    """
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits has shape {tuple(logits.shape)}; give (N, K), K at least 2")
    number = check_number("number", number, low=1, high=len(logits), whole=True)
    two = logits.detach().double().softmax(1).topk(2).values
    return (two[:, 0] - two[:, 1]).argsort(stable=True)[:number]


@checked
def importance_weights(
    source: Tensor, target: Tensor, *, strength: float = 1.0, seed: int = 0
) -> Tensor:
    r"""Estimate how much more often the target shows what a source sample shows.

    The density ratio :math:`p_T(x) / p_S(x)` is :math:`(n_S / n_T)\, d(x) / (1 - d(x))`, where
    :math:`d(x)` is the probability of "target" that a domain classifier gives. Each sample is
    judged by a classifier that has not seen it: on its own samples a classifier is too sure.

    Parameters
    ----------
    source, target : torch.Tensor of shape (N_S, D) and (N_T, D)
        Features of both domains, without labels.
    strength : float
        C of the logistic regression: the inverse of its regularisation.
    seed : int
        Deals the samples into five folds.

    Returns
    -------
    torch.Tensor of shape (N_S,), float
        Weights with mean 1.

    Raises
    ------
    TypeError, ValueError
        If source and target differ in D, or one has fewer samples than folds.

    References
    ----------
    Bickel, Brückner and Scheffer 2009, Discriminative learning under covariate shift, JMLR 10,
    equation 7.

    Examples
    --------
    >>> import torch
    >>> source, target = torch.linspace(0, 1, 100)[:, None], torch.linspace(0.5, 1, 100)[:, None]
    >>> weights = importance_weights(source, target)
    >>> bool(weights[80] > weights[20]), round(weights.mean().item(), 3)
    (True, 1.0)
    """
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    check_number("strength", strength, above=0)
    check_number("seed", seed, low=0, high=2**32 - 1, whole=True)
    shapes = tuple(source.shape), tuple(target.shape)
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(f"source is {shapes[0]} and target {shapes[1]}; give (N, D) with one D")
    if min(len(source), len(target)) < NUM_FOLDS:
        raise ValueError(f"source is {shapes[0]} and target {shapes[1]}; give {NUM_FOLDS} or more")
    rows = torch.cat([source, target]).detach().double().cpu().numpy()
    domain = np.repeat([0, 1], [len(source), len(target)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    folds = StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(classifier, rows, domain, cv=folds, method="decision_function")
    weights = np.exp(scores[: len(source)])  # d / (1 - d); the sizes of the domains cancel
    return torch.from_numpy(weights / weights.mean()).float()


@checked
def effective_sample_size(weights: Tensor) -> float:
    r"""Return how many equal samples would say as much: :math:`(\sum w)^2 / \sum w^2`.

    Parameters
    ----------
    weights : torch.Tensor of shape (N,)
        From 0 on, not all 0.

    Returns
    -------
    float
        N if all weights agree, near 1 if one sample has all the weight.

    Raises
    ------
    TypeError, ValueError
        If a weight is negative, or all are 0.

    References
    ----------
    Kish 1965, Survey sampling, section 8.2.

    Examples
    --------
    >>> effective_sample_size(torch.tensor([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    w = weights.detach().double()
    if w.ndim != 1 or (w < 0).any() or not w.sum() > 0:
        raise ValueError("weights must be a row of numbers from 0 on, not all 0; check their signs")
    return float(w.sum().square() / w.square().sum())
