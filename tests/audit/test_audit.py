"""Tests of the audit as a whole: nothing is changed, foreign models, forms of data, the report."""

import copy
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
import transformers
from patients import Net, adam, freeze_body, images, noted, trained
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_utils.audit import CHECKS, AuditError, Finding, Report, audit_transfer
from course_utils.data.images import load_solar_cells
from course_utils.data.samples import Samples
from course_utils.models import add_lora, freeze, imagenet_classifier, replace_head, small_cnn
from course_utils.objectives import L2SP, CrossEntropy


def colours(number=24, size=64):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(number) % 4
    inputs = 0.5 * torch.randn(number, 3, size, size, generator=generator)
    return inputs + labels[:, None, None, None] / 2 - 0.75, labels


class TestNothingIsChanged:
    def snapshot(self, net, optimizer):
        return copy.deepcopy(
            [
                net.state_dict(),
                [p.grad for p in net.parameters()],
                [m.training for m in net.modules()],
                [p.requires_grad for p in net.parameters()],
                optimizer.state_dict(),
                torch.get_rng_state(),
                np.random.get_state()[1],  # noqa: NPY002
                random.getstate(),
            ]
        )

    @pytest.mark.parametrize("mode", [True, False])
    def test_weights_gradients_modes_optimiser_and_random_numbers(self, mode):
        net = freeze_body(Net(), hold=False).train(mode)
        net.body[1].eval()
        optimizer = adam(net, weight_decay=0.1)
        nn.functional.cross_entropy(net(images()[0]), images()[1]).backward()
        optimizer.step()
        train, test, source = images(), images(seed=1), Net()
        loader = DataLoader(TensorDataset(*train), 16, shuffle=True)
        before = self.snapshot(net, optimizer)
        data = copy.deepcopy((train, test))
        audit_transfer(net, optimizer, source=source, train=loader, validation=test, test=train)
        after = self.snapshot(net, optimizer)
        torch.testing.assert_close(after[:5], before[:5], rtol=0, atol=0)
        assert torch.equal(after[5], before[5])
        assert np.array_equal(after[6], before[6])
        assert after[7] == before[7]
        torch.testing.assert_close((train, test), data, rtol=0, atol=0)

    def test_a_loader_with_its_own_generator_goes_on_as_it_would_have(self):
        generator = torch.Generator().manual_seed(3)
        loader = DataLoader(TensorDataset(*images()), 16, shuffle=True, generator=generator)
        net, before = Net(), generator.get_state()
        audit_transfer(net, train=loader)
        assert torch.equal(generator.get_state(), before)

    def test_two_audits_say_the_same(self):
        found = [repr(audit_transfer(Net(), train=images(), test=images(seed=1))) for _ in range(2)]
        assert found[0] == found[1]


def language_model():
    settings = transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=2,
    )
    torch.manual_seed(0)
    return transformers.BertForSequenceClassification(settings)


def tokens(number=32):
    labels = torch.arange(number) % 2
    ids = torch.randint(2, 20, (number, 8), generator=torch.Generator().manual_seed(0))
    ids += 20 * labels[:, None]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


@pytest.mark.slow
class TestForeignModels:
    """No false alarm on sound models of other libraries."""

    MAKERS = {
        "ResNet-18": lambda: torchvision.models.resnet18(num_classes=4),
        "ViT": lambda: torchvision.models.VisionTransformer(64, 16, 2, 2, 32, 64, num_classes=4),
        "EfficientNet of timm": lambda: timm.create_model("tf_efficientnet_lite0", num_classes=4),
    }

    @pytest.mark.parametrize("name", MAKERS)
    @pytest.mark.parametrize("mode", [True, False])
    def test_networks_for_images(self, name, mode):
        torch.manual_seed(0)
        model = self.MAKERS[name]().train(mode)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.01)
        inputs, labels = colours()
        report = audit_transfer(
            model, optimizer, train=(inputs[:16], labels[:16]), test=(inputs[16:], labels[16:])
        )
        assert not noted(report), report

    def test_a_classifier_of_transformers(self):
        report = audit_transfer(language_model(), train=tokens())
        assert not noted(report), report

    def test_a_loader_of_dicts(self):
        rows = [{name: table[row] for name, table in tokens().items()} for row in range(32)]
        report = audit_transfer(language_model(), train=DataLoader(rows, 8))
        assert not noted(report), report
        assert report["labels"].verdict == "ok"

    def test_lora_of_peft(self):
        import peft  # takes seconds

        settings = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query", "value"])
        model = peft.get_peft_model(language_model(), settings)
        report = audit_transfer(model, torch.optim.AdamW(model.parameters(), 1e-3), train=tokens())
        assert not noted(report), report

    def test_another_library_is_refused_in_one_line(self):
        class Sequential:  # as that of Keras
            pass

        with pytest.raises(TypeError, match="^model is of type Sequential; give a torch.nn.Module"):
            audit_transfer(Sequential())


