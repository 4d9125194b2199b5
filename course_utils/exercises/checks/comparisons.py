"""Judge whether an experiment that a learner has designed is a fair comparison."""

from course_utils.experiments.results import Results


def judge_comparison(answer) -> str | None:
    """Judge whether an experiment is a fair comparison; which arm wins is left open.

    Parameters
    ----------
    answer : object
        What the learner gives; `course_utils.experiments.repeat` returns what is asked for.

    Returns
    -------
    str or None
        The typical mistake and what to do next, or None if the comparison is fair.
    """
    if not isinstance(answer, Results):
        return "Give what repeat(...) returns; it holds the values of all seeds."
    if len(answer.rows) < 5:
        return f"There are {len(answer.rows)} seeds; with fewer than 5 the interval says little."
    if len(answer.arms) < 2:
        return "There is one arm only. Compared with what? Add the arm that it has to beat."
    first, second = answer.arms[:2]
    common = sorted(set(answer.sizes(first)) & set(answer.sizes(second)))
    if not common:
        return f"{first!r} and {second!r} share no size; measure both with the same labels."
    if all((answer.values(first, n) == answer.values(second, n)).all() for n in common):
        return f"{first!r} and {second!r} gave equal values each time: did both run the same code?"
    return None
