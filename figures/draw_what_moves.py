"""Draw which layers each method of parameter transfer moves, and how fast or in which order."""

from typing import NamedTuple

import style
from matplotlib.patches import Arc

ALT_TEXT = (
    "A table of seven methods. Columns: stem, early, middle and late stages of the backbone, then "
    "the head. The backbone starts at w0. The head is new, so R, half the squared distance to w0, "
    "leaves it out. Linear probe: only the head moves, lambda is infinite on the backbone. Last "
    "stages: late stages and head move, lambda is infinite on the frozen ones. All layers, one "
    "rate: all move equally fast, lambda is 0. Discriminative rates: all move, the stem with the "
    "lowest rate, the head with the highest, lambda is 0. Gradual unfreezing: the head moves from "
    "phase 1 on, late from 2, middle from 3, early from 4, stem from 5; lambda is infinite, then "
    "0, one by one. LP-FT: the head from phase 1, the backbone from phase 2; lambda is infinite, "
    "then 0, all at once. L2-SP: all move, a spring pulls the backbone to w0, lambda lies between "
    "0 and infinity."
)

PARTS = ("stem", "early", "middle", "late", "head")
FIRST_LEFT, CELL_WIDTH, CELL_STEP, HEAD_GAP = 26, 7.8, 8.5, 0.7  # the head stands a bit apart
CELL_HEIGHT = 4.6
NAME_LEFT, STRENGTH_LEFT = 3.4, 71.5
BRACE_HEIGHT, HEAD_HEIGHT, FIRST_ROW, ROW_STEP = 55.4, 51.6, 46.8, 6.2
LEGEND_HEIGHT = 3.3
MOVING = style.tint(style.GREEN, 0.5)  # pale enough for black numbers and springs
FROZEN, ONE_RATE = 0, 0.6


class Method(NamedTuple):
    """One row: name, learning rate of each part from 0 to 1, strength, and mark of each part."""

    name: str
    rates: tuple[float, ...]
    strength: str
    marks: tuple[str, ...] = ("",) * len(PARTS)


ALL = (ONE_RATE,) * len(PARTS)
METHODS = (
    Method("linear probe", (FROZEN,) * 4 + (ONE_RATE,), r"$\lambda = \infty$ on the backbone"),
    Method("last stages", (FROZEN,) * 3 + (ONE_RATE,) * 2, r"$\lambda = \infty$ on frozen stages"),
    Method("all layers, one rate", ALL, r"$\lambda = 0$"),
    Method("discriminative rates", (0.12, 0.3, 0.5, 0.72, 1), r"$\lambda = 0$, slow early stages"),
    Method("gradual unfreezing", ALL, r"$\lambda = \infty$, then 0, one by one", tuple("54321")),
    Method("LP-FT", ALL, r"$\lambda = \infty$, then 0, all at once", tuple("22221")),
    Method("L2-SP", ALL, r"$0 < \lambda < \infty$ on the backbone", ("spring",) * 4 + ("",)),
)


@style.with_default_settings
def draw():
    """Return the drawing, 10 by 6.7 inches."""
    figure, axes = style.make_canvas(
        "Which layers move? One network, seven methods", height_inches=6.7
    )
    start = "The backbone starts at $w_0$. The head is new, so $R$ leaves it out."
    style.write(axes, (2, 60), start, color=style.QUIET, align="left")
    _draw_heads(axes)
    for row, method in enumerate(METHODS):
        _draw_method(axes, FIRST_ROW - row * ROW_STEP, method)
    _draw_legend(axes)
    return figure


def _left(column):
    """Return the left side of the cells of a column."""
    return FIRST_LEFT + column * CELL_STEP + HEAD_GAP * (PARTS[column] == "head")


def _draw_heads(axes):
    """Draw the names of the columns, and a line over the parts of the backbone."""
    left, right = _left(0), _left(3) + CELL_WIDTH
    axes.plot([left, right], [BRACE_HEIGHT - 1.8] * 2, color=style.QUIET, linewidth=1.4)
    style.write(axes, ((left + right) / 2, BRACE_HEIGHT), "stages of the backbone")
    style.write(axes, (NAME_LEFT, HEAD_HEIGHT), "method", weight="bold", align="left")
    for column, part in enumerate(PARTS):
        style.write(axes, (_left(column) + CELL_WIDTH / 2, HEAD_HEIGHT), part, weight="bold")
    style.write(
        axes, (STRENGTH_LEFT, HEAD_HEIGHT), "strength $\\lambda$", weight="bold", align="left"
    )
    pull = "with $R = $½$\\|w - w_0\\|^2$"
    style.write(axes, (STRENGTH_LEFT, BRACE_HEIGHT), pull, align="left")


