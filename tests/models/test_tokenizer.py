"""Tests of course_utils.models.tokenizer."""

import copy
import pickle

import numpy as np
import pytest
import torch
from text_toys import SENTENCES, tiny_tokenizer

from course_utils.environment.packages import package_path
from course_utils.models.encoders import text_encoder
from course_utils.models.tokenizer import END, PAD, Tokenizer, train_tokenizer

STRANGE = "Größe 10 €, \t日本 \U0001f327\n\n  two  spaces "


@pytest.fixture(scope="module")
def bert():
    return text_encoder("random", seed=0).tokenizer


@pytest.fixture(scope="module")
def own():
    return tiny_tokenizer()


class TestBertTokenizer:
    def test_numbers_are_those_of_transformers(self, bert):
        from transformers import BertTokenizer

        vocabulary = package_path("minilm").with_name("vocab.txt")
        theirs = BertTokenizer(vocab=str(vocabulary), do_lower_case=True)
        for text in (*SENTENCES, STRANGE):
            assert bert.encode(text) == theirs(text)["input_ids"]

    def test_has_the_vocabulary_of_bert_and_pads_with_0(self, bert):
        assert (bert.num_tokens, bert.pad_id) == (30522, 0)
        assert repr(bert) == "Tokenizer(30,522 tokens)"

    def test_capitals_make_no_difference(self, bert):
        assert bert.encode("RAIN") == bert.encode("rain")


class TestTokenizer:
    def test_rows_have_one_width_and_are_filled_with_padding(self, bert):
        table = bert(["rain", "rain and more rain"], max_tokens=7)
        assert table.dtype == torch.int64
        assert table.shape == (2, 7)
        assert table[0, 3:].tolist() == [0] * 4
        assert (table[1, :6] != 0).all()

    def test_long_text_is_cut_and_keeps_its_marks(self, bert):
        whole, cut = bert.encode(SENTENCES[2]), bert([SENTENCES[2]], max_tokens=6)[0].tolist()
        assert cut == [*whole[:5], whole[-1]]  # start, four words, end

    def test_cutting_one_call_does_not_cut_the_next(self, bert):
        whole = bert.encode(SENTENCES[2])
        bert([SENTENCES[2]], max_tokens=4)
        assert bert.encode(SENTENCES[2]) == whole

    def test_cutting_ends_with_an_error_too(self, bert):
        whole = bert.encode(SENTENCES[2])
        with pytest.raises(TypeError):
            bert([SENTENCES[0], None], max_tokens=4)
        assert bert.encode(SENTENCES[2]) == whole

    @pytest.mark.parametrize("name", ["bert", "own"])
    def test_text_cannot_forge_padding_or_marks(self, name, request):
        tokenizer = request.getfixturevalue(name)
        for mark in ("[PAD]", "[SEP]", PAD, END):
            inner = tokenizer.encode(f"rain {mark} rain")[1:-1]
            forged = {tokenizer.rules.token_to_id(m) for m in ("[PAD]", "[SEP]", PAD, END)}
            assert not (forged - {None}) & set(inner)

    def test_no_text_gives_no_row(self, own):
        assert own([], max_tokens=5).shape == (0, 5)

    def test_one_text_is_refused_since_its_letters_would_become_texts(self, bert):
        with pytest.raises(TypeError, match=r"texts is a text; give a list of texts"):
            bert("rain", max_tokens=5)

    @pytest.mark.parametrize("texts", [None, 5, b"secret", ["rain", b"secret"], ["rain", None]])
    def test_what_is_no_list_of_texts_is_refused_and_not_shown(self, own, texts):
        for take in (lambda t: own(t, 5), lambda t: train_tokenizer(t, 260)):
            with pytest.raises(TypeError, match=r"texts (is|has) .+; give") as info:
                take(texts)
            assert "secret" not in str(info.value)

    @pytest.mark.parametrize("text", [["rain"], b"rain", None])
    def test_several_texts_are_no_text(self, own, text):
        for take in (own.encode, own.tokenize):
            with pytest.raises(TypeError, match=r"text is .+; give one text"):
                take(text)

    def test_numbers_that_are_no_tokens_are_refused(self, own):
        assert own.decode([]) == ""
        with pytest.raises(ValueError, match="numbers has 300; 300 tokens are known"):
            own.decode([5, 300])
        with pytest.raises(ValueError, match="numbers is -1; give 0 or more"):
            own.decode(torch.tensor([-1]))
        for wrong in ([1.5], torch.tensor([[1, 2]]), "ab", 5):
            with pytest.raises(TypeError, match=r"numbers is .+; give"):
                own.decode(wrong)

    @pytest.mark.parametrize(("name", "fewest"), [("bert", 3), ("own", 1)])
    def test_width_without_room_for_a_word_is_refused(self, name, fewest, request):
        tokenizer = request.getfixturevalue(name)
        assert tokenizer(["a"], max_tokens=fewest).shape == (1, fewest)
        message = f"max_tokens is {fewest - 1}; give {fewest} or more"
        with pytest.raises(ValueError, match=message):
            tokenizer(["a"], max_tokens=fewest - 1)

    def test_unknown_token_is_refused(self, own):
        assert own.number_of(END) == 1
        with pytest.raises(ValueError, match="token is '<and>', which the tokenizer does not know"):
            own.number_of("<and>")
        with pytest.raises(ValueError, match=r"pad_token is '\[PAD\]', which the tokenizer does"):
            Tokenizer(tiny_tokenizer().rules, "[PAD]")

    def test_settings_of_a_file_for_padding_and_cutting_are_dropped(self):
        rules = tiny_tokenizer().rules
        rules.enable_padding(length=9)
        rules.enable_truncation(2)
        tokenizer = Tokenizer(rules, PAD)
        assert tokenizer.decode(tokenizer.encode(SENTENCES[0])) == SENTENCES[0]

    def test_copy_of_a_model_shares_it(self, own):
        assert copy.deepcopy(own) is own

    @pytest.mark.parametrize("name", ["bert", "own"])
    def test_survives_the_way_to_another_process(self, name, request):
        tokenizer = request.getfixturevalue(name)
        other = pickle.loads(pickle.dumps(tokenizer))
        assert other.pad_id == tokenizer.pad_id
        for text in (SENTENCES[0], STRANGE, "[SEP] <pad>"):
            assert other.encode(text) == tokenizer.encode(text)


