"""Networks of other libraries as backbones of the course."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked
from course_utils.environment.machine import seeded
from course_utils.models.classifier import Backbone
from course_utils.models.encoders import PATTERNS, find_folder, load_encoder
from course_utils.models.gpt2 import is_gpt2, load_gpt2
from course_utils.models.photos import photo_preprocessing_of
from course_utils.models.text import TextBackbone
from course_utils.models.weight_files import Wanted, check_sum, file_of_hub, file_of_url


@checked
def load_backbone(
    name: str,
    weights: str | Path = "pretrained",
    *,
    seed: int | None = None,
    allow_download: bool = False,
    sha256: str | None = None,
    pooling: str | None = None,
) -> Backbone | TextBackbone:
    """Load a network of another library, without its head.

    Images are prepared as the metadata of the weights ask: size, mean, standard deviation.

    Parameters
    ----------
    name : str
        ``"torchvision/resnet18"``, ``"timm/mobilenetv3_small_100"``,
        ``"transformers/bert-base-uncased"`` or ``"transformers/FOLDER"``: a classifier of
        torchvision, any network of timm, or a BERT or GPT-2 on the Hugging Face hub or in a folder.
    weights : str or pathlib.Path
        ``"pretrained"`` takes those that the library names, from its own cache folder;
        ``"random"`` starts anew; else a file of weights for that architecture.
    seed : int, optional
        Makes a random start reproducible; not allowed with other weights.
    allow_download : bool
        True fetches weights that are not on this machine. Without it no connection is tried.
    sha256 : str, optional
        What the SHA-256 of the file is to begin with; for a folder that of
        ``checksum(folder, PATTERNS)`` in `course_utils.environment.packages` and
        `course_utils.models.encoders`. The sums that libraries put into names of files are
        checked in any case.
    pooling : str, optional
        For texts, see `TextBackbone` (``'mean'``) and `GPTBackbone` (``'last'``).

    Returns
    -------
    Backbone or TextBackbone
        In evaluation mode.

    Raises
    ------
    OSError
        If weights are not on this machine, or could not be fetched; the message says what to do.
        Nothing half-written stays.
    ValueError
        If the name is unknown, a checksum is wrong, or weights do not fit the network.

    Examples
    --------
    >>> load_backbone("torchvision/mobilenet_v3_small", weights="random", seed=0)
    Backbone('torchvision/mobilenet_v3_small, random weights', 1,517,856 parameters, 1024 features)
    """
    library, _, inside = name.partition("/")
    if library not in (*BUILDERS, "transformers") or not inside:
        raise ValueError(
            f"name is {name!r}; give the library and the network, such as 'torchvision/resnet18', "
            "'timm/resnet18' or 'transformers/bert-base-uncased'"
        )
    if seed is not None and weights != "random":
        raise ValueError(f"seed is {seed}, which belongs to weights='random'; leave it out")
    if sha256 is not None and weights == "random":
        raise ValueError("sha256 is given, and weights='random' has no file; leave one of them out")
    if library == "transformers":
        return _text_backbone(name, weights, allow_download, sha256, pooling)
    if pooling is not None:
        raise ValueError(f"pooling is {pooling!r}, which is for texts; leave it out for images")
    if seed is not None:
        check_number("seed", seed, low=0, whole=True)
    wanted = Wanted(name, weights, allow_download, sha256 or "")
    # without a seed the global numbers move on, or two random starts would be the same
    with seeded(seed if weights == "random" else 0):
        body, num_features, facts = BUILDERS[library](wanted)
    preprocessing = photo_preprocessing_of(library, facts)
    kind = weights if weights in ("pretrained", "random") else "own"
    backbone = Backbone(f"{name}, {kind} weights", body, num_features, preprocessing)
    return backbone.to(memory_format=torch.channels_last).eval()


# two prepare photos once more inside, one has no linear layer, files of one have other names
UNLIKE = ("googlenet", "inception_v3", "squeezenet", "densenet")


def _of_torchvision(wanted: Wanted) -> tuple[nn.Module, int, Any]:
    """Build a classifier of torchvision; cut off its last layer."""
    from timm.models import load_state_dict
    from torchvision import models  # takes a second to import

    if wanted.inside not in models.list_models(models):  # its classifiers
        raise ValueError(
            f"name is {wanted.name!r}, which torchvision does not know; see "
            "torchvision.models.list_models(torchvision.models)"
        )
    if wanted.inside.startswith(UNLIKE):
        raise ValueError(
            f"name is {wanted.name!r}, whose input or last layer is of another kind; give one of "
            "timm, or a newer network"
        )
    chosen = models.get_model_weights(wanted.inside).DEFAULT
    path = wanted.file(file_of_url, chosen.url, chosen.meta["num_params"])
    network = models.get_model(wanted.inside)
    if path is not None:
        try:  # reads both formats, and runs no code
            network.load_state_dict(load_state_dict(str(path), weights_only=True))
        except Exception as error:  # what comes of other files is of many kinds
            raise wanted.misfit(path, error) from error
    layers = {name: part for name, part in network.named_modules() if isinstance(part, nn.Linear)}
    last = next(reversed(layers))
    network.set_submodule(last, nn.Identity())
    return network, layers[last].in_features, chosen.transforms()


def _of_timm(wanted: Wanted) -> tuple[nn.Module, int, Any]:
    """Build a network of timm; cut off its last layer."""
    import timm  # takes two seconds to import

    name = wanted.inside
    if not timm.is_model(name) or (config := timm.models.get_pretrained_cfg(name)) is None:
        raise ValueError(f"name is {wanted.name!r}, which timm does not know: timm.list_models()")
    with torch.device("meta"):  # shapes only
        count = sum(part.numel() for part in timm.create_model(name).parameters())
    source, place = (
        (file_of_hub, config.hf_hub_id) if config.hf_hub_id else (file_of_url, config.url)
    )
    path = wanted.file(source, place or name, count)
    # with its own head: for another one the library would let weights be missing
    overlay = {} if path is None else {"pretrained_cfg_overlay": {"file": str(path)}}
    try:
        network = timm.create_model(name, pretrained=path is not None, **overlay)
    except Exception as error:  # what comes of other files is of many kinds
        raise wanted.misfit(path, error) from error
    network.reset_classifier(0)
    return network, network.head_hidden_size, timm.data.resolve_model_data_config(network)


def _text_backbone(name, weights, allow_download, sha256, pooling) -> TextBackbone:
    """Load a BERT or GPT-2."""
    if weights != "pretrained":
        raise ValueError(
            f"weights is {str(weights)!r}; for texts leave it out, or take text_encoder('random') "
            "or GPT(...)"
        )
    inside = name.partition("/")[2]
    folder = find_folder(inside, allow_download)
    check_sum(name, folder, sha256 or "", tuple(PATTERNS))
    load: Callable = load_gpt2 if is_gpt2(folder) else load_encoder
    backbone = load(folder, **({} if pooling is None else {"pooling": pooling}))
    backbone.name = inside
    return backbone


BUILDERS: dict[str, Callable] = {"torchvision": _of_torchvision, "timm": _of_timm}
