"""Tests of course_utils.training.batches."""

import re

import pytest
import torch
from torch import nn
from toys import make_samples

from course_utils.data.samples import Samples
from course_utils.data.texts import Texts
from course_utils.models import inference as batches
from course_utils.models.inference import bucket_by_length, forward_batches, predict
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.batches import epochs_for
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit


class TestForwardBatches:
    @pytest.mark.parametrize(
        ("place", "shape", "sizes"),
        [
            ("cpu", (5, 1, 10, 10), [2, 2, 1]),
            ("cpu", (5, 3, 10, 10), [1] * 5),  # larger than the limit: one at a time
            ("cpu", (5, 20), [5]),
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

    def test_tokens_are_counted_apart(self, monkeypatch):
        monkeypatch.setattr(batches, "TOKENS_AT_ONCE", 30)
        monkeypatch.setattr(batches, "NUMBERS_AT_ONCE", 1)
        monkeypatch.setattr(batches, "device", lambda: "cpu")
        tokens = torch.arange(50).view(5, 10)
        assert [len(batch) for batch in forward_batches(tokens)] == [3, 2]

    @pytest.mark.parametrize(
        "run", [forward_batches, lambda texts: predict(nn.Linear(1, 1), texts)]
    )
    def test_texts_are_refused_with_what_to_do(self, run):
        with pytest.raises(TypeError, match=re.escape("turn texts into tokens first: token_task(")):
            run(Texts(["a", "b"]))

    def test_texts_are_refused_by_training_and_evaluation(self):
        samples = Samples(Texts(["a", "b"]), torch.tensor([0, 1]))
        with pytest.raises(TypeError, match="inputs has 2 texts, and a network reads tensors"):
            fit(nn.Linear(1, 2), samples, CrossEntropy(), num_epochs=1)
        with pytest.raises(TypeError, match="turn texts into tokens first"):
            evaluate(nn.Linear(1, 2), samples)


class TestLikeLengths:
    LENGTHS = torch.randint(1, 40, (100,), generator=torch.Generator().manual_seed(0))

    def test_each_text_is_in_one_group(self):
        assert torch.cat(bucket_by_length(self.LENGTHS)).sort().values.tolist() == list(range(100))

    def test_no_group_has_more_tokens_than_allowed_with_its_padding(self, monkeypatch):
        monkeypatch.setattr(batches, "TOKENS_AT_ONCE", 64)
        monkeypatch.setattr(batches, "device", lambda: "cpu")
        groups = bucket_by_length(self.LENGTHS)
        assert all(len(group) * self.LENGTHS[group].max() <= 64 for group in groups)
        assert len(groups) < 100

    def test_text_that_is_longer_than_allowed_goes_alone(self, monkeypatch):
        monkeypatch.setattr(batches, "TOKENS_AT_ONCE", 10)
        monkeypatch.setattr(batches, "device", lambda: "cpu")
        found = bucket_by_length(torch.tensor([5, 50, 5]))
        assert [group.tolist() for group in found] == [[1], [0, 2]]

    def test_nothing_makes_no_group(self):
        assert bucket_by_length(torch.zeros(0, dtype=torch.int64)) == []


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
        model.register_forward_pre_hook(lambda m, _: steps.extend([1] * m.training))
        samples = make_samples(num_samples)
        fit(model, samples, CrossEntropy(), num_epochs=epochs, batch_size=4)
        assert len(steps) >= num_steps
        assert len(steps) - len(steps) // epochs < num_steps  # one epoch less is not enough

    @pytest.mark.parametrize("name", ["num_steps", "num_samples", "batch_size"])
    def test_number_below_1_is_refused(self, name):
        numbers = {"num_steps": 5, "num_samples": 5, "batch_size": 5} | {name: 0}
        with pytest.raises(ValueError, match=f"{name} is 0; give 1 or more"):
            epochs_for(**numbers)
