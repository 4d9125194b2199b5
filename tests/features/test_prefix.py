"""Tests of course_utils.features.prefix."""

import pytest
import torch
from torch import nn
from toys import is_same, one_thread, state  # noqa: F401, a fixture

from course_utils.data.augmentation import eight_views, flipped_views
from course_utils.data.samples import Samples
from course_utils.features.prefix import FrozenStages, ViewsClassifier
from course_utils.models import inference as batches
from course_utils.models.classifier import Backbone, Preprocessing, small_cnn
from course_utils.models.inference import predict
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.loop import fit

IMAGES = torch.rand(5, 1, 12, 12, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 0, 1, 1])


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def model():
    torch.manual_seed(0)
    return small_cnn(2)


def cut(model):
    return FrozenStages(model, after="stage1")


class TestFlippedViews:
    def test_views_by_hand(self):
        image = torch.tensor([[[[1, 2], [3, 4]]]])
        found = [view[0, 0].tolist() for view in flipped_views(image)]
        assert found == [[[1, 2], [3, 4]], [[2, 1], [4, 3]], [[3, 4], [1, 2]], [[4, 3], [2, 1]]]


class TestEightViews:
    def test_all_ways_to_lay_down_a_square(self):
        image = torch.arange(9.0).view(1, 1, 3, 3)
        views = eight_views(image)
        turns = [image.rot90(turn, (2, 3)) for turn in range(4)]
        expected = turns + [turn.flip(3) for turn in turns]
        assert len({tuple(view.flatten().tolist()) for view in views}) == 8
        for view in expected:
            assert any(view.equal(other) for other in views)

    def test_other_images_are_refused(self):
        with pytest.raises(ValueError, match=r"shape \(2, 1, 4, 6\); give square ones"):
            eight_views(torch.zeros(2, 1, 4, 6))


class TestActivations:
    def test_each_view_is_what_the_first_stages_give(self, model):
        table = cut(model).activations(IMAGES)
        assert (table.shape, table.dtype) == ((5, 4, 16, 6, 6), torch.half)
        with torch.no_grad():
            for number, view in enumerate(flipped_views(IMAGES)):
                expected = model.backbone.body[:3](model.backbone.preprocessing(view))
                torch.testing.assert_close(table[:, number], expected.half())

    def test_many_batches_give_the_same_as_one(self, model, monkeypatch):
        whole = cut(model).activations(IMAGES, use_cache=False)
        monkeypatch.setattr(batches, "NUMBERS_AT_ONCE", 2 * IMAGES[0].numel())
        monkeypatch.setattr(batches, "ACCELERATOR_FACTOR", 1)
        torch.testing.assert_close(cut(model).activations(IMAGES, use_cache=False), whole)

    def test_second_time_they_come_from_the_cache(self, model, monkeypatch):
        first = cut(model).activations(IMAGES)
        monkeypatch.setattr(FrozenStages, "_compute", lambda *_: pytest.fail("computed again"))
        assert cut(model).activations(IMAGES).equal(first)

    def test_other_weights_images_stage_or_views_are_computed_anew(self, model, own_cache):
        def count():
            return len(list(own_cache.glob("activations-*.safetensors")))

        cut(model).activations(IMAGES)
        cut(model).activations(IMAGES * 0.9)
        assert count() == 2
        FrozenStages(model, after="stage1", views=lambda x: [x]).activations(IMAGES)
        FrozenStages(model, after="stage2").activations(IMAGES)
        assert count() == 4
        model.backbone.body[0].bias.data += 1
        cut(model).activations(IMAGES)
        assert count() == 5
        model.backbone.body[7].bias.data += 1  # behind the cut
        cut(model).activations(IMAGES)
        assert count() == 5

    def test_other_function_that_makes_views_is_computed_anew(self, model, own_cache):
        for brighter in (0.5, 0.25):  # the first image is black: its views are equal
            images = torch.cat([torch.zeros(1, 1, 12, 12), IMAGES])

            def views(x, factor=brighter):
                return [x * factor]

            found = FrozenStages(model, after="stage1", views=views).activations(images)
            alone = FrozenStages(model, after="stage1", views=views)
            assert found.equal(alone.activations(images, use_cache=False))
        assert len(list(own_cache.glob("activations-*.safetensors"))) == 2

    @pytest.mark.parametrize("scale", [1e6, 1e-9])
    def test_numbers_that_half_precision_cannot_hold_are_kept_in_single(self, model, scale):
        layer = model.backbone.body[0]
        layer.weight.data *= scale
        layer.bias.data *= scale
        table = cut(model).activations(IMAGES)
        assert table.dtype == torch.float32
        with torch.no_grad():
            expected = model.backbone.body[:3](model.backbone.preprocessing(IMAGES))
        torch.testing.assert_close(table[:, 0], expected, rtol=1e-3, atol=1e-3 * scale)

    def test_first_rows_survive_a_change_of_precision_in_a_later_batch(self, model, monkeypatch):
        monkeypatch.setattr(batches, "NUMBERS_AT_ONCE", 2 * IMAGES[0].numel())
        monkeypatch.setattr(batches, "ACCELERATOR_FACTOR", 1)
        layer = model.backbone.body[0]
        layer.weight.data *= 1e5
        layer.bias.data.zero_()
        dark = torch.full_like(IMAGES, 0.1307) + 1e-3  # near the mean, which becomes zero
        images = torch.cat([dark[:2], IMAGES])
        table = cut(model).activations(images)
        assert table.dtype == torch.float32 and table.isfinite().all()
        small = cut(model).activations(images[:2])
        assert small.dtype == torch.half
        torch.testing.assert_close(table[:2], small.float(), rtol=1e-3, atol=1e-3)

    def test_weights_that_are_no_number_are_refused(self, model, own_cache):
        model.backbone.body[0].weight.data[0] = torch.nan
        with pytest.raises(ValueError, match="activations that are infinite or not a number"):
            cut(model).activations(IMAGES)
        assert not list(own_cache.glob("*.safetensors"))

    @pytest.mark.parametrize("images", [IMAGES * 255, (IMAGES * 255).byte(), IMAGES - 1])
    def test_images_that_are_not_0_to_1_are_refused(self, model, images):
        with pytest.raises(ValueError, match="images has .*0 to 1"):
            cut(model).activations(images)

    @pytest.mark.parametrize("views", [lambda x: x, lambda x: [], lambda x: [x, x[:, :, 1:]]])
    def test_views_that_do_not_fit_are_refused(self, model, views):
        with pytest.raises(ValueError, match="views gives .*; give a function that returns a list"):
            FrozenStages(model, after="stage1", views=views).activations(IMAGES)

    def test_backbone_for_a_model_is_refused(self, model):
        with pytest.raises(TypeError, match="model is .*give (a )?Classifier"):
            FrozenStages(model.backbone, after="stage1")

    @pytest.mark.parametrize("use_cache", [True, False])
    def test_table_is_an_ordinary_tensor(self, use_cache, model):
        table = cut(model).activations(IMAGES, use_cache=use_cache)
        table[0] = 0  # would raise for one that was made in inference mode
        assert not table.is_inference() and not table.requires_grad

    def test_without_the_cache_nothing_is_stored(self, model, own_cache):
        cut(model).activations(IMAGES, use_cache=False)
        assert list(own_cache.iterdir()) == []

    def test_batchnorm_of_the_prefix_neither_moves_nor_uses_the_batch(self):
        body = nn.Sequential(
            nn.BatchNorm2d(1), nn.MaxPool2d(2), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()
        )
        model = ViewsClassifier(
            Backbone("normed", body, 1, Preprocessing(1, 0.0, 1.0)), nn.Linear(1, 2)
        )
        before = state(model)
        table = FrozenStages(model.train(), after="stage1").activations(IMAGES)
        alone = FrozenStages(model, after="stage1").activations(IMAGES[:1])
        assert is_same(before, model)
        assert model.training
        assert alone[0].equal(table[0])

    def test_no_image_is_refused(self, model):
        with pytest.raises(ValueError, match="images is empty, .* give at least one"):
            cut(model).activations(IMAGES[:0])


