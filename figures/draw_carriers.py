"""Draw the four carriers: what can be carried over from a source task to a target task."""

from typing import NamedTuple

import style

ALT_TEXT = (
    "Four arrows lead from the source task to the target task, one for each thing that can be "
    "carried over. Examples give instance transfer, the representation phi gives feature "
    "transfer, the weights w0 give parameter transfer, and the answers of the source model give "
    "knowledge transfer."
)

PANEL_WIDTH, PANEL_HEIGHT = 27, 39
SOURCE_LEFT, TARGET_LEFT = 2, 71
ROW_HEIGHTS = (31, 23, 15, 7)
ICON_MIDDLE = 7.2


class Carrier(NamedTuple):
    """One row: what is carried, what the target does with it, how the family is called."""

    name: str
    use: str
    family: str
    look: style.Look


CARRIERS = (
    Carrier("examples", "train on them too, each weighted", "Instance transfer", style.INSTANCE),
    Carrier(
        "representation $\\varphi$",
        "compute $\\varphi(x)$, learn the head",
        "Feature transfer",
        style.FEATURE,
    ),
    Carrier("weights $w_0$", "start at $w_0$", "Parameter transfer", style.PARAMETER),
    Carrier("answers", "imitate what it answers", "Knowledge transfer", style.KNOWLEDGE),
)


@style.with_default_settings
def draw():
    """Return the drawing, 10 by 4.8 inches."""
    figure, axes = style.make_canvas("Four things can be carried over", height_inches=4.8)
    _draw_task(axes, SOURCE_LEFT, "Source task")
    _draw_task(axes, TARGET_LEFT, "Target task")
    icons = (_draw_cards, _draw_vector, _draw_network, _draw_shares)
    for carrier, height, draw_icon in zip(CARRIERS, ROW_HEIGHTS, icons, strict=True):
        draw_icon(axes, ICON_MIDDLE, height, carrier.look)
        _draw_row(axes, height, carrier)
    return figure


def _draw_task(axes, left, heading):
    """Draw the frame and the heading of one task."""
    frame = (left, 1.5, PANEL_WIDTH, PANEL_HEIGHT)
    style.draw_box(axes, frame, edge="#C8C8C8", face="#FAFAFA", width=1.2)
    place = (left + PANEL_WIDTH / 2, 37.8)
    style.write(axes, place, heading, size=style.HEADING_SIZE, weight="bold")


def _draw_row(axes, height, carrier):
    """Draw the words of one carrier, its arrow, and the family at the end of it."""
    look = carrier.look
    style.write(axes, (11.3, height), carrier.name, align="left")
    start, end = (SOURCE_LEFT + PANEL_WIDTH + 0.6, height - 1.2), (TARGET_LEFT + 1.1, height - 1.2)
    # the line carries the line style; a short solid end keeps the arrow head whole
    axes.plot([start[0], end[0] - 1.5], [start[1]] * 2, color=look.color, lw=3.2, ls=look.line)
    style.draw_arrow(axes, (end[0] - 1.6, end[1]), end, color=look.color, width=3.2)
    style.write(axes, ((start[0] + end[0]) / 2, height + 1.6), carrier.use)
    frame = (TARGET_LEFT + 1.5, height - 3, PANEL_WIDTH - 3, 6)
    style.draw_box(axes, frame, edge=look.color, face=style.tint(look.color), line=look.line)
    place = (TARGET_LEFT + PANEL_WIDTH / 2, height)
    style.write(axes, place, carrier.family, weight="bold")


def _draw_cards(axes, x, y, look):
    """Draw three cards behind each other: examples."""
    for shift in (1.1, 0, -1.1):
        frame = (x - 2.0 + shift, y - 1.8 + 0.8 * shift, 4, 3.6)
        style.draw_box(axes, frame, edge=look.color, face=style.tint(look.color), rounding=0.4)


def _draw_vector(axes, x, y, look):
    """Draw a row of bars of unlike heights: a feature vector."""
    for place, height in enumerate((2.0, 4.6, 1.2, 3.4, 2.6)):
        frame = (x - 3 + 1.25 * place, y - 2.3, 0.9, height)
        style.draw_box(axes, frame, edge=look.color, face=look.color, rounding=0.1, width=0.5)


def _draw_network(axes, x, y, look):
    """Draw two layers of dots with their connections: weights."""
    inputs = [(x - 2.6, y + height) for height in (-2, 0, 2)]
    outputs = [(x + 2.6, y + height) for height in (-1.2, 1.2)]
    for left in inputs:
        for right in outputs:
            axes.plot(*zip(left, right, strict=True), color=look.color, lw=1.6, ls="-")
    axes.plot(
        *zip(*inputs, *outputs, strict=True),
        marker="o",
        markersize=8,
        markerfacecolor="white",
        markeredgecolor=look.color,
        markeredgewidth=1.8,
        linestyle="",
    )


def _draw_shares(axes, x, y, look):
    """Draw three horizontal bars of unlike lengths: class probabilities."""
    for place, length in enumerate((1.2, 5.6, 2.4)):
        frame = (x - 2.9, y - 2.3 + 1.7 * place, length, 1.1)
        style.draw_box(axes, frame, edge=look.color, face=look.color, rounding=0.1, width=0.5)


if __name__ == "__main__":
    style.save_beside(draw(), __file__)
