"""The characters of a file that somebody has saved in one of the usual encodings."""

import codecs
from pathlib import Path

from course_utils.data.findings import DataError, shown
from course_utils.data.own import Findings

# those of four bytes first: they begin with those of two
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# how files begin that many take for a table
OTHERS = {b"PK": "a zip archive or an Excel file", b"\xd0\xcf\x11\xe0": "an old Excel file"}
OTHERS |= {b"%PDF": "a PDF", b"PAR1": "a Parquet file", b"\x1f\x8b": "a compressed file"}
SAMPLE = 4096  # bytes that show an encoding
MOSTLY = 0.3  # share of NULs at every second place by which UTF-16 without a mark is known
MOST_BYTES = 2**30


def decoded(path: Path, findings: Findings) -> str:
    """Read a file as text: UTF-8 with or without mark, UTF-16, UTF-32, or Windows-1252.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    findings : Findings
        Gets a note on any encoding but UTF-8.

    Raises
    ------
    DataError
        If it is empty, has another format, or none of these encodings.
    """
    name = shown(path.name)
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{name} has more than {MOST_BYTES:,} bytes; cut the table into parts")
    content = path.read_bytes()
    for start, words in OTHERS.items():
        if content.startswith(start):
            raise DataError(f"{name} is {words}; save it as CSV in UTF-8")
    if not content.strip(b" \t\r\n\0"):
        raise DataError(f"{name} is empty; give a table with a first line of names")
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise DataError(f"{name} is no text in {encoding}; save it as CSV in UTF-8") from None
    if not encoding.startswith("utf-8"):
        findings.note("encoding", name, f"read as {encoding}; look whether accents are right")
    return text.removeprefix("\ufeff")


def _encoding(content: bytes) -> str:
    """Guess an encoding from the mark, the places of NULs, and whether UTF-8 fits."""
    for mark, name in MARKS.items():
        if content.startswith(mark):
            return name
    sample = content[:SAMPLE]
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        places = sample[offset::2]
        if places.count(0) > MOSTLY * len(places) and not sample[1 - offset :: 2].count(0):
            return name
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"
