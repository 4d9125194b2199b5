"""The command: its exit codes and its lines."""

import subprocess
import sys

import pytest
import torch
from PIL import Image

from course_utils.data.pictures import picture_tensor
from course_utils.models.classifier import Classifier
from course_utils.models.imagenet import imagenet_backbone
from course_utils.models.inference import predict
from course_utils.transfer.__main__ import main
from course_utils.transfer.saved import TransferModel, load_transfer, save_transfer

pytestmark = pytest.mark.slow


def called(capsys, *arguments):
    """Return exit code, standard output and standard error of a call."""
    try:
        code = main(list(map(str, arguments)))
    except SystemExit as stop:  # of argparse
        code = stop.code
    return (code, *capsys.readouterr())


class TestExitCodes:
    @pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"]])
    def test_help_is_ok(self, arguments, capsys):
        code, out, _ = called(capsys, *arguments)
        assert code == 0 and "usage" in out

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["data"],
            ["data", "--out"],
            ["data", "--out", "o", "--seed", "x"],
            ["data", "--out", "o", "--seed", "-1"],
            ["data", "--out", "o", "--size", "3"],
            ["data", "--out", "o", "--device", "toaster"],
            ["data", "--out", "o", "--epochs", "0"],
            ["data", "--out", "o", "--no-such-option"],
            ["predict"],
            ["predict", "model"],
        ],
    )
    def test_a_wrong_call_gives_two_and_writes_nothing(
        self, arguments, capsys, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        assert called(capsys, *arguments)[0] == 2
        assert not list(tmp_path.iterdir())

    def test_data_that_are_not_there_give_one(self, capsys, tmp_path):
        code, out, err = called(capsys, tmp_path / "none", "--out", tmp_path / "out")
        assert (code, out) == (1, "") and "where nothing is" in err
        assert err.count("\n") == 1

    def test_bad_data_give_one_and_name_each_file(self, capsys, tmp_path, monkeypatch):
        monkeypatch.setenv("TQDM_DISABLE", "1")
        for name in ("a", "b"):
            (tmp_path / "data" / name).mkdir(parents=True)
            (tmp_path / "data" / name / "1.png").write_bytes(b"")
        code, _, err = called(capsys, tmp_path / "data", "--out", tmp_path / "out")
        *lines, last = err.splitlines()
        assert code == 1 and last.startswith("error: data has 0 classes")
        assert len(lines) == 2 and "a/1.png: left out, it has no bytes" in err
        assert not (tmp_path / "out").exists()  # the same call works once the data are mended

    def test_a_folder_in_use_gives_two_and_is_not_touched(self, capsys, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("mine", encoding="utf-8")
        for more in ([], ["--resume"]):
            code, _, err = called(capsys, tmp_path, "--out", tmp_path / "out", *more)
            assert code == 2 and err.count("\n") == 1
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]

    def test_an_interruption_says_how_to_go_on(self, capsys, tmp_path, monkeypatch):
        def interrupted(*arguments, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr("course_utils.transfer.__main__.transfer", interrupted)
        code, _, err = called(capsys, tmp_path, "--out", tmp_path / "out")
        assert code == 1 and err.count("\n") == 1 and "--resume" in err


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    head = torch.nn.Linear(1280, 2)
    torch.nn.init.constant_(head.bias[:1], 3.0)  # for logits that lie apart
    network = Classifier(imagenet_backbone(), head).eval()
    save_transfer(TransferModel(network, "image", ("a\tb", "c"), 32, 2.0), folder)
    return folder


class TestPredict:
    def test_a_fresh_process_answers_as_this_one(self, model, tmp_path):
        Image.effect_noise((40, 40), 90).convert("RGB").save(tmp_path / "good.png")
        (tmp_path / "bad.png").write_bytes(b"no picture")
        files = [str(tmp_path / name) for name in ("bad.png", "good.png", "none.png")]
        command = [sys.executable, "-m", "course_utils.transfer", "predict", str(model), *files]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.returncode == 1
        name, said, sure = found.stdout.rstrip("\n").split("\t")
        ours = load_transfer(model).probabilities([files[1]])[0]
        assert name == files[1] and float(sure) == pytest.approx(ours.max().item(), abs=1e-3)
        assert said == ("a\\tb", "c")[int(ours.argmax())]
        lines = [line for line in found.stderr.splitlines() if line.startswith("error")]
        assert len(lines) == 2 and "bad.png" in lines[0] and "no such file" in lines[1]

    def test_probabilities_are_those_of_the_temperature(self, model, tmp_path):
        Image.effect_noise((40, 40), 90).convert("RGB").save(tmp_path / "a.png")
        found = load_transfer(model)
        pictures = picture_tensor(tmp_path / "a.png", 32)[None].float() / 255
        logits = predict(found.model, pictures)
        sure = found.probabilities([tmp_path / "a.png"])
        assert torch.allclose(sure, (logits / 2).softmax(1), atol=1e-4)
        assert not torch.allclose(sure, logits.softmax(1), atol=1e-4)

    def test_no_model_gives_one(self, capsys, tmp_path):
        code, _, err = called(capsys, "predict", tmp_path, "a.png")
        assert code == 1 and "no config.json" in err

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    @pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 99])
    def test_a_damaged_model_is_refused_in_a_line(self, name, content, model, tmp_path):
        for file in model.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="no sound model") as caught:
            load_transfer(tmp_path)
        assert "\n" not in str(caught.value)
