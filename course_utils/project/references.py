"""The references of the lessons that can be looked up by a number, and what each stands behind."""

import re
from pathlib import Path
from typing import NamedTuple

import nbformat

SECTION = "## References\n"
# A DOI or an arXiv number as a link; some have brackets in their text.
LINK = re.compile(r"\[((?:doi|arXiv):\S+?)\]\((https://\S+?)\)(?=[\s,.;:]|$)")
AUTHORS = re.compile(r"[A-Z][\w'-]+(?:,? (?:et al\.|and|de|[A-Z][\w'-]+))* \d{4}\b")
NOTE = re.compile(r"(?:, (?:section|equation) \d+)?: (.+?)(?:(?:[.;,]|, and)(?= [A-Z*]|$)|$)")
BLOCK_END = re.compile(r"\n\s*\n|\n(?=- )")
SENTENCE_END = re.compile(r"(?:(?<=[.?!])|(?<=[.?!]\)))\s+(?=[A-Z*$(])")


class Reference(NamedTuple):
    """What one lesson says of one publication; `place` is the heading where it says so."""

    number: str
    address: str
    citation: str
    behind: str
    lesson: str
    place: str


def references_of(path: Path) -> list[Reference]:
    """Return the references of a lesson that have a DOI or an arXiv number.

    A reference stands behind what its list says after a colon; without that, behind the first
    sentence of the lesson that names its authors and year; data and weights behind the lesson.

    Parameters
    ----------
    path : pathlib.Path
        A notebook.

    Raises
    ------
    ValueError
        If a reference stands behind nothing.
    """
    texts = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]
    (listed,) = [text for text in texts if text.startswith(SECTION)]
    found = []
    for item in re.split(r"^- ", listed.partition("\n\nThis text")[0], flags=re.MULTILINE)[1:]:
        for number, address, citation, note in parts_of(" ".join(item.split())):
            place, behind = "References", note
            if not behind:
                place, behind = _named(citation, texts)
            if not behind:
                raise ValueError(
                    f"{path.name}: {citation} ({number}) stands behind nothing; say behind what, "
                    "after its link and a colon, or name its authors and year in the text"
                )
            found.append(Reference(number, address, citation, behind, path.name, place))
    return found


def parts_of(item: str) -> list[tuple[str, str, str, str]]:
    """Return number, address, citation and note of each publication that an item lists.

    Parameters
    ----------
    item : str
        One item of a list of references, on one line.

    Examples
    --------
    >>> parts_of("A. Holm 1979, *A test*, [doi:10.1/2](https://doi.org/10.1/2): many comparisons.")
    [('doi:10.1/2', 'https://doi.org/10.1/2', 'Holm 1979, *A test*', 'many comparisons')]
    """
    found, authors = [], ""
    pieces = LINK.split(item)  # text, number, address, text, ..., text
    for place in range(0, len(pieces) - 1, 3):
        text, number, address, rest = pieces[place : place + 4]
        named = list(AUTHORS.finditer(text))
        # without authors of its own it is another work of the same ones
        other = NOTE.sub("", text).strip(" ,;.").removeprefix("and ")
        title = text[named[-1].start() :] if named else f"{authors}, {other}"
        authors = named[-1].group() if named else authors
        found.append((number, address, title.strip(" ,;."), _note(rest)))
    return found


def _note(rest: str) -> str:
    """Return what a list says of a publication right after its link."""
    match = NOTE.match(rest)
    if match:
        return match.group(1)
    is_licensed = re.match(r"[;,.] .{0,60}(licence|copyright)", rest, re.IGNORECASE)
    return "the data or weights" if is_licensed else ""


def _named(citation: str, texts: list[str]) -> tuple[str, str]:
    """Return the heading and the first sentence that name authors and year, or empty texts."""
    author, year = re.split(r"[ ,]", citation)[0], re.findall(r"\d{4}", citation)[0]
    name = re.compile(rf"\b{re.escape(author)}\b.{{0,40}}\b{year}\b")
    heading = ""
    for text in texts:
        for block in BLOCK_END.split(text):
            title = re.match(r"#+ (.+)", block)
            heading = title.group(1) if title else heading
            for sentence in SENTENCE_END.split(" ".join(block.split())):
                if not text.startswith(SECTION) and name.search(sentence):
                    return heading, _plain(sentence)
    return "", ""


def _plain(sentence: str) -> str:
    """Return a sentence that can stand in a table: no links, no bold marks, no bars."""
    words = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", sentence).replace("**", "")
    words = words.removeprefix("- ").replace("|", r"\|").strip()
    missing = words.count("(") - words.count(")")  # a part of a longer remark in brackets
    return words.removeprefix("(") if missing > 0 else words.removesuffix(")") if missing else words
