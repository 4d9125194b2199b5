"""Tests of course_utils.models.ngrams."""

import math

import pytest
import torch

from course_utils.models.ngrams import bigram_table, table_loss, unigram_table

TRAIN = torch.tensor([[1, 2, 1, 2], [1, 3, 0, 0]])  # 0 is padding


class TestUnigramTable:
    def test_one_is_added_to_each_count(self):
        # counts of 1, 2, 3, 4: 3, 2, 1, 0
        expected = torch.tensor([0, 4, 3, 2, 1]).double() / 10
        torch.testing.assert_close(unigram_table(TRAIN, num_tokens=5), expected)

    def test_padding_can_be_another_number(self):
        table = unigram_table(torch.tensor([[0, 4, 4]]), num_tokens=5, pad_id=4)
        torch.testing.assert_close(table, torch.tensor([2, 1, 1, 1, 0]).double() / 5)

    @pytest.mark.parametrize("tokens", [torch.tensor([[5]]), torch.tensor([[-1]])])
    def test_unknown_token_is_refused(self, tokens):
        with pytest.raises(ValueError, match="; 5 are known, 0 to 4"):
            unigram_table(tokens, num_tokens=5)

    @pytest.mark.parametrize(
        "tokens", [torch.ones(2, 2), torch.ones(2).long(), torch.ones(0, 2).long()]
    )
    def test_what_is_no_row_of_tokens_is_refused(self, tokens):
        with pytest.raises(ValueError, match=r"give \(N, T\) of torch.int64"):
            unigram_table(tokens, num_tokens=5)


class TestBigramTable:
    def test_counts_are_mixed_with_the_unigram(self):
        table, unigram = bigram_table(TRAIN, 5, strength=2.0), unigram_table(TRAIN, 5)
        # after 1 come 2, 2 and 3; after 2 comes 1; rows are not joined, padding follows nothing
        after_one = (torch.tensor([0, 0, 2, 1, 0]) + 2 * unigram) / (3 + 2)
        after_two = (torch.tensor([0, 1, 0, 0, 0]) + 2 * unigram) / (1 + 2)
        torch.testing.assert_close(table[1], after_one)
        torch.testing.assert_close(table[2], after_two)
        torch.testing.assert_close(table[4], unigram)  # never seen: nothing but the unigram

    def test_each_row_has_a_sum_of_1(self):
        table = bigram_table(torch.randint(1, 9, (50, 20)), 9)
        torch.testing.assert_close(table.sum(1), torch.ones(9).double())
        assert (table[:, 0] == 0).all()

    def test_strong_mixing_gives_the_unigram_and_weak_mixing_the_counts(self):
        strong = bigram_table(TRAIN, 5, strength=1e9)
        torch.testing.assert_close(strong[1], unigram_table(TRAIN, 5), atol=1e-6, rtol=0)
        weak = bigram_table(TRAIN, 5, strength=1e-9)
        torch.testing.assert_close(weak[1], torch.tensor([0, 0, 2, 1, 0]).double() / 3)

    @pytest.mark.parametrize("strength", [0, -1, float("nan")])
    def test_impossible_strength_is_refused(self, strength):
        with pytest.raises(ValueError, match=f"strength is {strength}; give a number above 0"):
            bigram_table(TRAIN, 5, strength=strength)

    @pytest.mark.parametrize("row", [[0, 1, 2], [1, 0, 2]])
    def test_padding_before_a_token_is_refused(self, row):
        tokens = torch.tensor([[1, 2, 3], row])
        for use in (lambda: bigram_table(tokens, 5), lambda: table_loss(torch.ones(5), tokens)):
            with pytest.raises(ValueError, match="tokens has padding before a token in row 1"):
                use()


class TestTableLoss:
    def test_unigram_loss_by_hand(self):
        table = torch.tensor([0.0, 0.5, 0.25, 0.25]).double()
        # the first token of each row is given; 2, 1 and 3 are predicted
        found = table_loss(table, torch.tensor([[1, 2, 1], [2, 3, 0]]))
        assert found == pytest.approx((math.log(4) + math.log(2) + math.log(4)) / 3)

    def test_bigram_loss_by_hand(self):
        table = torch.full((4, 4), 0.1).double()
        table[1, 2], table[2, 1], table[2, 3] = 0.5, 0.25, 0.125
        found = table_loss(table, torch.tensor([[1, 2, 1], [2, 3, 0]]))
        assert found == pytest.approx((1 + 2 + 3) * math.log(2) / 3)

    def test_equal_probabilities_cost_the_logarithm_of_their_number(self):
        table = torch.full((8,), 1 / 8).double()
        assert table_loss(table, torch.randint(1, 8, (5, 5))) == pytest.approx(math.log(8))

    def test_context_helps_where_there_is_one(self):
        generator = torch.Generator().manual_seed(0)
        starts = torch.randint(1, 6, (200, 1), generator=generator)
        tokens = (starts + torch.arange(10) - 1) % 5 + 1  # each token decides the next
        unigram, bigram = unigram_table(tokens, 6), bigram_table(tokens, 6, strength=1.0)
        assert table_loss(unigram, tokens) == pytest.approx(math.log(5), abs=0.01)
        assert table_loss(bigram, tokens) < 0.05

    def test_nothing_to_predict_is_refused(self):
        with pytest.raises(ValueError, match="tokens has no token to predict"):
            table_loss(unigram_table(TRAIN, 5), torch.tensor([[1, 0], [2, 0]]))

    def test_unknown_token_is_refused(self):
        with pytest.raises(ValueError, match="tokens has numbers from 1 to 7; 5 are known, 0 to 4"):
            table_loss(unigram_table(TRAIN, 5), torch.tensor([[1, 7]]))
