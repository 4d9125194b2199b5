"""Ask a network: batches without gradients, in evaluation mode, on the best device.

Letters in shapes: N samples, K classes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_utils.environment.machine import device, keep_freed_memory


@contextmanager
def evaluation_mode(model: nn.Module):
    """Put a model into evaluation mode for a while, then give each part its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, was_training in modes:
            module.training = was_training


@contextmanager
def answering(model: nn.Module) -> Iterator[str]:
    """Take a model to the best device, in evaluation mode and without gradients, for a while.

    Its modes and its device are given back at the end. What is computed inside are inference
    tensors, which cannot take part in training.

    Yields
    ------
    str
        The device, to which the inputs have to go as well.
    """
    home, place = next(model.parameters()).device, device()
    try:
        with evaluation_mode(model.to(place)), torch.inference_mode():
            yield place
    finally:
        model.to(home)


# Numbers in a batch that needs no gradient: four images of 192 x 192 pixels. What the layers of a
# network make of such a batch fits into the caches of a processor. Batches of 64 images ran 1.7 to
# 3 times slower, much of it spent in getting and clearing memory (make bench measures it again).
NUMBERS_AT_ONCE = 4 * 192 * 192


# Tokens are whole numbers, and the layers make hundreds of numbers of each: count them apart. On
# one core a BERT of width 384 read 512 to 4,096 tokens at once equally fast; more need more memory.
TOKENS_AT_ONCE = 2048


ACCELERATOR_FACTOR = 16  # a graphics card is busy only with larger batches


def forward_batches(inputs: Tensor) -> tuple[Tensor, ...]:
    """Cut inputs into batches for a pass without gradients: large inputs, small batches.

    Parameters
    ----------
    inputs : torch.Tensor of shape (N, ...)
        Images, activations or features of N samples; tokens of N texts, int64.

    Raises
    ------
    TypeError
        If the inputs are no tensor.

    Examples
    --------
    >>> [len(batch) for batch in forward_batches(torch.zeros(10, 1, 192, 192))]
    [4, 4, 2]
    """
    check_tensor(inputs)
    keep_freed_memory()
    at_once = TOKENS_AT_ONCE if inputs.dtype == torch.int64 else NUMBERS_AT_ONCE
    return inputs.split(_batch_size(at_once, inputs[:1].numel()))


def _batch_size(at_once: int, numbers_each: int) -> int:
    """Return how many samples to take at once, more of them on a graphics card; at least one."""
    at_once *= 1 if device() == "cpu" else ACCELERATOR_FACTOR
    return max(1, at_once // max(1, numbers_each))


def bucket_by_length(lengths: Tensor) -> list[Tensor]:
    """Group texts of like length, the longest first, for a pass without gradients.

    Parameters
    ----------
    lengths : torch.Tensor of shape (N,), int64
        Number of tokens of each text.

    Returns
    -------
    list of torch.Tensor of int64
        Positions of the texts; each group has about as many tokens as the others.

    Examples
    --------
    >>> bucket_by_length(torch.tensor([3, 1500, 900, 1000]))
    [tensor([1]), tensor([3, 2]), tensor([0])]
    """
    keep_freed_memory()
    order, groups = lengths.argsort(descending=True, stable=True), []
    while len(order):
        size = _batch_size(TOKENS_AT_ONCE, int(lengths[order[0]]))
        groups.append(order[:size])
        order = order[size:]
    return groups


def check_tensor(inputs: Tensor) -> None:
    """Raise if the inputs of a network are no tensor, but texts.

    Raises
    ------
    TypeError
        With what to do.
    """
    if not isinstance(inputs, Tensor):
        raise TypeError(
            f"inputs is {inputs!r}, and a network reads tensors; turn texts into tokens first: "
            "token_task(task, backbone, max_tokens)"
        )


def predict(model: nn.Module, inputs: Tensor) -> Tensor:
    """Compute outputs (N, K) in evaluation mode, without gradients, on the CPU."""
    with answering(model) as place:
        outputs = [model(part.to(place)).cpu() for part in forward_batches(inputs)]
    # joined outside of inference mode: such tensors could not be targets of a loss (distillation)
    return torch.cat(outputs)
