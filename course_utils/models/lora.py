"""LoRA: a pretrained layer stays as it is, and a small product of two matrices is added to it.

    W = W0 + (alpha / r) B A

W0 (d, k) is frozen; A (r, k) and B (d, r) learn. B starts at zero, so that the network starts as
what it was. Letters in shapes: N samples, k inputs and d outputs of a layer, r its rank.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from course_utils.environment.arguments import (
    as_tensor,
    check_module,
    check_number,
    check_texts,
    described,
)
from course_utils.environment.machine import seeded
from course_utils.models.freezing import hold_state


class LoRALinear(nn.Module):
    """A frozen linear layer with a learned correction of low rank: r (d + k) new parameters.

    Parameters
    ----------
    base : torch.nn.Linear
        The pretrained layer. It is frozen, and used, not copied.
    rank : int
        r, at least 1 and at most the smaller of d and k.
    alpha : float
        The correction is multiplied with ``alpha / rank``, so that another rank needs no other
        learning rate. Above 0.
    seed : int, optional
        Makes A reproducible. Without it, A comes from torch's global random numbers.

    Raises
    ------
    TypeError
        If ``base`` is no plain linear layer, or a number is none.
    ValueError
        If ``rank`` or ``alpha`` is out of its range, or the weight of ``base`` is not its own.

    References
    ----------
    Hu et al. 2021, arXiv:2106.09685, section 4.1. A is drawn as their code draws it, and as the
    library peft does.

    Examples
    --------
    >>> layer = LoRALinear(nn.Linear(6, 4), rank=2, alpha=4, seed=0)
    >>> sum(weight.numel() for weight in layer.parameters() if weight.requires_grad)
    20
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, seed: int | None = None):
        super().__init__()
        if type(base) is not nn.Linear:  # a subclass may use its weight in another way
            raise TypeError(f"base is a {type(base).__name__}; give a torch.nn.Linear")
        rank, alpha = _check("base", base, rank, alpha)
        if seed is not None:
            check_number("seed", seed, low=0, whole=True)
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        with seeded(seed):  # on the processor, so that a seed gives the same on each device
            drawn = torch.empty(rank, base.in_features)
            # uniform from -1 / sqrt(k) to 1 / sqrt(k), as torch starts a linear layer
            nn.init.kaiming_uniform_(drawn, a=math.sqrt(5))
        self.A = nn.Parameter(drawn.to(base.weight.device, base.weight.dtype))
        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        self.is_merged = False
        self.is_disabled = False

    @property
    def weight(self) -> Tensor:
        """W, for modules that read the weight of a layer and do not call it."""
        weight = self.base.weight
        return weight if self.is_merged or self.is_disabled else weight + self.correction()

    @property
    def bias(self) -> Tensor | None:
        """The bias of the pretrained layer."""
        return self.base.bias

    def correction(self) -> Tensor:
        """Return (alpha / r) B A, of shape (d, k)."""
        return self.scale * self.B @ self.A

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (N, ..., k) to outputs (N, ..., d)."""
        outputs = self.base(inputs)
        if self.is_merged or self.is_disabled:
            return outputs
        # first down to r numbers, then up: cheaper than the matrix B A
        return outputs + self.scale * F.linear(F.linear(inputs, self.A), self.B)

    def extra_repr(self) -> str:
        """Say in the text of the layer what its parts do not."""
        state = ", merged" * self.is_merged + ", turned off" * self.is_disabled
        return f"rank={len(self.A)}, scale={self.scale:g}{state}"


def _check(name: str, base: nn.Linear, rank: int, alpha: float) -> tuple[int, float]:
    """Return rank and alpha, if the layer can get such a correction."""
    rank, alpha = check_number("rank", rank, whole=True), check_number("alpha", alpha, above=0)
    own = dict(base.named_parameters(recurse=False))
    if "weight" not in own or not base.weight.is_floating_point():
        raise ValueError(
            f"{name} has a weight that is no float parameter (spectral norm, pruning, quantised); "
            "take that away first, or choose another layer"
        )
    largest = min(base.weight.shape)
    if not 1 <= rank <= largest:
        raise ValueError(f"rank is {rank}; give 1 to {largest} for a layer of this size")
    return rank, alpha


def add_lora(
    model: nn.Module,
    rank: int,
    alpha: float,
    targets: Sequence[str] = ("query", "value"),
    seed: int = 0,
) -> nn.Module:
    """Change the model: freeze its backbone, and add a correction to each target layer in it.

    What then learns is A and B of each target, and the head.

    Parameters
    ----------
    model : torch.nn.Module
        A `Classifier`, or a backbone. Changed in place, and returned.
    rank, alpha : int, float
        See `LoRALinear`.
    targets : sequence of str
        Last parts of the names of linear layers. ``"query"`` and ``"value"`` are the ones of the
        attention of BERT that the authors of LoRA chose.
    seed : int
        Makes all matrices A reproducible.

    Dropout goes on in training, unless a part was frozen before.

    Raises
    ------
    TypeError
        If it is no model, ``targets`` are no texts, or a number is none.
    ValueError
        If no linear layer has such a name, one is of another kind, or shares its weight with
        another; the model has corrections already; or ``rank`` or ``alpha`` is out of its range.
        The model then stays as it was.
    """
    backbone = check_module("model", getattr(check_module("model", model), "backbone", model))
    check_number("seed", seed, low=0, whole=True)
    found = _targets(model, backbone, check_texts("targets", targets))
    for name, layer in found.items():
        _check(name, layer, rank, alpha)
    backbone.requires_grad_(False)
    hold_state(backbone)
    with seeded(seed):
        for name, layer in found.items():
            backbone.set_submodule(name, LoRALinear(layer, rank, alpha))
    return model


def _targets(model: nn.Module, backbone: nn.Module, targets: list[str]) -> dict[str, nn.Linear]:
    """Return the layers whose names end with one of the targets, if each can be replaced."""
    if lora_layers(backbone):
        raise ValueError("model has LoRA layers already; add them to a model without")
    parts = backbone.named_modules(remove_duplicate=False)
    linear = {name: part for name, part in parts if name and isinstance(part, nn.Linear)}
    endings = sorted({name.rpartition(".")[2] for name in linear})
    if not targets or not set(targets) <= set(endings):
        raise ValueError(f"targets is {targets}; the linear layers of the model are {endings}")
    found = {n: part for n, part in linear.items() if n.rpartition(".")[2] in targets}
    weights = [w for _, w in model.named_parameters(remove_duplicate=False) if not is_lazy(w)]
    places = Counter(weight.data_ptr() for weight in weights if not weight.is_meta)
    for name, layer in found.items():
        # attention reads the weight of its out_proj, and never calls that layer
        if type(layer) is not nn.Linear:
            raise ValueError(
                f"targets has {name}, a {type(layer).__name__}; choose torch.nn.Linear layers only"
            )
        if places[layer.weight.data_ptr()] > 1:
            raise ValueError(
                f"targets has {name}, which shares its weight with another part (weight tying); "
                "choose layers with a weight of their own"
            )
    return found


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """Return all LoRA layers of a model by name; empty if there are none."""
    return {name: part for name, part in model.named_modules() if isinstance(part, LoRALinear)}


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
    "is_disabled": "model has LoRA layers that are turned off; leave without_lora first",
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
