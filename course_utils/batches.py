"""Cut samples into batches, and count the steps that this makes."""

from collections.abc import Iterator

import torch
from torch import Tensor

from course_utils.environment import device
from course_utils.memory import keep_freed_memory
from course_utils.tasks import Samples

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


def like_lengths(lengths: Tensor) -> list[Tensor]:
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
    >>> like_lengths(torch.tensor([3, 1500, 900, 1000]))
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


def epochs_for(num_steps: int, num_samples: int, batch_size: int = 32) -> int:
    """Return how many epochs make at least ``num_steps`` steps.

    With few samples an epoch is a step or two, so equal epochs would be unequal work.

    Parameters
    ----------
    num_steps, num_samples, batch_size : int
        Each at least 1; ``batch_size`` is that of `course_utils.training.fit`.

    Raises
    ------
    ValueError
        If one of them is below 1.

    Examples
    --------
    >>> epochs_for(100, num_samples=10), epochs_for(100, num_samples=320)
    (100, 10)
    """
    for name, value in (
        ("num_steps", num_steps),
        ("num_samples", num_samples),
        ("batch_size", batch_size),
    ):
        if value < 1:
            raise ValueError(f"{name} is {value}; give 1 or more")
    steps_in_epoch = len(cut(torch.arange(num_samples), batch_size))
    return -(-num_steps // steps_in_epoch)


def shuffled_batches(samples: Samples, batch_size: int) -> Iterator[Samples]:
    """Yield the samples in batches, in random order. Only one batch is copied at a time."""
    return map(samples.select, cut(torch.randperm(len(samples)), batch_size))


def cut(order: Tensor, batch_size: int) -> list[Tensor]:
    """Cut positions into batches.

    BatchNorm cannot normalise one sample, so a last single one joins the batch before it.
    """
    parts = list(order.split(batch_size))
    if len(parts) > 1 and len(parts[-1]) == 1 < batch_size:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
