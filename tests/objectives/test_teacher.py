"""Tests of course_utils.objectives.teacher."""

import math

import pytest
import torch
from torch import nn
from toys import one_thread  # noqa: F401, a fixture

from course_utils.objectives.base import Batch
from course_utils.objectives.distillation import Distillation
from course_utils.objectives.teacher import as_table, rows_for, table_by_index

VALUES = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
TABLE = torch.arange(10.0).reshape(5, 2)
TERM = Distillation(TABLE, temperature=2)


def rows(indices, table=TABLE, number=None):
    number = len(indices) if number is None else number
    outputs = torch.zeros(number, 2)
    return rows_for(TERM, Batch(nn.Identity(), outputs, None, outputs, None, indices), table)


class TestTableByIndex:
    def test_each_answer_stands_at_its_index_and_nan_elsewhere(self):
        table = table_by_index(VALUES, torch.tensor([4, 0, 1]))
        assert table.shape == (5, 2)
        assert table[[4, 0, 1]].equal(VALUES)
        assert table[[2, 3]].isnan().all()

    def test_size_may_be_that_of_the_complete_data_set(self):
        table = table_by_index(VALUES, torch.tensor([4, 0, 1]), size=8)
        assert table.isnan().all(1).tolist() == [False, False, True, True, False, True, True, True]

    def test_precision_is_kept_and_the_values_are_copied(self):
        values = VALUES.double().requires_grad_()
        table = table_by_index(values, torch.arange(3))
        assert (table.dtype, table.requires_grad) == (torch.float64, False)
        values.data.zero_()
        assert table[2, 1] == 6

    @pytest.mark.parametrize(
        ("indices", "size", "message"),
        [
            ([0, 1, 1], None, "indices has 1 more than once"),
            ([0, 1], None, r"indices has shape \(2,\) and type torch.int64 for 3 values"),
            ([[0], [1], [2]], None, r"indices has shape \(3, 1\)"),
            ([0.0, 1.0, 2.0], None, "type torch.float32 for 3 values; give an int64"),
            ([True, False, True], None, "type torch.bool for 3 values"),
            ([0, -1, 2], None, "indices has values from -1 to 2 and the table 3 rows"),
            ([0, 1, 5], 5, "indices has values from 0 to 5 and the table 5 rows; give a size abov"),
        ],
    )
    def test_indices_that_do_not_fit_are_refused(self, indices, size, message):
        with pytest.raises(ValueError, match=message):
            table_by_index(VALUES, torch.tensor(indices), size=size)

    def test_a_size_that_is_just_large_enough_is_taken(self):
        assert len(table_by_index(VALUES, torch.tensor([0, 1, 5]), size=6)) == 6

    def test_an_answer_that_is_nan_is_named_by_its_index(self):
        values = VALUES.clone()
        values[1] = math.nan
        with pytest.raises(ValueError, match="values has no number for the index 7; give finite"):
            table_by_index(values, torch.tensor([4, 7, 1]))


