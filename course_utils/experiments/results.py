"""Results over seeds: mean, interval, paired differences, and a table of all that was measured."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from course_utils.environment.arguments import described

WIDEST_LINE = 110  # letters of a printed table that JupyterLab shows on a laptop without a break


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval.

    Parameters
    ----------
    mean, low, high : float
        Mean, and the ends of the interval.
    num_seeds : int
        Number of values.
    """

    mean: float
    low: float
    high: float
    num_seeds: int

    def __str__(self):
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean of independent values and its 95 % interval by Student's t.

    Parameters
    ----------
    values : iterable of float
        One value for each seed, at least two, all finite.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two numbers, or one is not finite.

    Examples
    --------
    >>> print(estimate([0.8, 0.9, 1.0]))
    0.900 [0.652, 1.148]
    """
    from scipy.stats import t  # slow to import

    array = _numbers("values", values)
    if len(array) < 2 or not np.isfinite(array).all():
        raise ValueError(f"values is {array.tolist()}; give two or more finite numbers")
    # not ttest_1samp: where all values agree it warns of digits that nobody misses
    half = t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    mean = array.mean()
    return Estimate(float(mean), float(mean - half), float(mean + half), len(array))


def paired_difference(first: Iterable[float], second: Iterable[float]) -> Estimate:
    """Return mean and interval of first minus second, seed by seed.

    The two values of one seed share their draw of labels, so its luck cancels.

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
    return estimate(first - second)


def _numbers(name: str, values: Iterable[float]) -> np.ndarray:
    """Return numbers of any library as an array of shape (n,), in double precision."""
    array = np.asarray(list(values) if isinstance(values, Iterable) else values)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise TypeError(f"{name} is {described(values)}; give a list with one number for each seed")
    return array.astype(float)


class Results:
    """Measured values of several arms at several sizes, for each seed.

    Parameters
    ----------
    rows : list of dict
        One dict per seed, from ``(arm, size)`` to a number; all with the same keys.

    Raises
    ------
    TypeError, ValueError
        If there is no dict, keys differ or are no pairs, or a value is no number.

    Examples
    --------
    >>> results = Results([{("scratch", 5): 0.5}, {("scratch", 5): 0.7}])
    >>> results.values("scratch", 5).tolist(), round(results.estimate("scratch", 5).mean, 3)
    ([0.5, 0.7], 0.6)
    """

    def __init__(self, rows: list[dict[tuple[Hashable, int], float]]):
        if not isinstance(rows, list | tuple) or not all(isinstance(row, dict) for row in rows):
            raise TypeError(f"rows is {described(rows)}; give a list with one dict for each seed")
        if not rows or not rows[0] or any(row.keys() != rows[0].keys() for row in rows):
            raise ValueError("rows must have at least one dict, and all dicts the same keys")
        for row in rows:
            for key, value in row.items():
                if not isinstance(key, tuple) or len(key) != 2:
                    raise TypeError(f"rows has the key {key!r}; give pairs (arm, size)")
                if np.ndim(value) or np.asarray(value).dtype.kind not in "biuf":
                    raise TypeError(f"rows has {described(value)} at {key!r}; give one number")
        self.rows = rows

    @property
    def arms(self) -> list:
        """The arms, in the order in which they were measured."""
        return list(dict.fromkeys(arm for arm, _ in self.rows[0]))

    def select(self, arms: Iterable) -> "Results":
        """Return the results of some arms only, such as those of one table.

        Raises
        ------
        ValueError
            If an arm was not measured, or none is given.
        """
        chosen = list(arms)
        unknown = [arm for arm in chosen if arm not in self.arms]
        if unknown or not chosen:
            raise ValueError(f"arms is {chosen}; give one or more of {self.arms}")
        return Results([{key: row[key] for key in row if key[0] in chosen} for row in self.rows])

    def sizes(self, arm) -> list[int]:
        """Return the sizes at which an arm was measured, in order.

        Raises
        ------
        ValueError
            If the arm was not measured.
        """
        if arm not in self.arms:
            raise ValueError(f"arm is {arm!r}; give one of {self.arms}")
        return sorted(size for other, size in self.rows[0] if other == arm)

    def values(self, arm, size: int) -> np.ndarray:
        """Return the values of an arm at a size, one for each seed: shape (seeds,).

        Raises
        ------
        ValueError
            If the arm was not measured at this size.
        """
        if (arm, size) not in self.rows[0]:
            raise ValueError(f"({arm!r}, {size}) was not measured; there is {list(self.rows[0])}")
        return np.array([row[arm, size] for row in self.rows])

    def estimate(self, arm, size: int) -> Estimate:
        """Return mean and interval of an arm at a size."""
        return estimate(self.values(arm, size))

    def difference(self, arm, other, size: int) -> Estimate:
        """Return mean and interval of ``arm`` minus ``other`` at a size, paired by seed."""
        return paired_difference(self.values(arm, size), self.values(other, size))

    def labels_needed(self, arm, level: float) -> np.ndarray:
        """Read off how many labels per class an arm needs to reach a level, for each seed.

        Between two sizes the curve is taken as straight over the logarithm of the size, and a
        curve may not fall. Where it never gets there the answer is infinite, and where it starts
        above, the smallest size.

        Returns
        -------
        numpy.ndarray of shape (seeds,)
        """
        sizes = self.sizes(arm)
        needed = []
        for row in self.rows:
            curve = np.maximum.accumulate([row[arm, size] for size in sizes])
            end = np.searchsorted(curve, level) + 1  # the first size that reaches the level counts
            position = np.interp(level, curve[:end], np.log(sizes[:end]), right=np.inf)
            needed.append(float(np.exp(position)))
        return np.array(needed)

    def __str__(self):
        sizes = sorted({size for _, size in self.rows[0]})
        width = max(len(str(arm)) for arm in self.arms) + 2
        table = {
            arm: [str(self.estimate(arm, s)) if s in self.sizes(arm) else "" for s in sizes]
            for arm in self.arms
        }
        longest = max(len(cell) for cells in table.values() for cell in cells)
        column = max(23, longest + 2)  # values from 0 to 1 always get the same width
        fitting = max(1, (WIDEST_LINE - width) // column)
        num_blocks = -(-len(sizes) // fitting)
        lines = []
        for block in np.array_split(range(len(sizes)), num_blocks):
            for arm, cells in {"": sizes, **table}.items():
                line = "".join(f"{cells[k]:<{column}}" for k in block)
                lines.append(f"{arm:<{width}}{line}")
            lines.append("")
        return "\n".join(line.rstrip() for line in lines[:-1])
