"""Tests of course_utils.models: classifiers, ImageNet weights, another head, another input."""

from copy import deepcopy
from dataclasses import replace

import cloudpickle
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.datasets import load_sample_images
from torch import nn
from toys import is_same, one_thread, state  # noqa: F401, a fixture

from course_utils.environment import packages
from course_utils.models.classifier import Backbone, Classifier, Preprocessing, small_cnn
from course_utils.models.freezing import freeze
from course_utils.models.imagenet import imagenet_backbone, imagenet_classifier, load_by_order
from course_utils.models.surgery import adapt_input, replace_head

PALACE, DAISY = 698, 985  # classes of ImageNet-1k


@pytest.fixture(scope="module")
def imagenet():
    """Build the classifier with ImageNet weights; tests that change it take a copy."""
    return imagenet_classifier()


def make_backbone(channels=3):
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 5)
    )
    return Backbone("tiny", body, 5, Preprocessing(channels, mean=0.5, std=0.25))


class TestBackbone:
    def test_nobody_can_forget_the_preprocessing(self):
        backbone, images = make_backbone().eval(), torch.rand(2, 3, 6, 6)
        torch.testing.assert_close(backbone(images), backbone.body((images - 0.5) / 0.25))

    def test_text_counts_parameters(self):
        # 3 * 4 * 9 + 4, 2 * 4, 64 * 5 + 5
        assert repr(make_backbone()) == "Backbone('tiny', 445 parameters, 5 features)"

    def test_classifier_is_the_head_after_the_backbone(self):
        model = Classifier(make_backbone(), nn.Linear(5, 2)).eval()
        images = torch.rand(2, 3, 6, 6)
        assert torch.equal(model(images), model.head(model.backbone(images)))

    def test_parts_that_are_none_are_refused(self):
        model = small_cnn()
        with pytest.raises(TypeError, match="backbone is a Classifier; give its backbone: model.b"):
            Classifier(model, model.head)
        with pytest.raises(TypeError, match="head is 2; give a torch.nn.Module"):
            Classifier(model.backbone, 2)
        with pytest.raises(TypeError, match="body is the class ReLU; give a torch.nn.Module"):
            Backbone("mine", nn.ReLU, 2, Preprocessing(1, 0.0, 1.0))
        with pytest.raises(ValueError, match="num_features is 0; give 1 or more"):
            Backbone("mine", nn.ReLU(), 0, Preprocessing(1, 0.0, 1.0))

    @pytest.mark.parametrize("images", [torch.float32, torch.float64])
    @pytest.mark.parametrize("model", [torch.float32, torch.float64])
    def test_double_precision_may_meet_single_precision(self, images, model):
        network, given = small_cnn(2).to(model), torch.rand(2, 1, 8, 8)
        expected = deepcopy(network).double()(given.double())
        outputs = network(given.to(images))
        assert outputs.dtype == model
        torch.testing.assert_close(outputs.double(), expected, atol=1e-4, rtol=1e-4)

    def test_images_on_another_device_are_refused(self):
        message = r"images is on cpu and the network on meta; give images.to\('meta'\), or use pre"
        with pytest.raises(ValueError, match=message):
            small_cnn().to("meta")(torch.rand(2, 1, 8, 8))


class TestSmallCnn:
    def test_number_of_parameters_is_the_documented_one(self):
        count = sum(parameter.numel() for parameter in small_cnn().parameters())
        # two convolutions, 512 to 64, 64 to 10
        assert count == (9 * 16 + 16) + (16 * 9 * 32 + 32) + (512 * 64 + 64) + (64 * 10 + 10)
        assert f"{count:,} parameters" in small_cnn.__doc__

    def test_pooling_before_relu_is_the_same_function_with_the_same_gradient(self):
        model = small_cnn()
        layers = list(model.backbone.body)
        for pool in (1, 4):
            layers[pool : pool + 2] = layers[pool + 1], layers[pool]
        images = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        found = []
        for body in (model.backbone.body, nn.Sequential(*layers)):
            outputs = body(images)
            found.append([outputs, *torch.autograd.grad(outputs.sum(), list(body.parameters()))])
        for first, second in zip(*found, strict=True):
            torch.testing.assert_close(first, second)

    @pytest.mark.parametrize("side", [8, 16, 28, 33])
    def test_images_of_any_size_give_64_features(self, side):
        model = small_cnn(3)
        images = torch.rand(2, 1, side, side)
        assert model.backbone(images).shape == (2, model.backbone.num_features) == (2, 64)
        assert model(images).shape == (2, 3)

    def test_start_is_random_and_follows_the_global_seed(self):
        torch.manual_seed(3)
        first, other = small_cnn(), small_cnn()
        torch.manual_seed(3)
        assert is_same(state(first), small_cnn())
        assert not is_same(state(first), other)


