"""Tests of `course_utils.project.normal_form`."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_output
from tiny_notebooks import code, notebook, picture, save, stream, text

from course_utils.project.normal_form import is_normal, normal_text, normalise, write_notebook

WIDGET = "application/vnd.jupyter.widget-view+json"


def messy():
    """Return a notebook as JupyterLab and other tools leave it."""
    shown = picture()
    shown.metadata = {"image/png": {"width": 640, "needs_background": "light"}, "text/html": {}}
    value = new_output("execute_result", data={"text/plain": "4"}, execution_count=17)
    slide = {"slide_type": ""}
    untidy = notebook(
        text("# Title"),
        code("show()", shown, count=12, collapsed=True, execution={"start": "2025"}),
        code("2 + 2", value, count=17, tags=["solution"], jupyter={"source_hidden": True}),
        code("pass", count=None, slideshow=slide, jupyter={"source_hidden": False}),
        code("pass", stream("10%\r"), stream("oh", "stderr"), stream("20%\ndone\n"), count=20),
    )
    untidy.metadata = nbformat.from_dict({"widgets": {"state": {}}, "colab": {"id": "x"}})
    return untidy


class TestNormalise:
    def test_twice_is_once(self):
        once = normalise(messy())
        assert normalise(once) == once

    def test_result_is_a_valid_notebook(self):
        nbformat.validate(normalise(messy()))

    def test_argument_is_not_changed(self):
        untidy = messy()
        before = copy.deepcopy(untidy)
        normalise(untidy)
        assert untidy == before

    def test_notebook_metadata_is_fixed(self):
        metadata = normalise(messy()).metadata
        assert set(metadata) == {"kernelspec", "language_info"}
        assert metadata.language_info == {"name": "python"}
        assert metadata.kernelspec.name == "python3"

    def test_only_wanted_cell_metadata_stays(self):
        metadata = [dict(cell.metadata) for cell in normalise(messy()).cells]
        hidden = {"jupyter": {"source_hidden": True}, "tags": ["solution"]}
        assert metadata == [{}, {}, hidden, {}, {}]

    def test_run_cells_are_counted_by_place_and_unrun_cells_stay_unrun(self):
        cells = normalise(messy()).cells[1:]
        assert [cell.execution_count for cell in cells] == [1, 2, None, 4]
        assert cells[1].outputs[0].execution_count == 2

    def test_streams_are_merged_as_nbval_merges_them(self):
        outputs = normalise(messy()).cells[4].outputs
        assert [(output.name, output.text) for output in outputs] == [
            ("stdout", "20%\ndone\n"),
            ("stderr", "oh"),
        ]

    def test_size_of_a_picture_stays_and_its_other_metadata_goes(self):
        assert normalise(messy()).cells[1].outputs[0].metadata == {"image/png": {"width": 640}}

    def test_random_number_of_a_widget_goes(self):
        widget = new_output("display_data", data={WIDGET: {"model_id": "f3"}, "text/plain": "Bar"})
        cell = normalise(notebook(code("bar", widget))).cells[0]
        assert cell.outputs[0].data == {"text/plain": "Bar"}

    def test_names_of_cells_change_only_with_the_cell(self):
        before = normalise(notebook(text("a"), code("b"), code("c")))
        after = normalise(notebook(text("new"), text("a"), code("b"), code("changed")))
        names, new_names = ([cell.id for cell in book.cells] for book in (before, after))
        assert new_names[1:3] == names[:2]
        assert new_names[3] != names[2]

    def test_equal_cells_get_different_names(self):
        cells = normalise(notebook(code("x"), code("x"), code("x"))).cells
        assert len({cell.id for cell in cells}) == 3

    def test_old_format_is_refused(self):
        with pytest.raises(ValueError, match="format 3.*Open it in JupyterLab"):
            normalise(nbformat.from_dict({"nbformat": 3, "metadata": {}, "worksheets": []}))


class TestNormalText:
    def test_it_has_one_final_newline_and_reads_back(self):
        written = normal_text(messy())
        assert written.endswith("}\n")
        assert nbformat.reads(written, as_version=4) == normalise(messy())


class TestIsNormal:
    def test_messy_file_is_not_until_it_is_written_anew(self, tmp_path):
        path = save(tmp_path / "a.ipynb", code("x", count=3))
        assert not is_normal(path)
        write_notebook(nbformat.read(path, as_version=4), path)
        assert is_normal(path)

    def test_one_more_space_is_noticed(self, tmp_path):
        path = tmp_path / "a.ipynb"
        write_notebook(notebook(code("x")), path)
        path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
        assert not is_normal(path)


class TestWriteNotebook:
    def test_failed_write_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch):
        path = save(tmp_path / "a.ipynb", code("old"))
        before = path.read_bytes()

        def no_space(self, target):
            raise OSError("no space left on device")

        monkeypatch.setattr("pathlib.Path.replace", no_space)
        with pytest.raises(OSError, match="no space"):
            write_notebook(notebook(code("new")), path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_letters_outside_ascii_are_kept(self, tmp_path):
        path = tmp_path / "a.ipynb"
        write_notebook(notebook(text("λ R(w) ≤ 1")), path)
        assert "λ R(w) ≤ 1" in path.read_text(encoding="utf-8")
