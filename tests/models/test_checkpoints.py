"""Tests of course_utils.models.checkpoints."""

import json
import os
import random

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from toys import is_same, one_thread, state  # noqa: F401, a fixture

from course_utils.environment import cache
from course_utils.models.checkpoints import load_classifier, save_classifier
from course_utils.models.classifier import Backbone, Classifier, Preprocessing, small_cnn
from course_utils.models.freezing import freeze
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.inference import predict
from course_utils.models.lora import add_lora, lora_layers
from course_utils.models.lora_states import merge_lora, without_lora
from course_utils.models.surgery import adapt_input, cut_after, replace_head

IMAGES = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
CLASSES = ("functional", "cracked", "dark")


@pytest.fixture
def model():
    torch.manual_seed(3)
    return small_cnn(3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def saved(model, path):
    save_classifier(model, path, classes=CLASSES)
    return path


def changed(saved, weights=None, **about):
    """Write the file anew, as another program could."""
    with safe_open(saved, framework="pt") as file:
        known = json.loads(file.metadata()["classifier"])
    tensors = load_file(saved) | (weights or {})
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, saved, metadata={"classifier": json.dumps(known | about)})


def random_numbers():
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002


def with_head(model, head):
    model.head = head
    return model


def half_headed(model):
    model.head.bfloat16()
    return model


def sharing(model):
    """Weights that are views of others, and not in one piece."""
    both = torch.rand(64, 6)
    model.head.weight.data = both.T[:3]
    model.backbone.body[7].bias.data = both[:, 0]
    return model


CHANGES = {
    "head without bias": lambda model: with_head(model, nn.Linear(64, 3, bias=False)),
    "double": lambda model: model.double(),
    "bfloat16": lambda model: model.bfloat16(),
    "half": lambda model: model.half(),
    "head of another type": half_headed,
    "colours": lambda model: Classifier(adapt_input(model.backbone, 3), model.head),
    "frozen": freeze,
    "shared memory": sharing,
    "training mode": lambda model: model.train(),
}


class TestRoundTrip:
    def test_small_cnn_answers_the_same_after_loading(self, model, path):
        save_classifier(model, path, classes=CLASSES)
        found, classes = load_classifier(path)
        assert classes == CLASSES
        assert is_same(state(model), found)
        assert predict(found, IMAGES).equal(predict(model, IMAGES))
        assert not found.training

    @pytest.mark.parametrize("change", CHANGES)
    def test_what_can_be_saved_comes_back_bit_by_bit(self, change, model, path):
        model = CHANGES[change](model)
        before, modes = state(model), [part.training for part in model.modules()]
        numbers = random_numbers()
        save_classifier(model, path, classes=CLASSES)
        found, _ = load_classifier(path)
        assert random_numbers() == numbers
        assert is_same(before, found) and is_same(before, model)
        assert [part.training for part in model.modules()] == modes
        assert [w.dtype for w in found.parameters()] == [w.dtype for w in model.parameters()]
        assert all(weight.requires_grad for weight in found.parameters())

    def test_merged_lora_comes_back_as_plain_layers(self, model, path):
        add_lora(model, 2, 4, targets=["7"])
        for layer in lora_layers(model).values():
            nn.init.normal_(layer.B)
        merge_lora(model)
        save_classifier(model, path, classes=CLASSES)
        found, _ = load_classifier(path)
        assert not lora_layers(found)
        torch.testing.assert_close(predict(found, IMAGES), predict(model, IMAGES))

    @pytest.mark.parametrize(
        "classes",
        [
            np.array(["0", "1", "2"]),
            np.arange(3),
            torch.arange(3),
            [np.array("0"), np.str_("1"), torch.tensor(2)],
            (0, 1, 2),
            range(3),
        ],
    )
    def test_names_of_classes_become_texts(self, classes, model, path):
        save_classifier(model, path, classes=classes)
        assert load_classifier(path)[1] == ("0", "1", "2")

    def test_changed_input_statistics_name_and_preprocessing_come_back(self, path):
        torch.manual_seed(0)
        model = replace_head(imagenet_classifier("random", seed=1), 2, seed=0)
        adapt_input(model.backbone, 1)
        model.backbone.preprocessing = Preprocessing(1, 0.3, 0.2)
        model.backbone.name = "EfficientNet-Lite0, fine-tuned on solar cells"
        with torch.no_grad():
            model.train()(IMAGES)  # moves the running statistics of BatchNorm
        save_classifier(model, path, classes=("functional", "defective"))
        found, _ = load_classifier(path)
        assert is_same(state(model), found)
        assert found.backbone.name == model.backbone.name
        assert found.backbone.preprocessing == Preprocessing(1, 0.3, 0.2)
        torch.testing.assert_close(predict(found, IMAGES), predict(model, IMAGES))

    def test_saving_leaves_the_model_and_no_other_file(self, model, path):
        before = state(model)
        save_classifier(model, path, classes=CLASSES)
        save_classifier(model, path, classes=CLASSES)
        assert is_same(before, model)
        assert [file.name for file in path.parent.iterdir()] == [path.name]


