"""The reading list says what the lessons say, and each reference stands behind something."""

import re
from urllib.parse import unquote

import pytest
from lesson import Lesson, links
from nbformat.v4 import new_markdown_cell
from tiny_notebooks import save

from course_utils.project.installation import ROOT
from course_utils.project.reading import arrows, lesson_of, reading
from course_utils.project.references import parts_of, references_of

LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
ARROW = re.compile(r"^\s+(\d\d) --> (\d\d)", re.MULTILINE)
FIRST = """# Tiny

**The question.** Is
it so?

**You need** [lesson 00](00_a.ipynb).

**Time** to read 1 min, to run 2 to 3 min, to practise 4 min."""
PAPER = "- Ho 1979, *A test*, [doi:10.1/2](https://doi.org/10.1/2)"


@pytest.fixture(scope="module")
def text():
    return (ROOT / "READING.md").read_text("utf-8")


class TestTheReadingList:
    def test_is_up_to_date(self, text):
        wrong = "run .venv/bin/python -m course_utils.project.glossary"
        assert text == reading(LESSONS), wrong

    def test_graph_says_what_the_lessons_need(self, text):
        """Second implementation: what can be reached by arrows is all that the lessons name."""
        reached, named = {}, {}
        for path in LESSONS:
            number, first = path.name[:2], Lesson.read(path).cells[0].source
            needs = first.partition("**You need**")[2].partition("**Time**")[0]
            named[number] = {unquote(target)[:2] for target in links(needs)}
            near = {before for before, after in ARROW.findall(text) if after == number}
            reached[number] = near.union(*(reached[before] for before in near))
            named[number] = named[number].union(*(named[before] for before in named[number]))
        assert reached == named

    def test_has_each_number_of_each_list_once(self, text):
        listed = text.partition("## What stands behind")[2]
        rows = re.findall(r"\[((?:doi|arXiv):\S+?)\]\(https", listed)
        assert len(rows) == len(set(rows))
        for path in LESSONS:
            section = Lesson.read(path).section("References").text
            numbers = re.findall(r"\[((?:doi|arXiv):\S+?)\]\(https", section)
            assert set(numbers) <= set(rows)
            assert len(numbers) == len(references_of(path))


class TestLessonOf:
    def test_reads_the_first_cell(self, tmp_path):
        lesson = lesson_of(save(tmp_path / "01_b.ipynb", new_markdown_cell(FIRST)))
        assert lesson == ("01_b.ipynb", "Tiny", "Is it so?", ("1", "2 to 3", "4"), ("00",))
        assert lesson.number == "01"

    @pytest.mark.parametrize("words", ["**The question.**", "**Time**"])
    def test_names_what_is_missing(self, tmp_path, words):
        path = save(tmp_path / "01_b.ipynb", new_markdown_cell(FIRST.replace(words, "")))
        with pytest.raises(ValueError, match=re.escape(f"01_b.ipynb does not say.*{words}"[:20])):
            lesson_of(path)

    def test_what_others_imply_is_no_arrow(self, tmp_path):
        cells = [FIRST.replace("[lesson 00](00_a.ipynb)", "nothing"), FIRST]
        cells += [FIRST.replace("You need**", "You need** [lesson 01](01_a.ipynb) and")]
        files = [
            save(tmp_path / f"0{n}_a.ipynb", new_markdown_cell(cell))
            for n, cell in enumerate(cells)
        ]
        assert arrows([lesson_of(path) for path in files]) == [("00", "01"), ("01", "02")]


class TestPartsOf:
    @pytest.mark.parametrize(
        ("rest", "note"),
        [
            (".", ""),
            (": many of them.", "many of them"),
            (": a, b. Hu 2021, https://a.example.", "a, b"),
            (", section 2: the factor.", "the factor"),
            (". The weights: licence MIT.", "the data or weights"),
            ("; copyright BBC.", "the data or weights"),
        ],
    )
    def test_note_is_what_stands_after_link_and_colon(self, rest, note):
        assert [found[-1] for found in parts_of(PAPER[2:] + rest)] == [note]

    def test_each_publication_of_an_item_has_its_own(self):
        item = f"MNIST: {PAPER[2:]}: one. Van de Ven and Wu 2019, *B*, [arXiv:1](https://b); "
        item += "*C*, [arXiv:2](https://c): three."
        assert [(citation, note) for _, _, citation, note in parts_of(item)] == [
            ("Ho 1979, *A test*", "one"),
            ("Van de Ven and Wu 2019, *B*", ""),
            ("Van de Ven and Wu 2019, *C*", "three"),
        ]


class TestReferencesOf:
    def lesson(self, folder, prose, references=f"{PAPER}."):
        cells = [f"## One\n\n{prose}", f"## References\n\n{references}\n\nThis text: free."]
        return save(folder / "00_a.ipynb", *map(new_markdown_cell, cells))

    def test_sentence_that_names_authors_and_year_is_the_claim(self, tmp_path):
        path = self.lesson(tmp_path, "Two. (It **helps**, say [Ho](x.ipynb) et al. 1979. Three.)")
        (found,) = references_of(path)
        assert (found.behind, found.place) == ("It helps, say Ho et al. 1979.", "One")

    def test_note_of_the_list_comes_first(self, tmp_path):
        (found,) = references_of(self.lesson(tmp_path, "Ho 1979 helps.", f"{PAPER}: tests."))
        assert (found.behind, found.place) == ("tests", "References")

    def test_reference_that_stands_behind_nothing_is_named(self, tmp_path):
        with pytest.raises(ValueError, match=r"00_a.ipynb: Ho 1979.* stands behind nothing"):
            references_of(self.lesson(tmp_path, "Ho 1980 helps."))
