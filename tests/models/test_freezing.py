"""Tests of course_utils.freezing."""

from copy import deepcopy

import cloudpickle
import pytest
import torch
from torch import nn

from course_utils.data.samples import Samples
from course_utils.models.freezing import batch_norms, freeze, unfreeze
from course_utils.models.inference import answering, evaluation_mode
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.loop import fit


def make_model():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4))
    return nn.Sequential(body, nn.BatchNorm1d(4), nn.Linear(4, 2))


def train(model):
    """Make real steps; `fit` calls ``model.train()`` before each epoch."""
    torch.manual_seed(1)
    samples = Samples(3 + 2 * torch.randn(20, 3), torch.arange(20) % 2)
    fit(model, samples, CrossEntropy(), num_epochs=3, batch_size=5, learning_rate=0.05)
    return model


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(before, module):
    """Names of the parameters and buffers that are not bit-identical any more."""
    return {name for name, value in module.state_dict().items() if not value.equal(before[name])}


class TestFreeze:
    def test_parameters_and_buffers_are_bit_identical_after_training(self):
        model = make_model()
        freeze(model[0])
        before = state(model[0])
        train(model)
        assert moved(before, model[0]) == set()

    def test_rest_of_the_model_moves(self):
        model = make_model()
        freeze(model[0])
        before = state(model)
        train(model)
        assert {"1.weight", "1.running_mean", "2.weight"} <= moved(before, model)

    def test_without_freezing_everything_moves(self):
        model = make_model()
        before = state(model)
        train(model)
        assert moved(before, model) == set(before)

    def test_free_statistics_move_and_the_parameters_do_not(self):
        model = make_model()
        freeze(model[0], batchnorm_statistics=False)
        before = state(model[0])
        train(model)
        expected = {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
        assert moved(before, model[0]) == expected

    @pytest.mark.parametrize(
        "copy", [deepcopy, lambda model: cloudpickle.loads(cloudpickle.dumps(model))]
    )
    def test_copy_of_a_frozen_model_is_frozen(self, copy):
        model = make_model()
        freeze(model[0])
        twin = copy(model)
        before = state(twin[0])
        train(twin)
        assert moved(before, twin[0]) == set()
        assert moved(before, model[0]) == set()

    def test_hand_written_loop_with_train_mode_does_not_move_it_either(self):
        model = make_model()
        freeze(model[0])
        before = state(model[0])
        for _ in range(3):
            model.train()
            model(torch.randn(8, 3)).sum().backward()
        assert moved(before, model[0]) == set()
        assert all(parameter.grad is None for parameter in model[0].parameters())

    def test_bare_batch_norm_can_be_frozen(self):
        layer = freeze(nn.BatchNorm1d(2))
        before = state(layer)
        layer.train()(torch.randn(8, 2))
        assert moved(before, layer) == set()

    def test_second_call_decides_about_the_statistics(self):
        model = freeze(make_model())
        freeze(model, batchnorm_statistics=False)
        before = state(model)
        model.train()(torch.randn(8, 3))
        assert "0.1.running_mean" in moved(before, model)

    def test_module_itself_comes_back(self):
        model = make_model()
        assert freeze(model) is model
        assert unfreeze(model) is model


class TestUnfreeze:
    @pytest.mark.parametrize("times", [1, 2])
    def test_everything_moves_again(self, times):
        model = make_model()
        for _ in range(times):
            freeze(model[0])
        unfreeze(model[0])
        before = state(model)
        train(model)
        assert moved(before, model) == set(before)

    def test_copy_can_be_unfrozen_and_the_original_stays_frozen(self):
        model = make_model()
        freeze(model[0])
        twin = unfreeze(deepcopy(model))
        before, original = state(twin), state(model[0])
        train(twin)
        assert moved(before, twin) == set(before)
        train(model)
        assert moved(original, model[0]) == set()

    def test_mode_follows_that_of_the_module(self):
        model = make_model().eval()
        unfreeze(freeze(model))
        assert not any(layer.training for layer in batch_norms(model))
        unfreeze(freeze(model.train()))
        assert all(layer.training for layer in batch_norms(model))


class TestBatchNorms:
    def test_all_dimensions_and_the_module_itself_count(self):
        layers = [nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.BatchNorm3d(2)]
        assert list(batch_norms(nn.Sequential(*layers, nn.LayerNorm(2)))) == layers
        assert list(batch_norms(layers[0])) == layers[:1]


class TestEvaluationMode:
    def test_mixed_modes_come_back(self):
        model = make_model().train()
        model[0].eval()
        model[0][3].train()
        before = [module.training for module in model.modules()]
        with evaluation_mode(model) as inside:
            assert inside is model
            assert not any(module.training for module in model.modules())
        assert [module.training for module in model.modules()] == before

    def test_mixed_modes_come_back_after_an_error(self):
        model = make_model().train()
        model[0].eval()
        before = [module.training for module in model.modules()]
        with pytest.raises(RuntimeError, match="stop"), evaluation_mode(model):
            raise RuntimeError("stop")
        assert [module.training for module in model.modules()] == before


class TestAnswering:
    def test_inside_there_is_neither_training_mode_nor_a_gradient(self):
        model = make_model().train()
        with answering(model) as place:
            outputs = model(torch.ones(3, 3).to(place))
            assert not any(module.training for module in model.modules())
            assert outputs.is_inference()
        assert not torch.is_inference_mode_enabled()

    def test_modes_are_given_back_even_after_an_error(self):
        model = make_model().train()
        model[0].eval()
        before = [module.training for module in model.modules()]
        with pytest.raises(RuntimeError), answering(model) as place:
            model(torch.ones(3, 4).to(place))
        assert [module.training for module in model.modules()] == before
        assert not torch.is_inference_mode_enabled()
        assert next(model.parameters()).device.type == "cpu"
