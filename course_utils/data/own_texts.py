"""A table of texts: found, read and checked."""

import hashlib
from pathlib import Path

from course_utils.data.own import Findings, Item, OwnData, finished
from course_utils.data.own_tables import read_rows
from course_utils.environment.door import checked


@checked
def read_text_table(path: str | Path) -> OwnData:
    """Find and check texts in a table: ``text,label`` and, if there is one, ``group``.

    Each row is used, or listed with the reason why not.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV or TSV whose first line names the columns; commas, semicolons, tabs or bars are found
        out, and so are UTF-8 with or without mark, UTF-16 and Windows-1252. Or JSON lines, with
        the ending ``.jsonl`` or ``.ndjson``.

    Returns
    -------
    OwnData
        ``values`` are texts, ``places`` their lines.

    Raises
    ------
    DataError
        If there is no such table, a column is missing or named twice, a quote is never closed, two
        labels differ in case only, or fewer than two classes have enough texts.

    Notes
    -----
    Texts are the same if they differ in spaces only. The same text under two labels is left out,
    both times. Copies under one label are used, and stay in one part of a split.
    """
    table, findings = Path(path), Findings()
    rows = read_rows(table, "text", findings)
    items = [Item(r.where, r.value.strip(), r.label, r.group, _digest(r.value)) for r in rows]
    return finished("text", table.parent, items, findings)


def _digest(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode("utf-8")).hexdigest()
