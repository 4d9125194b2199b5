"""What a training run leaves behind: its terms over time, and its best weights."""

import math
from copy import deepcopy
from dataclasses import dataclass, field

from torch import nn

from course_utils.objectives.base import Objective


@dataclass
class History:
    """What happened in each epoch.

    Parameters
    ----------
    factors : dict of str to float
        Factor of each term, lambda for a regulariser.
    terms : dict of str to list of float
        Mean of each term over the epoch, without its factor.
    validation_loss : list of float
        Mean of the losses L over the validation samples, without regularisers.
    best_epoch : int
        Epoch, from 1 on, whose weights the model has now.
    """

    factors: dict[str, float]
    terms: dict[str, list[float]]
    validation_loss: list[float] = field(default_factory=list)
    best_epoch: int = 0

    @classmethod
    def of(cls, objective: Objective) -> "History":
        """Return an empty history for the terms of an objective."""
        factors = {name: factor for name, (factor, _) in objective.named_parts().items()}
        return cls(factors, {name: [] for name in factors})

    @property
    def num_epochs(self) -> int:
        """Number of epochs that were run."""
        return len(next(iter(self.terms.values())))

    def __repr__(self):
        names = ", ".join(self.terms)
        return f"History({self.num_epochs} epochs of {names}; best epoch {self.best_epoch})"


class EarlyStopping:
    """Remember the weights with the lowest validation loss.

    Parameters
    ----------
    model : torch.nn.Module
        The model that is being trained.
    patience : int, optional
        Epochs without improvement after which training is over. None: never, and keep the last.
    """

    def __init__(self, model: nn.Module, patience: int | None):
        self.model = model
        self.patience = patience
        self.lowest = math.inf
        self.epoch = 0
        self.weights = None

    def is_over(self, epoch: int, loss: float) -> bool:
        """Note the validation loss after an epoch; True if training should stop."""
        if self.patience is None:
            return False
        if loss < self.lowest:
            self.lowest, self.epoch = loss, epoch
            self.weights = deepcopy(self.model.state_dict())
        return epoch - self.epoch >= self.patience

    def restore(self, last_epoch: int) -> int:
        """Change the model: give it the best weights. Return the epoch that they come from."""
        if self.weights is None:
            return last_epoch
        self.model.load_state_dict(self.weights)
        return self.epoch
