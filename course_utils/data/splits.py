"""Cut a data set into training, validation and test, the same on each machine."""

import torch
from torch import Tensor

from course_utils.data.samples import stable_order
from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked
from course_utils.environment.tensors import as_column

TEST_SHARE = 0.25  # as Deitsch et al. 2019, so that their published numbers compare


VALIDATION_SHARE_OF_REST = 0.2  # 15 % of all


def _every(share: float, number: int) -> Tensor:
    """Mark a share of ``number`` places, evenly spaced: shape (number,), bool."""
    # 1e-9: a product that falls short of a whole number by rounding must still reach it
    steps = torch.floor(torch.arange(number + 1, dtype=torch.float64) * share + 1e-9)
    return steps.diff() > 0


@checked
def split_parts(strata: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Split positions into train, validation and test, with equal shares in each stratum.

    Inside each stratum the positions are put into a fixed disorder (`stable_order`); then every
    fourth of all goes to the test part and every fifth of the rest to the validation part.

    Parameters
    ----------
    strata : torch.Tensor of shape (N,), int64
        Stratum of each position, for example its class.
    seed : int
        0 or more; another seed gives another split.

    Returns
    -------
    dict of str to torch.Tensor of int64
        Sorted positions of ``"train"``, ``"validation"`` and ``"test"``.

    Raises
    ------
    TypeError, ValueError
        If there is not one number for each position, or the seed is no whole number from 0 on.

    Examples
    --------
    >>> parts = split_parts(torch.tensor([0] * 40 + [1] * 60))
    >>> {name: len(positions) for name, positions in parts.items()}
    {'train': 60, 'validation': 15, 'test': 25}
    """
    strata = as_column("strata", strata)
    check_number("seed", seed, low=0, whole=True)
    order = stable_order(torch.arange(len(strata)), key=f"split {seed}")
    order = order[torch.argsort(strata[order], stable=True)]
    is_test = _every(TEST_SHARE, len(order))
    rest = order[~is_test]
    is_validation = _every(VALIDATION_SHARE_OF_REST, len(rest))
    parts = {"train": rest[~is_validation], "validation": rest[is_validation]}
    return {name: part.sort().values for name, part in (parts | {"test": order[is_test]}).items()}
