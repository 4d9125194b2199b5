"""Tests of course_utils.models.layers."""

import pytest
import torch
from text_toys import babble, tiny_bert, tiny_gpt_backbone
from torch import nn
from toys import Net, one_thread, state  # noqa: F401, a fixture that works by being there

from course_utils.data.samples import Samples
from course_utils.models.classifier import Classifier, small_cnn
from course_utils.models.freezing import freeze
from course_utils.models.layers import layer_rates, text_layers
from course_utils.models.lora import add_lora
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.loop import fit
from course_utils.training.optimizers import parameter_groups


@pytest.fixture
def bert():
    return Classifier(tiny_bert(), nn.Linear(16, 2))


@pytest.fixture
def gpt():
    return Classifier(tiny_gpt_backbone(), nn.Linear(16, 2))


def rate_of_each(model, rates):
    """Name each trainable parameter with the rate that training would give it."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, rates)
    return {names[id(p)]: group["lr"] for group in groups for p in group["params"]}


class TestTextLayers:
    def test_go_from_input_to_output(self, bert, gpt):
        assert list(text_layers(bert.backbone)) == [
            "body.embeddings",
            "body.encoder.layer.0",
            "body.encoder.layer.1",
        ]
        assert list(text_layers(gpt.backbone)) == [
            *("body.token_embedding", "body.position_embedding"),
            *("body.blocks.0", "body.blocks.1", "body.norm"),
        ]

    @pytest.mark.parametrize("name", ["bert", "gpt"])
    def test_together_have_each_parameter_once(self, name, request):
        backbone = request.getfixturevalue(name).backbone
        found = [id(p) for layer in text_layers(backbone).values() for p in layer.parameters()]
        assert sorted(found) == sorted(id(p) for p in backbone.parameters())

    def test_are_the_modules_themselves(self, bert):
        for name, layer in text_layers(bert.backbone).items():
            assert bert.backbone.get_submodule(name) is layer

    def test_network_without_a_list_of_layers_is_refused(self):
        with pytest.raises(ValueError, match="backbone is Backbone, which has no list of layers"):
            text_layers(small_cnn().backbone)


class TestLayerRates:
    def test_each_layer_has_the_rate_above_divided_by_the_factor(self, bert):
        rates = layer_rates(bert, 1e-2, factor=2.0)
        assert list(rates.items()) == [
            ("backbone.body.embeddings", pytest.approx(1e-2 / 8)),
            ("backbone.body.encoder.layer.0", pytest.approx(1e-2 / 4)),
            ("backbone.body.encoder.layer.1", pytest.approx(1e-2 / 2)),
            ("head", 1e-2),
        ]

    def test_usual_factor_is_that_of_ulmfit(self, bert):
        rates = layer_rates(bert, 1.0)
        assert rates["backbone.body.encoder.layer.1"] == pytest.approx(1 / 2.6)
        assert rates["backbone.body.embeddings"] == pytest.approx(1 / 2.6**3)

    def test_embeddings_share_a_level_and_the_last_norm_goes_with_the_last_block(self, gpt):
        rates = layer_rates(gpt, 1.0, factor=2.0)
        levels = {name.removeprefix("backbone.body."): rate for name, rate in rates.items()}
        assert levels == {
            "token_embedding": 1 / 8,
            "position_embedding": 1 / 8,
            "blocks.0": 1 / 4,
            "blocks.1": 1 / 2,
            "norm": 1 / 2,
            "head": 1.0,
        }

    @pytest.mark.parametrize("name", ["bert", "gpt"])
    def test_every_parameter_gets_the_rate_of_its_own_layer(self, name, request):
        model = request.getfixturevalue(name)
        rates = layer_rates(model, 1e-3)
        found = rate_of_each(model, rates)
        assert found.keys() == dict(model.named_parameters()).keys()
        for parameter, rate in found.items():
            assert [rates[p] for p in rates if parameter.startswith(p + ".")] == [rate]

    def test_layer_10_is_not_taken_for_layer_1(self):
        model = Classifier(tiny_gpt_backbone(depth=11), nn.Linear(16, 2))
        found = rate_of_each(model, layer_rates(model, 1.0, factor=2.0))
        assert found["backbone.body.blocks.10.narrow.bias"] == 1 / 2
        assert found["backbone.body.blocks.1.narrow.bias"] == 1 / 2**10

    def test_frozen_layers_get_none(self, bert):
        first = list(text_layers(bert.backbone).values())[:2]
        for layer in first:
            freeze(layer)
        rates = layer_rates(bert, 1e-3)
        assert list(rates) == ["backbone.body.encoder.layer.1", "head"]
        assert rate_of_each(bert, rates).keys() == {
            name for name, p in bert.named_parameters() if p.requires_grad
        }

    def test_lora_gets_the_rate_of_its_layer(self, bert):
        add_lora(bert, rank=2, alpha=4)
        rates = layer_rates(bert, 1.0, factor=2.0)
        assert list(rates.values()) == [1 / 4, 1 / 2, 1.0]

    def test_training_with_them_moves_upper_layers_more(self, bert):
        texts, labels = babble(8)
        samples = Samples(bert.backbone.tokenize(texts, 24), labels)
        before = state(bert)
        rates = layer_rates(bert, 1e-2, factor=10)
        fit(bert, samples, CrossEntropy(), num_epochs=1, learning_rate=rates)  # one step of Adam
        after = state(bert)
        part = "attention.self.value.bias"
        names = [f"backbone.body.encoder.layer.{layer}.{part}" for layer in (0, 1)] + ["head.bias"]
        moved = [(after[name] - before[name]).abs().max() for name in names]
        # the first step of Adam is as long as the rate
        torch.testing.assert_close(
            torch.stack(moved), torch.tensor([1e-4, 1e-3, 1e-2]), rtol=0.02, atol=0
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((0.0,), "top_rate is 0.0; give a number above 0"),
            ((-1.0,), "top_rate is -1.0"),
            ((float("nan"),), "top_rate is nan"),
            ((1e-3, 0.5), "factor is 0.5; give 1 or more"),
        ],
    )
    def test_wrong_number_is_refused(self, bert, arguments, message):
        with pytest.raises(ValueError, match=message):
            layer_rates(bert, *arguments)

    def test_other_networks_are_refused(self):
        with pytest.raises(ValueError, match="backbone is Sequential, which has no list of layers"):
            layer_rates(Net(), 1e-3)
