"""Optimisers and learning-rate schedules, without weight decay.

The regulariser stands in the objective, where it can be seen; the optimiser only makes steps.
"""

from contextlib import contextmanager

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from course_utils.environment.arguments import check_choice, check_number, described


@contextmanager
def undone_on_error(stepper: Optimizer):
    """Give the weights from before a step back if the step fails.

    LBFGS needs this: it moves the weights to try a point out, and only then computes the loss.
    """
    groups = stepper.param_groups if isinstance(stepper, torch.optim.LBFGS) else []
    before = [(w, w.detach().clone()) for group in groups for w in group["params"]]
    try:
        yield
    except BaseException:
        for weight, old in before:
            weight.detach().copy_(old)
        raise


def _lbfgs(groups: list[dict]) -> Optimizer:
    if len(groups) > 1:
        raise ValueError(
            f"optimizer is 'lbfgs' and learning_rate has {len(groups)} prefixes; "
            "give one number for all parameters, or another optimizer"
        )
    return torch.optim.LBFGS(
        groups, max_iter=200, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )


OPTIMIZERS = {
    # fused: one pass over the weights instead of a dozen, which counts where steps are short
    "adam": lambda groups: torch.optim.Adam(groups, fused=True),
    "sgd": lambda groups: torch.optim.SGD(groups, momentum=0.9),
    "lbfgs": _lbfgs,
}


SCHEDULES = {
    "constant": lambda stepper, num_steps: LambdaLR(stepper, lambda step: 1.0),
    "cosine": CosineAnnealingLR,
    "one_cycle": lambda stepper, num_steps: OneCycleLR(
        stepper,
        max_lr=[group["lr"] for group in stepper.param_groups],
        total_steps=num_steps + 1,  # the scheduler also steps after the last step of training
        cycle_momentum=False,
    ),
}


def parameter_groups(
    model: nn.Module,
    learning_rate: float | dict[str, float],
    helpers: dict[str, nn.Module] | None = None,
) -> list[dict]:
    """Sort the trainable parameters into groups, each with its learning rate.

    Parameters
    ----------
    model : torch.nn.Module
        Its frozen parameters are left out.
    learning_rate : float or dict of str to float
        One rate, or one for each prefix of parameter names; the longest prefix that fits counts.
    helpers : dict of str to torch.nn.Module, optional
        Modules that learn along; each name is put before the names of its parameters.

    Raises
    ------
    ValueError
        If nothing is trainable, a rate is not above 0, a parameter fits no prefix, or a prefix
        fits no trainable parameter.

    Examples
    --------
    >>> model = nn.ModuleDict({"backbone": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    >>> groups = parameter_groups(model, {"backbone": 1e-4, "head": 1e-3})
    >>> [(group["lr"], len(group["params"])) for group in groups]
    [(0.0001, 2), (0.001, 2)]
    """
    rates = learning_rate if isinstance(learning_rate, dict) else {"": learning_rate}
    for name in rates:
        if not isinstance(name, str):
            raise TypeError(
                f"learning_rate has the key {described(name)}; give prefixes of parameter names, "
                "such as 'head'"
            )
    rates = {name: check_number("learning_rate", rate, above=0) for name, rate in rates.items()}
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("model has no trainable parameter; unfreeze a part of it")
    groups = {prefix: {"params": [], "lr": rate} for prefix, rate in rates.items()}
    named = list(model.named_parameters())
    for helper, module in (helpers or {}).items():
        named += [(f"{helper}.{name}", parameter) for name, parameter in module.named_parameters()]
    for name, parameter in named:
        if parameter.requires_grad:
            prefixes = [prefix for prefix in rates if name.startswith(prefix)]
            if not prefixes:
                raise ValueError(
                    f"learning_rate has no prefix for {name}; it has {list(rates)}: "
                    "add one, or freeze the parameter"
                )
            groups[max(prefixes, key=len)]["params"].append(parameter)
    empty = [prefix for prefix, group in groups.items() if not group["params"]]
    if empty:
        raise ValueError(
            f"the prefix {empty[0]!r} of learning_rate fits no trainable parameter; "
            "unfreeze one, or correct the name"
        )
    return list(groups.values())


def make_optimizer(
    model: nn.Module,
    optimizer: str,
    learning_rate: float | dict[str, float],
    helpers: dict[str, nn.Module] | None = None,
) -> Optimizer:
    """Return an optimiser of exactly the trainable parameters. See `parameter_groups`.

    Raises
    ------
    ValueError
        If the optimiser is unknown, or a learning rate does not fit.
    """
    check_choice("optimizer", optimizer, OPTIMIZERS)
    return OPTIMIZERS[optimizer](parameter_groups(model, learning_rate, helpers))


def make_schedule(stepper: Optimizer, schedule: str, num_steps: int) -> LRScheduler:
    """Return the course of the learning rate of an optimiser over ``num_steps`` steps.

    Parameters
    ----------
    stepper : torch.optim.Optimizer
        Its learning rates are where the course starts, or its peak with ``'one_cycle'``.
    schedule : {'constant', 'cosine', 'one_cycle'}
        Shape of the course.
    num_steps : int
        Steps of the whole training.

    Raises
    ------
    ValueError
        If the schedule is unknown.
    """
    check_choice("schedule", schedule, SCHEDULES)
    return SCHEDULES[schedule](stepper, num_steps)
