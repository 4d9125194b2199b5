"""What a stored code cell must be like to serve as a reference for nbval.

nbval compares what a cell prints with what is stored in it. It says nothing when a cell is stored
in a way that switches the comparison off.
"""

import re

# nbval ignores a misspelt tag without a message, so nothing but these is allowed.
KNOWN_TAGS = ("exercise", "nbval-ignore-output", "raises-exception", "solution")
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
    unknown = [tag for tag in tags if tag not in KNOWN_TAGS]
    has_error = any(output.output_type == "error" for output in cell.outputs)
    if unknown:
        return f"unknown tag {unknown[0]!r}, which would do nothing; known are {KNOWN_TAGS}"
    if COMMENT_MARKER.search(cell.source):
        return "it has a comment marker for nbval; use a cell tag, which the reader does not see"
    if cell.source.strip() and cell.execution_count is None:
        return "it was never executed, so nothing would be compared; run `make notebooks`"
    if has_error and "raises-exception" not in tags:
        return "an error is stored in it; repair the cell or tag it raises-exception"
    if "raises-exception" in tags and not has_error:
        return "it is tagged raises-exception, and no error is stored in it; remove the tag"
    if stderr_of(cell.outputs):
        return f"text on stderr is stored in it; remove the cause: {stderr_of(cell.outputs)}"
    return None


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
