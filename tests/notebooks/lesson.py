"""A notebook file as the rules see it: cells, sections, headings, links and names in its code."""

import ast
from dataclasses import dataclass
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from nbformat import NotebookNode


@dataclass(frozen=True)
class Section:
    """A `##` heading with the cells below it; the heading's own cell is the first."""

    title: str
    cells: list

    @property
    def code_cells(self):
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def text(self):
        return "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "markdown")


@dataclass(frozen=True)
class Lesson:
    """One notebook file."""

    path: Path
    notebook: NotebookNode

    @classmethod
    def read(cls, path):
        return cls(Path(path), nbformat.read(path, as_version=4))

    @property
    def cells(self):
        return self.notebook.cells

    @property
    def code_cells(self):
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def markdown_cells(self):
        return [cell for cell in self.cells if cell.cell_type == "markdown"]

    @property
    def sections(self):
        """The parts of the notebook from one `##` heading to the next."""
        sections = []
        for cell in self.cells:
            titles = [title for level, title in headings(cell) if level == 2]
            if titles:
                sections.append(Section(titles[0], []))
            if sections:
                sections[-1].cells.append(cell)
        return sections

    def section(self, title):
        """Return the section of this title, or an empty one."""
        found = [section for section in self.sections if section.title == title]
        return found[0] if found else Section(title, [])


def tags(cell):
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def place(lesson, cell):
    """Name a cell in a message by its place and its first line."""
    number = next(n for n, other in enumerate(lesson.cells, 1) if other is cell)
    first_line = (cell.source.strip().splitlines() or ["(empty)"])[0]
    return f"cell {number} ({first_line[:50]})"


def tokens(markdown):
    """Yield all parts of a Markdown text, blocks and what is inside them; no code in fences."""
    for block in MarkdownIt("commonmark").enable("table").parse(markdown):
        yield block
        yield from block.children or []


def headings(cell):
    """Return (level, title) for each heading of a Markdown cell, titles as they are shown."""
    if cell.cell_type != "markdown":
        return []
    blocks = MarkdownIt("commonmark").parse(cell.source)
    return [
        (int(block.tag[1]), shown_text(content))
        for block, content in zip(blocks, blocks[1:], strict=False)
        if block.type == "heading_open"
    ]


def shown_text(inline):
    """Return the text of a parsed line without the marks for bold, code and links."""
    return "".join(child.content for child in inline.children if child.content)


def anchor(title):
    """Return what JupyterLab makes of a title as the target of a link."""
    return title.replace(" ", "-")


def links(markdown):
    """Return the targets of all links of a Markdown text."""
    return [token.attrs["href"] for token in tokens(markdown) if token.type == "link_open"]


def python_tree(cell):
    """Parse a code cell without its magic lines; raises SyntaxError if it is not Python."""
    lines = cell.source.splitlines()
    return ast.parse(
        "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)
    )


def calls(cell):
    """Return the names of all functions and methods that a code cell calls."""
    try:
        nodes = list(ast.walk(python_tree(cell)))
    except SyntaxError:
        return set()
    functions = [node.func for node in nodes if isinstance(node, ast.Call)]
    return {getattr(function, "attr", getattr(function, "id", None)) for function in functions}


def printed(cell):
    """Return all text that is stored as output of a code cell."""
    pieces = []
    for output in cell.outputs:
        pieces += [output.get("text", ""), *output.get("traceback", [])]
        pieces += [str(value) for key, value in output.get("data", {}).items() if "text/" in key]
    return "\n".join(pieces)


def definitions(lesson, examples=()):
    """Return all that a lesson imports, sets in capitals or defines, and its examples."""
    namespace = {}
    for cell in lesson.code_cells:
        for node in python_tree(cell).body:
            targets = {getattr(target, "id", "") for target in getattr(node, "targets", [])}
            kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
            is_wanted = any(name.isupper() or name in examples for name in targets)
            if isinstance(node, kinds) or is_wanted:
                exec(compile(ast.Module([node], []), lesson.path.name, "exec"), namespace)
    return namespace
