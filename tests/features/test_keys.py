"""Tests of course_utils.features.keys: another answer never has the same key."""

import functools
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import MethodType

import pytest
import torch
from text_toys import SENTENCES, tiny_bert, tiny_gpt_backbone
from torch import nn
from torch.nn.utils import spectral_norm
from torch.nn.utils.parametrize import register_parametrization
from toys import one_thread  # noqa: F401, a fixture

from course_utils.features import extraction
from course_utils.features.extraction import extract_features, stage_features, text_features
from course_utils.features.keys import cached_answer, model_fingerprint
from course_utils.features.prefix import FrozenStages
from course_utils.models.classifier import Backbone, Preprocessing, small_cnn
from course_utils.models.freezing import freeze, unfreeze
from course_utils.models.lora import add_lora
from course_utils.models.lora_states import merge_lora, without_lora

IMAGES = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
SCALE = 1.0


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    return tmp_path


class Body(nn.Module):
    """All that a body may depend on and that is no weight."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 4)
        self.register_buffer("shift", torch.zeros(4), persistent=False)
        self.factor = 1.0
        self._power = 1
        self.names = ("same",)
        self.table = {"add": torch.zeros(4)}
        self.activation = lambda x: x.abs()

    def forward(self, inputs):
        outputs = self.factor * self.layer(inputs.flatten(1)) ** self._power + self.shift
        outputs = self.activation(outputs + self.table["add"])
        return SCALE * (outputs if self.names == ("same",) else outputs.flip(1))


def make_backbone():
    torch.manual_seed(0)
    return Backbone("own", Body(), 4, Preprocessing(1, mean=0.5, std=0.5))


def doubled(module, given, made):
    return 2 * made


def with_closure(factor):
    return lambda module, given, made: factor * made


class Other(Body):
    def forward(self, inputs):
        return super().forward(inputs) + 1


def to_other_class(backbone):
    backbone.body.__class__ = Other


def autocast_is_a_state_of_torch(backbone):
    torch.set_autocast_enabled("cpu", True)


CHANGES = {
    "a number in an attribute": lambda b: setattr(b.body, "factor", 2.0),
    "a private attribute": lambda b: setattr(b.body, "_power", 2),
    "a tuple": lambda b: setattr(b.body, "names", ("another",)),
    "a tensor in a dict": lambda b: b.body.table["add"].add_(1),
    "a buffer that is not saved": lambda b: b.body.shift.add_(1),
    "a function": lambda b: setattr(b.body, "activation", lambda x: x.exp()),
    "a constant in a function": lambda b: setattr(b.body, "activation", lambda x: x.abs() + 3),
    "a partial": lambda b: setattr(b.body, "activation", functools.partial(torch.clamp, min=0.1)),
    "a function of torch": lambda b: setattr(b.body, "activation", torch.tanh),
    "a hook": lambda b: b.body.register_forward_hook(doubled),
    "a hook of one layer": lambda b: b.body.layer.register_forward_hook(with_closure(3.0)),
    "a hook before": lambda b: b.register_forward_pre_hook(lambda m, given: (given[0] / 2,)),
    "a method of one object": lambda b: setattr(
        b.body, "forward", MethodType(lambda self, x: self.layer(x.flatten(1)), b.body)
    ),
    "another class": to_other_class,
    "a parametrization": lambda b: register_parametrization(b.body.layer, "weight", Doubled()),
    "an old spectral norm": lambda b: spectral_norm(b.body.layer),
    "a layer around a layer": lambda b: setattr(b.body, "layer", Rounded(b.body.layer)),
    "reduced precision": autocast_is_a_state_of_torch,
    "a global of a function": lambda b: globals().__setitem__("SCALE", 5.0),
}


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


class Rounded(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, inputs):
        return self.layer(inputs).round(decimals=1)


class TestAnotherAnswer:
    @pytest.fixture(autouse=True)
    def restored(self, monkeypatch):
        monkeypatch.setitem(globals(), "SCALE", 1.0)
        yield
        torch.set_autocast_enabled("cpu", False)

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_is_computed_anew(self, change):
        backbone = make_backbone()
        first = extract_features(backbone, IMAGES)
        change(backbone)
        expected = extract_features(backbone, IMAGES, use_cache=False)
        assert not expected.allclose(first)
        assert extract_features(backbone, IMAGES).equal(expected)

    def test_lora_on_off_or_merged_is_told_apart(self):
        torch.manual_seed(0)
        backbone = small_cnn().backbone
        add_lora(backbone, 2, 4.0, targets=["7"])
        backbone.body[7].B.data.normal_()
        with_it = extract_features(backbone, IMAGES)
        stages = stage_features(backbone, IMAGES)["last"]
        with without_lora(backbone):
            without = extract_features(backbone, IMAGES)
            assert without.equal(extract_features(backbone, IMAGES, use_cache=False))
            assert not stage_features(backbone, IMAGES)["last"].allclose(stages)
        assert not with_it.allclose(without)
        assert extract_features(backbone, IMAGES).equal(with_it)
        merge_lora(backbone)
        expected = extract_features(backbone, IMAGES, use_cache=False)
        assert extract_features(backbone, IMAGES).equal(expected)

    def test_lora_of_a_text_backbone_is_told_apart(self):
        backbone = tiny_bert()
        add_lora(backbone, 2, 4.0)
        for name, weight in backbone.named_parameters():
            if name.endswith(".B"):
                weight.data.normal_()
        first = text_features(backbone, SENTENCES, max_tokens=24)
        with without_lora(backbone):
            assert not text_features(backbone, SENTENCES, max_tokens=24).allclose(first)

    def test_stages_and_activations_see_an_attribute_too(self):
        model = small_cnn()
        first = stage_features(model.backbone, IMAGES)["stage1"]
        kept = FrozenStages(model, after="stage1").activations(IMAGES)
        model.backbone.body[1].stride = 1  # a number, no weight
        model.backbone.body[1].kernel_size = 1
        assert stage_features(model.backbone, IMAGES)["stage1"].shape == first.shape
        assert not stage_features(model.backbone, IMAGES)["stage1"].allclose(first)
        assert FrozenStages(model, after="stage1").activations(IMAGES).shape != kept.shape

    def test_hook_for_all_modules_is_seen(self):
        backbone = make_backbone()
        before = model_fingerprint(backbone)
        handle = nn.modules.module.register_module_forward_hook(doubled)
        during = model_fingerprint(backbone)
        handle.remove()
        assert during != before == model_fingerprint(backbone)

    def test_type_of_the_images_is_in_the_key(self, folder):
        extract_features(make_backbone(), IMAGES)
        found = extract_features(make_backbone().double(), IMAGES.double())
        assert found.dtype == torch.float32
        assert len(list(folder.glob("*.safetensors"))) == 2


class TestTheSameAnswer:
    @pytest.mark.parametrize("make", [make_backbone, small_cnn, tiny_bert, tiny_gpt_backbone])
    def test_copies_and_use_do_not_change_the_key(self, make):
        model = make()
        key = model_fingerprint(model)
        assert key is not None
        assert model_fingerprint(deepcopy(model)) == key
        if hasattr(model, "tokenizer"):
            text_features(model, SENTENCES, max_tokens=24, use_cache=False)
        else:
            model(IMAGES)
        assert model_fingerprint(model) == key

    def test_mode_and_gradients_and_freezing_do_not_change_the_key(self):
        torch.manual_seed(0)
        body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten())
        backbone = Backbone("normed", body, 72, Preprocessing(1, 0.0, 1.0))
        key = model_fingerprint(backbone)
        assert model_fingerprint(backbone.eval()) == key
        assert model_fingerprint(freeze(backbone)) == key
        assert model_fingerprint(unfreeze(backbone).train()) == key
        backbone(IMAGES).sum().backward()
        body[1].reset_running_stats()
        assert model_fingerprint(backbone) == key

    @pytest.mark.slow
    def test_another_process_finds_the_same_key(self):
        places = [str(folder) for folder in list(Path(__file__).parents)[:2]]
        code = (
            f"import sys; sys.path += {places}; from test_keys import *; "
            "print(model_fingerprint((make_backbone(), {'a', 'b'}, len)))"
        )
        found = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(2)]
        assert found[0] == found[1] != "None\n"


class Opaque:
    def __reduce_ex__(self, protocol):
        raise RuntimeError("asked what it is made of")


class TestWhatCannotBeWrittenDown:
    def make(self, tmp_path):
        yield Opaque()
        with (tmp_path / "log").open("w", encoding="utf-8") as file:
            yield file
        yield (number for number in range(3))

    def test_nothing_is_stored_and_nothing_fails(self, tmp_path, folder):
        for thing in self.make(tmp_path):
            backbone = make_backbone()
            backbone.body.thing = thing
            assert model_fingerprint(backbone) is None
            first = extract_features(backbone, IMAGES)
            backbone.body.factor = 2.0
            assert not extract_features(backbone, IMAGES).allclose(first)
            assert not list(folder.glob("*.safetensors"))

    def test_text_features_are_computed_as_well(self, folder):
        backbone = tiny_gpt_backbone()
        backbone.thing = Opaque()
        text_features(backbone, SENTENCES, max_tokens=24)
        assert not list(folder.glob("*.safetensors"))


class TestCachedAnswer:
    def test_kind_model_and_values_make_the_file(self, folder):
        for kind, values in (("a", 1), ("b", 1), ("a", (1,)), ("a", 1)):
            cached_answer(kind, nn.Identity(), values, lambda: torch.zeros(1))
        assert len(list(folder.glob("*.safetensors"))) == 3

    def test_all_features_of_the_course_pass_through_it(self):
        assert extraction.cached_answer is cached_answer
