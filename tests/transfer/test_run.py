"""From a folder or a table to a saved model, in one call."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import matplotlib
import onnxruntime
import pytest
import sphinx
import torch
import yaml
from PIL import Image
from toys import one_thread  # noqa: F401, a fixture that works by being there

from course_utils.data.findings import DataError
from course_utils.data.news import load_bbc_news
from course_utils.data.pictures import picture_tensor
from course_utils.environment.packages import package_path
from course_utils.transfer import load_transfer, transfer
from course_utils.transfer.pipeline import STEPS
from course_utils.transfer.store import FolderError

pytestmark = pytest.mark.slow

SIZE = 64
KEPT = {"README.md", "config.json", "model.onnx", "model.safetensors", "report.json", "report.md"}


@pytest.fixture(scope="module", autouse=True)
def quiet(tmp_path_factory):
    """Keep features in a folder of these tests, and show no bars."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TQDM_DISABLE", "1")
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Write 200 real pictures of solar cells, 100 of each kind of silicon."""
    root, folder = tmp_path_factory.mktemp("data") / "cells", package_path("solar_cells")
    taken = Counter()
    for line in (folder / "labels.csv").read_text(encoding="utf-8").splitlines():
        name, _, kind = (line.split() or [None] * 3)[:3]
        taken[kind] += 1
        if name is None or taken[kind] > 100:
            continue
        (root / kind).mkdir(parents=True, exist_ok=True)
        with Image.open(folder / name) as image:
            image.resize((SIZE, SIZE)).save(root / kind / Path(name).name)
    return root


@pytest.fixture(scope="module")
def done(cells, tmp_path_factory):
    """Return what a run on the cells has made, without a break and without fine-tuning."""
    return transfer(cells, tmp_path_factory.mktemp("out") / "run", tune=False, size=SIZE)


def written(folder):
    """Return the content of what a run has kept."""
    names = sorted(KEPT - {"model.onnx"})  # in which names of the exporter may vary
    return {name: (folder / name).read_bytes() for name in names}


class TestRun:
    def test_keeps_a_model_and_its_documents(self, done):
        assert KEPT <= {path.name for path in done.folder.iterdir()}
        assert not list(done.folder.rglob("*.part"))
        assert json.loads((done.folder / "report.json").read_text("utf-8")) == done.report
        assert done.report["test"]["accuracy"]["low"] > 0.8  # mono or poly is easy to see
        assert (
            done.report["test"]["number"] == sum(map(sum, done.report["test"]["confusion"])) == 50
        )

    def test_the_report_counts_every_input(self, done):
        counts = done.report["split"]
        assert [sum(part.values()) for part in counts.values()] == [120, 30, 50]

    def test_the_audit_is_clean(self, done):
        assert done.report["audit"]["ok"], done.report["audit"]["findings"][0]

    def test_the_card_has_the_form_of_the_hub(self, done):
        _, header, text = (done.folder / "README.md").read_text("utf-8").split("---\n", 2)
        about = yaml.safe_load(header)
        assert about["pipeline_tag"] == "image-classification"
        (result,) = about["model-index"][0]["results"]
        assert result["metrics"][0]["value"] == round(done.report["test"]["accuracy"]["value"], 4)
        for title in ("How to load", "Data", "Results on the test part", "Limits"):
            assert f"## {title}\n" in text
        assert "Licence of the data: not stated" in text

    def test_the_saved_model_answers_as_the_report_says(self, done, cells):
        model, rows = load_transfer(done.folder), []
        places = json.loads((done.folder / "steps" / "split.json").read_text("utf-8"))["parts"]
        look = json.loads((done.folder / "steps" / "look.json").read_text("utf-8"))
        rows = [str(cells / look["values"][place]) for place in places["test"]]
        said = model.predict(rows)
        truth = [look["classes"][look["labels"][place]] for place in places["test"]]
        right = sum(one == other for one, other in zip(said, truth, strict=True)) / len(truth)
        assert right == pytest.approx(done.report["test"]["accuracy"]["value"])
        assert model.probabilities(rows[:3]).sum(1).tolist() == pytest.approx([1, 1, 1])

    def test_onnx_says_the_same(self, done, cells):
        assert done.report["onnx"]["largest_difference"] < 1e-3
        files = sorted(cells.rglob("*.png"))[:5]
        pictures = torch.stack([picture_tensor(file, SIZE) for file in files]).float() / 255
        session = onnxruntime.InferenceSession(done.folder / "model.onnx")
        (logits,) = session.run(None, {"pictures": pictures.numpy()})
        model = load_transfer(done.folder)
        theirs = (torch.from_numpy(logits) / model.temperature).softmax(1)
        assert torch.allclose(theirs, model.probabilities(files), atol=1e-4)

    def test_a_run_that_is_done_is_refused_and_stays(self, done, cells):
        before = written(done.folder)
        with pytest.raises(FolderError, match="where something is"):
            transfer(cells, done.folder, tune=False, size=SIZE)
        with pytest.raises(FolderError, match="seed is 1, and the run to resume has 0"):
            transfer(cells, done.folder, resume=True, seed=1, tune=False, size=SIZE)
        assert written(done.folder) == before

    def test_results_do_not_go_into_the_data(self, cells):
        with pytest.raises(FolderError, match="lies in the data"):
            transfer(cells, cells / "out")
        assert not (cells / "out").exists()


class TestResume:
    def test_broken_off_after_each_step_it_ends_the_same(self, done, cells, tmp_path):
        out, breaks = tmp_path / "run", 0

        def stop(line):
            if not line.endswith("done before"):
                raise KeyboardInterrupt

        while breaks <= len(STEPS):
            try:
                found = transfer(cells, out, resume=True, tune=False, size=SIZE, say=stop)
                break
            except KeyboardInterrupt:
                breaks += 1
        assert breaks == len(STEPS)
        assert found.report == done.report
        assert written(out) == written(done.folder)

    def test_killed_in_the_middle_it_ends_the_same(self, done, cells, tmp_path):
        out = tmp_path / "run"
        options = ["--no-tune", "--size", str(SIZE)]
        command = [sys.executable, "-m", "course_utils.transfer", str(cells), "--out", str(out)]
        process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 300
        while not (out / "steps" / "split.json").exists() and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        process.wait()
        assert not (out / "report.json").exists()
        found = transfer(cells, out, resume=True, tune=False, size=SIZE)
        assert found.report == done.report
        assert written(out) == written(done.folder)

    def test_data_that_have_changed_are_refused(self, done, cells, tmp_path):
        data, out = tmp_path / "cells", tmp_path / "out"
        shutil.copytree(cells, data)
        shutil.copytree(done.folder, out)
        (data / "mono" / "new.png").write_bytes(b"")
        with pytest.raises(DataError, match="have changed"):
            transfer(data, out, resume=True, tune=False, size=SIZE)
        assert written(out) == written(done.folder)


class TestTuning:
    def test_pictures_are_tuned_and_the_choice_is_made_on_validation(self, cells, tmp_path):
        data = tmp_path / "few"
        for file in sorted(cells.rglob("*.png"))[::5]:
            (data / file.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, data / file.parent.name)
        report = transfer(data, tmp_path / "out", size=SIZE, epochs=1).report
        tried = report["tune"]["tried"]
        assert [each["name"] for each in tried] == ["stages after stage6", "stages after stage4"]
        best = max([report["probe"], *tried], key=lambda each: (each["accuracy"], -each["loss"]))
        assert report["choice"]["accuracy"] == best["accuracy"]
        assert load_transfer(tmp_path / "out").predict(sorted(data.rglob("*.png"))[:2])


@pytest.fixture(scope="module")
def news(tmp_path_factory):
    """Write a table of 100 headlines, 20 of each section."""
    path, task = tmp_path_factory.mktemp("texts") / "news.csv", load_bbc_news()
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        few = task.train.few_shot(20, seed=0)
        labels = [task.classes[label] for label in few.labels.tolist()]
        table.writerows(zip(few.inputs, labels, strict=True))
    return path


class TestTexts:
    def test_a_table_of_news_becomes_a_model(self, news, tmp_path):
        done = transfer(news, tmp_path / "out", max_tokens=24, epochs=1, licence="research use")
        report = done.report
        assert report["test"]["accuracy"]["low"] > report["test"]["baselines"]["majority"]["value"]
        assert [each["name"] for each in report["tune"]["tried"]] == ["LoRA", "last two layers"]
        assert all({"text", "where"} <= error.keys() for error in report["test"]["worst"])
        assert "Licence of the data: research use" in (done.folder / "README.md").read_text("utf-8")
        model = load_transfer(done.folder)
        assert model.predict(["The striker scored twice in the cup final"]) == ["sports"]
        tokens = model.model.backbone.tokenize(["Shares fall"], 8)
        session = onnxruntime.InferenceSession(done.folder / "model.onnx")
        given = {"tokens": tokens.numpy(), "mask": (tokens != 0).long().numpy()}
        (logits,) = session.run(None, given)
        theirs = (torch.from_numpy(logits) / model.temperature).softmax(1)
        assert torch.allclose(theirs, model.probabilities(["Shares fall"]), atol=1e-4)


def test_a_folder_that_nobody_has_prepared_goes_through(tmp_path):
    """Pictures of installed packages, with fonts, vector drawings and style sheets among them."""
    data = tmp_path / "found"
    shutil.copytree(Path(matplotlib.__file__).parent / "mpl-data", data / "matplotlib")
    shutil.copytree(Path(sphinx.__file__).parent / "themes", data / "sphinx")
    report = transfer(data, tmp_path / "out", tune=False, size=32).report
    files = [path for path in data.rglob("*") if path.is_file()]
    assert report["data"]["number"] + report["data"]["left out"] == len(files)
    assert report["data"]["number"] > 30
    assert (tmp_path / "out" / "model.onnx").exists()