class TestAsTable:
    def test_copy_has_no_gradient(self):
        values = VALUES.clone().requires_grad_()
        table = as_table(values, "values")
        values.data.zero_()
        assert table.equal(VALUES)
        assert not table.requires_grad

    def test_copy_is_brought_to_the_cpu(self, monkeypatch):
        monkeypatch.setattr(torch.Tensor, "cpu", lambda values: values + 10)  # a journey that shows
        assert as_table(VALUES, "values").equal(VALUES + 10)

    def test_copy_of_a_tensor_from_inference_mode_can_be_trained_with(self):
        with torch.inference_mode():
            values = VALUES + 1
        weight = torch.ones(2, requires_grad=True)
        (as_table(values, "values") * weight).sum().backward()
        assert weight.grad.tolist() == [12, 15]

    def test_rows_of_nan_stand_for_no_answer(self):
        values = VALUES.clone()
        values[1] = math.nan
        assert as_table(values, "values").isnan().all(1).tolist() == [False, True, False]

    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
    def test_a_single_number_that_is_not_finite_is_refused(self, number):
        values = VALUES.clone()
        values[1, 0] = number
        with pytest.raises(ValueError, match=r"^hints has numbers that are not finite in row 1"):
            as_table(values, "hints")

    @pytest.mark.parametrize("values", [None, {1.0}, "table"])
    def test_what_are_no_numbers_is_refused(self, values):
        with pytest.raises(TypeError, match="hints is .*; give a tensor, an array or a list"):
            as_table(values, "hints")

    @pytest.mark.parametrize("values", [VALUES.numpy(), VALUES.tolist()], ids=["array", "list"])
    def test_arrays_and_lists_are_as_good_as_tensors(self, values):
        torch.testing.assert_close(as_table(values, "hints").float(), VALUES.float())

    @pytest.mark.parametrize(
        ("values", "found"),
        [
            (torch.zeros(3), r"\(3,\) and type torch.float32"),
            (torch.zeros(3, 2, 1), r"\(3, 2, 1\)"),
            (torch.zeros(0, 2), r"\(0, 2\)"),
            (torch.zeros(3, 0), r"\(3, 0\)"),
            (torch.zeros(3, 2).long(), r"\(3, 2\) and type torch.int64"),
        ],
    )
    def test_what_is_no_table_of_numbers_is_refused(self, values, found):
        with pytest.raises(ValueError, match=f"hints has shape {found}"):
            as_table(values, "hints")


class TestRowsFor:
    def test_rows_come_in_the_order_of_the_indices(self):
        assert rows(torch.tensor([3, 0, 3])).tolist() == [[6, 7], [0, 1], [6, 7]]

    def test_rows_have_precision_and_device_of_the_outputs(self):
        for outputs in (torch.zeros(1, 2).double(), torch.zeros(1, 2, device="meta")):
            batch = Batch(nn.Identity(), outputs, None, outputs, None, torch.tensor([1]))
            found = rows_for(TERM, batch, TABLE)
            assert (found.dtype, found.device) == (outputs.dtype, outputs.device)

    def test_batch_without_indices_is_refused(self):
        message = r"^Distillation\(.*\) looks answers up by index and the batch has no indices; giv"
        with pytest.raises(ValueError, match=message):
            rows(None, number=3)

    @pytest.mark.parametrize("index", [5, 99, -1])
    def test_index_that_the_table_does_not_have_is_named(self, index):
        """Python alone would take -1 for the last row."""
        message = rf"^Distill.* table for the indices 0 to 4 and the batch has {index}; ask the te"
        with pytest.raises(ValueError, match=message):
            rows(torch.tensor([0, index, 2]))

    def test_index_without_answer_is_named(self):
        table = TABLE.clone()
        table[3] = math.nan
        assert rows(torch.tensor([0, 4]), table).isfinite().all()
        message = r"^Distillation\(.*\) has no answer for the index 3, its row is NaN; ask the tea"
        with pytest.raises(ValueError, match=message):
            rows(torch.tensor([0, 3, 2]), table)

    @pytest.mark.parametrize(
        ("indices", "number"),
        [
            (torch.tensor([0, 1]), 3),
            (torch.tensor([[0], [1], [2]]), 3),
            (torch.tensor([0.0, 1.0, 2.0]), 3),
            (torch.tensor([True, False, True]), 3),
            (torch.tensor([0, 1, 2], dtype=torch.uint8), 3),  # would be taken for a mask
        ],
    )
    def test_indices_of_another_length_or_type_are_refused(self, indices, number):
        with pytest.raises(ValueError, match=r"got indices of shape .* for 3 outputs; it needs an"):
            rows(indices, number=number)

    def test_mean_over_nothing_is_refused(self):
        message = r"^Distillation\(.*\) got an empty batch; a mean needs at least one sample"
        with pytest.raises(ValueError, match=message):
            rows(torch.zeros(0).long())
