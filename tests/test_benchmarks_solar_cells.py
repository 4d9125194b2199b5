"""Tests of the benchmark on solar cells, on few tiny images."""

import importlib.util
from pathlib import Path

import pytest
import torch
from toys import one_thread  # noqa: F401, a fixture

from course_utils.backbones import small_cnn
from course_utils.prefix import CachedPrefix
from course_utils.tasks import Samples, Task

SCRIPT = Path(__file__).parent / "benchmarks" / "solar_cells.py"


@pytest.fixture
def benchmark(monkeypatch):
    """Return the script as a module, with a small network and few random images."""
    spec = importlib.util.spec_from_file_location("benchmark_solar_cells", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, spec.name, module)  # for its dataclass
    spec.loader.exec_module(module)

    def new_model(seed):
        torch.manual_seed(seed)
        return small_cnn(2)

    monkeypatch.setattr(module, "new_model", new_model)
    monkeypatch.setattr(module, "load_solar_cells", lambda **_: small_task())
    return module


def small_task():
    labels = torch.arange(24) % 2
    samples = Samples(torch.zeros(24, 1, 8, 8), labels, torch.rand(24) + 0.1)
    parts = [samples.select(part) for part in torch.arange(24).split([12, 4, 8])]
    return Task(
        "cells", ("functional", "defective"), *parts, "grey value", "none", "random numbers"
    )


def images():
    """Bright images are defective."""
    generator = torch.Generator().manual_seed(0)
    brightness = (torch.arange(24) % 2).view(-1, 1, 1, 1) * 0.5
    return torch.rand(24, 1, 8, 8, generator=generator) / 2 + brightness


class TestJoined:
    def test_labels_weights_and_rows_of_both_parts_follow_each_other(self, benchmark):
        task = small_task()
        found = benchmark.joined(task.train, task.validation)
        assert found.indices.tolist() == list(range(16))
        assert found.labels.equal(torch.cat([task.train.labels, task.validation.labels]))
        assert found.weights.equal(torch.cat([task.train.weights, task.validation.weights]))


class TestRunSplit:
    @pytest.mark.parametrize(("tuning", "number"), [(True, 4), (False, 8)])
    def test_it_learns_and_tuning_never_looks_at_the_test_part(self, benchmark, tuning, number):
        recipe = benchmark.Recipe(after="stage1", num_epochs=30)
        prefix = CachedPrefix(benchmark.new_model(0), after="stage1")
        table = prefix.activations(images(), use_cache=False)
        if tuning:
            table[16:] = float("nan")  # looking at a test image would show
        run = benchmark.run_split(recipe, table, "random", 0, tuning=tuning)
        assert run["num_samples"] == number
        assert run["weighted_accuracy"] == 1
        assert (run["split"], run["seed"]) == ("random", 0)
        assert run["seconds"] > 0


class TestTableOf:
    def test_published_numbers_and_ours_stand_in_one_table(self, benchmark):
        values = {"accuracy": 0.8, "f1": 0.7, "auc": 0.9}
        runs = [
            {"split": "random", "weighted_accuracy": 0.85, **values},
            {"split": "random", "weighted_accuracy": 0.87, **values},
            {"split": "blocks", "weighted_accuracy": 0.80, **values},
        ]
        lines = benchmark.table_of({"runs": runs}).splitlines()
        assert lines[0] == "| method | splits | weighted accuracy | accuracy | f1 | auc |"
        assert "0.8842" in lines[3]
        # t of one degree of freedom is 12.706, and the standard error of the two is 0.01
        assert lines[4].startswith("| EfficientNet-Lite0, ours | 2 random | 0.860 [0.733, 0.987] |")
        assert len(lines) == 5  # one split has no interval
        assert len({line.count("|") for line in lines}) == 1
