"""The glossary says what the lessons say, and each word has a Chinese name."""

from pathlib import Path

import pytest
from lesson import Lesson, links
from nbformat.v4 import new_markdown_cell
from tiny_notebooks import save

from course_utils.project import glossary as module
from course_utils.project.glossary import ROOT, Word, glossary, words_of

LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
NEEDED = "源任务 目标任务 特征迁移 参数迁移 知识迁移 微调 预训练模型 负迁移".split()


@pytest.fixture(scope="module")
def text():
    return (ROOT / "GLOSSARY.md").read_text("utf-8")


@pytest.fixture
def two_names(monkeypatch):
    monkeypatch.setattr(module, "CHINESE", {"arm": "组", "risk": "风险"})


class TestTheGlossary:
    def test_is_up_to_date(self, text):
        made = glossary(word for path in LESSONS for word in words_of(path))
        assert text == made, "run .venv/bin/python -m course_utils.project.glossary"

    def test_has_the_core_terms_in_chinese(self, text):
        assert [term for term in NEEDED if term not in text] == []

    def test_each_word_leads_to_the_words_of_a_lesson(self, text):
        targets = [link for link in links(text) if link.startswith("notebooks/")]
        assert len(targets) == text.count("\n| ") - 1
        assert set(targets) == {f"notebooks/{path.name}#Words" for path in LESSONS}

    @pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
    def test_each_lesson_leads_to_it(self, path):
        assert "../GLOSSARY.md" in links(Lesson.read(path).section("Words").text)


class TestWords:
    def test_are_read_from_the_table(self, tmp_path):
        table = (
            "## Words\n\nA line.\n\n| word | meaning |\n|---|---|\n| arm | a way |\n| L1 | $|w|$ |"
        )
        path = save(tmp_path / "00_a.ipynb", new_markdown_cell(table))
        assert words_of(path) == [
            Word("arm", "a way", "00_a.ipynb"),
            Word("L1", "$|w|$", "00_a.ipynb"),
        ]

    def test_lesson_without_a_table_is_named(self, tmp_path):
        path = save(tmp_path / "00_a.ipynb", new_markdown_cell("## Words\n\nNone."))
        with pytest.raises(ValueError, match="00_a.ipynb has no table"):
            words_of(path)

    def test_are_in_the_order_of_letters(self, two_names):
        made = glossary([Word("risk", "r", "00_a.ipynb"), Word("arm", "a", "01_b.ipynb")])
        assert made.index("| arm | 组 | a | [lesson 01]") < made.index("| risk | 风险 |")

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["arm", "risk", "Arm"], "00.ipynb and 02.ipynb both define 'Arm'"),
            (["arm", "risk", "loss"], "'loss' of 02.ipynb has no Chinese name"),
            (["arm"], "no lesson defines 'risk'"),
        ],
    )
    def test_what_is_wrong_is_said_in_one_line(self, two_names, words, message):
        with pytest.raises(ValueError, match=message):
            glossary(Word(term, "-", f"{number:02d}.ipynb") for number, term in enumerate(words))

    def test_command_writes_the_file_or_says_what_is_wrong(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(module, "ROOT", Path(tmp_path))
        assert module.main() == 1
        assert "no lesson defines" in capsys.readouterr().err
        assert not (tmp_path / "GLOSSARY.md").exists()
