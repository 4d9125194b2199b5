"""Judge an experiment that a learner has designed, and what the learner reads in it."""

from course_utils.exercises.checks.answers import is_untouched, shorten
from course_utils.experiments.estimates import Estimate
from course_utils.experiments.results import Results

READINGS = ("shows a gain", "shows none", "cannot tell")
PARTS = ("validation", "test")


def judge_comparison(answer, *, margin: float) -> str | None:
    """Judge whether an experiment is a fair comparison and is read rightly; any arm may win.

    The difference is that of the first two arms, first minus second. "shows a gain" needs an
    interval above 0, "shows none" one that excludes any gain of `margin` or more; else the runs
    cannot tell. What the learner says about the part cannot be checked, only whether it is the
    one to choose by.

    Parameters
    ----------
    answer : object
        What the learner gives: a dict with ``"results"`` (what
        `course_utils.experiments.repeat` returns), ``"part"`` and ``"reading"``.
    margin : float
        Gain that would matter, above 0, in the unit of the measure; the question states it.

    Returns
    -------
    str or None
        The typical mistake and what to do next, or None if comparison and reading are right.
    """
    if not isinstance(answer, dict) or answer.keys() != {"results", "part", "reading"}:
        return 'Give three things: {"results": repeat(...), "part": "...", "reading": "..."}.'
    missing = [name for name, value in answer.items() if is_untouched(value)]
    if missing:
        return f"{missing[0]!r} is not filled in yet."
    results, part, reading = answer["results"], answer["part"], answer["reading"]
    return _judge_results(results) or _judge_part(part) or _judge_reading(results, reading, margin)


def _judge_results(results) -> str | None:
    if not isinstance(results, Results):
        return "'results' is not what repeat(...) returns; that holds the values of all seeds."
    if len(results.rows) < 5:
        return f"There are {len(results.rows)} seeds; with fewer than 5 the interval says little."
    if len(results.arms) < 2:
        return "There is one arm only. Compared with what? Add the arm that it has to beat."
    first, second, common = _compared(results)
    if not common:
        return f"{first!r} and {second!r} share no column; measure both with the same labels."
    if all((results.values(first, n) == results.values(second, n)).all() for n in common):
        return f"{first!r} and {second!r} gave equal values each time: did both run the same code?"
    return None


def _judge_part(part) -> str | None:
    if part not in PARTS:
        return f"'part' is {shorten(part)}; say on which samples you measured: {_listed(PARTS)}."
    if part == "test":
        return "You measured on test samples. Choose on validation; the test part is read once."
    return None


def _judge_reading(results, reading, margin) -> str | None:
    if reading not in READINGS:
        return f"'reading' is {shorten(reading)}; say what you read: {_listed(READINGS)}."
    first, second, common = _compared(results)
    for column in common:
        found = results.difference(first, second, column)
        right = _readings(found, margin)
        if reading not in right:
            what = f"At {column}, {first!r} minus {second!r} is {found}"
            several = " With several columns, hand in one: results.select(arms, columns)."
            hint = f"Look where its interval lies: above 0, below the margin {margin:g}, or across?"
            return f"{what}. That is not {reading!r}. {hint}" + several * (len(common) > 1)
    return None


def _readings(found: Estimate, margin: float) -> list[str]:
    """Return what an interval allows to say; a gain smaller than the margin allows two."""
    told = {"shows a gain": found.low > 0, "shows none": found.high < margin}
    return [reading for reading, is_so in told.items() if is_so] or ["cannot tell"]


def _compared(results) -> tuple:
    """Return the two arms, and the columns at which both were measured."""
    first, second = results.arms[:2]
    return first, second, [c for c in results.sizes(first) if c in results.sizes(second)]


def _listed(choices) -> str:
    return " or ".join(f'"{choice}"' for choice in choices)
