"""Tests of course_utils.models.text."""

import re
import warnings
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from text_toys import SENTENCES, babble, tiny_bert, tiny_gpt_backbone
from torch import nn
from toys import apart, one_thread, state  # noqa: F401, a fixture that works by being there

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.data.texts import Texts
from course_utils.environment import packages
from course_utils.environment.packages import PackageError, package_path
from course_utils.models.classifier import Classifier
from course_utils.models.encoders import text_encoder
from course_utils.models.freezing import freeze, unfreeze
from course_utils.models.inference import predict
from course_utils.models.layers import text_layers
from course_utils.models.text import TextBackbone, token_task, without_padding
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit


@pytest.fixture(scope="module")
def minilm():
    return text_encoder()


@pytest.fixture(scope="module")
def tokens(minilm):
    return minilm.tokenize(SENTENCES, max_tokens=24)


@pytest.fixture
def backbone():
    return tiny_bert()


def sample_task(number=40):
    texts, labels = babble(number)
    samples = Samples(Texts(texts), labels)
    return Task(
        "t", ("water", "land"), *apart(samples, samples, samples), "words", "none", "made up"
    )


class TestTextEncoder:
    def test_features_are_those_of_transformers_and_mean_pooling(self, minilm):
        """Second implementation: their tokenizer, their loading, one text at a time."""
        from transformers import BertModel, BertTokenizer

        folder = package_path("minilm").parent
        theirs = BertModel.from_pretrained(folder, local_files_only=True).eval()
        cut = BertTokenizer.from_pretrained(folder, local_files_only=True)
        found = predict(minilm, minilm.tokenize(SENTENCES, max_tokens=64))
        with torch.no_grad():
            for text, features in zip(SENTENCES, found, strict=True):
                vectors = theirs(**cut(text, return_tensors="pt")).last_hidden_state[0]
                # float32: sums in another order, seen up to 1e-6
                torch.testing.assert_close(features, vectors.mean(0), atol=2e-5, rtol=0)

    def test_first_token_is_the_other_way_to_pool(self, tokens):
        encoder = text_encoder(pooling="cls")
        with torch.no_grad():
            found = encoder(tokens)
            vectors = encoder.body(input_ids=tokens, attention_mask=(tokens != 0).long())
        torch.testing.assert_close(found, vectors.last_hidden_state[:, 0], atol=2e-5, rtol=0)

    def test_sentences_that_mean_the_same_are_near_and_random_weights_do_not_know(self, minilm):
        texts = ["A storm floods the coast.", "Heavy rain hits towns by the sea.", "The bank pays."]
        near, far = [], []
        for encoder in (minilm, text_encoder("random", seed=0)):
            features = F.normalize(predict(encoder, encoder.tokenize(texts, 16)))
            near.append(float(features[0] @ features[1]))
            far.append(float(features[0] @ features[2]))
        assert near[0] > far[0] + 0.3
        assert near[1] < far[1] + 0.1

    def test_random_weights_have_the_architecture_of_the_package(self, minilm):
        other = text_encoder("random", seed=0)
        shapes = [{n: t.shape for n, t in state(e).items()} for e in (other, minilm)]
        assert shapes[0] == shapes[1]
        assert other.body.config.num_attention_heads == minilm.body.config.num_attention_heads == 12
        assert repr(minilm) == (
            "TextBackbone('MiniLM-L6, sentence weights', 22,565,376 parameters, 384 features)"
        )

    def test_is_in_evaluation_mode_and_everything_may_learn(self, minilm):
        assert not any(module.training for module in minilm.modules())
        assert all(parameter.requires_grad for parameter in minilm.parameters())

    def test_random_start_follows_the_seed_and_leaves_the_global_numbers_alone(self):
        before = torch.get_rng_state()
        first, second, other = (text_encoder("random", seed=seed) for seed in (1, 1, 2))
        assert torch.equal(before, torch.get_rng_state())
        weights = [e.body.encoder.layer[0].output.dense.weight for e in (first, second, other)]
        assert weights[0].equal(weights[1])
        assert not weights[0].equal(weights[2])

    def test_random_start_without_a_seed_follows_the_global_numbers(self):
        torch.manual_seed(3)
        first = text_encoder("random").body.embeddings.word_embeddings.weight
        assert not first.equal(text_encoder("random").body.embeddings.word_embeddings.weight)

    def test_pretrained_weights_leave_the_global_numbers_alone(self):
        before = torch.get_rng_state()
        text_encoder()
        assert torch.equal(before, torch.get_rng_state())

    def test_nothing_is_printed_or_warned(self, capfd):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoder = text_encoder()
            predict(encoder, encoder.tokenize(SENTENCES, 12))
        assert capfd.readouterr() == ("", "")

    def test_damaged_weights_are_refused(self, monkeypatch):
        monkeypatch.setattr(packages, "checksum", lambda path, patterns=(): "0" * 64)
        monkeypatch.setattr(packages, "_VERIFIED", set())
        with pytest.raises(PackageError, match="minilm: the SHA-256"):
            text_encoder()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("bert",), "weights is 'bert'; give one of 'minilm', 'random'"),
            (("minilm", 3), "seed is 3, but the weights of MiniLM are always the same; leave it"),
        ],
    )
    def test_wrong_argument_is_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            text_encoder(*arguments)

    def test_wrong_pooling_is_refused(self):
        with pytest.raises(ValueError, match="pooling is 'max'; give one of 'mean', 'cls'"):
            text_encoder("random", pooling="max")