@pytest.mark.slow
class TestModelsOfTheCourse:
    @pytest.mark.parametrize("start", ["probe", "fine-tuning", "L2-SP"])
    def test_ways_of_transfer_with_the_small_network(self, start):
        torch.manual_seed(0)
        source = trained(small_cnn(3), images(), rate=1e-3)
        model = replace_head(copy.deepcopy(source), 3)
        if start == "probe":
            freeze(model.backbone)
        objective = CrossEntropy() + 0.1 * L2SP(source) if start == "L2-SP" else None
        learning = [p for p in model.parameters() if p.requires_grad]
        report = audit_transfer(
            model,
            torch.optim.Adam(learning, 1e-3),
            source=source,
            train=Samples(*images()),
            validation=Samples(*images(seed=1)),
            objective=objective,
        )
        assert not noted(report), report

    def test_lora(self):
        torch.manual_seed(0)
        base = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3))
        report = audit_transfer(add_lora(base, 2, 4.0, targets=["1"]), train=images())
        assert not noted(report), report

    def test_the_pretrained_network_with_a_frozen_backbone(self):
        source = freeze(imagenet_classifier(), batchnorm_statistics=True)
        model = replace_head(copy.deepcopy(source), 4)
        inputs, labels = colours(32)
        inputs = (inputs - inputs.min()) / (inputs.max() - inputs.min())
        report = audit_transfer(model, train=(inputs, labels), source=source)
        assert not noted(report), report

    def test_the_pretrained_network_in_ten_seconds_with_the_memory_of_one_batch(self, tmp_path):
        """EfficientNet-Lite0, all of it learning, with 256 solar cells in the size of lesson 04."""
        if not Path("/proc/self/status").exists():
            pytest.skip("the system does not tell the peak of a process")
        cells = load_solar_cells(size=96).train.select(range(256))
        torch.save((cells.inputs, cells.labels), tmp_path / "cells.pt")

        def measured(what):
            script = Path(__file__).with_name("peak_memory.py")
            command = [sys.executable, str(script), what, str(tmp_path / "cells.pt")]
            return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

        step, audit = measured("step"), measured("audit")
        assert 0 < audit["added"] < 1.05 * step["added"]
        assert audit["seconds"] < 20  # of one core: ten seconds on two
        assert not audit["noted"]


class TestForms:
    @pytest.mark.parametrize(
        "form",
        [
            Samples,
            lambda x, y: (x, y),
            lambda x, y: (x.numpy(), y.numpy()),
            lambda x, y: DataLoader(TensorDataset(x, y), 16),
        ],
    )
    def test_each_form_of_data_says_the_same(self, form):
        report = audit_transfer(Net(), train=form(*images()))
        assert report["labels"].found == "3 classes, 21 to 22 samples each."
        assert not noted(report), report

    def test_without_data_weights_are_checked(self):
        report = audit_transfer(Net())
        assert report["trainable parameters"].verdict == "ok"
        assert report["labels"].verdict == "not checked"
        assert "Give train" in report["labels"].found

    def test_without_labels_inputs_are_checked(self):
        report = audit_transfer(Net(), train=images()[0])
        assert report["input range"].verdict == "ok"
        assert report["loss"].verdict == "not checked"

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"optimizer": 0.1}, "optimizer is 0.1; give one of torch.optim"),
            ({"source": "w.pt"}, "source is a text; give a module, or its state_dict"),
            ({"train": "folder"}, "train is a text; give Samples, a pair"),
            ({"train": (["a"], [1])}, "train has inputs a list of length 1; give tensors"),
            ({"objective": 3}, "objective is 3; give a function"),
            ({"seconds": "1"}, "seconds is a text; give a number"),
        ],
    )
    def test_what_is_something_else_is_refused(self, arguments, words):
        with pytest.raises(TypeError, match=f"^{words}"):
            audit_transfer(Net(), **arguments)

    def test_no_sample_is_refused(self):
        with pytest.raises(ValueError, match="train has no sample"):
            audit_transfer(Net(), train=(torch.zeros(0, 1, 8, 8), torch.zeros(0).long()))

    def test_when_the_time_is_over_no_check_begins(self):
        report = audit_transfer(Net(), train=images(), seconds=1e-9)
        assert {f.verdict for f in report.findings} == {"not checked"}

    def test_a_model_that_raises_is_a_finding_not_a_traceback(self):
        class Failing(Net):
            def forward(self, inputs):
                raise OSError("the disk is full")

        report = audit_transfer(Failing(), train=images())
        assert "the disk is full" in report["outputs"].found


class TestReport:
    @pytest.fixture
    def report(self):
        return Report(
            [
                Finding("labels", "ok", "Two classes."),
                Finding("loss", "wrong", "It is <nan>.", "Look at inputs."),
                Finding("rate", "suspicious", "It is high.", "Lower it."),
            ]
        )

    def test_what_is_wrong_stands_first(self, report):
        assert str(report).splitlines() == [
            "wrong: loss. It is <nan>. Look at inputs.",
            "suspicious: rate. It is high. Lower it.",
            "ok: labels. Two classes.",
            "3 checks: 1 wrong, 1 suspicious, 1 ok",
        ]

    def test_a_table_for_jupyterlab_is_escaped_and_has_heads(self, report):
        table = report._repr_html_()
        assert "&lt;nan&gt;" in table
        assert table.count("<th style='text-align:left'>") == 4  # as the cells below
        assert table.index("wrong") < table.index("suspicious")

    def test_scripts_stop_at_what_is_wrong_alone(self, report):
        assert not report.ok
        with pytest.raises(AuditError, match="^wrong: loss. It is <nan>. Look at inputs.$"):
            report.raise_if_wrong()
        sound = Report([Finding("rate", "suspicious", "It is high.")])
        assert sound.ok
        sound.raise_if_wrong()

    def test_a_check_that_is_not_there_is_named(self, report):
        with pytest.raises(KeyError, match="check is 'los'; give one of"):
            report["los"]

    def test_a_check_can_be_called_alone(self):
        report = audit_transfer(Net(), train=images(), checks=["labels"])
        assert [f.check for f in report.findings] == ["labels"]
        with pytest.raises(ValueError, match="^checks is 'label'; give one of 'trainable"):
            audit_transfer(Net(), checks=["label"])

    def test_each_check_has_one_finding_in_order(self):
        report = audit_transfer(Net(), train=images())
        assert [f.check for f in report.findings] == list(CHECKS)
