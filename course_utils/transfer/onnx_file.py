"""The same network as an ONNX file, which other programs run; compared with torch.

Letters in shapes: N inputs, S height and width, T tokens, K classes.
"""

import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils.models.classifier import Classifier
from course_utils.transfer.saved import TransferModel

OPSET = 18
LARGEST = 1e-3  # difference of logits that is rounding
TRIED = 4  # inputs that are compared


class PictureNetwork(nn.Module):
    """Pictures (N, 3, S, S) from 0 to 1 to logits (N, K), without checks that cannot be exported.

    Parameters
    ----------
    model : Classifier
        Whose layers are used.
    """

    def __init__(self, model: Classifier):
        super().__init__()
        self.body, self.head = model.backbone.body, model.head
        self.preprocessing = model.backbone.preprocessing

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures to logits."""
        inputs = (pictures - self.preprocessing.mean) / self.preprocessing.std
        return self.head(self.body(inputs))


class TextNetwork(nn.Module):
    """Tokens and mask, both (N, T), to logits (N, K).

    Parameters
    ----------
    model : Classifier
        Whose layers are used.
    """

    def __init__(self, model: Classifier):
        super().__init__()
        self.body, self.head = model.backbone.body, model.head

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Map tokens, and 1 where they are no padding, to logits."""
        vectors = self.body(input_ids=tokens, attention_mask=mask).last_hidden_state
        weights = mask.to(vectors.dtype)[..., None]
        return self.head((vectors * weights).sum(1) / weights.sum(1))


def write_onnx(found: TransferModel, inputs: Tensor, path: Path) -> dict:
    """Write the ONNX file of a model, and compare what it answers with torch.

    Parameters
    ----------
    found : TransferModel
        The model.
    inputs : torch.Tensor of shape (N, 3, S, S) or (N, T)
        Pictures or tokens, two or more.
    path : pathlib.Path
        File to write; it is replaced once the new one is right.

    Returns
    -------
    dict
        The largest difference of a logit, and names of inputs.

    Raises
    ------
    RuntimeError
        If it cannot be written, or answers otherwise.
    """
    named = _named(found, inputs[:TRIED])
    network = (PictureNetwork if found.kind == "image" else TextNetwork)(found.model).eval()
    with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as folder:
        written = Path(folder) / path.name
        _export(network, named, written)
        difference = _difference(network, named, written)
        if not difference <= LARGEST:
            raise RuntimeError(f"the ONNX file answers otherwise than torch, by {difference:.2g}")
        written.replace(path)
    return {"largest_difference": difference, "inputs": list(named), "opset": OPSET}


def _named(found: TransferModel, inputs: Tensor) -> dict[str, Tensor]:
    if found.kind == "image":
        return {"pictures": inputs}
    mask = inputs != found.model.backbone.tokenizer.pad_id
    return {"tokens": inputs, "mask": mask.long()}


def _export(network: nn.Module, named: dict[str, Tensor], path: Path) -> None:
    """Write the file; the number of inputs, and of tokens, stays free.

    By the older exporter of torch: the newer one (dynamo) took 20 seconds in place of 2.
    """
    free = {0: "number"} if len(named) == 1 else {0: "number", 1: "length"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about how the exporter itself is written
        torch.onnx.export(
            network,
            tuple(named.values()),
            str(path),
            input_names=list(named),
            output_names=["logits"],
            dynamic_axes={**dict.fromkeys(named, free), "logits": {0: "number"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _difference(network: nn.Module, named: dict[str, Tensor], path: Path) -> float:
    """Return the largest difference between both, with all inputs and with one alone."""
    import onnxruntime  # slow to import

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    largest = 0.0
    for number in (len(next(iter(named.values()))), 1):
        some = {name: tensor[:number] for name, tensor in named.items()}
        (theirs,) = session.run(None, {name: tensor.numpy() for name, tensor in some.items()})
        with torch.no_grad():
            ours = network(*some.values())
        largest = max(largest, (ours - torch.from_numpy(theirs)).abs().max().item())
    return largest
