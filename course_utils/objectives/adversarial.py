r"""Domain-adversarial training: a distance of domains that is learned while it is made small.

A domain classifier learns to tell the features of source and target apart, and the network learns
features that it cannot tell apart. Both are steps of one gradient, reversed on its way between.

Letters in shapes: N samples in a batch, M inputs of the target, D features.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from torch import Tensor, nn

from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked
from course_utils.environment.machine import seeded
from course_utils.objectives.alignment import Alignment


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, strength):
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.strength * gradient, None


@checked
def reverse_gradient(features: Tensor, strength: float) -> Tensor:
    """Return the features unchanged; their gradient will be multiplied by ``-strength``.

    What comes after learns to tell the domains apart, what comes before learns to prevent it.

    Parameters
    ----------
    features : torch.Tensor
        Of any shape.
    strength : float
        0 stops the gradient, 1 turns it round.

    References
    ----------
    Ganin et al. 2016, arXiv:1505.07818, section 4.2 (gradient reversal layer).

    Examples
    --------
    >>> features = torch.tensor([2.0], requires_grad=True)
    >>> reverse_gradient(features, 0.5).square().backward()
    >>> features.grad  # 2 * 2, times -0.5
    tensor([-2.])
    """
    return _Reversal.apply(features, strength)


class DomainAdversarial(Alignment):
    r"""R = how well a domain classifier tells the features apart, with its gradient reversed.

    The value is the cross-entropy of the domain classifier, source and target counting half each.
    The classifier makes it small; the backbone, which gets the reversed gradient, makes it large.
    Where the domains cannot be told apart it is log 2 = 0.69. The classifier learns along in `fit`,
    under the name ``"domain_classifier"``.

    Parameters
    ----------
    target_inputs : torch.Tensor of shape (M, ...)
        Inputs of the target, without labels.
    num_features : int
        D, the features of the backbone.
    ramp_steps : int or None
        Steps in which the strength of the reversal rises from 0 to 1, usually all steps of the
        training. None: full strength from the first step on.
    hidden : int
        Units in the hidden layer of the domain classifier.
    seed : int
        Makes the first weights of the domain classifier reproducible.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Notes
    -----
    The classifier and the count of steps belong to the term: make a new one for each training.
    Lambda scales the gradient of both players; in the paper the classifier's is not scaled. A
    value of 0.69 from the first epoch on means that the classifier is too weak, not success. If the
    value swings, give the classifier a larger learning rate than the backbone.

    References
    ----------
    Ganin et al. 2016, arXiv:1505.07818, section 4.2, and for the ramp section 5.2.2.

    Examples
    --------
    >>> 1.0 * DomainAdversarial(torch.zeros(10, 1, 28, 28), 64, ramp_steps=500)
    DomainAdversarial(target_inputs, 64, ramp_steps=500)
    """

    name = "domain-adversarial"
    latex = (
        r"L_{\mathrm{domain}}\big(d(\mathcal{R}\,\varphi_w(X_S)), "
        r"d(\mathcal{R}\,\varphi_w(X_T))\big)"
    )

    def __init__(
        self,
        target_inputs: Tensor,
        num_features: int,
        *,
        ramp_steps: int | None,
        hidden: int = 64,
        seed: int = 0,
    ):
        super().__init__(target_inputs)
        num_features = check_number("num_features", num_features, low=1, whole=True)
        hidden = check_number("hidden", hidden, low=1, whole=True)
        if ramp_steps is not None:
            ramp_steps = check_number("ramp_steps", ramp_steps, low=1, whole=True)
        self.num_features, self.hidden, self.seed = num_features, hidden, seed
        self.ramp_steps = ramp_steps
        self.num_steps = 0
        with seeded(seed):
            self.domain_classifier = nn.Sequential(
                nn.Linear(num_features, hidden), nn.ReLU(), nn.Linear(hidden, 1)
            )

    def count_step(self) -> None:
        """Let the ramp go on by one step of the optimiser."""
        self.num_steps += 1

    def own_helpers(self) -> dict[str, nn.Module]:
        """Return the domain classifier, which learns with the model."""
        return {"domain_classifier": self.domain_classifier}

    @property
    def strength(self) -> float:
        """Strength of the reversal in the next step, 0 to 1."""
        if self.ramp_steps is None:
            return 1.0
        progress = min(1.0, self.num_steps / self.ramp_steps)
        return 2 / (1 + math.exp(-10 * progress)) - 1

    def compare(self, source: Tensor, target: Tensor) -> Tensor:
        """Compute the cross-entropy of the domain classifier.

        Raises
        ------
        ValueError
            If the features are not (N, D) with the D of the term.
        """
        if source.ndim != 2 or source.shape[1] != self.num_features:
            raise ValueError(
                f"num_features is {self.num_features} and the backbone gives features of shape "
                f"{tuple(source.shape)}; give the D of (N, D)"
            )
        logits = [
            self.domain_classifier(reverse_gradient(features, self.strength)).squeeze(1)
            for features in (source, target)
        ]
        # -log of the probability of the true domain; the logit is that of "target"
        return (F.softplus(logits[0]).mean() + F.softplus(-logits[1]).mean()) / 2

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        hidden = "" if self.hidden == 64 else f", hidden={self.hidden}"
        seed = "" if self.seed == 0 else f", seed={self.seed}"
        return (
            f"DomainAdversarial(target_inputs, {self.num_features}, "
            f"ramp_steps={self.ramp_steps}{hidden}{seed})"
        )
