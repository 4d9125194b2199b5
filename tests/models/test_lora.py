"""Tests of course_utils.models.lora: the algebra, and the library peft as second implementation."""

import re

import numpy as np
import pytest
import torch
from text_toys import SENTENCES, babble, tiny_bert, tiny_gpt_backbone
from torch import nn
from torch.nn.utils import parametrizations
from toys import is_same, one_thread, state  # noqa: F401, a fixture that works by being there

from course_utils.data.samples import Samples
from course_utils.models.classifier import Classifier, small_cnn
from course_utils.models.freezing import freeze, unfreeze
from course_utils.models.inference import predict
from course_utils.models.lora import LoRALinear, add_lora, lora_layers
from course_utils.models.lora_states import (
    check_can_learn,
    load_lora,
    lora_state,
    merge_lora,
    unmerge_lora,
    without_lora,
)
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

RANK, ALPHA = 2, 8.0


def new_model():
    torch.manual_seed(5)
    model = Classifier(tiny_bert(), nn.Linear(16, 2))
    nn.init.normal_(model.head.weight)
    return model.eval()


@pytest.fixture
def model():
    return new_model()


@pytest.fixture
def tokens(model):
    return model.backbone.tokenize(SENTENCES, 24)


def randomise(model, seed=1):
    """Give A and B values as training would: B is no longer zero."""
    generator = torch.Generator().manual_seed(seed)
    for layer in lora_layers(model).values():
        layer.A.data = torch.randn(layer.A.shape, generator=generator)
        layer.B.data = torch.randn(layer.B.shape, generator=generator)
    return model