class TestTextBackbone:
    @pytest.mark.parametrize("pooling", ["mean", "cls"])
    def test_padding_and_neighbours_have_no_influence(self, pooling):
        backbone = tiny_bert(pooling).eval()
        together = predict(backbone, backbone.tokenize(SENTENCES, 24))
        for text, features in zip(SENTENCES, together, strict=True):
            alone = predict(backbone, backbone.tokenize([text], 24))
            torch.testing.assert_close(alone[0], features, atol=1e-5, rtol=1e-4)

    def test_short_texts_are_read_without_their_padding(self, backbone):
        widths = []
        backbone.body.register_forward_pre_hook(
            lambda module, args, kwargs: widths.append(kwargs["input_ids"].shape[1]),
            with_kwargs=True,
        )
        tokens = backbone.tokenize(["Rain!", "A short text."], 24)
        backbone(tokens)
        assert widths == [int((tokens != 0).sum(1).max())]
        assert widths[0] < 24

    @pytest.mark.parametrize(
        "make",
        [
            tiny_bert,
            partial(tiny_bert, "cls"),
            tiny_gpt_backbone,
            partial(tiny_gpt_backbone, "last"),
        ],
    )
    def test_padding_anywhere_gives_the_same_features(self, make):
        backbone = make().eval()
        right = torch.tensor([[5, 6, 7, 0, 0, 0], [8, 9, 0, 0, 0, 0]])
        left = torch.tensor([[0, 0, 0, 5, 6, 7], [8, 9, 0, 0, 0, 0]])
        middle = torch.tensor([[5, 0, 6, 0, 0, 7], [0, 8, 0, 9, 0, 0]])
        expected = predict(backbone, right)
        for tokens in (left, middle):
            torch.testing.assert_close(predict(backbone, tokens), expected, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("make", [tiny_bert, tiny_gpt_backbone])
    @pytest.mark.parametrize("token", [300, 10**9, -1])
    def test_unknown_token_is_refused(self, make, token):
        with pytest.raises(ValueError, match=r"tokens has numbers from .+ 300 are known, 0 to 299"):
            make()(torch.tensor([[5, token]]))

    @pytest.mark.parametrize("make", [tiny_bert, tiny_gpt_backbone])
    def test_text_longer_than_the_positions_is_refused(self, make):
        backbone = make().eval()
        assert backbone(torch.full((1, 24), 5)).shape == (1, 16)
        with pytest.raises(ValueError, match="tokens has a text of 25 tokens; tiny reads 24"):
            backbone(torch.full((1, 25), 5))

    def test_number_of_numpy_is_a_number_and_a_truth_value_is_none(self, backbone):
        assert backbone.tokenize(SENTENCES, np.int64(5)).shape == (len(SENTENCES), 5)
        for wrong in (True, 5.0, "5", None):
            with pytest.raises(TypeError, match=r"max_tokens is .+; give a whole number"):
                backbone.tokenize(SENTENCES, wrong)
        with pytest.raises(ValueError, match="max_tokens is 0; give 1 or more"):
            backbone.tokenize(SENTENCES, 0)

    def test_longest_is_at_most_what_the_body_has(self, backbone):
        made = [
            TextBackbone("t", backbone.body, 16, backbone.tokenizer, longest=longest).longest
            for longest in (None, 7, 900)
        ]
        assert made == [24, 7, 24]
        with pytest.raises(ValueError, match="longest is None, and the body does not name"):
            TextBackbone("t", nn.Linear(2, 2), 16, backbone.tokenizer)

    def test_words_in_another_order_give_other_features(self, backbone):
        features = predict(backbone, backbone.tokenize(["rain feeds mill", "mill feeds rain"], 24))
        assert not torch.allclose(features[0], features[1], atol=1e-3)

    def test_more_tokens_than_positions_are_refused(self, backbone):
        with pytest.raises(ValueError, match="max_tokens is 25; tiny reads 24 at most"):
            backbone.tokenize(SENTENCES, 25)

    @pytest.mark.parametrize(
        "tokens",
        [
            torch.zeros(2, 3),
            torch.ones(0, 3).long(),
            torch.ones(3, dtype=torch.int64),
            torch.ones(2, 3).int(),
        ],
    )
    def test_what_is_no_token_is_refused(self, backbone, tokens):
        shape = re.escape(str(tuple(tokens.shape)))
        with pytest.raises(ValueError, match=f"tokens has shape {shape} and type {tokens.dtype}"):
            backbone(tokens)

    def test_empty_text_is_refused_with_its_row(self, backbone):
        with pytest.raises(ValueError, match="nothing but padding in row 1; leave empty texts out"):
            backbone(backbone.tokenize(["rain", "", "mill"], 8))

    def test_copy_has_its_own_weights(self, backbone):
        copied = deepcopy(backbone)
        copied.body.embeddings.word_embeddings.weight.data += 1
        assert not copied.body.embeddings.word_embeddings.weight.equal(
            backbone.body.embeddings.word_embeddings.weight
        )
        assert copied.tokenizer is backbone.tokenizer


class TestWithoutPadding:
    def test_columns_end_with_the_longest_text(self):
        tokens, mask = without_padding(torch.tensor([[5, 6, 0, 0], [7, 8, 9, 0]]), pad_id=0)
        assert tokens.tolist() == [[5, 6, 0], [7, 8, 9]]
        assert mask.tolist() == [[True, True, False], [True, True, True]]

    def test_another_number_can_be_the_padding(self):
        tokens, _ = without_padding(torch.tensor([[0, 6, 1, 1]]), pad_id=1)
        assert tokens.tolist() == [[0, 6]]

    def test_text_moves_to_the_left_wherever_its_padding_stands(self):
        tokens, mask = without_padding(torch.tensor([[0, 0, 5, 0, 6], [0, 7, 0, 0, 0]]), pad_id=0)
        assert tokens.tolist() == [[5, 6], [7, 0]]
        assert mask.tolist() == [[True, True], [True, False]]


class TestTokenTask:
    def test_texts_become_tokens_and_the_rest_stays(self, backbone):
        task = sample_task()
        made = token_task(task, backbone, max_tokens=12)
        assert made.train.inputs.equal(backbone.tokenize(task.train.inputs, 12))
        assert made.test.labels is task.test.labels
        assert made.test.indices is task.test.indices
        assert made.units == "tokens of words, 0 is padding"
        assert "input       12, tokens of words" in repr(made)
        assert made.few_shot(2, seed=0).train.inputs.shape == (4, 12)

    def test_few_shots_of_texts_and_tokens_are_the_same(self, backbone):
        task = sample_task()
        first = token_task(task.few_shot(3, seed=1), backbone, 12).train
        second = token_task(task, backbone, 12).few_shot(3, seed=1).train
        assert first.inputs.equal(second.inputs)


class TestTraining:
    def test_classifier_learns_with_two_rates(self, backbone):
        task = token_task(sample_task(), backbone, max_tokens=24)
        model = Classifier(backbone, nn.Linear(16, 2))
        before, rates = state(model), {"backbone": 1e-3, "head": 1e-2}
        fit(model, task.train, CrossEntropy(), num_epochs=15, learning_rate=rates, batch_size=8)
        assert evaluate(model, task.test).accuracy > 0.95
        after = state(model)
        # a row of a word that never occurs stays
        assert all(
            not after[name].equal(before[name]) for name in after if "token_type" not in name
        )

    def test_frozen_layers_stay_and_unfreezing_goes_from_the_top(self, backbone):
        task = token_task(sample_task(8), backbone, max_tokens=24)
        model = Classifier(backbone, nn.Linear(16, 2))
        layers = text_layers(backbone)
        freeze(backbone)
        moved = []
        for name in ["", *reversed(layers)]:
            if name:
                unfreeze(layers[name])
            before = state(backbone)
            fit(model, task.train, CrossEntropy(), num_epochs=1)
            after = state(backbone)
            moved.append(
                {
                    n.split(".")[1] + n.split(".")[3]
                    for n in after
                    if n.startswith("body.e") and not after[n].equal(before[n])
                }
            )
        assert moved[0] == set()
        assert moved[1] == {"encoder1"}
        assert moved[2] == {"encoder1", "encoder0"}
        assert len(moved[3]) > 3

    def test_gradient_of_the_padding_is_zero(self, backbone):
        tokens = backbone.tokenize(["Rain!", SENTENCES[0]], 24)
        backbone.eval()(tokens).square().sum().backward()
        gradient = backbone.body.embeddings.word_embeddings.weight.grad
        used = set(tokens[tokens != 0].tolist())
        moved = set(gradient.abs().sum(1).nonzero()[:, 0].tolist())
        assert moved == used
