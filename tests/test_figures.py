"""Tests of the drawings: stored files are up to date, readable, described, and reproducible."""

import importlib.util
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "figures"
SCRIPTS = sorted(FOLDER.glob("draw_*.py"))
MAX_BYTES = 500_000  # limit for any file of the repository
SHOWN_INCHES = 800 / 96  # 800 CSS pixels, the width of a notebook cell
MIN_POINTS = 11
# Root mean square over all pixels, of 255. Other processors round the grey of edge pixels in
# another way, which moves this little; one changed digit of a lesson number gives 1.1.
TOLERANCE = 0.5


def load(script):
    """Import a drawing script by its path, with `style` beside it."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    spec = importlib.util.spec_from_file_location(script.stem, script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


style = load(FOLDER / "style.py")
central = load(FOLDER / "draw_label_efficiency.py")


def stored_file(script):
    return script.with_name(script.stem.removeprefix("draw_") + ".png")


def difference(first, second):
    """Return the root mean square difference of two PNG files, 0 to 255."""
    first, second = (255 * imread(io.BytesIO(png), format="png") for png in (first, second))
    if first.shape != second.shape:
        return 255.0
    return float(np.sqrt(np.mean((first - second) ** 2)))


def shown_pictures(text):
    """Return (alt text, name) of every drawing of figures/ that a Markdown text shows."""
    return re.findall(r"!\[([^\]]*)\]\((?:\.\./)?figures/(\w+)\.png\)", text)


def markdown_texts():
    """Return the Markdown of the README and of the notebooks."""
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("*.md")]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    return texts


@pytest.fixture(params=SCRIPTS, ids=lambda script: script.stem)
def script(request):
    return request.param


class TestFolder:
    def test_every_picture_has_a_script_and_every_script_a_picture(self):
        assert {stored_file(script) for script in SCRIPTS} == set(FOLDER.glob("*.png"))

    def test_the_four_concept_drawings_are_there(self):
        names = {stored_file(script).stem for script in SCRIPTS}
        assert names >= {"three_stages", "carriers", "which_family", "formula"}

    def test_no_file_is_too_large_for_the_repository(self):
        sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.png")}
        assert max(sizes.values()) <= MAX_BYTES, sizes

    @pytest.mark.slow
    def test_script_called_from_anywhere_writes_beside_itself(self, tmp_path):
        for name in ("style.py", "draw_carriers.py"):
            shutil.copy(FOLDER / name, tmp_path)
        command = [sys.executable, str(tmp_path / "draw_carriers.py")]
        subprocess.run(command, check=True, cwd=ROOT)
        written = (tmp_path / "carriers.png").read_bytes()
        assert difference(written, (FOLDER / "carriers.png").read_bytes()) <= TOLERANCE


@pytest.mark.slow
class TestDraw:
    def test_stored_picture_is_what_the_script_draws(self, script):
        drawn = style.render_png(load(script).draw())
        found = difference(drawn, stored_file(script).read_bytes())
        assert found <= TOLERANCE, f"run make figures, or python figures/{script.name}"

    def test_second_drawing_is_equal_to_the_byte_whatever_the_user_has_set(self, script):
        module = load(script)
        expected = style.render_png(module.draw())
        settings = {"font.family": "monospace", "lines.linewidth": 9, "mathtext.fontset": "cm"}
        with matplotlib.rc_context({**settings, "text.color": "red", "savefig.dpi": 50}):
            assert style.render_png(module.draw()) == expected
            assert matplotlib.rcParams["lines.linewidth"] == 9

    def test_text_is_large_enough_where_it_is_shown(self, script):
        figure = load(script).draw()
        scale = SHOWN_INCHES / figure.get_figwidth()
        texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
        small = {t.get_text(): t.get_size() for t in texts if t.get_size() * scale < MIN_POINTS}
        assert texts
        assert small == {}

    def test_no_text_is_cut_off_or_covers_another(self, script):
        figure = load(script).draw()
        assert layout_faults(figure) == []

    def test_alt_text_is_one_paragraph_of_sentences(self, script):
        alt_text = load(script).ALT_TEXT
        assert 80 <= len(alt_text) <= 900
        assert alt_text.endswith(".")
        assert not set(alt_text) & set('\n[]"')


def layout_faults(figure):
    """Return the texts that leave the figure, and the pairs that overlap."""
    boxes = [
        (text.get_text(), text.get_window_extent())
        for axes in figure.axes
        for text in axes.texts
        if text.get_text()
    ]
    frame = figure.bbox
    faults = [
        f"{words!r} is cut off"
        for words, box in boxes
        if box.x0 < frame.x0 or box.y0 < frame.y0 or box.x1 > frame.x1 or box.y1 > frame.y1
    ]
    for (first, one), (second, other) in itertools.combinations(boxes, 2):
        if one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1:
            faults.append(f"{first!r} covers {second!r}")
    return faults


class TestLayoutFaults:
    def test_overlap_and_cut_off_text_are_found(self):
        figure, axes = style.make_canvas("title")
        style.write(axes, (50, 20), "one")
        style.write(axes, (51, 20), "two")
        style.write(axes, (99, 10), "outside")
        assert layout_faults(figure) == ["'outside' is cut off", "'one' covers 'two'"]


class TestDifference:
    def test_one_changed_digit_is_noticed(self):
        figure = load(FOLDER / "draw_which_family.py").draw()
        stored = (FOLDER / "which_family.png").read_bytes()
        (text,) = [text for text in figure.axes[0].texts if text.get_text() == "lesson 05"]
        text.set_text("lesson 06")
        assert difference(style.render_png(figure), stored) > TOLERANCE

    def test_other_size_is_noticed(self):
        canvas = [style.make_canvas("title", height_inches=height)[0] for height in (3, 4)]
        assert difference(*map(style.render_png, canvas)) == 255

    def test_black_against_white_is_255(self):
        white, _ = style.make_canvas("", height_inches=1)
        black, _ = style.make_canvas("", height_inches=1)
        black.set_facecolor("black")
        # alpha, one channel of four, is equal in both: 255 * sqrt(3 / 4)
        expected = 255 * np.sqrt(3 / 4)
        assert difference(*map(style.render_png, (white, black))) == pytest.approx(expected)


class TestAltTextsInPages:
    def test_pages_use_the_alt_text_of_the_script(self):
        for alt_text, name in itertools.chain.from_iterable(map(shown_pictures, markdown_texts())):
            assert alt_text == load(FOLDER / f"draw_{name}.py").ALT_TEXT

    def test_pictures_of_notebook_and_readme_are_recognised(self):
        text = "a ![one](../figures/carriers.png) b ![two](figures/formula.png) ![c](x.png)"
        assert shown_pictures(text) == [("one", "carriers"), ("two", "formula")]


class TestTint:
    @pytest.mark.parametrize(("strength", "grey"), [(0, 1), (0.25, 0.75), (1, 0)])
    def test_strength_goes_from_white_to_the_colour(self, strength, grey):
        assert style.tint("black", strength) == (grey, grey, grey)


class TestSaveBeside:
    def test_name_loses_its_prefix(self, tmp_path):
        figure, _ = style.make_canvas("title", height_inches=1)
        path = style.save_beside(figure, tmp_path / "draw_demo.py")
        assert path == tmp_path / "demo.png"
        assert path.read_bytes() == style.render_png(figure)


@pytest.fixture(scope="module")
def lesson_results():
    """Return the results that the central figure shows, left and right."""
    notebook = json.loads(central.NOTEBOOK.read_text(encoding="utf-8"))
    return [central.shown_results(notebook, name) for name, _, _ in central.PANELS]


class TestLabelEfficiency:
    def test_alt_text_has_no_number_that_is_measured(self):
        assert re.findall(r"\d[\d.]*", central.ALT_TEXT) == [str(central.LABELS)]

    def test_alt_text_and_title_are_true(self, lesson_results):
        factors = [min(needed_by(results).values()) / 5 for results in lesson_results]
        assert 1 < factors[0] < factors[1]
        left, right = ({key: e.mean for key, e in r.estimates.items()} for r in lesson_results)
        without = central.OPPONENTS
        for size in (1, 5):
            assert 0 < left["fine-tuned", size] - max(left[arm, size] for arm in without) < 0.1
            with_it = (right[arm, size] for arm in ("frozen", "fine-tuned"))
            assert min(with_it) > max(right[arm, size] for arm in without) + 0.01
        assert abs(left["fine-tuned", 50] - left["from scratch", 50]) < 0.02
        assert left["frozen", 50] < min(left[arm, 50] for arm in without)
        last = [right[arm, 50] for arm in central.ARMS]
        assert max(last) - min(last) < 0.05

    def test_arrow_ends_where_the_curve_of_the_first_opponent_is_as_high(self, lesson_results):
        """Second implementation: look the crossing up on the drawn curve itself."""
        panels = central.draw().axes[1:]
        for axes, results in zip(panels, lesson_results, strict=True):
            needed = needed_by(results)
            first = min(needed, key=needed.get)
            curve = next(line for line in axes.get_lines() if line.get_label() == first)
            drop = next(line for line in axes.get_lines() if len(line.get_xdata()) == 2)
            end, level = drop.get_xdata()[0], drop.get_ydata()[1]
            trans = axes.get_xaxis().get_transform()
            on_curve = trans.transform(curve.get_xdata())
            height = curve.get_ydata()
            place = trans.transform([end])[0]
            step = int((on_curve <= place).sum()) - 1
            share = (place - on_curve[step]) / (on_curve[step + 1] - on_curve[step])
            assert height[step] + share * (height[step + 1] - height[step]) == pytest.approx(level)
            assert level == results.estimates["fine-tuned", 5].mean


def needed_by(results):
    """Return how many labels each opponent needs to be as good as fine-tuned with 5."""
    level = results.estimate("fine-tuned", 5).mean
    return {arm: results.labels_needed(arm, level)[0] for arm in central.OPPONENTS}


TABLE = """\
              1                      5                      20
