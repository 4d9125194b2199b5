"""Write GLOSSARY.md from the tables "Words" of the lessons, in English and Chinese.

Run ``python -m course_utils.project.glossary`` after a table has changed; a new word needs its
Chinese name in `course_utils.project.chinese_terms`. The same command writes READING.md.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import nbformat

from course_utils.project.chinese_terms import CHINESE
from course_utils.project.reading import reading
from course_utils.project.reports import replace_file

ROOT = Path(__file__).resolve().parents[2]
HEADING = "## Words\n"
HEAD = """\
# Glossary

All words of the lessons, each defined once, by the lesson in the last column.

本课程的术语表：英文，中文，英文释义，以及定义该术语的课。

| word | 中文 | meaning | defined in |
|---|---|---|---|
"""
FOOT = """
This page is made from the tables *Words* of the lessons:
[how](CONTRIBUTING.md#pages-that-are-made).
"""


class Word(NamedTuple):
    """A row of a table: one word, or several that are defined together, and the lesson's file."""

    term: str
    meaning: str
    lesson: str


def words_of(path: Path) -> list[Word]:
    """Return the words that a lesson defines.

    Parameters
    ----------
    path : pathlib.Path
        A notebook.

    Raises
    ------
    ValueError
        If it has no table of words.
    """
    cells = nbformat.read(path, as_version=4).cells
    tables = [cell.source for cell in cells if cell.source.startswith(HEADING)]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", "\n".join(tables), re.MULTILINE)
    words = [Word(term, meaning, path.name) for term, meaning in rows if term != "word"]
    if not words:
        raise ValueError(f"{path.name} has no table of words; give it a cell '## Words' with one")
    return words


def glossary(words: Iterable[Word]) -> str:
    """Return the text of GLOSSARY.md.

    Parameters
    ----------
    words : iterable of Word
        In the order of the lessons.

    Raises
    ------
    ValueError
        If two lessons define a word, a word has no Chinese name, or a name has no word any more.
    """
    words = list(words)
    _check(words)
    rows = [
        f"| {term} | {CHINESE[term]} | {meaning} | {_link(lesson)} |"
        for term, meaning, lesson in sorted(words, key=lambda word: _letters(word.term))
    ]
    return HEAD + "\n".join(rows) + "\n" + FOOT


def _check(words: list[Word]) -> None:
    first: dict[str, str] = {}
    for word in words:
        for part in word.term.split(", "):
            known = first.setdefault(_letters(part), word.lesson)
            if known != word.lesson:
                where = f"{known} and {word.lesson} both define {part!r}"
                raise ValueError(f"{where}; keep the first definition, and remove the other row")
        if word.term not in CHINESE:
            what = f"{word.term!r} of {word.lesson} has no Chinese name"
            raise ValueError(f"{what}; add it to course_utils/project/chinese_terms.py")
    left = CHINESE.keys() - {word.term for word in words}
    if left:
        what = f"no lesson defines {min(left)!r}"
        raise ValueError(f"{what}; remove it from course_utils/project/chinese_terms.py")


def _link(lesson: str) -> str:
    return f"[lesson {lesson[:2]}](notebooks/{lesson}#Words)"


def _letters(term: str) -> str:
    """Return what words are sorted and compared by: no brackets, formulas, capitals."""
    return re.sub(r"\$.*?\$|[^\w ]", "", term).strip().lower()


def main() -> int:
    """Write GLOSSARY.md and READING.md anew; return the exit status."""
    try:
        lessons = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
        pages = {
            "GLOSSARY.md": glossary(word for path in lessons for word in words_of(path)),
            "READING.md": reading(lessons),
        }
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for name, text in pages.items():
        replace_file(ROOT / name, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
