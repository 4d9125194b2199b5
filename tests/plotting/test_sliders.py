"""Tests of course_utils.sliders."""

import io
import runpy
import sys

import matplotlib.image
import numpy as np
import pytest
from matplotlib import pyplot as plt

from course_utils.plotting import sliders
from course_utils.plotting.sliders import PictureSlider

VALUES = (0, 0.5, 3)


class Recorder:
    """Draws a bar as high as the value, and remembers which values were drawn."""

    def __init__(self):
        self.drawn = []

    def __call__(self, value, ax):
        self.drawn.append(value)
        ax.bar([0], [value + 1])
        ax.set_ylim(0, 5)


def describe(value):
    return f"the bar is {value + 1} high"


def make(draw=None, **settings):
    return PictureSlider("lambda", VALUES, draw or Recorder(), describe, **settings)


def parts(slider):
    """Return the three things in the box: slider, sentence, image."""
    return slider.widget.children


class TestConstruction:
    def test_nothing_is_drawn_and_no_widget_is_built(self):
        draw = Recorder()
        slider = make(draw)
        assert draw.drawn == []
        assert slider._widget is None

    @pytest.mark.parametrize("values", [[], [0.5], (), np.array([1.0])])
    def test_fewer_than_two_values_are_refused(self, values):
        with pytest.raises(ValueError, match=r"^values is \[.*\]; a slider needs two or more$"):
            PictureSlider("lambda", values, Recorder(), describe)

    def test_array_of_values_is_accepted(self):
        slider = PictureSlider("lambda", np.array([0.1, 1.0]), Recorder(), describe)
        assert [value for _, value in parts(slider)[0].options] == [0.1, 1.0]

    def test_later_changes_of_the_list_do_not_matter(self):
        values = [0, 1]
        slider = PictureSlider("lambda", values, Recorder(), describe)
        values.append(2)
        assert slider.values == [0, 1]

    def test_ipywidgets_is_not_needed_before_a_slider_is_shown(self, monkeypatch):
        """A second copy of the module, run where ipywidgets cannot be imported."""
        monkeypatch.setitem(sys.modules, "ipywidgets", None)
        module = runpy.run_path(sliders.__file__)
        slider = module["PictureSlider"]("lambda", VALUES, Recorder(), describe)
        assert repr(slider).startswith("A slider for lambda")
        assert slider.picture(0).startswith(b"\x89PNG")
        with pytest.raises(ImportError, match="ipywidgets"):
            slider.widget  # noqa: B018, the block works


class TestPicture:
    def test_it_is_a_png_of_the_size_asked_for(self):
        pixels = matplotlib.image.imread(io.BytesIO(make(size=(3.0, 2.0)).picture(0.5)))
        assert pixels.shape[:2] == (200, 300)

    def test_it_shows_the_value(self):
        slider = make()
        low, high = (matplotlib.image.imread(io.BytesIO(slider.picture(value))) for value in (0, 3))
        assert low.shape == high.shape
        assert (high[..., 0] < 0.5).sum() > (low[..., 0] < 0.5).sum()  # a larger blue bar

    def test_no_picture_is_registered_with_pyplot(self):
        before = plt.get_fignums()
        make().picture(0)
        assert plt.get_fignums() == before


class TestWidget:
    def test_slider_offers_the_values_in_their_order(self):
        slider, *_ = parts(make())
        assert slider.description == "lambda"
        assert slider.options == (("0", 0), ("0.5", 0.5), ("3", 3))

    def test_it_starts_with_the_first_value(self):
        whole = make()
        slider, sentence, image = parts(whole)
        assert slider.value == 0
        assert sentence.value == "the bar is 1 high"
        assert image.value == whole.picture(0)

    def test_sentence_and_picture_follow_the_slider(self):
        whole = make()
        slider, sentence, image = parts(whole)
        seen = [image.value]
        for value in (3, 0.5):
            slider.value = value
            assert sentence.value == describe(value)
            assert image.value == whole.picture(value)
            seen.append(image.value)
        assert len(set(seen)) == 3
        assert image.format == "png"

    def test_each_value_is_drawn_once_when_it_is_chosen(self):
        draw = Recorder()
        slider, *_ = parts(make(draw))
        slider.value = 3
        slider.value = 3
        assert draw.drawn == [0, 3]

    def test_it_is_built_once(self):
        slider = make()
        assert slider.widget is slider.widget

    @pytest.mark.parametrize("show", [lambda s: s.widget, lambda s: s._repr_mimebundle_()])
    def test_mistake_in_draw_fails_at_once(self, show):
        def draw(value, ax):
            raise ZeroDivisionError("in draw")

        slider = make(draw)
        for _ in range(2):  # and again: half a widget is not kept
            with pytest.raises(ZeroDivisionError, match="in draw"):
                show(slider)

    def test_mistake_in_describe_fails_at_once(self):
        slider = PictureSlider("lambda", VALUES, Recorder(), lambda value: 1 / value)
        with pytest.raises(ZeroDivisionError):
            slider._repr_mimebundle_()

    def test_mistake_at_a_later_value_is_said_where_the_sentence_stands(self):
        """Nobody sees what a callback raises: JupyterLab puts it into a log."""

        def draw(value, ax):
            if value == 3:
                raise ZeroDivisionError("in draw")

        slider, sentence, _ = parts(make(draw))
        slider.value = 3
        assert sentence.value == "No picture: ZeroDivisionError: in draw"
        slider.value = 0.5
        assert sentence.value == "the bar is 1.5 high"

    def test_picture_is_shown_in_its_own_size(self):
        *_, image = parts(make(size=(3.0, 2.0)))
        pixels = matplotlib.image.imread(io.BytesIO(image.value))
        assert image.layout.width == f"{pixels.shape[1]}px" == "300px"


class TestText:
    def test_text_names_what_moves_and_its_ends(self):
        text = "A slider for lambda from 0 to 3. Run this cell in JupyterLab to move it."
        assert repr(make()) == text

    def test_text_of_two_sliders_is_equal_so_that_a_stored_notebook_stays_the_same(self):
        first, second = (make()._repr_mimebundle_() for _ in range(2))
        assert first["text/plain"] == second["text/plain"] == repr(make())
        view = "application/vnd.jupyter.widget-view+json"
        assert first[view]["model_id"] != second[view]["model_id"]  # what must not be in the text
        assert first[view]["model_id"] not in first["text/plain"]

    def test_front_end_gets_the_box(self):
        slider = make()
        view = slider._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]
        assert view["model_id"] == slider.widget.model_id

    def test_front_end_may_say_what_it_wants(self):
        assert "text/plain" in make()._repr_mimebundle_(include=None, exclude=None)
