"""What `make check` and `make test` run: style, imports, types, tests and notebooks."""

import os
from pathlib import Path

from course_utils.project.installation import ROOT, SetupError, call, environment, program
from course_utils.project.network import cut_variables, without_network

SOURCES = ("course_utils", "tests", "figures", "notebooks")
WORKERS = min(os.cpu_count() or 1, 4)  # each holds torch, about half a gigabyte


def lessons(names: list[str]) -> list[str]:
    """Return the files of lessons, each named by its number or by its file.

    Parameters
    ----------
    names : list of str
        Such as 05, or notebooks/05_domain_alignment.ipynb. None of them means all lessons.

    Raises
    ------
    SetupError
        If there is no such lesson.
    """
    known = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
    files = []
    for name in names or known:
        path = known.get(name.zfill(2), ROOT / name)
        if path.suffix != ".ipynb" or not path.is_file():
            raise SetupError(
                f"No lesson {name!r}: name lessons by their numbers ({', '.join(known)}) or by "
                f"their files, such as notebooks/{known[min(known)].name}."
            )
        files.append(str(path))
    return list(dict.fromkeys(files))  # a lesson named twice is tested once


def check_steps(*, with_slow_tests: bool) -> dict[str, list[str]]:
    """Return the steps of `make check`: for each its name and its command line.

    `make test` has the slow tests as well: those that start processes or a browser.
    """
    tests = ["tests", "course_utils", f"--numprocesses={WORKERS}"]
    if not with_slow_tests:
        tests += ["-m", "not slow and not long"]
    # Halves of the list, so that a file is set up once; who is done first takes from the other.
    tests += ["--dist=worksteal", "--durations=10"]
    return {
        "style": _module("ruff", "check", *SOURCES),
        "format": _module("ruff", "format", "--check", *SOURCES),
        "imports": [str(program(ROOT, "lint-imports")), "--no-logo"],
        "types": _module("mypy", "course_utils"),
        "tests": _module("pytest", *tests),
    }


def notebook_step(files: list[str]) -> dict[str, list[str]]:
    """Return the step that compares notebooks with their stored outputs, one after the other."""
    strict = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", "--runxfail"]
    options = [*strict, "--durations=10", "-p", "no:cacheprovider"]
    return {"notebooks": _module("pytest", *files, *options)}


def browser_step(files: list[str]) -> dict[str, list[str]]:
    """Return the step that tries lessons, the book and the slides in a browser."""
    numbers = " or ".join(f"lesson_{Path(file).name[:2]}" for file in files)
    chosen = ["-m", "long or not long", "-k", f"not long_lesson or {numbers}", "-rs"]
    return {"browser": _module("pytest", "tests/browser", *chosen, "--durations=10")}


def run_steps(title: str, steps: dict[str, list[str]]) -> int:
    """Run steps without the network, all of them though one fails, and say which failed.

    Parameters
    ----------
    title : str
        Begins the last line.
    steps : dict of str to list of str
        Names and command lines.

    Returns
    -------
    int
        0 if all steps passed, else 1.
    """
    variables = {**environment(ROOT), **cut_variables(), "TQDM_DISABLE": "1"}
    failed = []
    for name, command in steps.items():
        print(f"--- {name}", flush=True)
        # The workers of the tests share the cores; a notebook has them for itself.
        threads = {"OMP_NUM_THREADS": "1"} if name == "tests" else {}
        if call(without_network(command), {**variables, **threads}) != 0:
            failed.append(name)
    print(f"{title}: FAILED in {', '.join(failed)}." if failed else f"{title}: all steps passed.")
    return int(bool(failed))


def _module(name, *arguments):
    return [str(program(ROOT, "python")), "-m", name, *arguments]
