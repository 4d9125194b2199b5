"""Draw the central figure of the course: what transfer saves, in labels, from lesson 01.

The values are those stored in the notebook, so this drawing follows each new run of it.
"""

import json
import math
import re
from pathlib import Path

import style

from course_utils.experiments.estimates import Estimate
from course_utils.experiments.results import Results
from course_utils.plotting.curves import label_efficiency_curve

ALT_TEXT = (
    "Two panels show accuracy over the number of labels per class, for two methods without "
    "transfer, a support vector machine and a network from scratch, and two with it, frozen and "
    "fine-tuned. Left, the target has new classes: with few labels fine-tuned is a little above "
    "both methods without transfer, with many it is equal to from scratch, and frozen falls behind "
    "both. Right, the target has the same classes in a new domain: frozen and fine-tuned start "
    "above the two without transfer, and with many labels all come together. In each panel an "
    "arrow goes from fine-tuned with 5 labels to the right until the first method without transfer "
    "is as good: it is short on the left and longer on the right."
)

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "01_source_and_target_tasks.ipynb"
FIRST_LINE = "accuracy, mean over"
LABELS = 5  # per class, where the arrows begin
OPPONENTS = ("SVM", "from scratch")  # without transfer
ARMS = (*OPPONENTS, "frozen", "fine-tuned")  # the lesson measures more of them
NUMBER = r"(-?\d+\.\d+)"
CELL = re.compile(rf"{NUMBER} \[{NUMBER}, {NUMBER}\]")  # as str(Estimate) writes it
WIDTH, HEIGHT, BOTTOM = 41.5, 32.5, 7  # of a panel, in units of 0.1 inch
FIGURE_HEIGHT = 5.5  # inches
PANELS = (  # what the lesson calls its results, heading, left side
    ("high_results", "New classes: MNIST 0–4 → 5–9", 7.5),
    ("digits_results", "A new domain: MNIST → UCI digits", 57),
)


class StoredResults(Results):
    """Results of which only means and intervals are known, not the values of each seed.

    Parameters
    ----------
    estimates : dict
        From ``(arm, size)`` to its `Estimate`.
    """

    def __init__(self, estimates):
        super().__init__([{key: estimate.mean for key, estimate in estimates.items()}])
        self.estimates = estimates

    def estimate(self, arm, size):
        """Return the stored mean and interval."""
        return self.estimates[arm, size]


def read_results(notebook, name):
    """Return the results that a lesson has printed.

    Parameters
    ----------
    notebook : dict
        Content of the notebook file.
    name : str
        The cell is the one that calls ``print(name)``.

    Raises
    ------
    ValueError
        If there is no such cell, or its output is not the table that `Results` prints.
    """
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    printing = [cell for cell in cells if f"print({name})" in "".join(cell["source"])]
    if len(printing) != 1:
        raise ValueError(
            f"name is {name!r}, and {len(printing)} cells call print({name}); there must be one"
        )
    text = "".join(line for output in printing[0]["outputs"] for line in output.get("text", []))
    heading, _, table = text.partition("\n")
    seeds = re.match(rf"{FIRST_LINE} (\d+) seeds", heading)
    if seeds is None:
        raise ValueError(
            f"the output of print({name}) begins with {heading!r}, but must begin with "
            f"'{FIRST_LINE} ... seeds'; run make notebooks, or change this script"
        )
    return read_table(table, num_seeds=int(seeds.group(1)))


def read_table(table, *, num_seeds):
    """Return the results of which `Results` has printed this table.

    Parameters
    ----------
    table : str
        A line of sizes, then for each arm its name and one cell ``mean [low, high]`` per size; last
        what the seeds draw.
    num_seeds : int
        Number of values behind each mean.

    Raises
    ------
    ValueError
        If a line has another form.
    """
    sizes, *lines = table.rstrip().splitlines() or [""]
    estimates = {}
    for line in (line for line in lines if line and not re.match(r"\d+ seeds draw ", line)):
        arm, cells = CELL.split(line)[0].strip(), CELL.findall(line)
        if not (arm and cells and len(cells) == len(sizes.split())):
            raise ValueError(
                f"the line {line!r} of a table is not a name and {len(sizes.split())} cells "
                "'mean [low, high]'; did the text form of Results change?"
            )
        for size, numbers in zip(sizes.split(), cells, strict=True):
            estimates[arm, int(size)] = Estimate(*map(float, numbers), num_seeds)
    if not estimates:
        raise ValueError(f"the table {table!r} has no line with results; run make notebooks")
    return StoredResults(estimates)


