"""The folder of a run: each step's result is a file that is written whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors.torch import load_file
from torch import Tensor

from course_utils.data.findings import DataError, shown
from course_utils.environment.cache import write_tensors
from course_utils.transfer.settings import Settings

STEPS = "steps"


class FolderError(ValueError):
    """A folder for results that may not be used as asked."""


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8 to a temporary name beside ``path``, then rename it.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


class Store:
    """Results of steps in the folder of a run.

    Parameters
    ----------
    folder : pathlib.Path
        Where the results go.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.steps = folder / STEPS

    def open(self, settings: Settings, *, resume: bool) -> None:
        """Make the folder, or go on in it.

        Raises
        ------
        FolderError
            If there is something in it and ``resume`` is False, or it is of another run.
        """
        there = shown(str(self.folder))
        if self.folder.exists() and not self.folder.is_dir():
            raise FolderError(f"out is {there}, which is a file; give a folder")
        is_used = self.folder.is_dir() and any(self.folder.iterdir())
        if is_used and not resume:
            raise FolderError(f"out is {there}, where something is; give another, or resume it")
        if is_used and not self.has("settings"):
            raise FolderError(f"out is {there}, which is not of a run; give another folder")
        if is_used:
            self._check_settings(settings)
            return
        self.steps.mkdir(parents=True, exist_ok=True)
        self.write("settings", settings.as_dict())

    def _check_settings(self, settings: Settings) -> None:
        before = self.read("settings")
        for name, value in settings.as_dict().items():
            if before.get(name) != value:
                raise FolderError(
                    f"{name} is {value!r}, and the run to resume has {before.get(name)!r}; give "
                    "the same, or another folder"
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder.

        Raises
        ------
        FolderError
            If one is in it.
        """
        lock = FileLock(self.steps / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            there = shown(str(self.folder))
            raise FolderError(f"out is {there}, in which another run works; wait for it") from None
        try:
            yield
        finally:
            lock.release()

    def forget(self) -> None:
        """Take away what `open` has made, if no step is done: nothing is worth resuming."""
        if {path.stem for path in self.steps.iterdir()} <= {"settings", "lock"}:
            shutil.rmtree(self.steps)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    def has(self, step: str) -> bool:
        """Whether a step is done."""
        return (self.steps / f"{step}.json").is_file()

    def write(self, step: str, result: dict, tensors: dict[str, Tensor] | None = None) -> None:
        """Keep what a step has found.

        Its ``tensors`` go first, since the ``result`` says that it is done.
        """
        if tensors:
            kept = {name: tensor.contiguous() for name, tensor in tensors.items()}
            write_tensors(kept, self.steps / f"{step}.safetensors", {})
        write_text(self.steps / f"{step}.json", json.dumps(result, indent=1))

    def read(self, step: str) -> dict:
        """Return what a step has found.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        path = self.steps / f"{step}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            name = f"{STEPS}/{path.name}"
            raise DataError(f"{name} is damaged; delete it, and resume the run") from None

    def tensors(self, step: str) -> dict[str, Tensor]:
        """Return the numbers that a step has kept."""
        return load_file(self.steps / f"{step}.safetensors")
