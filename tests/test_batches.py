"""Tests of course_utils.batches."""

import pytest
import torch
from torch import nn
from toys import make_samples

from course_utils import batches
from course_utils.batches import epochs_for, forward_batches
from course_utils.objectives import CrossEntropy
from course_utils.training import fit


class TestForwardBatches:
    @pytest.mark.parametrize(
        ("place", "shape", "sizes"),
        [
            ("cpu", (5, 1, 10, 10), [2, 2, 1]),
            ("cpu", (5, 3, 10, 10), [1] * 5),  # larger than the limit: one at a time
            ("cpu", (5, 20), [5]),
            ("cpu", (0, 20), [0]),
            ("cuda", (5, 1, 10, 10), [4, 1]),
        ],
    )
    def test_large_inputs_come_in_small_batches(self, monkeypatch, place, shape, sizes):
        monkeypatch.setattr(batches, "NUMBERS_AT_ONCE", 200)
        monkeypatch.setattr(batches, "ACCELERATOR_FACTOR", 2)
        monkeypatch.setattr(batches, "device", lambda: place)
        inputs = torch.rand(shape)
        found = forward_batches(inputs)
        assert [len(batch) for batch in found] == sizes
        assert torch.cat(found).equal(inputs)


class TestEpochsFor:
    @pytest.mark.parametrize(
        ("num_steps", "num_samples", "epochs"),
        [
            (1, 100, 1),
            (7, 8, 4),  # two steps an epoch
            (8, 8, 4),
            (9, 8, 5),
            (6, 9, 3),  # a last single sample joins: two steps, not three
            (6, 10, 2),
            (6, 1, 6),
        ],
    )
    def test_fit_makes_that_many_steps(self, num_steps, num_samples, epochs):
        assert epochs_for(num_steps, num_samples, batch_size=4) == epochs
        steps = []
        model = nn.Linear(4, 2)
        model.register_forward_pre_hook(lambda module, inputs: steps.append(1))
        samples = make_samples(num_samples)
        fit(model, samples, CrossEntropy(), num_epochs=epochs, batch_size=4)
        assert len(steps) >= num_steps
        assert len(steps) - len(steps) // epochs < num_steps  # one epoch less is not enough

    @pytest.mark.parametrize("name", ["num_steps", "num_samples", "batch_size"])
    def test_number_below_1_is_refused(self, name):
        numbers = {"num_steps": 5, "num_samples": 5, "batch_size": 5} | {name: 0}
        with pytest.raises(ValueError, match=f"{name} is 0; give 1 or more"):
            epochs_for(**numbers)
