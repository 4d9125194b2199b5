"""Tests of course_utils.training.evaluation."""

import time

import pytest
import torch
from torch import nn
from toys import Net, is_same, make_samples, state

from course_utils.data.samples import Samples
from course_utils.models import inference as batches
from course_utils.models.inference import predict
from course_utils.objectives.base import Batch
from course_utils.objectives.distillation import Distillation, distillation_loss
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate, latency, sample_loss


class TestPredict:
    def test_outputs_are_those_of_evaluation_mode_for_any_number_of_parts(self, monkeypatch):
        monkeypatch.setattr(batches, "NUMBERS_AT_ONCE", 256 * 4)
        monkeypatch.setattr(batches, "ACCELERATOR_FACTOR", 1)
        net, inputs = Net().train(), torch.randn(600, 4)
        outputs = predict(net, inputs)
        assert max(net.batches) == 256
        assert all(module.training for module in net.modules())
        with torch.no_grad():
            torch.testing.assert_close(outputs, net.eval()(inputs))

    def test_outputs_can_be_targets_of_a_loss(self):
        outputs = predict(Net(), torch.randn(5, 4))
        assert not outputs.requires_grad
        student = nn.Linear(4, 2)
        loss = (student(torch.randn(5, 4)) * outputs).sum()  # inference tensors would raise here
        loss.backward()
        assert student.weight.grad is not None

    def test_model_is_left_as_it_was(self):
        net = Net().train()
        before = state(net)
        predict(net, torch.randn(5, 4))
        assert is_same(before, net)


class TestEvaluate:
    def test_metrics_count_samples_and_weights(self):
        model = nn.Linear(1, 2, bias=False)
        model.weight.data = torch.tensor([[-1.0], [1.0]])
        inputs = torch.tensor([[-1.0], [2.0], [3.0], [-4.0]])  # answers 0, 1, 1, 0
        samples = Samples(inputs, torch.tensor([0, 1, 0, 0]), torch.tensor([1.0, 1.0, 0.5, 0.5]))
        found = evaluate(model, samples)
        assert (found.num_samples, found.accuracy) == (4, 0.75)
        assert found.weighted_accuracy == pytest.approx(2.5 / 3)
        assert found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)

    def test_no_sample_is_refused(self):
        empty = make_samples().select(torch.tensor([], dtype=torch.int64))
        with pytest.raises(ValueError, match="samples is empty; give at least one"):
            evaluate(Net(), empty)

    @pytest.mark.parametrize("labels", [[-1, -1], [0, -1]])
    def test_sample_with_an_unknown_label_is_refused(self, labels):
        """No answer could be right, and an accuracy of 0 would look like a result."""
        samples = Samples(torch.zeros(2, 4), torch.tensor(labels))
        with pytest.raises(ValueError, match="samples has the label -1, which is no class; nobody"):
            evaluate(Net(), samples)


class TestSampleLoss:
    def test_losses_count_with_their_factors_and_regularisers_do_not(self):
        model, samples = nn.Linear(4, 2), make_samples(weighted=True)
        outputs = model(samples.inputs).detach()
        batch = Batch(model, samples.inputs, samples.labels, outputs, samples.weights)
        plain = CrossEntropy().value(batch).item()
        smooth = CrossEntropy(label_smoothing=0.5).value(batch).item()
        objective = 2 * CrossEntropy() + L2() + 3 * CrossEntropy(label_smoothing=0.5)
        found = sample_loss(model, samples, objective)
        assert found == pytest.approx(2 * plain + 3 * smooth, rel=1e-5)

    def test_terms_are_told_the_indices_of_the_samples(self):
        model, samples = nn.Linear(4, 2), make_samples(6)
        teacher_logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
        some = samples.select(torch.tensor([4, 0, 5]))
        outputs = model(some.inputs).detach()
        expected = distillation_loss(outputs, teacher_logits[[4, 0, 5]], 2).mean()
        found = sample_loss(model, some.unlabelled(), Distillation(teacher_logits, temperature=2))
        assert found == pytest.approx(expected.item(), rel=1e-5)


class Slow(nn.Module):
    """Wait for a number of milliseconds; the first answer takes far longer than the others."""

    def __init__(self, milliseconds):
        super().__init__()
        self.milliseconds, self.sizes, self.modes = milliseconds, [], []
        self.place = nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        time.sleep((self.milliseconds if self.sizes else 200) / 1000)
        self.sizes.append(len(inputs))
        self.modes.append(self.training)
        return inputs


class TestLatency:
    def test_is_the_time_of_one_answer_and_not_of_the_first(self):
        model = Slow(milliseconds=10).train()
        assert 10 <= latency(model, torch.zeros(5, 2)) < 150
        assert model.sizes == [1] * 5
        assert not any(model.modes)
        assert model.training

    @pytest.mark.parametrize("number", [0, 1])
    def test_too_few_inputs_are_refused(self, number):
        with pytest.raises(ValueError, match="give at least"):
            latency(Net(), torch.zeros(number, 4))
