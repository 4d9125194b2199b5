"""A graph of lessons in the text of a page, drawn as a picture that needs no script."""

import html
import re

FENCE = re.compile(r"```mermaid\n(.+?)```", re.DOTALL)
NODE = re.compile(r'^\s+(\w+)\["(.+)"\]$', re.MULTILINE)
ARROW = re.compile(r"^\s+(\w+) --> (\w+)$", re.MULTILINE)
BOX_WIDTH, BOX_HEIGHT, COLUMN, ROW = 216, 36, 230, 70  # pixels


def drawn_graphs(markdown):
    """Replace each graph of a text, a block for mermaid, by a picture.

    Parameters
    ----------
    markdown : str
        Text of a page. Nodes are `a["title"]`, arrows `a --> b`, each on its own line.
    """
    return FENCE.sub(lambda match: graph_picture(match.group(1)), markdown)


def rows(nodes, arrows):
    """Return the rows of a graph: no arrow leads up, and one that passes a row has a place in it.

    Parameters
    ----------
    nodes : iterable of str
        Names, in an order in which no arrow leads back.
    arrows : list of (str, str)
        From, to.

    Examples
    --------
    >>> rows("abc", [("a", "b"), ("b", "c"), ("a", "c")])
    [['a'], ['b', ('a', 'c')], ['c']]
    """
    depth = {}
    for node in nodes:
        depth[node] = max((depth[start] + 1 for start, end in arrows if end == node), default=0)
    found = [[] for _ in range(max(depth.values()) + 1)]
    for node in nodes:
        found[depth[node]].append(node)
    for start, end in arrows:
        for number in range(depth[start] + 1, depth[end]):
            found[number].append((start, end))
    return found


def graph_picture(source):
    r"""Return a graph as SVG, in the colours of the page.

    Parameters
    ----------
    source : str
        What stands in the block.

    Examples
    --------
    >>> picture = graph_picture('    a["One"]\n    b["Two"]\n    a --> b')
    >>> "One comes before Two." in picture
    True
    """
    titles, arrows = dict(NODE.findall(source)), ARROW.findall(source)
    levels = rows(titles, arrows)
    width = max(map(len, levels)) * COLUMN
    spots = [
        (node, width / 2 + (n - (len(level) - 1) / 2) * COLUMN, ROW * row + BOX_HEIGHT / 2 + 2)
        for row, level in enumerate(levels)
        for n, node in enumerate(level)
    ]
    told = " ".join(f"{titles[start]} comes before {titles[end]}." for start, end in arrows)
    size = f"0 0 {width} {ROW * len(levels) - ROW + BOX_HEIGHT + 4}"
    parts = [
        f'<svg class="graph" viewBox="{size}" role="img" aria-label="{html.escape(told)}">',
        '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 8 4 0 8z"/></marker>',
        *(_line(arrow, spots) for arrow in arrows),
        *(_box(x, y, titles[node]) for node, x, y in spots if node in titles),
        "</svg>",
    ]
    return "\n".join(parts)


def _line(arrow, spots):
    """Draw an arrow from box to box, through its places in the rows between."""
    tops = [(x, y - BOX_HEIGHT / 2) for node, x, y in spots if node in (*arrow, arrow)]
    points = [end for x, y in tops for end in ((x, y), (x, y + BOX_HEIGHT))][1:-1]
    path = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    return f'<polyline points="{path}" marker-end="url(#tip)"/>'


def _box(x, y, title):
    return (
        f'<rect x="{x - BOX_WIDTH / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="5"/><text x="{x:.0f}" y="{y:.0f}">{html.escape(title)}</text>'
    )
