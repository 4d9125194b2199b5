"""Numbers for networks: lists and arrays become tensors, and what is no number is refused.

Letters in shapes: N samples, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.environment.arguments import described

GREY_TOLERANCE = 0.01  # how far resizing and rounding may carry a grey value beyond 0 and 1


def as_tensor(name: str, value: Any, *, finite: bool = True) -> Tensor:
    """Return numbers as a tensor without a graph.

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    value : torch.Tensor, numpy.ndarray, or (nested) sequence of numbers
        A tensor keeps its type, and so do whole numbers; decimals of an array or a list become
        float32, truth values 0 and 1.
    finite : bool
        Refuse numbers that are infinite or not a number.

    Raises
    ------
    TypeError
        If these are no numbers.
    ValueError
        If rows differ in length, or a number is not finite.

    Examples
    --------
    >>> as_tensor("inputs", np.zeros((2, 3))).dtype
    torch.float32
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"{name} has masked numbers; fill them, or leave out these samples")
    if isinstance(value, Tensor) and (value.is_nested or value.layout != torch.strided):
        raise TypeError(f"{name} is a nested or sparse tensor; give plain numbers: to_dense()")
    tensor = value if isinstance(value, Tensor) else _from_sequence(name, value)
    tensor = tensor.detach() if tensor.requires_grad else tensor
    if tensor.dtype == torch.float64 and not isinstance(value, Tensor):
        tensor = tensor.float()
    if tensor.is_meta or tensor.is_complex() or tensor.is_quantized:
        raise TypeError(f"{name} is {described(value)} on {tensor.device}; give plain numbers")
    if tensor.dtype == torch.bool:
        tensor = tensor.long()
    if finite and tensor.is_floating_point() and not tensor.isfinite().all():
        raise ValueError(
            f"{name} has {int((~tensor.isfinite()).sum())} numbers that are infinite or not a "
            "number; mend or leave out these samples"
        )
    return tensor


def _from_sequence(name: str, value: Any) -> Tensor:
    """Make a tensor of an array or a sequence."""
    words = f"{name} is {described(value)}; give a tensor, an array or a list of numbers"
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if not (is_sequence or hasattr(value, "__array__")) or isinstance(value, Mapping | nn.Module):
        raise TypeError(words)
    if is_sequence and len(value) and all(isinstance(part, Tensor) for part in value):
        kinds = {part.dtype for part in value}
        if any(part.is_nested or part.is_meta or part.is_complex() for part in value):
            raise TypeError(words)
        if torch.bfloat16 in kinds:  # which numpy does not know
            value = [part.float() for part in value]
        value = [part.detach().to_dense().cpu().numpy() for part in value]
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} has rows of unequal length; give rows of one length") from None
    if array.dtype.kind not in "biuf":
        texts = "; turn texts into tokens first: token_task" if array.dtype.kind in "US" else ""
        texts = "; number the classes from 0 on" if texts and name == "labels" else texts
        raise TypeError(words + texts)
    kind = np.float64 if array.dtype.itemsize > 8 else array.dtype.newbyteorder("=")
    return torch.from_numpy(np.array(array, dtype=kind))


def as_rows(name: str, value: Any, *, ndim: int | None = None, finite: bool = True) -> Tensor:
    """Return one row of numbers for each of N samples, at least one. See `as_tensor`.

    Raises
    ------
    TypeError, ValueError
        If these are no numbers, there is no row, or there are not ``ndim`` dimensions.

    Examples
    --------
    >>> as_rows("table", [[1.0, 2.0]], ndim=2)
    tensor([[1., 2.]])
    """
    tensor = as_tensor(name, value, finite=finite)
    if tensor.ndim < 1 or (ndim is not None and tensor.ndim != ndim):
        wanted = f"{ndim} dimensions" if ndim else "one row for each sample"
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; give {wanted}")
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty, shape {tuple(tensor.shape)}; give at least one sample")
    return tensor