class TestImagenetClassifier:
    @pytest.mark.parametrize(
        ("architecture", "name", "label"),
        [
            ("EfficientNet-Lite0", "china.jpg", PALACE),
            ("EfficientNet-Lite0", "flower.jpg", DAISY),
            ("EfficientNet-Lite2", "china.jpg", PALACE),  # and the flower is a honeycomb to it
        ],
    )
    def test_photograph_is_recognised(self, architecture, name, label):
        photos = load_sample_images()
        names = [str(path).replace("\\", "/").split("/")[-1] for path in photos.filenames]
        image = torch.tensor(photos.images[names.index(name)]).permute(2, 0, 1)[None] / 255
        # as the networks were evaluated: the central square, and of it the inner part
        side = min(image.shape[2:])
        top, left = ((length - side) // 2 for length in image.shape[2:])
        square = image[..., top : top + side, left : left + side]
        inner = 224 if architecture.endswith("0") else 260  # pixels
        small = F.interpolate(square, size=(inner + 32,) * 2, mode="bicubic", antialias=True)
        small = small.clamp(0, 1)[..., 16:-16, 16:-16]
        with torch.inference_mode():
            model = imagenet_classifier(architecture=architecture)
            assert model(small).argmax().item() == label

    def test_features_are_those_of_timm_for_inputs_normalised_by_hand(self, imagenet):
        images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        network = imagenet.backbone.body
        with torch.inference_mode():
            maps = network.forward_features(images * 2 - 1)  # (x - 0.5) / 0.5
            features = imagenet.backbone(images)
        # mean over places instead of timm's own pooling layer; float32 rounding only
        torch.testing.assert_close(features, maps.mean((2, 3)), atol=1e-4, rtol=1e-4)
        assert features.shape == (2, 1280)

    def test_grey_image_gives_the_features_of_its_three_copies(self, imagenet):
        grey = torch.rand(2, 1, 64, 64)
        with torch.inference_mode():
            copied = imagenet.backbone(grey.repeat(1, 3, 1, 1))
            assert torch.equal(imagenet.backbone(grey), copied)

    def test_one_input_channel_gives_the_same_features_as_copying(self, imagenet):
        grey = torch.rand(2, 1, 64, 64)
        adapted = adapt_input(deepcopy(imagenet.backbone), 1)
        with torch.inference_mode():
            assert adapted.body.conv_stem.weight.shape[1] == 1
            expected = imagenet.backbone(grey)
            torch.testing.assert_close(adapted(grey), expected, atol=1e-4, rtol=1e-4)

    def test_sizes_are_the_documented_ones(self, imagenet):
        count = sum(parameter.numel() for parameter in imagenet.backbone.parameters())
        assert f"{count:,} parameters" in imagenet_classifier.__doc__
        larger = imagenet_backbone(architecture="EfficientNet-Lite2")
        its_count = sum(parameter.numel() for parameter in larger.parameters())
        assert f"{its_count:,}\n" in imagenet_classifier.__doc__
        assert its_count == 6_092_072 - (1280 * 1000 + 1000)
        assert count == 4_652_008 - (1280 * 1000 + 1000)  # all, without the head
        assert imagenet.head.out_features == 1000
        assert not any(module.training for module in imagenet.modules())

    def test_wrong_checksum_is_refused(self, monkeypatch):
        other = replace(packages.PACKAGES["efficientnet_lite0"], sha256="0" * 64)
        monkeypatch.setitem(packages.PACKAGES, "efficientnet_lite0", other)
        with pytest.raises(packages.PackageError, match="SHA-256 of .* must be 0000000000000000"):
            imagenet_classifier()

    def test_random_start_follows_its_seed_and_leaves_the_global_numbers(self):
        torch.manual_seed(5)
        first = imagenet_backbone("random", seed=1)
        after = torch.rand(1)
        torch.manual_seed(5)
        assert torch.equal(after, torch.rand(1))
        stem = first.body.conv_stem.weight
        assert torch.equal(stem, imagenet_backbone("random", seed=1).body.conv_stem.weight)
        assert not torch.equal(stem, imagenet_backbone("random", seed=2).body.conv_stem.weight)

    def test_random_starts_without_a_seed_differ(self):
        first, second = (imagenet_backbone("random") for _ in range(2))
        assert not torch.equal(first.body.conv_stem.weight, second.body.conv_stem.weight)

    def test_unknown_weights_are_refused(self):
        with pytest.raises(ValueError, match="weights is 'cifar'; give one of 'imagenet', "):
            imagenet_classifier("cifar")

    def test_unknown_architecture_is_refused(self):
        with pytest.raises(ValueError, match="architecture is 'ResNet'; give one of 'Effic"):
            imagenet_classifier(architecture="ResNet")

    def test_seed_for_fixed_weights_is_refused(self):
        with pytest.raises(ValueError, match="seed is 3, but .*give weights='random'"):
            imagenet_classifier(seed=3)

    def test_copies_and_pickles_of_a_frozen_one_give_the_same_features(self, imagenet):
        frozen = freeze(deepcopy(imagenet.backbone)).train()
        images = torch.rand(2, 1, 32, 32)
        expected = imagenet.backbone(images)
        for twin in (deepcopy(frozen), cloudpickle.loads(cloudpickle.dumps(frozen))):
            twin.train()
            torch.testing.assert_close(twin(images), expected, atol=1e-5, rtol=1e-5)
            assert is_same(state(frozen), twin)
            assert twin.preprocessing == frozen.preprocessing


class TestLoadByOrder:
    def renamed(self, network):
        return {f"their.{place}": value + 1 for place, value in enumerate(state(network).values())}

    def test_weights_arrive_under_other_names(self):
        network = make_backbone()
        theirs = self.renamed(network)
        load_by_order(network, theirs)
        assert all(
            a.equal(b) for a, b in zip(state(network).values(), theirs.values(), strict=True)
        )

    def test_wrong_shape_is_named_and_nothing_is_loaded(self):
        network = make_backbone()
        before, theirs = state(network), self.renamed(network)
        theirs["their.1"] = torch.zeros(7)
        with pytest.raises(ValueError, match=r"'their.1'\] has shape \(7,\); body.0.bias .*\(4,\)"):
            load_by_order(network, theirs)
        assert is_same(before, network)

    def test_missing_tensor_is_counted_and_nothing_is_loaded(self):
        network = make_backbone()
        before, theirs = state(network), self.renamed(network)
        del theirs["their.0"]
        with pytest.raises(ValueError, match="weights has 8 tensors and the network has 9; give"):
            load_by_order(network, theirs)
        assert is_same(before, network)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            (
                "their.5",
                torch.full((4,), torch.nan),
                r"weights\['their.5'\] has 4 numbers that are",
            ),
            ("their.5", "zeros", r"weights\['their.5'\] is a text; give a tensor"),
        ],
    )
    def test_what_is_no_number_is_refused_and_nothing_is_loaded(self, name, value, message):
        network = make_backbone()
        before, theirs = state(network), self.renamed(network) | {name: value}
        with pytest.raises((TypeError, ValueError), match=message):
            load_by_order(network, theirs)
        assert is_same(before, network)

    def test_what_are_no_weights_is_refused(self):
        for given in ([torch.zeros(2)], "weights.pt", make_backbone()):
            with pytest.raises(TypeError, match="weights is .*; give tensors by name"):
                load_by_order(make_backbone(), given)


