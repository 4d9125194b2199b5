"""Tests of course_utils.training.processes: two processes do what one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_processes
from toys import one_thread  # noqa: F401, a fixture

import course_utils

pytestmark = pytest.mark.slow

SCRIPT = Path(two_processes.__file__)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return what each of two processes has found, which torchrun has started."""
    folder = tmp_path_factory.mktemp("found")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", str(SCRIPT), str(folder)]
    paths = [str(Path(course_utils.__file__).parents[1]), str(SCRIPT.parent)]
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("name", list(two_processes.RUNS))
def test_two_processes_find_the_losses_and_the_weights_of_one(name, both):
    alone, together = two_processes.RUNS[name](lambda model: model), both[0][name]
    # one part in 100,000: sums of a part each are rounded otherwise; a search ends a little apart
    within = {"rtol": 1e-3, "atol": 1e-4} if name == "searched" else {"rtol": 1e-5, "atol": 1e-6}
    assert together["best epoch"] == alone["best epoch"]
    assert len(together["validation"]) == len(alone["validation"])
    for part in ("terms", "weights"):
        for key, values in alone[part].items():
            found = torch.tensor(together[part][key])
            torch.testing.assert_close(found, torch.tensor(values), **within, msg=f"{part} {key}")


@pytest.mark.parametrize("name", list(two_processes.RUNS))
def test_history_and_weights_are_the_same_in_each_process(name, both):
    assert both[0][name] == both[1][name]


def test_what_would_be_another_training_is_refused_in_each_process(both):
    assert both[0]["refused"] == both[1]["refused"]
    said = both[0]["refused"]
    assert said["batchnorm"].startswith("model has BatchNorm, which would see only a part of each")
    assert said["helper"].startswith("objective brings along the module ")
    assert said["samples"].startswith("samples or other arguments differ between the processes")