def as_images(name: str, value: Any) -> Tensor:
    """Return images (N, C, H, W), grey values or colours from 0 to 1, as float32.

    Raises
    ------
    TypeError, ValueError
        If these are no images, there is none, or values lie outside of 0 to 1.

    Examples
    --------
    >>> as_images("images", np.ones((2, 1, 8, 8))).dtype
    torch.float32
    """
    images = as_rows(name, value, ndim=4)
    check_grey(name, images)
    return images


def check_grey(name: str, images: Tensor) -> None:
    """Raise `ValueError` if images are whole numbers, or leave the range from 0 to 1."""
    if not images.is_floating_point():
        raise ValueError(
            f"{name} has the type {images.dtype}; give floats from 0 to 1: divide 0…255 by 255"
        )
    if images.numel():
        low, high = (float(end) for end in images.aminmax())
        if not -GREY_TOLERANCE <= low <= high <= 1 + GREY_TOLERANCE:
            raise ValueError(
                f"{name} has values from {low:.3g} to {high:.3g}; give 0 to 1: divide 0…255 by "
                "255, and leave normalising to the network"
            )


def as_labels(
    name: str, value: Any, *, num_classes: int | None = None, unknown: bool = False
) -> Tensor:
    """Return classes as int64 of shape (N,).

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    value : integers of shape (N,) or (N, 1)
        Classes.
    num_classes : int, optional
        K; labels must be 0 to K - 1.
    unknown : bool
        Whether -1, nobody knows, is allowed.

    Raises
    ------
    TypeError, ValueError
        If these are no classes, there is none, or one is out of range.

    Examples
    --------
    >>> as_labels("labels", [[0], [1]], num_classes=2)
    tensor([0, 1])
    """
    labels = as_column(name, as_rows(name, value))
    if labels.is_floating_point():
        raise TypeError(f"{name} has the type {labels.dtype}; give whole numbers from 0 on")
    labels = labels.long()
    low, high = int(labels.min()), int(labels.max())
    if low < 0 and not (unknown and low == -1):
        raise ValueError(
            f"{name} has the label {low}, which is no class"
            + ("; nobody knows it" if low == -1 else "")
            + "; give labelled samples, with classes from 0 on"
        )
    if num_classes is not None and high >= num_classes:
        raise ValueError(
            f"{name} has the label {high}, but there are {num_classes} classes: give 0 to "
            f"{num_classes - 1}, or a head with more outputs (replace_head)"
        )
    return labels


def as_column(name: str, tensor: Tensor) -> Tensor:
    """Return (N,) of shape (N,) or (N, 1); another shape is refused.

    Raises
    ------
    ValueError
        If there is not one number for each sample.
    """
    if tensor.ndim == 2 and tensor.shape[1] == 1:
        return tensor[:, 0]
    if tensor.ndim != 1:
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}; give one number for each sample, shape "
            f"({len(tensor) if tensor.ndim else 'N'},)"
        )
    return tensor


def as_weights(name: str, value: Any, number: int) -> Tensor:
    """Return how much each of N samples counts, as float32 of shape (N,), all above 0.

    The ``value`` has as many entries as ``number`` says; ``name`` stands in messages.

    Raises
    ------
    TypeError, ValueError
        If the number of weights is another, or one is not finite or not above 0.

    Examples
    --------
    >>> as_weights("weights", [[1], [2]], 2)
    tensor([1., 2.])
    """
    given = as_column(name, as_tensor(name, value))
    weights = given.float()
    if len(weights) != number:
        raise ValueError(
            f"{name} has {len(weights)} entries for {number} labels; give one for each label"
        )
    if number and not weights.min() > 0:
        raise ValueError(
            f"{name} has the smallest value {float(given.min()):.3g}; give weights above 0, and "
            "leave out samples that do not count"
        )
    if number and not 1e-30 < float(weights.min()) <= float(weights.max()) < 1e30:
        raise ValueError(
            f"{name} has values from {float(given.min()):.3g} to {float(given.max()):.3g}, too far "
            "from 1 for their mean; divide all of them by the largest"
        )
    return weights
