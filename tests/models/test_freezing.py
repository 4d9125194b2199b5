"""Tests of course_utils.models.freezing."""

import pickle
from copy import deepcopy

import cloudpickle
import pytest
import torch
from timm.layers import BatchNormAct2d, DropPath
from torch import nn
from torch.ao.quantization import FakeQuantize, FusedMovingAvgObsFakeQuantize, MinMaxObserver
from torch.nn.utils import parametrizations, parametrize
from toys import one_thread, state  # noqa: F401, a fixture that works by being there

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


def moved(before, module):
    """Names of the parameters and buffers that are not bit-identical any more."""
    return {name for name, value in module.state_dict().items() if not value.equal(before[name])}


class ForeignState(nn.Module):
    """Moves buffers in each mode, in place and by a new tensor, as codebooks and EMAs do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("nothing", None)
        self.child = nn.BatchNorm1d(4)

    def forward(self, inputs):
        self.mean = 0.9 * self.mean + 0.1 * inputs.detach().mean(0)
        self.steps += 1
        self.child.running_mean += 1  # without a call of the child
        return inputs - self.mean


class BadForeignState(ForeignState):
    def forward(self, inputs):
        super().forward(inputs)
        raise ArithmeticError


class DropsByFunction(nn.Module):
    """Drops by its own mode, as attention does, and has a child that learns."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, inputs):
        return nn.functional.dropout(self.linear(inputs), 0.5, self.training)


def around(layer):
    return nn.Sequential(nn.Linear(4, 4), nn.Sequential(layer))


