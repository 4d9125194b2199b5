"""A linear head on the features of a frozen backbone; its strength is chosen on validation.

Letters in shapes: N inputs, D features, K classes.
"""

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor, nn

from course_utils.data.samples import Samples
from course_utils.environment.machine import progress_bar
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.loop import linear_probe

STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)  # lambda, to choose from; of equals the strongest


def scored(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return accuracy and mean cross-entropy of logits (N, K) for labels (N,).

    Examples
    --------
    >>> scored(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))["accuracy"]
    0.5
    """
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    return {"accuracy": accuracy, "loss": F.cross_entropy(logits.double(), labels).item()}


def is_better(found: dict[str, float], best: dict[str, float] | None) -> bool:
    """Whether scores are better than others: by accuracy, and of equal accuracy by the loss.

    Examples
    --------
    >>> is_better({"accuracy": 0.9, "loss": 0.3}, {"accuracy": 0.9, "loss": 0.4})
    True
    """
    if best is None or found["accuracy"] != best["accuracy"]:
        return best is None or found["accuracy"] > best["accuracy"]
    return found["loss"] < best["loss"]


def probe(features: Tensor, labels: Tensor, parts: dict[str, Tensor], num_classes: int):
    """Learn a head on the training part, with each strength, and keep the best on validation.

    Features are shifted and scaled as `course_utils.features.feature_task` does; the head that is
    returned has that inside, and reads features as the backbone gives them.

    Parameters
    ----------
    features : torch.Tensor of shape (N, D), float32
        Of all inputs.
    labels : torch.Tensor of shape (N,), int64
        Their classes.
    parts : dict of str to torch.Tensor
        Positions of ``"train"`` and ``"validation"``.
    num_classes : int
        K.

    Returns
    -------
    torch.nn.Linear
        The head.
    dict
        Its strength, and accuracy and loss on validation.

    Raises
    ------
    ValueError
        If all features are the same.
    """
    train, validation = features[parts["train"]], features[parts["validation"]]
    mean = train.mean(0)
    scale = (train - mean).std()
    if not scale > 0:
        raise ValueError("all inputs give the same features; look whether the data are right")
    samples = Samples((train - mean) / scale, labels[parts["train"]])
    best, kept = None, None
    for strength in progress_bar(STRENGTHS, "probe", unit="lambda"):
        objective = CrossEntropy() + strength * L2()
        head = linear_probe(samples, objective, num_classes=num_classes)
        with torch.no_grad():
            head.weight /= scale
            head.bias -= head.weight @ mean
            found = scored(head(validation), labels[parts["validation"]])
        if is_better(found, best):
            best, kept = found, (head, strength)
    assert best is not None and kept is not None
    return kept[0], {"strength": kept[1]} | best


def head_of(tensors: dict[str, Tensor]) -> nn.Linear:
    """Return the head that has this weight (K, D) and this bias (K,). See `probe`."""
    head = nn.utils.skip_init(nn.Linear, *reversed(tensors["weight"].shape))
    head.load_state_dict(tensors)
    return head
