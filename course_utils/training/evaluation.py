"""Measure a model, which stays unchanged.

Letters in shapes: N samples, K classes.
"""

import time

import torch
from torch import Tensor, nn

from course_utils.data.samples import Samples, check_samples
from course_utils.environment.arguments import check_module
from course_utils.environment.tensors import as_labels
from course_utils.models.inference import answering, as_inputs, ask, predict
from course_utils.objectives.base import Batch, Objective
from course_utils.training.metrics import Metrics, compute_metrics


def evaluate(model: nn.Module, samples: Samples) -> Metrics:
    """Measure a model on samples. It stays unchanged.

    Parameters
    ----------
    model : torch.nn.Module
        Gives a score for each of K classes, (N, K).
    samples : Samples
        With labels from 0 to K - 1; see `compute_metrics` for the weights.

    Raises
    ------
    TypeError, ValueError
        If there is no sample, the label of one is unknown or beyond the classes, or an output is
        no finite number.
    """
    check_samples("samples", samples)
    labels = as_labels("samples", samples.labels)
    return compute_metrics(predict(model, samples.inputs), labels, samples.weights)


def sample_loss(model: nn.Module, samples: Samples, objective: Objective) -> float:
    """Compute the losses L of an objective on samples, without its regularisers R.

    The model stays unchanged.
    """
    batch = _batch(model, samples, predict(model, samples.inputs))
    with torch.no_grad():
        return float(sum(f * term.value(batch) for f, term in objective.parts if term.role == "L"))


def check_terms(
    name: str, model: nn.Module, samples: Samples, objective: Objective, *, roles: str = "LR"
) -> None:
    """Raise before any training if terms of an objective cannot be computed for samples.

    One input runs through the model; its answer stands for all, so that the labels and indices of
    all samples are looked at. ``roles`` says which terms: L, R or both.

    Raises
    ------
    TypeError, ValueError
        With what does not fit; the message begins with the name of the samples.
    """
    try:
        with torch.random.fork_rng():  # a model may draw numbers in evaluation mode as well
            answer = predict(model, samples.inputs[:1])
        outputs = answer.expand(len(samples), *answer.shape[1:])
        batch = _batch(model, samples, outputs)
        for _, term in objective.parts:
            if term.role in roles:
                term.check(batch)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


def _batch(model: nn.Module, samples: Samples, outputs: Tensor) -> Batch:
    return Batch(model, samples.inputs, samples.labels, outputs, samples.weights, samples.indices)


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
    check_module("model", model)
    inputs = as_inputs(inputs)
    if len(inputs) < 2:
        raise ValueError(f"inputs has the length {len(inputs)}; give at least 2, better 30")
    milliseconds = []
    with answering(model):
        for one in inputs.split(1):
            start = time.perf_counter()
            ask(model, one).cpu()  # to the CPU: an accelerator has to be waited for
            milliseconds.append(1000 * (time.perf_counter() - start))
    return min(milliseconds)
