"""Run all notebooks, store them with their outputs, or check how they are stored.

`python -m course_utils.notebooks run` executes the notebooks, reports seconds, memory and claims,
and changes no notebook; `store` executes them and replaces their files; `check` names the files
that are not in normal form.
"""

import argparse
import sys
from pathlib import Path

from course_utils.project.execution import NotebookError, execute
from course_utils.project.normal_form import is_normal, write_notebook
from course_utils.project.reports import format_table, megabytes, read_ledger, write_claims

ROOT = Path(__file__).resolve().parents[2]


def run(paths, *, reports=ROOT / "reports"):
    """Execute notebooks without storing them; print a table and write their claims.

    Parameters
    ----------
    paths : list of pathlib.Path
        Notebooks.
    reports : str or pathlib.Path, default="reports" beside the package
        Folder for `claims.md`, `claims.csv` and the ledger from which they are made.

    Returns
    -------
    bool
        Whether all of them ran from top to bottom.
    """
    ledger = Path(reports) / "ledger.jsonl"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.unlink(missing_ok=True)
    executions = [_attempt(path, lambda path: execute(path, ledger=ledger)) for path in paths]
    claims = read_ledger(ledger)
    rows = []
    for path, execution in zip(paths, executions, strict=True):
        count = sum(claim["notebook"] == path.name for claim in claims)
        rows.append([path.name, *_cost(execution), str(count)])
    print(format_table(["notebook", "seconds", "peak memory", "claims"], rows))
    write_claims(claims, reports)
    return None not in executions


def _cost(execution):
    if execution is None:
        return "failed", "-"
    return f"{execution.seconds:.1f}", megabytes(execution.peak_memory)


def store(paths):
    """Execute notebooks and replace their files, each only if it ran from top to bottom.

    Parameters
    ----------
    paths : list of pathlib.Path
        Notebooks.

    Returns
    -------
    bool
        Whether all of them ran from top to bottom.
    """
    return None not in [_attempt(path, _execute_and_write) for path in paths]


def _execute_and_write(path):
    execution = execute(path)
    write_notebook(execution.notebook, path)
    return execution


def _attempt(path, action):
    """Return `action(path)`, or None after printing why the notebook failed."""
    print(f"executing {path.name}", flush=True)
    try:
        return action(path)
    except NotebookError as error:
        print(error, file=sys.stderr, flush=True)
        return None


def check(paths):
    """Print the names of the notebooks that are not stored in normal form.

    Parameters
    ----------
    paths : list of pathlib.Path
        Notebooks.

    Returns
    -------
    bool
        Whether all of them are in normal form.
    """
    strays = [path for path in paths if not is_normal(path)]
    for path in strays:
        print(f"{path.name} is not in normal form; `make notebooks` stores it so", file=sys.stderr)
    return not strays


def main(arguments=None):
    """Command line of this module.

    Parameters
    ----------
    arguments : list of str, default=None
        Command and file names; None means those of the command line.

    Returns
    -------
    int
        Exit status: 0 if all is well, 1 if a notebook failed, 2 if there is none.
    """
    parser = argparse.ArgumentParser("python -m course_utils.notebooks", description=__doc__)
    parser.add_argument("command", choices=["run", "store", "check"])
    parser.add_argument("files", nargs="*", type=Path, help="default: all of notebooks/")
    chosen = parser.parse_args(arguments)
    paths = chosen.files or sorted((ROOT / "notebooks").glob("*.ipynb"))
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        print(f"no such notebook: {', '.join(missing) or 'notebooks/*.ipynb'}", file=sys.stderr)
        return 2
    command = {"run": run, "store": store, "check": check}[chosen.command]
    return 0 if command(paths) else 1


if __name__ == "__main__":
    # Notebooks hold letters that a Windows pipe cannot show; they must not stop the run.
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    raise SystemExit(main())
