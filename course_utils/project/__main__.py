"""Open, run and test the course: the commands behind ``make``, and the only ones on Windows.

Run ``python -m course_utils.project help`` in the folder of the repository. Like
`course_utils.project.installation` this needs the standard library only.
"""

import sys
from functools import partial

# Before all else, and nothing below is newer syntax: any Python 3 gets as far as this line.
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(
        "Python {}.{} found, but the course needs 3.11, 3.12 or 3.13: install one of them, then "
        "run again (make: PYTHON=python3.13; Windows: py -3.13 -m course_utils.project).".format(
            *sys.version_info
        )
    )

from course_utils.project.checks import (
    browser_step,
    check_steps,
    lessons,
    notebook_step,
    run_steps,
)
from course_utils.project.installation import (
    ROOT,
    SetupError,
    call,
    environment,
    install,
    program,
)

PYTHON = str(program(ROOT, "python"))
FIRST_LESSON = "notebooks/00_start_here.ipynb"
HELP = """\
make COMMAND                 on Windows: py -m course_utils.project COMMAND

  lab        open JupyterLab on the first lesson
  check      check style, imports and types, and run the tests that are quick (two minutes)
  test       check, run all tests, and compare all stored notebooks, without the network
  setup      install everything into .venv (the other commands do it too, when it is needed)
  notebooks  run all notebooks again and store them with their outputs
  figures    draw all figures of figures/ again
  site       build a book of the stored notebooks, in build/site
  slides     build slides of the stored notebooks, in build/slides
  student    copy the notebooks without solutions and outputs, to build/student
  browser-test  try book, slides and every lesson in Chromium (as long as all lessons take to run)
  bench      measure the benchmark on solar cells again (over an hour; not part of test)
  lock       renew requirements.lock from requirements.txt (needs the network)
  help       show this list

More arguments: make lab ARGS=--no-browser        py -m course_utils.project lab --no-browser
    setup      --fresh      throw .venv away, download and install everything anew
    lab        any option of JupyterLab, such as --no-browser
    test       lessons, such as 05, "05 07" or a file: compare only these, check nothing else
    notebooks, site, slides, student, browser-test    lessons, as for test; all without them
    bench      --splits 3 (number of splits of each kind), --tuning (only cross-validate accuracy),
               --part accuracy (or speed, extraction, layers, pretraining: only it)
    lock       any option of "uv pip compile", such as --upgrade"""


def main(arguments: list) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : list of str
        The name of a command (see `HELP`; none means help) and its own arguments.

    Returns
    -------
    int
        0 if all went well, 1 or the exit code of what failed, 2 for an unknown command.
    """
    name, extra = (arguments or ["help"])[0], arguments[1:]
    if name not in COMMANDS:
        print(f"Unknown command {name!r}; choose from {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    try:
        return COMMANDS[name](extra)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # what a shell reports for Ctrl-C


def lab_command(extra: list) -> list:
    """Return the command line of JupyterLab on the first lesson, asking nobody for news.

    Parameters
    ----------
    extra : list of str
        More options of JupyterLab.
    """
    options = [
        f"--LabApp.default_url=/lab/tree/{FIRST_LESSON}",  # also the address that it prints
        f"--ServerApp.root_dir={ROOT}",  # not notebooks/: lessons show drawings of ../figures
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        "--LabApp.extension_manager=readonly",
    ]
    return [PYTHON, "-m", "jupyterlab", *options, *extra]


def lab_environment() -> dict:
    """Return environment variables with which JupyterLab finds the kernel of .venv first.

    A kernel named python3 in the user's own folders would otherwise run the notebooks with
    another Python. JUPYTER_PATH is searched before all other folders.
    """
    kernels = str(ROOT / ".venv" / "share" / "jupyter")
    return {**environment(ROOT), "JUPYTER_PATH": kernels, "JUPYTER_PREFER_ENV_PATH": "1"}


def _setup(extra):
    if extra not in ([], ["--fresh"]):
        raise SetupError(f"setup takes no argument but --fresh, found: {' '.join(extra)}.")
    if install(ROOT, fresh=bool(extra)):
        print("Set-up finished. Next: make lab (Windows: py -m course_utils.project lab)")
    else:
        print("Nothing to do: .venv is up to date.")
    return 0


def _lab(extra):
    install(ROOT)
    return call(lab_command(extra), lab_environment())


def _check(extra):
    if extra:
        raise SetupError(f"check takes no argument, found: {' '.join(extra)}.")
    install(ROOT)
    return run_steps("make check", check_steps(with_slow_tests=False))


def _test(extra):
    steps = notebook_step(lessons(extra))
    install(ROOT)
    if not extra:
        steps = check_steps(with_slow_tests=True) | steps
    return run_steps("make test", steps)


def _notebooks(extra):
    files = lessons(extra)
    install(ROOT)
    command = [PYTHON, "-m", "course_utils.project.notebooks", "store", *files]
    return call(command, {**environment(ROOT), "TQDM_DISABLE": "1"})


def _figures(extra):
    install(ROOT)
    scripts = sorted((ROOT / "figures").glob("draw_*.py"))
    variables = environment(ROOT)
    failed = [script.name for script in scripts if call([PYTHON, str(script)], variables) != 0]
    if failed:
        print(f"Not drawn: {', '.join(failed)}; see the lines above.", file=sys.stderr)
    return int(bool(failed))


def _book(extra, kind):
    files = lessons(extra)
    install(ROOT)
    command = [PYTHON, "-m", "course_utils.project.book", kind, *files]
    return call(command, environment(ROOT))


def _browser_test(extra):
    step = browser_step(lessons(extra))
    install(ROOT)
    return run_steps("make browser-test", step)


def _bench(extra):
    install(ROOT)
    script = str(ROOT / "tests" / "benchmarks" / "solar_cells.py")
    return call([PYTHON, script, *extra], environment(ROOT))


def _lock(extra):
    install(ROOT)
    command = [str(program(ROOT, "uv")), "pip", "compile", "requirements.txt"]
    command += ["-o", "requirements.lock", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-emit-index-url", "--quiet"]
    command += ["--custom-compile-command", "make lock", *extra]
    return call(command, environment(ROOT))


def _help(extra):
    print(HELP)
    return 0


COMMANDS: dict = {
    "lab": _lab,
    "check": _check,
    "test": _test,
    "setup": _setup,
    "notebooks": _notebooks,
    "figures": _figures,
    "site": partial(_book, kind="site"),
    "slides": partial(_book, kind="slides"),
    "student": partial(_book, kind="student"),
    "browser-test": _browser_test,
    "bench": _bench,
    "lock": _lock,
    "help": _help,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
