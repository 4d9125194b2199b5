"""Blocks of Markdown, and how tall cells are on a slide, estimated before anything is drawn."""

import math
import re
import struct
from base64 import b64decode

from markdown_it import MarkdownIt

PAGE = 640  # pixels of a slide of 700 that cells may fill
LINE, TEXT_WIDTH = 35, 88  # pixels of a line of prose, and its letters
CODE_LINE, CODE_WIDTH = 22, 108  # the same for code and printed text
GAP = 16  # pixels between two blocks
PICTURE = 500  # pixels, the most that a picture takes


def blocks(markdown):
    r"""Return the top blocks of a Markdown text, such as paragraphs, lists and tables.

    Parameters
    ----------
    markdown : str
        Source of a cell.

    Examples
    --------
    >>> blocks("# A\nOne\ntwo.\n\n- b\n- c")
    ['# A', 'One\ntwo.', '- b\n- c']
    """
    lines = re.sub(r"(?s)(<details>.*?)</details>", _joined, markdown).splitlines()
    parsed = MarkdownIt("commonmark").enable("table").parse("\n".join(lines))
    tops = [token.map for token in parsed if token.level == 0 and token.map]
    return ["\n".join(lines[first:last]).strip() for first, last in tops]


def _joined(match):
    """Take blank lines out of an answer, so that it is one block."""
    return re.sub(r"\n\s*\n", "\n", match.group())


def height(cell):
    """Estimate how many pixels a cell takes on a slide.

    Parameters
    ----------
    cell : nbformat.NotebookNode
        Markdown or code.
    """
    if cell.cell_type == "markdown":
        return sum(map(prose_height, blocks(cell.source)))
    source = "" if cell.metadata.get("transient") else cell.source
    return text_height(source) + sum(map(output_height, cell.outputs))


def prose_height(block):
    """Estimate the pixels of a block of Markdown.

    Parameters
    ----------
    block : str
        One of `blocks`.
    """
    if block.startswith("#"):
        return 2 * LINE
    if block.startswith("!["):
        return PICTURE
    if block.startswith("|"):
        return sum(_lines(row, TEXT_WIDTH) * LINE + 8 for row in block.splitlines())
    listed = re.match(r"[-*] |\d+\. ", block)
    parts = re.split(r"\n(?=[-*] |\d+\. )", block) if listed else [block]
    extra = 2 * LINE * block.count("$$") / 2
    return sum(_lines(part, TEXT_WIDTH) * LINE for part in parts) + GAP + extra


def output_height(output):
    """Estimate the pixels of one output.

    Parameters
    ----------
    output : nbformat.NotebookNode
        Text, a picture, HTML or a formula.
    """
    data = output.get("data", {})
    if "image/png" in data:
        # the header of a PNG file begins with width and height
        return min(PICTURE, struct.unpack(">II", b64decode(data["image/png"][:64])[16:24])[1])
    if "text/html" in data:
        return LINE * data["text/html"].count("<tr")
    if "text/latex" in data:
        return 3 * LINE
    return text_height(
        output.get("text") or data.get("text/markdown") or data.get("text/plain", "")
    )


def text_height(text):
    """Estimate the pixels of code or printed text.

    Parameters
    ----------
    text : str
        As it stands in the notebook.
    """
    lines = text.strip("\n").splitlines()
    return sum(_lines(line, CODE_WIDTH) for line in lines) * CODE_LINE + (GAP if lines else 0)


def _lines(text, width):
    return max(1, math.ceil(len(text) / width))
