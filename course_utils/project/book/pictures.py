"""A text for each picture that code has drawn: what it shows, from its code and its outputs."""

import ast
import re

KINDS = {  # the call that draws, and what a reader sees
    "imshow": "Pictures",
    "draw_classes": "Pictures",
    "draw_contours": "Contour lines",
    "bar": "Bars",
    "barh": "Bars",
    "plot_history": "Curves",
    "label_efficiency_curve": "Curves",
    "errorbar": "Points with intervals",
    "plot": "Lines or points",
}
LABELS = {
    "title": "title",
    "xlabel": "across",
    "samples": "across",
    "ylabel": "up",
    "measure": "up",
    "set_title": "title",
    "set_xlabel": "across",
    "set_ylabel": "up",
}
ENOUGH = 60  # letters
PANELS = re.compile(r"with (\d+) Axes")
CLASSES = re.compile(r"classes +(.+)")
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z*$(`\[])")
MARKS = (
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),  # links
    (re.compile(r"\$\\?(\w+)\$"), r"\1"),  # formulas of one word
    (re.compile(r"[*`$]|\\(?=\w)"), ""),
)


def describe_pictures(notebook):
    """Give each picture of a notebook a text, in the metadata of its output.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A lesson; it is changed in place. A text that is stored in it stays.
    """
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        below = after.source if after and after.cell_type == "markdown" else ""
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                picture = output.metadata.setdefault("image/png", {})
                picture.setdefault("alt", picture_text(cell.source, output.data, below))


def picture_text(source, data, below):
    """Return what a picture shows.

    Parameters
    ----------
    source : str
        The code that has drawn it. A title that is put together while it runs gets dots.
    data : dict
        All forms of the output; "text/plain" has the classes of a task, or the number of panels.
    below : str
        The text right below it. What it says first is added where title and labels say too little.
    """
    printed, first = data.get("text/plain", ""), _first_sentences(below)
    if printed.startswith("Task: "):
        classes = CLASSES.search(printed).group(1).strip()
        return f"{printed.splitlines()[0]}, a row of samples for each class ({classes}). {first}"
    kind, words = drawn(source)
    panels = PANELS.search(printed)
    number = int(panels.group(1)) if panels else 1
    labels = " over ".join(" and ".join(words[way]) for way in ("up", "across") if words[way])
    parts = [*(f"“{title}”" for title in words["title"]), *([labels] if labels else [])]
    head = kind if number == 1 else f"{kind} in {number} panels"
    head = f"{head}: {', '.join(parts)}." if parts else f"{head}."
    return head if words["title"] and words["across"] else f"{head} {first}".strip()


def drawn(source):
    r"""Return the kind of a drawing, and its titles and labels: each text once, in order.

    Parameters
    ----------
    source : str
        Python code.

    Examples
    --------
    >>> kind, words = drawn("ax.plot(x, y)\nax.set(title=f'{n} labels', xlabel='step')")
    >>> kind, words["title"], words["across"]
    ('Lines or points', ['… labels'], ['step'])
    """
    nodes = list(ast.walk(ast.parse(source)))
    named = {
        node.targets[0].id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    words = {place: [] for place in LABELS.values()}
    called = set()
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        called.add(name)
        given = [(word.arg, word.value) for word in call.keywords]
        given += [(name, call.args[0])] if call.args else []
        if isinstance(call.func, ast.Name):  # a helper of the lesson that takes a title
            given += [("title", value) for value in call.args[2:3]]
        for key, value in given:
            text = _text(named.get(getattr(value, "id", None), value))
            if key in LABELS and text and text not in words[LABELS[key]]:
                words[LABELS[key]].append(text)
    return next((kind for name, kind in KINDS.items() if name in called), "Figure"), words


def _text(value):
    """Return a text that stands in code, with dots for what is put in; empty for other values."""
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    texts = [getattr(part, "value", None) for part in parts]
    texts = [text if isinstance(text, str) else "…" for text in texts]
    return "" if set(texts) == {"…"} else " ".join("".join(texts).split())


def _first_sentences(markdown):
    """Return the first sentences of a text without marks, until they say something."""
    first = ""
    for sentence in SENTENCE.split(" ".join(markdown.split("\n\n")[0].split())):
        for mark, instead in MARKS:
            sentence = mark.sub(instead, sentence)  # noqa: PLW2901
        first = f"{first} {sentence}".strip()
        if len(first) >= ENOUGH:
            break
    return first