class TestReplaceHead:
    def test_only_the_head_is_new(self):
        model = small_cnn(10)
        before, old_head = state(model.backbone), model.head
        assert replace_head(model, 4) is model
        assert model.head is not old_head
        assert model.head.weight.shape == (4, 64)
        assert is_same(before, model.backbone)

    def test_head_is_trainable_also_on_a_frozen_backbone(self):
        model = small_cnn(10)
        freeze(model)
        replace_head(model, 4)
        trainable = [name for name, p in model.named_parameters() if p.requires_grad]
        assert trainable == ["head.weight", "head.bias"]

    def test_seed_decides(self):
        model = small_cnn(10)
        heads = [state(replace_head(model, 4, seed=seed).head)["weight"] for seed in (1, 1, 2)]
        assert torch.equal(heads[0], heads[1])
        assert not torch.equal(heads[0], heads[2])

    def test_global_random_numbers_are_left_alone(self):
        model = small_cnn(10)
        before = torch.get_rng_state()
        replace_head(model, 4, seed=1)
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("num_classes", [1, 0, -2])
    def test_too_few_classes_are_refused(self, num_classes):
        with pytest.raises(ValueError, match=f"num_classes is {num_classes}; .* 2 or more"):
            replace_head(small_cnn(), num_classes)
        with pytest.raises(ValueError, match=f"num_classes is {num_classes}; .* 2 or more"):
            small_cnn(num_classes)

    @pytest.mark.parametrize("given", [2.0, "2", True, None, [2], np.float64(2)])
    @pytest.mark.parametrize("name", ["num_classes", "seed"])
    def test_what_is_no_whole_number_is_refused_and_changes_nothing(self, name, given):
        model = small_cnn()
        before, numbers = state(model), torch.get_rng_state()
        with pytest.raises(TypeError, match=f"{name} is .*; give a whole number"):
            replace_head(model, **({"num_classes": 2} | {name: given}))
        assert is_same(before, model)
        assert torch.equal(numbers, torch.get_rng_state())

    def test_numbers_of_numpy_are_numbers(self):
        assert replace_head(small_cnn(), np.int64(3), seed=np.uint8(1)).head.out_features == 3
        assert small_cnn(np.int32(3)).head.out_features == 3

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_type_of_the_model_is_that_of_the_head_also_without_an_old_one(self, dtype):
        for head in (nn.Linear(64, 10), nn.Identity()):
            model = Classifier(small_cnn().backbone, head).to(dtype).eval()
            replace_head(model, 3)
            assert {weight.dtype for weight in model.parameters()} == {dtype}
            assert not model.head.training
            assert model(torch.rand(2, 1, 8, 8).to(dtype)).shape == (2, 3)

    def test_device_is_that_of_the_model(self):
        assert replace_head(small_cnn().to("meta"), 3).head.weight.is_meta

    def test_backbone_without_parameters_gets_a_head(self):
        backbone = Backbone("flat", nn.Flatten(), 64, Preprocessing(1, 0.0, 1.0))
        model = replace_head(Classifier(backbone, nn.Identity()), 2)
        assert model(torch.rand(3, 1, 8, 8)).shape == (3, 2)

    def test_what_is_no_classifier_is_refused(self):
        with pytest.raises(TypeError, match="model is a Backbone without backbone; give a Classi"):
            replace_head(small_cnn().backbone, 2)
        foreign = nn.Module()
        foreign.backbone, foreign.head = nn.Linear(4, 4), nn.Linear(4, 2)
        with pytest.raises(TypeError, match="model.backbone is a Linear without num_features"):
            replace_head(foreign, 2)


