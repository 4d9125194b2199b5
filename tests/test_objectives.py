"""Tests of course_utils.objectives."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from course_utils.backbones import replace_head, small_cnn
from course_utils.objectives import L1, L2, L2SP, Batch, CrossEntropy, SquaredError
from course_utils.objectives import mean_over_samples as mean

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0], [-1.0, 3.0, 0.0], [0.0, 0.0, 4.0]])
LABELS = torch.tensor([0, 2, 1, 0])
WEIGHTS = torch.tensor([1.0, 0.5, 0.25, 2.0])


def batch(outputs=LOGITS, labels=LABELS, weights=None, model=None):
    return Batch(model or nn.Identity(), torch.zeros(len(labels)), labels, outputs, weights)


def make_model():
    """Two layers with weights that can be counted by hand."""
    model = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1), nn.Linear(1, 2))
    model[0].weight.data = torch.tensor([[1.0, -2.0]])
    model[2].weight.data = torch.tensor([[3.0], [0.5]])
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data.fill_(100.0)  # must not count
    return model


class TestMeanOverSamples:
    def test_weighted_mean_by_hand(self):
        # (1 * 4 + 3 * 8) / (1 + 3)
        assert mean(torch.tensor([4.0, 8.0]), torch.tensor([1.0, 3.0])) == 7

    def test_common_factor_of_the_weights_does_not_matter(self):
        losses = torch.tensor([4.0, 8.0, 1.0])
        torch.testing.assert_close(mean(losses, torch.full((3,), 0.2)), mean(losses, None))


class TestCrossEntropy:
    def test_value_by_hand(self):
        # two equal logits: the true class gets 1/2
        found = CrossEntropy().value(batch(torch.zeros(1, 2), torch.tensor([1])))
        assert found.item() == pytest.approx(0.6931472)  # log 2

    def test_class_weights_agree_with_torch(self):
        weights = torch.tensor([0.2, 1.0, 3.0])
        found = CrossEntropy(class_weights=weights).value(batch())
        torch.testing.assert_close(found, F.cross_entropy(LOGITS, LABELS, weight=weights))

    def test_sample_weights_by_hand(self):
        probabilities = LOGITS.exp() / LOGITS.exp().sum(1, keepdim=True)
        losses = -probabilities[range(4), LABELS].log()
        expected = (1 * losses[0] + 0.5 * losses[1] + 0.25 * losses[2] + 2 * losses[3]) / 3.75
        torch.testing.assert_close(CrossEntropy().value(batch(weights=WEIGHTS)), expected)

    def test_class_and_sample_weights_multiply(self):
        found = CrossEntropy(class_weights=[2.0, 1.0, 4.0]).value(batch(weights=WEIGHTS))
        product = WEIGHTS * torch.tensor([2.0, 4.0, 1.0, 2.0])
        torch.testing.assert_close(found, CrossEntropy().value(batch(weights=product)))

    def test_weight_two_is_the_sample_twice(self):
        twice = torch.cat([LOGITS, LOGITS[:1]]), torch.cat([LABELS, LABELS[:1]])
        found = CrossEntropy().value(batch(weights=torch.tensor([2.0, 1.0, 1.0, 1.0])))
        torch.testing.assert_close(found, CrossEntropy().value(batch(*twice)))

    def test_label_smoothing_by_hand(self):
        target = F.one_hot(LABELS, 3) * 0.7 + 0.3 / 3
        expected = -(target * LOGITS.log_softmax(1)).sum(1).mean()
        found = CrossEntropy(label_smoothing=0.3).value(batch())
        torch.testing.assert_close(found, expected)

    def test_text_shows_what_differs_from_the_default(self):
        assert repr(CrossEntropy()) == "CrossEntropy()"
        term = CrossEntropy(class_weights=[1.0, 2.0], label_smoothing=0.1)
        assert repr(term) == "CrossEntropy(class_weights=[1.0, 2.0], label_smoothing=0.1)"

    @pytest.mark.parametrize("smoothing", [-0.1, 1, 1.5, float("nan")])
    def test_smoothing_out_of_range_is_refused(self, smoothing):
        with pytest.raises(ValueError, match=f"label_smoothing is {smoothing}; give 0 to below 1"):
            CrossEntropy(label_smoothing=smoothing)

    def test_negative_class_weight_is_refused(self):
        with pytest.raises(ValueError, match=r"class_weights is \[1, -2\]; give numbers from 0"):
            CrossEntropy(class_weights=[1, -2])

    @pytest.mark.parametrize("number", [2, 4])
    def test_wrong_number_of_class_weights_is_refused(self, number):
        term = CrossEntropy(class_weights=[1.0] * number)
        with pytest.raises(ValueError, match=f"class_weights has {number} numbers .* 3 classes"):
            term.value(batch())


class TestSquaredError:
    def test_value_by_hand_for_one_number_per_sample(self):
        outputs, labels = torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0])
        # (1/2 * 1 + 1/2 * 4) / 2; broadcasting (2, 1) to (2, 2) would give another number
        assert SquaredError().value(batch(outputs, labels)) == 1.25

    def test_value_by_hand_for_vectors_and_weights(self):
        outputs, labels = (
            torch.tensor([[1.0, 2.0], [0.0, 0.0]]),
            torch.tensor([[0.0, 0.0], [2.0, 0.0]]),
        )
        found = SquaredError().value(batch(outputs, labels, torch.tensor([1.0, 3.0])))
        # (1 * (1 + 4) / 2 + 3 * 4 / 2) / 4
        assert found == 2.125

    def test_flat_outputs_are_accepted(self):
        assert SquaredError().value(batch(torch.tensor([2.0]), torch.tensor([0]))) == 2

    @pytest.mark.parametrize("shape", [(4, 3), (3,), (4, 1, 1)])
    def test_shapes_that_would_broadcast_are_refused(self, shape):
        with pytest.raises(ValueError, match=r"outputs has shape .* and labels \(4,\); both must"):
            SquaredError().value(batch(torch.zeros(shape), LABELS))


class TestL2:
    def test_half_the_squares_of_matrices_only(self):
        # (1 + 4 + 9 + 0.25) / 2
        assert L2().value(batch(model=make_model())) == 7.125

    def test_frozen_weights_do_not_count(self):
        model = make_model()
        model[0].requires_grad_(False)
        assert L2().value(batch(model=model)) == 4.625

    @pytest.mark.parametrize("term", [L1(), L2()])
    def test_model_without_trainable_matrix_is_refused(self, term):
        model = make_model()
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.ndim == 1)
        message = rf"{type(term).__name__}\(\) finds no weight .*unfreeze a part or leave the term"
        with pytest.raises(ValueError, match=message):
            term.value(batch(model=model))


class TestL1:
    def test_absolute_values_of_matrices_only(self):
        assert L1().value(batch(model=make_model())) == 6.5

    def test_frozen_weights_do_not_count(self):
        model = make_model()
        model[2].requires_grad_(False)
        assert L1().value(batch(model=model)) == 3


class TestL2SP:
    def test_zero_at_the_start(self):
        model = small_cnn()
        assert L2SP(model).value(batch(model=model)) == 0

    def test_half_the_squared_distance_after_a_shift_biases_too(self):
        source = small_cnn()
        target = deepcopy(source)
        for parameter in target.backbone.parameters():
            parameter.data += 0.5
        count = sum(parameter.numel() for parameter in source.backbone.parameters())
        found = L2SP(source).value(batch(model=target)).item()
        assert found == pytest.approx(count * 0.25 / 2, rel=1e-5)

    def test_start_is_a_copy_and_does_not_follow_the_live_weights(self):
        model = small_cnn()
        term = L2SP(model)
        model.backbone.body[0].bias.data += 3  # 16 of them
        assert term.value(batch(model=model)).item() == pytest.approx(16 * 9 / 2, rel=1e-5)

    def test_head_is_ignored(self):
        source = small_cnn(10)
        target = replace_head(deepcopy(source), 3, seed=1)
        assert L2SP(source).value(batch(model=target)) == 0

    def test_frozen_weights_count_too(self):
        model = small_cnn()
        term = L2SP(model)
        model.requires_grad_(False)
        model.backbone.body[0].bias += 1
        assert term.value(batch(model=model)).item() == pytest.approx(8, rel=1e-5)

    def test_prefix_chooses_the_parameters(self):
        model = small_cnn()
        term = L2SP(model, prefix="backbone.body.0.")
        model.backbone.body[3].weight.data += 1
        model.backbone.body[0].bias.data += 1
        assert term.value(batch(model=model)).item() == pytest.approx(8, rel=1e-5)

    def test_prefix_without_parameters_is_refused(self):
        with pytest.raises(ValueError, match="prefix is 'body.'; no parameter of source_model"):
            L2SP(small_cnn(), prefix="body.")

    def test_missing_parameter_is_named(self):
        term = L2SP(small_cnn())
        with pytest.raises(ValueError, match="backbone.body.0.weight .* the model has no such par"):
            term.value(batch(model=nn.Linear(2, 2)))

    def test_wrong_shape_is_named(self):
        source = small_cnn(10)
        term = L2SP(source, prefix="")
        replace_head(source, 3)
        message = r"compares head.weight of shape \(10, 64\); the model has \(3, 64\); source and"
        with pytest.raises(ValueError, match=message):
            term.value(batch(model=source))


class TestGradients:
    """All against finite differences in double precision."""

    @pytest.mark.parametrize(
        "term",
        [
            CrossEntropy(),
            CrossEntropy(class_weights=[0.5, 1.0, 2.0], label_smoothing=0.2),
        ],
    )
    def test_cross_entropy(self, term):
        outputs = LOGITS.double().requires_grad_()
        weights = WEIGHTS.double()
        assert torch.autograd.gradcheck(lambda z: term.value(batch(z, weights=weights)), outputs)

    def test_squared_error(self):
        outputs, labels = LOGITS.double().requires_grad_(), LOGITS.double() ** 2
        assert torch.autograd.gradcheck(lambda z: SquaredError().value(batch(z, labels)), outputs)

    @pytest.mark.parametrize("make", [lambda model: L1(), lambda model: L2(), L2SP])
    def test_regularisers(self, make):
        torch.manual_seed(0)
        model = nn.ModuleDict({"backbone": nn.Linear(3, 2)}).double()
        term = make(model)
        model["backbone"].weight.data += 0.7
        parameters = tuple(p for p in model.parameters() if p.ndim > 1)
        found = torch.autograd.gradcheck(lambda *_: term.value(batch(model=model)), parameters)
        assert found

    def test_l2sp_pulls_towards_the_start(self):
        model = small_cnn()
        term = L2SP(model)
        model.backbone.body[0].bias.data += 0.25
        term.value(batch(model=model)).backward()
        torch.testing.assert_close(model.backbone.body[0].bias.grad, torch.full((16,), 0.25))
        assert model.backbone.body[3].weight.grad.abs().max() == 0
