"""Tests of the folders, pages, slides and copies that are made of the notebooks."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.project.book import __main__ as book
from course_utils.project.book.folders import built_aside, package_folder
from course_utils.project.book.graph import drawn_graphs, graph_picture
from course_utils.project.book.heights import PAGE, height
from course_utils.project.book.pages import (
    TEXTS,
    book_page,
    contents,
    inner_links,
    lesson_title,
    text_page,
)
from course_utils.project.book.pictures import describe_pictures, drawn
from course_utils.project.book.slide_cuts import cut_lesson, shown_part
from course_utils.project.book.student import INSTEAD, student_copy
from course_utils.project.installation import ROOT

LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = {"index.md", *TEXTS, *(f"notebooks/{path.name}" for path in LESSONS)}
LINKED = re.compile(r"\]\(((?:\.\./)?(?:notebooks/\w+\.ipynb|[A-Z]+\.md|index\.md))")


def read(path):
    return nbformat.read(path, as_version=4)


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


class TestFolders:
    def test_new_folder_takes_the_place_of_the_old_one(self, tmp_path):
        target = tmp_path / "site"
        for name in ("old.html", "new.html"):
            with built_aside(target) as folder:
                (folder / name).touch()
        assert [path.name for path in tmp_path.rglob("*")] == ["site", "new.html"]

    def test_after_an_error_the_old_one_is_as_it_was(self, tmp_path):
        target = tmp_path / "site"
        target.mkdir()
        (target / "old.html").touch()
        with pytest.raises(ValueError, match="broken"), built_aside(target) as folder:
            (folder / "new.html").touch()
            raise ValueError("broken")
        assert [path.name for path in tmp_path.rglob("*")] == ["site", "old.html"]

    @pytest.mark.slow
    def test_failure_is_one_line_and_leaves_what_was_built(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(book, "ROOT", tmp_path)
        lesson = tmp_path / "00.ipynb"
        nbformat.write(new_notebook(cells=[new_markdown_cell("# A\n\n[b](#nowhere)")]), lesson)
        for name, words in [("site", "nowhere"), ("student", "says 0 times")]:
            (tmp_path / "build" / name).mkdir(parents=True)
            assert book.main([name, str(lesson)]) == 1
            error = capsys.readouterr().err
            assert error.startswith("Not built: ")
            assert words in error
            assert error.count("\n") == 1
            assert list((tmp_path / "build" / name).iterdir()) == []

    def test_missing_part_of_a_package_is_named(self):
        with pytest.raises(FileNotFoundError, match="sphinx-revealjs has no folder missing"):
            package_folder("sphinx-revealjs", "missing")


class TestPages:
    @pytest.mark.parametrize(
        ("link", "expected"),
        [
            ("[a](https://example.org/x)", "[a](https://example.org/x)"),
            ("[a](05_domain_alignment.ipynb#What-now?)", "[a](05_domain_alignment.ipynb#what-now)"),
            ("[a](#When-this-fails)", "[a](#when-this-fails)"),
            ("[a](../tests/benchmarks/README.md)", "a"),
            ("[a](../GLOSSARY.md)", "[a](../GLOSSARY.md)"),
            ("[a](../LICENSE)", "a"),
            ("![a](../figures/formula.png)", "![a](../figures/formula.png)"),
            ("[`__init__`](../course_utils)", "`__init__`"),
        ],
    )
    def test_links_that_leave_the_book_become_text(self, link, expected):
        assert inner_links(link, Path("notebooks"), PAGES) == expected

    def test_solutions_are_folded(self):
        page = book_page(read(LESSONS[0]), PAGES)
        assert tagged(page, "hide-cell") == tagged(page, "solution") != []

    def test_lessons_lead_to_the_glossary(self):
        for path in LESSONS:
            page = book_page(read(path), PAGES)
            assert any("](../GLOSSARY.md)" in cell.source for cell in page.cells)

    @pytest.mark.parametrize("name", ["README.md", *TEXTS])
    def test_texts_keep_their_links_to_pages_of_the_book(self, name):
        text = (ROOT / name).read_text("utf-8").replace("(README.md", "(index.md")
        wanted = [target for target in LINKED.findall(text) if target in PAGES]
        assert LINKED.findall(text_page(name, PAGES)) == wanted
        assert wanted != []

    def test_every_page_is_listed_beside_the_others(self):
        listed = contents(LESSONS)
        for name in PAGES - {"index.md"}:
            assert name.partition(".")[0] in listed

    def test_page_for_teachers_has_no_question_for_an_exam_and_no_answer(self):
        whole, text = (ROOT / "TEACHING.md").read_text("utf-8"), text_page("TEACHING.md", PAGES)
        for word in ("**Exam", "*Look for:*"):
            assert whole.count(word) == len(LESSONS)
            assert word not in text
        assert "Marks" not in text
        assert text.count("**Late?**") == len(LESSONS)
        assert text.count("**Discuss.**") == len(LESSONS)


def picture(**metadata):
    """Return a code cell that drew a picture."""
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 7x4 with 2 Axes>"}
    output = new_output("display_data", data=data, metadata=metadata)
    return new_code_cell("ax.plot(x)\nax.set(title=f'{n} labels')", outputs=[output])


class TestPictures:
    @pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
    def test_each_in_the_book_says_what_it_shows(self, path):
        shown = [
            cell.metadata.mystnb["image"]["alt"]
            for cell in book_page(read(path), PAGES).cells
            if any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        ]
        assert len(shown) == len(set(shown))
        for alt in shown:
            assert 40 < len(alt) < 400
            assert alt[-1] in ".?!"
            assert not re.search(r"\.png|[*`$]|\]\(", alt)

    def test_cell_draws_one_picture_at_most(self):
        cells = [cell for path in LESSONS for cell in read(path).cells if cell.cell_type == "code"]
        for cell in cells:
            assert sum("image/png" in out.get("data", {}) for out in cell.outputs) <= 1

    def test_title_and_labels_come_from_the_code_and_the_rest_from_the_text_below(self):
        lesson = new_notebook(cells=[picture(), new_markdown_cell("It is **one**. Two.\n\nOld.")])
        describe_pictures(lesson)
        alt = lesson.cells[0].outputs[0].metadata["image/png"]["alt"]
        assert alt == "Lines or points in 2 panels: “… labels”. It is one. Two."

    def test_text_that_is_stored_stays(self):
        lesson = new_notebook(cells=[picture(**{"image/png": {"alt": "Mine."}})])
        describe_pictures(lesson)
        assert lesson.cells[0].outputs[0].metadata["image/png"]["alt"] == "Mine."

    def test_title_that_stands_elsewhere_in_the_cell_is_found(self):
        code = "NAME = 'steps'\nax.bar(x, y)\nax.set_xlabel(NAME)\nshow(x, y, 'A title')"
        kind, words = drawn(code)
        assert (kind, words["across"], words["title"]) == ("Bars", ["steps"], ["A title"])


class TestGraph:
    NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")

    def boxes(self, picture):
        sides = re.findall(r'<rect x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"', picture)
        return [(x, y, x + w, y + h) for x, y, w, h in (map(float, side) for side in sides)]

    def lines(self, picture):
        found = (map(float, self.NUMBERS.findall(p)) for p in re.findall('points="(.+?)"', picture))
        return [list(zip(each, each, strict=True)) for each in found]

    def test_of_the_lessons_has_all_boxes_and_arrows_in_place_of_the_block(self):
        text = (ROOT / "READING.md").read_text("utf-8")
        page = text_page("READING.md", PAGES)
        assert "mermaid" not in page
        assert page == drawn_graphs(page)
        assert len(self.boxes(page)) == len(LESSONS)
        assert len(self.lines(page)) == text.count(" --> ")
        for title in re.findall(r'\["(.+)"\]', text):
            assert f">{title}</text>" in page

    def test_arrow_goes_down_and_around_the_boxes_between(self):
        nodes = "".join(f'    {name}["{name}"]\n' for name in "abcd")
        ends = ["ab", "bc", "cd", "ad"]
        picture = graph_picture(nodes + "".join(f"    {a} --> {b}\n" for a, b in ends))
        boxes, lines = self.boxes(picture), self.lines(picture)
        assert len(boxes) == len(lines) == 4
        for line in lines:
            assert [y for _, y in line] == sorted(y for _, y in line)
            for (x, y), (end_x, end_y) in zip(line, line[1:], strict=False):
                middle = ((x + end_x) / 2, (y + end_y) / 2)
                inside = [b for b in boxes if b[0] < middle[0] < b[2] and b[1] < middle[1] < b[3]]
                assert inside == []

    def test_says_in_words_what_it_shows(self):
        picture = graph_picture('    a["A & B"]\n    b["C"]\n    a --> b\n')
        assert 'role="img" aria-label="A &amp; B comes before C."' in picture


class TestSlides:
    def test_deck_of_each_lesson_says_all_that_the_lesson_says(self):
        for path in LESSONS:
            lesson = read(path)
            slides = cut_lesson(lesson)
            text = "\n".join(cell.source for cell in slides.cells)
            for cell in lesson.cells:
                if cell.cell_type == "code" and "solution" in cell.metadata.get("tags", []):
                    assert cell.source not in text
                elif cell.cell_type == "markdown" and "## References" not in cell.source:
                    words = cell.source.split("\n\n")[-1].splitlines()[0]
                    assert words in text, (path.name, words)

    def test_slide_shows_one_sentence_of_a_paragraph_and_says_the_rest(self):
        cell = new_markdown_cell("## Title\n\nOne. Two.\n\n- a point\n\n<details>Why.</details>")
        slide, notes = cut_lesson(new_notebook(cells=[cell])).cells
        assert slide.source == "## Title\n\nOne.\n\n- a point"
        assert slide.metadata.slideshow.slide_type == "slide"
        assert "One. Two." in notes.source
        assert "Why." in notes.source
        assert notes.metadata.slideshow.slide_type == "notes"

    @pytest.mark.parametrize("text", ["**A. B** is bold.", "In $a. B$ is a formula.", "No end"])
    def test_sentence_is_not_cut_inside_of_marks(self, text):
        assert shown_part(text) == text

    def test_prediction_is_shown_wherever_it_stands_in_a_paragraph(self):
        text = "It depends. Much. **Your prediction.** By how much?"
        assert shown_part(text) == text

    def test_result_is_not_on_the_slide_of_its_prediction(self):
        output = new_output("stream", text="10")
        cells = [new_code_cell("import os"), new_markdown_cell("**Your prediction.** How many?")]
        cells += [new_code_cell("print(10)", outputs=[output])]
        slides = cut_lesson(new_notebook(cells=cells)).cells
        kinds = [cell.metadata.slideshow.slide_type for cell in slides]
        assert kinds == ["subslide", "notes", "subslide"]

    def test_what_does_not_fit_one_page_goes_on_the_next(self):
        for path in LESSONS:
            filled = 0
            for cell in cut_lesson(read(path)).cells:
                kind = cell.metadata.slideshow.slide_type
                if kind != "notes":
                    filled = height(cell) + (filled if kind == "-" else 0)
                    assert filled <= PAGE or kind != "-"


@pytest.fixture(scope="module", params=LESSONS, ids=[path.stem for path in LESSONS])
def pair(request):
    """Return a lesson and its copy for students."""
    lesson = read(request.param)
    return lesson, student_copy(lesson, PAGES)


class TestStudent:
    def test_has_no_solution_and_no_output_and_says_so(self, pair):
        _, student = pair
        assert tagged(student, "solution") == []
        code = [cell for cell in student.cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
        text = "\n".join(cell.source for cell in student.cells if cell.cell_type == "markdown")
        assert text.count(INSTEAD) == 1
        assert "holds a solution" not in text

    def test_keeps_everything_else(self, pair):
        lesson, student = pair
        assert len(student.cells) == len(lesson.cells) - len(tagged(lesson, "solution"))
        assert tagged(student, "exercise") != []
        assert lesson_title(student) == lesson_title(lesson)
        assert tagged(lesson, "solution") != []  # the lesson itself is as it was

    def test_reads_no_name_that_only_a_solution_defines(self, pair):
        lesson, student = pair
        solved = names(tagged(lesson, "solution"), ast.Store)
        others = [cell for cell in student.cells if cell.cell_type == "code"]
        assert solved & names(others, ast.Load) <= names(others, ast.Store)

    def test_lesson_that_says_nothing_of_solutions_is_refused(self):
        with pytest.raises(ValueError, match="says 0 times where its solutions are"):
            student_copy(new_notebook(cells=[new_markdown_cell("## Exercises")]), PAGES)


def names(cells, context):
    """Return the names that code cells define (`ast.Store`) or read (`ast.Load`)."""
    found = set()
    for cell in cells:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, context):
                found.add(node.id)
            if context is ast.Store and isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            if context is ast.Store and isinstance(node, ast.arg):
                found.add(node.arg)
    return found