def trainable(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def named(layer, other=None):
    return nn.ModuleDict({"layer": layer} | ({} if other is None else {"other": other}))


def tied():
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    second.weight = first.weight
    return first, second


def unfreeze_norms(model):
    for part in model.modules():
        if isinstance(part, nn.LayerNorm):
            unfreeze(part)
    return model


def properties(model):
    """Everything that a refused call must leave as it is."""
    hooks = [list(part._forward_pre_hooks) for part in model.modules()]
    modes = [part.training for part in model.modules()]
    weights = [(name, weight, weight.requires_grad) for name, weight in model.named_parameters()]
    weights = [(name, id(weight), learns) for name, weight, learns in weights]
    return str(model), hooks, modes, weights, torch.get_rng_state().tolist()


def check_nothing_happens(model, message, **arguments):
    """Call `add_lora`, and look that it refuses and leaves all as it was."""
    before = properties(model)
    with pytest.raises((TypeError, ValueError), match=message):
        add_lora(model, **arguments)
    assert properties(model) == before


class TestLoRALinear:
    @pytest.fixture
    def layer(self):
        torch.manual_seed(0)
        layer = LoRALinear(nn.Linear(6, 4), rank=3, alpha=12, seed=0)
        layer.B.data = torch.randn(4, 3)
        return layer

    def test_is_the_layer_with_w_plus_alpha_over_r_times_b_a(self, layer):
        x = torch.randn(5, 7, 6)
        w = layer.base.weight + 12 / 3 * layer.B @ layer.A
        torch.testing.assert_close(layer(x), x @ w.T + layer.base.bias)
        torch.testing.assert_close(layer.correction(), 4 * layer.B @ layer.A)

    def test_starts_as_the_base(self):
        base = nn.Linear(6, 4)
        x = torch.randn(3, 6)
        before = base(x)
        assert torch.equal(LoRALinear(base, rank=2, alpha=4)(x), before)

    def test_a_is_drawn_as_torch_starts_a_linear_layer_and_b_is_zero(self):
        layer = LoRALinear(nn.Linear(400, 30), rank=20, alpha=4, seed=0)
        bound = 1 / 400**0.5
        assert layer.A.abs().max() <= bound
        assert layer.A.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)  # uniform
        assert not layer.B.any()

    @pytest.mark.parametrize(("d", "k", "rank"), [(4, 6, 1), (4, 6, 4), (30, 5, 3)])
    def test_has_r_times_d_plus_k_trainable_numbers(self, d, k, rank):
        layer = LoRALinear(nn.Linear(k, d), rank=rank, alpha=1)
        numbers = sum(p.numel() for p in layer.parameters() if p.requires_grad)
        assert numbers == rank * (d + k)

    def test_gradients_at_the_start_reach_b_and_not_yet_a(self):
        """The product rule: dL/dA has the factor B, which is zero."""
        layer = LoRALinear(nn.Linear(6, 4), rank=2, alpha=4, seed=0)
        layer(torch.randn(3, 6)).square().sum().backward()
        assert layer.B.grad.any()
        assert not layer.A.grad.any()
        assert layer.base.weight.grad is None
        assert layer.base.bias.grad is None

    def test_seed_makes_a_reproducible_and_leaves_the_global_numbers_alone(self):
        before = torch.get_rng_state()
        base = nn.Linear(6, 4)
        torch.set_rng_state(before)
        layers = [LoRALinear(base, 2, 4, seed=seed) for seed in (3, 3, 4)]
        assert torch.equal(before, torch.get_rng_state())
        assert layers[0].A.equal(layers[1].A)
        assert not layers[0].A.equal(layers[2].A)

    def test_text_shows_rank_and_scale(self, layer):
        assert "rank=3, scale=4" in repr(layer)

    @pytest.mark.parametrize("rank", [0, -1, 5])
    def test_impossible_rank_is_refused(self, rank):
        with pytest.raises(ValueError, match=f"rank is {rank}; give 1 to 4 for a layer of this s"):
            LoRALinear(nn.Linear(6, 4), rank=rank, alpha=1)

    @pytest.mark.parametrize("alpha", [0, -1.0, float("nan"), float("inf")])
    def test_impossible_alpha_is_refused(self, alpha):
        with pytest.raises(ValueError, match=f"alpha is {alpha}; give a number above 0"):
            LoRALinear(nn.Linear(6, 4), rank=2, alpha=alpha)

    def test_other_layers_are_refused(self):
        with pytest.raises(TypeError, match="base is a Conv2d; give a torch.nn.Linear"):
            LoRALinear(nn.Conv2d(1, 1, 1), rank=1, alpha=1)
        with pytest.raises(TypeError, match="base is a ParametrizedLinear; give"):
            LoRALinear(parametrizations.weight_norm(nn.Linear(6, 4)), rank=1, alpha=1)
        with pytest.raises(ValueError, match="base has a weight that is no float parameter"):
            LoRALinear(nn.utils.spectral_norm(nn.Linear(6, 4)), rank=1, alpha=1)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_type_is_that_of_the_base_and_the_seed_gives_the_same_numbers(self, dtype):
        layer = LoRALinear(nn.Linear(6, 4).to(dtype), np.int64(2), np.float32(4), seed=3)
        assert {weight.dtype for weight in layer.parameters()} == {dtype}
        assert layer.A.equal(LoRALinear(nn.Linear(6, 4), 2, 4, seed=3).A.to(dtype))
        assert layer(torch.ones(1, 6, dtype=dtype)).dtype == dtype

    def test_a_module_that_reads_its_weight_gets_the_corrected_one(self, layer):
        """As the fast path of torch's transformer does in evaluation mode."""
        x = torch.randn(5, 6)
        read = nn.functional.linear(x, layer.weight, layer.bias)
        torch.testing.assert_close(read, layer(x))
        read.sum().backward()
        assert layer.A.grad.any() and layer.B.grad.any()


