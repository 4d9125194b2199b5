r"""Maps that bring the features of two domains together, in closed form and without labels.

Each takes features of source and target. A classifier then learns from the mapped source and
predicts the target, or the mapped target if both are mapped. Maps of the mean and the spread of
each feature alone are in `course_utils.features.moments`.

Letters in shapes: N_S and N_T samples of source and target, D features.
"""

import torch
from torch import Tensor

from course_utils.environment.arguments import check_number
from course_utils.features.distances import covariance
from course_utils.features.moments import Pair, check_maps


def coral_map(source: Tensor, target: Tensor, *, fitted_on: Pair | None = None) -> Tensor:
    r"""Give the source mean and covariance of the target: ``X_S C_S^(-1/2) C_T^(1/2) + m_T``.

    The rows of X_S are centred by the mean of the source; m_T is the mean of the target, which
    stays as it is. C is the covariance plus the identity, so that directions without any spread
    cause no division by 0.

    Parameters
    ----------
    source : torch.Tensor of shape (N_S, D), float
        Features of the source, N_S at least 2.
    target : torch.Tensor of shape (N_T, D), float
        Features of the target, N_T at least 2.
    fitted_on : tuple of torch.Tensor of shape (M_S, D) and (M_T, D), optional
        Features of source and target by which the map is found. Default: those that are mapped. To
        measure what a map does, find it on training samples and map others.

    Returns
    -------
    torch.Tensor of shape (N_S, D)
        The mapped source features.

    Raises
    ------
    TypeError, ValueError
        If source and target are no (N, D) features with the same D and two or more rows, or those
        in `fitted_on` are none.

    Notes
    -----
    The algorithm of the paper expects features with mean 0; this is it, on centred features, and
    moved to the mean of the target. The identity is large or small depending on the scale of the
    features. Bring them to a scale of 1 before.

    References
    ----------
    Sun, Feng and Saenko 2016, arXiv:1511.05547, algorithm 1.

    Examples
    --------
    >>> source, target = torch.tensor([[-1.0], [1.0]]), torch.tensor([[6.0], [14.0]])
    >>> coral_map(source, target)  # C_S = 2 + 1, C_T = 32 + 1
    tensor([[ 6.6834], [13.3166]])
    """
    source, _, known = check_maps(source, target, fitted_on, fewest=2)
    x, y = (features.double() for features in known)
    whiten, colour = _power_of_covariance(x, -0.5), _power_of_covariance(y, 0.5)
    mapped = (source.double() - x.mean(0)) @ whiten @ colour + y.mean(0)
    return mapped.to(source)


def align_subspaces(
    source: Tensor, target: Tensor, *, num_components: int, fitted_on: Pair | None = None
) -> Pair:
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
        d, from 1 to the smallest of D, N_S - 1 and N_T - 1 (of the samples that find the map).
    fitted_on : tuple of torch.Tensor of shape (M_S, D) and (M_T, D), optional
        Features of source and target by which the map is found. Default: those that are mapped. To
        measure what a map does, find it on training samples and map others.

    Returns
    -------
    tuple of torch.Tensor of shape (N_S, d) and (N_T, d)
        Both domains in the same d coordinates. The sign of a coordinate has no meaning.

    Raises
    ------
    TypeError, ValueError
        If source and target, or those in `fitted_on`, are no (N, D) features with the same D and
        two or more rows, or there are not so many components.

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
    source, target, known = check_maps(source, target, fitted_on, fewest=2)
    check_number("num_components", num_components, whole=True)
    most = min(source.shape[1], *(len(features) - 1 for features in known))
    if not 1 <= num_components <= most:
        shapes = [tuple(features.shape) for features in known]
        raise ValueError(
            f"num_components is {num_components}; give 1 to {most}, as the map is found on a "
            f"source of shape {shapes[0]} and a target of shape {shapes[1]}"
        )
    means = [features.double().mean(0) for features in known]
    x, y = source.double() - means[0], target.double() - means[1]
    P_S, P_T = (
        torch.linalg.svd(features.double() - mean, full_matrices=False).Vh[:num_components].T
        for features, mean in zip(known, means, strict=True)
    )
    return (x @ P_S @ (P_S.T @ P_T)).to(source), (y @ P_T).to(target)


def _power_of_covariance(features: Tensor, power: float) -> Tensor:
    """Return (covariance + identity) to a power; its eigenvalues are 1 or more."""
    identity = torch.eye(features.shape[1]).to(features)
    values, vectors = torch.linalg.eigh(covariance(features) + identity)
    return vectors * values**power @ vectors.T
