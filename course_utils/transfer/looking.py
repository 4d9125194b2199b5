"""Look at the data: which kind they are, what is used, and whether they are still the same."""

import hashlib
import os
from pathlib import Path

import torch

from course_utils.data.findings import DataError, DataFinding, DataReport, shown
from course_utils.data.own import OwnData
from course_utils.data.own_images import read_image_folder, read_image_table
from course_utils.data.own_tables import kind_of
from course_utils.data.own_texts import read_text_table

FIELDS = ("kind", "values", "places", "classes", "groups", "digests")


def read_own(path: Path) -> OwnData:
    """Read a folder of pictures, a table of pictures, or a table of texts.

    Raises
    ------
    DataError
        If it is none of them, or cannot be used.
    """
    if not path.exists():
        raise DataError(f"data is {shown(str(path))}, where nothing is; give a folder or a table")
    if path.is_dir():
        return read_image_folder(path)
    return read_image_table(path) if kind_of(path) == "image" else read_text_table(path)


def state_of(path: Path) -> str:
    """Return a fingerprint of names, sizes and dates of all files, to see whether one changed.

    See `read_own` for the path.
    """
    digest, pictures = hashlib.sha256(), path if path.is_dir() else path.parent
    files = [path] if path.is_file() else []
    if path.is_dir():
        for place, folders, names in os.walk(pictures):
            folders.sort()
            files += [Path(place) / name for name in sorted(names)]
    for file in files:
        about = file.lstat()
        words = f"{file.relative_to(pictures)}|{about.st_size}|{about.st_mtime_ns}\n"
        digest.update(words.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def as_dict(data: OwnData) -> dict:
    """Return data as plain values, for a file."""
    found = {name: getattr(data, name) for name in FIELDS}
    return found | {"labels": data.labels.tolist(), "findings": data.report.as_dicts()}


def from_dict(found: dict, path: Path) -> OwnData:
    """Return the data that `as_dict` has written; ``path`` is where they lie now."""
    kept = {name: found[name] for name in FIELDS}
    for name in ("values", "places", "classes", "groups", "digests"):
        kept[name] = None if kept[name] is None else tuple(kept[name])
    return OwnData(
        **kept,
        root=path if path.is_dir() else path.parent,
        labels=torch.tensor(found["labels"], dtype=torch.int64),
        report=DataReport(DataFinding(**finding) for finding in found["findings"]),
    )
