"""Tests of course_utils.plotting."""

import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from toys import no_pyplot_state  # noqa: F401, a fixture

from course_utils.data.gallery import SIZE_OF_TEXT
from course_utils.experiments.results import Results
from course_utils.plotting.curves import label_efficiency_curve, look, plot_history
from course_utils.training.history import History

ARMS = ("scratch", "frozen", "fine-tuned")


@pytest.fixture
def ax():
    return Figure().subplots()


def make_results():
    rows = [
        {
            (arm, size): 0.1 * seed + 0.2 * n + 0.01 * size
            for n, arm in enumerate(ARMS)
            for size in (1, 5, 20)
        }
        for seed in range(3)
    ]
    return Results(rows)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


class TestLook:
    def test_arms_differ_in_colour_marker_and_line_so_one_of_them_is_enough(self):
        looks = [look(number) for number in range(7)]
        for key in ("color", "marker", "linestyle"):
            assert len({str(each[key]) for each in looks}) == 7

    def test_more_arms_than_colours_still_look_different(self):
        assert len({str(look(number)) for number in range(49)}) == 49

    def test_colours_differ_in_grey_from_white_paper(self):
        for number in range(7):
            red, green, blue = to_rgb(look(number)["color"])
            assert 0.299 * red + 0.587 * green + 0.114 * blue < 0.75


class TestLabelEfficiencyCurve:
    def test_axes_come_back_and_nothing_else_is_drawn(self, ax):
        assert label_efficiency_curve(make_results(), ax) is ax
        assert ax.figure.axes == [ax]

    def test_one_legend_entry_per_arm(self, ax):
        label_efficiency_curve(make_results(), ax, chance=0.5)
        assert legend(ax) == list(ARMS)

    def test_lines_show_the_means_and_bands_the_intervals(self, ax):
        results = make_results()
        label_efficiency_curve(results, ax)
        for line, band, arm in zip(ax.lines, ax.collections, ARMS, strict=True):
            estimates = [results.estimate(arm, size) for size in (1, 5, 20)]
            assert line.get_xdata().tolist() == [1, 5, 20]
            assert line.get_ydata() == pytest.approx([e.mean for e in estimates])
            heights = band.get_paths()[0].vertices[:, 1]
            assert heights.min() == pytest.approx(min(e.low for e in estimates))
            assert heights.max() == pytest.approx(max(e.high for e in estimates))

    def test_each_arm_has_its_own_marker_and_line(self, ax):
        label_efficiency_curve(make_results(), ax)
        assert len({line.get_marker() for line in ax.lines}) == 3
        assert len({str(line.get_linestyle()) for line in ax.lines}) == 3
        assert "None" not in {line.get_marker() for line in ax.lines}

    def test_labels_say_what_is_counted_and_measured(self, ax):
        label_efficiency_curve(make_results(), ax, measure="balanced accuracy")
        assert ax.get_xlabel() == "labelled target samples per class"
        assert ax.get_ylabel() == "balanced accuracy"

    def test_what_is_counted_can_be_said(self, ax):
        label_efficiency_curve(make_results(), ax, samples="labelled target trips")
        assert ax.get_xlabel() == "labelled target trips"
        assert ax.get_ylabel() == "accuracy"
        assert ax.xaxis.label.get_fontsize() == SIZE_OF_TEXT

    def test_ticks_are_the_sizes_on_a_logarithmic_axis(self, ax):
        label_efficiency_curve(make_results(), ax)
        assert ax.get_xscale() == "log"
        assert ax.get_xticks().tolist() == [1, 5, 20]
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "5", "20"]
        assert len(ax.get_xticks(minor=True)) == 0

    def test_chance_is_a_line_at_its_height(self, ax):
        label_efficiency_curve(make_results(), ax, chance=0.25)
        assert list(ax.lines[-1].get_ydata()) == [0.25, 0.25]
        assert [text.get_text() for text in ax.texts] == ["chance"]

    def test_arms_may_have_different_sizes(self, ax):
        rows = [{("a", 1): 0.1 * s, ("a", 5): 0.2, ("b", 20): 0.3 * s} for s in range(3)]
        label_efficiency_curve(Results(rows), ax)
        assert ax.get_xticks().tolist() == [1, 5, 20]

    def test_text_is_large_enough_to_read(self, ax):
        label_efficiency_curve(make_results(), ax)
        ax.figure.canvas.draw()
        texts = [
            ax.xaxis.label,
            ax.yaxis.label,
            *ax.get_xticklabels(),
            *ax.get_legend().get_texts(),
        ]
        assert min(text.get_fontsize() for text in texts) >= SIZE_OF_TEXT == 11


class TestPlotHistory:
    def make(self, validation=()):
        terms = {"cross-entropy": [0.7, 0.5, 0.4], "L2": [1.0, 2.0, 3.0]}
        factors = {"cross-entropy": 1.0, "L2": 0.01}
        return History(factors, terms, list(validation), best_epoch=2)

    def test_terms_are_drawn_times_their_factor(self, ax):
        assert plot_history(self.make(), ax) is ax
        assert ax.lines[0].get_ydata() == pytest.approx([0.7, 0.5, 0.4])
        assert ax.lines[1].get_ydata() == pytest.approx([0.01, 0.02, 0.03])
        assert ax.lines[0].get_xdata().tolist() == [1, 2, 3]

    def test_legend_names_terms_and_factors(self, ax):
        plot_history(self.make(), ax)
        assert legend(ax) == ["cross-entropy", "0.01 x L2"]

    def test_validation_and_best_epoch_are_shown(self, ax):
        plot_history(self.make(validation=[0.8, 0.6, 0.9]), ax)
        assert legend(ax) == ["cross-entropy", "0.01 x L2", "loss on validation"]
        assert ax.lines[2].get_ydata() == pytest.approx([0.8, 0.6, 0.9])
        assert list(ax.lines[3].get_xdata()) == [2, 2]

    def test_lines_differ_and_axes_are_named(self, ax):
        plot_history(self.make(validation=[0.8, 0.6, 0.9]), ax)
        assert len({line.get_marker() for line in ax.lines[:3]}) == 3
        assert len({str(line.get_linestyle()) for line in ax.lines[:3]}) == 3
        assert ax.get_xlabel() == "epoch"
        assert ax.get_ylabel() == "part of the objective"
