"""Measure a model, which stays unchanged.

Letters in shapes: N samples, K classes.
"""

import time

from torch import Tensor, nn

from course_utils.data.samples import Samples
from course_utils.models.inference import answering, predict
from course_utils.objectives.base import Batch, Objective
from course_utils.training.metrics import Metrics, compute_metrics


def evaluate(model: nn.Module, samples: Samples) -> Metrics:
    """Measure a model on samples. It stays unchanged.

    Raises
    ------
    ValueError
        If there is no sample, or the label of one is unknown.
    """
    if len(samples) == 0:
        raise ValueError("samples is empty; give at least one sample to measure on")
    if samples.labels.min() < 0:
        raise ValueError(
            f"samples has the label {samples.labels.min()}, which is no class: nobody knows "
            "whether an answer is right; give labelled samples to measure on"
        )
    return compute_metrics(predict(model, samples.inputs), samples.labels, samples.weights)


def sample_loss(model: nn.Module, samples: Samples, objective: Objective) -> float:
    """Compute the losses L of an objective on samples, without its regularisers R.

    The model stays unchanged.
    """
    outputs = predict(model, samples.inputs)
    batch = Batch(model, samples.inputs, samples.labels, outputs, samples.weights, samples.indices)
    losses = [factor * term.value(batch) for factor, term in objective.parts if term.role == "L"]
    return float(sum(losses))


def latency(model: nn.Module, inputs: Tensor) -> float:
    """Measure how long a model takes for one answer, one input at a time.

    The shortest time counts: whatever else the machine does can only make an answer slower. Still,
    compare only what was measured in one run.

    Parameters
    ----------
    model : torch.nn.Module
        Runs in evaluation mode without gradients, and stays unchanged.
    inputs : torch.Tensor of shape (N, ...)
        At least two.

    Raises
    ------
    ValueError
        If there are fewer than two inputs.

    Examples
    --------
    >>> import torch
    >>> latency(nn.Linear(4, 2), torch.zeros(30, 4)) > 0
    True
    """
    if len(inputs) < 2:
        raise ValueError(f"inputs has the length {len(inputs)}; give at least 2, better 30")
    milliseconds = []
    with answering(model) as place:
        for one in inputs.split(1):
            start = time.perf_counter()
            model(one.to(place)).cpu()  # to the CPU: an accelerator has to be waited for
            milliseconds.append(1000 * (time.perf_counter() - start))
    return min(milliseconds)
