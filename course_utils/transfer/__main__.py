"""The command: ``python -m course_utils.transfer DATA --out DIR``, and ``predict MODEL FILES``."""

import argparse
import os
import sys
from pathlib import Path

from course_utils.data.encodings import decoded
from course_utils.data.findings import DataError, DataReport, shown
from course_utils.data.own import Findings
from course_utils.environment.machine import use_device
from course_utils.transfer.run import transfer
from course_utils.transfer.saved import TransferModel, load_transfer
from course_utils.transfer.settings import DEVICES, Settings
from course_utils.transfer.store import FolderError

OK, FAILED, WRONG_CALL = 0, 1, 2
ENDING = """\
DATA is a folder with a folder for each class, or a table (CSV, TSV, JSON lines) with the columns
text,label[,group] or image,label[,group]. To ask a model that is done:

  python -m course_utils.transfer predict MODEL FILES

Exit codes: 0 all is done, 1 the data cannot be used or the work failed, 2 wrong call."""


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments : list of str
        What stands behind the name of the command.
    """
    work = _predict if arguments[:1] == ["predict"] else _transfer
    try:
        return work(arguments)
    except FolderError as error:
        return _say(error, WRONG_CALL)
    except KeyboardInterrupt:
        told = "" if work is _predict else "; what is done is kept: call again with --resume"
        return _say(f"interrupted{told}", FAILED)
    except (ValueError, TypeError, OSError, RuntimeError, ArithmeticError, MemoryError) as error:
        report = getattr(error, "report", None)
        for finding in report.findings if isinstance(report, DataReport) else ():
            print(f"  {finding}", file=sys.stderr)
        return _say(error, FAILED)


def _say(problem: object, code: int) -> int:
    """Print one line that says what went wrong."""
    lines = [line for line in str(problem).splitlines() if line.strip()]
    print(f"error: {lines[0] if lines else type(problem).__name__}", file=sys.stderr)
    return code


def _transfer(arguments: list[str]) -> int:
    """Make a model of data."""
    asked = vars(_parser().parse_args(arguments))
    names = ("seed", "size", "max_tokens", "epochs", "licence", "tune")
    try:
        Settings(**{name: asked[name] for name in names})
    except (TypeError, ValueError) as error:
        return _say(error, WRONG_CALL)
    result = transfer(
        asked.pop("data"), asked.pop("out"), **asked, say=lambda line: print(line, file=sys.stderr)
    )
    print(f"{result.report['choice']['name']}: {_accuracy(result.report)}")
    print(f"written: {shown(str(result.folder))}")
    return OK


def _accuracy(report: dict) -> str:
    found = report["test"]["accuracy"]
    values = (found[name] for name in ("value", "low", "high"))
    return "test accuracy {:.3f} [{:.3f}, {:.3f}]".format(*values)


def _parser() -> argparse.ArgumentParser:
    """Return what reads the call."""
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.transfer",
        description="Make an audited, documented and saved model from your own data.",
        epilog=ENDING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = Settings()
    add = parser.add_argument
    add("data", metavar="DATA", help="folder of pictures, or table")
    add("--out", metavar="DIR", required=True, help="folder for the results")
    add("--resume", action="store_true", help="go on with the run in DIR")
    add("--seed", type=int, default=usual.seed, help="of split and training (%(default)s)")
    add("--device", choices=DEVICES, default="auto", help="where networks run (%(default)s)")
    add("--no-tune", dest="tune", action="store_false", help="learn a linear head only")
    add("--size", type=int, default=usual.size, help="pixels of a picture (%(default)s)")
    add("--max-tokens", type=int, default=usual.max_tokens, help="of a text (%(default)s)")
    add("--epochs", type=int, default=usual.epochs, help="most of fine-tuning (%(default)s)")
    add("--licence", default=usual.licence, help="of the data, for the card (%(default)s)")
    return parser


def _predict(arguments: list[str]) -> int:
    """Print a class and its probability for each file; one that cannot be used is named."""
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.transfer predict",
        description="Print a line for each file: its name, the class, and how probable it is.",
    )
    parser.add_argument("predict", help=argparse.SUPPRESS)
    parser.add_argument("model", metavar="MODEL", help="folder of a run that is done")
    parser.add_argument("files", metavar="FILES", nargs="+", help="pictures, or files with a text")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where networks run")
    asked = parser.parse_args(arguments)
    with use_device(asked.device):
        model, code = load_transfer(asked.model), OK
        for name in asked.files:
            try:
                sure = model.probabilities([_content(model, Path(name))])[0]
            except (DataError, OSError, UnicodeError) as error:
                code = _say(f"{shown(name)} is left out: {error}", FAILED)
                continue
            best = int(sure.argmax())
            print(f"{shown(name)}\t{shown(model.classes[best])}\t{sure[best]:.3f}")
    return code


def _content(model: TransferModel, path: Path) -> str:
    """Return what a model reads of a file: its name, or its text."""
    if model.kind == "image":
        return str(path)
    return decoded(path, Findings())


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is asked of the internet
    sys.exit(main(sys.argv[1:]))
