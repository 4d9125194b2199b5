"""A folder of pictures, or a table that names pictures: found, read once and checked."""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from course_utils.data.findings import DataError, shown
from course_utils.data.own import Findings, Item, OwnData, finished
from course_utils.data.own_tables import Row, read_rows
from course_utils.data.pictures import ENDINGS, PictureError, open_picture
from course_utils.environment.door import checked
from course_utils.environment.machine import progress_bar


@dataclass(frozen=True)
class _Listed:
    """A file that should be a picture, before it is opened."""

    where: str
    name: str
    label: str
    group: str | None = None


@checked
def read_image_folder(path: str | Path) -> OwnData:
    """Find and check pictures in a folder that has one folder for each class.

    This is the layout of torchvision's ``ImageFolder``; pictures may lie deeper in the folder of a
    class. Each file is used, or listed with the reason why not. Pictures are read one by one.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder.

    Returns
    -------
    OwnData
        ``values`` are files relative to the folder. See `course_utils.data.pictures` for what is
        done with pictures of unusual kinds.

    Raises
    ------
    DataError
        If there is no such folder, it has no folder in it, two names of classes differ in case
        only, or fewer than two classes have enough pictures.

    Notes
    -----
    The same picture under two labels is left out, both times. Copies under one label are used, and
    stay in one part of a split. A class with fewer than four different pictures is left out.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"path is {shown(str(root))}, where no folder is; give a folder")
    findings = Findings()
    listed = list(_in_folders(root, findings))
    return finished("image", root, list(_opened(root, listed, findings)), findings)


@checked
def read_image_table(path: str | Path) -> OwnData:
    """Find and check pictures that a table names: ``image,label`` and, if there is one, ``group``.

    Parameters
    ----------
    path : str or pathlib.Path
        A file as `course_utils.data.read_text_table` takes it, with a column ``image``: files
        relative to the folder of the table, and inside of it.

    Returns
    -------
    OwnData
        As of `read_image_folder`; ``groups`` are those of the column ``group``.

    Raises
    ------
    DataError
        As `course_utils.data.read_text_table`.
    """
    table, findings = Path(path), Findings()
    rows = read_rows(table, "image", findings)
    listed = list(_in_table(table.parent, rows, findings))
    return finished("image", table.parent, list(_opened(table.parent, listed, findings)), findings)


def _in_folders(root: Path, findings: Findings) -> Iterator[_Listed]:
    """Yield the files of all classes; what is no class and no picture is noted."""
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir())
    for entry in sorted(entry for entry in root.iterdir() if not entry.is_dir()):
        if not _is_foreign(entry.name, findings, entry.name):
            reason = "it lies in no folder of a class; move it into one"
            findings.leave_out("no class", entry.name, reason)
    if not folders:
        raise DataError(
            f"{shown(root.name)} has no folder in it; make one folder for each class, and put its "
            "pictures there"
        )
    for folder in folders:
        if folder.name.startswith("."):
            findings.leave_out("hidden", folder.name + "/", "its name starts with a dot")
            continue
        found = list(_below(root, folder, findings))
        if not found:
            findings.leave_out("empty class", folder.name + "/", "there is no picture in it")
        yield from found


def _below(root: Path, folder: Path, findings: Findings) -> Iterator[_Listed]:
    """Yield the pictures of one class, in the order of their names."""
    label = _one_spelling(folder.name, folder.name + "/", findings)
    for place, folders, files in os.walk(folder):
        inside = Path(place)
        for name in sorted(folders):
            where = (inside / name).relative_to(root).as_posix() + "/"
            if name.startswith("."):
                findings.leave_out("hidden", where, "its name starts with a dot")
            elif (inside / name).is_symlink():
                findings.leave_out("link", where, "a link to a folder is not followed; copy it")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            where = (inside / name).relative_to(root).as_posix()
            if not _is_foreign(name, findings, where):
                yield _Listed(where, where, label)


def _is_foreign(name: str, findings: Findings, where: str) -> bool:
    """Note a file that is no picture by its name."""
    if name.startswith("."):
        findings.leave_out("hidden", where, "its name starts with a dot")
        return True
    if Path(name).suffix.lower() not in ENDINGS:
        reason = "its name does not end like a picture; save pictures as PNG or JPEG"
        findings.leave_out("foreign", where, reason)
        return True
    return False


def _in_table(root: Path, rows: list[Row], findings: Findings) -> Iterator[_Listed]:
    """Yield the files that a table names, if they lie inside of its folder."""
    inside = root.resolve()
    for row in rows:
        name = row.value.strip()
        if "\\" in name and not (root / name).is_file():
            name = name.replace("\\", "/")  # written on Windows
        where = f"{row.where}: {name}"
        if "\0" in name:
            findings.leave_out("no file name", row.where, "a NUL stands in the name of the file")
        elif not (root / name).resolve().is_relative_to(inside):
            reason = "it lies outside of the folder of the table; copy it there"
            findings.leave_out("outside", where, reason)
        elif not _is_foreign(PurePosixPath(name).name, findings, where):
            yield _Listed(where, name, row.label, row.group)


def _opened(root: Path, listed: list[_Listed], findings: Findings) -> Iterator[Item]:
    """Read each picture once; yield those that can be used."""
    for each in progress_bar(listed, "look at pictures", unit="picture"):
        try:
            image, notes = open_picture(root / each.name)
        except PictureError as error:
            findings.leave_out(error.kind, each.where, str(error))
            continue
        low, high = zip(*image.getextrema(), strict=True)
        if low == high:
            notes["one colour"] = "all of it has one colour; look whether it is broken"
        for kind, words in notes.items():
            findings.note(kind, each.where, words)
        content = hashlib.sha256(repr(image.size).encode() + image.tobytes())
        yield Item(each.where, each.name, each.label, each.group, content.hexdigest())


def _one_spelling(name: str, where: str, findings: Findings) -> str:
    """Write accents in one way: systems differ in it, and names must compare."""
    label = unicodedata.normalize("NFC", name).strip()
    if label != name:
        findings.note("label mended", where, "spaces around it, or accents in another spelling")
    return label
