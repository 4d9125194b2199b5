"""What a training run leaves behind: its terms over time, and its best weights."""

import math
from copy import deepcopy
from dataclasses import dataclass, field

from torch import nn

from course_utils.objectives.base import Objective


class TrainingDivergedError(ArithmeticError):
    """A term of the objective became infinite or not a number."""


def check_finite(values: dict[str, float]) -> None:
    """Raise `TrainingDivergedError` if one of the values is no finite number."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise TrainingDivergedError(
                f"the term {name!r} is {value}, not a finite number; lower learning_rate or the "
                "factor of the term, and look for inputs that are not finite"
            )


def check_weights(model: nn.Module) -> None:
    """Raise `TrainingDivergedError` if a weight is no finite number; then all its answers are so.

    The loss of the last step was computed before that step, so it cannot tell.
    """
    for name, weight in model.named_parameters():
        if weight.requires_grad and not weight.isfinite().all():
            raise TrainingDivergedError(
                f"the weights {name.split('.', 1)[-1]!r} became infinite or not a number in the "
                "last step; lower learning_rate, and look for a term with an infinite gradient"
            )


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

    def note(self, means: dict[str, float], loss: float | None) -> None:
        """Add an epoch: the mean of each term, and the loss on validation if there is one.

        Raises
        ------
        TrainingDivergedError
            If that loss is no finite number; the epoch is not added then.
        """
        if loss is not None:
            check_finite({"loss on validation": loss})
            self.validation_loss.append(loss)
        for name, mean in means.items():
            self.terms[name].append(mean)

    @property
    def num_epochs(self) -> int:
        """Number of epochs that were run."""
        return len(next(iter(self.terms.values())))

    def __repr__(self):
        names = ", ".join(self.terms)
        return f"History({self.num_epochs} epochs of {names}; best epoch {self.best_epoch})"


class EarlyStopping:
    """Remember the weights to go back to, and say when training is over.

    Parameters
    ----------
    model : torch.nn.Module
        The model that is being trained.
    patience : int, optional
        Epochs without improvement after which training is over. None: never.
    """

    def __init__(self, model: nn.Module, patience: int | None):
        self.model = model
        self.patience = patience
        self.lowest = math.inf
        self.last = 0
        self._keep(0)

    def _keep(self, epoch: int) -> None:
        """Copy the weights, and all else that the model stores; what is frozen stays as it is."""
        self.epoch = epoch
        changing = self.model.state_dict()
        for name, value in self.model.state_dict(keep_vars=True).items():
            if isinstance(value, nn.Parameter) and not value.requires_grad:
                del changing[name]
        self.weights = deepcopy(changing)

    def note(self, epoch: int, loss: float | None) -> bool:
        """Note an epoch that came to its end, with its loss on validation if there is one.

        The weights are kept if the loss is the lowest so far, or if there is none.

        Returns
        -------
        bool
            True if training should stop.
        """
        self.last = epoch
        if loss is None or loss < self.lowest:
            self.lowest = self.lowest if loss is None else loss
            self._keep(epoch)
        return self.patience is not None and epoch - self.epoch >= self.patience

    def finish(self) -> int:
        """Return the epoch of the weights at the end: with patience the best ones, else the last.

        Changes the model where it has to go back.
        """
        return self.last if self.patience is None else self.restore()

    def restore(self) -> int:
        """Change the model: give it the weights that were kept; return their epoch, or 0."""
        self.model.load_state_dict(self.weights, strict=False)  # what was frozen is not among them
        return self.epoch
