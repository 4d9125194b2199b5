"""Open, run and test the course: the commands behind ``make``, and the only ones on Windows.

Run ``python -m course_utils.project help`` in the folder of the repository. Like
`course_utils.project.installation` this needs the standard library only and starts under any Python
from 3.6 on, to say in one line what is wrong with it.
"""

import subprocess
import sys
from pathlib import Path

from course_utils.project.installation import Installation, SetupError, check_version

ROOT = Path(__file__).resolve().parents[2]


FIRST_LESSON = "notebooks/00_start_here.ipynb"


SOURCES = ("course_utils", "tests", "figures", "notebooks")


HELP = """\
make COMMAND                 on Windows: py -m course_utils.project COMMAND

  lab        open JupyterLab on the first lesson
  test       check the style, run all tests and compare all notebooks, without the network
  setup      install everything into .venv (the other commands do it too, when it is needed)
  run        run all notebooks and report times, memory and claims
  notebooks  run all notebooks again and store them with their outputs
  figures    draw all figures of figures/ again
  bench      measure the benchmark on solar cells again (over an hour; not part of test)
  lock       renew requirements.lock from requirements.txt (needs the network)
  help       show this list

More arguments: make lab ARGS=--no-browser        py -m course_utils.project lab --no-browser
    setup      --fresh      throw .venv away, download and install everything anew
    lab        any option of JupyterLab, such as --no-browser
    notebooks  the files to run; all without it
    bench      --splits 3 (number of splits of each kind), --tuning (only cross-validate accuracy),
               --part accuracy (or speed, extraction, layers: only this one)
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
        check_version(sys.version_info)
        return COMMANDS[name](Installation(ROOT), extra)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # what a shell reports for Ctrl-C


def lab_command(python: Path, extra: list) -> list:
    """Return the command line of JupyterLab on the first lesson, asking nobody for news.

    Parameters
    ----------
    python : pathlib.Path
        The Python that has JupyterLab.
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
    return [str(python), "-m", "jupyterlab", *options, *extra]


def lab_environment(installation: Installation) -> dict:
    """Return environment variables with which JupyterLab finds the kernel of .venv first.

    A kernel named python3 in the user's own folders would otherwise run the notebooks with
    another Python. JUPYTER_PATH is searched before all other folders.
    """
    variables = installation.environment()
    kernels = str(installation.folder / "share" / "jupyter")
    return dict(variables, JUPYTER_PATH=kernels, JUPYTER_PREFER_ENV_PATH="1")


def check_steps(python: Path) -> dict:
    """Return the steps of the command test: for each its name and its command line."""
    run = [str(python), "-m"]
    pytest = [*run, "course_utils.project.network", *run, "pytest"]
    strict = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", "--runxfail"]
    return {
        "style": [*run, "ruff", "check", *SOURCES],
        "format": [*run, "ruff", "format", "--check", *SOURCES],
        "tests": [*pytest, "tests", "course_utils"],
        "notebooks": [*pytest, "notebooks", *strict, "--durations=10", "-p", "no:cacheprovider"],
    }


def call(command: list, environment: dict) -> int:
    """Run a program in the repository and return its exit code; Ctrl-C is left to the program."""
    process = subprocess.Popen(command, cwd=str(ROOT), env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:  # the program got it too: let it come to its end
        process.wait()
        raise


def _setup(installation, extra):
    if extra not in ([], ["--fresh"]):
        raise SetupError(f"setup takes no argument but --fresh, found: {' '.join(extra)}.")
    if installation.install(fresh=bool(extra)):
        print("Set-up finished. Next: make lab (Windows: py -m course_utils.project lab)")
    else:
        print("Nothing to do: .venv is up to date.")
    return 0


def _lab(installation, extra):
    installation.install()
    return call(lab_command(installation.python, extra), lab_environment(installation))


def _test(installation, extra):
    installation.install()
    variables = dict(installation.environment(), TQDM_DISABLE="1", HF_HUB_OFFLINE="1")
    failed = []
    for name, command in check_steps(installation.python).items():
        print(f"--- {name}", flush=True)
        if call(command, variables) != 0:
            failed.append(name)
    print(
        f"make test: FAILED in {', '.join(failed)}." if failed else "make test: all steps passed."
    )
    return int(bool(failed))


def _notebooks(action):
    def command(installation, extra):
        installation.install()
        line = [str(installation.python), "-m", "course_utils.project.notebooks", action, *extra]
        return call(line, dict(installation.environment(), TQDM_DISABLE="1"))

    return command


def _figures(installation, extra):
    installation.install()
    failed = []
    for script in sorted((ROOT / "figures").glob("draw_*.py")):
        if call([str(installation.python), str(script)], installation.environment()) != 0:
            failed.append(script.name)
    if failed:
        print(f"Not drawn: {', '.join(failed)}; see the lines above.", file=sys.stderr)
    return int(bool(failed))


def _bench(installation, extra):
    installation.install()
    script = str(ROOT / "tests" / "benchmarks" / "solar_cells.py")
    return call([str(installation.python), script, *extra], installation.environment())


def _lock(installation, extra):
    installation.install()
    command = [
        str(installation.uv),
        "pip",
        "compile",
        "requirements.txt",
        "-o",
        "requirements.lock",
    ]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-emit-index-url", "--custom-compile-command", "make lock", "--quiet", *extra]
    return call(command, installation.environment())


def _help(installation, extra):
    print(HELP)
    return 0


COMMANDS = {
    "lab": _lab,
    "test": _test,
    "setup": _setup,
    "run": _notebooks("run"),
    "notebooks": _notebooks("store"),
    "figures": _figures,
    "bench": _bench,
    "lock": _lock,
    "help": _help,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
