"""Tests of course_utils.models.gpt."""

import math

import numpy as np
import pytest
import torch
from text_toys import SENTENCES, babble, tiny_gpt, tiny_gpt_backbone
from torch import nn
from toys import one_thread  # noqa: F401, a fixture that works by being there

from course_utils.data.samples import Samples
from course_utils.models.classifier import Classifier
from course_utils.models.gpt import GPT, Attention
from course_utils.models.inference import predict
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit


@pytest.fixture
def gpt():
    return tiny_gpt().eval()


@pytest.fixture
def tokens():
    return torch.randint(2, 300, (3, 12), generator=torch.Generator().manual_seed(0))


class TestAttention:
    def test_agrees_with_the_formula_written_out(self):
        """Second implementation: one head and one place after the other."""
        torch.manual_seed(0)
        attention = Attention(width=6, heads=3)
        x = torch.randn(2, 5, 6)
        queries, keys, values = attention.qkv(x).split(6, dim=-1)
        mixed = torch.zeros(2, 5, 6)
        for row in range(2):
            for head in (slice(0, 2), slice(2, 4), slice(4, 6)):
                for place in range(5):
                    seen = slice(0, place + 1)
                    scores = keys[row, seen, head] @ queries[row, place, head] / math.sqrt(2)
                    mixed[row, place, head] = scores.softmax(0) @ values[row, seen, head]
        torch.testing.assert_close(attention(x), attention.out(mixed), atol=1e-6, rtol=1e-5)


class TestGPT:
    @pytest.mark.parametrize("place", [1, 5, 11])
    def test_later_token_never_changes_an_earlier_logit(self, gpt, tokens, place):
        changed = tokens.clone()
        changed[:, place] = (changed[:, place] + 7) % 300
        with torch.no_grad():
            before, after = gpt(tokens), gpt(changed)
        torch.testing.assert_close(before[:, :place], after[:, :place], atol=1e-6, rtol=0)
        moved = (before - after).abs().amax((0, 2))
        assert (moved[place:] > 1e-4).all()  # and every logit from there on knows of it

    def test_gradient_of_a_logit_reaches_no_later_token(self, gpt, tokens):
        vectors = gpt.token_embedding(tokens).detach().requires_grad_()
        gpt.token_embedding.register_forward_hook(lambda *_: vectors)
        gpt(tokens)[:, 4].sum().backward()
        reached = vectors.grad.abs().sum((0, 2)) > 0
        assert reached.tolist() == [True] * 5 + [False] * 7

    @pytest.mark.parametrize("place", [1, 5, 11])
    def test_without_the_mask_every_logit_knows_of_a_later_token(self, tokens, place):
        gpt = tiny_gpt(causal=False).eval()
        changed = tokens.clone()
        changed[:, place] = (changed[:, place] + 7) % 300
        with torch.no_grad():
            moved = (gpt(tokens) - gpt(changed)).abs().amax((0, 2))
        assert (moved > 1e-6).all()

    def test_mask_changes_nothing_in_the_start(self):
        weights = zip(tiny_gpt().parameters(), tiny_gpt(causal=False).parameters(), strict=True)
        assert all(one.equal(other) for one, other in weights)

    def test_order_of_the_words_matters(self, gpt):
        with torch.no_grad():
            first, second = gpt(torch.tensor([[5, 6, 7], [6, 5, 7]]))[:, -1]
        assert not torch.allclose(first, second, atol=1e-4)

    def test_logits_have_the_shape_of_texts_tokens_and_vocabulary(self, gpt, tokens):
        assert gpt(tokens).shape == (3, 12, 300)

    def test_embeddings_are_used_twice_and_stored_once(self, gpt, tokens):
        # 300 W + context W, per block 12 W^2 + 13 W, and the last norm 2 W
        expected = 300 * 16 + 24 * 16 + 2 * (12 * 16**2 + 13 * 16) + 2 * 16
        assert sum(p.numel() for p in gpt.parameters()) == expected
        assert sum(t.numel() for t in gpt.state_dict().values()) == expected
        vectors = gpt.vectors(tokens)
        expected_logits = vectors @ gpt.token_embedding.weight.T
        torch.testing.assert_close(gpt(tokens), expected_logits)

    def test_every_parameter_learns(self, gpt, tokens):
        gpt(tokens).square().sum().backward()
        idle = [name for name, p in gpt.named_parameters() if p.grad is None or not p.grad.any()]
        assert idle == []

    def test_start_knows_nothing(self, gpt, tokens):
        with torch.no_grad():
            probabilities = gpt(tokens).softmax(-1)
        # far from certain: small weights make every token about as likely as the others
        assert probabilities.max() < 3 / 300

    def test_blocks_add_less_the_more_there_are(self):
        stds = [tiny_gpt(width=64, depth=depth).blocks[0].narrow.weight.std() for depth in (2, 8)]
        assert (stds[0] / stds[1]).item() == pytest.approx(2, rel=0.05)
        assert stds[0].item() == pytest.approx(0.02 / 2, rel=0.05)

    def test_seed_makes_the_start_reproducible_and_leaves_the_global_numbers_alone(self):
        before = torch.get_rng_state()
        weights = [tiny_gpt(seed=seed).blocks[0].widen.weight for seed in (1, 1, 2)]
        assert torch.equal(before, torch.get_rng_state())
        assert weights[0].equal(weights[1])
        assert not weights[0].equal(weights[2])

    def test_start_without_a_seed_follows_the_global_numbers(self):
        torch.manual_seed(0)
        assert not tiny_gpt(seed=None).norm.weight.isnan().any()
        weights = [tiny_gpt(seed=None).token_embedding.weight for _ in range(2)]
        assert not weights[0].equal(weights[1])

    def test_dropout_acts_in_training_only(self, tokens):
        gpt = tiny_gpt(dropout=0.5)
        assert not gpt.train()(tokens).equal(gpt(tokens))
        assert gpt.eval()(tokens).equal(gpt(tokens))

    def test_text_longer_than_the_context_is_refused(self, gpt):
        with pytest.raises(ValueError, match="tokens has 25 columns and the context is 24; cut"):
            gpt(torch.ones(1, 25, dtype=torch.int64))

    @pytest.mark.parametrize(
        ("sizes", "message"),
        [
            ({"num_tokens": 0}, "num_tokens is 0; give 1 or more"),
            ({"depth": 0}, "depth is 0; give 1 or more"),
            ({"context": -1}, "context is -1; give 1 or more"),
            ({"width": 10, "heads": 4}, "width is 10 and heads is 4; give a multiple of the heads"),
            ({"seed": -1}, "seed is -1; give 0 or more"),
            ({"dropout": 1.0}, "dropout is 1.0; give 0 to below 1"),
        ],
    )
    def test_impossible_size_is_refused(self, sizes, message):
        with pytest.raises(ValueError, match=message):
            GPT(**({"num_tokens": 10, "width": 8, "heads": 2} | sizes))

    @pytest.mark.parametrize("size", [True, 8.0, "8", None])
    def test_size_is_a_whole_number(self, size):
        assert GPT(np.int64(10), width=np.int32(8), heads=2)(torch.tensor([[9]])).shape == (
            1,
            1,
            10,
        )
        with pytest.raises(TypeError, match=r"width is .+; give a whole number, 1 or more"):
            GPT(10, width=size)

    @pytest.mark.parametrize("token", [300, -1])
    def test_unknown_token_is_refused(self, gpt, token):
        with pytest.raises(
            ValueError, match=r"tokens has numbers from .+; 300 are known, 0 to 299"
        ):
            gpt(torch.tensor([[5, token]]))


