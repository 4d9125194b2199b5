"""Tests of course_utils.texts."""

import pytest
import torch

from course_utils.data.texts import Texts


@pytest.fixture
def texts():
    return Texts(["a", "b", "c", "d", "e"])


class TestTexts:
    def test_is_a_sequence_of_its_texts(self, texts):
        assert list(texts) == ["a", "b", "c", "d", "e"]
        assert len(texts) == 5
        assert texts[1] == "b"
        assert texts[-1] == "e"
        assert "c" in texts

    @pytest.mark.parametrize(
        ("index", "expected"),
        [
            (slice(1, 3), ["b", "c"]),
            ([4, 0], ["e", "a"]),
            (torch.tensor([4, 0, 0]), ["e", "a", "a"]),
            (torch.tensor([-1]), ["e"]),
            (torch.tensor([True, False, False, True, False]), ["a", "d"]),
            (torch.zeros(0, dtype=torch.int64), []),
            (torch.zeros(5, dtype=torch.bool), []),
        ],
    )
    def test_index_of_several_gives_texts(self, texts, index, expected):
        found = texts[index]
        assert isinstance(found, Texts)
        assert list(found) == expected

    def test_tensor_chooses_what_it_would_choose_from_a_tensor(self, texts):
        numbers, order = torch.arange(5), torch.tensor([3, 1, 4])
        assert list(texts[order]) == [texts[int(number)] for number in numbers[order]]

    def test_position_that_does_not_exist_is_an_error(self, texts):
        with pytest.raises(IndexError):
            texts[torch.tensor([5])]

    def test_booleans_of_another_length_are_refused(self, texts):
        with pytest.raises(IndexError, match="the index has 4 booleans for 5 texts"):
            texts[torch.ones(4, dtype=torch.bool)]

    @pytest.mark.parametrize(
        "index", [torch.zeros(2), torch.zeros(1, 2, dtype=torch.int64), torch.ones(5).byte()]
    )
    def test_other_tensors_are_refused(self, texts, index):
        with pytest.raises(TypeError, match=r"give torch.int64 or torch.bool in one dimension"):
            texts[index]

    def test_one_text_is_refused_since_its_letters_would_become_texts(self):
        with pytest.raises(TypeError, match=r"texts is the text 'abc'; give a list of texts"):
            Texts("abc")

    def test_what_is_no_text_is_refused_with_its_place(self):
        with pytest.raises(TypeError, match=r"texts\[1\] is b'b'; give texts only"):
            Texts(["a", b"b"])

    def test_equal_texts_are_equal(self, texts):
        assert texts == Texts(list(texts))
        assert hash(texts) == hash(Texts(list(texts)))
        assert texts != Texts(["a"])
        assert texts != ["a", "b", "c", "d", "e"]

    def test_text_for_people_shows_a_number_and_a_start(self, texts):
        assert repr(texts) == "Texts(5 texts, first 'a')"
        assert repr(Texts(["x" * 50])) == f"Texts(1 texts, first '{'x' * 40}...')"
        assert repr(Texts([])) == "Texts(0 texts)"
