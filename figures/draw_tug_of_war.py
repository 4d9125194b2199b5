"""Draw biased regularisation as a tug of war between the loss and the regulariser."""

import style

ALT_TEXT = (
    "A rope between two ends. At the left end, target only, lies the minimum of the loss L, for "
    "lambda = 0. At the right end, source only, lies w0, for lambda = infinity. L pulls w to the "
    "left, lambda times R pulls it to the right. The minimum of the sum lies between the ends, "
    "where both pulls are equal: near the left end for a small lambda, in the middle for a medium "
    "one, near the right end for a large one. Three rows say what to choose. Few labels and a "
    "related source: large lambda, since w0 is the better guess. Many labels: small lambda, since "
    "the minimum of L is the better guess. An unrelated source: small lambda, since w0 is a bad "
    "guess. If you are not sure, choose lambda on validation samples."
)

SOURCE, TARGET = style.BLUE, style.VERMILLION
ROPE, ROPE_START, ROPE_LENGTH = 34.5, 22, 56
BELOW = 7.2  # of the rope: the strengths at its ends, and what holds between
# for one weight and a loss of curvature 1 the minimum lies at lambda / (1 + lambda)
POINTS = ((1 / 4, "small $\\lambda$"), (1, "medium $\\lambda$"), (4, "large $\\lambda$"))
COLUMNS = (3.4, 36, 60)  # left sides
HEADS_AND_FIRST_ROW = (22.9, 18.4)
HEADS = ("what you have", "choose", "because")
ROWS = (
    ("few labels, related source", "large $\\lambda$: right", "$w_0$ is the better guess"),
    ("many labels", "small $\\lambda$: left", "the minimum of $L$ is the better guess"),
    ("unrelated source", "small $\\lambda$: left", "$w_0$ is a bad guess"),
)


@style.with_default_settings
def draw():
    """Return the drawing, 10 by 5.4 inches."""
    figure, axes = style.make_canvas(
        "A tug of war: the strength λ decides where w ends", height_inches=5.4
    )
    sum_in_words = "loss $L$  +  strength $\\lambda$  ×  regulariser $R(w) = $½$\\|w - w_0\\|^2$"
    style.write(axes, (2, 46.2), sum_in_words, color=style.QUIET, align="left")
    _draw_rope(axes)
    _draw_end(axes, 2, "target only\nminimum of $L$", "$\\lambda = 0$", TARGET)
    _draw_end(axes, 78, "source only\n$w_0$", "$\\lambda = \\infty$", SOURCE)
    _draw_pulls(axes)
    looks = [style.Look(color, _line(color)) for color in (SOURCE, TARGET, TARGET)]
    style.draw_table(axes, HEADS_AND_FIRST_ROW, COLUMNS, (HEADS, *ROWS), looks)
    style.write(axes, (2, 2.7), "Not sure? Choose $\\lambda$ on validation samples.", align="left")
    return figure


def _line(color):
    """Return the line style of source or target, for a print without colour."""
    return "-" if color == SOURCE else "--"


def _draw_rope(axes):
    """Draw the rope, and the minimum of the sum for three strengths."""
    ends = [ROPE_START, ROPE_START + ROPE_LENGTH]
    axes.plot(ends, [ROPE] * 2, color=style.QUIET, linewidth=4, zorder=1)
    look = {"marker": "o", "markersize": 15, "markeredgewidth": 2.4, "color": style.INK}
    for strength, name in POINTS:
        x = ROPE_START + ROPE_LENGTH * strength / (1 + strength)
        axes.plot([x], [ROPE], markerfacecolor="white", zorder=2, **look)
        style.write(axes, (x, ROPE - 3.8), name)


def _draw_end(axes, left, words, strength, color):
    """Draw one end of the rope with the strength that leads there."""
    frame = (left, ROPE - 4.2, 20, 8.4)
    style.draw_box(axes, frame, edge=color, face=style.tint(color), line=_line(color))
    style.write(axes, (left + 10, ROPE), words)
    style.write(axes, (left + 10, ROPE - BELOW), strength)


def _draw_pulls(axes):
    """Draw the two pulls: equally long, since they are equal at the minimum of the sum."""
    middle, height, length = ROPE_START + ROPE_LENGTH / 2, ROPE + 3.6, 15
    for words, direction, color in [("$L$ pulls", -1, TARGET), ("$\\lambda R$ pulls", 1, SOURCE)]:
        start, end = middle + 1.4 * direction, middle + (1.4 + length) * direction
        style.draw_arrow(axes, (start, height), (end, height), color=color, width=3.2)
        place = (middle + (1.4 + length / 2) * direction, height + 2.6)
        style.write(axes, place, words, weight="bold")
    style.write(
        axes, (middle, ROPE - BELOW), "at each point both pulls are equal", color=style.QUIET
    )


if __name__ == "__main__":
    style.save_beside(draw(), __file__)
