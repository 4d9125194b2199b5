"""Fine-tune the last parts of a network, from the linear probe on; validation says which.

What is frozen gives the same in each epoch, so for pictures it is run once and kept. Letters in
shapes: N inputs, C channels, H and W height and width, D features, K classes.
"""

from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from course_utils.data.own import OwnData
from course_utils.data.samples import Samples, stable_order
from course_utils.models.classifier import Classifier
from course_utils.models.freezing import batch_norms, freeze, unfreeze
from course_utils.models.inference import predict
from course_utils.models.layers import layer_rates, text_layers
from course_utils.models.lora import add_lora, lora_layers
from course_utils.models.lora_states import merge_lora
from course_utils.models.surgery import cut_after, folded
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.loop import fit
from course_utils.transfer.heads import scored
from course_utils.transfer.settings import Settings
from course_utils.transfer.streams import Pictures, picture_rows

STAGES = ("stage6", "stage4")  # last frozen ones, to choose from
IMAGE_RATES = {"backbone": 3e-4, "head": 1e-3}
LAYERS_RATE, LORA_RATE, RANK, ALPHA = 1e-4, 1e-3, 8, 16  # of LoRA: those of lesson 07
MOST_BYTES = 2**30  # of activations in memory; with more pictures, some of them are drawn
PATIENCE = 2
BATCH = {"image": 32, "text": 16}


def candidates(kind: str) -> tuple[str, ...]:
    """Return the names of what is tried for pictures or texts.

    Examples
    --------
    >>> candidates("text")
    ('LoRA', 'last two layers')
    """
    if kind == "image":
        return tuple(f"stages after {stage}" for stage in STAGES)
    return ("LoRA", "last two layers")


def tuned(
    name: str, start: Classifier, data: OwnData, parts: dict[str, Tensor], settings: Settings
) -> tuple[Classifier, dict]:
    """Fine-tune a copy of a classifier in one way.

    Parameters
    ----------
    name : str
        One of `candidates`.
    start : Classifier
        Backbone and probe; stays as it is.
    data : OwnData
        The data.
    parts : dict of str to torch.Tensor
        Positions of ``"train"`` and ``"validation"``.
    settings : Settings
        Of the run.

    Returns
    -------
    Classifier
        In evaluation mode, without LoRA layers.
    dict
        Its name, epochs, samples learned from, and accuracy and loss on validation.
    """
    model = deepcopy(start)
    learn = _tune_images if data.kind == "image" else _tune_texts
    found = learn(name, model, data, parts, settings)
    return unfreeze(model).eval(), {"name": name} | found


def _tune_images(name, model, data, parts, settings) -> dict:
    """Train the last stages on activations of the first ones."""
    beginning, rest = cut_after(model, name.rpartition(" ")[2])
    for layer in batch_norms(rest):  # few pictures would make poor statistics
        freeze(layer).requires_grad_(True)
    parts = {part: _that_fit(beginning, data, parts[part], settings) for part in _LEARNED}
    made = {part: _activations(beginning, data, rows, settings) for part, rows in parts.items()}
    samples = {part: Samples(made[part], data.labels[rows]) for part, rows in parts.items()}
    history = _fit(rest, samples, settings, "image", IMAGE_RATES)
    logits = predict(rest, made["validation"].float())
    return _told(history, samples, logits)


_LEARNED = ("train", "validation")


def _activations(beginning: nn.Module, data: OwnData, rows: Tensor, settings: Settings) -> Tensor:
    """Run the frozen stages over some pictures: (N, C, H, W), half precision."""
    places = rows.tolist()
    pictures = Pictures(data.root, [data.values[place] for place in places], settings.size)
    digests = [data.digests[place] for place in places]
    make = partial(_in_half, folded(beginning))
    return picture_rows("activations", (beginning, "half"), pictures, digests, make)


def _in_half(network: nn.Module, pictures: Tensor) -> Tensor:
    found = predict(network, pictures)
    largest = torch.finfo(torch.half).max
    return found.clamp(-largest, largest).half()


def _that_fit(beginning: nn.Module, data: OwnData, rows: Tensor, settings: Settings) -> Tensor:
    """Return positions whose activations fit in memory: all, or as many as do, drawn."""
    one = predict(beginning, torch.zeros(1, 3, settings.size, settings.size))
    most = MOST_BYTES // (one.numel() * 2)
    return rows if len(rows) <= most else rows[stable_order(rows, "fits")[:most]].sort().values


def _tune_texts(name, model, data, parts, settings) -> dict:
    """Train corrections of low rank, or the last two layers."""
    rates: float | dict = LORA_RATE
    if name == "LoRA":
        add_lora(model, RANK, ALPHA, seed=settings.seed)
    else:
        for layer in list(text_layers(model.backbone).values())[:-2]:
            freeze(layer)
        rates = layer_rates(model, LAYERS_RATE)
    texts = {part: [data.values[place] for place in parts[part].tolist()] for part in _LEARNED}
    length = min(settings.max_tokens, model.backbone.longest)
    samples = {
        part: Samples(model.backbone.tokenize(some, length), data.labels[parts[part]])
        for part, some in texts.items()
    }
    history = _fit(model, samples, settings, "text", rates)
    if lora_layers(model):
        model = _plain(merge_lora(model))
    return _told(history, samples, predict(model, samples["validation"].inputs))


def _plain(model: nn.Module) -> nn.Module:
    """Put plain layers in the place of merged ones."""
    for name, layer in lora_layers(model).items():
        model.set_submodule(name, layer.base)
    return model


def _fit(model, samples, settings, kind, rates):
    return fit(
        model,
        samples["train"],
        CrossEntropy(),
        num_epochs=settings.epochs,
        learning_rate=rates,
        batch_size=BATCH[kind],
        schedule="one_cycle",
        validation=samples["validation"],
        patience=PATIENCE,
        seed=settings.seed,
        progress=True,
    )


def _told(history, samples, logits) -> dict:
    found = {"epochs": history.best_epoch, "learned from": len(samples["train"])}
    return found | scored(logits, samples["validation"].labels)
