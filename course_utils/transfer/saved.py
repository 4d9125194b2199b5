"""A trained model in a folder: written, loaded in another process, and asked.

Letters in shapes: N inputs, K classes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from course_utils.data.findings import DataError, shown
from course_utils.data.pictures import PictureError, open_picture
from course_utils.environment.arguments import check_number, check_texts
from course_utils.environment.cache import write_tensors
from course_utils.environment.door import checked
from course_utils.models.checkpoints import load_classifier, save_classifier
from course_utils.models.classifier import Classifier
from course_utils.models.encoders import text_encoder
from course_utils.transfer.store import write_text
from course_utils.transfer.streams import features_of

WEIGHTS, CONFIG, TOKENS = "model.safetensors", "config.json", "tokenizer.json"
FORMAT = 1  # of config.json
BROKEN = (OSError, SafetensorError, LookupError, TypeError, ValueError, RuntimeError)


@dataclass(eq=False)
class TransferModel:
    """A classifier with all that it needs to answer about files or texts.

    Parameters
    ----------
    model : Classifier
        The network, in evaluation mode.
    kind : {'image', 'text'}
        What one input is.
    classes : tuple of K str
        Names of the classes, in the order of the logits.
    length : int
        Pixels in height and width, or most tokens.
    temperature : float
        Divides the logits, so that probabilities are calibrated.
    """

    model: Classifier
    kind: str
    classes: tuple[str, ...]
    length: int
    temperature: float = 1.0

    def probabilities(self, inputs: Sequence[str | Path]) -> Tensor:
        """Return a probability for each class: (N, K), rows sum to 1.

        Parameters
        ----------
        inputs : sequence of N paths or str
            Files of pictures, or texts.

        Raises
        ------
        DataError
            If a picture cannot be used, or a text is empty.
        TypeError, ValueError
            If there is none, or it is one alone and no list.
        """
        values = [str(each) if isinstance(each, Path) else each for each in _listed(inputs)]
        values = check_texts("inputs", values)
        if not values:
            raise ValueError("inputs is empty; give at least one")
        for value in values:
            _check(self.kind, value)
        features = features_of(self.model.backbone, Path(), values, None, self.length)
        with torch.no_grad():
            return (self.model.head(features) / self.temperature).softmax(1)

    def predict(self, inputs: Sequence[str | Path]) -> list[str]:
        """Return the most probable class of each input. See `probabilities`."""
        return [self.classes[place] for place in self.probabilities(inputs).argmax(1).tolist()]


def _listed(inputs):
    return [inputs] if isinstance(inputs, Path) else inputs


def _check(kind: str, value: str) -> None:
    """Raise in one line if an input cannot be used."""
    if kind == "text" and not value.replace("\0", "").strip():
        raise DataError("a text is empty; leave it out")
    if kind == "image":
        try:
            open_picture(Path(value))
        except PictureError as error:
            raise DataError(f"{shown(value)} cannot be used: {error}") from None


def save_transfer(found: TransferModel, folder: Path) -> None:
    """Write weights, configuration and, for texts, the tokenizer. See `load_transfer`.

    Raises
    ------
    OSError
        If the folder cannot be written; the message names the file.
    """
    model = found.model
    about = {
        "format": FORMAT,
        "kind": found.kind,
        "architecture": model.backbone.name,
        "classes": list(found.classes),
        "preprocessing": _preprocessing(found),
        "temperature": found.temperature,
    }
    if found.kind == "image":
        save_classifier(model, folder / WEIGHTS, classes=found.classes)
    else:
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        write_tensors(state, folder / WEIGHTS, {"format": "pt"})
        write_text(folder / TOKENS, model.backbone.tokenizer.rules.to_str())
    write_text(folder / CONFIG, json.dumps(about, indent=2) + "\n")


def _preprocessing(found: TransferModel) -> dict:
    """Say what is done with an input before the network sees it."""
    if found.kind == "text":
        return {"max_tokens": found.length, "tokenizer": TOKENS, "pooling": "mean"}
    about = {"size": found.length, "resize": "bilinear with antialiasing, the whole picture"}
    about |= {"colours": "RGB on white, turned by EXIF", "scale": "0 to 1"}
    return about | asdict(found.model.backbone.preprocessing)


@checked
def load_transfer(path: str | Path) -> TransferModel:
    """Load a model that `transfer` has made, from its folder.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder of the run.

    Returns
    -------
    TransferModel
        On the processor; ``predict`` answers about files of pictures, or about texts.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no model in it.
    ValueError
        If a file of it is damaged, or of another version.
    """
    folder = Path(path)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"path is {shown(str(folder))}, which has no {name}; give the folder of a run that "
                "is done"
            )
    try:
        about = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return _built(folder, about)
    except BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"path is {shown(str(folder))}, which holds no sound model ({reason}); make it again"
        ) from error


def _built(folder: Path, about: dict) -> TransferModel:
    """Build the network that a configuration is about."""
    if about["format"] != FORMAT:
        raise ValueError(f"its format is {about['format']!r}, and this course reads {FORMAT}")
    kind, classes = about["kind"], tuple(check_texts("classes", about["classes"]))
    temperature = check_number("temperature", about["temperature"], above=0)
    length = about["preprocessing"]["size" if kind == "image" else "max_tokens"]
    length = check_number("size", length, low=1, high=10_000, whole=True)
    if kind == "image":
        model, names = load_classifier(folder / WEIGHTS)
        if names != classes:
            raise ValueError(f"{CONFIG} and {WEIGHTS} name other classes")
    else:
        backbone = text_encoder("random", seed=0)
        if about["architecture"].partition(",")[0] != backbone.name.partition(",")[0]:
            raise ValueError(f"its architecture is {about['architecture']!r}, which is not known")
        model = Classifier(backbone, nn.Linear(backbone.num_features, len(classes)))
        model.load_state_dict(load_file(folder / WEIGHTS))
        backbone.name = about["architecture"]
    return TransferModel(model.eval(), kind, classes, length, temperature)
