"""`for_each` returns what each call returned, whoever did it, and loses nothing when one fails."""

import gc
import os
import sys

import psutil
import pytest
import torch
from torch import nn

from course_utils.experiments import RunError, for_each

pytestmark = pytest.mark.slow


def draw(seed):
    torch.manual_seed(seed)
    return nn.Linear(3, 2), torch.get_num_threads(), os.getpid()


def break_at_two(item):
    if item == 2:
        raise ValueError("no")
    return item


class TestForEach:
    def test_returns_networks_in_the_order_of_the_items(self):
        found = for_each(draw, [5, 1, 3])
        assert list(found) == [5, 1, 3]
        for seed, (network, threads, process) in found.items():
            assert torch.equal(network.weight, draw(seed)[0].weight)
            assert threads == 1
            assert process != os.getpid()

    def test_one_worker_stays_in_this_process(self):
        assert {each[2] for each in for_each(draw, (0, 1), num_workers=1).values()} == {os.getpid()}

    def test_keeps_memory_format(self):
        image = torch.zeros(1, 3, 4, 4).contiguous(memory_format=torch.channels_last)
        found = for_each(lambda _: image, [0])[0]
        assert found.is_contiguous(memory_format=torch.channels_last)

    @pytest.mark.parametrize("num_workers", [1, 2])
    def test_a_failure_keeps_what_was_finished(self, num_workers):
        with pytest.raises(RunError) as caught:
            for_each(break_at_two, range(4), num_workers=num_workers)
        finished = caught.value.finished
        # another worker may have begun the last item before the failure was known, and may end it
        assert finished in ({0: 0, 1: 1}, {0: 0, 1: 1, 3: 3})[:num_workers]
        told = f"call number 3 failed: ValueError: no. {len(finished)} of 4 had finished"
        assert told in str(caught.value)

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ((3, [1]), "function is"),
            ((abs, 3), "items is"),
            ((abs, [[1]]), "items is"),
            ((abs, []), "items has 0 items"),
            ((abs, [1, 2, 1]), "3 items, 2 of them different"),
        ],
    )
    def test_refuses_other_arguments(self, arguments, told):
        with pytest.raises((TypeError, ValueError), match=told):
            for_each(*arguments)

    def test_refuses_no_worker(self):
        with pytest.raises(ValueError, match="num_workers"):
            for_each(abs, [1], num_workers=0)


def megabytes_of_its_own_after_looking_for_garbage(_):
    gc.collect()
    return psutil.Process().memory_full_info().uss / 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="only there workers are forked")
class TestMemory:
    def test_a_worker_shares_what_was_there_before(self):
        imported = psutil.Process().memory_full_info().uss / 1e6
        assert imported > 200  # torch and its like: objects of many kinds
        own = for_each(megabytes_of_its_own_after_looking_for_garbage, range(2))
        assert max(own.values()) < 40

    def test_garbage_is_looked_for_everywhere_again(self):
        for_each(abs, range(2))
        assert gc.get_freeze_count() == 0
