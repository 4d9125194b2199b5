"""Tests of course_utils.experiments: `repeat` on a cluster of processes that somebody else runs."""

import os
import time
from functools import partial

import pytest
import torch
from distributed import Client, LocalCluster
from joblib import parallel_config

from course_utils.experiments import runs
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import RunError

pytestmark = pytest.mark.slow

repeat = partial(runs.repeat, draws=Draws.starts())


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two worker processes, as on a cluster: neither forks of this process nor its children."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as processes, Client(processes):
        yield


@pytest.fixture(autouse=True)
def no_bar(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


def train(size, seed):
    """Descend from a start of a seed; return the loss and the process. No optimiser: slow to load.

    Random numbers, sums of many and an order of steps: each would show another way to compute.
    """
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(50, size), torch.nn.Tanh(), torch.nn.Dropout(0.2))
    inputs = torch.randn(300, 50)
    for _ in range(20):
        loss = (model(inputs).sum(1) - inputs[:, 0]).square().mean()
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(model.parameters(), gradients, strict=True):
                weight.sub_(0.01 * gradient)
    return {("loss", f"{size} wide"): loss, ("process", f"{size} wide"): os.getpid()}


def test_a_dask_cluster_gives_the_same_results_to_the_last_digit():
    cases, seeds = (8, 4), range(4)
    with parallel_config(backend="dask"):
        there = repeat(train, seeds, cases=cases)
    here = repeat(train, seeds, cases=cases, num_workers=1)
    for column in ("8 wide", "4 wide"):
        assert there.values("loss", column).tolist() == here.values("loss", column).tolist()
        assert len(set(here.values("loss", column))) == len(seeds)
    processes = {int(each) for c in ("8 wide", "4 wide") for each in there.values("process", c)}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_a_run_on_the_cluster_that_repeats_itself_stays_in_its_process():
    def outer(seed):
        found = repeat(lambda inner: {("process", 1): os.getpid()}, [seed, seed + 1])
        return {("at home", 1): set(found.values("process", 1)) == {os.getpid()}}

    with parallel_config(backend="dask"):
        assert repeat(outer, [0, 1]).values("at home", 1).all()


def test_a_run_that_fails_on_the_cluster_is_named_and_what_finished_is_kept(tmp_path):
    done = tmp_path / "done"

    def experiment(seed):
        if seed == 3:
            while not done.exists():
                time.sleep(0.1)
            time.sleep(1)  # until what the other found has come back
            raise ZeroDivisionError("no number")
        done.touch()
        return {("a", 1): seed}

    with parallel_config(backend="dask"):
        with pytest.raises(RunError, match="seed 3 failed: ZeroDivisionError: no number") as error:
            repeat(experiment, [1, 3])
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    assert error.value.finished == {1: {("a", 1): 1}}