class TestAddLora:
    def test_step_0_gives_the_output_of_the_base(self, model, tokens):
        before = predict(model, tokens)
        add_lora(model, RANK, ALPHA)
        assert predict(model, tokens).equal(before)

    def test_query_and_value_of_each_layer_get_one(self, model):
        add_lora(model, RANK, ALPHA)
        assert list(lora_layers(model)) == [
            f"backbone.body.encoder.layer.{layer}.attention.self.{target}"
            for layer in (0, 1)
            for target in ("query", "value")
        ]

    def test_only_a_and_b_and_the_head_may_learn(self, model):
        add_lora(model, RANK, ALPHA)
        matrices = {f"{name}.{matrix}" for name in lora_layers(model) for matrix in "AB"}
        assert trainable(model) == matrices | {"head.weight", "head.bias"}
        numbers = sum(model.get_parameter(name).numel() for name in matrices)
        assert numbers == 4 * RANK * (16 + 16)

    def test_training_moves_them_and_nothing_else(self, model):
        add_lora(model, RANK, ALPHA)
        texts, labels = babble(40)
        samples = Samples(model.backbone.tokenize(texts, 24), labels)
        before, free = state(model), trainable(model)
        rates = {"backbone": 3e-2, "head": 1e-2}
        fit(model, samples, CrossEntropy(), num_epochs=6, learning_rate=rates, batch_size=8)
        after = state(model)
        assert {name for name in after if not after[name].equal(before[name])} == free
        assert evaluate(model, samples).accuracy > 0.9

    def test_backbone_alone_is_accepted(self):
        backbone = add_lora(tiny_gpt_backbone(), RANK, ALPHA, targets=("qkv",))
        assert list(lora_layers(backbone)) == [f"body.blocks.{n}.attention.qkv" for n in (0, 1)]

    def test_seed_decides_about_all_matrices(self):
        models = [add_lora(new_model(), RANK, ALPHA, seed=seed) for seed in (0, 0, 1)]
        first, same, other = ([x.A for x in lora_layers(m).values()] for m in models)
        assert all(a.equal(b) for a, b in zip(first, same, strict=True))
        assert not any(a.equal(b) for a, b in zip(first, other, strict=True))
        assert not first[0].equal(first[1])  # each layer has its own

    def test_global_numbers_stay(self, model):
        before = torch.get_rng_state()
        add_lora(model, RANK, ALPHA)
        assert torch.equal(before, torch.get_rng_state())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"rank": 0}, "rank is 0; give 1 to 16"),
            ({"rank": -3}, "rank is -3"),
            ({"alpha": 0}, "alpha is 0"),
            ({"targets": ("querry",)}, r"targets is \['querry'\]; the linear layers .*'query'"),
            ({"targets": ()}, r"targets is \[\]; the linear layers"),
            ({"targets": ("query", "head")}, "the linear layers of the model are"),
            ({"rank": 2.5}, "rank is 2.5; give a whole number"),
            ({"rank": True}, "rank is True; give a whole number"),
            ({"rank": "8"}, "rank is a text; give a whole number"),
            ({"alpha": "16"}, "alpha is a text; give a number"),
            ({"alpha": None}, "alpha is None; give a number"),
            ({"seed": 0.5}, "seed is 0.5; give a whole number"),
            ({"seed": -1}, "seed is -1; give 0 or more"),
            ({"targets": "query"}, "targets is a text; give a list of texts"),
            ({"targets": [0]}, "targets has 0 at position 0"),
        ],
    )
    def test_wrong_argument_is_refused_and_changes_nothing(self, model, arguments, message):
        check_nothing_happens(model, message, **({"rank": RANK, "alpha": ALPHA} | arguments))

    @pytest.mark.parametrize(
        ("make", "target", "message"),
        [
            (lambda: nn.MultiheadAttention(8, 2), "out_proj", "a NonDynamicallyQuantizableLinear;"),
            (lambda: nn.TransformerEncoderLayer(8, 2), "out_proj", "has self_attn.out_proj, a Non"),
            (lambda: named(nn.LazyLinear(4)), "layer", "has layer, a LazyLinear; choose torch.nn"),
            (
                lambda: named(parametrizations.spectral_norm(nn.Linear(8, 8))),
                "layer",
                "has layer, a ParametrizedLinear",
            ),
            (lambda: named(nn.utils.spectral_norm(nn.Linear(8, 8))), "layer", "layer has a weight"),
            (lambda: named(*[nn.Linear(8, 8)] * 2), "layer", "layer, which shares its weight"),
            (lambda: named(*tied()), "layer", "layer, which shares its weight"),
            (lambda: nn.Linear(8, 8), "", r"the linear layers of the model are \[\]"),
        ],
    )
    def test_layers_that_cannot_be_replaced_are_refused_before_any_change(
        self, make, target, message
    ):
        check_nothing_happens(make(), message, rank=2, alpha=4, targets=[target])

    def test_weight_that_the_head_shares_is_refused(self):
        model = Classifier(nn.Sequential(nn.Linear(4, 4)), nn.Linear(4, 4))
        model.head.weight = model.backbone[0].weight
        check_nothing_happens(model, "0, which shares its weight", rank=1, alpha=4, targets=["0"])

    def test_what_is_no_model_is_refused(self):
        with pytest.raises(TypeError, match="model is None; give a torch.nn.Module"):
            add_lora(None, RANK, ALPHA)

    @pytest.mark.parametrize("mode", [True, False])
    def test_feed_forward_layers_of_torch_s_transformer_can_be_tuned(self, mode):
        """In evaluation mode torch takes a fast path, which reads the weights of these layers."""
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        inputs = torch.randn(3, 5, 8)
        randomise(add_lora(layer, 2, 4, targets=["linear1", "linear2"]))
        with torch.no_grad():
            found = layer.train(mode)(inputs)
            torch.testing.assert_close(found, merge_lora(layer)(inputs), atol=1e-5, rtol=1e-5)

    def test_statistics_are_held_and_dropout_goes_on_unless_it_was_frozen_before(self):
        def make():
            return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())

        for model, drops in ((make(), True), (freeze(make()), False)):
            add_lora(model, 1, 4, targets=["0"]).train()
            inputs, before = torch.randn(6, 4), state(model)
            assert model(inputs).equal(model(inputs)) is not drops
            assert is_same(before, model)

    def test_second_time_is_refused(self, model):
        add_lora(model, RANK, ALPHA)
        with pytest.raises(ValueError, match="model has LoRA layers already"):
            add_lora(model, RANK, ALPHA)

    def test_network_without_such_layers_is_refused(self):
        with pytest.raises(ValueError, match=re.escape("the linear layers of the model are ['7']")):
            add_lora(small_cnn(), RANK, ALPHA)