def with_layer(model, place, layer):
    body = nn.Sequential(*model.backbone.body)
    if place < len(body):
        body[place] = layer
    else:
        body.append(layer)
    model.backbone.body = body
    return model


def with_nan(model):
    model.head.bias.data[:] = torch.nan
    return model


def with_preprocessing(model, preprocessing):
    model.backbone.preprocessing = preprocessing
    return model


class TestSaveClassifier:
    @pytest.mark.parametrize("classes", [(), ("one", "two"), ("a", "b", "c", "d")])
    def test_wrong_number_of_classes_is_refused(self, classes, model, path):
        with pytest.raises(ValueError, match=f"classes has {len(classes)} names for the head"):
            save_classifier(model, path, classes=classes)
        assert not path.exists()

    @pytest.mark.parametrize(
        ("classes", "message"),
        [
            (("a", "b", "a"), "classes has a name twice"),
            ((1, "1", 2), "classes has a name twice"),
            ("abc", "classes is a text; give a list"),
            ({"a", "b", "c"}, "classes is a set of length 3; give a list in the order"),
            ({"a": 0, "b": 1, "c": 2}, "classes is a dict of length 3"),
            ((True, False, "c"), "classes has True at position 0"),
            ((0.5, 1.5, 2.5), "classes has 0.5 at position 0"),
            ((None, "b", "c"), "classes has None at position 0"),
            (np.array([["a"], ["b"], ["c"]]), "classes has an array of shape .* at position 0"),
            (None, "classes is None"),
            (3, "classes is 3"),
        ],
    )
    def test_what_are_no_names_is_refused(self, classes, message, model, path):
        with pytest.raises((TypeError, ValueError), match=message):
            save_classifier(model, path, classes=classes)
        assert not list(path.parent.iterdir())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda m: m.backbone, "model is a Backbone without backbone; give a Classifier"),
            (lambda m: cut_after(m, "stage1")[1], "model.backbone is a Ending without body"),
            (lambda m: with_head(m, nn.Sequential(m.head)), "one name for each output of a line"),
            (lambda m: add_lora(m, 2, 4, targets=["7"]), "call merge_lora first, or keep lora_st"),
            (with_nan, r"model.head.bias has 3 numbers that are infinite or not a"),
            (lambda m: with_layer(m, 2, nn.GELU()), "answers otherwise .*a layer was changed, so"),
            (lambda m: with_layer(m, 9, nn.Linear(64, 64)), "body.9.bias has the shape .*only its"),
            (lambda m: with_layer(m, 7, nn.Linear(512, 64, bias=False)), "body.7.bias has the sh"),
            (lambda m: with_preprocessing(m, None), "preprocessing is None; give a Preprocessing"),
            (lambda m: with_preprocessing(m, Preprocessing(3, 0.1, 0.3)), "body.0.weight has the"),
        ],
    )
    def test_what_could_not_be_loaded_is_refused_before_a_file_is_touched(
        self, change, message, model, saved
    ):
        before = saved.read_bytes()
        with pytest.raises((TypeError, ValueError), match=message):
            save_classifier(change(model), saved, classes=CLASSES)
        assert saved.read_bytes() == before
        assert [file.name for file in saved.parent.iterdir()] == [saved.name]

    def test_lora_that_is_turned_off_is_refused(self, model, path):
        add_lora(model, 2, 4, targets=["7"])
        with without_lora(model), pytest.raises(ValueError, match="call merge_lora first, or keep"):
            save_classifier(model, path, classes=CLASSES)

    def test_folder_in_the_place_of_the_file_is_named(self, model, path):
        path.mkdir()
        with pytest.raises(IsADirectoryError, match=r"model\.safetensors: it is a folder; give a"):
            save_classifier(model, path, classes=CLASSES)
        with pytest.raises(FileNotFoundError, match=r"model\.safetensors, where no file is"):
            load_classifier(path)

    def test_folder_that_cannot_be_written_is_named_with_the_next_step(
        self, model, saved, monkeypatch
    ):
        before = saved.read_bytes()

        def refuse(*given, **settings):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "mkdir", refuse)
        with pytest.raises(OSError, match=r"cannot write .*model\.safetensors \(.*Permission den"):
            save_classifier(model, saved, classes=CLASSES)
        assert saved.read_bytes() == before

    def test_file_in_which_other_numbers_came_back_does_not_take_the_place(
        self, model, saved, monkeypatch
    ):
        before = saved.read_bytes()

        def write_wrong(tensors, path, metadata):
            save_file(tensors | {"head.bias": tensors["head.bias"] + 1}, path, metadata=metadata)

        monkeypatch.setattr(cache, "save_file", write_wrong)
        with pytest.raises(OSError, match=r"cannot write .*model\.safetensors \(other numbers cam"):
            save_classifier(model, saved, classes=CLASSES)
        assert saved.read_bytes() == before
        assert [file.name for file in saved.parent.iterdir()] == [saved.name]

    def test_unknown_architecture_is_refused(self, path):
        backbone = Backbone("mine", nn.Flatten(), 4, Preprocessing(1, 0.0, 1.0))
        with pytest.raises(ValueError, match="the backbone is 'mine'; only small_cnn, Efficient"):
            save_classifier(Classifier(backbone, nn.Linear(4, 3)), path, classes=CLASSES)
        assert not path.exists()

    def test_missing_folder_is_named(self, model, path):
        with pytest.raises(FileNotFoundError, match="make the folder .*missing first"):
            save_classifier(model, path.parent / "missing" / "x.safetensors", classes=CLASSES)

    def test_failed_write_keeps_the_old_file(self, model, path, monkeypatch):
        save_classifier(model, path, classes=CLASSES)
        before = path.read_bytes()

        def fail(tensors, path, metadata):
            raise OSError("disk full")

        monkeypatch.setattr(cache, "save_file", fail)
        with pytest.raises(OSError, match=r"cannot write .*model\.safetensors .*disk full"):
            save_classifier(model, path, classes=CLASSES)
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == [path.name]


