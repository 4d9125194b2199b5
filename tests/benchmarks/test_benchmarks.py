"""Tests of the benchmark on solar cells, on few tiny images."""

import json
import math
import sys
import warnings
from argparse import Namespace
from unittest.mock import Mock

import accuracy
import extraction
import fine_tuning
import frozen
import layers
import pretraining
import pytest
import solar_cells
import speed
import tables
import torch
from random_views import RandomViews
from sklearn.feature_selection import f_classif
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from text_toys import babble
from toys import full_precision, one_thread  # noqa: F401, fixtures

from course_utils.data.augmentation import eight_views, flipped_views
from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.data.texts import Texts
from course_utils.models.classifier import small_cnn
from course_utils.models.gpt import GPTBackbone
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.inference import predict
from course_utils.models.text import token_task
from course_utils.models.tokenizer import train_tokenizer

SETTINGS = fine_tuning.FineTuning(after="stage1", num_epochs=30)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Let all scripts use a small network and few random images."""
    for module in (fine_tuning, speed):
        monkeypatch.setattr(module, "new_model", model_of_levels)
    monkeypatch.setattr(layers, "new_model", new_model)
    for module in (accuracy, fine_tuning, speed, layers):
        monkeypatch.setattr(module, "load_solar_cells", lambda **_: small_task())
    monkeypatch.setattr(layers, "solar_cell_images", lambda size: images())
    few = StratifiedKFold(2, shuffle=True, random_state=0)  # of each level there are two or three
    monkeypatch.setattr(frozen, "SHUFFLED", few)


def new_model(seed, num_classes=2):
    torch.manual_seed(seed)
    return small_cnn(num_classes)


def model_of_levels(seed, architecture="small"):
    return new_model(seed, 4)


def small_task():
    labels = torch.arange(24) % 2  # every other cell is defective, of level 1, 2, 3, 1, ...
    weights = torch.where(labels == 1, (torch.arange(24) // 2 % 3 + 1) / 3, 1.0)
    samples = Samples(images(), labels, weights)
    parts = [samples.select(part) for part in torch.arange(24).split([12, 4, 8])]
    return Task(
        "cells", ("functional", "defective"), *parts, "grey value", "none", "random numbers"
    )


def images():
    """Bright images are defective."""
    generator = torch.Generator().manual_seed(0)
    brightness = (torch.arange(24) % 2).view(-1, 1, 1, 1) * 0.5
    return torch.rand(24, 1, 8, 8, generator=generator) / 2 + brightness


class TestAccuracy:
    def test_both_first_parts_are_learned(self):
        task = small_task()
        train, measured = accuracy.parts_of(task)
        assert train.indices.tolist() == list(range(16))
        assert train.inputs.equal(images()[:16])
        assert train.weights.equal(torch.cat([task.train.weights, task.validation.weights]))
        assert measured is task.test

    def test_levels_are_the_probabilities_of_the_expert(self):
        found = accuracy.with_levels(small_task().train)
        assert found.labels.tolist() == [0, 1, 0, 2, 0, 3] * 2
        assert found.weights is None

    @pytest.mark.parametrize(
        ("shares", "answer"),
        [
            ([0.6, 0.0, 0.0, 0.4], 0),
            ([0.4, 0.6, 0.0, 0.0], 0),  # more likely defective, but that earns only 0.6 / 3
            ([0.3, 0.1, 0.2, 0.4], 1),
        ],
    )
    def test_decision_is_the_answer_that_earns_more(self, shares, answer):
        logits = accuracy.decide(torch.tensor([shares]).log())
        earned = [shares[0], shares[1] / 3 + shares[2] * 2 / 3 + shares[3]]
        torch.testing.assert_close(logits.exp(), torch.tensor([earned]))
        assert logits.argmax(1).item() == answer

    def test_a_kernel_machine_learns_from_tables(self):
        parts = accuracy.parts_of(small_task())
        found = accuracy.learned(accuracy.Way([images().flatten(1).half()]), *parts)
        assert found["num_samples"] == 8
        assert found["weighted_accuracy"] > 0.9
        assert found["seconds"] > 0

    @pytest.mark.parametrize("weigh", [False, True])
    def test_features_are_weighed_as_the_way_says(self, monkeypatch, weigh):
        kernel = Mock(wraps=frozen.kernel)
        monkeypatch.setattr(frozen, "kernel", kernel)
        parts = accuracy.parts_of(small_task())
        accuracy.learned(accuracy.Way([images().flatten(1)], weigh=weigh), *parts)
        assert kernel.call_args.kwargs == {"weigh": weigh}

    def test_cases_are_all_splits_and_what_is_measured_is_their_test_part(self, monkeypatch):
        load = Mock(side_effect=lambda **_: small_task())
        monkeypatch.setattr(accuracy, "load_solar_cells", load)
        names, train, measured = zip(*accuracy.cases(2), strict=True)
        expected = [(split, seed) for split in ("random", "blocks") for seed in (0, 1)]
        assert [(name["split"], name["seed"]) for name in names] == expected
        asked = [call.kwargs for call in load.call_args_list]
        assert [(one["split"], one["split_seed"]) for one in asked] == expected
        assert train[0].indices.tolist() == list(range(16))
        assert measured[0].indices.tolist() == list(range(16, 24))

    def test_folds_measure_each_cell_once_and_never_the_test_part(self):
        folds = accuracy.folds()
        assert len(folds) == 8
        measured = torch.cat([part.indices for _, _, part in folds])
        assert measured.sort().values.tolist() == list(range(16))
        for _, train, part in folds:
            assert sorted([*train.indices.tolist(), *part.indices.tolist()]) == list(range(16))

    @pytest.mark.parametrize("tuning", [False, True])
    def test_the_recipe_and_each_change_of_it_are_measured(self, monkeypatch, tuning):
        def named(name, summary="max", *, pretrained=True):
            return f"{name[-5:]} {summary} {pretrained}", 1.0

        learned = []
        monkeypatch.setattr(frozen, "table_of_cells", named)
        monkeypatch.setattr(accuracy, "learned", lambda *case: learned.append(case) or {})
        report = accuracy.measure(2, tuning=tuning)
        both = ["Lite2 max True", "Lite0 max True"]
        alone = [[table] for table in (*both, "Lite0 mean True", "Lite0 max False")]
        ways = [(both, False), *((tables, True) for tables in alone)]
        first, each = (8, 8) if tuning else (4, 2)  # folds, or splits of both kinds and of one
        expected = [(both, True)] * first + [way for way in ways for _ in range(each)]
        assert [(way.tables, way.weigh) for way, *_ in learned] == expected
        kinds = {(run["method"] == report["recipe"], run["split"]) for run in report["runs"]}
        splits = [(True, "random"), (True, "blocks"), (False, "random")]
        assert kinds == set([(True, "fold"), (False, "fold")] if tuning else splits)
        assert [run["method"] for run in report["runs"]].count(report["recipe"]) == first
        for _, train, measured in learned:
            cells = torch.cat([train.indices, measured.indices])
            assert cells.sort().values.equal(torch.arange(16 if tuning else 24))
            assert len(measured) == (2 if tuning else 8)


class TestFineTuning:
    def test_fine_tuning_learns_and_is_measured_on_the_test_part(self):
        run = fine_tuning.run_split(SETTINGS, 0)
        assert run["num_samples"] == 8
        assert run["weighted_accuracy"] == 1
        assert run["seed"] == 0
        assert run["seconds"] > run["seconds_to_store"] + run["seconds_to_train"] > 0

    def test_four_different_views_of_each_image_are_drawn(self):
        shown = torch.rand(60, 1, 3, 3, generator=torch.Generator().manual_seed(0))
        torch.manual_seed(0)
        drawn = torch.stack(fine_tuning.four_of_eight(shown), 1)
        every = torch.stack(eight_views(shown), 1)
        found = (drawn[:, :, None] == every[:, None]).all(dim=(3, 4, 5)).sum(1)  # image, view
        assert drawn.shape == (60, 4, 1, 3, 3)
        assert found.max() == 1
        assert (found.sum(1) == 4).all()
        assert found.sum(0).min() > 15  # 30 are expected of each view

    @pytest.mark.parametrize("has_bfloat16", [True, False])
    def test_filters_of_one_channel_are_frozen_in_full_precision_and_others_move_in_a_third(
        self, monkeypatch, has_bfloat16
    ):
        monkeypatch.setattr(fine_tuning, "new_model", lambda *_: imagenet_classifier("random", 0))
        monkeypatch.setattr(fine_tuning, "has_bfloat16", lambda: has_bfloat16)
        rest = fine_tuning.new_prefix(fine_tuning.FineTuning(), 0).rest.eval()
        found = set()

        def note(layer, _, output):
            found.add((layer.groups > 1, layer.weight.requires_grad, output.dtype))

        for part in rest.modules():
            if isinstance(part, torch.nn.Conv2d):
                part.register_forward_hook(note)
        assert rest(torch.rand(2, 8, 40, 4, 4)).dtype == torch.float32
        short = torch.bfloat16 if has_bfloat16 else torch.float32
        assert found == {(True, False, torch.float32), (False, True, short)}


class TestFrozen:
    @pytest.fixture
    def network(self):
        """Return a network whose BatchNorm does something, and one channel is above 6."""
        network = imagenet_classifier("random", 0)
        torch.manual_seed(0)
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                for values in (layer.running_var, layer.weight.data):
                    values.uniform_(0.8, 1.2)
                for values in (layer.running_mean, layer.bias.data):
                    values.uniform_(-0.1, 0.1)
        network.backbone.body.blocks[3][0].bn1.bias.data[0] = 8
        return network.eval()

    @pytest.fixture
    def cells(self):
        return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))

    @pytest.fixture
    def filtered(self, network, cells):
        """Return what the filters say of a view, channel by channel, from the network itself."""
        body, found = network.backbone.body, []
        blocks = [block for stage in body.blocks[3:5] for block in stage]
        pairs = [pair for b in blocks for pair in ((b.conv_pw, b.bn1), (b.conv_dw, b.bn2))]
        pairs.append((body.blocks[5][0].conv_pw, body.blocks[5][0].bn1))

        def normed(norm, outputs):
            statistics = norm.running_mean, norm.running_var, norm.weight, norm.bias
            found.append(torch.nn.functional.batch_norm(outputs, *statistics, eps=norm.eps))

        hooks = [
            layer.register_forward_hook(lambda _, inputs, outputs, norm=norm: normed(norm, outputs))
            for layer, norm in pairs
        ]
        with torch.no_grad():
            for view in (cells, cells.flip(2, 3)):
                network.backbone(view)
        for hook in hooks:
            hook.remove()
        assert len(found) == 2 * 13
        return found[:13], found[13:]

    @pytest.mark.usefixtures("full_precision")
    def test_maxima_are_taken_before_relu_over_places_and_views(self, network, cells, filtered):
        first, second = (torch.cat([out.amax((2, 3)) for out in view], 1) for view in filtered)
        with torch.inference_mode():
            found = frozen.Middle(network)(cells).cpu()
        torch.testing.assert_close(found, first.maximum(second), atol=1e-4, rtol=1e-4)
        assert not first.equal(second)
        assert found.min() < 0  # ReLU6 would cut here
        assert found.max() > 6  # and here

    @pytest.mark.usefixtures("full_precision")
    def test_means_are_those_behind_relu6(self, network, cells, filtered):
        views = [
            torch.cat([torch.nn.functional.relu6(out).mean((2, 3)) for out in view], 1)
            for view in filtered
        ]
        with torch.inference_mode():
            found = frozen.Middle(network, "mean")(cells).cpu()
        torch.testing.assert_close(found, (views[0] + views[1]) / 2, atol=1e-4, rtol=1e-4)
        assert torch.cat([out.flatten() for out in filtered[0]]).max() > 6  # something is cut

    @pytest.mark.parametrize(
        ("pretrained", "weights"), [(True, ("imagenet", None)), (False, ("random", 0))]
    )
    def test_all_cells_are_read_in_their_order(self, monkeypatch, pretrained, weights):
        monkeypatch.setattr(frozen, "NUM_CELLS", 5)
        monkeypatch.setattr(frozen, "AT_ONCE", 2)
        read = Mock(side_effect=lambda size, rows: rows.view(-1, 1).float() / size)
        monkeypatch.setattr(frozen, "solar_cell_images", read)
        classifier = Mock()
        monkeypatch.setattr(frozen, "imagenet_classifier", classifier)
        monkeypatch.setattr(frozen, "Middle", lambda model, summary: lambda x: x * len(summary))
        table, seconds = frozen.table_of_cells("Net", "mean", pretrained=pretrained)
        expected = torch.arange(5).view(5, 1) / frozen.SIZE * len("mean")
        torch.testing.assert_close(table, expected.half())
        classifier.assert_called_once_with(*weights, architecture="Net")
        assert seconds > 0

    def test_separation_is_the_f_statistic_but_for_the_degrees_of_freedom(self):
        levels = torch.arange(30) % 3
        features = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
        features[:, 1] += levels
        found = frozen.separation(features, levels)
        expected, _ = f_classif(features.numpy(), levels.numpy())
        torch.testing.assert_close(found * (30 - 3) / (3 - 1), torch.from_numpy(expected).float())
        assert found.argmax() == 1
        constant = torch.ones(30, 1)
        assert frozen.separation(constant, levels).tolist() == [0]

    def test_kernel_is_the_mean_of_gaussians_in_units_of_the_training_rows(self):
        one = torch.tensor([[0.0], [2.0], [4.0]])  # rows 0 and 1: standard deviation sqrt(2)
        other = torch.tensor([[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
        train = torch.tensor([0, 1])
        found = frozen.kernel([one, other], train, train, weigh=False)
        e = math.exp
        # squared distances 2 and 8, divided by one feature; 4 and 0, divided by two
        far = (e(-8) + 1) / 2
        expected = [[1, e(-2), far], [e(-2), 1, e(-2)], [far, e(-2), 1]]
        torch.testing.assert_close(found, torch.tensor(expected))

    def test_features_count_by_their_separation_in_the_training_rows(self):
        # of the first four rows the first feature separates the levels: 4 between, 1 within
        table = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [2.0, 5.0]])
        train, levels = torch.arange(4), torch.tensor([0, 0, 1, 1])
        weights = frozen.separation(table[train], levels)
        assert weights.tolist() == [4.0, 0.0]
        found = frozen.kernel([table], train, levels)
        variance = 5 / 3  # of 0, 1, 2, 3
        rows = table[:, 0]
        expected = torch.exp(-((rows[:, None] - rows) ** 2) / variance)  # the second counts nothing
        torch.testing.assert_close(found, expected)

    def test_pairs_that_agree_give_back_the_probabilities(self):
        wanted = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], dtype=torch.float64)
        pairs = wanted[:, :, None] / (wanted[:, :, None] + wanted[:, None])
        torch.testing.assert_close(frozen.coupled(pairs), wanted)

    def test_answers_are_those_of_libsvm(self):
        generator = torch.Generator().manual_seed(0)
        levels = torch.arange(400) % 4
        points = torch.randn(400, 2, generator=generator) + 1.5 * levels[:, None]
        alike = frozen.kernel([points], torch.arange(400), levels, weigh=False)
        train, asked = torch.arange(300), torch.arange(300, 400)
        found = frozen.answers(alike, train, levels[train], asked).exp()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # scikit-learn gives this way up
            machine = SVC(C=3, kernel="precomputed", probability=True, random_state=0)
            machine.fit(alike[:300, :300].numpy(), levels[train].numpy())
        expected = torch.from_numpy(machine.predict_proba(alike[300:, :300].numpy())).float()
        torch.testing.assert_close(found.sum(1), torch.ones(100))
        assert (found - expected).abs().mean() < 0.02  # the folds of Platt's sigmoid differ
        assert (found.argmax(1) == levels[asked]).float().mean() > 0.6


class TestSpeed:
    def test_the_recipe_learns_from_tables_of_all_its_networks(self, monkeypatch):
        table = Mock(return_value=(images().flatten(1).half(), 1.0))
        monkeypatch.setattr(frozen, "table_of_cells", table)
        found = speed.frozen_from_nothing()
        assert [call.args for call in table.call_args_list] == [(name,) for name in frozen.NETWORKS]
        assert found["num_samples"] == 8
        assert found["weighted_accuracy"] > 0.9
        assert found["epochs"] is None

    def test_the_tutorial_gets_the_accuracy_of_the_recipe_and_ten_times_its_seconds(
        self, monkeypatch
    ):
        recipe = {"weighted_accuracy": 0.8, "seconds": 7.0}
        monkeypatch.setattr(speed, "frozen_from_nothing", lambda: recipe)
        for name in ("run_split", "fine_tuned_without_cache"):
            monkeypatch.setattr(speed, name, lambda *_, name=name: name)
        monkeypatch.setattr(speed, "tutorial", lambda train, measured, *rest: rest)
        report = speed.measure()
        assert report["recipe"] == recipe
        assert report["fine-tuned on stored activations"] == "run_split"
        assert report["fine-tuned, nothing stored"] == "fine_tuned_without_cache"
        assert report["tutorial: all layers"] == (0.8, 70.0)

    def test_without_the_cache_it_learns_as_well(self):
        found = speed.fine_tuned_without_cache(SETTINGS, *accuracy.parts_of(small_task()))
        assert found["weighted_accuracy"] == 1
        assert found["epochs"] == 30
        assert found["seconds"] > 0

    @pytest.mark.parametrize(
        ("goal", "limit", "reached", "epochs"),
        [(0.0, 1000, True, 1), (1.1, 1000, False, 2), (1.1, 0, False, 1)],
        ids=["good enough", "all epochs", "out of time"],
    )
    def test_the_tutorial_stops_at_the_goal_or_after_its_time_and_moves_all_layers(
        self, monkeypatch, goal, limit, reached, epochs
    ):
        monkeypatch.setattr(speed, "TUTORIAL_EPOCHS", 2)
        model = model_of_levels(0)
        monkeypatch.setattr(speed, "new_model", lambda seed: model)
        found = speed.tutorial(*accuracy.parts_of(small_task()), goal, limit)
        assert (found["reached"], found["epochs"]) == (reached, epochs)
        weights = zip(model_of_levels(0).parameters(), model.parameters(), strict=True)
        assert not any(before.equal(after) for before, after in weights)


class TestRandomViews:
    def test_answer_is_the_mean_over_the_views(self):
        model = new_model(0)
        found = predict(RandomViews(model, flipped_views), images())
        expected = torch.stack([predict(model, view) for view in flipped_views(images())])
        torch.testing.assert_close(found, expected.mean(0))

    def test_training_sees_one_random_view_of_each(self):
        seen = []
        beginning = torch.nn.Identity()
        beginning.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        views = RandomViews(new_model(0), flipped_views, beginning).train()
        torch.manual_seed(0)
        views(images()[:1].expand(200, -1, -1, -1))
        counts = [
            int((seen[0] == view).all(dim=(1, 2, 3)).sum()) for view in flipped_views(images()[:1])
        ]
        assert sum(counts) == 200
        assert min(counts) > 30  # 50 each are expected


@pytest.mark.slow
class TestExtraction:
    def test_all_ways_give_the_same_features(self):
        shown = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        ways = extraction.ways(shown)
        outputs = {}
        for name, (network, batches, mode) in ways.items():
            if "torch.compile" not in name:  # takes a minute
                with mode():
                    outputs[name] = torch.cat([network(batch) for batch in batches]).float()
        expected = outputs.pop("plain eager, batches of 64")
        rounded = outputs.pop("the course, bfloat16")  # three digits in each of 50 layers
        assert torch.corrcoef(torch.stack([rounded.flatten(), expected.flatten()]))[0, 1] > 0.98
        for name, found in outputs.items():
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=0, msg=name)


class TestLayers:
    def test_each_row_counts_what_may_move(self):
        rows = layers.ROWS | {"late": layers.late_stages("stage2")}
        counts = {
            name: row(small_task(), 0).parameters
            for name, row in rows.items()
            if name not in ("scratch", "last stage", "last three stages")  # of a large network
        }
        total = sum(weight.numel() for weight in new_model(0).parameters())
        assert counts.pop("linear probe") == 64 * 2 + 2
        assert 64 * 2 + 2 < counts.pop("late") < total
        assert set(counts.values()) == {total}

    def test_lp_ft_starts_with_the_answers_of_the_probe(self, monkeypatch):
        monkeypatch.setattr(layers, "flipped_views", lambda x: [x])
        task = small_task()
        model = layers.probed(task, 0)
        head, cells = layers.probe(task, 0)
        torch.testing.assert_close(
            predict(model, task.test.inputs), predict(head, cells.test.inputs), atol=1e-4, rtol=1e-4
        )

    def test_held_statistics_stay_while_all_weights_learn(self, monkeypatch):
        monkeypatch.setattr(layers, "new_model", lambda _: imagenet_classifier("random", 0))
        model = layers.statistics_held(small_task(), 0).train()
        assert all(weight.requires_grad for weight in model.parameters())
        before = model.backbone.body.bn1.running_mean.clone()
        model(torch.rand(2, 1, 32, 32))
        assert model.backbone.body.bn1.running_mean.equal(before)


@pytest.mark.slow
class TestPretraining:
    @pytest.fixture(autouse=True)
    def toys(self, monkeypatch):
        """Let it learn from short made-up texts, in few steps."""
        texts, labels = babble(60)
        parts = [Samples(Texts(texts), labels).select(torch.arange(60)[k::3]) for k in range(3)]
        news = Task("toy", ("0", "1"), *parts, "texts", "none", "random numbers")
        tokenizer = train_tokenizer(news.train.inputs, 300)
        sizes = {"width": 16, "depth": 1, "heads": 2, "context": 16}
        settings = {"SIZES": sizes, "CONTEXT": 16, "LABELS": (4, 8), "NUM_STEPS": 8}
        settings |= {"COMPONENTS": 2, "NUM_SEEDS": 2, "PASSES": (0, 1)}
        for name, value in settings.items():
            monkeypatch.setattr(pretraining, name, value)
        gpt = pretraining.GPT(tokenizer.num_tokens, **sizes, seed=0)
        beginnings = token_task(news, GPTBackbone("GPT", gpt, tokenizer), 16)
        monkeypatch.setattr(pretraining, "materials", lambda: (news, tokenizer, beginnings))
        pretraining.lsa.cache_clear()
        yield
        pretraining.lsa.cache_clear()

    def test_seeds_share_no_labels(self):
        drawn = [draw for seed in range(3) for draw in pretraining.draws_of(seed)]
        assert len(set(drawn)) == len(drawn) == 3 * pretraining.NUM_DRAWS

    def test_each_number_of_passes_and_lsa_are_measured_with_each_seed(self):
        report = pretraining.measure()
        assert list(report["passes"]) == ["0", "1"]
        for runs in report["passes"].values():
            assert len(runs) == 2
            assert all(set(run["probe"]) == {"4", "8"} for run in runs)
        assert report["passes"]["1"][0]["nats"] < report["passes"]["0"][0]["nats"]
        assert len(report["LSA"]) == 2
        assert report["LSA"][0]["8"] > 0.9  # the two kinds of texts share no word

    def test_a_part_of_a_pass_moves_weights_and_none_leaves_the_start(self):
        start, again, part = (pretraining.pretrained(n, 0) for n in (0, 0, 0.5))
        assert start.norm.weight.equal(again.norm.weight)
        assert not start.norm.weight.equal(part.norm.weight)


class TestTables:
    def test_published_numbers_and_ours_stand_in_one_table(self):
        values = {"accuracy": 0.8, "f1": 0.7, "auc": 0.9}
        runs = [
            {"split": "random", "weighted_accuracy": 0.85, "method": "net", **values},
            {"split": "random", "weighted_accuracy": 0.87, "method": "net", **values},
            {"split": "blocks", "weighted_accuracy": 0.80, "method": "net", **values},
        ]
        lines = tables.accuracy_table({"runs": runs}).splitlines()
        assert lines[0] == "| method | splits | weighted accuracy | accuracy | f1 | auc |"
        assert "0.884" in lines[3]
        # t of one degree of freedom is 12.706, and the standard error of the two is 0.01
        assert lines[4].startswith("| net | 2 random | 0.860 [0.696, 1.000] |")
        assert len(lines) == 5  # one split has no interval
        assert len({line.count("|") for line in lines}) == 1

    def test_a_way_that_gave_up_is_at_least_so_many_times_slower(self):
        report = {
            "recipe": {"seconds": 100.0, "epochs": None, "weighted_accuracy": 0.88},
            "tutorial": {
                "seconds": 650.0, "epochs": 25, "best_weighted_accuracy": 0.8, "reached": False
            },
            "machine": {},
        }  # fmt: skip
        lines = tables.speed_table(report).splitlines()
        assert lines[2] == "| recipe | – | 100 | 1.0 | 0.880 |"
        assert lines[3] == "| tutorial | 25 | 650 | more than 6.5: not reached | 0.800 |"
        assert len(lines) == 4

    def test_rates_are_compared_with_the_first(self):
        rates = {"plain": 50.0, "better": 125.0}
        lines = tables.extraction_table({"images_per_second": rates}).splitlines()
        assert lines[2:] == ["| plain | 50 | 1.0 |", "| better | 125 | 2.5 |"]

    def test_rows_of_layers_have_their_interval(self):
        run = layers.Row
        row = layers.summary([run(0.85, 1234, 2.0), run(0.87, 1234, 4.0)])
        lines = tables.layers_table({"rows": {"all": row}}).splitlines()
        assert lines[2] == "| all | 0.860 [0.688, 1.000] | 1,234 | 3 |"

    def test_rows_of_pretraining_have_loss_and_accuracies(self):
        scores = {"8": 0.5, "32": 0.7}
        runs = [{"nats": nats, "fine-tuned": scores, "probe": scores} for nats in (4.0, 4.2)]
        report = {"passes": {"0.25": runs}, "LSA": [scores, scores]}
        lines = tables.pretraining_table(report).splitlines()
        assert lines[0].endswith("| fine-tuned, 32 labels | probe, 8 labels | probe, 32 labels |")
        assert lines[2].startswith("| 0.25 passes | 4.100 [2.829, 5.371] | 0.500 [0.500, 0.500] |")
        assert lines[3].startswith("| LSA | – | – | – | 0.500")


class TestRunPart:
    @pytest.fixture
    def results(self, monkeypatch, tmp_path):
        monkeypatch.setattr(solar_cells, "RESULTS", tmp_path / "results.json")
        found = {"images_per_second": {"plain": 2.0}}
        monkeypatch.setitem(solar_cells.PARTS, "extraction", lambda arguments: found)
        return tmp_path / "results.json"

    def test_other_parts_keep_their_results(self, results):
        results.write_text(json.dumps({"layers": {"rows": []}}), encoding="utf-8")
        solar_cells.run_part("extraction", Namespace(tuning=False))
        found = json.loads(results.read_text(encoding="utf-8"))
        assert found["layers"] == {"rows": []}
        assert found["extraction"]["images_per_second"] == {"plain": 2.0}
        assert found["extraction"]["peak_memory_bytes"] > 1e6
        assert found["extraction"]["machine"]["cores"] >= 1

    def test_tuning_is_refused_for_parts_that_would_look_at_the_test(self, monkeypatch, capsys):
        monkeypatch.setattr(solar_cells, "use_threads", lambda: None)
        monkeypatch.setattr(sys, "argv", ["solar_cells.py", "--tuning", "--part", "layers"])
        with pytest.raises(SystemExit):
            solar_cells.main()
        assert "--tuning is for the part accuracy, not for layers" in capsys.readouterr().err

    def test_tuning_stores_nothing(self, results):
        solar_cells.run_part("extraction", Namespace(tuning=True))
        assert not results.exists()
