"""Tests of course_utils.features."""

from dataclasses import replace

import pytest
import torch
from text_toys import SENTENCES, tiny_gpt_backbone
from torch import nn
from toys import full_precision  # noqa: F401, a fixture

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.features import extraction as module
from course_utils.features.extraction import (
    extract_features,
    feature_task,
    stage_features,
    text_features,
)
from course_utils.models import inference as batches
from course_utils.models.classifier import Backbone, Preprocessing, small_cnn
from course_utils.models.freezing import freeze
from course_utils.models.imagenet import imagenet_backbone
from course_utils.models.inference import predict


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(batches, "NUMBERS_AT_ONCE", 64 * 8 * 8)  # 64 of the images below
    monkeypatch.setattr(batches, "ACCELERATOR_FACTOR", 1)
    return tmp_path


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    body[1].running_mean.fill_(0.3)  # so that training mode would give something else
    return Backbone("tiny", body, 4, Preprocessing(1, mean=0.5, std=0.5))


@pytest.fixture
def images():
    return torch.rand(69, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def count_forwards(backbone):
    calls = []
    backbone.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    return calls


def make_task(table_size=12):
    def part(*rows):
        rows = torch.tensor(rows)
        return Samples(torch.zeros(len(rows), 1, 2, 2), rows % 2, indices=rows)

    parts = part(0, 3, 5, 6), part(1, 2), part(4, 7, table_size - 1)
    return Task("t", ("a", "b"), *parts, units="", licence="", source="")


class TestExtractFeatures:
    def test_features_equal_a_direct_forward_in_evaluation_mode(self, backbone, images):
        features = extract_features(backbone.train(), images)
        with torch.no_grad():
            expected = backbone.eval()(images)
        torch.testing.assert_close(features, expected)

    def test_file_is_used_the_second_time(self, backbone, images, monkeypatch):
        first = extract_features(backbone, images)
        monkeypatch.setattr(module, "_compute", lambda *_: pytest.fail("computed again"))
        assert torch.equal(extract_features(backbone, images), first)

    def test_without_cache_it_computes_again_and_stores_nothing(self, backbone, images, folder):
        calls = count_forwards(backbone)
        for _ in range(2):
            extract_features(backbone, images, use_cache=False)
        assert calls == [64, 5] * 2
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize(
        "change",
        [
            lambda b: b.body[0].bias.data.add_(1e-3),  # a weight
            lambda b: b.body[1].running_var.mul_(2),  # a buffer
            lambda b: b.body.__setitem__(2, nn.Tanh()),  # the architecture, with equal weights
            lambda b: setattr(b, "preprocessing", replace(b.preprocessing, mean=0.4)),
        ],
    )
    def test_change_of_the_backbone_is_computed_anew(self, backbone, images, change):
        first = extract_features(backbone, images)
        change(backbone)
        second = extract_features(backbone, images)
        assert not torch.allclose(first, second)
        assert torch.equal(second, extract_features(backbone, images, use_cache=False))

    def test_change_of_one_pixel_is_computed_anew(self, backbone, images):
        first = extract_features(backbone, images)
        images[3, 0, 2, 2] += 0.25
        second = extract_features(backbone, images)
        assert torch.equal(first[:3], second[:3])
        assert not torch.allclose(first[3], second[3])

    def test_order_of_the_images_is_kept(self, backbone, images):
        first = extract_features(backbone, images)
        torch.testing.assert_close(extract_features(backbone, images.flip(0)), first.flip(0))

    def test_layer_is_averaged_over_height_and_width(self, backbone, images):
        layer = extract_features(backbone, images, layer="body.0")
        with torch.no_grad():
            maps = backbone.body[0]((images - 0.5) / 0.5)
        torch.testing.assert_close(layer, maps.mean((2, 3)))

    def test_layer_before_one_that_works_in_place_gives_its_own_numbers(self, images):
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(inplace=True))
        backbone = Backbone("in place", body, 5, Preprocessing(1, mean=0.5, std=0.5))
        found = extract_features(backbone, images, layer="body.1", use_cache=False)
        with torch.no_grad():
            expected = body[1]((images.flatten(1) - 0.5) / 0.5)
        assert expected.min() < 0
        torch.testing.assert_close(found, expected)

    @pytest.mark.parametrize("use_cache", [True, False])
    def test_what_is_done_to_the_result_does_not_come_back(self, backbone, images, use_cache):
        before, given = images.clone(), extract_features(backbone, images, use_cache=use_cache)
        expected = given.clone()
        given.fill_(7)
        assert images.equal(before)
        assert extract_features(backbone, images, use_cache=use_cache).equal(expected)

    @pytest.mark.parametrize("factor", [255, torch.tensor(255, dtype=torch.uint8), -1])
    def test_images_that_are_not_0_to_1_are_refused(self, backbone, images, factor):
        given = (images * factor).to(factor.dtype) if torch.is_tensor(factor) else images * factor
        for function in (extract_features, stage_features):
            with pytest.raises(ValueError, match="images has .*0 to 1"):
                function(backbone, given)

    def test_arrays_lists_and_graphs_mean_the_same_as_tensors(self, backbone, images):
        few = images[:3]
        expected = extract_features(backbone, few)
        for given in (
            few.numpy(),
            few.double(),
            few.numpy().astype(float),
            few.tolist(),
            few.requires_grad_(),
        ):
            found = extract_features(backbone, given, use_cache=False)
            torch.testing.assert_close(found, expected)
            assert not found.requires_grad

    def test_weights_that_are_no_number_are_refused_and_nothing_is_stored(
        self, backbone, images, folder
    ):
        backbone.body[0].weight.data[0] = torch.nan
        with pytest.raises(ValueError, match="backbone gives features that are infinite or not"):
            extract_features(backbone, images)
        assert not list(folder.glob("*.safetensors"))

    @pytest.mark.parametrize("other", [small_cnn(), nn.Linear(2, 2), "backbone"])
    def test_what_is_no_backbone_is_refused_with_the_next_step(self, other, images):
        with pytest.raises(TypeError, match="backbone is .*; give"):
            extract_features(other, images)

    def test_layers_do_not_share_a_file(self, backbone, images):
        outputs = [extract_features(backbone, images, layer=f"body.{n}") for n in (0, 1, 2)]
        assert not torch.allclose(outputs[0], outputs[1])
        assert not torch.allclose(outputs[1], outputs[2])

    def test_damaged_file_is_rebuilt(self, backbone, images, folder):
        first = extract_features(backbone, images)
        (path,) = folder.glob("*.safetensors")
        path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
        assert torch.equal(extract_features(backbone, images), first)

    @pytest.mark.parametrize("use_cache", [True, False])
    def test_features_can_be_learned_from(self, backbone, images, use_cache):
        features = extract_features(backbone, images, use_cache=use_cache)
        assert not features.requires_grad
        head = nn.Linear(4, 2)
        head(features).sum().backward()  # inference tensors would raise here
        assert head.weight.grad is not None

    def test_model_is_left_as_it_was(self, backbone, images):
        freeze(backbone.body[1])
        backbone.train()
        backbone.body[0].eval()
        modes = [module.training for module in backbone.modules()]
        weights = {name: value.clone() for name, value in backbone.state_dict().items()}
        grads = [parameter.requires_grad for parameter in backbone.parameters()]
        hooks = [len(module._forward_hooks) for module in backbone.modules()]
        extract_features(backbone, images, layer="body.2")
        assert [module.training for module in backbone.modules()] == modes
        assert all(v.equal(weights[n]) for n, v in backbone.state_dict().items())
        assert [parameter.requires_grad for parameter in backbone.parameters()] == grads
        assert [len(module._forward_hooks) for module in backbone.modules()] == hooks

    def test_model_is_left_as_it_was_after_an_error(self, backbone):
        backbone.train()
        with pytest.raises(ValueError, match="images has shape"):
            extract_features(backbone, torch.zeros(2, 2, 8, 8))
        assert backbone.training
        assert not backbone._forward_hooks

    def test_random_numbers_are_left_alone(self, backbone, images):
        before = torch.get_rng_state()
        extract_features(backbone, images)
        assert torch.equal(torch.get_rng_state(), before)

    def test_unknown_layer_is_refused_with_the_known_ones(self, backbone, images):
        with pytest.raises(ValueError, match="layer is 'body.9'; give one of body, body.0, body.1"):
            extract_features(backbone, images, layer="body.9")

    def test_no_image_is_refused(self, backbone):
        with pytest.raises(ValueError, match="images is empty, .* give at least one"):
            extract_features(backbone, torch.zeros(0, 1, 8, 8))

    def test_layer_that_never_runs_is_refused(self, backbone, images):
        backbone.unused = nn.Linear(2, 2)
        with pytest.raises(ValueError, match="layer 'unused' gave 0 rows for 69 images; choose"):
            extract_features(backbone, images, layer="unused")

    def test_layer_that_runs_twice_is_refused(self, images):
        twice = nn.ReLU()
        body = nn.Sequential(nn.Conv2d(1, 2, 3), twice, nn.Conv2d(2, 2, 3), twice, nn.Flatten())
        backbone = Backbone("twice", body, 32, Preprocessing(1, mean=0.5, std=0.5))
        with pytest.raises(ValueError, match="layer 'body.1' gave 138 rows for 69 images"):
            extract_features(backbone, images, layer="body.1")

    def test_small_cnn_gives_its_64_features(self, images):
        backbone = small_cnn().backbone
        assert extract_features(backbone, images).shape == (len(images), 64)


