"""What an objective does with scores: seen from its values on scores that are made up."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from course_utils.audit.subject import BATCH, Subject
from course_utils.objectives.base import Objective

CLEAR, DRAWS = 3, 5  # how sure made-up answers are, and how often noise is drawn


def is_cross_entropy(objective: Any) -> bool:
    """Return whether an objective is torch's cross-entropy, the default."""
    return objective is None or _is(objective, functional.cross_entropy, nn.CrossEntropyLoss)


def is_binary_cross_entropy(objective: Any) -> bool:
    """Return whether an objective is torch's cross-entropy of yes and no, from logits."""
    return _is(objective, functional.binary_cross_entropy_with_logits, nn.BCEWithLogitsLoss)


def _is(objective: Any, function: Callable, module: type) -> bool:
    """Return whether an objective is a function, the module of it, or a partial of the function."""
    objective = getattr(objective, "func", objective)
    return objective is function or isinstance(objective, module)


def has_class_labels(labels: Tensor | None) -> bool:
    """Return whether labels are one whole number for each sample."""
    return labels is not None and not labels.is_floating_point() and labels.ndim == 1


def ignored(objective: Any) -> set[int]:
    """Return the labels that an objective leaves out."""
    keywords = getattr(objective, "keywords", {})
    return {
        -100, getattr(objective, "ignore_index", -100), keywords.get("ignore_index", -100)
    }  # fmt: skip


def is_shift_blind(objective: Callable, scores: Tensor, labels: Tensor) -> bool:
    """Return whether an objective of scores and labels sees no constant added to all scores.

    Then a softmax comes first.
    """
    return _alike(objective(scores, labels), objective(scores + 3, labels))


def scores_classes(subject: Subject) -> bool:
    """Return whether the objective takes outputs for scores of classes, and labels for classes.

    Embeddings and regression are no such scores. A function is asked: cross-entropy does not see
    a constant that is added to all scores, but sees when classes change their numbers.
    """
    labels, outputs = subject.part().first(BATCH).labels, subject.outputs
    if labels is None or not has_class_labels(labels) or outputs.ndim != 2 or outputs.shape[1] < 2:
        return False
    if is_cross_entropy(subject.objective) or isinstance(subject.objective, Objective):
        return True
    objective, labels = subject.spare.objective, labels.to(outputs.device)
    try:
        is_blind = is_shift_blind(objective, outputs, labels)
        renamed = objective(outputs, labels.max() - labels + labels.min())
        return is_blind and not _alike(objective(outputs, labels), renamed)
    except Exception:  # labels that are no classes of the model, most often
        return True


def pulls_away(subject: Subject) -> bool:
    """Return whether the optimiser prefers wrong answers: a sign is wrong.

    Looked at are answers that are made up, so that it does not matter what the model has learned.
    """
    labels, outputs = subject.part().first(BATCH).labels, subject.outputs
    trial = subject.spare
    if isinstance(trial.objective, Objective) or labels is None:
        return False
    labels = labels.to(outputs.device)
    groups = trial.optimizer.param_groups if trial.optimizer else []
    sign = -1 if any(group.get("maximize") for group in groups) else 1
    objective = trial.objective or functional.cross_entropy
    try:
        if scores_classes(subject):
            right = CLEAR * functional.one_hot(labels.long().clamp(min=0), outputs.shape[1]).float()
            wrong = [-right]
        elif labels.is_floating_point() and labels.shape == outputs.shape:
            noise = CLEAR * (1 + labels.std()) * torch.randn(DRAWS, *labels.shape).to(labels)
            right, wrong = labels, list(labels + noise)
        else:
            return False
        best, *worse = (
            sign * torch.as_tensor(objective(each, labels)).detach().item()
            for each in (right, *wrong)
        )
    except Exception:  # it cannot be tried: the check of the loss says whether it fails
        return False
    return max(worse) < best - 0.01 * abs(best)


def mixes_samples(subject: Subject) -> bool:
    """Return whether each answer is compared with the labels of all samples, as (N, 1) with (N,).

    Then it does not matter which answer belongs to which label.
    """
    outputs, labels = subject.outputs, subject.part().first(BATCH).labels
    shapes = {(len(outputs), 1), (len(outputs),)}
    if (
        labels is None
        or {tuple(outputs.shape), tuple(labels.shape)} != shapes
        or len(labels.unique()) < 2
    ):
        return False
    scores, objective = torch.randn(outputs.shape), subject.spare.objective
    labels = labels.cpu()
    try:
        value = objective(scores, labels)
        looks = not _alike(value, objective(scores, labels + 1))  # at labels at all
        return looks and _alike(value, objective(scores.roll(1, 0), labels))
    except Exception:  # the check of the loss says that it fails
        return False


def _alike(one, other) -> bool:
    """Return whether two values of a loss are equal up to rounding."""
    return bool(torch.allclose(torch.as_tensor(one), torch.as_tensor(other), 1e-4, 1e-6))
