"""Tests of course_utils.experiments.benchmark."""

import json

import pytest

from course_utils.experiments import benchmark
from course_utils.experiments.benchmark import benchmark_results


class TestBenchmarkResults:
    @pytest.fixture
    def file(self, tmp_path, monkeypatch):
        monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "results.json")
        return tmp_path / "results.json"

    def test_a_part_is_returned_as_it_is_stored(self, file):
        file.write_text(json.dumps({"layers": {"size": 64}, "speed": {}}), encoding="utf-8")
        assert benchmark_results("layers") == {"size": 64}

    def test_unknown_part_is_refused_with_those_that_are_there(self, file):
        file.write_text(json.dumps({"layers": {}, "speed": {}}), encoding="utf-8")
        with pytest.raises(ValueError, match="part is 'accuracy'; give one of 'layers', 'speed'"):
            benchmark_results("accuracy")

    def test_missing_file_is_named_with_the_cure(self, file):
        with pytest.raises(FileNotFoundError, match="results.json; .*run make bench"):
            benchmark_results("layers")