class TestTextFeatures:
    @pytest.fixture
    def backbone(self):
        return tiny_gpt_backbone(dropout=0.3).train()

    def test_each_text_gets_its_own_features_in_the_order_of_the_texts(self, backbone, monkeypatch):
        monkeypatch.setattr(batches, "TOKENS_AT_ONCE", 30)  # some texts alone, some together
        found = text_features(backbone, SENTENCES, max_tokens=24)
        assert found.shape == (len(SENTENCES), 16)
        for text, features in zip(SENTENCES, found, strict=True):
            alone = predict(backbone, backbone.tokenize([text], 24))[0]
            torch.testing.assert_close(features, alone, atol=1e-5, rtol=1e-4)

    def test_mode_and_gradients_are_as_before(self, backbone):
        found = text_features(backbone, SENTENCES, max_tokens=24)
        assert backbone.training
        assert not found.requires_grad
        assert not found.is_inference()

    def test_short_texts_are_not_read_with_the_padding_of_long_ones(self, backbone, monkeypatch):
        read, vectors = [], backbone.body.vectors
        monkeypatch.setattr(
            backbone.body, "vectors", lambda tokens: read.append(tokens.numel()) or vectors(tokens)
        )
        monkeypatch.setattr(batches, "TOKENS_AT_ONCE", 40)
        texts = ["Rain!"] * 50 + [SENTENCES[2]]
        text_features(backbone, texts, max_tokens=24, use_cache=False)
        own = int((backbone.tokenize(texts, 24) != 0).sum())
        assert sum(read) < 1.5 * own < 51 * 24

    def test_file_is_used_the_second_time(self, backbone, monkeypatch):
        first = text_features(backbone, SENTENCES, max_tokens=24)
        monkeypatch.setattr(module, "_compute_texts", lambda *_: pytest.fail("computed again"))
        assert text_features(backbone, SENTENCES, max_tokens=24).equal(first)

    def test_without_cache_nothing_is_stored(self, backbone, folder):
        text_features(backbone, SENTENCES, max_tokens=24, use_cache=False)
        assert list(folder.iterdir()) == []

    def test_other_weights_texts_lengths_pooling_or_heads_are_computed_anew(self, backbone, folder):
        def number_of_files(backbone, texts=SENTENCES, max_tokens=24):
            text_features(backbone, texts, max_tokens=max_tokens)
            return len(list(folder.glob("texts-*.safetensors")))

        assert number_of_files(backbone) == number_of_files(backbone) == 1
        assert number_of_files(backbone, SENTENCES[:-1]) == 2
        assert number_of_files(backbone, max_tokens=8) == 3
        assert number_of_files(tiny_gpt_backbone("last")) == 4
        assert number_of_files(tiny_gpt_backbone(heads=4)) == 5  # the same weights and shapes
        backbone.body.norm.bias.data += 1
        assert number_of_files(backbone) == 6

    def test_no_text_is_refused(self, backbone):
        with pytest.raises(ValueError, match="texts is empty; give at least one text"):
            text_features(backbone, [])

    @pytest.mark.parametrize("texts", ["rain", "", None, ["rain", None]])
    def test_what_is_no_list_of_texts_is_refused(self, backbone, texts):
        with pytest.raises(TypeError, match=r"texts (is|has) .+; give"):
            text_features(backbone, texts, max_tokens=8)

    def test_too_many_tokens_are_refused(self, backbone):
        with pytest.raises(ValueError, match="max_tokens is 128; tiny reads 24 at most"):
            text_features(backbone, SENTENCES)


