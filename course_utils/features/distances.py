r"""How far the features of two domains are apart: MMD and CORAL. No label is needed.

`course_utils.features.maps` brings given features together, and `course_utils.objectives.alignment`
makes a network learn features that are.

Letters in shapes: N_S and N_T samples of source and target, D features.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from course_utils.environment.arguments import described
from course_utils.environment.tensors import as_rows, as_tensor

# DAN's public code and many after it take five Gaussians, each twice as wide as the one before
WIDTHS = tuple(2.0**k for k in range(-2, 3))


def mmd_squared(
    source: Tensor, target: Tensor, *, bandwidths: Sequence[float] | None = None
) -> Tensor:
    r"""Compute MMD^2: how far apart the mean images of two samples are in the space of a kernel.

    ``mean K_SS + mean K_TT - 2 mean K_ST``, with the kernel
    ``K(x, y) = mean over b of exp(-|x - y|^2 / b)``.

    Parameters
    ----------
    source : torch.Tensor of shape (N_S, D), float
        Features of the source.
    target : torch.Tensor of shape (N_T, D), float
        Features of the target; N_T may differ from N_S.
    bandwidths : sequence of float, optional
        The widths b of the Gaussians, in units of a squared distance. Default: 1/4, 1/2, 1, 2 and
        4 times the mean squared distance between two rows, whichever domain they come from. No
        gradient flows into this mean, or spreading all features would count as aligning them.

    Returns
    -------
    torch.Tensor
        A scalar from 0 to 2, with its gradient.

    Raises
    ------
    TypeError, ValueError
        If source and target are no (N, D) features with the same D, or a width is no finite
        number above 0.

    Notes
    -----
    This is the biased estimate: the diagonals of K_SS and K_TT are included. It is never negative,
    and for two samples of one distribution the mean is above 0, by up to 1 / N_S + 1 / N_T.

    References
    ----------
    Gretton et al. 2012, JMLR 13:723-773, the square of equation 5. Long et al. 2015,
    arXiv:1502.02791, use several Gaussians at once in a network.

    Examples
    --------
    >>> source, target = torch.zeros(2, 1), torch.ones(3, 1)
    >>> mmd_squared(source, target, bandwidths=[1.0])  # 1 + 1 - 2 / e
    tensor(1.2642)
    """
    source, target = check_features(source, target, fewest=1)
    rows = torch.cat([source, target])
    rows = rows - rows.mean(0)  # distances stay; large means would cost digits
    norms = rows.square().sum(1)
    squares = (norms[:, None] + norms - 2 * rows @ rows.T).clamp(min=0)
    widths = _usual_widths(squares) if bandwidths is None else checked_bandwidths(bandwidths)
    kernel = sum(torch.exp(-squares / width) for width in widths) / len(widths)
    N_S = len(source)
    K_SS, K_TT, K_ST = kernel[:N_S, :N_S], kernel[N_S:, N_S:], kernel[:N_S, N_S:]
    value = K_SS.mean() + K_TT.mean() - 2 * K_ST.mean()
    return value.clamp(min=0)  # below 0 by rounding only


def checked_bandwidths(bandwidths: Sequence[float]) -> tuple[float, ...]:
    """Return the widths of Gaussians as numbers.

    Raises
    ------
    TypeError, ValueError
        If they are no sequence, or one of them is no finite number above 0.
    """
    try:
        widths = tuple(float(width) for width in bandwidths)
    except (TypeError, ValueError):
        raise TypeError(
            f"bandwidths is {described(bandwidths)}; give a sequence of numbers, such as [1.0, 4.0]"
        ) from None
    if not widths or not all(0 < width < math.inf for width in widths):
        raise ValueError(f"bandwidths is {list(widths)}; give one or more finite numbers above 0")
    return widths


def coral_distance(source: Tensor, target: Tensor) -> Tensor:
    r"""Compute the distance of two covariances: ``|C_S - C_T|_F^2 / (4 D^2)``.

    Parameters
    ----------
    source : torch.Tensor of shape (N_S, D), float
        Features of the source, N_S at least 2.
    target : torch.Tensor of shape (N_T, D), float
        Features of the target, N_T at least 2.

    Returns
    -------
    torch.Tensor
        A scalar from 0 on, with its gradient.

    Raises
    ------
    TypeError, ValueError
        If source and target are no (N, D) features with the same D and two or more rows.

    Notes
    -----
    It is blind to the means: a domain and a shifted copy are 0 apart. The factor 1 / (4 D^2) makes
    it small where D is large, so lambda has to be large: with 256 features of a scale of 0.1, it
    is near 0 whatever the domains are.

    References
    ----------
    Sun and Saenko 2016, arXiv:1607.01719, equation 1; covariances divide by N - 1.

    Examples
    --------
    >>> source, target = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0]])
    >>> coral_distance(source, target)  # (2 - 8)^2 / 4
    tensor(9.)
    """
    source, target = check_features(source, target, fewest=2)
    difference = covariance(source) - covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def check_features(
    source: Tensor,
    target: Tensor,
    *,
    fewest: int,
    finite: bool = False,
    names: tuple[str, str] = ("source", "target"),
) -> tuple[Tensor, Tensor]:
    """Return source and target as features (N, D) with one D and `fewest` rows or more.

    Tensors come back as they are, with their graph; arrays and lists as tensors. With ``finite``,
    numbers that are not are refused. Messages call the two by their `names`.

    Raises
    ------
    TypeError, ValueError
        Names what was found, and what is needed.
    """
    pair = []
    for name, features in zip(names, (source, target), strict=True):
        learns = isinstance(features, Tensor) and features.requires_grad
        rows = features if learns else as_tensor(name, features, finite=False)
        if not rows.is_floating_point():
            raise TypeError(f"{name} is {rows.dtype}; give floating-point features")
        if finite and rows.numel():
            as_rows(name, rows)
        pair.append(rows)
    source, target = pair
    shapes = tuple(source.shape), tuple(target.shape)
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            f"{names[0]} has shape {shapes[0]} and {names[1]} {shapes[1]}; give features (N_S, D) "
            "and (N_T, D) with the same D"
        )
    if min(len(source), len(target)) < fewest:
        raise ValueError(
            f"{names[0]} has {len(source)} rows and {names[1]} {len(target)}; "
            f"give {fewest} or more of each"
        )
    return source, target


def covariance(features: Tensor) -> Tensor:
    """Compute the covariance (D, D) of features (N, D), dividing by N - 1."""
    centred = features - features.mean(0)
    return centred.T @ centred / (len(features) - 1)


def _usual_widths(squares: Tensor) -> list[Tensor]:
    """Return the mean squared distance of two different rows, times each of `WIDTHS`."""
    number = len(squares)
    mean = squares.detach().sum() / (number * (number - 1))
    # where all rows agree (but for what is too small to divide by) any width gives the kernel 1
    smallest = torch.finfo(mean.dtype).tiny
    return [torch.where(mean * w < smallest, 1.0, mean * w) for w in WIDTHS]
