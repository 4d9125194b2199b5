"""Views of an image in which its class stays the same.

Letters in shapes: N images, V views of each, C channels, H and W height and width.
"""

import torch
from torch import Tensor

from course_utils.environment.tensors import as_rows


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