class TestMerge:
    @pytest.fixture
    def trained(self, model):
        return randomise(add_lora(model, RANK, ALPHA))

    def test_outputs_stay_the_same(self, trained, tokens):
        before = predict(trained, tokens)
        merge_lora(trained)
        assert all(layer.is_merged for layer in lora_layers(trained).values())
        torch.testing.assert_close(predict(trained, tokens), before, atol=1e-5, rtol=1e-5)

    def test_merged_weights_alone_give_the_outputs(self, trained, tokens):
        """A merged model needs no LoRA: its weights fit into a plain one."""
        before = predict(trained, tokens)
        plain = new_model()
        merged = {n.replace("base.", ""): t for n, t in state(merge_lora(trained)).items()}
        plain.load_state_dict({n: t for n, t in merged.items() if not n.endswith((".A", ".B"))})
        torch.testing.assert_close(predict(plain, tokens), before, atol=1e-5, rtol=1e-5)

    def test_merging_twice_is_merging_once(self, trained):
        once = state(merge_lora(trained))
        assert is_same(once, merge_lora(trained))

    def test_unmerging_gives_weights_and_outputs_back(self, trained, tokens):
        weights, before = state(trained), predict(trained, tokens)
        unmerge_lora(merge_lora(trained))
        for name, value in state(trained).items():
            torch.testing.assert_close(value, weights[name], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(predict(trained, tokens), before, atol=1e-5, rtol=1e-5)

    def test_unmerging_what_is_not_merged_changes_nothing(self, trained):
        before = state(trained)
        assert is_same(before, unmerge_lora(trained))

    @pytest.mark.parametrize("change", [merge_lora, unmerge_lora])
    def test_layers_that_are_turned_off_are_refused_and_stay(self, trained, change):
        before = state(trained)
        with without_lora(trained), pytest.raises(ValueError, match="turned off; leave without_l"):
            change(trained)
        assert is_same(before, trained)

    def test_correction_that_is_not_finite_is_refused_before_any_weight_is_lost(self, trained):
        list(lora_layers(trained).values())[-1].B.data[0, 0] = torch.inf
        before = state(trained)
        with pytest.raises(ValueError, match=r"the correction of .*layer\.1.*value has .* numbers"):
            merge_lora(trained)
        assert is_same(before, trained)
        assert not any(layer.is_merged for layer in lora_layers(trained).values())

    @pytest.mark.parametrize("change", [merge_lora, unmerge_lora, lora_state])
    def test_model_without_lora_is_refused(self, model, change):
        with pytest.raises(ValueError, match="model has no LoRA layer; call add_lora first"):
            change(model)


class TestWithoutLora:
    def test_model_answers_as_before_and_then_as_after(self, model, tokens):
        base = predict(model, tokens)
        randomise(add_lora(model, RANK, ALPHA))
        changed = predict(model, tokens)
        assert not torch.allclose(base, changed)
        with without_lora(model):
            assert predict(model, tokens).equal(base)
            with without_lora(model):
                pass
            assert predict(model, tokens).equal(base)
        assert predict(model, tokens).equal(changed)

    def test_comes_back_after_an_error(self, model, tokens):
        randomise(add_lora(model, RANK, ALPHA))
        changed = predict(model, tokens)
        with pytest.raises(KeyError), without_lora(model):
            raise KeyError
        assert predict(model, tokens).equal(changed)

    def test_merged_model_is_refused(self, model):
        merge_lora(add_lora(model, RANK, ALPHA))
        with pytest.raises(ValueError, match="model has merged LoRA layers; call unmerge_lora"):
            with without_lora(model):
                pass


class TestCheckCanLearn:
    def test_merged_and_turned_off_layers_are_refused_by_name_of_the_cure(self, model):
        check_can_learn(model)  # without LoRA there is nothing to check
        check_can_learn(add_lora(model, RANK, ALPHA))
        with without_lora(model), pytest.raises(ValueError, match="leave without_lora first"):
            check_can_learn(model)
        with pytest.raises(ValueError, match="model has merged LoRA layers; call unmerge_lora"):
            check_can_learn(merge_lora(model))
        check_can_learn(unmerge_lora(model))

    def test_text_of_a_layer_shows_its_state(self, model):
        """Stored features have the text of a network in their key."""
        text = str(add_lora(model, RANK, ALPHA).backbone.body)
        with without_lora(model):
            assert str(model.backbone.body) == text.replace("scale=4", "scale=4, turned off")
        assert str(merge_lora(model).backbone.body) == text.replace("scale=4", "scale=4, merged")


class TestLoraState:
    def test_round_trip_through_a_new_model(self, model, tokens):
        randomise(add_lora(model, RANK, ALPHA))
        nn.init.normal_(model.head.bias)
        saved = lora_state(model)
        other = add_lora(new_model(), RANK, ALPHA, seed=9)
        assert not torch.allclose(predict(other, tokens), predict(model, tokens))
        load_lora(other, saved)
        assert predict(other, tokens).equal(predict(model, tokens))

    def test_has_the_small_matrices_and_the_head_and_nothing_else(self, model):
        add_lora(model, RANK, ALPHA)
        assert lora_state(model).keys() == trainable(model)
        assert sum(t.numel() for t in lora_state(model).values()) == 4 * RANK * 32 + 34

    def test_has_what_else_may_learn(self, model, tokens):
        def build():
            return unfreeze_norms(add_lora(new_model(), RANK, ALPHA))

        trained = randomise(build())
        trained.backbone.body.embeddings.LayerNorm.weight.data += 1
        again = load_lora(build(), lora_state(trained))
        assert predict(again, tokens).equal(predict(trained, tokens))

    def test_is_a_copy(self, model):
        saved = lora_state(add_lora(model, RANK, ALPHA))
        model.head.bias.data += 1
        assert not saved["head.bias"].equal(model.head.bias)

    @pytest.mark.parametrize(
        ("rank", "drop", "message"),
        [
            (3, None, r"state has \(2, 16\) for backbone.+query.A and the model has \(3, 16\)"),
            (RANK, "head.bias", r"state has nothing for head.bias and the model has \(2,\)"),
        ],
    )
    def test_state_of_another_model_is_refused_and_changes_nothing(
        self, model, rank, drop, message
    ):
        saved = lora_state(add_lora(model, RANK, ALPHA))
        saved.pop(drop, None)
        other = add_lora(new_model(), rank, ALPHA)
        before = state(other)
        with pytest.raises(ValueError, match=message):
            load_lora(other, saved)
        assert is_same(before, other)

    def test_part_that_the_model_lacks_is_refused(self, model):
        saved = lora_state(add_lora(model, RANK, ALPHA)) | {"more": torch.zeros(1)}
        with pytest.raises(ValueError, match="for more and the model has no such part"):
            load_lora(model, saved)

    @pytest.mark.parametrize(
        ("state_of", "message"),
        [
            (lambda saved: None, "state is None; give what lora_state returned"),
            (list, "state is a list of length 10; give what"),
            (lambda saved: saved | {"head.bias": "text"}, r"state\['head.bias'\] is a text"),
            (
                lambda saved: saved | {"head.bias": torch.full((2,), torch.nan)},
                r"state\['head.bias'\] has 2 numbers that are infinite or not a number",
            ),
        ],
    )
    def test_what_is_no_state_is_refused_and_changes_nothing(self, model, state_of, message):
        given = state_of(lora_state(add_lora(model, RANK, ALPHA)))
        randomise(model)
        before = state(model)
        with pytest.raises((TypeError, ValueError), match=message):
            load_lora(model, given)
        assert is_same(before, model)

    def test_merged_model_takes_no_state(self, model):
        saved = lora_state(add_lora(model, RANK, ALPHA))
        with pytest.raises(ValueError, match="model has merged LoRA layers"):
            load_lora(merge_lora(model), saved)


def with_peft(model, rank, alpha, targets=("query", "value")):
    """Change the model as `add_lora` does, with the library peft instead of our own lines."""
    from peft import LoraConfig, inject_adapter_in_model  # takes seconds to import

    settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets))
    inject_adapter_in_model(settings, getattr(model, "backbone", model))
    return model