class TestGPTBackbone:
    def test_last_feature_is_the_vector_of_the_last_word(self):
        backbone = tiny_gpt_backbone("last").eval()
        tokens = backbone.tokenize(SENTENCES, 24)
        lengths = (tokens != 0).sum(1).tolist()
        assert len(set(lengths)) > 2
        found = predict(backbone, tokens)
        with torch.no_grad():
            for row, length, features in zip(tokens, lengths, found, strict=True):
                expected = backbone.body.vectors(row[None, :length])[0, -1]
                torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)

    def test_mean_feature_is_the_mean_of_the_words(self):
        backbone = tiny_gpt_backbone("mean").eval()
        tokens = backbone.tokenize(["Rain!", SENTENCES[0]], 24)
        length = int((tokens[0] != 0).sum())
        with torch.no_grad():
            expected = backbone.body.vectors(tokens[:1, :length])[0].mean(0)
        torch.testing.assert_close(predict(backbone, tokens)[0], expected, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("pooling", ["last", "mean"])
    def test_classifier_learns(self, pooling):
        backbone = tiny_gpt_backbone(pooling)
        texts, labels = babble(60)
        samples = Samples(backbone.tokenize(texts, 24), labels)
        model = Classifier(backbone, nn.Linear(16, 2))
        fit(model, samples, CrossEntropy(), num_epochs=15, learning_rate=1e-2, batch_size=12)
        assert evaluate(model, samples).accuracy > 0.95

    def test_first_token_is_no_pooling_for_a_network_that_reads_forward(self):
        with pytest.raises(ValueError, match="pooling is 'cls'; give 'last' or 'mean'"):
            tiny_gpt_backbone("cls")

    def test_facts_come_from_the_network(self):
        backbone = tiny_gpt_backbone()
        assert (backbone.num_features, backbone.longest) == (16, 24)
        assert repr(backbone).startswith("GPTBackbone('tiny', ")
