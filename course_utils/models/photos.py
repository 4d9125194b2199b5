"""What networks for photos expect of them, read off the metadata of their weights.

Letters in shapes: N images, C channels, H and W height and width.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from course_utils.environment.arguments import check_choice, check_number, described
from course_utils.models.classifier import Preprocessing


@dataclass(frozen=True)
class PhotoPreprocessing(Preprocessing):
    """Resize, cut out the middle, and take each channel's own mean away.

    Parameters
    ----------
    channels : int
        Colour channels; a single grey one is copied.
    mean, std : tuple of float
        One for each channel.
    size : int
        Height and width in pixels of what the network sees.
    resized : int
        Pixels of the shorter side before the middle is cut out, ``size`` or more.
    interpolation : {'bilinear', 'bicubic'}
        How pixels in between are found.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range, or there is not one for each channel.
    """

    mean: tuple[float, ...] = field()  # type: ignore[assignment]
    std: tuple[float, ...] = field()  # type: ignore[assignment]
    size: int = 224
    resized: int = 256
    interpolation: str = "bilinear"

    def __post_init__(self):
        channels = check_number("channels", self.channels, low=1, whole=True)
        for name, above in (("mean", None), ("std", 0)):
            numbers = getattr(self, name)
            if not isinstance(numbers, tuple | list) or len(numbers) != channels:
                raise ValueError(
                    f"{name} is {described(numbers)} for {channels} channels; give a tuple with a "
                    "number for each"
                )
            numbers = tuple(check_number(name, number, above=above) for number in numbers)
            object.__setattr__(self, name, numbers)
        check_number("size", self.size, low=1, whole=True)
        check_number("resized", self.resized, low=self.size, whole=True)
        check_choice("interpolation", self.interpolation, ("bilinear", "bicubic"))

    def __call__(self, images: Tensor) -> Tensor:
        """Turn images (N, C, H, W) from 0 to 1 into (N, channels, size, size).

        Raises
        ------
        TypeError, ValueError
            If these are no images, they have another number of channels, or values outside of 0
            to 1.
        """
        from torchvision.transforms.v2 import InterpolationMode, functional  # slow to import

        images = Preprocessing(self.channels, 0.0, 1.0)(images)  # its checks, and copies of grey
        way = InterpolationMode(self.interpolation)
        images = functional.resize(images, [self.resized], way, antialias=True)
        images = functional.center_crop(images, [self.size])
        mean, std = (torch.tensor(each).to(images)[:, None, None] for each in (self.mean, self.std))
        return (images - mean) / std


def photo_preprocessing_of(library: str, facts: Any) -> PhotoPreprocessing:
    """Read what weights expect off their metadata.

    Parameters
    ----------
    library : {'torchvision', 'timm'}
        Whose metadata these are.
    facts : object or dict
        ``weights.transforms()`` of torchvision, or ``resolve_model_data_config(model)`` of timm.

    Raises
    ------
    ValueError
        If photos are to be cut in another way, or are no squares.
    """
    if library == "torchvision":
        sizes = facts.crop_size[0], facts.resize_size[0]
        kind, ways = facts.interpolation.value, "center"
    else:
        _, size, width = facts["input_size"]
        sizes = size, math.floor(size / facts["crop_pct"])
        kind, ways = facts["interpolation"], facts["crop_mode"] if size == width else "no square"
    if ways != "center":
        raise ValueError(f"name has weights that cut photos by {ways!r}; give one with 'center'")
    mean, std = (
        (facts.mean, facts.std) if library == "torchvision" else (facts["mean"], facts["std"])
    )
    return PhotoPreprocessing(len(mean), tuple(mean), tuple(std), *sizes, kind)
