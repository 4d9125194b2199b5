"""Draw the three stages of transfer learning: pre-train, adapt, apply."""

import style

ALT_TEXT = (
    "Three panels from left to right. Pre-train: a backbone and a head learn the source task from "
    "many labelled examples. Adapt: the backbone starts at the kept weights w0, a new head "
    "replaces the dropped one, and few labelled target examples are enough. Apply: the same "
    "backbone and head answer for new target inputs without labels."
)

SOURCE, TARGET = style.BLUE, style.VERMILLION
PANEL_WIDTH, PANEL_STEP, FIRST_LEFT = 28, 34, 2
BACKBONE_MIDDLE, HEAD_MIDDLE = 20, 29.5


@style.with_default_settings
def draw():
    """Return the drawing, 10 by 5 inches."""
    figure, axes = style.make_canvas(
        "Learn from many labels, adapt with few, then apply", height_inches=5
    )
    _draw_panel(axes, 0, "1  Pre-train", "source task: many labels", SOURCE)
    _draw_panel(axes, 1, "2  Adapt", "target task: few labels", TARGET)
    _draw_panel(axes, 2, "3  Apply", "target task: new inputs", TARGET)
    _draw_network(axes, 0, "source head", "backbone\nlearns $w_0$", SOURCE)
    _draw_network(axes, 1, "new head", "backbone\nstarts at $w_0$", TARGET)
    _draw_network(axes, 2, "same head", "same\nbackbone", TARGET)
    _draw_examples(axes, 0, rows=4, columns=14, color=SOURCE)
    _draw_examples(axes, 1, rows=1, columns=6, color=TARGET)
    _draw_examples(axes, 2, rows=1, columns=6, color=TARGET, is_labelled=False)
    _draw_kept(axes, 0, BACKBONE_MIDDLE, SOURCE)
    _draw_kept(axes, 1, BACKBONE_MIDDLE, SOURCE)
    _draw_kept(axes, 1, HEAD_MIDDLE, TARGET)
    _draw_dropped(axes, 0)
    return figure


def _left(panel):
    """Return the left side of a panel."""
    return FIRST_LEFT + PANEL_STEP * panel


def _middle(panel):
    """Return the middle of a panel."""
    return _left(panel) + PANEL_WIDTH / 2


def _draw_panel(axes, panel, heading, data, color):
    """Draw the frame, the heading, the answers and the data of one stage in words."""
    frame = (_left(panel), 1.5, PANEL_WIDTH, 42)
    style.draw_box(axes, frame, edge="#C8C8C8", face="#FAFAFA", width=1.2)
    style.write(axes, (_middle(panel), 41), heading, size=style.HEADING_SIZE, weight="bold")
    answers = "source answers" if color == SOURCE else "target answers"
    style.write(axes, (_middle(panel), 36.6), answers)
    style.write(axes, (_middle(panel), 3.6), data)


def _draw_network(axes, panel, head, backbone, head_color):
    """Draw backbone and head with the arrows from the inputs to the answer."""
    middle, left = _middle(panel), _left(panel)
    for bottom, top in [(12.8, 15.7), (24.3, 26.9), (32.1, 35.0)]:
        style.draw_arrow(axes, (middle, bottom), (middle, top), color=style.QUIET, width=1.6)
    style.draw_box(axes, (left + 5, 15.7, 18, 8.6), edge=SOURCE, face=style.tint(SOURCE))
    style.write(axes, (middle, BACKBONE_MIDDLE), backbone)
    line = "-" if head_color == SOURCE else "--"
    frame = (left + 5, 26.9, 18, 5.2)
    style.draw_box(axes, frame, edge=head_color, face=style.tint(head_color), line=line)
    style.write(axes, (middle, HEAD_MIDDLE), head)


def _draw_examples(axes, panel, *, rows, columns, color, is_labelled=True):
    """Draw a block of small squares, one per example; those without label are empty."""
    step, side = 1.75, 1.35
    start = _middle(panel) - (columns * step - (step - side)) / 2
    bottom = 9 - (rows * step - (step - side)) / 2
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        frame = (start + column * step, bottom + row * step, side, side)
        face = color if is_labelled else "white"
        style.draw_box(axes, frame, edge=color, face=face, width=1.2, rounding=0.15)


def _draw_kept(axes, panel, height, color):
    """Draw the arrow that carries weights to the next panel."""
    start, end = _left(panel) + 23.4, _left(panel + 1) + 4.6
    style.draw_arrow(axes, (start, height), (end, height), color=color, width=3.2)
    style.write(axes, ((start + end) / 2, height + 2), "keep", weight="bold")


def _draw_dropped(axes, panel):
    """Draw the line that ends in a cross: the head that is not carried over."""
    start, end = _left(panel) + 23.4, _left(panel) + 31
    axes.plot([start, end], [HEAD_MIDDLE] * 2, color=SOURCE, linewidth=3.2, linestyle="-")
    axes.plot([end], [HEAD_MIDDLE], marker="x", markersize=12, markeredgewidth=3.2, color=style.INK)
    style.write(axes, (end, HEAD_MIDDLE + 2.4), "drop", weight="bold")


if __name__ == "__main__":
    style.save_beside(draw(), __file__)
