r"""Alignment as a term: R compares the features of source and target while the network learns.

    min_w  1/n sum_i L(y_i, f_w(x_i))  +  lambda R(phi_w(X_S), phi_w(X_T))

X_S is the batch, with labels for L. X_T are as many inputs of the target, without labels. Here are
MMD and CORAL; a distance that is learned along is in `course_utils.objectives.adversarial`.

Letters in shapes: N samples in a batch, M inputs of the target, D features.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from course_utils.environment.tensors import as_rows
from course_utils.features.distances import checked_bandwidths, coral_distance, mmd_squared
from course_utils.models.inference import ask
from course_utils.objectives.base import Batch, Term, features_in


class Alignment(Term):
    """R that compares features of the batch with features of as many unlabelled target inputs.

    The inputs are drawn anew in each step; none comes twice if there are N or more. Both domains
    run through ``model.backbone``, and the gradient flows through both.

    Parameters
    ----------
    target_inputs : torch.Tensor of shape (M, ...)
        Inputs of the target, such as ``target.train.inputs``. They may lie on another device than
        the model.

    Raises
    ------
    TypeError, ValueError
        If they are no tensor, or there is none.

    Notes
    -----
    BatchNorm in training mode normalises each domain by its own batch and counts both domains into
    its running statistics. Weights of samples do not count.
    """

    role = "R"

    def __init__(self, target_inputs: Tensor):
        self.target_inputs = as_rows("target_inputs", target_inputs)

    def value(self, batch: Batch) -> Tensor:
        """Compute the term from features of both domains.

        Raises
        ------
        ValueError
            If the batch is empty, the model has no backbone or one that cannot learn from the term,
            or the target inputs are of another kind than those of the batch.
        """
        self._check(batch)
        return self.compare(batch.features, self._target_features(batch))

    @abstractmethod
    def compare(self, source: Tensor, target: Tensor) -> Tensor:
        """Compute the term from features (N, D) of source and target."""

    def _check(self, batch: Batch) -> None:
        """Raise if the batch cannot be compared with the target inputs."""
        own, given = self.target_inputs, batch.inputs
        if len(given) == 0:
            raise ValueError(f"{self.text} got an empty batch; it needs at least one sample")
        if torch.is_grad_enabled() and not features_in(self, batch).requires_grad:
            raise ValueError(
                f"{self.text} cannot bring the domains together: no gradient reaches the backbone; "
                "unfreeze a part of it, or leave the term out"
            )
        if own.ndim != given.ndim or own.dtype != given.dtype:
            raise ValueError(
                f"target_inputs has shape {tuple(own.shape)} of {own.dtype} and the batch "
                f"{tuple(given.shape)} of {given.dtype}; give both the same form and range"
            )

    def _target_features(self, batch: Batch) -> Tensor:
        """Run the backbone on target inputs that are drawn for this batch.

        The draw follows from torch's random numbers, which `fit` seeds, and from the batch. It
        leaves the numbers as they were. So `fit` with one seed gives one result, even with a term
        that was used before; and arms with other terms, or with lambda 0, see the source in the
        same order, with the same dropout, and draw the same target inputs: they are paired.
        """
        # looking for graphics cards takes longer than the draw: not where the batch is on none
        devices = [] if batch.inputs.device.type == "cpu" else None
        with torch.random.fork_rng(devices):
            # within an epoch the numbers may stand still, but each batch begins with another sample
            first = 0 if batch.indices is None else int(batch.indices[0])
            draw = torch.Generator().manual_seed(int(torch.randint(2**62, ())) + first)
            number, own = len(batch.inputs), self.target_inputs
            rounds = [torch.randperm(len(own), generator=draw) for _ in range(0, number, len(own))]
            drawn = own[torch.cat(rounds)[:number].to(own.device)]
            return ask(batch.model.backbone, drawn.to(batch.inputs.device))


class MMD(Alignment):
    r"""R = MMD^2 of the features of source and target. See `course_utils.features.mmd_squared`.

    Parameters
    ----------
    target_inputs : torch.Tensor of shape (M, ...)
        Inputs of the target, without labels.
    bandwidths : sequence of float, optional
        The widths of the Gaussians; default: by the distances in each batch.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    References
    ----------
    Long et al. 2015, arXiv:1502.02791 (deep adaptation networks, DAN).

    Examples
    --------
    >>> 0.5 * MMD(torch.zeros(10, 1, 28, 28))
    0.5 * MMD(target_inputs)
    """

    name = "MMD"
    latex = r"\mathrm{MMD}^2\big(\varphi_w(X_S), \varphi_w(X_T)\big)"

    def __init__(self, target_inputs: Tensor, *, bandwidths: Sequence[float] | None = None):
        super().__init__(target_inputs)
        self.bandwidths = None if bandwidths is None else checked_bandwidths(bandwidths)

    def compare(self, source: Tensor, target: Tensor) -> Tensor:
        """Compute MMD^2 of features (N, D) of source and target."""
        return mmd_squared(source, target, bandwidths=self.bandwidths)

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        own = "" if self.bandwidths is None else f", bandwidths={list(self.bandwidths)}"
        return f"MMD(target_inputs{own})"


class CORAL(Alignment):
    r"""R = distance of the covariances of the features of source and target.

    It needs two or more samples in a batch, and usually a large lambda, such as 100. See
    `course_utils.features.coral_distance`.

    Parameters
    ----------
    target_inputs : torch.Tensor of shape (M, ...)
        Inputs of the target, without labels.

    References
    ----------
    Sun and Saenko 2016, arXiv:1607.01719 (deep CORAL).

    Examples
    --------
    >>> 100 * CORAL(torch.zeros(10, 1, 28, 28))
    100 * CORAL(target_inputs)
    """

    name = "CORAL"
    latex = (
        r"\tfrac{1}{4D^2}\big\lVert \mathrm{cov}\,\varphi_w(X_S) - "
        r"\mathrm{cov}\,\varphi_w(X_T)\big\rVert_F^2"
    )
    text = "CORAL(target_inputs)"

    def compare(self, source: Tensor, target: Tensor) -> Tensor:
        """Compute the distance of the covariances of features (N, D) of source and target."""
        return coral_distance(source, target)
