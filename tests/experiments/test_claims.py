"""Tests of course_utils.experiments.claims."""

import builtins
import json
import math
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_utils.experiments.claims import ClaimError, claim
from course_utils.experiments.estimates import Estimate


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    for name in ("COURSE_LEDGER", "COURSE_NOTEBOOK", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Play the kernel of a notebook that writes a ledger; read its lines."""
    path = tmp_path / "ledger.jsonl"
    monkeypatch.setenv("COURSE_LEDGER", str(path))
    monkeypatch.setenv("COURSE_NOTEBOOK", "01_tasks.ipynb")
    shell = SimpleNamespace(user_ns={"In": [""] + 7 * ["code"]})
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    return lambda: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class TestVerdict:
    @pytest.mark.parametrize(
        ("band", "text"),
        [
            ({"low": 0.05}, "0.05 or more"),
            ({"high": 0.2}, "0.2 or less"),
            ({"low": 0.05, "high": 0.2}, "0.05 to 0.2"),
        ],
    )
    def test_line_has_sentence_and_band_but_not_the_value(self, band, text, capsys):
        claim("Transfer helps.", 0.1234567, **band)
        assert capsys.readouterr().out == f"Claim holds: Transfer helps. ({text})\n"

    @pytest.mark.parametrize("value", [0.5, 0.25, 0.75])
    def test_ends_of_the_band_belong_to_it(self, value):
        claim("So it is.", value, low=0.25, high=0.75)

    @pytest.mark.parametrize(
        "value", [np.float32(0.5), np.float64(0.5), torch.tensor(0.5), True, 1]
    )
    def test_numbers_of_any_library_work(self, value):
        claim("So it is.", value, low=0.25, high=1)


class TestFailure:
    @pytest.mark.parametrize(
        ("value", "band", "text"),
        [
            (0.04, {"low": 0.05}, "Measured 0.04, but the band is 0.05 or more"),
            (0.3, {"high": 0.2}, "Measured 0.3, but the band is 0.2 or less"),
            (-1, {"low": 0, "high": 1}, "Measured -1, but the band is 0 to 1"),
            (0.0499999, {"low": 0.05}, "Measured 0.0499999, but the band is 0.05 or more"),
            (float("nan"), {"low": 0}, "Measured nan, but"),
            (float("nan"), {"high": 0}, "Measured nan, but"),
            (float("inf"), {"low": 0, "high": 1}, "Measured inf, but"),
        ],
    )
    def test_message_has_value_and_band(self, value, band, text, capsys):
        with pytest.raises(ClaimError) as caught:
            claim("Transfer helps.", value, **band)
        assert str(caught.value).startswith(f"Transfer helps. {text}")
        assert capsys.readouterr().out == ""

    def test_message_names_notebook_and_cell(self, ledger):
        with pytest.raises(ClaimError, match=r"\(01_tasks.ipynb, cell 7\)\.$"):
            claim("Transfer helps.", 0, low=1)

    def test_without_a_notebook_it_says_so(self):
        with pytest.raises(ClaimError, match=r"\(no notebook, cell -\)"):
            claim("Transfer helps.", 0, low=1)

    def test_path_of_jupyter_is_cut_to_the_file_name(self, monkeypatch):
        monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/notebooks/02_x.ipynb")
        with pytest.raises(ClaimError, match=r"\(02_x.ipynb, cell"):
            claim("Transfer helps.", 0, low=1)

    def test_it_is_an_assertion_error_for_test_runners(self):
        assert issubclass(ClaimError, AssertionError)

    @pytest.mark.parametrize("band", [{}, {"low": 1, "high": 0}, {"low": None, "high": None}])
    def test_missing_or_empty_band_is_refused(self, band, ledger, tmp_path):
        with pytest.raises(ValueError, match="the band is .*; give low, high, or low <= high"):
            claim("Transfer helps.", 0.5, **band)
        assert not (tmp_path / "ledger.jsonl").exists()

    @pytest.mark.parametrize("band", [{"low": math.nan}, {"low": 0, "high": math.nan}])
    def test_band_that_is_not_a_number_is_refused(self, band):
        with pytest.raises(ValueError, match="the band is .*; give low, high, or low <= high"):
            claim("Transfer helps.", 0.5, **band)

    @pytest.mark.parametrize("value", ["0.5", None, [0.5, 0.6], np.zeros(2), torch.zeros(0)])
    def test_value_that_is_no_number_is_refused_before_it_is_noted(self, value, ledger, tmp_path):
        with pytest.raises(TypeError, match="value is .*; give one number"):
            claim("Transfer helps.", value, low=0)
        assert not (tmp_path / "ledger.jsonl").exists()

    def test_sentence_that_is_no_text_is_refused(self):
        with pytest.raises(TypeError, match="sentence is 0.5; give what the lesson says"):
            claim(0.5, 0.5, low=0)


class TestEstimates:
    """A whole interval is claimed, so that a mean alone cannot be by accident."""

    GAIN = Estimate(0.12, 0.08, 0.16, 5)

    @pytest.mark.parametrize(
        ("band", "text"),
        [
            ({"above": 0.05}, "whole interval above 0.05"),
            ({"below": 0.2}, "whole interval below 0.2"),
            ({"within": (0.08, 0.16)}, "whole interval 0.08 to 0.16"),
        ],
    )
    def test_an_interval_inside_is_told_without_its_ends(self, band, text, capsys):
        claim("Transfer helps.", self.GAIN, **band)
        assert capsys.readouterr().out == f"Claim holds: Transfer helps. ({text})\n"

    @pytest.mark.parametrize(
        "band",
        [
            {"above": 0.08},  # the end itself is not above
            {"above": 0.1},  # below the mean, but not below the interval
            {"below": 0.16},
            {"below": 0.15},
            {"within": (0.09, 0.2)},
            {"within": (0, 0.15)},
        ],
    )
    def test_an_end_outside_is_enough_to_fail(self, band):
        with pytest.raises(ClaimError, match="Measured 0.08 to 0.16, but the band is whole"):
            claim("Transfer helps.", self.GAIN, **band)

    def test_an_interval_that_is_not_a_number_fails(self):
        with pytest.raises(ClaimError, match="Measured nan to nan"):
            claim("Transfer helps.", Estimate(math.nan, math.nan, math.nan, 5), above=0)

    @pytest.mark.parametrize("band", [{"low": 0.05}, {"high": 0.2}, {"low": 0, "above": 0}])
    def test_a_band_for_the_mean_alone_is_refused(self, band):
        with pytest.raises(TypeError, match="value is an Estimate.*give above, below or within"):
            claim("Transfer helps.", self.GAIN, **band)

    @pytest.mark.parametrize("band", [{"above": 0}, {"within": (0, 1)}, {"low": 0, "below": 1}])
    def test_one_number_has_no_interval(self, band):
        with pytest.raises(TypeError, match="value is one number.*give an Estimate"):
            claim("Transfer helps.", self.GAIN.mean, **band)

    @pytest.mark.parametrize("band", [{}, {"above": 0, "below": 1}, {"within": (1, 0)}])
    def test_no_band_or_two_are_refused(self, band):
        with pytest.raises(ValueError, match="^(the band|within) is"):
            claim("Transfer helps.", self.GAIN, **band)

    @pytest.mark.parametrize("within", [0.1, (0.1,), "ab", (0.1, "b")])
    def test_within_needs_a_pair_of_numbers(self, within):
        with pytest.raises(TypeError, match="^within is"):
            claim("Transfer helps.", self.GAIN, within=within)

    def test_the_ledger_has_the_interval(self, ledger):
        claim("Transfer helps.", self.GAIN, above=0.05)
        (entry,) = ledger()
        assert (entry["low"], entry["high"], entry["measured"]) == (0.05, None, 0.12)
        assert entry["interval"] == "0.08 to 0.16"


class TestLedger:
    def test_line_has_all_fields(self, ledger):
        claim("Transfer helps – a lot.", 0.125, low=0.1)
        assert ledger() == [
            {
                "notebook": "01_tasks.ipynb",
                "cell": 7,
                "sentence": "Transfer helps – a lot.",
                "low": 0.1,
                "high": None,
                "measured": 0.125,
                "interval": "",
            }
        ]

    def test_broken_claim_is_noted_too(self, ledger):
        claim("First.", 1, low=0)
        with pytest.raises(ClaimError):
            claim("Second.", -1, low=0)
        assert [(line["sentence"], line["measured"]) for line in ledger()] == [
            ("First.", 1),
            ("Second.", -1),
        ]

    def test_numbers_of_numpy_and_torch_can_be_written(self, ledger):
        claim("So it is.", torch.tensor(0.5), low=np.float32(0.25), high=torch.tensor(0.75))
        assert (ledger()[0]["low"], ledger()[0]["high"]) == (0.25, 0.75)

    def test_without_the_variable_nothing_is_written(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        claim("So it is.", 1, low=0)
        assert list(tmp_path.iterdir()) == []


class TestCell:
    @pytest.mark.slow
    def test_number_is_that_of_the_running_cell_in_a_real_shell(self, tmp_path):
        code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.history_manager.enabled = False
shell.run_cell("from course_utils.experiments.claims import claim", store_history=True)
shell.run_cell("x = 1", store_history=True)
shell.run_cell("claim('So it is.', x, low=0)", store_history=True)
"""
        environment = {"COURSE_LEDGER": str(tmp_path / "ledger"), "IPYTHONDIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment)
        line = (tmp_path / "ledger").read_text(encoding="utf-8")
        assert json.loads(line)["cell"] == 3
