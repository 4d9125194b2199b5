"""Two notebooks at once, in another directory than the course: both get the right features."""

from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from course_utils.project.notebooks import execute

pytestmark = pytest.mark.slow

CELL = """
import torch
from course_utils.models.imagenet import imagenet_backbone
from course_utils.data.images import load_mnist
from course_utils.features.extraction import extract_features

torch.set_num_threads(1)  # two kernels share the cores
images = load_mnist().test.inputs[:40]
features = extract_features(imagenet_backbone(), images)
print(tuple(features.shape), f"{features.sum():.1f}")
"""


def test_they_share_one_cache_file_and_print_the_same(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("COURSE_CACHE_DIR", str(cache))
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / "first.ipynb", tmp_path / "second.ipynb"]
    for path in paths:
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), path)
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(execute, paths))
    first, second = [run.cells[0].outputs[0].text for run in runs]
    assert first == second
    assert first.startswith("(40, 1280)")
    # one file of features; a lock may stay beside it, a half-written file may not
    assert len(list(cache.glob("*.safetensors"))) == 1
    assert list(cache.glob("*.part")) == []
