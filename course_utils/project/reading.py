"""Write READING.md: what each lesson asks, takes and needs, and the references of all lessons."""

import re
from pathlib import Path
from typing import NamedTuple

import nbformat

from course_utils.project.references import Reference, references_of

QUESTION = re.compile(r"\*\*The question\.\*\* (.+?)\n\n", re.DOTALL)
TIME = re.compile(r"\*\*Time\*\* to read (.+?) min, to run (.+?) min, to practise (.+?) min\.")
NEEDED = re.compile(r"\]\((\d\d)_\w+\.ipynb")
HEAD = """\
# What to read, and in which order

## The lessons

Times are minutes to read, to run and to practise, as the lessons state them. To run was measured
on two cores of shared servers; `make test` measures it again, in `reports/costs.csv`.

| lesson | question | read | run | practise | needs |
|---|---|---|---|---|---|
"""
GRAPH = """
## What needs what

An arrow says: first this one, then that one.

```mermaid
flowchart TD
{lines}
```

## What stands behind the lessons

All references of the lessons that have a DOI or an arXiv number, each with the claim or method
that it stands behind, and where that is.

| reference | stands behind |
|---|---|
"""
FOOT = """
This page is made from the first cells and the *References* of the lessons:
[how](CONTRIBUTING.md#pages-that-are-made).
"""


class Lesson(NamedTuple):
    """What the first cell of a notebook says; `needs` are numbers of lessons."""

    file: str
    title: str
    question: str
    minutes: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def number(self) -> str:
        """The first two digits of the file's name."""
        return self.file[:2]


def lesson_of(path: Path) -> Lesson:
    """Return what the first cell of a notebook says.

    Parameters
    ----------
    path : pathlib.Path
        A notebook.

    Raises
    ------
    ValueError
        If it lacks the question or the minutes.
    """
    first = nbformat.read(path, as_version=4).cells[0].source
    question, time = QUESTION.search(first), TIME.search(first)
    if not question or not time:
        what = "**The question.**" if not question else "**Time** to read .. min, to run .."
        raise ValueError(f"{path.name} does not say in its first cell: {what}")
    needs = first.partition("**You need**")[2].partition("**Time**")[0]
    return Lesson(
        path.name,
        first.splitlines()[0].removeprefix("# "),
        " ".join(question.group(1).split()),
        time.groups(),
        tuple(NEEDED.findall(needs)),
    )


def arrows(lessons: list[Lesson]) -> list[tuple[str, str]]:
    """Return which lesson comes right before which: what others imply is left out.

    Parameters
    ----------
    lessons : list of Lesson
        In their order; each needs earlier ones only.

    Examples
    --------
    >>> three = [Lesson(f"0{n}.ipynb", "", "", (), ("00", "01")[:n]) for n in range(3)]
    >>> arrows(three)
    [('00', '01'), ('01', '02')]
    """
    before: dict[str, set[str]] = {}
    found = []
    for lesson in lessons:
        implied = {far for near in lesson.needs for far in before.get(near, ())}
        found += [(near, lesson.number) for near in lesson.needs if near not in implied]
        before[lesson.number] = implied | set(lesson.needs)
    return found


def reading(paths: list[Path]) -> str:
    """Return the text of READING.md.

    Parameters
    ----------
    paths : list of pathlib.Path
        All notebooks, in order.

    Raises
    ------
    ValueError
        If a lesson lacks something, or a reference stands behind nothing.
    """
    lessons = [lesson_of(path) for path in paths]
    files = {lesson.number: lesson.file for lesson in lessons}
    rows = [_row(lesson, files) for lesson in lessons]
    lines = [f'    {lesson.number}["{lesson.number} {lesson.title}"]' for lesson in lessons]
    lines += [f"    {before} --> {after}" for before, after in arrows(lessons)]
    by_number: dict[str, list[Reference]] = {}
    for path in paths:
        for reference in references_of(path):
            by_number.setdefault(reference.number, []).append(reference)
    listed = sorted(map(_reference, by_number.values()), key=str.lower)
    graph = GRAPH.format(lines="\n".join(lines))
    return HEAD + "\n".join(rows) + "\n" + graph + "\n".join(listed) + "\n" + FOOT


def _row(lesson: Lesson, files: dict[str, str]) -> str:
    link = f"[{lesson.number} {lesson.title}](notebooks/{lesson.file})"
    needs = (
        ", ".join(f"[{number}](notebooks/{files[number]})" for number in lesson.needs) or "nothing"
    )
    return f"| {link} | {lesson.question} | {' | '.join(lesson.minutes)} | {needs} |"


def _reference(references: list[Reference]) -> str:
    """Return the row of one publication, with the fullest of its citations."""
    citation = max((reference.citation for reference in references), key=len)
    number, address, *_ = references[0]
    uses: dict[str, list[str]] = {}
    for use in references:
        target = f"notebooks/{use.lesson}#{use.place.replace(' ', '-')}"
        uses.setdefault(use.behind.rstrip("."), []).append(f"[lesson {use.lesson[:2]}]({target})")
    told = "; ".join(f"{behind} ({', '.join(links)})" for behind, links in uses.items())
    return f"| {citation}, [{number}]({address}) | {told} |"
