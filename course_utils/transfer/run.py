"""One call from data to a documented model: `transfer`."""

import json
from collections.abc import Callable
from pathlib import Path

import torch

from course_utils.data.findings import DataError, shown
from course_utils.environment.arguments import described
from course_utils.environment.door import checked
from course_utils.environment.machine import release_memory, use_device
from course_utils.transfer.card import card
from course_utils.transfer.onnx_file import write_onnx
from course_utils.transfer.pipeline import STEPS, finish
from course_utils.transfer.readable import readable
from course_utils.transfer.saved import save_transfer
from course_utils.transfer.settings import Settings, check_device
from course_utils.transfer.state import Run
from course_utils.transfer.store import FolderError, Store, write_text

LEFT_AWAY = ("look", "calibration")  # of the report: too long, or part of the test


class TransferResult:
    """What a run has made: its folder, and its report.

    Parameters
    ----------
    folder : pathlib.Path
        With ``model.safetensors``, ``config.json``, ``model.onnx``, ``README.md`` and reports.
    report : dict
        As in ``report.json``.
    """

    def __init__(self, folder: Path, report: dict):
        self.folder, self.report = folder, report

    def __repr__(self):
        return (self.folder / "report.md").read_text(encoding="utf-8")

    _repr_markdown_ = __repr__


@checked(skip=("licence", "device", "tune"))
def transfer(
    data: str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    tune: bool = True,
    size: int = 224,
    max_tokens: int = 128,
    epochs: int = 6,
    licence: str = "not stated",
    say: Callable = lambda line: None,
) -> TransferResult:
    """Make an audited, documented and saved model from a folder of pictures or a table.

    Look at the data, split them, learn baselines and a linear probe on pretrained features,
    fine-tune, choose on validation, audit, measure once on test, and write the model. Each step's
    result is kept in ``out``, so that a run that was stopped goes on: to the same numbers, on the
    same machine with the same number of threads.

    Parameters
    ----------
    data : str or pathlib.Path
        A folder with a folder for each class, or a table: see
        `course_utils.data.read_image_folder`, ``read_image_table`` and ``read_text_table``.
    out : str or pathlib.Path
        Folder for the results; new or empty, unless a run is resumed.
    resume : bool
        Go on with what is in ``out``.
    seed : int
        Of the split and of training.
    device : {'auto', 'cpu', 'cuda', 'mps'}
        Where networks run.
    tune : bool
        False leaves out fine-tuning.
    size : int
        Pictures are resized to so many pixels in height and width, 32 to 1024.
    max_tokens : int
        Longer texts are cut off, 8 to 512.
    epochs : int
        Most epochs of fine-tuning.
    licence : str
        Licence of the data, for the model card.
    say : callable
        Gets a line after each step.

    Returns
    -------
    TransferResult
        Shows the report.

    Raises
    ------
    course_utils.data.DataError
        If the data cannot be used; ``error.report`` has what was found.
    ValueError
        If ``out`` is not as said, or a setting is out of its range. Nothing is written then.
    OSError
        If a file cannot be written.
    """
    settings = Settings(seed, size, max_tokens, tune, epochs, licence)
    path, store = Path(data), Store(Path(out))
    _check_places(path, store.folder)
    if not isinstance(resume, bool):
        raise TypeError(f"resume is {described(resume)}; give True or False")
    release_memory()  # what the caller no longer uses
    with use_device(check_device(device)):
        store.open(settings, resume=resume)
        try:
            with store.locked():
                run = Run(path, settings, store)
                return _kept(run, finish(run, say))
        except DataError:
            store.forget()
            raise
        finally:
            release_memory()  # half a gigabyte, which a notebook would go on to hold


def _check_places(path: Path, out: Path) -> None:
    """Raise if the results would lie among the data."""
    if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
        raise FolderError(
            f"out is {shown(str(out))}, which lies in the data; give a folder outside of them"
        )


def _kept(run: Run, found) -> TransferResult:
    """Write everything that is for keeps; the report comes last, and says that it is all there."""
    folder = run.store.folder
    save_transfer(found, folder)
    release_memory()  # of the audit, before the exporter takes several copies of the weights
    onnx = write_onnx(found, run.inputs("validation", 4), folder / "model.onnx")
    report = _report(run) | {"onnx": onnx}
    write_text(folder / "README.md", card(report))
    write_text(folder / "report.md", readable(report, run.data))
    write_text(folder / "report.json", json.dumps(report, indent=1) + "\n")
    return TransferResult(folder, report)


def _report(run: Run) -> dict:
    """Put together what the steps have found; no times, which differ from run to run."""
    data = run.data
    about: dict = {"name": run.path.resolve().stem, "kind": data.kind}
    about["settings"] = run.settings.as_dict()
    about["data"] = {
        "number": len(data),
        "classes": list(data.classes),
        "groups": None if data.groups is None else len(set(data.groups)),
        "left out": len(data.report.left_out),
        "findings": data.report.as_dicts(),
    }
    found = {name: run.found(name) for name in STEPS if name not in LEFT_AWAY}
    found["split"] = {part: _counts(data, rows) for part, rows in run.parts.items()}
    found["baseline"]["classical"].pop("said")
    return about | found


def _counts(data, rows) -> dict[str, int]:
    counts = torch.bincount(data.labels[rows], minlength=len(data.classes)).tolist()
    return dict(zip(data.classes, counts, strict=True))