class TestFeatureTask:
    def table(self, rows=12):
        scales = torch.tensor([1.0, 10.0, 0.1])
        return torch.randn(rows, 3, generator=torch.Generator().manual_seed(2)) * scales + 7

    def test_training_rows_have_mean_0_and_standard_deviation_1(self):
        features = feature_task(make_task(), self.table()).train.inputs
        torch.testing.assert_close(features.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
        assert features.std().item() == pytest.approx(1, abs=1e-5)

    def test_each_part_is_moved_by_the_mean_and_scale_of_the_training_rows(self):
        task, table = make_task(), self.table()
        rows = table[[0, 3, 5, 6]]
        centred = rows - rows.sum(0) / 4
        scale = (centred.square().sum() / (centred.numel() - 1)).sqrt()
        made = feature_task(task, table)
        for name, positions in (
            ("train", [0, 3, 5, 6]),
            ("validation", [1, 2]),
            ("test", [4, 7, 11]),
        ):
            expected = (table[positions] - rows.mean(0)) / scale
            torch.testing.assert_close(made.parts[name].inputs, expected)

    def test_test_rows_do_not_enter_mean_and_scale(self):
        table = self.table()
        first = feature_task(make_task(), table)
        table[[1, 2, 4, 7, 11]] += 100
        assert torch.equal(feature_task(make_task(), table).train.inputs, first.train.inputs)

    def test_factor_and_shift_of_a_backbone_do_not_matter(self):
        table = self.table()
        first = feature_task(make_task(), table).test.inputs
        second = feature_task(make_task(), 50 * table + torch.tensor([3.0, -90.0, 1000.0]))
        # the large shift costs digits of float32
        torch.testing.assert_close(second.test.inputs, first, atol=1e-3, rtol=1e-3)

    def test_labels_and_indices_stay(self):
        task = make_task()
        made = feature_task(task, self.table())
        assert made.test.labels is task.test.labels
        assert made.test.indices is task.test.indices
        assert made.name == task.name

    @pytest.mark.parametrize(
        "convert", [torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.double]
    )
    def test_arrays_lists_and_double_precision_mean_the_same(self, convert):
        found = feature_task(make_task(), convert(self.table())).test.inputs
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, feature_task(make_task(), self.table()).test.inputs)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
    def test_numbers_that_are_not_finite_are_refused(self, value):
        table = self.table().double()
        table[11, 2] = value
        with pytest.raises(ValueError, match="table has 1 numbers that are infinite or not"):
            feature_task(make_task(), table)

    @pytest.mark.parametrize("table", [torch.zeros(12), torch.zeros(12, 3, 2), "table", None])
    def test_what_is_no_table_is_refused(self, table):
        with pytest.raises((TypeError, ValueError), match="table (has shape|is)"):
            feature_task(make_task(), table)

    def test_parts_made_by_hand_with_the_same_rows_never_get_that_far(self):
        parts = [Samples(torch.zeros(4, 1, 2, 2), torch.arange(4) % 2) for _ in range(3)]
        with pytest.raises(ValueError, match="train and validation share 4 indices"):
            Task("t", ("a", "b"), *parts, units="", licence="", source="")

    def test_table_and_task_stay_and_parts_share_no_memory(self):
        table = self.table()
        before, made = table.clone(), feature_task(make_task(), table)
        for part in made.parts.values():
            part.inputs.fill_(9)
        assert table.equal(before)

    def test_missing_row_is_refused(self):
        with pytest.raises(ValueError, match="table has 11 rows and .* index 11; compute"):
            feature_task(make_task(), self.table(rows=11))

    def test_features_that_do_not_differ_are_refused(self):
        with pytest.raises(ValueError, match="table has a standard deviation of 0 over the 4"):
            feature_task(make_task(), torch.ones(12, 3))


