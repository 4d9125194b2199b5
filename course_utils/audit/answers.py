"""What a model answers, and which tensor of it are the scores."""

from typing import Any

import torch
from torch import Tensor, nn

from course_utils.audit.reasons import NotCheckable

SCORES = ("logits", "out")  # names under which models of other libraries give their scores


def device_of(model: nn.Module) -> torch.device:
    """Return where the first weight of a model is."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def fresh(value: Tensor, place: torch.device) -> Tensor:
    """Return a copy on a device: a model may change its inputs, and the next trial needs them."""
    return value.detach().to(place, copy=True)


def answer_of(model: nn.Module, inputs: Any) -> Any:
    """Return what a model answers, in the form that it has."""
    place = device_of(model)
    if isinstance(inputs, dict):
        return model(**{name: fresh(value, place) for name, value in inputs.items()})
    return model(fresh(inputs, place))


def scores_in(answer: Any, labels: Tensor | None) -> Tensor:
    """Return the scores (N, K) in an answer, however it wraps them.

    Of several tensors it is the one that fits the labels. If that decides nothing, it is the one
    with a gradient: a frozen part often gives its features, too. One number is a loss.

    Parameters
    ----------
    answer : object
        What a model gave.
    labels : torch.Tensor or None
        Of some or all samples.

    Raises
    ------
    NotCheckable
        If there are no scores, or it cannot be told which tensor they are.
    """
    found = answer
    if hasattr(found, "logits"):
        found = found.logits
    elif isinstance(found, dict):
        found = next((found[name] for name in SCORES if name in found), None)
    elif isinstance(found, tuple | list):
        tensors = [each for each in found if isinstance(each, Tensor) and each.ndim]
        tensors = [each for each in tensors if _fits(each, labels)] or tensors
        if len(tensors) > 1:
            tensors = [each for each in tensors if each.requires_grad] or tensors
        if len(tensors) > 1:
            shapes = " and ".join(str(tuple(each.shape)) for each in tensors)
            told = f"The model answers with several tensors, {shapes}: which are the scores?"
            raise NotCheckable(f'{told} Give a model that returns these alone, or as "logits".')
        found = tensors[0] if tensors else None
    if not isinstance(found, Tensor):
        raise NotCheckable("The model gives no scores: no tensor, and nothing named logits.")
    return found


def _fits(found: Tensor, labels: Tensor | None) -> bool:
    """Return whether a tensor has one score for each class of the labels, or one number each."""
    if labels is None:
        return False
    if labels.is_floating_point():
        return found.shape[1:].numel() == labels.shape[1:].numel()
    classes = labels[labels >= 0].unique()
    if not len(classes) or found.ndim != labels.ndim + 1:
        return False
    return found.shape[1] in (len(classes), int(classes.max()) + 1)  # some do not begin at 0
