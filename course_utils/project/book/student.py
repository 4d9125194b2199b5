"""Copies of the notebooks for a class: without solutions and without outputs."""

import copy
import re
from pathlib import Path

import nbformat

from course_utils.project.book.folders import built_aside, copy_figures
from course_utils.project.book.pages import inner_links
from course_utils.project.normal_form import normal_text

WHERE_SOLUTIONS_ARE = re.compile(
    r"The collapsed\s+cell below each exercise holds a solution(; click on its dots to open it)?\."
)
INSTEAD = "This copy has no solutions: ask for hints first, then your teacher."


def build_student(target, lessons):
    """Write a copy of each lesson, and the drawings that lessons show.

    Parameters
    ----------
    target : pathlib.Path
        Folder of the copies. What was built before stays if anything fails.
    lessons : list of pathlib.Path
        Notebooks.

    Raises
    ------
    ValueError
        If a lesson does not say where its solutions are, as the copy must say something else.
    """
    pages = {f"notebooks/{path.name}" for path in lessons}
    with built_aside(target) as folder:
        (folder / "notebooks").mkdir()
        copy_figures(folder)
        for path in lessons:
            student = student_copy(nbformat.read(path, as_version=4), pages)
            text = normal_text(student)
            (folder / "notebooks" / path.name).write_text(text, encoding="utf-8")


def student_copy(notebook, pages):
    """Return a lesson without solutions and outputs; its questions keep their folded answers.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A lesson.
    pages : set of str
        Files of the copies; links to others become text.

    Returns
    -------
    nbformat.NotebookNode
        The copy. It runs as it is, since exercises that are not attempted run.

    Raises
    ------
    ValueError
        If the lesson does not say where its solutions are.
    """
    student, replaced = copy.deepcopy(notebook), 0
    student.cells = [c for c in student.cells if "solution" not in c.metadata.get("tags", [])]
    for cell in student.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            text, found = WHERE_SOLUTIONS_ARE.subn(INSTEAD, cell.source)
            cell.source = inner_links(text, Path("notebooks"), pages, anchors=str)
            replaced += found
    if replaced != 1:
        raise ValueError(
            f"The lesson says {replaced} times where its solutions are, not once: write 'The "
            "collapsed cell below each exercise holds a solution.' below its heading Exercises."
        )
    return student