from scratch  0.481 [0.396, 0.566]   0.700 [0.650, 0.750]   0.900 [0.911, 0.930]
fine-tuned    0.540 [-0.100, 1.100]  0.800 [0.750, 0.850]   0.924 [0.909, 0.939]
"""


def demo_notebook(output, source="print('x')\nprint(high_results)"):
    cell = {"cell_type": "code", "source": [source], "outputs": [{"text": [output]}]}
    return {"cells": [{"cell_type": "markdown", "source": ["print(high_results)"]}, cell]}


class TestReadResults:
    def test_table_is_read_as_it_is_printed(self):
        output = "accuracy, mean over 8 seeds [95 % interval]\n" + TABLE
        results = central.read_results(demo_notebook(output), "high_results")
        assert results.arms == ["from scratch", "fine-tuned"]
        assert results.sizes("fine-tuned") == [1, 5, 20]
        assert str(results).startswith("\n".join(line.rstrip() for line in TABLE.splitlines()))
        assert results.estimate("fine-tuned", 1).low == -0.1
        assert results.estimate("fine-tuned", 1).num_seeds == 8

    def test_what_the_seeds_draw_is_no_arm(self):
        told = f"{TABLE}\n\n8 seeds draw labels, of 105 per class; intervals corrected."
        assert central.read_table(told, num_seeds=8).arms == ["from scratch", "fine-tuned"]

    def test_labels_needed_is_read_off_halfway_on_the_logarithm(self):
        results = central.read_table(TABLE, num_seeds=8)
        # 0.8 lies halfway from 0.7 at 5 to 0.9 at 20, and halfway is sqrt(5 * 20) = 10
        assert results.labels_needed("from scratch", 0.8)[0] == pytest.approx(10)

    def test_missing_and_double_cells_are_named(self):
        notebook = demo_notebook("accuracy, mean over 8 seeds\n" + TABLE)
        with pytest.raises(ValueError, match=r"'digits_results', and 0 cells call"):
            central.read_results(notebook, "digits_results")
        notebook["cells"] *= 2
        with pytest.raises(ValueError, match=r"2 cells call print\(high_results\)"):
            central.read_results(notebook, "high_results")

    def test_other_heading_is_named(self):
        with pytest.raises(ValueError, match="begins with 'mean accuracy'.*run make notebooks"):
            central.read_results(demo_notebook("mean accuracy\n" + TABLE), "high_results")

    @pytest.mark.parametrize(
        ("old", "new"), [("[0.396, 0.566]", "± 0.085"), ("0.481 ", ""), ("from scratch", "")]
    )
    def test_other_form_of_a_line_is_named(self, old, new):
        with pytest.raises(ValueError, match="did the text form of Results change"):
            central.read_table(TABLE.replace(old, new, 1), num_seeds=8)

    @pytest.mark.parametrize("table", ["", TABLE.splitlines()[0]])
    def test_table_without_results_is_named(self, table):
        with pytest.raises(ValueError, match="has no line with results"):
            central.read_table(table, num_seeds=8)

    def test_curve_that_never_gets_there_is_named(self):
        low = central.read_table(TABLE.replace("0.900 [", "0.750 ["), num_seeds=8)
        with pytest.raises(ValueError, match="from scratch never reaches 0.8, what fine-tuned"):
            central._draw_saving(None, None, low)