def shown_results(notebook, name):
    """Return the arms that the drawing shows of what a lesson has printed."""
    estimates = read_results(notebook, name).estimates
    return StoredResults({key: estimates[key] for key in estimates if key[0] in ARMS})


@style.with_default_settings
def draw():
    """Return the drawing, 10 by 5.5 inches."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    all_results = [shown_results(notebook, name) for name, _, _ in PANELS]
    lowest = min(e.low for results in all_results for e in results.estimates.values())
    title = "How many labels does transfer save? Read from left to right"
    figure, page = style.make_canvas(title, height_inches=FIGURE_HEIGHT)
    page.set_zorder(1)  # words before curves
    for (_, heading, left), results in zip(PANELS, all_results, strict=True):
        axes = _draw_curves(figure, left, results)
        # one scale for both, from the tenth below the lowest interval on, to show small differences
        axes.set(ylim=(math.floor(10 * lowest) / 10, 1.005), xlim=(0.9, 56))
        place = (left + WIDTH / 2, BOTTOM + HEIGHT + 2.6)
        style.write(page, place, heading, size=style.HEADING_SIZE, weight="bold")
        _draw_saving(axes, page, results)
    _draw_legend(figure, axes)
    return figure


def _draw_curves(figure, left, results):
    """Draw the curves as the lesson does, with text that is large enough for a drawing."""
    high = 10 * FIGURE_HEIGHT
    axes = figure.add_axes((left / 100, BOTTOM / high, WIDTH / 100, HEIGHT / high))
    label_efficiency_curve(results, axes)
    axes.get_legend().remove()
    axes.set_xlabel("labelled target samples per class", fontsize=style.TEXT_SIZE)
    axes.set_ylabel("accuracy", fontsize=style.TEXT_SIZE)
    axes.tick_params(labelsize=style.TEXT_SIZE)
    for line in axes.get_lines():
        line.set(linewidth=2.2, markersize=8)
    return axes


def _draw_saving(axes, page, results):
    """Draw the arrow from fine-tuned with few labels to the first opponent that is as good."""
    level = results.estimate("fine-tuned", LABELS).mean
    needed, opponent = min(
        (results.labels_needed(arm, level)[0], arm) for arm in OPPONENTS if arm in results.arms
    )
    if not math.isfinite(needed):
        raise ValueError(
            f"{opponent} never reaches {level}, what fine-tuned has with {LABELS} labels; "
            "an arrow cannot show that, so draw it in another way"
        )
    down = {"color": style.INK, "linewidth": 1.4, "linestyle": ":"}
    axes.plot([needed, needed], [axes.get_ylim()[0], level], **down)
    start, end = (_on_page(axes, page, (size, level)) for size in (LABELS, needed))
    style.draw_arrow(page, (start[0] + 0.6, start[1]), end, width=2.4)  # beside the marker
    words = f"{opponent} needs {needed:.0f}\nwhere fine-tuned needs {LABELS}"
    for text in style.write(page, (end[0], BOTTOM + 6), words):
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 3})


def _on_page(axes, page, place):
    """Return a place of a panel in the units of the page."""
    return page.transData.inverted().transform(axes.transData.transform(place))


def _draw_legend(figure, axes):
    """Draw one legend for both panels."""
    place = {"loc": "center", "bbox_to_anchor": (0.5, 0.865)}
    spacing = {"ncols": len(ARMS), "columnspacing": 2, "handlelength": 3.2}
    curves = axes.get_legend_handles_labels()
    figure.legend(*curves, **place, **spacing, fontsize=style.TEXT_SIZE, frameon=False)


if __name__ == "__main__":
    style.save_beside(draw(), __file__)
