"""JSON lines: an object in each line of a file."""

import json
from collections.abc import Iterator
from pathlib import Path

from course_utils.data.findings import DataError
from course_utils.data.own import Findings


def is_json(path: Path) -> bool:
    """Say whether the name of a file ends like that of JSON lines.

    Examples
    --------
    >>> is_json(Path("a.jsonl")), is_json(Path("a.csv"))
    (True, False)
    """
    return path.suffix.lower() in (".jsonl", ".ndjson", ".json")


def json_rows(text: str, column: str, findings: Findings) -> Iterator[tuple[str, dict]]:
    """Yield line and cells of each object; a line that has none is noted.

    Parameters
    ----------
    text : str
        The content of the file.
    column : str
        A name that each object must have, besides ``label``.
    findings : Findings
        More are added.

    Raises
    ------
    DataError
        If it is one list.
    """
    if text.lstrip().startswith("["):
        raise DataError("it is one JSON list; write one object in each line (JSON lines)")
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        where = f"line {line}"
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            findings.leave_out("no JSON", where, "it is no JSON object, or is cut off")
            continue
        if not isinstance(found, dict):
            findings.leave_out("no JSON", where, "it is no JSON object with names")
            continue
        cells = {name: _as_cell(value) for name, value in found.items()}
        if missing := [name for name in (column, "label") if cells.get(name) is None]:
            findings.leave_out("empty cell", where, f"its {missing[0]} is missing, or no text")
        else:
            yield where, {name: cell or "" for name, cell in cells.items()}


def _as_cell(value: object) -> str | None:
    """Return texts and whole numbers as text, and None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value)
