"""Check of the source: whether a model starts from the weights that it should start from."""

import math
from typing import Any

from torch import Tensor, nn

from course_utils.audit.reasons import NotCheckable
from course_utils.audit.report import Finding
from course_utils.audit.subject import Subject

NEVER_LOADED = 0.9  # relative distance to the source; two random starts have about 1.4
WRAPPERS = "_orig_mod.", "module."  # names that torch.compile and DataParallel put before others


def source_weights(subject: Subject) -> Finding:
    """Check that a model that should start from a source has its weights, near enough."""
    name = "source weights"
    if subject.source is None:
        return Finding(name, "not checked", "Give source, the pretrained model or its state_dict.")
    source = _tensors_of(subject.source)
    model = _unwrapped(dict(subject.model.named_parameters()))
    own = {path: p for path, p in model.items() if p.ndim > 1}
    shared = {
        path: p for path, p in own.items() if path in source and source[path].shape == p.shape
    }
    if len(shared) < len(own) / 2:
        what = f"Only {len(shared)} of {len(own)} weights have the name and shape of the source."
        return Finding(
            name, "wrong", what, "Use the same architecture, or copy the part that fits."
        )
    far = {path: distance(p, source[path]) for path, p in shared.items()}
    lost = [path for path, value in far.items() if not value <= NEVER_LOADED]
    if any(math.isnan(far[path]) for path in lost):
        what = "A weight of the model or of the source is NaN."
        return Finding(name, "wrong", what, "Load the source again.")
    if len(lost) > len(far) / 2:
        what = f"{len(lost)} of {len(far)} weights are as far from the source as random ones."
        return Finding(name, "wrong", what, "Load the weights, or lower the learning rate.")
    head = list(own)[-1] if own else ""
    lost = [path for path in lost if path != head]  # it may well be new
    if lost:
        what = f"{len(lost)} of {len(far)} weights are as far from the source as random ones"
        cure = "Are names equal? Load with strict=True."
        return Finding(name, "suspicious", f"{what}; the first is {lost[0]}.", cure)
    buffers = _unwrapped(dict(subject.model.named_buffers()))
    return _small_ones(model, buffers, source, far, head) or _near(name, far)


def _near(name, far) -> Finding:
    """Say how near the weights are."""
    if not far:
        return Finding(name, "not checked", "The model has no matrix or filter to compare.")
    equal = sum(value == 0 for value in far.values())
    if equal == len(far):
        return Finding(name, "ok", f"All {equal} weights equal the source.")
    path = max(far, key=far.__getitem__)
    told = f"{equal} of {len(far)} weights equal the source; {path} moved most, by {far[path]:.0%}."
    return Finding(name, "ok", told)


def _small_ones(model, buffers, source, far, head) -> Finding | None:
    """Compare biases and statistics where no weight moved, so that they should not have, either."""
    moved = [path for path, value in far.items() if value > 0 and path != head]
    if moved or not far:
        return None  # after training, biases may be anywhere
    are_frozen = any(not model[path].requires_grad for path in far)
    small = {p: t for p, t in model.items() if t.ndim == 1 and not (are_frozen and t.requires_grad)}
    for path, tensor in (small | buffers).items():
        start = source.get(path)
        if start is None or start.shape != tensor.shape or not tensor.is_floating_point():
            continue
        if path.rpartition(".")[0] == head.rpartition(".")[0] or tensor.numel() < 2:
            continue  # the head
        if not distance(tensor, start) <= NEVER_LOADED:
            what = f"{path} is far from the source, though no weight has moved."
            cure = "Load biases and statistics, too, and keep what is frozen in eval()."
            return Finding("source weights", "suspicious", what, cure)
    return None


def _tensors_of(source: Any) -> dict[str, Tensor]:
    """Return the weights of a source by name."""
    state = source.state_dict() if isinstance(source, nn.Module) else source
    tensors = {path: value for path, value in state.items() if isinstance(value, Tensor)}
    nested = next((key for key, value in state.items() if isinstance(value, dict) and value), None)
    if not tensors and nested is not None:
        raise NotCheckable(f"The source is a checkpoint; give its weights: source[{nested!r}].")
    return _unwrapped(tensors)


def _unwrapped(named: dict) -> dict:
    """Return weights under the names that they had before the model was wrapped."""
    for wrapper in WRAPPERS:
        while named and all(str(path).startswith(wrapper) for path in named):
            named = {path.removeprefix(wrapper): value for path, value in named.items()}
    return {path.replace(WRAPPERS[0], ""): value for path, value in named.items()}


def distance(weight: Tensor, start: Tensor) -> float:
    """Return how far a weight is from where it started, as a share of its length there."""
    start = start.detach().to(weight)
    return float((weight.detach() - start).norm() / start.norm().clamp(min=1e-12))
