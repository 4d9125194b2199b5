# ruff: noqa: D401  (the docstring of a rule gives its reason)
"""Rules for the text of a notebook: headings, links, pictures and the words under figures.

A rule is a function of a `Lesson` that returns a list of problems, empty if there is none.
"""

import re
from functools import cache
from urllib.parse import unquote

from lesson import Lesson, anchor, headings, links, place, tokens
from markdown_it import MarkdownIt

IDENTIFIER = re.compile(r"\bdoi:10\.\S+|\barXiv:\d\S+", re.IGNORECASE)
IMG_TAG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)


def has_one_title_at_its_top(lesson):
    """Screen readers and the table of contents take the one `#` heading as the title."""
    titles = [place(lesson, cell) for cell, level, _ in all_headings(lesson) if level == 1]
    first = lesson.cells[0] if lesson.cells else None
    if len(titles) != 1:
        return [f"{len(titles)} titles ('# ...'), there must be one: {titles}"]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        return ["the first line of the first cell is not the title ('# ...')"]
    return []


def skips_no_heading_level(lesson):
    """A reader who hears the headings knows from the level where a part belongs."""
    problems, above = [], 0
    for cell, level, title in all_headings(lesson):
        if level > above + 1:
            problems.append(f"{place(lesson, cell)}: level {level} after {above}: {title}")
        above = level
    return problems


def all_headings(lesson):
    """Return (cell, level, title) of all headings."""
    return [(cell, *heading) for cell in lesson.cells for heading in headings(cell)]


def pictures_have_alt_text_and_file(lesson):
    """Alt text is the picture for those who do not see it; the file must come with the course."""
    problems = []
    for cell in lesson.markdown_cells:
        for source, alt in pictures(cell.source):
            if not alt.strip():
                problems.append(f"{place(lesson, cell)}: no alt text for {source}")
            if not source or not (lesson.path.parent / unquote(source)).is_file():
                problems.append(f"{place(lesson, cell)}: no such picture file: {source}")
    return problems


def pictures(markdown):
    """Yield (file, alt text) of the pictures in a Markdown text, written in Markdown or HTML."""
    for token in tokens(markdown):
        if token.type == "image":
            yield unquote(token.attrs["src"]), token.content
        elif token.type in ("html_inline", "html_block"):
            for tag in IMG_TAG.findall(token.content):
                yield html_attribute(tag, "src"), html_attribute(tag, "alt")


def html_attribute(tag, name):
    """Return the value of an attribute of an HTML tag, or an empty text."""
    found = re.search(rf"""\b{name}\s*=\s*(["'])(.*?)\1""", tag, re.DOTALL)
    return found.group(2) if found else ""


def internal_links_are_alive(lesson):
    """Links inside the course lead to files and headings that exist; web pages are not asked."""
    problems = []
    for cell in lesson.markdown_cells:
        for target in links(cell.source):
            if not re.match(r"[a-z]+:", target) and not is_alive(lesson, unquote(target)):
                problems.append(f"{place(lesson, cell)}: dead link {unquote(target)}")
    return problems


def is_alive(lesson, target):
    """Whether a link from this lesson leads to a file or to a heading, in JupyterLab's form."""
    file_name, _, fragment = target.partition("#")
    path = lesson.path.parent / file_name if file_name else lesson.path
    if not path.exists():
        return False
    return not fragment or fragment in anchors(path)


def anchors(path):
    """Return the anchors of a notebook or Markdown file."""
    return _anchors(path, path.stat().st_mtime_ns)


@cache
def _anchors(path, written):
    """Read a file once each time it is written, since many links lead to it."""
    if path.suffix == ".ipynb":
        return {anchor(title) for _, _, title in all_headings(Lesson.read(path))}
    return set()


def identifiers_are_links(lesson):
    """A reader follows a reference with one click, in JupyterLab and on a web page."""
    return [
        f"{place(lesson, cell)}: {found} is no link"
        for cell in lesson.markdown_cells
        for found in bare_identifiers(cell.source)
    ]


def bare_identifiers(markdown):
    """Yield each DOI and arXiv number that stands in the text and not in a link."""
    inside = 0
    for token in tokens(markdown):
        inside += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "text" and not inside:
            yield from IDENTIFIER.findall(token.content)


def headings_are_unique(lesson):
    """Two headings of one name would share one link."""
    titles = [title for _, level, title in all_headings(lesson) if level <= 2]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    return [f"there are several headings called {title!r}" for title in twice]


def figures_are_put_into_words(lesson):
    """The cell below a figure says what it shows, for those who do not see it."""
    problems = []
    for cell, after in zip(lesson.cells, [*lesson.cells[1:], None], strict=True):
        if cell.cell_type == "code" and has_figure(cell) and not is_prose(after):
            problems.append(f"{place(lesson, cell)}: no Markdown text right below its figure")
    return problems


def has_figure(cell):
    """Whether a picture is stored as output of a code cell."""
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    return any(kind.startswith("image/") for kind in kinds)


def is_prose(cell):
    """Whether a cell is Markdown that begins with something else than a heading."""
    if cell is None or cell.cell_type != "markdown":
        return False
    blocks = MarkdownIt("commonmark").parse(cell.source)
    return bool(blocks) and blocks[0].type != "heading_open"


TEXT_RULES = [
    has_one_title_at_its_top,
    skips_no_heading_level,
    headings_are_unique,
    pictures_have_alt_text_and_file,
    internal_links_are_alive,
    identifiers_are_links,
    figures_are_put_into_words,
]
