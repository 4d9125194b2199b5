"""Tests of course_utils.checkpoints."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from toys import is_same, one_thread, state  # noqa: F401, a fixture

from course_utils.environment import cache
from course_utils.models.checkpoints import load_classifier, save_classifier
from course_utils.models.classifier import Backbone, Classifier, Preprocessing, small_cnn
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.inference import predict
from course_utils.models.surgery import adapt_input, replace_head

IMAGES = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
CLASSES = ("functional", "cracked", "dark")


@pytest.fixture
def model():
    torch.manual_seed(3)
    return small_cnn(3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


class TestRoundTrip:
    def test_small_cnn_answers_the_same_after_loading(self, model, path):
        save_classifier(model, path, classes=CLASSES)
        found, classes = load_classifier(path)
        assert classes == CLASSES
        assert is_same(state(model), found)
        assert predict(found, IMAGES).equal(predict(model, IMAGES))
        assert not found.training

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


class TestSaveClassifier:
    @pytest.mark.parametrize("classes", [(), ("one", "two"), ("a", "b", "c", "d")])
    def test_wrong_number_of_classes_is_refused(self, classes, model, path):
        with pytest.raises(ValueError, match=f"classes has {len(classes)} names for the head"):
            save_classifier(model, path, classes=classes)
        assert not path.exists()

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
