"""The pages of the book: copies of texts and of notebooks, made ready for Sphinx."""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat

from course_utils.project.book.folders import copy_figures
from course_utils.project.book.graph import drawn_graphs
from course_utils.project.book.pictures import describe_pictures
from course_utils.project.installation import ROOT

TEXTS = ("READING.md", "CHEATSHEET.md", "GLOSSARY.md", "TEACHING.md")
ANSWERS = re.compile(r"^\*\*Exam .+?\n\n| \*Look for:\*.+?(?=\n\n)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,3} (.+)$", re.MULTILINE)
OPENED_BY_DOTS = re.compile(r"click\s+on\s+its\s+dots\s+to\s+open\s+it")
SOLUTION_PROMPTS = {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide the solution"}
LANGUAGES = {"name": "python", "pygments_lexer": "ipython3"}


def slug(title):
    """Return the target of links to a heading, as on the web; it is also that of its own slug.

    Parameters
    ----------
    title : str
        A heading, or what JupyterLab makes of it in a link.

    Examples
    --------
    >>> slug("What moves, and how fast?") == slug("What-moves,-and-how-fast?")
    True
    """
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def inner_links(markdown, folder, pages, *, anchors=slug):
    """Keep links to the web and to pages of the book; of others keep the text only.

    Parameters
    ----------
    markdown : str
        Text of a page.
    folder : pathlib.PurePath
        Where the page lies in the book.
    pages : set of str
        Paths of all pages in the book.
    anchors : callable, default=slug
        What makes the anchor of a link that of the book.

    Examples
    --------
    >>> inner_links("[a](#One-Two) [b](02.ipynb) [c](LICENSE)", Path(), {"02.ipynb"})
    '[a](#one-two) [b](02.ipynb) c'
    """

    def link(match):
        text, target = match.groups()
        name, has_anchor, anchor = target.partition("#")
        if re.match("[a-z]+:", target):
            return match.group()
        parts = (folder / name).as_posix()
        if name and re.sub(r"[^/.]+/\.\./", "", parts) not in pages:
            return text
        return f"[{text}]({name}{has_anchor}{anchors(unquote(anchor))})"

    return LINK.sub(link, markdown)


def write_pages(folder, lessons):
    """Write the sources of the book: a start page, a page a lesson, and pages to look things up.

    Parameters
    ----------
    folder : pathlib.Path
        An empty folder.
    lessons : list of pathlib.Path
        Notebooks, in the order of the book.
    """
    pages = {"index.md", *TEXTS, *(f"notebooks/{path.name}" for path in lessons)}
    start = text_page("README.md", pages) + contents(lessons)
    (folder / "index.md").write_text(start, encoding="utf-8")
    for name in TEXTS:
        (folder / name).write_text(text_page(name, pages), encoding="utf-8")
    (folder / "notebooks").mkdir()
    copy_figures(folder)
    for path in lessons:
        page = book_page(nbformat.read(path, as_version=4), pages)
        nbformat.write(page, folder / "notebooks" / path.name)


def text_page(name, pages):
    """Make a text of the course a page of the book; learners read it, so it asks for no exam.

    Parameters
    ----------
    name : str
        File in the folder of the course. README.md is the start page.
    pages : set of str
        Paths of all pages in the book.
    """
    text = ANSWERS.sub("", (ROOT / name).read_text(encoding="utf-8"))
    return inner_links(drawn_graphs(text).replace("](README.md", "](index.md"), Path(), pages)


def contents(lessons):
    """Return the lists that Sphinx shows beside each page: lessons, and pages to look things up.

    Parameters
    ----------
    lessons : list of pathlib.Path
        Notebooks.
    """
    entries = []
    for path in lessons:
        notebook = nbformat.read(path, as_version=4)
        entries.append(f"{path.name[:2]} {lesson_title(notebook)} <notebooks/{path.stem}>")
    texts = [Path(name).stem for name in TEXTS]
    lists = {"Lessons": entries, "To look up": texts}
    return "".join(
        "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *items, "```", ""])
        for caption, items in lists.items()
    )


def lesson_title(notebook):
    """Return the first heading of a notebook.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A lesson.
    """
    return HEADING.search(notebook.cells[0].source).group(1)


def book_page(notebook, pages):
    """Make a notebook a page of the book: links, folded solutions, a text for each picture.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A lesson; it is changed in place.
    pages : set of str
        Paths of all pages in the book.

    Returns
    -------
    nbformat.NotebookNode
        The same notebook.
    """
    notebook.metadata["language_info"] = LANGUAGES
    describe_pictures(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = inner_links(cell.source, Path("notebooks"), pages)
            cell.source = OPENED_BY_DOTS.sub("click on it to open it", cell.source)
        else:
            alts = [each.get("metadata", {}).get("image/png", {}) for each in cell.outputs]
            image = next((alt for alt in alts if alt), {})  # a cell draws one picture at most
            cell.metadata["mystnb"] = {"image": {"alt": image.get("alt", "")}, **SOLUTION_PROMPTS}
            if "solution" in cell.metadata.get("tags", []):
                cell.metadata.tags.append("hide-cell")
    return notebook
