"""Several processes that train one model: each computes the gradient of its part of a batch.

torch's DistributedDataParallel averages gradients. What is here makes of these averages the
gradient of the whole batch, also where parts differ in size.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from course_utils.data.samples import Samples
from course_utils.environment.fingerprints import fingerprint
from course_utils.models.freezing import batch_norms, is_held
from course_utils.objectives.base import Objective


class Team:
    """The processes that train a model together; often it is one alone.

    Parameters
    ----------
    model : torch.nn.Module
        As `fit` got it: a ``DistributedDataParallel`` has a team, any other model is alone.
    """

    def __init__(self, model: Any):
        self.model = model
        self.is_many = isinstance(model, DistributedDataParallel)
        self.network = model.module if self.is_many else model
        self.group = model.process_group if self.is_many else None
        self.rank = dist.get_rank(self.group) if self.is_many else 0
        self.size = dist.get_world_size(self.group) if self.is_many else 1

    def check(self, samples: Samples, objective: Objective, *settings: Any) -> None:
        """Raise, in each process, if together they would do something else than one alone.

        Parameters
        ----------
        samples, objective
            As `fit` got them.
        *settings : number or str
            What else must be the same in all processes, or one would wait for another for ever.

        Raises
        ------
        ValueError
            If BatchNorm would normalise by a part of a batch, a term brings along a module, whose
            gradients nobody averages, or the processes got different samples or settings.
        """
        if not self.is_many:
            return
        for layer in batch_norms(self.network):
            if not is_held(layer) and not isinstance(layer, nn.SyncBatchNorm):
                raise ValueError(
                    "model has BatchNorm, which would see only a part of each batch; freeze it, "
                    "take GroupNorm, or on graphics cards SyncBatchNorm.convert_sync_batchnorm"
                )
        for name in objective.helpers():
            raise ValueError(
                f"objective brings along the module {name!r}, whose gradients no process sends to "
                "the others; leave that term out, or train in one process"
            )
        own = fingerprint(samples.labels, samples.indices, settings)
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, own, group=self.group)
        if len(set(found)) > 1:
            raise ValueError(
                "samples or other arguments differ between the processes; give all of them the "
                "same, of which each takes its part of every batch"
            )

    def as_the_first(self, value: Any) -> Any:
        """Return the value of the first process in all of them."""
        if not self.is_many:
            return value
        values = [value]
        dist.broadcast_object_list(values, group=self.group, group_src=0)
        return values[0]

    def part_of(self, batch: Samples) -> tuple[Samples, float]:
        """Return what this process takes of a batch, and how much of the batch it is, 0 to 1.

        Each has to run the model, or the others would wait: of fewer samples than processes some
        take one that counts nothing.
        """
        if not self.is_many:
            return batch, 1.0
        rows = torch.arange(self.rank, len(batch), self.size)
        share = len(rows) / len(batch)
        return batch.select(rows if len(rows) else torch.zeros(1, dtype=torch.int64)), share

    def means(self, values: dict[str, Tensor], share: float) -> dict[str, float]:
        """Return the terms of the whole batch from those of the parts."""
        if not self.is_many:
            return {name: value.item() for name, value in values.items()}
        parts = torch.stack([share * value.detach().double() for value in values.values()])
        dist.all_reduce(parts, group=self.group)
        return dict(zip(values, parts.tolist(), strict=True))

    def descend(self, total: Tensor, share: float, of_batch: float) -> Tensor | float:
        """Compute the gradients of the whole batch; return the value that they belong to.

        Parameters
        ----------
        total : torch.Tensor
            The objective on the part of this process.
        share : float
            How much of the batch that part is.
        of_batch : float
            The objective on the batch: an optimiser that searches a line goes by it, in each
            process alike.
        """
        if not self.is_many:
            total.backward()
            return total
        (total * (share * self.size)).backward()  # averaged over the processes, these are sums
        return of_batch
