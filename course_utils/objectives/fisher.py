r"""Pull each weight back as strongly as the old task needs it: elastic weight consolidation.

Letters in shapes: N samples, K classes, P weights.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from course_utils.data.samples import Samples, check_samples
from course_utils.environment.arguments import check_choice, check_module, check_number
from course_utils.environment.door import checked
from course_utils.environment.tensors import as_labels
from course_utils.models.inference import predict
from course_utils.objectives.base import Batch
from course_utils.objectives.regularizers import L2SP


@checked
def fisher_information(
    model: nn.Module, samples: Samples, *, labels: str = "model", prefix: str = ""
) -> dict[str, Tensor]:
    r"""Return the diagonal of the Fisher information: how much each weight matters for the answers.

    It is :math:`F_i = \frac{1}{N} \sum_x E_y[(\partial \log p_w(y|x) / \partial w_i)^2]`. The
    expectation runs over what the model itself answers, with its probabilities: that is the Fisher
    information. With the observed labels it is the so-called empirical one, which nearly vanishes
    where the model is right and sure.

    Parameters
    ----------
    model : torch.nn.Module
        Gives K logits. It is asked in evaluation mode, and stays unchanged.
    samples : Samples
        Of the old task.
    labels : str
        ``"model"``, or ``"observed"`` for the empirical one.
    prefix : str
        Start of the names of the parameters that are looked at.

    Returns
    -------
    dict of str to torch.Tensor
        For each parameter its F, in its shape.

    Raises
    ------
    TypeError, ValueError
        If the model has no such parameter, a label is unknown, or ``labels`` is something else.

    References
    ----------
    Kunstner, Balles and Hennig 2019, arXiv:1905.12558, equations 3 and 4.

    Examples
    --------
    >>> model = nn.Linear(1, 2)
    >>> found = fisher_information(model, Samples(torch.ones(3, 1), torch.tensor([0, 1, 1])))
    >>> {name: tuple(values.shape) for name, values in found.items()}
    {'weight': (2, 1), 'bias': (2,)}
    """
    check_module("model", model)
    check_samples("samples", samples)
    check_choice("labels", labels, ("model", "observed"))
    if not isinstance(samples.inputs, Tensor):
        raise TypeError("samples has inputs that are no tensor; give features or images")
    labelled = as_labels("samples", samples.labels)
    predict(model, samples.inputs[:1])  # says in one line what does not fit
    model = deepcopy(model).eval()  # its modes, gradients and statistics stay as they are
    weights = {n: w for n, w in model.named_parameters() if n.startswith(prefix)}
    for weight in weights.values():
        weight.requires_grad_()  # frozen ones matter, too
    if not weights:
        raise ValueError(f"prefix is {prefix!r}; no parameter of model starts so, use '' for all")
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for place in range(len(samples)):
        squares, p = _squared_gradients(model, weights, samples.inputs[place : place + 1])
        if labels == "observed":
            p = torch.zeros_like(p).index_fill_(0, labelled[place].to(p.device), 1.0)
        for name, each in squares.items():
            sums[name] += torch.tensordot(p, each, dims=1)
    return {name: total / len(samples) for name, total in sums.items()}


def _squared_gradients(model, weights, inputs) -> tuple[dict[str, Tensor], Tensor]:
    """Return squared gradients (K, ...) of log p for each weight, and p itself (K,)."""
    like = next(iter(weights.values()))
    with torch.enable_grad():
        log_p = model(inputs.to(like.device, like.dtype))[0].log_softmax(0)
    each_class = torch.eye(len(log_p), dtype=log_p.dtype, device=log_p.device)
    found = torch.autograd.grad(
        log_p, tuple(weights.values()), each_class, is_grads_batched=True, materialize_grads=True
    )
    squares = (gradient.square() for gradient in found)
    return dict(zip(weights, squares, strict=True)), log_p.detach().exp()


class EWC(L2SP):
    r"""R = 1/2 times the sum of F_i (w_i - w_{0,i})^2: weights that matter are held, others go.

    With all F equal to 1 it is `L2SP`. Make it when the old task has been learned.

    Parameters
    ----------
    source_model : torch.nn.Module
        Has learned the old task; its weights are copied.
    samples : Samples
        Of the old task, for the Fisher information. They are not needed later.
    previous : EWC, optional
        The term of the tasks before: its F, times `decay`, is added, so that one term holds all
        tasks (online EWC).
    decay : float
        How much the tasks before still count, from 0 to 1.
    labels : str
        As in `fisher_information`.
    prefix : str
        Start of the names of the parameters that are held.

    Raises
    ------
    TypeError, ValueError
        As `fisher_information`, or if `previous` holds other parameters.

    References
    ----------
    Kirkpatrick et al. 2017, arXiv:1612.00796, equation 3 (their lambda is ours); online: Schwarz et
    al. 2018, arXiv:1805.06370, section 4.

    Examples
    --------
    >>> source = nn.ModuleDict({"backbone": nn.Flatten(), "head": nn.Linear(2, 2)})
    >>> model = nn.Sequential(source["backbone"], source["head"])
    >>> EWC(model, Samples(torch.eye(2), torch.tensor([0, 1])), prefix="")
    EWC(source_model, samples)
    """

    kind = "EWC"
    usual_prefix = ""
    importance: dict[str, Tensor]
    _source_text = "source_model, samples"

    def __init__(
        self,
        source_model: nn.Module,
        samples: Samples,
        *,
        previous: "EWC | None" = None,
        decay: float = 1.0,
        labels: str = "model",
        prefix: str = "",
    ):
        super().__init__(source_model, prefix=prefix)
        decay = check_number("decay", decay, low=0, high=1)
        if previous is not None and not isinstance(previous, EWC):
            raise TypeError("previous is no EWC; give the term of the task before, or leave it out")
        if previous is not None and previous.importance.keys() != self.start.keys():
            raise ValueError("previous holds other parameters; give it the same prefix and model")
        self.importance = fisher_information(source_model, samples, labels=labels, prefix=prefix)
        for name, before in previous.importance.items() if previous is not None else ():
            if before.shape != self.importance[name].shape:
                what = f"{name} of shape {tuple(before.shape)}"
                raise ValueError(f"previous holds {what}; give a model with the same layers")
            self.importance[name] += decay * before

    @property
    def latex(self) -> str:
        """How the term is written as mathematics."""
        return rf"\tfrac{{1}}{{2}}\sum_i F_i\,({self._symbol} - w_0)_i^2"

    def value(self, batch: Batch) -> Tensor:
        """Compute half the weighted sum of squared differences to the old weights."""
        seen = self.parameters_seen(batch.model)
        return (
            sum(
                (self.importance[n].to(w) * (w - self.start[n].to(w)).square()).sum()
                for n, w in seen.items()
            )
            / 2
        )
