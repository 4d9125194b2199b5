"""Tests of `course_utils.project.normal_form`."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_output
from tiny_notebooks import code, notebook, picture, text

from course_utils.project.normal_form import WIDGET_VIEW, normal_text, normalise


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
        code("pass", count=20),
    )
    untidy.metadata = nbformat.from_dict({"widgets": {"state": {}}, "colab": {"id": "x"}})
    return untidy


class TestNormalise:
    def test_twice_is_once_and_the_result_is_a_valid_notebook(self):
        once = normalise(messy())
        assert normalise(once) == once
        nbformat.validate(once)

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

    def test_size_of_a_picture_stays_and_its_other_metadata_goes(self):
        assert normalise(messy()).cells[1].outputs[0].metadata == {"image/png": {"width": 640}}

    def test_random_number_of_a_widget_goes(self):
        widget = {WIDGET_VIEW: {"model_id": "f3"}, "text/plain": "Bar"}
        cell = normalise(notebook(code("bar", new_output("display_data", data=widget)))).cells[0]
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
