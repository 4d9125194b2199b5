"""Tests of course_utils.backbones."""

from copy import deepcopy
from dataclasses import replace

import cloudpickle
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.datasets import load_sample_images
from torch import nn
from toys import one_thread  # noqa: F401, a fixture that works by being there

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


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def is_same(before, module):
    after = module.state_dict()
    return before.keys() == after.keys() and all(after[n].equal(v) for n, v in before.items())


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
        with pytest.raises(ValueError, match="weights is 'cifar'; give 'imagenet' or 'random'"):
            imagenet_classifier("cifar")

    def test_unknown_architecture_is_refused(self):
        with pytest.raises(ValueError, match="architecture is 'ResNet'; give 'EfficientNet-Lite0'"):
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
        with pytest.raises(ValueError, match=f"num_classes is {num_classes}; give 2 or more"):
            replace_head(small_cnn(), num_classes)


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

    def test_network_without_convolution_is_refused(self):
        backbone = Backbone("flat", nn.Flatten(), 36, Preprocessing(1, 0.5, 0.5))
        with pytest.raises(ValueError, match="backbone is 'flat', which has no Conv2d layer"):
            adapt_input(backbone, 3)
