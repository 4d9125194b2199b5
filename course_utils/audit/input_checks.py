"""Checks of inputs: their shape, and whether they have the values that the weights expect."""

from typing import Any

import torch
from torch import Tensor

from course_utils.audit.report import Finding
from course_utils.audit.subject import Subject
from course_utils.environment.arguments import described

PHOTO = 64, 128, 256  # the smallest value is below the first, the largest between the others
MEAN_AND_STD = (("mean", "std"), ("image_mean", "image_std"))  # torchvision, timm; transformers


def input_range(subject: Subject) -> Finding:
    """Check that images have the values that the weights expect."""
    name = "input range"
    images = subject.part().images
    if images is None:
        return Finding(name, "not checked", "The inputs are no images or features.")
    values = images.float()
    if not values.isfinite().all():
        return Finding(name, "wrong", "An input is NaN or infinite.", "Remove or repair it.")
    low, high = values.min().item(), values.max().item()
    told = f"Inputs go from {low:.3g} to {high:.3g}."
    is_photo = values.ndim > 3 and 0 <= low < PHOTO[0] and PHOTO[1] < high <= PHOTO[2]
    if images.dtype in (torch.uint8, torch.int8, torch.bool) or (
        is_photo and not images.is_floating_point()
    ):
        what = f"The inputs are {str(images.dtype).removeprefix('torch.')}, not real numbers."
        return Finding(name, "wrong", what, "Divide by 255: images.float() / 255.")
    if is_photo:
        return Finding(name, "wrong", told, "Images have values from 0 to 1: divide by 255.")
    if values.ndim != 4:
        return Finding(name, "ok", told)
    return _against_weights(name, told, (low, high), _expected(subject))


def _against_weights(name, told, found, expected) -> Finding:
    """Compare the range of images with that of the weights, if it is known."""
    (low, high), cure = found, "Normalise with the mean and std of these weights."
    if expected is None:
        is_centred = -PHOTO[1] - 1 <= low < -30 and 50 < high <= PHOTO[2]
        cure = "Values of 0 to 255 less their mean? Divide by 255 first."
        return Finding(name, "suspicious", told, cure) if is_centred else Finding(name, "ok", told)
    bottom, top = expected
    told += f" The weights expect {bottom:.3g} to {top:.3g}."
    slack = 0.02 * (top - bottom)
    if low < bottom - slack or high > top + slack:
        return Finding(name, "wrong", told, cure)
    if low >= 0.1 * bottom and bottom < 0:  # normalised images have dark places, below 0
        return Finding(name, "suspicious", told, f"No value is negative. {cure}")
    if abs(low + 1) < 0.01 and abs(high - 1) < 0.01 and max(-bottom, top) > 1.5:
        return Finding(name, "suspicious", told, f"That is a range of other weights. {cure}")
    return Finding(name, "ok", told)


def _expected(subject) -> tuple[float, float] | None:
    """Return the smallest and largest value that an image from 0 to 1 can become."""
    own = getattr(subject.model, "preprocessing", None)
    own = own or getattr(getattr(subject.model, "backbone", None), "preprocessing", None)
    if own is not None:
        return 0.0, 1.0  # the network prepares its images itself
    if subject.preprocessing is None:
        return None
    mean, std = mean_and_std(subject.preprocessing)
    return float(((0 - mean) / std).min()), float(((1 - mean) / std).max())


def mean_and_std(given: Any) -> tuple[Tensor, Tensor]:
    """Return mean and std of what the weights expect.

    Raises
    ------
    TypeError
        If there is no mean and std, or they are no numbers.
    ValueError
        If a number is not finite, or a std is not above 0.
    """
    read = given.get if isinstance(given, dict) else lambda key: getattr(given, key, None)
    pairs = [(read(mean), read(std)) for mean, std in MEAN_AND_STD]
    pair = next(
        (pair for pair in pairs if pair[0] is not None and pair[1] is not None), (None,) * 2
    )
    try:
        mean, std = (torch.as_tensor(each, dtype=torch.float64) for each in pair)
    except (TypeError, ValueError, RuntimeError):
        what = f"preprocessing is {described(given)} without numbers mean and std"
        raise TypeError(f'{what}; give both, such as {{"mean": 0.5, "std": 0.5}}') from None
    if not mean.isfinite().all() or not std.isfinite().all() or not (std > 0).all():
        raise ValueError("preprocessing has a mean or std out of range; give a std above 0")
    if mean.ndim and std.ndim and mean.numel() != std.numel():
        raise ValueError("preprocessing has a mean and std of other lengths; give equal ones")
    return mean.flatten(), std.flatten()


def input_shape(subject: Subject) -> Finding:
    """Check that all parts have inputs of one shape."""
    name = "input shape"
    shapes = {
        n: tuple(p.images.shape[1:]) for n, p in subject.parts.items() if p.images is not None
    }
    if not shapes:
        return Finding(name, "not checked", "The inputs are no images or features.")
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
        return Finding(name, "wrong", f"Shapes differ: {told}.", "Resize all parts alike.")
    return Finding(name, "ok", f"All inputs have the shape {next(iter(shapes.values()))}.")
