"""Cut a lesson into slides: what is shown of its prose, what is said, and what fits one page."""

import copy
import math
import re

from nbformat.v4 import new_code_cell, new_markdown_cell

from course_utils.project.book.heights import PAGE, blocks, height, prose_height

HEADING = re.compile(r"(#+) (.+)")
NOT_SHOWN = {"References"}
PREDICTION = "**Your prediction.**"
WHOLE = re.compile(r"[#|>!<]|[-*] |\d+\. |\*\*(The question|\d)|```|    ")
SENTENCE_END = re.compile(r"[.?!:](?=\s+[A-Z*“$`(])")


def cut_lesson(notebook):
    """Return a copy of a notebook with a slide type for each cell.

    A slide begins at each heading, where the page is full, and after a prediction, so that nobody
    sees the answer before the vote. It shows headings, lists, tables, pictures, formulas,
    predictions, and of other prose the first sentence; the whole prose is in the speaker notes.
    Imports, solutions and answers are not shown.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A lesson.

    Returns
    -------
    nbformat.NotebookNode
        What nbconvert makes slides of.
    """
    slides, section, filled = copy.deepcopy(notebook), "", math.inf
    slides.cells = []
    for cell in pieces(notebook.cells):
        heading = HEADING.match(cell.source) if cell.cell_type == "markdown" else None
        is_new_part = heading and len(heading.group(1)) < 3
        section = heading.group(2) if is_new_part else section
        if section in NOT_SHOWN:
            continue
        begins = heading or filled + height(cell) > PAGE
        filled = height(cell) + (0 if begins else filled)
        if PREDICTION in cell.source:
            filled = math.inf
        kind = "slide" if is_new_part else "subslide" if begins else "-"
        slides.cells += typed(cell, kind)
    return slides


def typed(cell, kind):
    """Return a cell with its slide type, and after it a cell of speaker notes if it has some.

    Parameters
    ----------
    cell : nbformat.NotebookNode
        One of `pieces`; it is changed in place.
    kind : str
        "slide", "subslide" or "-", which goes on with the slide before.
    """
    said = cell.metadata.pop("said", "")
    cell.metadata["slideshow"] = {"slide_type": kind}
    notes = {"slideshow": {"slide_type": "notes"}}
    return [cell, new_markdown_cell(said, metadata=notes)] if said else [cell]


def pieces(cells):
    """Yield what goes on slides: pieces of prose, code, and outputs apart where both are tall.

    Parameters
    ----------
    cells : list of nbformat.NotebookNode
        All cells of a lesson. The first of code holds its imports.
    """
    imports = next((cell for cell in cells if cell.cell_type == "code"), None)
    for cell in map(copy.deepcopy, cells):
        if cell.cell_type == "markdown":
            yield from prose_pieces(cell.source)
        elif cell.source == imports.source or "solution" in cell.metadata.get("tags", []):
            continue
        elif cell.outputs and height(cell) > PAGE:
            result = new_code_cell(outputs=cell.outputs, metadata=copy.deepcopy(cell.metadata))
            cell.outputs = []
            result.metadata["transient"] = {"remove_source": True}
            yield from (cell, result)
        else:
            yield cell


def prose_pieces(markdown):
    r"""Yield Markdown cells, each with what is said of it: a new one at each heading.

    Parameters
    ----------
    markdown : str
        Source of a cell.

    Examples
    --------
    >>> one, two = prose_pieces("## A\n\nShort. And more.\n\n## B")
    >>> one.source, one.metadata.said
    ('## A\n\nShort.', 'Short. And more.')
    """
    shown, said = [], []
    for block in blocks(markdown):
        if block.startswith("#") and shown:
            yield _piece(shown, said)
            shown, said = [], []
        short = shown_part(block)
        if sum(map(prose_height, [*shown, short])) > PAGE and len(shown) > 1:
            yield _piece(shown, said)
            shown, said = [], []
        shown += [short] if short else []
        said += [] if block == short and block.startswith(("#", "|", "![")) else [block]
    if shown or said:
        yield _piece(shown, said)


def _piece(shown, said):
    cell = new_markdown_cell("\n\n".join(shown))
    cell.metadata["said"] = "\n\n".join(said)
    return cell


def shown_part(block):
    """Return what a slide shows of a block: nothing of an answer, one sentence of a paragraph.

    Parameters
    ----------
    block : str
        One of `blocks`.

    Examples
    --------
    >>> shown_part("Yosinski et al. 2014 cut a network. Here in small.")
    'Yosinski et al. 2014 cut a network.'
    >>> shown_part("<details>Because.</details>")
    ''
    """
    if block.startswith(("<details", "**Contents**")):
        return ""
    if WHOLE.match(block) or "$$" in block or PREDICTION in block:
        return block
    for end in SENTENCE_END.finditer(block):
        sentence = block[: end.end()]
        if sentence.count("**") % 2 == sentence.count("$") % 2 == sentence.count("`") % 2 == 0:
            return sentence
    return block
