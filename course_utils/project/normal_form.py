"""The one way in which the course stores a notebook, so that a diff shows only what changed.

JupyterLab, Colab and jupytext add clocks, window states and random numbers to a notebook file.
`normalise` removes them. It keeps every output that a reader sees.
"""

import copy
import hashlib
from collections import Counter

import nbformat

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("jupyter", "slideshow", "tags")
# Size and text equivalent change what the reader gets; other output metadata does not.
OUTPUT_METADATA = ("alt", "height", "width")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # holds a random number


def normalise(notebook):
    r"""Return a copy of a notebook in normal form.

    Fixed notebook metadata; of the cells' metadata only `jupyter`, `slideshow` and `tags`, and
    only if not empty; counts 1 to n over the code cells that were run (a cell that was never run
    stays so); cell ids made from the cell's content.

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
    normal.metadata = nbformat.from_dict(METADATA)
    copies, count = Counter(), 0
    for cell in normal.cells:
        content = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        copies[content] += 1
        cell.id = content if copies[content] == 1 else f"{content}-{copies[content]}"
        cell.metadata = _wanted(cell.metadata, CELL_METADATA)
        if cell.cell_type == "code":
            count += 1
            _normalise_results(cell, count)
    return normal


def _wanted(metadata, keys):
    """Return the entries of these keys, without empty ones."""
    kept = {key: metadata[key] for key in keys if metadata.get(key)}
    for key, value in kept.items():
        if isinstance(value, dict):
            kept[key] = {name: setting for name, setting in value.items() if setting}
    return nbformat.from_dict({key: value for key, value in kept.items() if value})


def _normalise_results(cell, count):
    """Set the count of a code cell that was run, and tidy its outputs, in place."""
    cell.execution_count = None if cell.get("execution_count") is None else count
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = cell.execution_count
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
            described = {
                kind: _wanted(output.metadata[kind], OUTPUT_METADATA)
                for kind in output.data
                if isinstance(output.get("metadata", {}).get(kind), dict)
            }
            output.metadata = _wanted(described, list(described))


def normal_text(notebook):
    """Text of the notebook's file in normal form: sorted keys, indent 1, one final newline.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Notebook of format 4.

    Returns
    -------
    str
        What `make notebooks` writes.
    """
    return nbformat.writes(normalise(notebook), version=nbformat.NO_CONVERT).rstrip("\n") + "\n"