class TestAgainstPeft:
    @pytest.fixture
    def pair(self):
        """Return our LoRA and that of peft with the same A and B."""
        ours, theirs = add_lora(new_model(), RANK, ALPHA), with_peft(new_model(), RANK, ALPHA)
        parts = dict(theirs.named_modules())
        for name, layer in lora_layers(randomise(ours)).items():
            parts[name].lora_A.default.weight.data = layer.A.data.clone()
            parts[name].lora_B.default.weight.data = layer.B.data.clone()
        return ours, theirs

    def test_same_matrices_give_the_same_outputs(self, pair, tokens):
        ours, theirs = (predict(model, tokens) for model in pair)
        assert not torch.allclose(ours, predict(new_model(), tokens), atol=1e-2)
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)

    def test_same_matrices_give_the_same_gradients(self, pair, tokens):
        for model in pair:
            model(tokens).square().sum().backward()
        ours, theirs = pair
        for name in trainable(ours):
            part, _, matrix = name.rpartition(".")
            peft_name = f"{part}.lora_{matrix}.default.weight" if matrix in "AB" else name
            expected = theirs.get_parameter(peft_name).grad
            torch.testing.assert_close(
                ours.get_parameter(name).grad, expected, atol=1e-4, rtol=1e-4
            )

    def test_merged_weights_are_the_same(self, pair):
        from peft.tuners.lora import LoraLayer

        ours, theirs = pair
        merge_lora(ours)
        parts = dict(theirs.named_modules())
        assert sum(isinstance(part, LoraLayer) for part in parts.values()) == 4
        for name, layer in lora_layers(ours).items():
            parts[name].merge()
            merged = parts[name].base_layer.weight
            torch.testing.assert_close(layer.base.weight, merged, atol=1e-5, rtol=1e-5)

    def test_as_many_numbers_learn(self, pair):
        counts = [sum(m.get_parameter(n).numel() for n in trainable(m)) for m in pair]
        assert counts[0] == counts[1] == 4 * RANK * 32 + 34

    def test_is_drawn_from_the_same_distribution(self):
        theirs = with_peft(tiny_gpt_backbone(width=256), 200, 1.0, targets=("out",))
        drawn = theirs.body.blocks[0].attention.out.lora_A.default.weight
        assert drawn.abs().max() <= 1 / 16
        assert drawn.std().item() == pytest.approx(1 / 16 / 3**0.5, rel=0.02)