class TestSamples:
    def test_rows_of_a_table_are_found_by_the_indices(self, model):
        own = cut(model)
        table = own.activations(IMAGES)
        some = Samples(IMAGES[[3, 1]], LABELS[[3, 1]], indices=torch.tensor([3, 1]))
        assert own.samples(some, table).inputs.equal(table[[3, 1]])
        assert own.samples(some, table).labels.tolist() == [1, 1]

    def test_rows_are_copies_and_a_missing_one_is_refused(self, model):
        own = cut(model)
        table = own.activations(IMAGES)
        found = own.samples(Samples(IMAGES, LABELS), table)
        found.inputs[0] = 9
        assert table.max() < 9
        with pytest.raises(ValueError, match="table has 3 rows and .* index 4; compute"):
            own.samples(Samples(IMAGES, LABELS), table[:3])

    def test_without_a_table_they_are_computed(self, model):
        own = cut(model)
        found = own.samples(Samples(IMAGES, LABELS))
        torch.testing.assert_close(found.inputs, own.activations(IMAGES))


class TestRest:
    def test_answer_is_the_mean_over_the_views(self, model):
        own = cut(model)
        found = predict(own.rest, own.activations(IMAGES))
        expected = torch.stack([predict(model, view) for view in flipped_views(IMAGES)]).mean(0)
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)  # half precision

    def test_training_sees_one_random_view_of_each_sample(self, model):
        rest = cut(model).rest
        seen = []
        rest.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        views = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(200, 4, 16, 6, 6)
        torch.manual_seed(0)
        rest.train()(views)
        counts = seen[0][:, 0, 0, 0].int().bincount()
        assert seen[0].shape == (200, 16, 6, 6)
        assert counts.min() > 30  # 50 each are expected

    def test_fit_moves_the_rest_and_leaves_the_prefix(self, model):
        own = cut(model)
        samples = own.samples(Samples(IMAGES, LABELS))
        before = state(own.beginning)
        rates = {"backbone": 1e-3, "head": 1e-2}
        history = fit(own.rest, samples, CrossEntropy(), num_epochs=20, learning_rate=rates)
        loss = history.terms["cross-entropy"]
        assert loss[-1] < loss[0]
        assert is_same(before, own.beginning)
        # the model has learned as well: its layers are those of the rest
        expected = torch.stack([predict(model, view) for view in flipped_views(IMAGES)]).mean(0)
        torch.testing.assert_close(predict(own.rest, samples.inputs), expected, atol=0.02, rtol=0)
