"""The one way in which the course stores a notebook, so that a diff shows only what changed.

JupyterLab, Colab and the runners add clocks, window states and random numbers to a notebook file.
`normalise` removes them. It keeps every output that a reader sees.
"""

import copy
import hashlib
import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


LANGUAGE_INFO = {"name": "python"}


CELL_METADATA = ("jupyter", "slideshow", "tags")


# Size and text equivalent change what the reader gets; other output metadata does not.
OUTPUT_METADATA = ("alt", "height", "width")


WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # holds a random number


def normalise(notebook):
    r"""Return a copy of a notebook in normal form.

    Fixed notebook metadata; of the cells' metadata only `jupyter`, `slideshow` and `tags`, and
    only if not empty; counts 1 to n over the code cells that were run (a cell that was never run
    stays so); cell ids made from the cell's content; pieces of one output stream merged.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Notebook of format 4.

    Returns
    -------
    nbformat.NotebookNode
        The normal form. `normalise(normalise(notebook)) == normalise(notebook)`.

    Raises
    ------
    ValueError
        If the notebook is not of format 4.

    Examples
    --------
    >>> cell = nbformat.v4.new_code_cell("1 + 1", execution_count=7, metadata={"collapsed": True})
    >>> normal = normalise(nbformat.v4.new_notebook(cells=[cell])).cells[0]
    >>> normal.execution_count, dict(normal.metadata)
    (1, {})
    """
    if notebook.get("nbformat") != 4:
        raise ValueError(
            f"notebook has format {notebook.get('nbformat')}; only format 4 has a normal form. "
            "Open it in JupyterLab and save it, which converts it."
        )
    normal = copy.deepcopy(notebook)
    normal.nbformat_minor = 5
    normal.metadata = nbformat.from_dict(
        {"kernelspec": dict(KERNELSPEC), "language_info": dict(LANGUAGE_INFO)}
    )
    for cell in normal.cells:
        cell.metadata = _cell_metadata(cell.metadata)
    _number_code_cells(normal.cells)
    _name_cells(normal.cells)
    return normal


def _cell_metadata(metadata):
    kept = {}
    for key in CELL_METADATA:
        value = metadata.get(key)
        if isinstance(value, dict):
            value = {name: setting for name, setting in value.items() if setting}
        if value:
            kept[key] = value
    return nbformat.from_dict(kept)


def _number_code_cells(cells):
    """Set counts and outputs of the code cells, in place."""
    code_cells = (cell for cell in cells if cell.cell_type == "code")
    for count, cell in enumerate(code_cells, start=1):
        if cell.get("execution_count") is not None:
            cell.execution_count = count
        cell.outputs = _outputs(cell.outputs, cell.get("execution_count"))


def _name_cells(cells):
    """Give each cell an id made from its content, in place: it changes only with the cell."""
    taken = {}
    for cell in cells:
        content = f"{cell.cell_type}\n{cell.source}".encode()
        name = hashlib.sha256(content).hexdigest()[:12]
        taken[name] = taken.get(name, 0) + 1
        cell.id = name if taken[name] == 1 else f"{name}-{taken[name]}"


def _outputs(outputs, count):
    kept, streams = [], {}
    for output in outputs:
        if output.output_type != "stream":
            kept.append(_rich_output(output, count))
        elif output.name in streams:
            streams[output.name].text += output.text
        elif output.text:
            streams[output.name] = output
            kept.append(output)
    for stream in streams.values():
        stream.text = _as_seen(stream.text)
    return kept


def _as_seen(text):
    r"""Text as a terminal shows it: `\r` starts the line again."""
    return re.sub(r"^.*\r(?=[^\n])", "", text, flags=re.MULTILINE)


def _rich_output(output, count):
    if "data" in output:
        output.data.pop(WIDGET_VIEW, None)
        output.metadata = _output_metadata(output.get("metadata", {}), output.data)
    if output.output_type == "execute_result":
        output.execution_count = count
    return output


def _output_metadata(metadata, data):
    kept = {}
    for kind in data:
        described = metadata.get(kind)
        if isinstance(described, dict):
            wanted = {key: described[key] for key in OUTPUT_METADATA if described.get(key)}
            if wanted:
                kept[kind] = wanted
    return NotebookNode(kept)


def normal_text(notebook):
    """Text of the notebook's file in normal form: sorted keys, indent 1, one final newline.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Notebook of format 4.

    Returns
    -------
    str
        What `write_notebook` writes.
    """
    return nbformat.writes(normalise(notebook), version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def is_normal(path):
    """Whether a notebook file is stored in normal form, letter by letter."""
    path = Path(path)
    stored = path.read_text(encoding="utf-8")
    return stored == normal_text(nbformat.reads(stored, as_version=4))


def write_notebook(notebook, path):
    """Write a notebook in normal form; a reader sees the old file or the new one, never half.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Notebook of format 4. It is not changed.
    path : str or pathlib.Path
        File to replace.
    """
    path = Path(path)
    content = normal_text(notebook).encode("utf-8")
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(draft).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
