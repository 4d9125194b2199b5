"""Tests of course_utils.data.news."""

import hashlib

import pytest
import torch

from course_utils.data import news
from course_utils.data.news import decode, first_places, load_bbc_news, news_texts
from course_utils.data.texts import Texts
from course_utils.environment.packages import package_path


def digest(task):
    """Checksum of all three index lists."""
    lists = (",".join(map(str, part.indices.tolist())) for part in task.parts.values())
    return hashlib.sha256(";".join(lists).encode()).hexdigest()


@pytest.fixture(scope="module")
def headlines():
    return load_bbc_news()


@pytest.fixture(scope="module")
def articles():
    return load_bbc_news("article")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Let five small folders stand for the package, with one copy and one odd encoding."""
    files = {
        "business/001.txt": b"Mill sold\n\nThe mill was sold for \xa35m.\n",  # Latin-1
        "business/002.txt": b"Mill sold\n\nAnother text.\n",
        "entertainment/001.txt": "Play opens\n\nTickets cost £5.\n".encode(),
        "politics/001.txt": b"Vote set\r\n\r\nIt is in May.\r\n",
        "sports/001.txt": b"Match drawn\n\nNobody won.\n",
        "sports/002.txt": b"Match drawn\n\nNobody won.\n",
        "tech/001.txt": b"New phone\n\nIt rings.\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(news, "package_path", lambda key: tmp_path)
    news._articles.cache_clear()
    yield tmp_path
    news._articles.cache_clear()


class TestLoadBbcNews:
    def test_split_is_pinned_by_its_checksum(self, headlines):
        assert (
            digest(headlines) == "2e792ff99677957d603ddf8be7020b469c46909edb4d0b4ace93a85a30c67c96"
        )

    def test_all_articles_are_there_with_the_published_counts(self):
        task = load_bbc_news(remove_duplicates=False)
        labels = torch.cat([part.labels for part in task.parts.values()])
        assert task.classes == ("business", "entertainment", "politics", "sports", "tech")
        assert labels.bincount().tolist() == [510, 386, 417, 511, 401]  # METHODS section 2

    def test_exactly_the_98_copies_are_removed(self, headlines):
        texts = news_texts("article")
        kept = torch.cat([part.indices for part in headlines.parts.values()])
        assert len(kept) == len(set(texts)) == 2225 - 98
        assert {texts[int(index)] for index in kept} == set(texts)

    def test_first_of_two_copies_stays(self, folder):
        task = load_bbc_news()
        kept = torch.cat([part.indices for part in task.parts.values()])
        assert sorted(kept.tolist()) == [0, 1, 2, 3, 4, 6]  # 5 is the copy

    def test_same_headline_with_another_text_stays(self, folder):
        assert list(news_texts())[:2] == ["Mill sold", "Mill sold"]
        assert len(first_places(news_texts("article"))) == 6

    def test_no_text_is_in_two_parts(self, articles):
        sets = [set(part.inputs) for part in articles.parts.values()]
        assert (
            sum(map(len, sets)) == len(set.union(*sets)) == sum(map(len, articles.parts.values()))
        )

    def test_kept_copies_leak_from_training_to_test(self):
        task = load_bbc_news("article", remove_duplicates=False)
        assert len(set(task.train.inputs) & set(task.test.inputs)) > 10

    def test_parts_have_their_shares_of_each_class(self, headlines):
        whole = torch.cat([part.labels for part in headlines.parts.values()]).bincount()
        for name, share in (("train", 0.6), ("validation", 0.15), ("test", 0.25)):
            found = headlines.parts[name].labels.bincount()
            # taken in two rounds, and rounded in each
            assert ((found - share * whole).abs() < 2).all(), (name, found)

    def test_headline_and_article_are_cut_from_the_same_split(self, headlines, articles):
        assert digest(headlines) == digest(articles)
        for name, part in headlines.parts.items():
            firsts = [text.split("\n")[0].strip() for text in articles.parts[name].inputs]
            assert list(part.inputs) == firsts

    def test_labels_are_the_folders_of_the_texts(self, articles):
        folder, few = package_path("bbc_news"), articles.few_shot(2, seed=0).train
        for text, label in zip(few.inputs, few.labels, strict=True):
            files = (folder / articles.classes[label]).glob("*.txt")
            assert any(decode(file.read_bytes()) == text for file in files)

    def test_indices_find_the_row_in_all_texts(self, headlines):
        texts = news_texts("headline")
        assert list(headlines.test.inputs) == list(texts[headlines.test.indices])

    def test_another_seed_gives_another_split(self, headlines):
        other = load_bbc_news(split_seed=1)
        assert set(other.test.indices.tolist()) != set(headlines.test.indices.tolist())

    def test_few_shot_draws_texts(self, headlines):
        few = headlines.few_shot(3, seed=0).train
        assert few.class_counts() == dict.fromkeys(range(5), 3)
        assert isinstance(few.inputs, Texts)

    def test_text_for_people_says_text_and_whose_it_is(self, headlines):
        assert "input       text, the headline of an article" in repr(headlines)
        assert "copyright BBC, offered for research use" in repr(headlines)
        assert headlines._repr_mimebundle_() == {"text/plain": repr(headlines)}

    def test_unknown_part_is_refused(self):
        with pytest.raises(ValueError, match="part is 'body'; give 'headline' or 'article'"):
            load_bbc_news("body")


class TestNewsTexts:
    def test_copies_are_included_in_the_order_of_the_files(self, folder):
        assert list(news_texts()) == [
            *("Mill sold", "Mill sold", "Play opens", "Vote set"),
            *("Match drawn", "Match drawn", "New phone"),
        ]

    def test_pound_is_read_in_both_encodings(self, folder):
        texts = news_texts("article")
        assert texts[0] == "Mill sold\n\nThe mill was sold for £5m."
        assert texts[2] == "Play opens\n\nTickets cost £5."

    def test_line_ends_of_another_system_make_no_difference(self, folder):
        assert news_texts("article")[3] == "Vote set\n\nIt is in May."

    def test_no_text_is_empty_or_has_a_replacement_character(self):
        for part in ("headline", "article"):
            texts = news_texts(part)
            assert len(texts) == 2225
            assert all(text.strip() == text != "" and "\ufffd" not in text for text in texts)

    def test_headlines_have_one_line(self):
        assert not any("\n" in headline for headline in news_texts())


class TestFirstPlaces:
    @pytest.mark.parametrize(
        ("texts", "places"), [([], []), (["a", "a"], [0]), (["b", "a", "b", " b"], [0, 1, 3])]
    )
    def test_each_text_once_and_in_order(self, texts, places):
        found = first_places(Texts(texts))
        assert found.tolist() == places
        assert found.dtype == torch.int64


class TestTextsAlone:
    def test_one_text_is_no_list(self):
        with pytest.raises(TypeError, match="texts is a text; give a list of texts"):
            first_places("abc")
