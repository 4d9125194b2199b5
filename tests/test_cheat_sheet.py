"""The cheat sheet is true: its code runs, and each family has a row."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from markdown_it import MarkdownIt

from course_utils import objectives
from course_utils.data.samples import Samples
from course_utils.models.classifier import small_cnn
from course_utils.training.loop import fit

ROOT = Path(__file__).parents[1]
SHEET = (ROOT / "CHEATSHEET.md").read_text("utf-8")
CODES = sorted({code for code in re.findall(r"\| `([^`]+)` \| \[", SHEET)})


class TestTable:
    @pytest.fixture
    def names(self):
        """Return what the code of the table uses, small."""
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(12, 1, 8, 8, generator=generator)
        torch.manual_seed(0)
        samples = Samples(images, torch.arange(12) % 3)
        names = {"source_model": small_cnn(3), "source": samples, "target_inputs": 1 - images}
        answers = torch.rand(12, 3, generator=generator)
        names |= {"teacher_logits": answers, "teacher_features": answers}
        return names | {name: getattr(objectives, name) for name in objectives.__all__}

    @pytest.mark.parametrize("code", CODES)
    def test_objective_trains(self, names, code):
        objective = eval(code, names)
        model = deepcopy(names["source_model"])
        history = fit(model, names["source"], objective, num_epochs=1)
        assert len(history.terms) == code.count("(") - code.count("=(")

    def test_has_a_row_for_each_family(self):
        for family in ("no transfer", "feature", "fine-tuning", "distillation", "instance"):
            assert f"\n| {family}" in SHEET

    def test_rows_have_as_many_cells_as_the_header(self):
        tokens = MarkdownIt("commonmark").enable("table").parse(SHEET)
        kinds = [token.type for token in tokens]
        assert kinds.count("th_open") == 6
        assert kinds.count("td_open") == 6 * (kinds.count("tr_open") - 1)
        assert len(CODES) >= 10
