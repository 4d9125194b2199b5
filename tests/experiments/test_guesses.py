"""Tests of `course_utils.experiments.guesses`."""

import builtins
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from course_utils.experiments import Estimate, compare_guess
from course_utils.experiments import guesses as module

WHY = "Many forget the test set."
FOUND = Estimate(0.80, 0.78, 0.82, 5)


@pytest.fixture
def noted(monkeypatch):
    kept = []
    monkeypatch.setattr(module, "note_guess", lambda about, verdict: kept.append((about, verdict)))
    return kept


@pytest.fixture
def axes():
    axes = Figure().subplots()
    axes.plot([0, 1], [0.5, 0.9])
    return axes


def marks(axes):
    return [each for each in [*axes.lines, *axes.texts] if each.get_gid() == "guess"]


class TestVerdict:
    @pytest.mark.parametrize(
        ("guess", "verdict"),
        [(80, "near"), (75, "near"), (85, "near"), (74.9, "too low"), (85.1, "too high")],
    )
    def test_is_near_within_five_points(self, noted, capsys, guess, verdict):
        compare_guess(guess, 0.8, why=WHY, about="accuracy")
        line = f"Your guess {guess:g} is {verdict}: measured 80. {WHY}\n"
        assert capsys.readouterr().out == line
        assert noted == [("accuracy", verdict)]

    def test_wide_interval_widens_what_is_near(self, noted, capsys):
        compare_guess(71, Estimate(0.8, 0.7, 0.9, 5), why=WHY)
        compare_guess(69, Estimate(0.8, 0.7, 0.9, 5), why=WHY)
        assert [verdict for _, verdict in noted] == ["near", "too low"]
        assert "measured 80 [70, 90]" in capsys.readouterr().out

    def test_other_units_have_their_own_range_and_margin(self, noted, capsys):
        given = {"why": WHY, "low": -10, "high": 10, "margin": 0.5, "scale": 1}
        compare_guess(np.float32(-3), -2.4, **given)
        assert noted == [("guess", "too low")]
        assert "-3 is too low: measured -2.4." in capsys.readouterr().out

    @pytest.mark.parametrize("untouched", [..., None])
    def test_without_a_guess_the_line_is_always_the_same(self, noted, capsys, axes, untouched):
        for measured in (0.3, FOUND):
            compare_guess(untouched, measured, why=WHY, axes=axes)
        assert capsys.readouterr().out == "No guess made.\n" * 2
        assert noted == marks(axes) == []

    @pytest.mark.parametrize(
        ("guess", "words"),
        [
            ("70", "is a text; give a number, 0 to 100"),
            (True, "give a number, 0 to 100"),
            ([70], "is a list of length 1; give a number"),
            (101, "is 101; give 0 to 100"),
            (float("nan"), "give 0 to 100"),
        ],
    )
    def test_guess_that_is_none_gets_one_line_and_is_not_kept(
        self, noted, capsys, axes, guess, words
    ):
        compare_guess(guess, FOUND, why=WHY, axes=axes)
        out = capsys.readouterr().out
        assert words in out and out.count("\n") == 1
        assert noted == marks(axes) == []

    def test_share_in_place_of_a_percent_is_named_and_not_kept(self, noted, capsys):
        compare_guess(0.8, FOUND, why=WHY)
        assert "for a share of 0.8 write 80" in capsys.readouterr().out
        assert noted == []

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"measured": float("nan")}, "measured is nan"),
            ({"measured": Estimate(0.5, float("nan"), 1, 2)}, "finite numbers"),
            ({"low": 5, "high": 5}, "give low < high"),
            ({"scale": 0}, "scale is 0"),
            ({"along": "z"}, "along is 'z'"),
        ],
    )
    def test_mistake_of_an_author_is_refused_before_a_guess_is_made(self, wrong, words):
        with pytest.raises(ValueError, match=words):
            compare_guess(..., **({"measured": 0.5, "why": WHY} | wrong))


class TestLine:
    @pytest.mark.parametrize("along", ["x", "y"])
    def test_stands_at_the_guess_with_its_words(self, axes, noted, along):
        compare_guess(70, FOUND, why=WHY, axes=axes, along=along)
        line, text = marks(axes)
        ends = line.get_ydata() if along == "y" else line.get_xdata()
        assert list(ends) == [0.7, 0.7]
        assert line.get_linestyle() == ":"  # told from curves without colour
        assert line.get_label() == text.get_text() == "your guess: 70"

    @pytest.mark.parametrize(("guess", "limits"), [(10, (0.06, 0.9)), (100, (0.5, 1.04))])
    def test_far_from_the_curves_is_inside_of_the_figure(self, axes, noted, guess, limits):
        axes.set_ylim(0.5, 0.9)
        compare_guess(guess, FOUND, why=WHY, axes=axes)
        assert axes.get_ylim() == pytest.approx(limits)

    def test_second_guess_moves_it(self, axes, noted):
        compare_guess(70, FOUND, why=WHY, axes=axes)
        compare_guess(60, FOUND, why=WHY, axes=axes)
        assert [each.get_gid() for each in axes.lines].count("guess") == 1
        assert marks(axes)[1].get_text() == "your guess: 60"

    def test_figure_of_an_earlier_cell_is_shown_again_and_one_of_this_cell_is_not(
        self, monkeypatch, noted
    ):
        shown = []
        shell = SimpleNamespace(
            display_formatter=SimpleNamespace(format=lambda figure: (figure, {})),
            display_pub=SimpleNamespace(publish=lambda data, metadata: shown.append(data)),
        )
        monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
        figure, axes = plt.subplots()
        compare_guess(70, FOUND, why=WHY, axes=axes)
        assert shown == []
        plt.close(figure)  # so the notebook does it below a cell
        compare_guess(70, FOUND, why=WHY, axes=axes)
        assert shown == [figure]
