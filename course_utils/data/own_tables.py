"""Rows of a table that somebody has saved: its encoding, its separator, its mistakes.

The rows of a text file are read by Python's csv, those of JSON lines by json.
"""

import csv
import io
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from course_utils.data.encodings import decoded
from course_utils.data.findings import DataError, shown
from course_utils.data.json_lines import is_json, json_rows
from course_utils.data.own import Findings

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LONGEST_CELL = 1_000_000  # characters; a book has fewer
COLUMNS = ("label", "group")


@dataclass(frozen=True)
class Row:
    """One row of a table that has all that is needed.

    Parameters
    ----------
    where : str
        Its first line, such as ``"line 5"``.
    value, label : str
        The text or file, and the name of its class.
    group : str or None
        None if the table has no column of groups.
    """

    where: str
    value: str
    label: str
    group: str | None


def read_rows(path: Path, column: str, findings: Findings) -> list[Row]:
    """Read the rows of a table. Each row is returned, or listed with the reason why not.

    Parameters
    ----------
    path : pathlib.Path
        CSV, TSV, or JSON lines, known by their ending ``.jsonl`` or ``.ndjson``.
    column : str
        Name of the column with the inputs, ``"text"`` or ``"image"``.
    findings : Findings
        More are added.

    Raises
    ------
    DataError
        If it is no such table, a column is missing or named twice, or a quote is never closed.
    """
    if not path.is_file():
        raise DataError(f"path is {shown(str(path))}, where no file is; give a table")
    text = decoded(path, findings)
    read = json_rows if is_json(path) else _of_cells
    raw = read(text, column, findings)
    return [row for where, cells in raw if (row := _row(where, cells, column, findings))]


def kind_of(path: Path) -> str:
    """Return whether a table is one of pictures, ``"image"``, or of texts, ``"text"``.

    Raises
    ------
    DataError
        If it is no table, as `read_rows`.
    """
    text = decoded(path, Findings())
    if is_json(path):
        names = next((set(cells) for _, cells in json_rows(text, "image", Findings())), set())
        return "image" if "image" in names else "text"
    first = next((line for line in text.splitlines() if line.strip()), "")
    return "image" if any("image" in names for names in _names(first).values()) else "text"


def _row(where: str, cells: dict[str, str], column: str, findings: Findings) -> Row | None:
    """Return a row whose cells are all filled, with a tidy label."""
    found = {}
    for name in (column, *(name for name in COLUMNS if name in cells)):
        cell = cells[name]
        if not cell.replace("\0", "").strip():
            findings.leave_out("empty cell", where, f"its {name} is empty")
            return None
        if len(cell) > LONGEST_CELL:
            reason = f"its {name} has {len(cell):,} characters, above {LONGEST_CELL:,}"
            findings.leave_out("huge cell", where, reason)
            return None
        if any("\ud800" <= character <= "\udfff" for character in cell):
            findings.leave_out("no text", where, f"its {name} has half a character (surrogate)")
            return None
        if "\0" in cell and column == "text":
            findings.note("NUL", where, f"NUL characters of its {name} are taken out")
            cell = cell.replace("\0", "")
        found[name] = cell
    for name in COLUMNS:
        if name in found:
            tidy = unicodedata.normalize("NFC", " ".join(found[name].split()))
            if tidy != found[name]:
                words = "spaces around or in it, or accents in another spelling"
                findings.note(f"{name} mended", where, words)
            found[name] = tidy
    return Row(where, found[column], found["label"], found.get("group"))


def _of_cells(text: str, column: str, findings: Findings) -> Iterator[tuple[str, dict]]:
    """Yield the rows of a table with separators, by the names in its first line."""
    separator, names = _header(text, column)
    if separator != ",":
        findings.note("separator", "line 1", f"cells are separated by {SEPARATORS[separator]}")
    try:
        rows = list(_records(text, separator, csv.QUOTE_MINIMAL))
    except csv.Error as error:
        if separator != "\t":
            raise DataError(
                f"{error}; close the quote, and write a quote in a text twice"
            ) from None
        findings.note("quotes", "line 1", "a quote is not closed, so quotes count as characters")
        rows = list(_records(text, separator, csv.QUOTE_NONE))
    for line, cells in rows[1:]:
        where = f"line {line}"
        if not any(cell.strip() for cell in cells):
            findings.leave_out("empty line", where, "there is nothing in it")
        elif len(cells) != len(names):
            reason = f"it has {len(cells)} cells and the first line {len(names)}; put a text with "
            findings.leave_out("number of cells", where, reason + "the separator in quotes")
        else:
            yield where, dict(zip(names, cells, strict=True))


def _header(text: str, column: str) -> tuple[str, list[str]]:
    """Return the separator, and the names of the columns: those that the first line has by it."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = _names(first)
    fits = [s for s, names in found.items() if column in names and "label" in names]
    best = fits[0] if fits else max(found, key=lambda separator: len(found[separator]))
    names = found[best]
    for name in (column, "label"):
        if name not in names:
            told = ", ".join(shown(name)[:30] for name in names[:8])
            raise DataError(
                f"there is no column {name!r}; the first line has: {told or 'nothing'}; name the "
                f"columns {column},label[,group] there"
            )
    for name in (column, *COLUMNS):
        if names.count(name) > 1:
            raise DataError(f"the column {name!r} is there twice; give each one a name of its own")
    return best, names


def _names(first: str) -> dict[str, list[str]]:
    """Return the names of the columns by each separator."""
    found = {}
    with _cells_of_any_length():
        for separator in SEPARATORS:
            cells = next(csv.reader([first], delimiter=separator), [])
            found[separator] = [" ".join(cell.split()).casefold() for cell in cells]
    return found


def _records(text: str, separator: str, quoting: Literal[0, 3]) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each record.

    Raises
    ------
    csv.Error
        With the line, where a quote is not closed or closes in the middle of a cell.
    """
    with _cells_of_any_length():
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True
        )
        first = 1
        try:
            for cells in reader:
                yield first, cells
                first = reader.line_num + 1
        except csv.Error as error:
            raise csv.Error(f"line {first} has a quote that does not end its cell") from error


@contextmanager
def _cells_of_any_length():
    """Let csv read huge cells for a while: they are judged later, by their line."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
