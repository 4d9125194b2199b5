r"""Maps that bring the features of two domains together, in closed form and without labels.

Each takes features of source and target. A classifier then learns from the mapped source and
predicts the target, or the mapped target if both are mapped.

Letters in shapes: N_S and N_T samples of source and target, D features.
"""

import torch
from torch import Tensor

from course_utils.environment.arguments import check_number
from course_utils.features.distances import check_features, covariance


def standardize_each(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Standardise each domain by itself: ``z = (x - mean of the domain) / its standard deviation``.

    Parameters
    ----------
    source : torch.Tensor of shape (N_S, D), float
        Features of the source.
    target : torch.Tensor of shape (N_T, D), float
        Features of the target: those that will be predicted, as their own mean is needed.

    Returns
    -------
    tuple of torch.Tensor of shape (N_S, D) and (N_T, D)
        Both domains, each feature with mean 0 and standard deviation 1 (dividing by N). A feature
        that is the same for all samples of a domain becomes 0.

    Raises
    ------
    TypeError, ValueError
        If source and target are no (N, D) features with the same D.

    References
    ----------
    Li et al. 2017, arXiv:1603.04779, do this in the BatchNorm layers of a network (AdaBN).

    Examples
    --------
    >>> standardize_each(torch.tensor([[0.0], [2.0]]), torch.tensor([[10.0], [70.0]]))
    (tensor([[-1.], [ 1.]]), tensor([[-1.], [ 1.]]))
    """
    source, target = check_features(source, target, fewest=1, finite=True)
    return _standardized(source), _standardized(target)


def coral_map(source: Tensor, target: Tensor, *, match_means: bool) -> Tensor:
    r"""Give the source features the covariance of the target: ``X_S C_S^(-1/2) C_T^(1/2)``.

    The target stays as it is. C is the covariance plus the identity, so that directions without
    any spread cause no division by 0.

    Parameters
    ----------
    source : torch.Tensor of shape (N_S, D), float
        Features of the source, N_S at least 2.
    target : torch.Tensor of shape (N_T, D), float
        Features of the target, N_T at least 2.
    match_means : bool
        True also moves the mean of the source to that of the target. False is the algorithm of the
        paper, which expects that both means are 0 already.

    Returns
    -------
    torch.Tensor of shape (N_S, D)
        The mapped source features.

    Raises
    ------
    TypeError, ValueError
        If source and target are no (N, D) features with the same D and two or more rows.

    Notes
    -----
    The identity is large or small depending on the scale of the features. Standardise them before.

    References
    ----------
    Sun, Feng and Saenko 2016, arXiv:1511.05547, algorithm 1.

    Examples
    --------
    >>> source, target = torch.tensor([[-1.0], [1.0]]), torch.tensor([[6.0], [14.0]])
    >>> coral_map(source, target, match_means=True)  # C_S = 2 + 1, C_T = 32 + 1
    tensor([[ 6.6834], [13.3166]])
    """
    source, target = check_features(source, target, fewest=2, finite=True)
    x, y = source.double(), target.double()
    whiten, colour = _power_of_covariance(x, -0.5), _power_of_covariance(y, 0.5)
    if match_means:
        mapped = (x - x.mean(0)) @ whiten @ colour + y.mean(0)
    else:
        mapped = x @ whiten @ colour
    return mapped.to(source)


def align_subspaces(
    source: Tensor, target: Tensor, *, num_components: int
) -> tuple[Tensor, Tensor]:
    r"""Describe each domain by its principal components, and turn those of the source.

    Source ``X_S P_S P_S^T P_T``, target ``X_T P_T``: each X is centred by its own mean, and the
    columns of P are the first principal components of the domain.

    Parameters
    ----------
    source : torch.Tensor of shape (N_S, D), float
        Features of the source.
    target : torch.Tensor of shape (N_T, D), float
        Features of the target.
    num_components : int
        d, from 1 to the smallest of D, N_S - 1 and N_T - 1.

    Returns
    -------
    tuple of torch.Tensor of shape (N_S, d) and (N_T, d)
        Both domains in the same d coordinates. The sign of a coordinate has no meaning.

    Raises
    ------
    TypeError, ValueError
        If source and target are no (N, D) features with the same D and two or more rows, or there
        are not so many components.

    References
    ----------
    Fernando et al. 2013, doi:10.1109/ICCV.2013.368, algorithm 1.

    Examples
    --------
    >>> source, target = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([[5.0, 0], [9.0, 0]])
    >>> mapped = align_subspaces(source, target, num_components=1)
    >>> [features.abs().flatten().tolist() for features in mapped]  # what is left is the spread
    [[1.0, 1.0], [2.0, 2.0]]
    """
    source, target = check_features(source, target, fewest=2, finite=True)
    check_number("num_components", num_components, whole=True)
    most = min(source.shape[1], len(source) - 1, len(target) - 1)
    if not 1 <= num_components <= most:
        raise ValueError(
            f"num_components is {num_components}; give 1 to {most}, as source has shape "
            f"{tuple(source.shape)} and target {tuple(target.shape)}"
        )
    x, y = (features.double() - features.double().mean(0) for features in (source, target))
    P_S, P_T = (torch.linalg.svd(z, full_matrices=False).Vh[:num_components].T for z in (x, y))
    return (x @ P_S @ (P_S.T @ P_T)).to(source), (y @ P_T).to(target)


def _power_of_covariance(features: Tensor, power: float) -> Tensor:
    """Return (covariance + identity) to a power; its eigenvalues are 1 or more."""
    identity = torch.eye(features.shape[1]).to(features)
    values, vectors = torch.linalg.eigh(covariance(features) + identity)
    return vectors * values**power @ vectors.T


def _standardized(features: Tensor) -> Tensor:
    exact = features.double()
    deviation = exact.std(0, correction=0)
    # asked for exactly: the deviation of equal numbers can be a rounding error instead of 0
    is_constant = (features == features[0]).all(0)
    z = (exact - exact.mean(0)) / torch.where(is_constant, 1, deviation)
    return torch.where(is_constant, 0, z).to(features)
