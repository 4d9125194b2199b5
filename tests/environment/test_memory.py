"""Tests of keeping freed memory and of giving it back."""

import platform
import subprocess
import sys
import weakref

import psutil
import pytest
import torch

from course_utils.data.samples import Samples
from course_utils.environment import machine as memory
from course_utils.environment.machine import keep_freed_memory, release_memory
from course_utils.models import inference
from course_utils.models.inference import bucket_by_length, forward_batches
from course_utils.objectives.losses import CrossEntropy
from course_utils.training import loop as training
from course_utils.training.loop import fit

pytestmark = pytest.mark.slow

only_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc lets itself be told"
)
FAULTS_IN_A_ROUND = """
import resource
from course_utils.environment.machine import keep_freed_memory
{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use_and_free():
    return len([b"x" * 12_000_000 for _ in range(3)])
for _ in range(5):
    use_and_free()
before = faults()
for _ in range(10):
    use_and_free()
print((faults() - before) / 10)
"""


def faults_in_a_round(first):
    """Count how often the system hands out a page while 36 MB are used and freed, by a new Python.

    That of the tests has called all these functions before.
    """
    code = FAULTS_IN_A_ROUND.format(first=first)
    return float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    )


class TestKeepFreedMemory:
    @only_glibc
    def test_pages_are_got_once_and_not_in_each_round(self):
        assert faults_in_a_round("pass") > 1_000  # so there is something to save
        assert faults_in_a_round("keep_freed_memory()") < 20

    @pytest.mark.parametrize(
        ("module", "use"),
        [
            (inference, lambda: forward_batches(torch.zeros(1, 1, 2, 2))),
            (inference, lambda: bucket_by_length(torch.tensor([3]))),
            (
                training,
                lambda: fit(
                    torch.nn.Linear(1, 2),
                    Samples(torch.ones(2, 1), torch.tensor([0, 1])),
                    CrossEntropy(),
                    num_epochs=1,
                ),
            ),
        ],
        ids=["images", "texts", "training"],
    )
    def test_passes_and_training_ask_for_it(self, monkeypatch, module, use):
        asked = []
        monkeypatch.setattr(module, "keep_freed_memory", lambda: asked.append(True))
        use()
        assert asked == [True]

    def test_without_glibc_it_does_no_harm(self, monkeypatch):
        monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
        keep_freed_memory.__wrapped__()


class TestReleaseMemory:
    @only_glibc
    def test_freed_pages_go_back_to_the_system(self):
        def resident():
            return psutil.Process().memory_info().rss

        blocks = [bytearray(50_000) for _ in range(4_000)]  # 200 MB, each below glibc's mmap size
        between = blocks[::500]  # what stays in use keeps glibc from giving back the rest by itself
        last = blocks[-1]
        del blocks
        before = resident()
        release_memory()
        assert len(between) + len(last) > 0
        assert before - resident() > 100e6

    def test_cycles_are_freed(self):
        class Knot:
            pass

        knot = Knot()
        knot.itself = knot
        gone = weakref.ref(knot)
        del knot
        release_memory()
        assert gone() is None

    def test_without_glibc_it_does_no_harm(self, monkeypatch):
        monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
        release_memory()
