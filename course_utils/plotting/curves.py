"""Figures: each function takes axes and returns them, and draws nothing else.

An arm keeps its colour, marker and line style in a figure, so that it is known without colour.
"""

import numpy as np
from matplotlib.axes import Axes

from course_utils.data.gallery import SIZE_OF_TEXT
from course_utils.environment.door import checked
from course_utils.experiments.results import Results
from course_utils.training.history import History

# colour-blind-safe colours of Okabe and Ito 2008, the yellow left out: too pale on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")


MARKERS = ("o", "s", "^", "D", "v", "P", "X")


LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


@checked
def look(number: int) -> dict:
    """Return colour, marker and line style of the arm with this number, from 0 on."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        # moved on by one in each round, so that the eighth arm does not look like the first
        "linestyle": LINES[(number + number // len(COLOURS)) % len(LINES)],
    }


@checked
def label_efficiency_curve(
    results: Results,
    ax: Axes,
    *,
    measure: str = "accuracy",
    samples: str = "labelled target samples per class",
    chance: float | None = None,
) -> Axes:
    """Draw a measure over the number of labels, with 95 % intervals over seeds.

    Parameters
    ----------
    results : Results
        Arms at several sizes; a size is a number of labels.
    ax : matplotlib.axes.Axes
        Where to draw.
    measure : str
        Name of what was measured.
    samples : str
        What the sizes count.
    chance : float, optional
        What a guess gives, drawn as a thin line.
    """
    for number, arm in enumerate(results.arms):
        sizes = results.sizes(arm)
        estimates = [results.estimate(arm, size) for size in sizes]
        ax.plot(sizes, [e.mean for e in estimates], label=arm, **look(number))
        lower, upper = [e.low for e in estimates], [e.high for e in estimates]
        ax.fill_between(sizes, lower, upper, color=look(number)["color"], alpha=0.15, linewidth=0)
    if chance is not None:
        ax.axhline(chance, color="0.4", linewidth=0.8)
        ax.annotate("chance", (1, chance), xycoords=("axes fraction", "data"), ha="right", va="top")
    every_size = sorted({size for arm in results.arms for size in results.sizes(arm)})
    ax.set_xscale("log")
    ax.set_xticks(every_size, [str(size) for size in every_size])
    ax.minorticks_off()
    ax.set_xlabel(samples, fontsize=SIZE_OF_TEXT)
    ax.set_ylabel(measure, fontsize=SIZE_OF_TEXT)
    ax.legend(fontsize=SIZE_OF_TEXT, frameon=False)
    return _tidy(ax)


@checked
def plot_history(history: History, ax: Axes) -> Axes:
    """Draw each term of the objective, times its factor, over the epochs."""
    epochs = np.arange(1, history.num_epochs + 1)
    for number, (name, values) in enumerate(history.terms.items()):
        factor = history.factors[name]
        label = name if factor == 1 else f"{factor:g} x {name}"
        ax.plot(epochs, factor * np.array(values), label=label, **look(number))
    if history.validation_loss:
        number = len(history.terms)
        ax.plot(epochs, history.validation_loss, label="loss on validation", **look(number))
        ax.axvline(history.best_epoch, color="0.4", linewidth=0.8)
    ax.set_xlabel("epoch", fontsize=SIZE_OF_TEXT)
    ax.set_ylabel("part of the objective", fontsize=SIZE_OF_TEXT)
    ax.legend(fontsize=SIZE_OF_TEXT, frameon=False)
    return _tidy(ax)


def _tidy(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SIZE_OF_TEXT)
    ax.grid(axis="y", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    return ax