def _draw_method(axes, height, method):
    """Draw one row: the name, a cell for each part of the network, the strength."""
    frame = (2, height - ROW_STEP / 2 + 0.2, 96, ROW_STEP - 0.4)
    style.draw_box(axes, frame, edge="#C8C8C8", face="#FAFAFA", width=1)
    style.write(axes, (NAME_LEFT, height), method.name, weight="bold", align="left")
    style.write(axes, (STRENGTH_LEFT, height), method.strength, align="left")
    for column, (rate, mark) in enumerate(zip(method.rates, method.marks, strict=True)):
        _draw_cell(axes, (_left(column), height), rate, mark)


def _draw_cell(axes, place, rate, mark="", width=CELL_WIDTH):
    """Draw a part of a network: a lock if it is frozen, else a bar as high as its rate.

    `place` is the left side and the middle in y; `mark` is a number, ``"spring"`` or empty.
    """
    left, height = place
    bottom, middle = height - CELL_HEIGHT / 2, left + width / 2
    frame = (left, bottom, width, CELL_HEIGHT)
    if rate == FROZEN:
        style.draw_box(axes, frame, edge=style.GREY, face="#ECECEC", line="--", rounding=0.6)
        _draw_lock(axes, middle, height)
        return
    bar = (left + 0.5, bottom + 0.5, width - 1, rate * (CELL_HEIGHT - 1))
    style.draw_box(axes, frame, edge=style.GREEN, rounding=0.6)
    style.draw_box(axes, bar, edge=MOVING, face=MOVING, rounding=0.1, width=0)
    if mark == "spring":
        _draw_spring(axes, middle, height)
    elif mark:
        _draw_number(axes, middle, height, mark)


def _draw_lock(axes, x, y):
    """Draw a padlock around a place."""
    body = (x - 1.2, y - 1.4, 2.4, 1.7)
    style.draw_box(axes, body, edge=style.QUIET, face=style.QUIET, rounding=0.2, width=0.5)
    shackle = Arc((x, y + 0.3), 1.5, 2.2, theta1=0, theta2=180, color=style.QUIET, linewidth=2)
    axes.add_patch(shackle)


def _draw_number(axes, x, y, number):
    """Draw a number in a circle."""
    axes.plot([x], [y], marker="o", markersize=21, color="white", markeredgecolor=style.INK)
    style.write(axes, (x, y), number, weight="bold")


def _draw_spring(axes, x, y):
    """Draw a spring around a place, with a post at its left end."""
    steps = [-2.4, -1.6, -1.2, -0.4, 0.4, 1.2, 1.6, 2.6]
    heights = [0, 0, 0.9, -0.9, 0.9, -0.9, 0, 0]
    look = {"color": style.INK, "linewidth": 1.8, "solid_joinstyle": "round"}
    axes.plot([x + step for step in steps], [y + height for height in heights], **look)
    axes.plot([x - 2.4] * 2, [y - 1.3, y + 1.3], color=style.INK, linewidth=3.2)


def _draw_legend(axes):
    """Say what lock, bar, number and spring mean."""
    y = LEGEND_HEIGHT
    _draw_lock(axes, 5, y)
    style.write(axes, (7.4, y), "frozen", align="left")
    for left, rate in [(20, 0.25), (23.5, 0.9)]:
        _draw_cell(axes, (left, y), rate, width=3)
    style.write(axes, (27.6, y), "learning rate", align="left")
    _draw_number(axes, 48, y, "2")
    style.write(axes, (50.5, y), "moves from phase 2 on", align="left")
    _draw_spring(axes, 81.5, y)
    style.write(axes, (85.1, y), "pull to $w_0$", align="left")


if __name__ == "__main__":
    style.save_beside(draw(), __file__)