class TestLoadClassifier:
    def test_missing_file_is_named(self, path):
        with pytest.raises(FileNotFoundError, match=r"model\.safetensors, where no file is"):
            load_classifier(path)

    @pytest.mark.parametrize("keep", [0, 5, 1000, -1])
    def test_damaged_file_is_refused(self, keep, model, path):
        save_classifier(model, path, classes=CLASSES)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(ValueError, match="holds no sound classifier .*save it again"):
            load_classifier(path)

    @pytest.mark.parametrize(
        "metadata",
        [
            None,
            {"classifier": "no json"},
            {"classifier": json.dumps({"name": "small_cnn"})},
            {"classifier": json.dumps({"name": "small_cnn", "classes": [], "preprocessing": 1})},
            {
                "classifier": json.dumps(
                    {
                        "name": "small_cnn",
                        "classes": list(CLASSES),
                        "preprocessing": {"channels": 1, "mean": 0.0, "std": 1.0},
                    }
                )
            },
        ],
    )
    def test_file_of_another_program_is_refused(self, metadata, path):
        save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
        with pytest.raises(ValueError, match="holds no sound classifier"):
            load_classifier(path)

    @pytest.mark.parametrize(
        ("about", "message"),
        [
            ({"classes": ["a", "b"]}, "head.bias has the shape"),
            ({"classes": list("aab")[:3]}, "a name twice"),
            ({"classes": [str(n) for n in range(100_000)]}, "head.bias has the shape"),
            ({"classes": 10**12}, "classes is 1000000000000; give a list"),
            ({"classes": [1.5, "b", "c"]}, "classes has 1.5"),
            ({"classes": None}, "classes is None"),
            ({"name": "ResNet"}, "the backbone is 'ResNet'"),
            ({"name": 3}, "the backbone is 3"),
            ({"name": "EfficientNet-Lite0"}, "has the shape"),
            ({"preprocessing": None}, ""),
            ({"preprocessing": {"channels": 1}}, "missing"),
            ({"preprocessing": {"channels": 10**15, "mean": 0.1, "std": 0.3}}, ""),
            ({"preprocessing": {"channels": 10**30, "mean": 0.1, "std": 0.3}}, ""),
            ({"preprocessing": {"channels": -1, "mean": 0.1, "std": 0.3}}, "channels is -1"),
            ({"preprocessing": {"channels": 1, "mean": "0", "std": 0.3}}, "mean is a text"),
            ({"preprocessing": {"channels": 1, "mean": 0.1, "std": 0.0}}, "std is 0"),
            ({"preprocessing": {"channels": 1, "mean": float("nan"), "std": 1.0}}, "mean is nan"),
        ],
    )
    def test_odd_words_about_a_file_are_refused_before_anything_large_is_made(
        self, about, message, saved
    ):
        changed(saved, **about)
        with pytest.raises(ValueError, match=f"holds no sound classifier .*{message}.*save it aga"):
            load_classifier(saved)

    @pytest.mark.parametrize(
        "weights",
        [
            {"head.bias": torch.full((3,), torch.nan)},
            {"head.bias": torch.zeros(4)},
            {"head.bias": torch.zeros(3, dtype=torch.int64)},
            {"head.bias": torch.zeros(3, dtype=torch.uint8)},
            {"head.weight": torch.zeros(3, 10**6)},
            {"head.weight": None},
            {"more": torch.zeros(1)},
        ],
    )
    def test_odd_tensors_are_refused(self, weights, saved):
        changed(saved, weights)
        with pytest.raises(ValueError, match="holds no sound classifier"):
            load_classifier(saved)

    def test_file_may_be_replaced_while_what_was_loaded_is_in_use(self, model, saved):
        found, _ = load_classifier(saved)
        before = state(found)
        model.head.bias.data += 1
        save_classifier(model, saved, classes=CLASSES)
        assert is_same(before, found)
        assert load_classifier(saved)[0].head.bias.equal(model.head.bias)
