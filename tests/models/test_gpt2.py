"""Tests of course_utils.models.gpt2: GPT-2 of transformers, small and with random weights."""

import pytest
import torch
from text_toys import tiny_gpt
from toys import is_same, one_thread, state  # noqa: F401, a fixture that works by being there

from course_utils.models.gpt import GPT
from course_utils.models.gpt2 import load_gpt2_weights


@pytest.fixture(scope="module")
def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=300, n_embd=24, n_layer=3, n_head=4, n_positions=16)
    model = GPT2LMHeadModel(config).eval()
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():  # large, so that each layer, bias and norm matters
        weight.data += 0.3 * torch.randn(weight.shape, generator=generator)
    return model


@pytest.fixture
def gpt():
    return GPT(300, width=24, depth=3, heads=4, context=16, seed=0).eval()


@pytest.fixture
def tokens():
    return torch.randint(0, 300, (4, 16), generator=torch.Generator().manual_seed(2))


class TestLoadGpt2Weights:
    def test_logits_are_those_of_transformers(self, gpt2, gpt, tokens):
        load_gpt2_weights(gpt, gpt2.state_dict())
        with torch.no_grad():
            expected, found = gpt2(tokens).logits, gpt(tokens)
        assert expected.std() > 1
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)

    def test_gradients_are_those_of_transformers(self, gpt2, gpt, tokens):
        load_gpt2_weights(gpt, gpt2.state_dict())
        for model in (gpt2, gpt):
            model.zero_grad()
        gpt2(tokens).logits.logsumexp(-1).sum().backward()
        gpt(tokens).logsumexp(-1).sum().backward()
        found = gpt.blocks[1].attention.qkv.weight.grad
        expected = gpt2.transformer.h[1].attn.c_attn.weight.grad.T
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)

    def test_network_without_a_head_and_old_tables_fit_too(self, gpt2, gpt, tokens):
        weights = gpt2.transformer.state_dict()
        weights["h.0.attn.bias"] = torch.ones(1, 1, 16, 16)  # as in the file on the hub
        load_gpt2_weights(gpt, weights)
        with torch.no_grad():
            torch.testing.assert_close(gpt(tokens), gpt2(tokens).logits, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("value", [torch.nan, -torch.inf])
    def test_weight_that_is_not_finite_is_named_and_nothing_is_loaded(self, gpt2, gpt, value):
        weights, before = dict(gpt2.state_dict()), state(gpt)
        weights["transformer.ln_f.bias"] = torch.full((24,), value)
        with pytest.raises(ValueError, match="norm.bias in weights is not finite"):
            load_gpt2_weights(gpt, weights)
        assert is_same(before, gpt)

    def test_weights_are_copied(self, gpt2, gpt):
        load_gpt2_weights(gpt, gpt2.state_dict())
        before = gpt2.transformer.wte.weight.clone()
        gpt.token_embedding.weight.data += 1
        assert gpt2.transformer.wte.weight.equal(before)

    def test_other_number_of_blocks_is_refused(self, gpt2):
        gpt = GPT(300, width=24, depth=2, heads=4, context=16, seed=0)
        before = state(gpt)
        with pytest.raises(
            ValueError, match=r"only weights has blocks.2..*; give a GPT of as many"
        ):
            load_gpt2_weights(gpt, gpt2.state_dict())
        assert is_same(before, gpt)

    def test_missing_tensor_is_refused(self, gpt2, gpt):
        weights = gpt2.state_dict()
        del weights["transformer.ln_f.bias"]
        with pytest.raises(ValueError, match="only the network has norm.bias"):
            load_gpt2_weights(gpt, weights)

    def test_other_sizes_are_refused_and_change_nothing(self, gpt2):
        gpt = tiny_gpt(width=32, depth=3, context=16)
        before = state(gpt)
        message = r"token_embedding.weight has shape \(300, 32\) in the network and \(300, 24\)"
        with pytest.raises(ValueError, match=message):
            load_gpt2_weights(gpt, gpt2.state_dict())
        assert is_same(before, gpt)
