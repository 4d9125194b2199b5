"""Views of an image in which its class stays the same.

Letters in shapes: N images, V views of each, C channels, H and W height and width.
"""

import numpy as np
import torch
from torch import Tensor

from course_utils.data.samples import Samples, check_samples
from course_utils.environment.arguments import check_number
from course_utils.environment.tensors import as_rows

LEAST_SHARE = 1e-3  # of an image in a pair: a weight of 0 would be no sample


def flipped_views(images: Tensor) -> list[Tensor]:
    """Return images (N, C, H, W) as they are, mirrored, upside down, and both.

    The first view is the images themselves, no copy.

    Raises
    ------
    TypeError, ValueError
        If these are no images (N, C, H, W).

    Examples
    --------
    >>> [view.flatten().tolist() for view in flipped_views(torch.tensor([[[[1, 2], [3, 4]]]]))]
    [[1, 2, 3, 4], [2, 1, 4, 3], [3, 4, 1, 2], [4, 3, 2, 1]]
    """
    images = as_rows("images", images, ndim=4)
    return [images, images.flip(3), images.flip(2), images.flip(2, 3)]


def eight_views(images: Tensor) -> list[Tensor]:
    """Return square images in all eight ways in which a square can be laid down.

    The four of `flipped_views`, and the same with rows and columns exchanged. Nothing is lost or
    filled in, as it would be with other turns. The last four share the memory of the first four.

    Raises
    ------
    TypeError, ValueError
        If these are no square images (N, C, H, H).

    Examples
    --------
    >>> views = eight_views(torch.tensor([[[[1, 2], [3, 4]]]]))
    >>> [view.flatten().tolist() for view in views[4:]]
    [[1, 3, 2, 4], [2, 4, 1, 3], [3, 1, 4, 2], [4, 2, 3, 1]]
    """
    images = as_rows("images", images, ndim=4)
    if images.shape[2] != images.shape[3]:
        raise ValueError(
            f"images has shape {tuple(images.shape)}; give square ones (N, C, H, H), or use "
            "flipped_views"
        )
    flipped = flipped_views(images)
    return flipped + [view.transpose(2, 3) for view in flipped]


def one_view_each(views: Tensor) -> Tensor:
    """Draw one of the V views of each sample: (N, V, ...) to (N, ...).

    Examples
    --------
    >>> one_view_each(torch.zeros(5, 8, 1, 4, 4)).shape
    torch.Size([5, 1, 4, 4])
    """
    chosen = torch.randint(views.shape[1], (len(views),))
    return views[torch.arange(len(views)), chosen]


def mixup(samples: Samples, strength: float, *, num_copies: int = 8, seed: int = 0) -> Samples:
    r"""Mix pairs of samples: an image counts for both labels, each by the share of its image.

    With a share :math:`s` the loss of a mixed input is
    :math:`s\, L(y_i, f(x)) + (1 - s)\, L(y_j, f(x))`, so it stands twice in what is returned, once
    with each label, and the shares are the weights.

    Parameters
    ----------
    samples : Samples
        With inputs that can be added, no texts or tokens. Weights of their own are kept.
    strength : float
        Of mixing: shares are drawn from Beta(strength, strength), once for each copy.
    num_copies : int
        How often each sample is paired with another one.
    seed : int
        Draws pairs and shares.

    Returns
    -------
    Samples
        ``2 * num_copies`` times as many, weighted; indices from 0 on.

    Raises
    ------
    TypeError, ValueError
        If the inputs are no numbers to be added.

    References
    ----------
    Zhang et al. 2018, mixup: beyond empirical risk minimization, arXiv:1710.09412, equation 1.

    Examples
    --------
    >>> samples = Samples(torch.eye(2), torch.tensor([0, 1]))
    >>> mixed = mixup(samples, 1.0, num_copies=1)
    >>> len(mixed), round(float(mixed.weights.sum()), 3)
    (4, 2.0)
    """
    check_samples("samples", samples)
    strength = check_number("strength", strength, above=0)
    num_copies = check_number("num_copies", num_copies, low=1, whole=True)
    seed = check_number("seed", seed, low=0, high=2**62, whole=True)
    if not isinstance(samples.inputs, Tensor) or not samples.inputs.is_floating_point():
        raise TypeError(f"samples has inputs {samples.form}; give images or features to be mixed")
    own = torch.ones(len(samples)) if samples.weights is None else samples.weights
    rng, inputs, labels, weights = np.random.default_rng(seed), [], [], []
    for _ in range(num_copies):
        other = torch.as_tensor(rng.permutation(len(samples)))
        share = float(np.clip(rng.beta(strength, strength), LEAST_SHARE, 1 - LEAST_SHARE))
        inputs += [share * samples.inputs + (1 - share) * samples.inputs[other]] * 2
        labels += [samples.labels, samples.labels[other]]
        weights += [share * own, (1 - share) * own[other]]
    return Samples(torch.cat(inputs), torch.cat(labels), weights=torch.cat(weights))