@pytest.fixture(scope="module")
def efficientnet():
    return imagenet_backbone("random", seed=0)


class TestStageFeatures:
    @pytest.mark.parametrize(
        ("stage", "layer"), [("stem", "body.bn1"), ("stage3", "body.blocks.2"), ("last", None)]
    )
    @pytest.mark.usefixtures("full_precision")
    def test_each_stage_agrees_with_its_layer_alone(self, stage, layer, efficientnet, images):
        small = images[:3, :, :8].repeat(1, 1, 4, 4)
        found = stage_features(efficientnet, small, use_cache=False)[stage]
        expected = extract_features(efficientnet, small, layer=layer, use_cache=False)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)

    def test_more_images_than_a_batch_and_the_cache_change_nothing(self, images):
        torch.manual_seed(0)
        backbone = small_cnn().backbone.train()
        fresh = stage_features(backbone, images, use_cache=False)
        for found in (stage_features(backbone, images), stage_features(backbone, images)):
            assert list(found) == ["stage1", "stage2", "last"]
            assert all(found[name].equal(fresh[name]) for name in found)
        assert backbone.training
        expected = extract_features(backbone, images, use_cache=False)
        torch.testing.assert_close(fresh["last"], expected)

    def test_what_is_done_to_a_result_does_not_come_back(self, images):
        backbone = small_cnn().backbone
        found = stage_features(backbone, images)
        expected = {name: part.clone() for name, part in found.items()}
        found["stage1"].fill_(7)
        assert found["last"].equal(expected["last"])
        again = stage_features(backbone, images)
        assert all(again[name].equal(expected[name]) for name in expected)
        assert found["last"].untyped_storage().nbytes() == 4 * found["last"].numel()

    def test_second_time_they_come_from_the_cache(self, images, monkeypatch):
        torch.manual_seed(0)
        backbone = small_cnn().backbone
        first = stage_features(backbone, images)
        monkeypatch.setattr(module, "_compute_stages", lambda *_: pytest.fail("computed again"))
        assert stage_features(backbone, images)["last"].equal(first["last"])

    def test_other_weights_preprocessing_or_images_are_computed_anew(self, images, folder):
        torch.manual_seed(0)
        backbone = small_cnn().backbone
        stage_features(backbone, images)
        backbone.body[0].bias.data += 1
        stage_features(backbone, images)
        backbone.preprocessing = Preprocessing(1, 0.0, 1.0)
        stage_features(backbone, images)
        stage_features(backbone, images[:3])
        assert len(list(folder.glob("stages-*.safetensors"))) == 4

    def test_no_image_is_refused(self, images):
        with pytest.raises(ValueError, match="images is empty"):
            stage_features(small_cnn().backbone, images[:0])
