"""Tests of course_utils.models.surgery."""

import pytest
import torch
from torch import nn
from toys import is_same, one_thread, state  # noqa: F401, a fixture

from course_utils.data.samples import Samples
from course_utils.models.classifier import Backbone, Preprocessing, small_cnn
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.surgery import cut_after, folded, stages
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.loop import fit

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(3, 1, 32, 32, generator=GENERATOR)


@pytest.fixture(scope="module")
def efficientnet():
    return imagenet_classifier("random", seed=0)


@pytest.fixture(params=["small_cnn", "efficientnet"])
def model(request):
    if request.param == "efficientnet":
        return request.getfixturevalue("efficientnet")
    torch.manual_seed(0)
    return small_cnn(4).eval()


class TestStages:
    def test_one_after_the_other_they_are_the_body(self, model):
        inputs = model.backbone.preprocessing(IMAGES)
        outputs = inputs
        with torch.no_grad():
            for stage in stages(model.backbone).values():
                outputs = stage(outputs)
            torch.testing.assert_close(outputs, model.backbone.body(inputs))

    def test_each_parameter_is_in_one_stage_and_is_the_same_object(self, model):
        found = [id(w) for stage in stages(model.backbone).values() for w in stage.parameters()]
        assert sorted(found) == sorted(id(w) for w in model.backbone.parameters())

    def test_a_stage_of_small_cnn_ends_with_its_relu(self):
        ends = [type(stage[-1]) for stage in stages(small_cnn().backbone).values()]
        assert ends == [nn.ReLU, nn.ReLU, nn.ReLU]

    def test_the_body_may_end_with_its_second_pooling(self):
        body = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.AdaptiveMaxPool2d(1))
        found = stages(Backbone("short", body, 1, Preprocessing(1, 0.0, 1.0)))
        assert [len(stage) for stage in found.values()] == [2, 1, 0]

    def test_names_are_in_the_order_of_the_network(self, efficientnet):
        names = ["stem", *(f"stage{n}" for n in range(1, 8)), "last"]
        assert list(stages(efficientnet.backbone)) == names

    def test_unknown_architecture_is_refused(self):
        backbone = Backbone("mine", nn.Sequential(nn.Flatten()), 9, Preprocessing(1, 0.0, 1.0))
        with pytest.raises(ValueError, match="backbone is 'mine', whose stages are unknown"):
            stages(backbone)


class TestCutAfter:
    def test_the_two_parts_are_the_model_at_each_cut(self, model):
        with torch.no_grad():
            expected = model(IMAGES)
            for stage in list(stages(model.backbone))[:-1]:
                beginning, rest = cut_after(model, stage)
                torch.testing.assert_close(rest.eval()(beginning.eval()(IMAGES)), expected)

    def test_what_the_rest_learns_the_model_has_learned(self):
        torch.manual_seed(0)
        model = small_cnn(2)
        beginning, rest = cut_after(model, "stage1")
        frozen, moving = state(beginning), state(rest)
        with torch.no_grad():
            samples = Samples(beginning(IMAGES), torch.tensor([0, 1, 0]))
        fit(rest, samples, CrossEntropy(), num_epochs=2)
        assert is_same(frozen, beginning)
        assert not is_same(moving, rest)
        assert model.head.weight.equal(rest.head.weight)
        assert model.backbone.body[3].weight.equal(rest.backbone.stage2[0].weight)

    def test_names_of_the_rest_start_with_backbone_or_head(self, model):
        """Learning rates and L2-SP choose parameters by the start of their names."""
        _, rest = cut_after(model, "stage1")
        starts = {name.split(".")[0] for name, _ in rest.named_parameters()}
        assert starts == {"backbone", "head"}

    @pytest.mark.parametrize("stage", ["stage9", "last", ""])
    def test_stage_that_leaves_nothing_or_is_unknown_is_refused(self, stage):
        with pytest.raises(ValueError, match=f"stage is {stage!r}; give one of 'stage1', "):
            cut_after(small_cnn(), stage)

    def test_what_is_no_classifier_is_refused(self):
        model = small_cnn()
        for given in (model.backbone, nn.Linear(2, 2), None, cut_after(model, "stage1")[1]):
            with pytest.raises(TypeError, match="give a"):
                cut_after(given, "stage1")
        with pytest.raises(TypeError, match="give its backbone: model.backbone"):
            stages(model)


class TestFolded:
    def test_answers_are_the_same_up_to_rounding(self, efficientnet):
        # statistics of their own: fresh ones are 0 and 1, which a wrong fold would not show
        generator = torch.Generator().manual_seed(1)
        for layer in efficientnet.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.copy_(torch.randn(layer.num_features, generator=generator) / 9)
                layer.running_var.copy_(torch.rand(layer.num_features, generator=generator) + 0.5)
        beginning, _ = cut_after(efficientnet, "stage3")
        before = state(beginning)
        with torch.no_grad():
            expected = beginning.eval()(IMAGES)
            torch.testing.assert_close(folded(beginning)(IMAGES), expected, rtol=1e-3, atol=1e-4)
        assert is_same(before, beginning)

    def test_no_batchnorm_is_left(self, efficientnet):
        beginning, _ = cut_after(efficientnet, "stage3")
        assert any(isinstance(layer, nn.BatchNorm2d) for layer in beginning.modules())
        assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded(beginning).modules())

    def test_batchnorm_without_a_convolution_before_it_stays(self):
        module = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1), nn.ReLU(), nn.BatchNorm2d(1))
        module[0].running_mean.fill_(2.0)
        found = folded(module.train())
        assert [type(layer) for layer in found] == [type(layer) for layer in module]
        assert not found.training and module.training
        # neither is there a fold for batch statistics, or a weight that is made in each pass
        for convolution, norm in (
            (nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, track_running_stats=False)),
            (nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 1, 1)), nn.BatchNorm2d(1)),
        ):
            pair = nn.Sequential(convolution, norm).eval()
            torch.testing.assert_close(folded(pair)(IMAGES), pair(IMAGES))
        torch.testing.assert_close(found(IMAGES), module.eval()(IMAGES))
