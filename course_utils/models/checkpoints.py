"""Keep a trained classifier in one file: weights, preprocessing and the names of its classes.

The file has the safetensors format: it holds numbers and texts, and reading it runs no code.
"""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from course_utils.environment.cache import write_tensors
from course_utils.models.classifier import Classifier, Preprocessing, small_cnn
from course_utils.models.imagenet import EFFICIENTNETS, imagenet_classifier
from course_utils.models.surgery import adapt_input

# how each architecture is built before the stored weights replace its own
ARCHITECTURES = {
    "small_cnn": small_cnn,
    **{
        name: partial(imagenet_classifier, "random", 0, architecture=name) for name in EFFICIENTNETS
    },
}


def save_classifier(model: Classifier, path: str | Path, *, classes: tuple[str, ...]) -> None:
    """Write a classifier into a file, whole or not at all.

    Parameters
    ----------
    model : Classifier
        With a backbone of this course and a linear head.
    path : str or pathlib.Path
        File to write, for example ``"solar_cells.safetensors"``; replaced if it is there.
    classes : tuple of str
        Names of the K classes, in the order of the logits.

    Raises
    ------
    ValueError
        If the number of classes is not that of the head, or the architecture is unknown.
    OSError
        If the file cannot be written; the message names it.
    """
    if not isinstance(model.head, nn.Linear) or len(classes) != model.head.out_features:
        raise ValueError(
            f"classes has {len(classes)} names for the head {model.head}; "
            "give one name for each output of a linear head"
        )
    _architecture(model.backbone.name)
    about = {
        "name": model.backbone.name,
        "classes": list(classes),
        "preprocessing": asdict(model.backbone.preprocessing),
    }
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_tensors(weights, Path(path), {"classifier": json.dumps(about)})


def load_classifier(path: str | Path) -> tuple[Classifier, tuple[str, ...]]:
    """Read a classifier that `save_classifier` has written.

    Returns
    -------
    Classifier
        In evaluation mode, on the CPU.
    tuple of str
        Names of its classes, in the order of the logits.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or was not written by `save_classifier`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path is {path}, where no file is; save a classifier there first")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["classifier"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        model = ARCHITECTURES[_architecture(about["name"])]()
        _prepare(model, about)
        model.load_state_dict(weights)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"path is {path}, which holds no sound classifier of this course ({error}); "
            "save it again with save_classifier"
        ) from error
    return model.eval(), tuple(about["classes"])


def _architecture(name: str) -> str:
    """Return which of the known architectures a backbone's name starts with."""
    for known in ARCHITECTURES:
        if name.startswith(known):
            return known
    raise ValueError(
        f"the backbone is {name!r}; only {', '.join(ARCHITECTURES)} can be saved and loaded"
    )


def _prepare(model: Classifier, about: dict) -> None:
    """Give a new model the input, head and name that the stored weights belong to."""
    stored = Preprocessing(**about["preprocessing"])
    adapt_input(model.backbone, stored.channels)
    model.backbone.preprocessing = stored
    model.backbone.name = about["name"]
    model.head = nn.Linear(model.backbone.num_features, len(about["classes"]))
