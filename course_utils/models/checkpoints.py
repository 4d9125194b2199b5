"""Keep a trained classifier in one file: weights, preprocessing and the names of its classes.

The file has the safetensors format: it holds numbers and texts, and reading it runs no code.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from course_utils.environment.arguments import check_module, check_texts, described
from course_utils.environment.cache import write_tensors
from course_utils.environment.door import checked
from course_utils.environment.tensors import as_tensor
from course_utils.models.classifier import Classifier, Preprocessing, small_cnn
from course_utils.models.imagenet import EFFICIENTNETS, imagenet_classifier
from course_utils.models.lora import lora_layers
from course_utils.models.surgery import adapt_input

# how each architecture is built before the stored weights replace its own
ARCHITECTURES = {
    "small_cnn": small_cnn,
    **{
        name: partial(imagenet_classifier, "random", 0, architecture=name) for name in EFFICIENTNETS
    },
}


@checked(skip=("model", "classes"))
def save_classifier(model: Classifier, path: str | Path, *, classes: Sequence[str]) -> None:
    """Write a classifier into a file, whole or not at all.

    The file is read again, and what comes back is compared with the model, before it takes its
    place. A LoRA model is saved once it is merged, as a network of plain layers.

    Parameters
    ----------
    model : Classifier
        With a backbone of this course and a linear head.
    path : str or pathlib.Path
        File to write, for example ``"solar_cells.safetensors"``; replaced if it is there.
    classes : sequence of str
        Names of the K classes, in the order of the logits. Whole numbers become texts.

    Raises
    ------
    TypeError
        If it is no classifier of the course, or ``classes`` are no names.
    ValueError
        If the number of classes is not that of the head, a name occurs twice, or the model is not
        what `load_classifier` can build again. Nothing is written then.
    OSError
        If the file cannot be written; the message names it. A file that was there stays.
    """
    names = _check_model(model, classes)
    about = {
        "name": model.backbone.name,
        "classes": names,
        "preprocessing": asdict(model.backbone.preprocessing),
    }
    weights, path = _plain_state(model), Path(path)
    twin = _build(about, {n: (tuple(w.shape), w.dtype) for n, w in weights.items()})
    twin.load_state_dict(weights, assign=True)
    _compare(model, twin)
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder; give a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: make the folder {path.parent} first")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as folder:
            written = Path(folder) / path.name
            write_tensors(weights, written, {"classifier": json.dumps(about)})
            found = load_classifier(written)[0].state_dict()
            if not all(found[name].equal(weight) for name, weight in weights.items()):
                raise OSError("other numbers came back")
            written.replace(path)
    except (OSError, ValueError) as error:
        reason = error.__cause__ or error
        raise OSError(
            f"cannot write {path} ({reason}); free space there, or give another folder"
        ) from error


@checked
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
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If the file is damaged, or was not written by `save_classifier`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path is {path}, where no file is; save a classifier there first")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["classifier"])
            names = file.keys()
            # shapes first: nothing large is made for a file that does not fit
            model = _build(about, {name: _entry(file.get_slice(name)) for name in names})
            # copies, since a tensor of the file would keep the file open
            weights = {name: file.get_tensor(name).clone() for name in names}
        for name, weight in weights.items():
            as_tensor(name, weight)
        model.load_state_dict(weights, assign=True)
    except UNSOUND as error:
        reason = str(error).partition("\n")[0]  # torch adds where in its own code it was
        raise ValueError(
            f"path is {path}, which holds no sound classifier of this course ({reason}); "
            "save it again with save_classifier"
        ) from error
    model.backbone.to(memory_format=torch.channels_last)
    return model.eval(), tuple(about["classes"])


# what comes of texts and numbers that are not those of a classifier
UNSOUND = (
    SafetensorError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError,
    AttributeError,
)  # fmt: skip

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
DTYPES["BF16"] = torch.bfloat16


def _entry(tensor) -> tuple[tuple[int, ...], torch.dtype]:
    """Return shape and type of a tensor in a file, which is not read."""
    return tuple(tensor.get_shape()), DTYPES[tensor.get_dtype()]


def _check_model(model: Classifier, classes: Sequence[str]) -> list[str]:
    """Return the names of the classes, if the model is one that can be saved."""
    check_module("model", model, "backbone", "head")
    check_module("model.backbone", model.backbone, "body", "preprocessing")
    names = _class_names(classes)
    if not isinstance(model.head, nn.Linear) or len(names) != model.head.out_features:
        raise ValueError(
            f"classes has {len(names)} names for the head {model.head}; "
            "give one name for each output of a linear head"
        )
    if not isinstance(model.backbone.preprocessing, Preprocessing):
        raise TypeError(
            f"model.backbone.preprocessing is {described(model.backbone.preprocessing)}; give a "
            "Preprocessing"
        )
    if not all(layer.is_merged for layer in lora_layers(model).values()):
        raise ValueError("model has LoRA layers; call merge_lora first, or keep lora_state(model)")
    return names


def _class_names(classes: Sequence[str]) -> list[str]:
    """Return names of classes as texts, each of them once."""
    if isinstance(classes, Set | Mapping):
        raise TypeError(f"classes is {described(classes)}; give a list in the order of the logits")
    if isinstance(classes, Sequence | np.ndarray | Tensor) and not isinstance(classes, str | bytes):
        # numpy's and torch's entries become Python's, and whole numbers texts
        entries = list(classes)
        entries = [e.item() if getattr(e, "ndim", None) == 0 else e for e in entries]
        is_whole = [isinstance(e, Integral) and not isinstance(e, bool) for e in entries]
        classes = [str(e) if whole else e for e, whole in zip(entries, is_whole, strict=True)]
    names = check_texts("classes", classes)
    if len(set(names)) < len(names):
        raise ValueError("classes has a name twice; give each class a name of its own")
    return names


def _plain_state(model: Classifier) -> dict[str, Tensor]:
    """Return copies of all weights on the CPU, with those of merged LoRA layers as plain ones."""
    names = {name: name for name in model.state_dict()}
    for layer in lora_layers(model):
        del names[f"{layer}.A"], names[f"{layer}.B"]
        for name in [name for name in names if name.startswith(f"{layer}.base.")]:
            names[name] = name.replace(f"{layer}.base.", f"{layer}.")
    state = model.state_dict()
    for name in names:
        as_tensor(f"model.{name}", state[name])
    return {
        plain: state[name].detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, plain in names.items()
    }


def _build(about: dict, entries: dict[str, tuple]) -> Classifier:
    """Build the network that a file is about, without numbers, if its weights fit.

    Raises
    ------
    ValueError
        If the architecture is unknown, or a tensor has another name, shape or kind of number.
    """
    names = _class_names(about["classes"])
    with torch.device("meta"):  # shapes only: no memory, and no random numbers
        model = ARCHITECTURES[_architecture(about["name"])]()
        stored = Preprocessing(**about["preprocessing"])
        for channels in (1, stored.channels):
            adapt_input(model.backbone, channels)
        has_bias = "head.bias" in entries
        model.head = nn.Linear(model.backbone.num_features, len(names), bias=has_bias)
    model.backbone.preprocessing, model.backbone.name = stored, about["name"]
    own = {n: (tuple(w.shape), w.is_floating_point()) for n, w in model.state_dict().items()}
    given = {n: (shape, dtype.is_floating_point) for n, (shape, dtype) in entries.items()}
    if own != given:
        name = min(n for n in own.keys() | given.keys() if own.get(n) != given.get(n))
        raise ValueError(
            f"{name} has the shape {given.get(name, ['none'])[0]}, and {about['name']!r} of this "
            f"course {own.get(name, ['none'])[0]}; only its own networks can be saved and loaded"
        )
    return model.eval()


def _compare(model: Classifier, twin: Classifier) -> None:
    """Raise if the rebuilt network answers otherwise: a layer without weights was changed."""
    channels = model.backbone.preprocessing.channels
    images = torch.rand(2, channels, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = (deepcopy(m).float().cpu().eval()(images) for m in (model, twin))
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3):
        raise ValueError(
            f"model answers otherwise than {model.backbone.name!r} of this course with the same "
            "weights; a layer was changed, so keep model.state_dict() and the code that builds it"
        )


def _architecture(name: str) -> str:
    """Return which of the known architectures a backbone's name starts with."""
    for known in ARCHITECTURES:
        if isinstance(name, str) and name.startswith(known):
            return known
    raise ValueError(
        f"the backbone is {name!r}; only {', '.join(ARCHITECTURES)} can be saved and loaded"
    )
