r"""Maps that bring two domains together by the mean of each feature, and by its spread.

A distance that is measured on the samples by which a map was found says little: it is small by
construction. So each map, and those of `course_utils.features.maps`, can be found on some samples
and applied to others.

Letters in shapes: N_S and N_T samples of source and target, D features.
"""

import torch
from torch import Tensor

from course_utils.environment.arguments import described
from course_utils.features.distances import check_features

Pair = tuple[Tensor, Tensor]


def center_each(source: Tensor, target: Tensor, *, fitted_on: Pair | None = None) -> Pair:
    """Move each domain so that its mean is 0: ``x - mean of the domain``.

    Parameters
    ----------
    source : torch.Tensor of shape (N_S, D), float
        Features of the source.
    target : torch.Tensor of shape (N_T, D), float
        Features of the target.
    fitted_on : tuple of torch.Tensor of shape (M_S, D) and (M_T, D), optional
        Features of source and target by which the map is found. Default: those that are mapped. To
        measure what a map does, find it on training samples and map others.

    Returns
    -------
    tuple of torch.Tensor of shape (N_S, D) and (N_T, D)
        Both domains, moved. Spreads and directions stay.

    Raises
    ------
    TypeError, ValueError
        If source and target, or those in `fitted_on`, are no (N, D) features with the same D.

    Examples
    --------
    >>> source, target = torch.tensor([[0.0], [2.0]]), torch.tensor([[10.0], [70.0]])
    >>> center_each(source, target)
    (tensor([[-1.],
            [ 1.]]), tensor([[-30.],
            [ 30.]]))
    """
    source, target, known = check_maps(source, target, fitted_on, fewest=1)
    x, y = (
        (features.double() - seen.double().mean(0)).to(features)
        for features, seen in zip((source, target), known, strict=True)
    )
    return x, y


def standardize_each(source: Tensor, target: Tensor, *, fitted_on: Pair | None = None) -> Pair:
    """Standardise each domain by itself: ``z = (x - mean of the domain) / its standard deviation``.

    Parameters
    ----------
    source : torch.Tensor of shape (N_S, D), float
        Features of the source.
    target : torch.Tensor of shape (N_T, D), float
        Features of the target.
    fitted_on : tuple of torch.Tensor of shape (M_S, D) and (M_T, D), optional
        Features of source and target by which the map is found. Default: those that are mapped. To
        measure what a map does, find it on training samples and map others.

    Returns
    -------
    tuple of torch.Tensor of shape (N_S, D) and (N_T, D)
        Both domains, each feature with mean 0 and standard deviation 1 (dividing by N). A feature
        that is the same for all samples by which the map is found becomes 0.

    Raises
    ------
    TypeError, ValueError
        If source and target, or those in `fitted_on`, are no (N, D) features with the same D.

    References
    ----------
    Li et al. 2017, arXiv:1603.04779, do this in the BatchNorm layers of a network (AdaBN).

    Examples
    --------
    >>> standardize_each(torch.tensor([[0.0], [2.0]]), torch.tensor([[10.0], [70.0]]))
    (tensor([[-1.], [ 1.]]), tensor([[-1.], [ 1.]]))
    """
    source, target, known = check_maps(source, target, fitted_on, fewest=1)
    return _standardized(source, known[0]), _standardized(target, known[1])


def check_maps(
    source: Tensor, target: Tensor, fitted_on: Pair | None, *, fewest: int
) -> tuple[Tensor, Tensor, Pair]:
    """Return `source` and `target`, and the pair by which the map is found.

    That is `fitted_on`, or the two themselves if it is None.

    Raises
    ------
    TypeError, ValueError
        If they are no (N, D) features with the same D, or those that find it have less than
        `fewest` rows.
    """
    if fitted_on is None:
        pair = check_features(source, target, fewest=fewest, finite=True)
        return *pair, pair
    if not isinstance(fitted_on, tuple | list) or len(fitted_on) != 2:
        raise TypeError(
            f"fitted_on is {described(fitted_on)}; give a pair (features of the source, features "
            "of the target), or leave it out"
        )
    source, target = check_features(source, target, fewest=1, finite=True)
    known = check_features(
        *fitted_on, fewest=fewest, finite=True, names=("fitted_on[0]", "fitted_on[1]")
    )
    if known[0].shape[1] != source.shape[1]:
        raise ValueError(
            f"fitted_on has {known[0].shape[1]} features and source {source.shape[1]}; give the "
            "same features of other samples"
        )
    return source, target, known


def _standardized(features: Tensor, known: Tensor) -> Tensor:
    exact = known.double()
    deviation = exact.std(0, correction=0)
    # asked for exactly: the deviation of equal numbers can be a rounding error instead of 0
    is_constant = (known == known[0]).all(0)
    z = (features.double() - exact.mean(0)) / torch.where(is_constant, 1, deviation)
    return torch.where(is_constant, 0, z).to(features)
