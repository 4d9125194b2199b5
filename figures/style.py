"""Shared look of the drawings: one palette, one font, boxes, arrows, and reproducible files.

A drawing is 10 inches wide and lies in a frame of 100 units, so one unit is 0.1 inch. Notebooks
show it 800 pixels wide, that is at 5/6 of its size, so 11 points on the page are 13.2 points here.
Every ``axes`` comes from `make_canvas`; places, widths and heights are in units of 0.1 inch.
"""

import functools
import io
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

WIDTH_INCHES = 10
DOTS_PER_INCH = 150
POINTS_PER_UNIT = 7.2  # 0.1 inch
LINE_PITCH = 1.4  # distance of two baselines, in font sizes
MIDDLE_OF_LETTERS = 0.35  # middle of the letters above the baseline, in font sizes of DejaVu Sans
FONT = "DejaVu Sans"  # shipped with matplotlib, hence the same on every machine
TEXT_SIZE = 13.5
HEADING_SIZE = 15.5
TITLE_SIZE = 18
ROW_STEP = 5.2  # from row to row of a table
INK = "#222222"
QUIET = "#5A5A5A"

# colours: M. Okabe and K. Ito, Color Universal Design (2008), readable with any colour vision
BLUE, GREEN, ORANGE = "#0072B2", "#009E73", "#E69F00"
VERMILLION, PINK, GREY = "#D55E00", "#CC79A7", "#8A8A8A"


class Look(NamedTuple):
    """Colour and line style of one family; the line still tells it apart in a grey print."""

    color: str
    line: str


FEATURE = Look(BLUE, "-")
PARAMETER = Look(GREEN, "--")
KNOWLEDGE = Look(PINK, "-.")
INSTANCE = Look(ORANGE, ":")
NOTHING = Look(GREY, "-")


def with_default_settings(draw):
    """Return a drawing function that ignores the matplotlib settings of the user."""

    @functools.wraps(draw)
    def draw_alike():
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            return draw()

    return draw_alike


def tint(color, strength=0.18):
    """Return a pale form of a colour for areas behind black text.

    A strength of 0 is white, 1 the colour itself; red, green, blue come back between 0 and 1.
    """
    return tuple(1 - strength * (1 - channel) for channel in to_rgb(color))


def make_canvas(title, *, height_inches=4.5):
    """Return an empty figure with its title, and axes in units of 0.1 inch.

    Parameters
    ----------
    title : str
        What the drawing says, in one line.
    height_inches : float, default=4.5
        Height of the drawing.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure with an Agg canvas; no pyplot state is touched.
    axes : matplotlib.axes.Axes
        Invisible axes over the whole figure, 0 to 100 by 0 to ten times the height.
    """
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 10 * WIDTH_INCHES), ylim=(0, 10 * height_inches))
    axes.set_axis_off()
    write(axes, (2, 10 * height_inches - 3.1), title, size=TITLE_SIZE, weight="bold", align="left")
    return figure, axes


def write(axes, place, text, *, size=TEXT_SIZE, color=INK, weight="normal", align="center"):
    """Write one or more lines of text, centred vertically at a place.

    Each line is set on its own baseline: a box around the ink would put "many" higher than "new".

    Parameters
    ----------
    place : tuple of float
        x and y.
    text : str
        The words; parts between dollar signs are mathematics.
    size, color, weight : float, str, str
        Size in points at full width, colour and weight of the font.
    align : {'left', 'center', 'right'}, default='center'
        Which side of the text lies at x.

    Returns
    -------
    list of matplotlib.text.Text
        One text object per line.
    """
    x, y = place
    unit = size / POINTS_PER_UNIT
    lines = text.split("\n")
    first_baseline = y + (len(lines) - 1) / 2 * LINE_PITCH * unit - MIDDLE_OF_LETTERS * unit
    look = {"fontsize": size, "color": color, "weight": weight, "family": FONT, "ha": align}
    return [
        axes.text(x, first_baseline - row * LINE_PITCH * unit, line, va="baseline", **look)
        for row, line in enumerate(lines)
    ]


def draw_box(axes, frame, *, edge=INK, face="white", line="-", width=1.8, rounding=1.0):
    """Draw a box with round corners.

    Parameters
    ----------
    frame : tuple of float
        Left, bottom, width and height.
    edge, face : matplotlib colour
        Colours of the line and of the area.
    line, width : str, float
        Line style of matplotlib, and line width in points.
    rounding : float, default=1.0
        Radius of the corners.
    """
    left, bottom, wide, high = frame
    box = FancyBboxPatch(
        (left, bottom),
        wide,
        high,
        boxstyle=f"round,pad=0,rounding_size={rounding}",
        edgecolor=edge,
        facecolor=face,
        linestyle=line,
        linewidth=width,
    )
    axes.add_patch(box)


def draw_arrow(axes, start, end, *, color=INK, width=2.0):
    """Draw a straight arrow between two places.

    Parameters
    ----------
    start, end : tuple of float
        x and y; the tip is at `end`.
    color, width : str, float
        Colour, and line width in points.
    """
    arrow = FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>,head_width=4.5,head_length=8",
        mutation_scale=1,
        shrinkA=0,
        shrinkB=0,
        color=color,
        linewidth=width,
        joinstyle="miter",
        capstyle="butt",
    )
    axes.add_patch(arrow)


def draw_table(axes, heights, columns, lines, looks):
    """Draw a table: bold heads, then rows in frames of full width whose first word is bold.

    Parameters
    ----------
    heights : tuple of float
        y of the heads and of the first row.
    columns : sequence of float
        Left sides of the columns.
    lines : sequence of sequence of str
        The heads, then one text for each column of each row.
    looks : sequence of Look
        Colour and line of the frame of each row.
    """
    top, first = heights
    heights = [top, *(first - row * ROW_STEP for row in range(len(looks)))]
    for height, look in zip(heights[1:], looks, strict=True):
        frame = (2, height - 2.2, 96, 4.4)
        draw_box(axes, frame, edge=look.color, face=tint(look.color), line=look.line)
    for height, words in zip(heights, lines, strict=True):
        for left, text in zip(columns, words, strict=True):
            weight = "bold" if left == columns[0] or height == top else "normal"
            write(axes, (left, height), text, weight=weight, align="left")


def render_png(figure):
    """Return a drawing as the bytes of a PNG file.

    Equal drawings give equal bytes, whatever the settings of the user are.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        # the name and version of matplotlib in the file would change it with every release
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def save_beside(figure, script):
    """Save a drawing as PNG beside the script that draws it, under its name without ``draw_``.

    `script` is the ``__file__`` of the script; the path of the PNG comes back.
    """
    script = Path(script)
    path = script.with_name(script.stem.removeprefix("draw_") + ".png")
    path.write_bytes(render_png(figure))
    return path
