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

    def test_script_called_from_anywhere_writes_beside_itself(self, tmp_path):
        for name in ("style.py", "draw_carriers.py"):
            shutil.copy(FOLDER / name, tmp_path)
        command = [sys.executable, str(tmp_path / "draw_carriers.py")]
        subprocess.run(command, check=True, cwd=ROOT)
        written = (tmp_path / "carriers.png").read_bytes()
        assert difference(written, (FOLDER / "carriers.png").read_bytes()) <= TOLERANCE


class TestDraw:
    def test_stored_picture_is_what_the_script_draws(self, script):
        drawn = style.render_png(load(script).draw())
        found = difference(drawn, stored_file(script).read_bytes())
        assert found <= TOLERANCE, f"run make figures, or python figures/{script.name}"

    def test_second_drawing_is_equal_to_the_byte(self, script):
        module = load(script)
        assert style.render_png(module.draw()) == style.render_png(module.draw())

    def test_settings_of_the_user_change_nothing(self, script):
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
