"""For authors of exercises: run the worked solution, and find faults of an exercise in a test."""

from collections.abc import Iterable, Mapping

from course_utils.exercises.checks.exercise import Exercise, State, Verdict

MIN_WRONG_ANSWERS = 3  # fewer do not show that a judge tells mistakes apart


def run_solution(exercise: Exercise, names: Mapping[str, object] | None = None) -> Verdict:
    """Run the solution of an exercise in a fresh namespace and judge what it defines.

    Parameters
    ----------
    exercise : Exercise
        The exercise; its state does not change.
    names : mapping of str to object, default=None
        Names that the solution may use, as they exist in the notebook above the exercise.

    Returns
    -------
    Verdict
        The verdict on the answer of the solution; state RIGHT if all is well.

    Raises
    ------
    ValueError
        If the solution does not define the answer.
    Exception
        Whatever the solution itself raises.
    """
    namespace = dict(names or {})
    namespace.pop(exercise.answer_name, None)  # an answer of the notebook must not stand in
    # one dictionary for globals and locals, so that functions of the solution see its names
    exec(compile(exercise.solution_code, f"<solution of {exercise.name}>", "exec"), namespace)
    if exercise.answer_name not in namespace:
        raise ValueError(
            f"the solution of exercise {exercise.name!r} does not define {exercise.answer_name!r}; "
            "assign it there, or set answer_name to the name it does define"
        )
    return exercise.judge_answer(namespace[exercise.answer_name])


def find_faults(
    exercise: Exercise,
    wrong_answers: Iterable[tuple[object, str]],
    *,
    names: Mapping[str, object] | None = None,
    untouched: Iterable[object] = (),
) -> list[str]:
    """Return what is wrong with an exercise; a test asserts that the list is empty.

    Parameters
    ----------
    exercise : Exercise
        The exercise; its state does not change.
    wrong_answers : iterable of (answer, str)
        At least three wrong answers, each with words that the printed mistake must contain.
    names : mapping of str to object, default=None
        Names that the solution may use.
    untouched : iterable of object, default=()
        Untouched skeletons to try besides ``...`` and None, such as a function that returns
        ``...``.

    Returns
    -------
    list of str
        One sentence per fault; empty if the exercise is sound.

    Examples
    --------
    >>> from course_utils.exercises.checks.judges import compare_numbers
    >>> exercise = Exercise(
    ...     "easy",
    ...     question="What is half of 1?",
    ...     judge=lambda answer: compare_numbers(answer, 0.5, tolerance=0.01),
    ...     hints=["Divide."],
    ...     solution="answer = 1 / 2",
    ...     why="Halves come up everywhere.",
    ... )
    >>> find_faults(exercise, [(50, "percent"), ("0.5", "quotation marks"), (0.505, "off")])
    ['wrong answer 0.505 is judged right']
    """
    wrong_answers = list(wrong_answers)
    faults = []
    if len(wrong_answers) < MIN_WRONG_ANSWERS:
        faults.append(f"{len(wrong_answers)} wrong answers are tried, need {MIN_WRONG_ANSWERS}")
    verdict = run_solution(exercise, names)
    if verdict.state is not State.RIGHT:
        faults.append(f"the solution is judged {verdict.state!s}: {verdict.text}")
    for answer in [..., None, *untouched]:
        verdict = exercise.judge_answer(answer)
        if verdict.state is not State.NOT_ATTEMPTED:
            faults.append(f"untouched {answer!r} is judged {verdict.state!s}: {verdict.text}")
    for answer, words in wrong_answers:
        verdict = exercise.judge_answer(answer)
        if verdict.state is not State.NOT_YET:
            faults.append(f"wrong answer {answer!r} is judged {verdict.state!s}")
        elif words not in verdict.text:
            faults.append(f"wrong answer {answer!r}: {words!r} is not in {verdict.text!r}")
    return faults
