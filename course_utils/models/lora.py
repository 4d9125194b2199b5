"""LoRA: a pretrained layer stays as it is, and a small product of two matrices is added to it.

    W = W0 + (alpha / r) B A

W0 (d, k) is frozen; A (r, k) and B (d, r) learn. B starts at zero, so that the network starts as
what it was. Letters in shapes: N samples, k inputs and d outputs of a layer, r its rank.
"""

import math
from collections import Counter
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from course_utils.environment.arguments import check_module, check_number, check_texts
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
