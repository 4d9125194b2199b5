"""Tests of course_utils.objectives.language."""

import math

import numpy as np
import pytest
import torch
from text_toys import SENTENCES, tiny_gpt, tiny_tokenizer
from torch import nn
from toys import is_same, one_thread, state  # noqa: F401, a fixture that works by being there

from course_utils.data.samples import Samples
from course_utils.models import inference as batches
from course_utils.models.generation import sample_text
from course_utils.models.ngrams import bigram_table, table_loss, unigram_table
from course_utils.objectives.base import Batch
from course_utils.objectives.language import LanguageModelLoss, language_loss, pack_texts
from course_utils.objectives.regularizers import L2
from course_utils.training.loop import fit

ROWS = torch.tensor([[5, 6, 7, 8], [5, 9, 0, 0], [9, 5, 6, 0]])  # 0 is padding


class Table(nn.Module):
    """Always give the same logits, whatever came before."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.context = 8

    def forward(self, tokens):
        return self.logits.expand(*tokens.shape, -1)


def by_hand(logits, tokens):
    """Sum minus the logarithms one by one; return sum and number of predicted tokens."""
    total, number = 0.0, 0
    for row in range(len(tokens)):
        for place in range(tokens.shape[1] - 1):
            answer = int(tokens[row, place + 1])
            if answer:
                scores = logits[row, place].double()
                total += math.log(scores.exp().sum()) - float(scores[answer])
                number += 1
    return total, number


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture
def gpt():
    return tiny_gpt()


class TestLanguageModelLoss:
    def loss(self, logits, tokens, weights=None, labels=None, **options):
        batch = Batch(None, tokens, labels, logits, weights)
        return LanguageModelLoss(**options).value(batch)

    def logits(self):
        return torch.randn(3, 4, 10, generator=torch.Generator().manual_seed(0))

    def test_is_the_mean_over_all_tokens_that_follow_one(self):
        total, number = by_hand(self.logits(), ROWS)
        assert number == 6
        assert self.loss(self.logits(), ROWS).item() == pytest.approx(total / number, rel=1e-5)

    def test_answers_after_padding_and_at_the_end_have_no_influence(self):
        logits = self.logits().requires_grad_()
        self.loss(logits, ROWS).backward()
        reached = logits.grad.abs().sum(2) > 0
        assert reached.tolist() == [
            [True, True, True, False],
            [True, False, False, False],
            [True, True, False, False],
        ]

    def test_gradient_is_softmax_minus_one_hot_over_the_number_of_tokens(self):
        logits = self.logits().requires_grad_()
        self.loss(logits, ROWS).backward()
        expected = logits.detach()[0, 1].softmax(0)
        expected[7] -= 1
        torch.testing.assert_close(logits.grad[0, 1], expected / 6)

    def test_weight_counts_each_token_of_its_text(self):
        weights = torch.tensor([1.0, 3.0, 0.5])
        parts = [by_hand(self.logits()[[row]], ROWS[[row]]) for row in range(3)]
        expected = sum(w * total for w, (total, _) in zip(weights, parts, strict=True))
        expected /= sum(w * number for w, (_, number) in zip(weights, parts, strict=True))
        found = self.loss(self.logits(), ROWS, weights)
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)

    def test_labels_are_not_looked_at(self):
        expected = self.loss(self.logits(), ROWS)
        for labels in (None, torch.tensor([-1, -1, -1]), ROWS):
            assert self.loss(self.logits(), ROWS, labels=labels).equal(expected)

    def test_other_number_for_padding(self):
        tokens = torch.where(ROWS == 0, 3, ROWS)
        expected = self.loss(self.logits(), ROWS)
        torch.testing.assert_close(self.loss(self.logits(), tokens, pad_id=3), expected)
        assert repr(LanguageModelLoss(pad_id=3)) == "LanguageModelLoss(pad_id=3)"

    @pytest.mark.parametrize(
        ("logits", "tokens"),
        [
            (torch.zeros(3, 10), ROWS),  # a classifier
            (torch.zeros(3, 3, 10), ROWS),
            (torch.zeros(3, 4, 10), ROWS.float()),
            (torch.zeros(3, 10), ROWS[:, 0]),
        ],
    )
    def test_other_shapes_are_refused(self, logits, tokens):
        with pytest.raises(ValueError, match=r"give tokens \(N, T\) of torch.int64 and logits"):
            self.loss(logits, tokens)

    @pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 3.0, 0.5, 2.0])])
    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_batches_of_unequal_texts_add_up_to_the_whole(self, weights, size):
        tokens = torch.cat([ROWS, torch.tensor([[4, 0, 0, 0]])])  # the last has nothing to predict
        samples = Samples(tokens, torch.full((4,), -1), weights)
        logits = torch.randn(10, generator=torch.Generator().manual_seed(0))
        model, loss = Table(logits), LanguageModelLoss()

        def gradient(rows):
            part = samples.select(rows)
            outputs, data = model(part.inputs), samples
            batch = Batch(model, part.inputs, None, outputs, part.weights, data=data)
            return torch.autograd.grad(loss.value(batch), model.logits)[0] * len(part)

        parts = [gradient(rows) for rows in torch.arange(4).split(size)]
        torch.testing.assert_close(sum(parts), gradient(torch.arange(4)))

    def test_samples_without_a_token_to_predict_are_refused_before_training(self):
        model, rows = Table(torch.zeros(10)), torch.tensor([[4, 0], [5, 0]])
        with pytest.raises(ValueError, match="^samples: inputs has no token to predict"):
            fit(model, Samples(rows, torch.tensor([-1, -1])), LanguageModelLoss(), num_epochs=1)

    def test_nothing_to_predict_is_refused(self):
        with pytest.raises(ValueError, match="inputs has no token to predict"):
            self.loss(torch.zeros(1, 2, 10), torch.tensor([[4, 0]]))

    def test_is_an_l_in_the_formula(self):
        objective = LanguageModelLoss() + 0.01 * L2()
        assert repr(objective) == "LanguageModelLoss() + 0.01 * L2()"
        assert LanguageModelLoss().role == "L"
        assert r"\text{next token}" in objective.formula


class TestPretraining:
    def test_fit_learns_a_text_by_heart(self, gpt, tokenizer):
        samples = pack_texts([SENTENCES[0]] * 8, tokenizer, length=24)
        history = fit(gpt, samples, LanguageModelLoss(), num_epochs=60, learning_rate=1e-2)
        assert history.terms["next token"][0] > 5
        assert history.terms["next token"][-1] < 0.5
        assert "river" in sample_text(gpt, tokenizer, "The rain", num_tokens=24, temperature=0)

    @pytest.mark.slow
    def test_network_beats_the_bigram_where_two_tokens_decide(self):
        """Token t + 1 is the sum of the last two, modulo 7: one token alone says nothing."""
        tokens = torch.randint(1, 8, (300, 2), generator=torch.Generator().manual_seed(0))
        while tokens.shape[1] < 12:
            tokens = torch.cat([tokens, (tokens[:, -2] + tokens[:, -1])[:, None] % 7 + 1], 1)
        gpt = tiny_gpt(num_tokens=8, width=32, context=12)
        samples = Samples(tokens, torch.full((300,), -1))
        settings = {"num_epochs": 40, "learning_rate": 5e-3, "schedule": "one_cycle"}
        fit(gpt, samples, LanguageModelLoss(), **settings)
        network, unigram = language_loss(gpt, tokens), table_loss(unigram_table(tokens, 8), tokens)
        bigram = table_loss(bigram_table(tokens, 8, strength=1.0), tokens)
        assert network < 0.3 * bigram < unigram

    def test_labels_may_be_the_tokens_themselves(self, gpt):
        losses = []
        for labels in (torch.full((3,), -1), ROWS):
            history = fit(tiny_gpt(), Samples(ROWS, labels), LanguageModelLoss(), num_epochs=2)
            losses.append(history.terms["next token"])
        assert losses[0] == losses[1]


class TestPackTexts:
    def test_texts_follow_one_another_with_an_end_after_each(self, tokenizer):
        rows = pack_texts(["rain", "mill"], tokenizer, length=5)
        rain, mill = tokenizer.encode("rain"), tokenizer.encode("mill")
        stream = [*rain, 1, *mill, 1]
        flat = rows.inputs.flatten().tolist()
        assert flat[: len(stream)] == stream
        assert set(flat[len(stream) :]) <= {0}
        assert rows.inputs.dtype == torch.int64
        assert (rows.labels == -1).all()

    @pytest.mark.parametrize("length", [2, 3, 7, 24, 1000])
    def test_nothing_is_lost_but_a_last_token_that_would_stand_alone(self, tokenizer, length):
        stream = [n for text in SENTENCES for n in (*tokenizer.encode(text), 1)]
        flat = pack_texts(SENTENCES, tokenizer, length).inputs.flatten()
        kept = flat[flat != 0].tolist()
        assert kept == stream[: len(kept)]
        assert len(stream) - len(kept) == (len(stream) % length == 1)
        assert len(flat) % length == 0

    def test_every_row_has_a_token_to_predict(self, tokenizer):
        for length in range(2, 30):
            assert (pack_texts(SENTENCES, tokenizer, length).inputs[:, 1] != 0).all()

    @pytest.mark.parametrize("length", [1, 0, -2])
    def test_impossible_length_is_refused(self, tokenizer, length):
        with pytest.raises(ValueError, match=f"length is {length}; give 2 or more"):
            pack_texts(SENTENCES, tokenizer, length)

    @pytest.mark.parametrize("texts", [[], [""]])
    def test_no_text_is_refused(self, tokenizer, texts):
        with pytest.raises(ValueError, match="texts is empty; give at least one text with a word"):
            pack_texts(texts, tokenizer, 5)

    @pytest.mark.parametrize("texts", ["rain", b"rain", None, ["rain", None], ["rain", b"mill"]])
    def test_what_is_no_list_of_texts_is_refused(self, tokenizer, texts):
        with pytest.raises(TypeError, match=r"texts (is|has) .+; give"):
            pack_texts(texts, tokenizer, 5)

    @pytest.mark.parametrize("length", [True, 5.0, "5", None])
    def test_length_is_a_whole_number(self, tokenizer, length):
        assert pack_texts(SENTENCES, tokenizer, np.int64(5)).inputs.shape[1] == 5
        with pytest.raises(TypeError, match=r"length is .+; give (a whole number|2 or more)"):
            pack_texts(SENTENCES, tokenizer, length)


class TestUnsoundTokens:
    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([[5, 6], [300, 6]], "tokens has numbers from 5 to 300; 300 are known, 0 to 299"),
            ([[5, 6], [-1, 6]], "tokens has numbers from -1 to 6"),
            ([[5, 6], [0, 6]], "tokens has padding before a token in row 1; fill rows on the righ"),
        ],
    )
    def test_are_refused_by_the_loss_and_by_training(self, gpt, rows, message):
        tokens, weights = torch.tensor(rows), state(gpt)
        samples = Samples(tokens, torch.full((2,), -1))
        with pytest.raises(ValueError, match=message):
            language_loss(gpt, tokens)
        with pytest.raises(ValueError, match=message):
            fit(gpt, samples, LanguageModelLoss(), num_epochs=1)
        assert is_same(weights, gpt)

    def test_answer_for_fewer_tokens_than_the_text_has_is_refused(self):
        with pytest.raises(ValueError, match="tokens has numbers from 5 to 9; 8 are known"):
            language_loss(Table(torch.zeros(8)), torch.tensor([[5, 9]]))


class TestLanguageLoss:
    def test_is_the_loss_of_all_tokens_whatever_the_batches(self, gpt, monkeypatch):
        with torch.no_grad():
            total, number = by_hand(gpt.eval()(ROWS), ROWS)
        for at_once in (1, 8, 1000):
            monkeypatch.setattr(batches, "TOKENS_AT_ONCE", at_once)
            assert language_loss(gpt, ROWS) == pytest.approx(total / number, rel=1e-5)

    def test_same_table_costs_the_same_as_in_ngrams(self):
        """Network and counted tables are measured on the same tokens."""
        tokens = torch.tensor([[1, 2, 1, 3], [2, 1, 0, 0]])
        table = unigram_table(tokens, num_tokens=5)
        network = Table(table.clamp(min=1e-30).log().float())
        assert language_loss(network, tokens) == pytest.approx(table_loss(table, tokens), rel=1e-5)

    def test_model_stays_as_it_is(self, gpt):
        gpt = tiny_gpt(dropout=0.5).train()
        before = state(gpt)
        assert language_loss(gpt, ROWS) == language_loss(gpt, ROWS)  # without dropout
        assert gpt.training
        assert is_same(before, gpt)

    def test_batch_of_nothing_but_first_tokens_is_passed_over(self, gpt, monkeypatch):
        monkeypatch.setattr(batches, "TOKENS_AT_ONCE", 1)  # row by row
        rows = torch.cat([ROWS, torch.tensor([[5, 0, 0, 0]])])
        assert language_loss(gpt, rows) == pytest.approx(language_loss(gpt, ROWS))

    def test_nothing_to_predict_is_refused(self, gpt):
        with pytest.raises(ValueError, match="tokens has no token to predict"):
            language_loss(gpt, torch.tensor([[5, 0]]))


class TestSampleText:
    def table(self, tokenizer, probabilities):
        logits = torch.full((tokenizer.num_tokens,), -1e4)
        for token, probability in probabilities.items():
            logits[tokenizer.number_of(token)] = math.log(probability)
        return Table(logits)

    def test_draws_with_the_probabilities_of_the_network(self, tokenizer):
        model = self.table(tokenizer, {"a": 0.25, "b": 0.75})
        text = sample_text(model, tokenizer, num_tokens=400)
        assert len(text) == 400
        assert text.count("a") / 400 == pytest.approx(0.25, abs=0.07)  # 3 standard deviations

    def test_temperature_sharpens_and_flattens(self, tokenizer):
        model = self.table(tokenizer, {"a": 0.25, "b": 0.75})
        shares = [
            sample_text(model, tokenizer, num_tokens=400, temperature=t).count("a") / 400
            for t in (0, 0.5, 20)
        ]
        # proportional to p ** (1 / temperature): 0.1 at one half, 0.49 at 20
        assert shares[0] == 0
        assert shares[1] == pytest.approx(0.1, abs=0.05)
        assert shares[2] == pytest.approx(0.5, abs=0.08)

    def test_prompt_stands_first_and_the_text_goes_on(self, gpt, tokenizer):
        text = sample_text(gpt, tokenizer, "The mill", num_tokens=10)
        assert text.startswith("The mill")
        assert len(tokenizer.encode(text)) > len(tokenizer.encode("The mill"))

    def test_end_stops_it_and_is_not_shown(self, tokenizer):
        model, calls = self.table(tokenizer, {"<end>": 1.0}), []
        model.register_forward_pre_hook(lambda *_: calls.append(1))
        assert sample_text(model, tokenizer, "mill", num_tokens=9) == "mill"
        assert len(calls) == 1

    def test_padding_is_never_said(self, tokenizer):
        model = self.table(tokenizer, {"<pad>": 1.0, "a": 1e-6})
        assert sample_text(model, tokenizer, num_tokens=5) == "aaaaa"
        assert sample_text(model, tokenizer, num_tokens=5, temperature=0) == "aaaaa"

    def test_reads_as_much_of_the_last_tokens_as_fits_into_the_context(self, gpt, tokenizer):
        numbers, read = tokenizer.encode(" ".join(SENTENCES)), []
        assert len(numbers) > gpt.context
        gpt.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0][0].tolist()))
        sample_text(gpt, tokenizer, " ".join(SENTENCES), num_tokens=2)
        assert read[0] == numbers[-gpt.context :]
        assert read[1][:-1] == numbers[-gpt.context + 1 :]

    def test_text_from_nothing_begins_after_the_end_of_another(self, gpt, tokenizer):
        read = []
        gpt.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0][0].tolist()))
        sample_text(gpt, tokenizer, num_tokens=1)
        assert read == [[tokenizer.number_of("<end>")]]

    def test_seed_decides_and_global_numbers_and_model_stay(self, tokenizer):
        gpt = tiny_gpt(dropout=0.5).train()
        before, weights = torch.get_rng_state(), state(gpt)
        texts = [sample_text(gpt, tokenizer, "The", seed=seed) for seed in (1, 1, 2)]
        assert texts[0] == texts[1] != texts[2]
        assert torch.equal(before, torch.get_rng_state())
        assert gpt.training
        assert is_same(weights, gpt)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"num_tokens": 0}, "num_tokens is 0; give 1 or more"),
            ({"temperature": -0.1}, "temperature is -0.1; give 0 or more"),
            ({"temperature": float("nan")}, "temperature is nan"),
            ({"temperature": "1"}, "temperature is a text; give a number"),
            ({"num_tokens": True}, "num_tokens is True; give a whole number"),
            ({"num_tokens": 2.0}, "num_tokens is 2.0; give a whole number"),
            ({"prompt": ["The"]}, "prompt is a list of length 1; give one text"),
        ],
    )
    def test_impossible_option_is_refused(self, gpt, tokenizer, options, message):
        with pytest.raises((ValueError, TypeError), match=message):
            sample_text(gpt, tokenizer, **options)

    def test_answer_that_is_no_number_is_refused(self, tokenizer):
        for temperature in (0, 1):
            with pytest.raises(ValueError, match="model gives logits that are no numbers"):
                model = Table(torch.full((tokenizer.num_tokens,), torch.nan))
                sample_text(model, tokenizer, temperature=temperature)

    def test_network_that_does_not_know_the_tokens_of_the_prompt_is_refused(self, tokenizer):
        with pytest.raises(ValueError, match=r"tokens has numbers from .+; 60 are known, 0 to 59"):
            sample_text(tiny_gpt(num_tokens=60), tokenizer, "rain")
