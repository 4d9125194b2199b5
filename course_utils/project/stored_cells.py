"""What a stored code cell must be like to serve as a reference for nbval.

nbval compares what a cell prints with what is stored in it. It says nothing when a cell is stored
in a way that switches the comparison off.
"""

import re

# The tags that nbval 0.11 knows; a test compares them with nbval's own list.
NBVAL_TAGS = (
    "nbval-check-output",
    "nbval-ignore-output",
    "nbval-raises-exception",
    "nbval-skip",
    "raises-exception",
)


# nbval obeys these words in capitals, alone in a comment. Find those that it overlooks as well.
COMMENT_MARKER = re.compile(r"^\s*#+\s*(nbval[_-]|pytest_validate)", re.MULTILINE | re.IGNORECASE)


def stored_problem(cell):
    """Say why a stored code cell cannot serve as a reference, or return None.

    Parameters
    ----------
    cell : nbformat.NotebookNode
        Code cell as it stands in the file.

    Returns
    -------
    str or None
        The problem and its cure.

    Examples
    --------
    >>> from nbformat.v4 import new_code_cell
    >>> stored_problem(new_code_cell("1 + 1"))
    'it was never executed, so nothing would be compared; run `make notebooks`'
    """
    tags = cell.metadata.get("tags", [])
    misspelt = [tag for tag in tags if is_misspelt(tag)]
    if misspelt:
        return f"nbval would ignore the tag {misspelt[0]!r}; it knows {', '.join(NBVAL_TAGS)}"
    if COMMENT_MARKER.search(cell.source):
        return "it has a comment marker for nbval; use a cell tag, which the reader does not see"
    if cell.source.strip() and cell.execution_count is None and "nbval-skip" not in tags:
        return "it was never executed, so nothing would be compared; run `make notebooks`"
    if any(output.output_type == "error" for output in cell.outputs) and not may_raise(cell):
        return "an error is stored in it; repair the cell or tag it raises-exception"
    if stderr_of(cell.outputs):
        return f"text on stderr is stored in it; remove the cause: {stderr_of(cell.outputs)}"
    return None


def is_misspelt(tag):
    """Whether a tag looks as if it were meant for nbval, which would ignore it silently.

    Examples
    --------
    >>> is_misspelt("nbval_skip"), is_misspelt("nbval-skip"), is_misspelt("solution")
    (True, False, False)
    """
    looks_meant = re.search("nbval|raise|exception|skip", tag.lower()) is not None
    return looks_meant and tag not in NBVAL_TAGS


def may_raise(cell):
    """Whether a cell is tagged as one that raises an exception."""
    return any(tag.endswith("raises-exception") for tag in cell.metadata.get("tags", []))


def stderr_of(outputs):
    """Return the text that a list of outputs holds of the stream stderr.

    Examples
    --------
    >>> from nbformat.v4 import new_output
    >>> stderr_of([new_output("stream", name="stderr", text="Warning!")])
    'Warning!'
    """
    streams = [output for output in outputs if output.output_type == "stream"]
    return "".join(stream.text for stream in streams if stream.name == "stderr").strip()
