"""Draw the formula of the course with its parts named, and what each family chooses in it."""

from typing import NamedTuple

import style

ALT_TEXT = (
    "The formula: minimise over w the mean over n examples of the loss L between label and "
    "prediction, plus the strength lambda times the regulariser R(w). A table below says what "
    "each family chooses. Feature transfer keeps phi fixed under a new head, and R is the size of "
    "w or a distance of features. Parameter transfer starts at w0, and R is 0 or pulls towards w0. "
    "Knowledge transfer compares with the answers of the source model, in the loss or in R. "
    "Instance transfer weights the examples in the sum. No transfer starts at random, and R is "
    "the size of w."
)

FORMULA_SIZE = 28
ABOVE, FORMULA_HEIGHT, BELOW = 45.6, 40.6, 34
COLUMNS = (3.4, 22, 43, 72)  # left sides of the columns, below the parts of the formula
HEADS_AND_FIRST_ROW = (28.9, 24.2)


class Part(NamedTuple):
    """A part of the formula: its mathematics, its middle in x, its name and the height of that."""

    mathematics: str
    x: float
    name: str = ""
    height: float = BELOW


# the middles follow from the widths of the parts at this size, with the usual gaps between them
PARTS = (
    Part(r"$\min_{w}$", 34, "weights", ABOVE),
    Part(r"$\frac{1}{n}\sum_i$", 42.5, "examples"),
    Part(r"$L$", 49, "loss", ABOVE),
    Part(r"$($", 51.6),
    Part(r"$y_i$", 54.1, "label"),
    Part(r"$,$", 56.7),
    Part(r"$f_w(x_i))$", 63.5, "prediction", ABOVE),
    Part("", 65.3, "input"),
    Part(r"$+$", 72.6),
    Part(r"$\lambda$", 76.7, "strength", ABOVE),
    Part(r"$R(w)$", 82.8, "regulariser"),
)
HEADS = ("family", "start of $w$", "what is compared", "pull $R(w)$")
ROWS = (
    ("feature", r"fixed $\varphi$, new head", "labels", r"½$\|w\|^2$ or a distance"),
    ("parameter", r"$w_0$", "labels", r"$0$ or ½$\|w-w_0\|^2$"),
    ("knowledge", r"random or $w_0$", "the source model's answers", "old answers"),
    ("instance", r"random or $w_0$", "labels, weighted examples", "as with no transfer"),
    ("no transfer", "random", "labels", r"½$\|w\|^2$ or $\|w\|_1$"),
)
LOOKS = (style.FEATURE, style.PARAMETER, style.KNOWLEDGE, style.INSTANCE, style.NOTHING)


@style.with_default_settings
def draw():
    """Return the drawing, 10 by 5.4 inches."""
    figure, axes = style.make_canvas("Every method is a choice in one formula", height_inches=5.4)
    for part in PARTS:
        _draw_part(axes, part)
    style.draw_table(axes, HEADS_AND_FIRST_ROW, COLUMNS, (HEADS, *ROWS), LOOKS)
    return figure


def _draw_part(axes, part):
    """Draw one part of the formula with its name above or below it."""
    style.write(axes, (part.x, FORMULA_HEIGHT), part.mathematics, size=FORMULA_SIZE)
    if part.name:
        style.write(axes, (part.x, part.height), part.name, color=style.QUIET)


if __name__ == "__main__":
    style.save_beside(draw(), __file__)