class TestTrainTokenizer:
    @pytest.mark.parametrize("text", [*SENTENCES, STRANGE, "", "<pad> <end>"])
    def test_any_text_is_found_again_letter_by_letter(self, own, text):
        assert own.decode(own.encode(text)) == text

    def test_marks_and_padding_vanish_from_the_text(self, own):
        assert own.decode([1, *own.encode("rain"), 0, 0]) == "rain"
        assert own.decode(own(["rain"], max_tokens=9)[0]) == "rain"

    def test_padding_is_0_and_the_end_1(self, own):
        assert (own.pad_id, own.number_of(END)) == (0, 1)
        assert own.num_tokens == 300

    def test_most_frequent_pair_becomes_a_token_first(self):
        tokenizer = train_tokenizer(["xyxyxy xy zx"], num_tokens=259)
        assert tokenizer.tokenize("xyz") == ["xy", "z"]

    def test_learns_from_the_given_texts_only(self):
        rain, mill = (train_tokenizer([word * 9], 262) for word in ("rain", "mill"))
        assert len(rain.encode("rain")) < len(mill.encode("rain")) == 4

    def test_more_tokens_make_shorter_texts(self):
        lengths = [len(train_tokenizer(SENTENCES, n).encode(SENTENCES[3])) for n in (258, 270, 300)]
        assert lengths[0] > lengths[1] > lengths[2]
        assert lengths[0] == len(SENTENCES[3])

    def test_same_texts_give_the_same_tokens_each_time(self, own):
        assert {tiny_tokenizer().rules.to_str() for _ in range(5)} == {own.rules.to_str()}

    @pytest.mark.parametrize("num_tokens", [257, 0, -5])
    def test_too_few_tokens_are_refused(self, num_tokens):
        with pytest.raises(ValueError, match=f"num_tokens is {num_tokens}; give 258 or more"):
            train_tokenizer(SENTENCES, num_tokens)

    def test_one_text_is_refused_since_its_letters_would_become_texts(self):
        with pytest.raises(TypeError, match="texts is a text; give a list of texts"):
            train_tokenizer("rain", 260)

    @pytest.mark.parametrize("num_tokens", [True, 260.0, "260", None])
    def test_number_of_tokens_is_a_whole_number(self, num_tokens):
        assert train_tokenizer(SENTENCES, np.int64(260)).num_tokens == 260
        with pytest.raises(TypeError, match=r"num_tokens is .+; give a whole number"):
            train_tokenizer(SENTENCES, num_tokens)

    def test_nothing_is_printed(self, capfd):
        tiny_tokenizer()
        assert capfd.readouterr() == ("", "")
