"""Slides that need no network: reveal.js shows what `cut_lesson` makes of the stored notebooks."""

import re
import shutil
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

from course_utils.project.book.folders import (
    STATIC,
    built_aside,
    copy_figures,
    copy_mathjax,
    package_folder,
)
from course_utils.project.book.pages import inner_links, lesson_title
from course_utils.project.book.pictures import describe_pictures
from course_utils.project.book.slide_cuts import cut_lesson

START = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Slides of the course</title>
<body style="font: 20px sans-serif; margin: 2em auto; max-width: 40em; padding: 0 1em">
<main>
<h1>Slides of the course</h1>
<p>Arrow keys turn the pages, S opens the speaker notes, Esc shows all slides.
For a PDF file, open a deck with <code>?print-pdf</code> after its name and print it.</p>
<ul>
{decks}
</ul>
</main>
</html>
"""


def build_slides(target, lessons):
    """Build a deck for each lesson and a page that lists them.

    Parameters
    ----------
    target : pathlib.Path
        Folder of the slides. What was built before stays if anything fails.
    lessons : list of pathlib.Path
        Notebooks.
    """
    exporter = SlidesExporter(
        template_name="course_slides",
        extra_template_basedirs=[str(STATIC.parent / "templates")],
        reveal_url_prefix="reveal",
        reveal_theme="white",
    )
    decks = {f"{path.stem}.ipynb" for path in lessons}
    with built_aside(target) as folder:
        copy_parts(folder)
        items = []
        for path in lessons:
            notebook = nbformat.read(path, as_version=4)
            title = f"{path.name[:2]} {lesson_title(notebook)}"
            page = deck(notebook, exporter, title, decks)
            (folder / f"{path.stem}.html").write_text(page, encoding="utf-8")
            items.append(f'<li><a href="{path.stem}.html">{title}</a></li>')
        start = START.format(decks="\n".join(items))
        (folder / "index.html").write_text(start, encoding="utf-8")


def copy_parts(folder):
    """Copy what the decks need: reveal.js, MathJax, style, and the drawings of the course.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the slides.
    """
    reveal = package_folder("sphinx-revealjs", "_static/revealjs")
    for part in ("dist", "plugin/notes"):
        shutil.copytree(reveal / part, folder / "reveal" / part)
    for name in ("slides.css", "slides.js"):
        shutil.copy(STATIC / name, folder)
    copy_figures(folder)
    copy_mathjax(folder)


def deck(notebook, exporter, title, decks):
    """Return the page of one deck.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A lesson; its text is changed in place.
    exporter : nbconvert.SlidesExporter
        With the template of the course.
    title : str
        Of the page.
    decks : set of str
        Names of the notebooks that have a deck; links to others become text.
    """
    describe_pictures(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = inner_links(cell.source, Path(), decks)
            text = re.sub(r"\[([^\]]+)\]\(#[^)]*\)", r"\1", text)  # a slide has no such target
            cell.source = text.replace(".ipynb)", ".html)").replace("](../figures/", "](figures/")
    slides = cut_lesson(notebook)
    slides.metadata["title"] = title
    page, _ = exporter.from_notebook_node(slides)
    return page
