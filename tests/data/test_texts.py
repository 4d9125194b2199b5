"""Tests of course_utils.data.texts."""

import copy
import pickle

import pytest
import torch

from course_utils.data.texts import Texts, one_text


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
        with pytest.raises(IndexError, match="size of axis is 5 but size of corresponding"):
            texts[torch.ones(4, dtype=torch.bool)]

    @pytest.mark.parametrize("index", [torch.zeros(2), torch.ones(5).byte()])
    def test_other_tensors_are_refused(self, texts, index):
        with pytest.raises(IndexError, match=r"has the type torch.+; give int64 or bool"):
            texts[index]

    @pytest.mark.parametrize("given", ["abc", b"abc", None, 5])
    def test_what_is_no_list_of_texts_is_refused(self, given):
        with pytest.raises(TypeError, match=r"texts is .+; give a list of texts, also for one"):
            Texts(given)

    @pytest.mark.parametrize("wrong", [b"secret", None, 3.5, ["secret"]])
    def test_what_is_no_text_is_refused_with_its_place_and_not_shown(self, wrong):
        with pytest.raises(TypeError, match=r"texts has .+ at position 1; give texts only") as info:
            Texts(["secret", wrong])
        assert "secret" not in str(info.value)

    def test_texts_that_all_share_cannot_be_changed(self, texts):
        with pytest.raises(ValueError, match="read-only"):
            texts[0] = "z"

    def test_survives_a_copy_and_the_way_to_another_process(self, texts):
        for made in (copy.deepcopy(texts), pickle.loads(pickle.dumps(texts))):
            assert isinstance(made, Texts)
            assert list(made) == list(texts)

    def test_text_for_people_shows_a_number_and_no_text(self, texts):
        assert repr(texts) == str(texts) == "Texts(5 texts)"
        assert repr(Texts([])) == "Texts(0 texts)"


class TestOneText:
    @pytest.mark.parametrize("wrong", [["secret"], b"secret", None])
    def test_something_else_is_refused(self, wrong):
        with pytest.raises(TypeError, match="prompt is .+; give one text"):
            one_text("prompt", wrong)
