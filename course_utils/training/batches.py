"""Cut samples into batches, and count the steps that this makes."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from course_utils.data.samples import Samples
from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked


@checked
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
        check_number(name, value, low=1, whole=True)
    batch_size = int(batch_size)
    steps_in_epoch = len(cut(torch.arange(num_samples), batch_size))
    return -(-num_steps // steps_in_epoch)


def shuffled_batches(
    samples: Samples, batch_size: int, agreed: Callable[[Tensor], Tensor] | None = None
) -> Iterator[Samples]:
    """Yield the samples in batches of ``batch_size``, in random order, and copy one at a time.

    ``agreed`` gets the order and returns the one to take: that of all processes that train.
    """
    order = torch.randperm(len(samples))
    return map(samples.select, cut(order if agreed is None else agreed(order), batch_size))


def cut(order: Tensor, batch_size: int) -> list[Tensor]:
    """Cut positions into batches.

    BatchNorm cannot normalise one sample, so a last single one joins the batch before it.
    """
    parts = list(order.split(min(batch_size, max(1, len(order)))))
    if len(parts) > 1 and len(parts[-1]) == 1 < batch_size:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
