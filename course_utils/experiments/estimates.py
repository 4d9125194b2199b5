"""A mean over seeds with an interval that knows what the seeds draw."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from course_utils.environment.arguments import check_number, described


@dataclass(frozen=True)
class Draws:
    """What the seeds of an experiment draw, so that its intervals do not come out too narrow.

    Runs are independent where each draws anew from all that could be. Random splits of one data
    set share most of their samples, and so do draws of 100 labels from 105. Make one of the three
    with `starts`, `labels` or `splits`.

    Parameters
    ----------
    what : str
        ``"starts"``, ``"labels"`` or ``"splits"``.
    pool : int
        Labels per class that there are to draw from.
    size : float, optional
        Labels per class that are drawn, where the columns of the results are something else.
    train, test : float
        Sizes of the two parts of a split, as shares or counts.

    References
    ----------
    Nadeau and Bengio (2003), Inference for the generalization error, Machine Learning 52, eq. 9,
    doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> print(Draws.splits(train=0.6, test=0.25))
    splits that overlap; intervals corrected for it (Nadeau and Bengio 2003)
    >>> round(Draws.splits(train=0.6, test=0.25).shared(), 3), Draws.labels(pool=20).shared(5)
    (0.294, 0.25)
    """

    what: str
    pool: int = 0
    size: float | None = None
    train: float = 1.0
    test: float = 0.0

    @classmethod
    def starts(cls) -> "Draws":
        """Return that seeds draw random weights and the order of batches: nothing is shared."""
        return cls("starts")

    @classmethod
    def labels(cls, pool: int, size: int | None = None) -> "Draws":
        """Return that seeds draw `size` labels per class of a pool; the test samples stay."""
        pool = check_number("pool", pool, low=1, whole=True)
        return cls("labels", pool, None if size is None else _size("size", size))

    @classmethod
    def splits(cls, train: float, test: float) -> "Draws":
        """Return that seeds split one data set at random into parts of these sizes."""
        parts = {"train": train, "test": test}
        return cls("splits", **{name: check_number(name, parts[name], above=0) for name in parts})

    def shared(self, column=None) -> float:
        """Return how strongly two runs are expected to be correlated, from 0 to below 1.

        For splits that is test / (train + test), for labels size / pool. A draw of the whole pool
        is no draw: only the starts differ then.

        Parameters
        ----------
        column : object, optional
            Of the results; labels per class, where `size` is not given.
        """
        if self.what != "labels":
            return self.test / (self.train + self.test)
        size = self.size if self.size is not None else _size("the column of labels", column)
        return size / self.pool if size < self.pool else 0.0

    def __str__(self):
        return {
            "starts": "starts (or data) anew; runs share nothing",
            "labels": f"labels, of {self.pool} per class; intervals widened: draws share labels",
            "splits": "splits that overlap; intervals corrected for it (Nadeau and Bengio 2003)",
        }[self.what]


def _size(name, value):
    try:
        return check_number(name, value, above=0)
    except (TypeError, ValueError):
        what = f"{name} is {value!r}"
        raise ValueError(f"{what}; give size=, the labels per class, to Draws.labels") from None


STARTS = Draws.starts()


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval.

    Parameters
    ----------
    mean, low, high : float
        Mean, and the ends of the interval.
    num_seeds : int
        Number of values.
    draws : Draws
        What the seeds draw.
    """

    mean: float
    low: float
    high: float
    num_seeds: int
    draws: Draws = field(default=STARTS, repr=False)

    def __str__(self):
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(
    values: Iterable[float],
    *,
    draws: Draws = STARTS,
    column=None,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    r"""Return the mean of values and its 95 % interval by Student's t.

    Where runs share a part :math:`\rho` of what they measure, the variance of the mean is
    :math:`s^2 (1/n + \rho / (1 - \rho))`: for splits that is the correction of Nadeau and Bengio
    (2003), with :math:`1/n + n_{test}/n_{train}`.

    Parameters
    ----------
    values : iterable of float
        One value for each seed, at least two, all finite.
    draws : Draws
        What the seeds draw; without it, values count as independent.
    column : object, optional
        Labels per class, if these are what is drawn.
    bounds : (float, float), optional
        Smallest and largest value that is possible, such as ``(0, 1)``: the interval ends there. It
        loses nothing by that, since the truth is inside.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two numbers, one is not finite, or `draws` is something else.

    Examples
    --------
    >>> print(estimate([0.8, 0.9, 1.0]))
    0.900 [0.652, 1.148]
    >>> print(estimate([0.8, 0.9, 1.0], draws=Draws.splits(train=0.6, test=0.25)))
    0.900 [0.527, 1.273]
    """
    from scipy.stats import t  # slow to import

    array, draws = _numbers("values", values), checked_draws(draws)
    lowest, highest = checked_bounds(bounds)
    if len(array) < 2 or not np.isfinite(array).all():
        raise ValueError(f"values is {array.tolist()}; give two or more finite numbers")
    # not ttest_1samp: where all values agree it warns of digits that nobody misses
    shared = draws.shared(column)
    width = np.sqrt(1 / len(array) + shared / (1 - shared))
    half = t.ppf(0.975, len(array) - 1) * array.std(ddof=1) * width
    mean = array.mean()
    low, high = max(mean - half, lowest), min(mean + half, highest)
    return Estimate(float(mean), float(low), float(high), len(array), draws)


def paired_difference(
    first: Iterable[float], second: Iterable[float], *, draws: Draws = STARTS, column=None
) -> Estimate:
    """Return mean and interval of first minus second, seed by seed.

    The two values of one seed share their draw of labels, so its luck cancels.

    Parameters
    ----------
    first, second : iterable of float
        One value for each seed, in the same order.
    draws, column
        As in `estimate`.

    Raises
    ------
    TypeError, ValueError
        If the numbers of values differ, are below two, or a value is not finite.

    Examples
    --------
    >>> print(paired_difference([0.8, 0.9, 0.7], [0.7, 0.8, 0.6]))
    0.100 [0.100, 0.100]
    """
    first, second = _numbers("first", first), _numbers("second", second)
    if first.shape != second.shape:
        raise ValueError(
            f"first has {len(first)} values and second {len(second)}; "
            "give one of each for every seed"
        )
    return estimate(first - second, draws=draws, column=column)


def checked_draws(draws) -> Draws:
    """Return what the seeds draw.

    Raises
    ------
    TypeError
        If it is something else; the message says how it is given.
    """
    if not isinstance(draws, Draws):
        allowed = "Draws.starts(), Draws.labels(pool=...) or Draws.splits(train=..., test=...)"
        raise TypeError(f"draws is {described(draws)}; give {allowed}")
    return draws


def checked_bounds(bounds) -> tuple[float, float]:
    """Return what values are possible; all, if nothing is said.

    Raises
    ------
    ValueError
        If it is no pair of numbers, or the lower one is not below the other.
    """
    pair = (-np.inf, np.inf) if bounds is None else bounds
    is_pair = isinstance(pair, tuple | list) and len(pair) == 2
    if not is_pair or not all(isinstance(end, Real) for end in pair) or not pair[0] < pair[1]:
        what = f"bounds has {described(pair)}"
        raise ValueError(f"{what}; give (lowest, highest), such as (0, 1)")
    return pair[0], pair[1]


def _numbers(name: str, values: Iterable[float]) -> np.ndarray:
    """Return numbers of any library as an array of shape (n,), in double precision."""
    array = np.asarray(list(values) if isinstance(values, Iterable) else values)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise TypeError(f"{name} is {described(values)}; give a list with one number for each seed")
    return array.astype(float)
