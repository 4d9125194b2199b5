"""Networks in two parts, a backbone that makes features and a head that decides.

Letters in shapes: N samples, C channels, H and W height and width, D features, K classes.
"""

import torch
from torch import Tensor, nn

from course_utils.environment import seeded
from course_utils.freezing import evaluation_mode, freeze, unfreeze
from course_utils.packages import verify_package
from course_utils.preprocessing import Preprocessing

__all__ = [
    "Backbone",
    "Classifier",
    "Preprocessing",
    "adapt_input",
    "evaluation_mode",
    "freeze",
    "imagenet_backbone",
    "imagenet_classifier",
    "load_by_order",
    "replace_head",
    "small_cnn",
    "unfreeze",
]


# name of the architecture: what timm calls it, and the package that has its ImageNet weights
EFFICIENTNETS = {
    "EfficientNet-Lite0": ("tf_efficientnet_lite0", "efficientnet_lite0"),
    "EfficientNet-Lite2": ("tf_efficientnet_lite2", "efficientnet_lite2"),
}


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
    """

    def __init__(self, name: str, body: nn.Module, num_features: int, preprocessing: Preprocessing):
        super().__init__()
        self.name = name
        self.body = body
        self.num_features = num_features
        self.preprocessing = preprocessing

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W), values 0 to 1, to features (N, D)."""
        inputs = self.preprocessing(images)
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
    """

    def __init__(self, backbone: Backbone, head: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, K)."""
        return self.head(self.backbone(images))


def small_cnn(num_classes: int = 10) -> Classifier:
    """Build a small convolutional network with random weights, for one-channel images.

    Two convolutions with pooling, then 64 features: 38,282 parameters with ten classes. It reads
    images of any size from 8 x 8 on, since the features are pooled to a 4 x 4 grid.

    Examples
    --------
    >>> small_cnn(5)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 5])
    """
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


def imagenet_classifier(
    weights: str = "imagenet", seed: int | None = None, *, architecture: str = "EfficientNet-Lite0"
) -> Classifier:
    """Build an EfficientNet-Lite with its head for the 1,000 classes of ImageNet.

    Parameters
    ----------
    weights : {'imagenet', 'random'}
        Weights from an installed package, checked by SHA-256, or a random start.
    seed : int, optional
        Makes the random start reproducible; not allowed with ImageNet weights. Without it, the
        start comes from torch's global random numbers.
    architecture : {'EfficientNet-Lite0', 'EfficientNet-Lite2'}
        The second is larger, slower and more accurate.

    Returns
    -------
    Classifier
        In evaluation mode. Its backbone has 3,371,008 parameters, that of Lite2 has 4,811,072
        parameters; the features are (N, 1280).

    Raises
    ------
    ValueError
        If an argument is not allowed.
    course_utils.packages.PackageError
        If the package is missing or its file has another checksum.

    References
    ----------
    Tan and Le 2019, arXiv:1905.11946; the Lite variants are TensorFlow's, who report 75.1 % and
    77.6 % top-1 accuracy (github.com/tensorflow/tpu, models/official/efficientnet/lite).
    """
    if architecture not in EFFICIENTNETS:
        allowed = " or ".join(map(repr, EFFICIENTNETS))
        raise ValueError(f"architecture is {architecture!r}; give {allowed}")
    if weights not in ("imagenet", "random"):
        raise ValueError(f"weights is {weights!r}; give 'imagenet' or 'random'")
    if weights == "imagenet" and seed is not None:
        raise ValueError(
            f"seed is {seed}, but ImageNet weights are always the same; "
            "leave it out, or give weights='random'"
        )
    import timm  # takes two seconds to import

    timm_name, package = EFFICIENTNETS[architecture]
    # without a seed the global numbers move on, or two random starts would be the same
    with seeded(0 if weights == "imagenet" else seed):
        network = timm.create_model(timm_name)
    if weights == "imagenet":
        load_by_order(network, torch.load(verify_package(package), weights_only=True))
    head = network.classifier
    network.reset_classifier(0)
    # the packages hold TensorFlow's weights, which see grey values from -1 to 1
    preprocessing = Preprocessing(channels=3, mean=0.5, std=0.5)
    name = f"{architecture}, {weights} weights"
    backbone = Backbone(name, network, network.num_features, preprocessing)
    return Classifier(backbone.to(memory_format=torch.channels_last), head).eval()


def imagenet_backbone(
    weights: str = "imagenet", seed: int | None = None, *, architecture: str = "EfficientNet-Lite0"
) -> Backbone:
    """Build an EfficientNet-Lite without its head. See `imagenet_classifier`."""
    return imagenet_classifier(weights, seed, architecture=architecture).backbone


def load_by_order(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load weights whose names differ but whose order and shapes are those of the network.

    Changes the network. Nothing is loaded unless all shapes agree.

    Raises
    ------
    ValueError
        If the number of tensors or one shape differs; the message names the first.
    """
    own = network.state_dict()
    if len(own) != len(weights):
        raise ValueError(
            f"weights has {len(weights)} tensors and the network has {len(own)}; "
            "give the weights of the same architecture"
        )
    for (name, ours), (their_name, theirs) in zip(own.items(), weights.items(), strict=True):
        if ours.shape != theirs.shape:
            raise ValueError(
                f"weights[{their_name!r}] has shape {tuple(theirs.shape)}; "
                f"{name} of the network has {tuple(ours.shape)}; "
                "give the weights of the same architecture"
            )
    network.load_state_dict(dict(zip(own, weights.values(), strict=True)))


def replace_head(model: Classifier, num_classes: int, seed: int = 0) -> Classifier:
    """Change the model: give it a new linear head with random weights, for other classes.

    Parameters
    ----------
    model : Classifier
        Changed in place, and returned.
    num_classes : int
        K of the target task, at least 2.
    seed : int
        Makes the head's random weights reproducible.

    Raises
    ------
    ValueError
        If ``num_classes`` is below 2.
    """
    if num_classes < 2:
        raise ValueError(f"num_classes is {num_classes}; give 2 or more")
    with seeded(seed):
        model.head = nn.Linear(model.backbone.num_features, num_classes)
    model.head.to(next(model.backbone.parameters()).device)
    return model


def adapt_input(backbone: Backbone, channels: int) -> Backbone:
    """Change the backbone: let its first convolution read another number of channels.

    To one channel, the filters are summed: the output is the same as if the grey channel were
    copied. From one channel to C, each gets 1/C of the filter. A frozen layer stays frozen.

    Parameters
    ----------
    backbone : Backbone
        Changed in place, and returned.
    channels : int
        Channels of the new inputs, at least 1.

    Raises
    ------
    ValueError
        If the change is neither from nor to one channel, or there is no convolution.
    """
    first = next((part for part in backbone.modules() if isinstance(part, nn.Conv2d)), None)
    if first is None:
        raise ValueError(f"backbone is {backbone.name!r}, which has no Conv2d layer to adapt")
    if channels == first.in_channels:
        return backbone
    if channels < 1 or 1 not in (channels, first.in_channels):
        raise ValueError(
            f"channels is {channels} and the network reads {first.in_channels}; "
            "change from or to 1 channel"
        )
    filters = first.weight.detach().sum(1, keepdim=True).repeat(1, channels, 1, 1) / channels
    first.weight = nn.Parameter(filters, requires_grad=first.weight.requires_grad)
    first.in_channels = channels
    old = backbone.preprocessing
    backbone.preprocessing = Preprocessing(channels, old.mean, old.std)
    return backbone