class TestAdaptInput:
    @pytest.mark.parametrize("channels", [2, 3, 5])
    def test_copied_grey_gives_what_grey_gave(self, channels):
        backbone, grey = make_backbone(channels=1).eval(), torch.rand(2, 1, 6, 6)
        expected = backbone(grey)
        adapt_input(backbone, channels)
        out = backbone(grey.repeat(1, channels, 1, 1))
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
        assert backbone.preprocessing == Preprocessing(channels, mean=0.5, std=0.25)

    def test_same_number_of_channels_changes_nothing(self):
        backbone = make_backbone(channels=3)
        before = state(backbone)
        assert adapt_input(backbone, 3) is backbone
        assert is_same(before, backbone)

    @pytest.mark.parametrize("is_trainable", [True, False])
    def test_frozen_layer_stays_frozen_and_trainable_one_trainable(self, is_trainable):
        backbone = make_backbone().requires_grad_(is_trainable)
        adapt_input(backbone, 1)
        assert backbone.body[0].weight.requires_grad is is_trainable

    @pytest.mark.parametrize("channels", [0, -1, 2])
    def test_other_changes_are_refused(self, channels):
        message = f"channels is {channels} and the network reads 3; change from or to 1 channel"
        with pytest.raises(ValueError, match=message):
            adapt_input(make_backbone(), channels)

    @pytest.mark.parametrize("channels", [1.0, "1", True, None])
    def test_what_is_no_whole_number_is_refused(self, channels):
        with pytest.raises(TypeError, match="channels is .*; give a whole number"):
            adapt_input(make_backbone(), channels)

    def test_what_is_no_backbone_is_refused(self):
        with pytest.raises(TypeError, match="Classifier without body; give its backbone: model.ba"):
            adapt_input(small_cnn(), 3)
        with pytest.raises(TypeError, match="Conv2d without body; give a Backbone"):
            adapt_input(nn.Conv2d(3, 3, 3), 1)

    @pytest.mark.parametrize(
        "first",
        [
            nn.Conv2d(3, 3, 3, groups=3),
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 3, 3)),
            nn.utils.spectral_norm(nn.Conv2d(3, 3, 3)),
        ],
    )
    def test_convolution_that_is_not_plain_is_refused_and_stays(self, first):
        backbone = Backbone("mine", first, 3, Preprocessing(3, 0.5, 0.5))
        before = state(backbone)
        with pytest.raises(ValueError, match="whose first convolution is in groups or has a weig"):
            adapt_input(backbone, 1)
        assert is_same(before, backbone)
        assert backbone.preprocessing.channels == 3

    def test_network_without_convolution_is_refused(self):
        backbone = Backbone("flat", nn.Flatten(), 36, Preprocessing(1, 0.5, 0.5))
        with pytest.raises(ValueError, match="backbone is 'flat', which has no Conv2d layer"):
            adapt_input(backbone, 3)
