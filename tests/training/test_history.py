"""Tests of course_utils.training.history."""

import pytest
import torch
from torch import nn

from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.history import EarlyStopping, History


class TestHistory:
    def test_each_term_has_its_factor_and_an_empty_list(self):
        history = History.of(CrossEntropy() + 0.1 * L2() + 2 * L2())
        assert history.factors == {"cross-entropy": 1, "L2": 0.1, "L2 (2)": 2}
        assert history.terms == {"cross-entropy": [], "L2": [], "L2 (2)": []}
        assert history.num_epochs == 0

    def test_two_histories_share_no_list(self):
        objective = CrossEntropy() + L2()
        first, second = History.of(objective), History.of(objective)
        first.terms["L2"].append(1.0)
        first.validation_loss.append(1.0)
        assert second.terms["L2"] == second.validation_loss == first.terms["cross-entropy"] == []

    def test_text_names_terms_and_best_epoch(self):
        history = History({"L2": 1.0}, {"L2": [3.0, 2.0]}, best_epoch=2)
        assert repr(history) == "History(2 epochs of L2; best epoch 2)"


class TestEarlyStopping:
    def run(self, losses, patience):
        """Move a weight by one in each epoch. Return epochs run, best epoch and final weight."""
        model = nn.BatchNorm1d(1)
        stopping = EarlyStopping(model, patience)
        for epoch, loss in enumerate(losses, start=1):
            model.weight.data.fill_(epoch)
            model.running_mean.fill_(epoch)
            if stopping.note(epoch, loss):
                break
        best = stopping.finish()
        assert model.running_mean.item() == model.weight.item()  # buffers are restored too
        return epoch, best, model.weight.item()

    @pytest.mark.parametrize(
        ("losses", "patience", "expected"),
        [
            ([3, 2, 1, 2, 2, 0], 2, (5, 3, 3)),  # over two epochs after the best
            ([3, 2, 1, 2, 2, 0], 3, (6, 6, 6)),  # patient enough to see the last
            ([3, 2, 2, 2, 2, 2], 1, (3, 2, 2)),  # equal is no improvement
            ([1, 2, 3], 9, (3, 1, 1)),  # never over, the best comes back all the same
            ([3, 2, 1], 1, (3, 3, 3)),
        ],
    )
    def test_best_weights_come_back(self, losses, patience, expected):
        assert self.run(losses, patience) == expected

    def test_without_patience_the_last_weights_stay(self):
        assert self.run([1, 2, 3], None) == (3, 3, 3)

    def test_an_error_brings_the_best_weights_back_also_without_patience(self):
        model = nn.Linear(1, 1)
        stopping = EarlyStopping(model, None)
        for epoch, loss in enumerate([3.0, 1.0, 2.0], start=1):
            model.weight.data.fill_(epoch)
            stopping.note(epoch, loss)
        assert (stopping.restore(), model.weight.item()) == (2, 2)

    def test_kept_weights_do_not_follow_the_model(self):
        model = nn.Linear(1, 1)
        stopping = EarlyStopping(model, 5)
        stopping.note(1, 1.0)
        kept = stopping.weights["weight"].clone()
        model.weight.data += 1
        assert torch.equal(stopping.weights["weight"], kept)

    def test_what_is_frozen_is_not_copied_and_buffers_are(self):
        model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
        model.requires_grad_(False)
        model[1].bias.requires_grad_(True)
        stopping = EarlyStopping(model, None)
        buffers = {f"0.{name}" for name, _ in model[0].named_buffers()}
        assert set(stopping.weights) == {"1.bias", *buffers}
        before = {name: value.clone() for name, value in model.state_dict().items()}
        model[1].bias.data += 1
        model[0].running_mean += 1
        stopping.restore()
        after = model.state_dict()
        assert all(torch.equal(after[name], value) for name, value in before.items())
