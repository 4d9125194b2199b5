"""LoRA: a pretrained layer stays as it is, and a small product of two matrices is added to it.

    W = W0 + (alpha / r) B A

W0 (d, k) is frozen; A (r, k) and B (d, r) learn. B starts at zero, so that the network starts as
what it was. Letters in shapes: N samples, k inputs and d outputs of a layer, r its rank.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor, nn

from course_utils.environment.machine import seeded
from course_utils.models.freezing import freeze


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
        If ``base`` is no linear layer.
    ValueError
        If ``rank`` or ``alpha`` is out of its range.

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
        _check(base, rank, alpha)
        self.base = freeze(base)
        self.scale = alpha / rank
        self.A = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        with seeded(seed):
            # uniform from -1 / sqrt(k) to 1 / sqrt(k), as torch starts a linear layer
            nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.is_merged = False
        self.is_disabled = False

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
        return f"rank={len(self.A)}, scale={self.scale:g}"


def _check(base: nn.Linear, rank: int, alpha: float) -> None:
    """Raise if a layer, a rank and an alpha do not fit together."""
    if not isinstance(base, nn.Linear):
        raise TypeError(f"base is a {type(base).__name__}; give a torch.nn.Linear")
    largest = min(base.weight.shape)
    if not 1 <= rank <= largest:
        raise ValueError(f"rank is {rank}; give 1 to {largest} for a layer of this size")
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha is {alpha}; give a number above 0")


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

    Raises
    ------
    ValueError
        If no linear layer has such a name, the model has corrections already, or ``rank`` or
        ``alpha`` is out of its range. The model then stays as it was.
    """
    backbone = getattr(model, "backbone", model)
    found = _targets(backbone, targets, rank, alpha)
    freeze(backbone)
    with seeded(seed):
        for name, layer in found.items():
            backbone.set_submodule(name, LoRALinear(layer, rank, alpha))
    return model


def _targets(backbone, targets, rank, alpha) -> dict[str, nn.Linear]:
    """Return the layers whose names end with one of the targets, after all were checked."""
    if lora_layers(backbone):
        raise ValueError("model has LoRA layers already; add them to a model without")
    names = [name for name, part in backbone.named_modules() if isinstance(part, nn.Linear)]
    endings = sorted({name.rpartition(".")[2] for name in names})
    missing = [target for target in targets if target not in endings]
    if missing or not targets:
        raise ValueError(
            f"targets is {list(targets)}; the linear layers of the model are {endings}"
        )
    found = {n: backbone.get_submodule(n) for n in names if n.rpartition(".")[2] in targets}
    for layer in found.values():
        _check(layer, rank, alpha)
    return found


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """Return all LoRA layers of a model by name; empty if there are none."""
    return {name: part for name, part in model.named_modules() if isinstance(part, LoRALinear)}


@torch.no_grad()
def merge_lora(model: nn.Module) -> nn.Module:
    """Change the model: add each correction to its frozen weights; the outputs stay the same.

    A merged layer costs what the layer cost before. Merging twice is merging once.
    """
    for layer in _layers_of(model):
        if not layer.is_merged:
            layer.base.weight += layer.correction()
            layer.is_merged = True
    return model


@torch.no_grad()
def unmerge_lora(model: nn.Module) -> nn.Module:
    """Change the model: take the corrections out of the weights again, up to rounding."""
    for layer in _layers_of(model):
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
    if any(layer.is_merged for layer in layers):
        raise ValueError("model has merged LoRA layers; call unmerge_lora first")
    before = [layer.is_disabled for layer in layers]
    try:
        for layer in layers:
            layer.is_disabled = True
        yield model
    finally:
        for layer, was_disabled in zip(layers, before, strict=True):
            layer.is_disabled = was_disabled


def lora_state(model: nn.Module) -> dict[str, Tensor]:
    """Return what has to be saved: A and B of each LoRA layer, and the head if there is one.

    A head that is forgotten here is a frequent mistake: it is new, and no download has it.

    Raises
    ------
    ValueError
        If the model has no LoRA layer.
    """
    _layers_of(model)
    prefixes = tuple(f"{name}.{matrix}" for name in lora_layers(model) for matrix in "AB")
    state = model.state_dict().items()
    return {n: t.detach().clone() for n, t in state if n in prefixes or n.startswith("head.")}


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
    ValueError
        If names or shapes differ, or the model is merged. Nothing is loaded then.
    """
    own = {name: tuple(tensor.shape) for name, tensor in lora_state(model).items()}
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if own != given:
        name = min(n for n in own.keys() | given.keys() if own.get(n) != given.get(n))
        raise ValueError(
            f"state has {given.get(name, 'nothing')} for {name} and the model has "
            f"{own.get(name, 'no such part')}; build the model as it was when it was saved"
        )
    if any(layer.is_merged for layer in _layers_of(model)):
        raise ValueError("model has merged LoRA layers; call unmerge_lora first")
    model.load_state_dict(state, strict=False)
    return model


def _layers_of(model: nn.Module) -> list[LoRALinear]:
    layers = list(lora_layers(model).values())
    if not layers:
        raise ValueError("model has no LoRA layer; call add_lora first")
    return layers


def peft_lora(
    model: nn.Module,
    rank: int,
    alpha: float,
    targets: Sequence[str] = ("query", "value"),
    seed: int = 0,
) -> nn.Module:
    """Change the model as `add_lora` does, with the library peft instead of our own lines.

    Parameters
    ----------
    model : torch.nn.Module
        A `Classifier`, or a backbone. Changed in place, and returned.
    rank, alpha, targets, seed : int, float, sequence of str, int
        As in `add_lora`. The matrices A are drawn in the same way, but not to the same numbers.
    """
    from peft import LoraConfig, inject_adapter_in_model  # takes seconds to import

    backbone = getattr(model, "backbone", model)
    _targets(backbone, targets, rank, alpha)  # peft would take a rank that is too large
    settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets), lora_dropout=0.0)
    with seeded(seed):
        inject_adapter_in_model(settings, backbone)
    return model