ROWS, IMAGES = (6, 4), (6, 4, 5, 5)
KEEP_STATE = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), ROWS),
    "cumulative BatchNorm": (lambda: nn.BatchNorm2d(4, momentum=None, affine=False), IMAGES),
    "LazyBatchNorm": (nn.LazyBatchNorm1d, ROWS),
    "SyncBatchNorm": (lambda: nn.SyncBatchNorm(4), IMAGES),
    "BatchNormAct2d of timm": (lambda: BatchNormAct2d(4), IMAGES),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, track_running_stats=True), IMAGES),
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(4, 4)), ROWS),
    "spectral norm of a convolution": (
        lambda: parametrizations.spectral_norm(nn.Conv2d(4, 2, 3)),
        IMAGES,
    ),
    "old spectral norm": (lambda: nn.utils.spectral_norm(nn.Linear(4, 4)), ROWS),
    "foreign state": (ForeignState, ROWS),
    "observer": (MinMaxObserver, ROWS),
    "observer inside": (FakeQuantize, ROWS),
    "observer that is not called": (FusedMovingAvgObsFakeQuantize, ROWS),
}
DROP = {
    "Dropout": (nn.Dropout, ROWS),
    "Dropout2d": (nn.Dropout2d, IMAGES),
    "AlphaDropout": (nn.AlphaDropout, ROWS),
    "RReLU": (nn.RReLU, ROWS),
    "DropPath": (lambda: DropPath(0.5), ROWS),
    "by function": (DropsByFunction, ROWS),
    "attention": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True),
        (2, 6, 4),
    ),
}
COPIES = {
    "itself": lambda model: model,
    "deepcopy": deepcopy,
    "cloudpickle": lambda model: cloudpickle.loads(cloudpickle.dumps(model)),
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


def run(model, shape, seed=3):
    """Make three passes in training mode; return the answers of the last two."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    for _ in range(2):
        model.train()(3 + 2 * torch.randn(shape, generator=generator))
    inputs = torch.randn(shape, generator=generator)
    return model.train()(inputs), model(inputs)


class TestHeld:
    """What is frozen gives the same features in each epoch, whatever it is made of."""

    @pytest.fixture(params=KEEP_STATE | DROP)
    def frozen(self, request):
        torch.manual_seed(0)
        make, shape = (KEEP_STATE | DROP)[request.param]
        layer = make()
        with torch.no_grad():
            layer(torch.randn(shape))  # a lazy layer takes its shape
        return freeze(layer if len(shape) == 4 else around(layer)), shape

    @pytest.mark.parametrize("copy", COPIES)
    def test_no_buffer_moves_and_answers_repeat_in_training_mode(self, frozen, copy):
        model, shape = frozen
        if "pickle" in copy and any(map(parametrize.is_parametrized, model.modules())):
            pytest.skip("torch pickles no module with a parametrization")
        twin = COPIES[copy](model)
        before = state(twin)
        first, second = run(twin, shape)
        assert moved(before, twin) == set()
        assert first.equal(second)
        assert all(part.training for part in twin.modules())  # modes are given back

    @pytest.mark.parametrize("name", KEEP_STATE)
    @pytest.mark.parametrize("times", [1, 2])
    def test_once_unfrozen_it_moves_again(self, name, times):
        make, shape = KEEP_STATE[name]
        torch.manual_seed(0)  # some random matrices are at a fixed point of spectral norm
        layer = make()
        with torch.no_grad():
            layer(torch.randn(shape))
        for _ in range(times):
            freeze(layer)
        unfreeze(layer)
        before = state(layer)
        run(layer, shape)
        assert moved(before, layer)

    @pytest.mark.parametrize("name", DROP)
    def test_once_unfrozen_it_drops_again(self, name):
        make, shape = DROP[name]
        model = unfreeze(freeze(around(make())))
        first, second = run(model, shape if name != "Dropout2d" else (6, 4, 4, 4))
        assert not first.equal(second)

    @pytest.mark.parametrize("change", [freeze, unfreeze])
    def test_lazy_layer_without_a_shape_is_refused_before_a_change(self, change):
        model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.LazyBatchNorm1d())
        with pytest.raises(ValueError, match="lazy layers without a shape; run it once"):
            change(model)
        assert model[0].weight.requires_grad
        assert not any(part._forward_pre_hooks for part in model[:2].modules())

    def test_an_error_in_the_middle_gives_modes_and_buffers_back(self):
        model = freeze(around(BadForeignState())).train()
        before = state(model)
        for _ in range(2):
            with pytest.raises(ArithmeticError):
                model(torch.randn(ROWS))
        assert moved(before, model) == set()
        assert all(part.training for part in model.modules())

    def test_gradients_pass_through_what_is_frozen(self):
        model = nn.Sequential(nn.Linear(4, 4), freeze(ForeignState()), nn.Linear(4, 1))
        model.train()(torch.randn(ROWS)).square().sum().backward()
        assert model[0].weight.grad.any()

    def test_a_part_that_learns_again_runs_in_its_own_mode_and_so_do_those_around_it(self):
        model = freeze(nn.Sequential(DropsByFunction(), nn.BatchNorm1d(4), nn.Dropout()))
        unfreeze(model[0].linear)
        first, second = run(model[0], ROWS)
        assert not first.equal(second)
        first, second = run(model[1:], ROWS)
        assert first.equal(second)
        unfreeze(model[1:])
        before = state(model[1:])
        first, second = run(model[1:], ROWS)
        assert not first.equal(second)
        assert moved(before, model[1:]) >= {"1.running_mean", "1.running_var"}

    def test_statistics_are_held_also_where_the_weights_may_learn(self):
        layer = freeze(nn.BatchNorm1d(4)).requires_grad_(True)
        before = state(layer)
        run(layer, ROWS)
        assert moved(before, layer) == set()

    def test_layers_are_held_that_run_without_the_module_that_was_frozen(self):
        model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
        freeze(nn.Sequential(model[0], model[1]))
        first, second = run(model, ROWS)
        assert first.equal(second)

    def test_the_mistake_of_lesson_04_leaves_dropout_free_too(self):
        model = freeze(nn.Sequential(nn.Dropout()), batchnorm_statistics=False)
        first, second = run(model, ROWS)
        assert not first.equal(second)


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

    def test_hand_written_loop_with_train_mode_does_not_move_it_either(self):
        model = make_model()
        freeze(model[0])
        before = state(model[0])
        for _ in range(3):
            model.train()
            model(torch.randn(8, 3)).sum().backward()
        assert moved(before, model[0]) == set()
        assert all(parameter.grad is None for parameter in model[0].parameters())

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

    @pytest.mark.parametrize("given", [[nn.Linear(2, 2)], nn.Linear(2, 2).weight, None, nn.Linear])
    @pytest.mark.parametrize("change", [freeze, unfreeze])
    def test_what_is_no_module_is_refused(self, change, given):
        with pytest.raises(TypeError, match=r"module is .*; give a torch\.nn\.Module"):
            change(given)


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

    def test_modes_are_those_before_freezing(self):
        model = make_model().eval()
        unfreeze(freeze(model))
        assert not any(layer.training for layer in model.modules())
        freeze(model.train())(torch.randn(4, 3))
        assert all(layer.training for layer in unfreeze(model).modules())

    def test_whole_numbers_cannot_learn_and_are_left_out(self):
        model = make_model()
        model.table = nn.Parameter(torch.tensor([1]), requires_grad=False)
        unfreeze(freeze(model))
        free = {name for name, weight in model.named_parameters() if weight.requires_grad}
        assert free == dict(make_model().named_parameters()).keys()

    def test_weights_made_in_inference_mode_are_refused_before_a_change(self):
        with torch.inference_mode():
            inner = nn.Linear(2, 2)
        model = freeze(nn.Sequential(nn.Linear(2, 2), inner))
        with pytest.raises(ValueError, match="made in inference mode; build it outside"):
            unfreeze(model)
        assert not any(weight.requires_grad for weight in model.parameters())


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
