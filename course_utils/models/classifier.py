"""Networks in two parts, a backbone that makes features and a head that decides.

Letters in shapes: N samples, C channels, H and W height and width, D features, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils.environment.arguments import check_module, check_number
from course_utils.environment.tensors import as_images, check_grey


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects of its input: it belongs to the weights and travels with them.

    Parameters
    ----------
    channels : int
        Colour channels, 1 for grey or 3 for red, green, blue.
    mean, std : float
        The network sees ``(image - mean) / std``, where image goes from 0 to 1. ``std`` is above 0.

    Raises
    ------
    TypeError, ValueError
        If one of them is no number, or out of its range.
    """

    channels: int
    mean: float
    std: float

    def __post_init__(self):
        checked = {
            "channels": check_number("channels", self.channels, low=1, whole=True),
            "mean": check_number("mean", self.mean),
            "std": check_number("std", self.std, above=0),
        }
        for name, value in checked.items():  # Python's own numbers, which a file can hold
            object.__setattr__(self, name, value)

    def __call__(self, images: Tensor) -> Tensor:
        """Turn images (N, C, H, W) from 0 to 1 into what the network expects.

        Raises
        ------
        TypeError
            If these are no images.
        ValueError
            If the images have neither one channel nor the number that the network expects, or
            values outside of 0 to 1.
        """
        if isinstance(images, Tensor):  # with its graph: a gradient may be asked for each pixel
            check_grey("images", images.detach())
        else:
            images = as_images("images", images)
        if images.ndim != 4 or images.shape[1] not in (1, self.channels):
            raise ValueError(
                f"images has shape {tuple(images.shape)}; give (N, C, H, W) with "
                f"C = {self.channels}, or C = 1 to have the grey channel copied"
            )
        return ((images - self.mean) / self.std).expand(-1, self.channels, -1, -1)


class Backbone(nn.Module):
    """The part of a network that turns images into features.

    Parameters
    ----------
    name : str
        Name of the architecture, and of the source task if it has learned one.
    body : torch.nn.Module
        Maps preprocessed images (N, C, H, W) to features (N, D).
    num_features : int
        D.
    preprocessing : Preprocessing
        Applied to each input, so that nobody can forget it.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind.
    """

    def __init__(self, name: str, body: nn.Module, num_features: int, preprocessing: Preprocessing):
        super().__init__()
        self.name = name
        self.body = check_module("body", body)
        self.num_features = check_number("num_features", num_features, low=1, whole=True)
        self.preprocessing = preprocessing

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W), values 0 to 1, to features (N, D).

        Images in double precision are read by a network in single precision, and the reverse.

        Raises
        ------
        TypeError, ValueError
            If these are no images, they have another number of channels or values outside of 0
            to 1, or are on another device than the network.
        """
        inputs = self.preprocessing(images)
        weight = next(self.body.parameters(), inputs)
        if weight.device != inputs.device:
            raise ValueError(
                f"images is on {inputs.device} and the network on {weight.device}; "
                f"give images.to({str(weight.device)!r}), or use predict"
            )
        if torch.float64 in (inputs.dtype, weight.dtype):
            inputs = inputs.to(weight.dtype)
        # channels last: convolutions on a CPU run 1.5 to 2.5 times faster
        return self.body(inputs.contiguous(memory_format=torch.channels_last))

    def __repr__(self):
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"Backbone({self.name!r}, {count:,} parameters, {self.num_features} features)"


class Classifier(nn.Module):
    """A backbone and a head: ``logits = head(backbone(images))``.

    Parameters
    ----------
    backbone : Backbone
        Makes features (N, D).
    head : torch.nn.Module
        Maps features to logits (N, K).

    Raises
    ------
    TypeError
        If one of them is no module, or the backbone has a head already.
    """

    def __init__(self, backbone: Backbone, head: nn.Module):
        super().__init__()
        if isinstance(backbone, Classifier):
            raise TypeError("backbone is a Classifier; give its backbone: model.backbone")
        self.backbone = check_module("backbone", backbone)
        self.head = check_module("head", head)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, K)."""
        return self.head(self.backbone(images))


def small_cnn(num_classes: int = 10) -> Classifier:
    """Build a small convolutional network with random weights, for one-channel images.

    Two convolutions with pooling, then 64 features: 38,282 parameters with ten classes. It reads
    images of any size from 8 x 8 on, since the features are pooled to a 4 x 4 grid.

    Raises
    ------
    TypeError, ValueError
        If ``num_classes`` is no whole number, or below 2.

    Examples
    --------
    >>> small_cnn(5)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 5])
    """
    num_classes = check_number("num_classes", num_classes, low=2, whole=True)
    # the largest number stays the largest after ReLU: pooling first is the same function, and
    # leaves ReLU a quarter of the numbers
    body = nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.AdaptiveMaxPool2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 64),
        nn.ReLU(),
    )
    # mean and standard deviation of MNIST's grey values, as commonly used
    backbone = Backbone("small_cnn", body, 64, Preprocessing(channels=1, mean=0.1307, std=0.3081))
    return Classifier(backbone.to(memory_format=torch.channels_last), nn.Linear(64, num_classes))
