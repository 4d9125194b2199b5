"""Steps of training: run the model on a batch, compute the terms, and let the optimiser move.

Letters in shapes: N samples, D features, K classes.
"""

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from course_utils.data.samples import Samples
from course_utils.models.inference import ask
from course_utils.objectives.base import Batch, Objective
from course_utils.training.batches import shuffled_batches
from course_utils.training.history import check_finite
from course_utils.training.optimizers import undone_on_error
from course_utils.training.processes import Team

# of the products and convolutions inside a model
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Stepper:
    """What makes the steps of a training.

    Parameters
    ----------
    team : Team
        The model, and the processes that train it.
    objective : Objective
        What is to become small.
    optimizer : torch.optim.Optimizer
        Moves the weights.
    scheduler : torch.optim.lr_scheduler.LRScheduler
        Moves the learning rate after each step.
    precision : {'float32', 'bfloat16'}
        In which the model runs; its weights, and the terms, stay as they are.
    """

    team: Team
    objective: Objective
    optimizer: Optimizer
    scheduler: LRScheduler
    precision: str = "float32"

    def run_epoch(self, samples: Samples, batch_size: int) -> dict[str, float]:
        """Make one step for each batch. Return the mean of each term over the samples."""
        sums: dict[str, float] = defaultdict(float)
        for batch in shuffled_batches(samples, batch_size, self.team.as_the_first):
            for name, value in self._step(batch, samples).items():
                sums[name] += value * len(batch)
        return {name: value / len(samples) for name, value in sums.items()}

    def _step(self, batch: Samples, data: Samples) -> dict[str, float]:
        """Make one step; return the value of each term before it, for the whole batch."""
        part, share = self.team.part_of(batch)
        last: dict[str, float] = {}

        # the values go into a dict: kept on closure itself, they would tie model and optimiser
        # into a cycle that stays in memory until the garbage collector comes
        def closure():
            self.optimizer.zero_grad(set_to_none=True)
            values = self._values(part, data)
            last.update(self.team.means(values, share))
            check_finite(last)
            total = self.objective.total(values)
            if not total.requires_grad:
                raise ValueError(
                    f"objective {self.objective!r} has no gradient for what learns in the model; "
                    "unfreeze the part that it looks at, or keep its value a tensor"
                )
            return self.team.descend(total, share, self.objective.total(last))

        with undone_on_error(self.optimizer):
            self.optimizer.step(closure)
        self.scheduler.step()
        for _, term in self.objective.parts:
            term.count_step()
        return last

    def _values(self, samples: Samples, data: Samples) -> dict[str, Tensor]:
        """Run the model on a batch and compute each term of the objective."""
        network = self.team.network
        place = next(network.parameters()).device
        inputs, labels = samples.inputs.to(place), samples.labels.to(place)
        weights = None if samples.weights is None else samples.weights.to(place)
        outputs, features = self._outputs_and_features(inputs)
        indices = samples.indices
        batch = Batch(network, inputs, labels, outputs, weights, indices, features, data)
        return self.objective.values(batch)

    def _outputs_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Run the model once; keep what its backbone gave on the way, if it has one."""
        backbone = getattr(self.team.network, "backbone", None)
        if not isinstance(backbone, nn.Module):
            return self._ask(inputs), None
        kept = []
        watch = backbone.register_forward_hook(lambda module, given, made: kept.append(made))
        try:
            outputs = self._ask(inputs)
            return outputs, _exact(kept[0]) if kept and isinstance(kept[0], Tensor) else None
        finally:
            watch.remove()

    def _ask(self, inputs: Tensor) -> Tensor:
        """Run the model in the precision of the training."""
        is_mixed = self.precision == "bfloat16"
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=is_mixed):
            return _exact(ask(self.team.model, inputs))


def _exact(made: Tensor) -> Tensor:
    """Return what a model made in half precision so that sums of it are exact enough."""
    return made.float() if made.dtype == torch.bfloat16 else made
