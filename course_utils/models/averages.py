"""Average the weights of networks that began at the same weights."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from course_utils.environment.arguments import check_module, check_number, described
from course_utils.environment.tensors import as_tensor


def average_weights(
    models: Sequence[nn.Module], shares: Sequence[float] | None = None
) -> nn.Module:
    r"""Return a network whose weights are the weighted mean of those of several networks.

    The mean of networks that were fine-tuned from the same start is a *model soup*. The mean
    :math:`(1 - \alpha) w_0 + \alpha w` of a source network and its fine-tuned copy is *WiSE-FT*:
    ``average_weights([source, tuned], [1 - alpha, alpha])``. Networks from different random starts
    do not bear it: their filters are in another order.

    Buffers of decimals, such as the statistics of BatchNorm, are averaged as well; estimate them
    again if a soup of networks with BatchNorm answers badly. Whole numbers are those of the first.

    Parameters
    ----------
    models : sequence of torch.nn.Module
        At least two of one architecture. They stay as they are.
    shares : sequence of float, optional
        Share of each model, from 0 to 1, with the sum 1. Default: all the same.

    Returns
    -------
    torch.nn.Module
        A copy of the first model with other weights; what is frozen in it is frozen.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two models, their weights differ in name, shape or type, one is not
        finite, or the shares are no shares of 1.

    References
    ----------
    Wortsman et al. 2022, Model soups, arXiv:2203.05482; Wortsman et al. 2022, Robust fine-tuning
    of zero-shot models (WiSE-FT), arXiv:2109.01903, eq. 1.

    Examples
    --------
    >>> first, second = nn.Linear(1, 1), nn.Linear(1, 1)
    >>> _ = first.weight.data.fill_(1.0), second.weight.data.fill_(3.0)
    >>> average_weights([first, second], [0.25, 0.75]).weight.item()
    2.5
    """
    models = _checked_models(models)
    shares = _checked_shares(shares, len(models))
    states = [model.state_dict() for model in models]
    mean = {name: _mean([state[name] for state in states], shares) for name in states[0]}
    copy = deepcopy(models[0])
    copy.load_state_dict(mean)
    return copy


def _mean(tensors: list[Tensor], shares: list[float]) -> Tensor:
    """Return the weighted mean of tensors with decimals, in double precision; else the first."""
    first = tensors[0]
    if not first.is_floating_point():
        return first
    total = sum(
        s * t.detach().to(first.device).double() for s, t in zip(shares, tensors, strict=True)
    )
    return total.to(first.dtype)


def _checked_models(models: Any) -> list[nn.Module]:
    """Return the models as a list, if their weights have the same names, shapes and types."""
    if not isinstance(models, list | tuple | nn.ModuleList):
        raise TypeError(f"models is {described(models)}; give a list of two or more networks")
    if len(models) < 2:
        raise ValueError(f"models has the length {len(models)}; give two or more networks")
    kinds = []
    for number, model in enumerate(models):
        state = check_module(f"models[{number}]", model).state_dict()
        for name, weight in state.items():
            as_tensor(f"models[{number}].{name}", weight)
        kinds.append({name: (tuple(w.shape), w.dtype) for name, w in state.items()})
        other = kinds[0].items() ^ kinds[-1].items()
        if other:
            name = min(name for name, _ in other)
            found = kinds[-1].get(name, ("no such weight",))
            raise ValueError(
                f"models[{number}] has {found[0]} at {name}, models[0] "
                f"{kinds[0].get(name, ('no such weight',))[0]}; give networks of one architecture "
                "and one type of number"
            )
    return list(models)


def _checked_shares(shares: Any, number: int) -> list[float]:
    """Return one share for each model; they sum to 1."""
    if shares is None:
        return [1 / number] * number
    if hasattr(shares, "tolist"):  # an array or a tensor
        shares = shares.tolist()
    if not isinstance(shares, list | tuple):
        raise TypeError(f"shares is {described(shares)}; give a list with a number for each model")
    found = [check_number("shares", share, low=0, high=1) for share in shares]
    if len(found) != number or abs(sum(found) - 1) > 1e-6:
        raise ValueError(
            f"shares has the length {len(found)} and the sum {sum(found):g}; give one share for "
            f"each of the {number} models, with the sum 1"
        )
    return found
