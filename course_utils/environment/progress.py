"""What a learner has done: exercises that are right and guesses that were near, by lesson.

It is kept in one small file in the user's own data folder, and goes nowhere else.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from course_utils.environment.running_cell import is_work_of_the_learner, notebook_name
from course_utils.environment.user_folders import user_folder

RIGHT, NEAR = "right", "near"
_NAME = "progress.json"
_WAIT = 5  # seconds for another notebook that writes


def progress() -> None:
    """Print which exercises are right and which guesses were near, lesson by lesson.

    A guess counts as it was made first. Solutions of the course do not count, nor does what a
    program runs. `forget_progress` deletes all of it.

    Raises
    ------
    ValueError
        If the data folder cannot be made.
    OSError
        If it cannot be written, or another notebook does not let go of it.

    Examples
    --------
    >>> progress()
    Nothing yet: no exercise was tried and no guess was made.
    """
    folder = data_directory()
    with _locked(folder):
        lessons = _read(folder / _NAME)
    if not lessons:
        print("Nothing yet: no exercise was tried and no guess was made.")
        return
    for lesson, kinds in sorted(lessons.items()):
        done = [f"{name} {state}" for name, state in kinds["exercises"].items()]
        done += [f"{about}: {verdict}" for about, verdict in kinds["guesses"].items()]
        print(f"{lesson:<28} {'; '.join(done)}")
    exercises, guesses = (_states(lessons, kind) for kind in ("exercises", "guesses"))
    print(
        f"In all: {exercises.count(RIGHT)} of {len(exercises)} tried exercises right, "
        f"{guesses.count(NEAR)} of {len(guesses)} guesses near."
    )
    print(f"Kept in {folder / _NAME}; forget_progress() deletes it.")


def forget_progress() -> None:
    """Delete what `progress` shows, with files that were set aside because they were broken.

    Raises
    ------
    ValueError
        If the data folder cannot be made.
    OSError
        If a file cannot be deleted, or another notebook does not let go of it.

    Examples
    --------
    >>> forget_progress()
    Progress is forgotten.
    """
    folder = data_directory()
    with _locked(folder):
        for path in folder.glob("progress*.json"):
            path.unlink()
    print("Progress is forgotten.")


def note_exercise(name: str, state: str) -> None:
    """Keep the state of an exercise of the running lesson; one that was right stays right.

    Parameters
    ----------
    name : str
        Name of the exercise, such as ``"easy"``.
    state : str
        ``"right"`` or ``"not yet"``.

    Raises
    ------
    TypeError
        If one of them is no text.
    """
    _check_texts(name=name, state=state)

    def change(lesson):
        if lesson["exercises"].get(name) != RIGHT:
            lesson["exercises"][name] = state

    _note(change)


def note_guess(about: str, verdict: str) -> None:
    """Keep the verdict on a guess of the running lesson; only the first one is a prediction.

    Parameters
    ----------
    about : str
        What was guessed.
    verdict : str
        ``"near"``, ``"too low"`` or ``"too high"``.

    Raises
    ------
    TypeError
        If one of them is no text.
    """
    _check_texts(about=about, verdict=verdict)
    _note(lambda lesson: lesson["guesses"].setdefault(about, verdict))


def data_directory() -> Path:
    """Return the folder of the learner's own data, created if it does not exist.

    It is the user's data directory, or the one named by the variable COURSE_DATA_DIR.

    Raises
    ------
    ValueError
        If the folder cannot be made.
    """
    import platformdirs

    default = platformdirs.user_data_dir("transfer-learning-course", appauthor=False)
    return user_folder("data folder", default, "COURSE_DATA_DIR")


def _check_texts(**given: object) -> None:
    """Refuse what is no text, without the door: that would load torch before it is needed."""
    for name, value in given.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is of type {type(value).__name__}; give a text")


def _note(change: Callable[[dict], object]) -> None:
    """Change what is kept of the running lesson; where that fails, a line says so, no error."""
    lesson = Path(notebook_name()).stem
    if not lesson or not is_work_of_the_learner():
        return
    try:
        folder = data_directory()
        with _locked(folder):
            lessons = _read(folder / _NAME)
            change(lessons.setdefault(lesson, {"exercises": {}, "guesses": {}}))
            _write(folder / _NAME, lessons)
    except (OSError, ValueError) as error:  # an exercise must not fail for want of disk space
        print(f"(Progress was not kept: {error})")


def _locked(folder: Path) -> FileLock:
    return FileLock(folder / "progress.lock", timeout=_WAIT)


def _read(path: Path) -> dict:
    """Return what is kept, by lesson; a file that cannot be read is set aside, never lost."""
    try:
        lessons = json.loads(path.read_text("utf-8"))
        if _is_sound(lessons):
            return lessons
    except FileNotFoundError:
        return {}
    except ValueError:  # no JSON, or no UTF-8
        pass
    number = 1
    while (aside := path.with_name(f"progress-broken-{number}.json")).exists():
        number += 1
    path.replace(aside)
    print(f"(The file of your progress cannot be read; it is set aside as {aside.name}.)")
    return {}


def _is_sound(lessons: object) -> bool:
    """Return whether a file holds texts by name, of both kinds, for each lesson."""
    if not isinstance(lessons, dict):
        return False
    return all(
        isinstance(kinds, dict)
        and kinds.keys() == {"exercises", "guesses"}
        and all(
            isinstance(each, dict) and all(isinstance(s, str) for s in each.values())
            for each in kinds.values()
        )
        for kinds in lessons.values()
    )


def _write(path: Path, lessons: dict) -> None:
    """Write a file whole or not at all."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".progress-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(lessons, file, ensure_ascii=False, indent=1)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _states(lessons: dict, kind: str) -> list[str]:
    return [state for kinds in lessons.values() for state in kinds[kind].values()]
