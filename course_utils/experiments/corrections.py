"""Many comparisons at once: what is left when luck has had many chances."""

from collections.abc import Iterable

from course_utils.environment.arguments import described
from course_utils.experiments.estimates import Estimate


def holm(differences: Iterable[Estimate]) -> list[float]:
    r"""Return for each difference its p-value, corrected for the number of all of them.

    The p-value of one is read off its interval: that of Student's t for "the mean is 0". Sorted,
    the smallest is multiplied by m, the number of differences, the next by m - 1, and so on; none
    is smaller than the one before. Those below 0.05 hold together with 95 %.

    Parameters
    ----------
    differences : iterable of Estimate
        Of one table; its intervals must not be cut by bounds.

    Returns
    -------
    list of float
        In the order of the differences, from 0 to 1.

    Raises
    ------
    TypeError
        If one is no Estimate.

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6, 65-70.

    Examples
    --------
    >>> from course_utils.experiments import estimate
    >>> clear, luck = estimate([0.9, 1.0, 1.1, 1.0]), estimate([-1.0, 1.0, -0.5, 0.9])
    >>> [p < 0.05 for p in holm([luck, clear])]
    [False, True]
    """
    found = list(differences) if isinstance(differences, Iterable) else [differences]
    for each in found:
        if not isinstance(each, Estimate):
            raise TypeError(
                f"differences has {described(each)}; give what results.difference returns"
            )
    plain = [_p_value(each) for each in found]
    corrected, largest = [0.0] * len(plain), 0.0
    for rank, place in enumerate(sorted(range(len(plain)), key=plain.__getitem__)):
        largest = max(largest, min(1.0, plain[place] * (len(plain) - rank)))
        corrected[place] = largest
    return corrected


def _p_value(difference: Estimate) -> float:
    """Return how often a mean at least so far from 0 comes by luck (Student's t, two-sided)."""
    from scipy.stats import t  # slow to import

    reach, freedom = (difference.high - difference.low) / 2, difference.num_seeds - 1
    if reach == 0:
        return float(difference.mean == 0)
    return float(2 * t.sf(abs(difference.mean) / reach * t.ppf(0.975, freedom), freedom))
