"""The states of a model with LoRA layers: merged, turned off, saved and loaded."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_utils.environment.arguments import check_module, described
from course_utils.environment.tensors import as_tensor
from course_utils.models.lora import LoRALinear, lora_layers


@torch.no_grad()
def merge_lora(model: nn.Module) -> nn.Module:
    """Change the model: add each correction to its frozen weights; the outputs stay the same.

    A merged layer costs what the layer cost before. Merging twice is merging once.

    Raises
    ------
    ValueError
        If the model has no LoRA layer, they are turned off, or a correction is not finite.
    """
    layers = _layers_of(model)
    _refuse("is_disabled", layers)
    for name, layer in lora_layers(model).items():  # there is no way back from infinity
        as_tensor(f"the correction of {name}", layer.correction())
    for layer in layers:
        if not layer.is_merged:
            layer.base.weight += layer.correction()
            layer.is_merged = True
    return model


@torch.no_grad()
def unmerge_lora(model: nn.Module) -> nn.Module:
    """Change the model: take the corrections out of the weights again, up to rounding.

    Raises
    ------
    ValueError
        If the model has no LoRA layer, or they are turned off.
    """
    layers = _layers_of(model)
    _refuse("is_disabled", layers)
    for layer in layers:
        if layer.is_merged:
            layer.base.weight -= layer.correction()
            layer.is_merged = False
    return model


@contextmanager
def without_lora(model: nn.Module) -> Iterator[nn.Module]:
    """Turn all corrections off for a while: the model answers as before `add_lora`.

    Raises
    ------
    ValueError
        If the model has no LoRA layer, or one is merged.
    """
    layers = _layers_of(model)
    _refuse("is_merged", layers)
    before = [layer.is_disabled for layer in layers]
    try:
        for layer in layers:
            layer.is_disabled = True
        yield model
    finally:
        for layer, was_disabled in zip(layers, before, strict=True):
            layer.is_disabled = was_disabled


def check_can_learn(model: nn.Module) -> None:
    """Raise `ValueError` if LoRA layers are merged or turned off: A and B would not move.

    Examples
    --------
    >>> check_can_learn(LoRALinear(nn.Linear(6, 4), rank=2, alpha=4))
    """
    for state in CURES:
        _refuse(state, lora_layers(check_module("model", model)).values())


CURES = {
    "is_merged": "model has merged LoRA layers; call unmerge_lora first",
    "is_disabled": "model has LoRA layers that are turned off; leave without_lora first, "
    "and copy a model outside of it",
}


def _refuse(state: str, layers: Iterable[LoRALinear]) -> None:
    """Raise if a layer is in a state, and say how to leave it."""
    if any(getattr(layer, state) for layer in layers):
        raise ValueError(CURES[state])


def lora_state(model: nn.Module) -> dict[str, Tensor]:
    """Return what has to be saved: A and B of each LoRA layer, the head, and what else may learn.

    A head that is forgotten here is a frequent mistake: it is new, and no download has it.

    Raises
    ------
    ValueError
        If the model has no LoRA layer.
    """
    _layers_of(model)
    names = {f"{name}.{matrix}" for name in lora_layers(model) for matrix in "AB"}
    names |= {name for name, weight in model.named_parameters() if weight.requires_grad}
    state = model.state_dict().items()
    return {n: t.detach().clone() for n, t in state if n in names or n.startswith("head.")}


def load_lora(model: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """Change the model: put what `lora_state` returned into it.

    Parameters
    ----------
    model : torch.nn.Module
        Built like the one that was saved: the same weights, ``add_lora`` of the same rank.
    state : dict of str to torch.Tensor
        From `lora_state`.

    Raises
    ------
    TypeError
        If ``state`` has no tensors by name.
    ValueError
        If names or shapes differ, a number is not finite, or the layers are merged or turned
        off. Nothing is loaded then.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state is {described(state)}; give what lora_state returned")
    loaded = {name: as_tensor(f"state[{name!r}]", tensor) for name, tensor in state.items()}
    own = {name: tuple(tensor.shape) for name, tensor in lora_state(model).items()}
    given = {name: tuple(tensor.shape) for name, tensor in loaded.items()}
    if own != given:
        name = min(n for n in own.keys() | given.keys() if own.get(n) != given.get(n))
        raise ValueError(
            f"state has {given.get(name, 'nothing')} for {name} and the model has "
            f"{own.get(name, 'no such part')}; build the model as it was when it was saved"
        )
    check_can_learn(model)
    model.load_state_dict(loaded, strict=False)
    return model


def _layers_of(model: nn.Module) -> list[LoRALinear]:
    layers = list(lora_layers(check_module("model", model)).values())
    if not layers:
        raise ValueError("model has no LoRA layer; call add_lora first")
    return layers
