"""Tiny notebooks for tests: their files, made cell by cell."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def stream(text, name="stdout"):
    """Return a stored piece of a stream."""
    return new_output("stream", name=name, text=text)


def error(name, value):
    """Return a stored error."""
    return new_output("error", ename=name, evalue=value, traceback=[f"{name}: {value}"])


def picture(text="<Figure size 640x480 with 1 Axes>"):
    """Return a stored figure: a file that starts like a PNG and its text."""
    return new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": text})


def code(source, *outputs, tags=(), count=1, **metadata):
    """Return a code cell that was run; `count=None` makes one that was never run."""
    if tags:
        metadata["tags"] = list(tags)
    return new_code_cell(source, outputs=list(outputs), execution_count=count, metadata=metadata)


def text(source):
    """Return a Markdown cell."""
    return new_markdown_cell(source)


def notebook(*cells):
    """Return a notebook of these cells, for the kernel of this Python."""
    return new_notebook(cells=list(cells), metadata={"kernelspec": dict(KERNELSPEC)})


def save(path, *cells):
    """Write a notebook of these cells as it is, not in normal form, and return its path."""
    nbformat.write(notebook(*cells), path)
    return path
