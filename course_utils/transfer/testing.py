"""The one look at the test part: metrics with intervals, confusion, calibration, worst errors.

Letters in shapes: N inputs of the test part, K classes.
"""

import torch
from torch import Tensor

from course_utils.data.own import OwnData
from course_utils.transfer.measures import (
    balanced,
    bootstrap,
    calibration_error,
    confusion,
    interval,
)

WORST = 20  # errors that are listed
LONGEST = 200  # characters of a text in the list


def tested(
    logits: Tensor,
    temperature: float,
    data: OwnData,
    *,
    rows: Tensor,
    clusters: Tensor,
    baseline: dict,
) -> dict:
    """Measure answers on the test part, beside those of the baselines.

    Parameters
    ----------
    logits : torch.Tensor of shape (N, K), float
        What the model answers.
    temperature : float
        Divides them.
    data : OwnData
        All data.
    rows : torch.Tensor of shape (N,), int64
        Positions of the test part in the data.
    clusters : torch.Tensor of shape (N,), int64
        Equal for inputs that belong together.
    baseline : dict
        What `course_utils.transfer.baselines` has found.

    Returns
    -------
    dict
        Plain values, for a file.
    """
    labels, said = data.labels[rows], logits.argmax(1)
    sure = (logits.double() / temperature).softmax(1)
    others = {
        "majority": torch.full_like(labels, baseline["majority"]["label"]),
        "classical": torch.tensor(baseline["classical"]["said"], dtype=torch.int64),
    }
    right = said == labels
    gain = right.double() - (others["classical"] == labels).double()
    return {
        "number": len(labels),
        "groups": len(clusters.unique()),
        "accuracy": interval(right, clusters),
        "balanced_accuracy": bootstrap(lambda r: balanced(said[r], labels[r]), clusters),
        "baselines": {name: interval(each == labels, clusters) for name, each in others.items()},
        "gain over classical": bootstrap(lambda r: gain[r].mean().item(), clusters),
        "classes": _per_class(said, labels, clusters, data.classes),
        "confusion": confusion(said, labels, len(data.classes)),
        "calibration": {
            "temperature": temperature,
            "error_before": calibration_error(logits.double().softmax(1), labels),
            "error_after": calibration_error(sure, labels),
        },
        "worst": _worst(sure, labels, data, rows),
    }


def _per_class(said: Tensor, labels: Tensor, clusters: Tensor, classes: tuple[str, ...]) -> list:
    """Return for each class how much of it is found, and how often its name is right."""
    found = []
    for label, name in enumerate(classes):
        is_it, is_said = labels == label, said == label
        recall = interval(is_said[is_it], clusters[is_it])
        number = int(is_said.sum())
        precision = int((is_it & is_said).sum()) / number if number else None
        found.append(
            {"class": name, "number": int(is_it.sum()), "recall": recall, "precision": precision}
        )
    return found


def _worst(sure: Tensor, labels: Tensor, data: OwnData, rows: Tensor) -> list[dict]:
    """List errors, those first of which the model was most certain."""
    confidence, said = sure.max(1)
    wrong = (said != labels).nonzero()[:, 0]
    wrong = wrong[confidence[wrong].argsort(descending=True, stable=True)][:WORST]
    found = []
    for place in wrong.tolist():
        row = int(rows[place])
        about = {"where": data.places[row], "is": data.classes[labels[place]]}
        about |= {"said": data.classes[said[place]], "confidence": confidence[place].item()}
        if data.kind == "text":
            about["text"] = data.values[row][:LONGEST]
        found.append(about)
    return found
