# ruff: noqa: D401  (the docstring of a rule gives its reason)
"""Rules for a notebook as a file: how it is stored and how its code cells look.

A rule is a function of a `Lesson` that returns a list of problems, empty if there is none.

Tags that the course knows, and nothing else (see `course_utils.project.stored_cells`):

- `nbval-ignore-output`: prints measured values, which differ a little between machines;
- `raises-exception`: shows an error on purpose, and must raise it;
- `exercise`: the reader replaces the three dots; run untouched it says "not attempted";
- `solution`: a tested solution, collapsed in JupyterLab by `jupyter.source_hidden`.

A claim needs no tag: it is a cell that calls `claim(`.
"""

import re

from lesson import place, printed, python_tree, tags

from course_utils.project.normal_form import WIDGET_VIEW, normal_text
from course_utils.project.stored_cells import stored_problem

MAX_IGNORED_SHARE = 0.25
MAX_CODE_CELLS = 46  # 40, and the six of the exercises
MAX_LINES = 20
MAX_COLUMNS = 100
MAX_BYTES = 1_000_000
# A folder of somebody's machine; the letter before it tells a path from the middle of an URL.
ABSOLUTE_PATH = re.compile(
    r"(?<![\w.:/~-])/(?:home|Users|root|tmp|var|opt|usr|mnt|work|private|content)/\S*"
    r"|(?<!\w)[A-Za-z]:\\+\w[^\s]*"
)
SHELL = re.compile(
    r"^\s*(?:\w+\s*=\s*)?!|^\s*%%?(?:sh|bash|script|system|sx|cmd|pip|conda|uv)\b", re.M
)


def is_in_normal_form(lesson):
    """`make notebooks` stores notebooks so; a diff then shows only what changed."""
    if lesson.path.read_text(encoding="utf-8") == normal_text(lesson.notebook):
        return []
    return ["it is not in normal form; run `make notebooks`"]


def file_name_has_number_and_words(lesson):
    """The number gives the order, the words the subject."""
    is_good = re.fullmatch(r"\d\d_[a-z][a-z0-9_]*\.ipynb", lesson.path.name)
    return [] if is_good else [f"{lesson.path.name} is not like 03_feature_transfer.ipynb"]


def file_is_small(lesson):
    """A notebook must open quickly on a slow line."""
    size = lesson.path.stat().st_size
    return [] if size <= MAX_BYTES else [f"{size} bytes, allowed are {MAX_BYTES}: fewer figures"]


def stored_cells_can_be_compared(lesson):
    """No unknown tag or marker for nbval, no stored error or stderr, no cell that never ran."""
    problems = [(cell, stored_problem(cell)) for cell in lesson.code_cells]
    return [f"{place(lesson, cell)}: {problem}" for cell, problem in problems if problem]


def tags_are_on_code_cells(lesson):
    """All known tags speak about code."""
    return [
        f"{place(lesson, cell)}: tagged {tags(cell)}"
        for cell in lesson.markdown_cells
        if tags(cell)
    ]


def no_code_cell_is_empty(lesson):
    """An empty cell has nothing to compare and shifts the numbers in nbval's messages."""
    return [f"{place(lesson, cell)}" for cell in lesson.code_cells if not cell.source.strip()]


def most_cells_are_compared(lesson):
    """A notebook whose outputs are ignored is not tested."""
    ignored = [cell for cell in lesson.code_cells if "nbval-ignore-output" in tags(cell)]
    share = len(ignored) / max(1, len(lesson.code_cells))
    if share <= MAX_IGNORED_SHARE:
        return []
    return [
        f"{len(ignored)} of {len(lesson.code_cells)} outputs are ignored, at most a quarter may be"
    ]


def code_cells_are_few(lesson):
    """A lesson has one idea."""
    count = len(lesson.code_cells)
    return [] if count <= MAX_CODE_CELLS else [f"{count} code cells, allowed are {MAX_CODE_CELLS}"]


def code_cells_are_short(lesson):
    """A cell is read without scrolling; the first one, with the imports, is passed over."""
    return [
        f"{place(lesson, cell)}: {lines} lines, allowed are {MAX_LINES}"
        for cell in lesson.code_cells[1:]
        if (lines := len(cell.source.splitlines())) > MAX_LINES
    ]


def code_lines_fit(lesson):
    """A line is read without scrolling sideways."""
    return [
        f"{place(lesson, cell)}: {len(line)} columns, allowed are {MAX_COLUMNS}: {line}"
        for cell in lesson.code_cells
        for line in cell.source.splitlines()
        if len(line) > MAX_COLUMNS
    ]


def no_shell_command(lesson):
    """A shell command can fail unnoticed and differs between systems; use `subprocess.run`."""
    return [
        f"{place(lesson, cell)}: shell command or magic"
        for cell in lesson.code_cells
        if SHELL.search(cell.source)
    ]


def code_is_python(lesson):
    """Other rules read the code, so it must be readable; a cell that raises may be broken."""
    problems = []
    for cell in lesson.code_cells:
        try:
            python_tree(cell)
        except SyntaxError as error:
            if "raises-exception" not in tags(cell):
                problems.append(f"{place(lesson, cell)}: {error}")
    return problems


def no_absolute_path(lesson):
    """A path of one machine is wrong on all others and tells who made the notebook."""
    problems = []
    for cell in lesson.cells:
        texts = [cell.source] + ([printed(cell)] if cell.cell_type == "code" else [])
        found = ABSOLUTE_PATH.search("\n".join(texts))
        if found:
            problems.append(f"{place(lesson, cell)}: absolute path {found.group()}")
    return problems


def no_widget_state(lesson):
    """The state of sliders and bars is large, changes with each run and shows nothing later."""
    problems = ["the notebook stores widgets"] if "widgets" in lesson.notebook.metadata else []
    for cell in lesson.code_cells:
        if any(WIDGET_VIEW in output.get("data", {}) for output in cell.outputs):
            problems.append(f"{place(lesson, cell)}: a widget is stored")
    return problems


FILE_RULES = [
    is_in_normal_form,
    file_name_has_number_and_words,
    file_is_small,
    stored_cells_can_be_compared,
    tags_are_on_code_cells,
    no_code_cell_is_empty,
    most_cells_are_compared,
    code_cells_are_few,
    code_cells_are_short,
    code_lines_fit,
    no_shell_command,
    code_is_python,
    no_absolute_path,
    no_widget_state,
]
