"""Results over seeds: estimates, paired differences, and a table of all that was measured."""

from collections.abc import Hashable, Iterable

import numpy as np

from course_utils.environment.arguments import described
from course_utils.experiments.estimates import (
    STARTS,
    Draws,
    Estimate,
    checked_bounds,
    checked_draws,
    estimate,
    paired_difference,
)

WIDEST_LINE = 110  # letters of a printed table that JupyterLab shows on a laptop without a break


class Results:
    """Measured values of several arms, for each seed; a column is a size or a measure.

    Parameters
    ----------
    rows : list of dict
        One dict per seed, from ``(arm, column)`` to a number; all with the same keys. A column is a
        number, such as labels per class, or a text, such as ``"AUC"``.
    draws : Draws
        What the seeds draw; it decides how wide the intervals are. Without it, the runs count as
        independent.
    bounds : (float, float) or dict, optional
        Smallest and largest value that is possible, such as ``(0, 1)``; of some columns only, if it
        is a dict from column to pair. Intervals end there: what is impossible is not in them.

    Raises
    ------
    TypeError, ValueError
        If there is no dict, keys differ or are no pairs, a value is no number or out of bounds, or
        `draws` does not say how many labels are drawn.

    Examples
    --------
    >>> results = Results([{("scratch", 5): 0.5}, {("scratch", 5): 0.7}])
    >>> results.values("scratch", 5).tolist(), round(results.estimate("scratch", 5).mean, 3)
    ([0.5, 0.7], 0.6)
    """

    def __init__(
        self,
        rows: list[dict[tuple[Hashable, float | str], float]],
        draws: Draws = STARTS,
        bounds: tuple[float, float] | dict | None = None,
    ):
        if not isinstance(rows, list | tuple) or not all(isinstance(row, dict) for row in rows):
            raise TypeError(f"rows is {described(rows)}; give a list with one dict for each seed")
        if not rows or not rows[0] or any(row.keys() != rows[0].keys() for row in rows):
            raise ValueError("rows must have at least one dict, and all dicts the same keys")
        for row in rows:
            for key, value in row.items():
                if not isinstance(key, tuple) or len(key) != 2:
                    raise TypeError(f"rows has the key {key!r}; give pairs (arm, column)")
                if np.ndim(value) or np.asarray(value).dtype.kind not in "biuf":
                    raise TypeError(f"rows has {described(value)} at {key!r}; give one number")
        self.rows, self.draws, self.bounds = rows, checked_draws(draws), bounds
        for arm, column in rows[0]:
            draws.shared(column)  # here, not when the table is printed after an hour of runs
            low, high = self._bounds(column)
            for value in self.values(arm, column):
                if not low <= value <= high:
                    what = f"{value:g} at {(arm, column)!r}"
                    raise ValueError(f"rows has {what}; give bounds that contain it, or none")

    @property
    def arms(self) -> list:
        """The arms, in the order in which they were measured."""
        return list(dict.fromkeys(arm for arm, _ in self.rows[0]))

    @property
    def columns(self) -> list:
        """Sizes in order, then measures as they were measured."""
        columns = dict.fromkeys(column for _, column in self.rows[0])
        sizes = [column for column in columns if not isinstance(column, str)]
        return sorted(sizes) + [column for column in columns if isinstance(column, str)]

    def select(self, arms: Iterable, columns: Iterable | None = None) -> "Results":
        """Return the results of some arms only, such as those of one table.

        Parameters
        ----------
        arms : iterable
            Which arms, at least one.
        columns : iterable, optional
            Which sizes or measures; all, if it is left out.

        Raises
        ------
        ValueError
            If an arm or a column was not measured, or none is given.
        """
        chosen = _chosen("arms", arms, self.arms)
        among = self.columns if columns is None else _chosen("columns", columns, self.columns)
        rows = [
            {key: row[key] for key in row if key[0] in chosen and key[1] in among}
            for row in self.rows
        ]
        if not rows[0]:
            raise ValueError(f"columns is {among}; give one at which {chosen} were measured")
        return Results(rows, self.draws, self.bounds)

    def sizes(self, arm) -> list:
        """Return the sizes or measures of an arm, in the order of `columns`.

        Raises
        ------
        ValueError
            If the arm was not measured.
        """
        if arm not in self.arms:
            raise ValueError(f"arm is {arm!r}; give one of {self.arms}")
        return [column for column in self.columns if (arm, column) in self.rows[0]]

    def values(self, arm, size: float | str) -> np.ndarray:
        """Return the values of an arm at a size, one for each seed: shape (seeds,).

        Raises
        ------
        ValueError
            If the arm was not measured at this size.
        """
        if (arm, size) not in self.rows[0]:
            raise ValueError(f"({arm!r}, {size}) was not measured; there is {list(self.rows[0])}")
        return np.array([row[arm, size] for row in self.rows])

    def estimate(self, arm, size: float | str) -> Estimate:
        """Return mean and interval of an arm at a size or by a measure."""
        values, bounds = self.values(arm, size), self._bounds(size)
        return estimate(values, draws=self.draws, column=size, bounds=bounds)

    def difference(self, arm, other, size: float | str) -> Estimate:
        """Return mean and interval of ``arm`` minus ``other`` at a size, paired by seed."""
        first, second = self.values(arm, size), self.values(other, size)
        return paired_difference(first, second, draws=self.draws, column=size)

    def _bounds(self, column):
        of_each = isinstance(self.bounds, dict)
        return checked_bounds(self.bounds.get(column) if of_each else self.bounds)

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
        width = max(len(str(arm)) for arm in self.arms) + 2
        table = {
            arm: [str(self.estimate(arm, s)) if s in self.sizes(arm) else "" for s in self.columns]
            for arm in self.arms
        }
        longest = max(len(str(cell)) for cells in [*table.values(), self.columns] for cell in cells)
        column = max(23, longest + 2)  # values from 0 to 1 always get the same width
        fitting = max(1, (WIDEST_LINE - width) // column)
        num_blocks = -(-len(self.columns) // fitting)
        lines = []
        for block in np.array_split(range(len(self.columns)), num_blocks):
            for arm, cells in {"": self.columns, **table}.items():
                line = "".join(f"{cells[k]:<{column}}" for k in block)
                lines.append(f"{arm:<{width}}{line}")
            lines.append("")
        lines.append(f"{len(self.rows)} seeds draw {self.draws}.")
        return "\n".join(line.rstrip() for line in lines)


def _chosen(name, given, known):
    chosen = list(given)
    if not chosen or any(each not in known for each in chosen):
        raise ValueError(f"{name} is {chosen}; give one or more of {known}")
    return chosen
