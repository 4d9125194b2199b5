"""Tests of course_utils.environment.fingerprints."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from course_utils.environment.fingerprints import fingerprint

VALUE = torch.arange(6.0).reshape(2, 3)
LONG = np.arange(5000)


class TestFingerprint:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ((torch.zeros(2),), (torch.tensor([0.0, 1.0]),)),  # a value
            ((torch.zeros(2),), (torch.zeros(2, dtype=torch.int32),)),  # the type
            ((torch.zeros(2, 3),), (torch.zeros(3, 2),)),  # the shape
            ((torch.zeros(1), torch.ones(1)), (torch.ones(1), torch.zeros(1))),  # the order
            ((torch.zeros(1), torch.zeros(1)), (torch.zeros(2),)),  # where one ends
            (("ab", "c"), ("a", "bc")),  # where one ends
            (("",), ()),  # an empty part is a part
            (("a",), ("b",)),
            ((1,), (True,)),
            ((1,), (1.0,)),
            ((0.0,), (-0.0,)),
            (("1",), (1,)),
            ((b"a",), ("a",)),
            (([1, 2],), ((1, 2),)),
            (([[1], 2],), ([[1, 2]],)),
            (({"a": 1, "b": 2},), ({"a": 2, "b": 1},)),
            ((LONG,), (np.where(np.arange(5000) == 2500, 7, LONG),)),  # repr shows its ends only
            ((LONG,), (LONG.astype(">i8"),)),
            ((np.array(["ab", "c"]),), (np.array(["ab", "d"]),)),
            ((np.array([1, "a"], object),), (np.array([2, "a"], object),)),
            ((torch.tensor([1j]),), (torch.tensor([1j]).conj(),)),
        ],
    )
    def test_any_difference_gives_another_fingerprint(self, first, second):
        assert fingerprint(*first) != fingerprint(*second)

    def test_same_content_gives_the_same_one_whatever_the_memory_layout(self):
        turned = VALUE.T.contiguous().T
        assert turned.stride() != VALUE.stride()
        assert fingerprint(turned, "x") == fingerprint(VALUE, "x")

    @pytest.mark.parametrize("value", [True, 3, 2.5])
    def test_single_numbers_of_any_type_work(self, value):
        assert len(fingerprint(torch.tensor(value))) == 64

    def test_bfloat16_and_empty_tensors_work(self):
        half = torch.ones(3, dtype=torch.bfloat16)
        assert fingerprint(half) != fingerprint(half[:0])

    def test_arrays_need_no_layout_either(self):
        turned = np.asfortranarray(np.arange(6.0).reshape(2, 3))
        assert fingerprint(turned) == fingerprint(np.arange(6.0).reshape(2, 3))
        assert fingerprint(np.float32(2)) != fingerprint(np.float32(3))

    @pytest.mark.slow
    def test_sets_have_no_order_not_even_in_another_process(self):
        code = (
            "from course_utils.environment.fingerprints import fingerprint; "
            "print(fingerprint({'a', 'b', ('c', 1)}, {'x': {'y': None}}))"
        )
        found = [subprocess.check_output([sys.executable, "-c", code]) for _ in range(2)]
        assert found[0] == found[1]
        assert fingerprint({"a", "b"}) != fingerprint({"a", "c"})

    @pytest.mark.parametrize(
        "part",
        [
            object(),
            print,
            [1, object()],
            torch.zeros(2, device="meta"),
            torch.eye(2).to_sparse(),
            np.ma.masked_array([1, 2], [True, False]),
        ],
    )
    def test_what_is_no_value_is_refused_in_one_line(self, part):
        with pytest.raises(TypeError, match="^a part is .*; give [^\n]*$"):
            fingerprint(part)

    def test_circle_is_refused(self):
        circle = []
        circle.append(circle)
        with pytest.raises(TypeError, match="a part contains itself"):
            fingerprint(circle)
