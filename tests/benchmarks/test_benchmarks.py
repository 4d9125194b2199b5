"""Tests of the benchmark on solar cells, on few tiny images."""

import importlib
import json
import math
import sys
import warnings
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from sklearn.feature_selection import f_classif
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from toys import full_precision, one_thread  # noqa: F401, fixtures

from course_utils.data.augmentation import eight_views, flipped_views
from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.models.classifier import small_cnn
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.inference import predict

FOLDER = Path(__file__).parent / "benchmarks"
NAMES = (
    "frozen",
    "accuracy",
    "fine_tuning",
    "random_views",
    "speed",
    "extraction",
    "layers",
    "tables",
    "solar_cells",
)


@pytest.fixture
def scripts(monkeypatch):
    """Return the scripts as modules, with a small network and few random images."""
    monkeypatch.syspath_prepend(str(FOLDER))
    modules = Namespace(**{name: importlib.import_module(name) for name in NAMES})
    for module in (modules.fine_tuning, modules.speed, modules.layers):
        own = new_model if module is modules.layers else model_of_levels
        monkeypatch.setattr(module, "new_model", own)
    for module in (modules.accuracy, modules.fine_tuning, modules.speed, modules.layers):
        monkeypatch.setattr(module, "load_solar_cells", lambda **_: small_task())
    monkeypatch.setattr(modules.layers, "solar_cell_images", lambda size: images())
    few = StratifiedKFold(2, shuffle=True, random_state=0)  # of each level there are two or three
    monkeypatch.setattr(modules.frozen, "SHUFFLED", few)
    yield modules
    for name in NAMES:
        del sys.modules[name]


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
    def test_both_first_parts_are_learned(self, scripts):
        task = small_task()
        train, measured = scripts.accuracy.parts_of(task)
        assert train.indices.tolist() == list(range(16))
        assert train.inputs.equal(images()[:16])
        assert train.weights.equal(torch.cat([task.train.weights, task.validation.weights]))
        assert measured is task.test

    def test_levels_are_the_probabilities_of_the_expert(self, scripts):
        found = scripts.accuracy.with_levels(small_task().train)
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
    def test_decision_is_the_answer_that_earns_more(self, scripts, shares, answer):
        logits = scripts.accuracy.decide(torch.tensor([shares]).log())
        earned = [shares[0], shares[1] / 3 + shares[2] * 2 / 3 + shares[3]]
        torch.testing.assert_close(logits.exp(), torch.tensor([earned]))
        assert logits.argmax(1).item() == answer

    def test_a_kernel_machine_learns_from_tables(self, scripts):
        way = scripts.accuracy.Way([images().flatten(1).half()])
        found = scripts.accuracy.learned(way, *scripts.accuracy.parts_of(small_task()))
        assert found["num_samples"] == 8
        assert found["weighted_accuracy"] > 0.9
        assert found["seconds"] > 0

    def test_features_are_weighed_as_the_way_says(self, scripts, monkeypatch):
        asked, kernel = [], scripts.frozen.kernel
        monkeypatch.setattr(
            scripts.frozen,
            "kernel",
            lambda *arguments, weigh: asked.append(weigh) or kernel(*arguments, weigh=weigh),
        )
        parts = scripts.accuracy.parts_of(small_task())
        for weigh in (False, True):
            scripts.accuracy.learned(
                scripts.accuracy.Way([images().flatten(1)], weigh=weigh), *parts
            )
        assert asked == [False, True]

    def test_cases_are_all_splits_and_what_is_measured_is_their_test_part(
        self, scripts, monkeypatch
    ):
        asked = []
        monkeypatch.setattr(
            scripts.accuracy,
            "load_solar_cells",
            lambda **arguments: asked.append(arguments) or small_task(),
        )
        names, train, measured = zip(*scripts.accuracy.cases(2), strict=True)
        expected = [(split, seed) for split in ("random", "blocks") for seed in (0, 1)]
        assert [(name["split"], name["seed"]) for name in names] == expected
        assert [(one["split"], one["split_seed"]) for one in asked] == expected
        assert train[0].indices.tolist() == list(range(16))
        assert measured[0].indices.tolist() == list(range(16, 24))

    def test_folds_measure_each_cell_once_and_never_the_test_part(self, scripts):
        folds = scripts.accuracy.folds()
        assert len(folds) == 8
        measured = torch.cat([part.indices for _, _, part in folds])
        assert measured.sort().values.tolist() == list(range(16))
        for _, train, part in folds:
            assert sorted([*train.indices.tolist(), *part.indices.tolist()]) == list(range(16))

    @pytest.mark.parametrize("tuning", [False, True])
    def test_the_recipe_and_each_change_of_it_are_measured(self, scripts, monkeypatch, tuning):
        monkeypatch.setattr(
            scripts.frozen,
            "table_of_cells",
            lambda name, summary="max", *, pretrained=True: (
                f"{name[-5:]} {summary} {pretrained}",
                1.0,
            ),
        )
        learned = []
        monkeypatch.setattr(
            scripts.accuracy,
            "learned",
            lambda way, train, measured: (
                learned.append((way.tables, way.weigh)) or {"parts": (train, measured)}
            ),
        )
        report = scripts.accuracy.measure(2, tuning=tuning)
        both = ["Lite2 max True", "Lite0 max True"]
        others = [
            (both, False),
            *(([table], True) for table in (*both, "Lite0 mean True", "Lite0 max False")),
        ]
        first, each = (8, 8) if tuning else (4, 2)
        assert learned == [(both, True)] * first + [way for way in others for _ in range(each)]
        assert [run["method"] for run in report["runs"]].count(report["recipe"]) == first
        assert {run["split"] for run in report["runs"]} == (
            {"fold"} if tuning else {"random", "blocks"}
        )
        changes = [run for run in report["runs"] if run["method"] != report["recipe"]]
        assert {run["split"] for run in changes} == {"fold" if tuning else "random"}
        assert report["seconds_of_networks"] == dict.fromkeys(scripts.frozen.NETWORKS, 1.0)
        for train, measured in (run["parts"] for run in report["runs"]):
            both = torch.cat([train.indices, measured.indices]).sort().values
            assert both.equal(torch.arange(16 if tuning else 24))
            assert len(measured) == (2 if tuning else 8)


class TestFineTuning:
    def test_fine_tuning_learns_and_is_measured_on_the_test_part(self, scripts):
        settings = scripts.fine_tuning.FineTuning(after="stage1", num_epochs=30)
        run = scripts.fine_tuning.run_split(settings, 0)
        assert run["num_samples"] == 8
        assert run["weighted_accuracy"] == 1
        assert run["seed"] == 0
        assert run["seconds"] > run["seconds_to_store"] + run["seconds_to_train"] > 0

    def test_four_different_views_of_each_image_are_drawn(self, scripts):
        shown = torch.rand(60, 1, 3, 3, generator=torch.Generator().manual_seed(0))
        torch.manual_seed(0)
        drawn = torch.stack(scripts.fine_tuning.four_of_eight(shown), 1)
        every = torch.stack(eight_views(shown), 1)
        found = (drawn[:, :, None] == every[:, None]).all(dim=(3, 4, 5)).sum(1)  # image, view
        assert drawn.shape == (60, 4, 1, 3, 3)
        assert found.max() == 1
        assert (found.sum(1) == 4).all()
        assert found.sum(0).min() > 15  # 30 are expected of each view

    @pytest.fixture
    def large_rest(self, scripts, monkeypatch):
        monkeypatch.setattr(
            scripts.fine_tuning, "new_model", lambda *_: imagenet_classifier("random", 0)
        )
        return scripts.fine_tuning.new_prefix(scripts.fine_tuning.FineTuning(), 0).rest

    def test_filters_of_one_channel_are_frozen_and_others_move(self, large_rest):
        convolutions = [part for part in large_rest.modules() if isinstance(part, torch.nn.Conv2d)]
        frozen = {part.groups > 1 for part in convolutions if not part.weight.requires_grad}
        moving = {part.groups > 1 for part in convolutions if part.weight.requires_grad}
        assert (frozen, moving) == ({True}, {False})

    @pytest.mark.parametrize("has_bfloat16", [True, False])
    def test_a_third_of_the_digits_is_kept_except_in_filters_of_one_channel(
        self, scripts, monkeypatch, large_rest, has_bfloat16
    ):
        monkeypatch.setattr(scripts.fine_tuning, "has_bfloat16", lambda: has_bfloat16)
        found = {}
        for part in large_rest.modules():
            if isinstance(part, torch.nn.Conv2d):
                part.register_forward_hook(
                    lambda module, _, output: found.update({module.groups > 1: output.dtype})
                )
        outputs = large_rest.eval()(torch.rand(2, 8, 40, 4, 4))
        short = torch.bfloat16 if has_bfloat16 else torch.float32
        assert found == {True: torch.float32, False: short}
        assert outputs.dtype == torch.float32


class TestFrozen:
    @pytest.fixture
    def network(self):
        """Return a network whose BatchNorm does something, and one channel is above 6."""
        network = imagenet_classifier("random", 0)
        generator = torch.Generator().manual_seed(0)
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                for values, low, high in (
                    (layer.running_mean, -0.1, 0.1),
                    (layer.running_var, 0.8, 1.2),
                    (layer.weight.data, 0.8, 1.2),
                    (layer.bias.data, -0.1, 0.1),
                ):
                    values.uniform_(low, high, generator=generator)
        network.backbone.body.blocks[3][0].bn1.bias.data[0] = 8
        return network

    @pytest.fixture
    def cells(self):
        return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))

    @pytest.fixture
    def filtered(self, network, cells):
        """Return what the filters say of a view, channel by channel, from the network itself."""
        blocks = [block for stage in network.backbone.body.blocks[3:5] for block in stage]
        pairs = [pair for b in blocks for pair in ((b.conv_pw, b.bn1), (b.conv_dw, b.bn2))]
        following = network.backbone.body.blocks[5][0]
        found, hooks = [], []
        for layer, norm in [*pairs, (following.conv_pw, following.bn1)]:
            hooks.append(
                layer.register_forward_hook(
                    lambda _, inputs, outputs, norm=norm: found.append(
                        torch.nn.functional.batch_norm(
                            outputs, norm.running_mean, norm.running_var, norm.weight, norm.bias,
                            eps=norm.eps,
                        )
                    )
                )
            )  # fmt: skip
        network.backbone.eval()
        with torch.no_grad():
            for view in (cells, cells.flip(2, 3)):
                network.backbone(view)
        for hook in hooks:
            hook.remove()
        assert len(found) == 2 * 13
        return found[:13], found[13:]

    @pytest.mark.usefixtures("full_precision")
    def test_maxima_are_taken_before_relu_over_places_and_views(
        self, scripts, network, cells, filtered
    ):
        first, second = (torch.cat([out.amax((2, 3)) for out in view], 1) for view in filtered)
        with torch.inference_mode():
            found = scripts.frozen.Middle(network)(cells).cpu()
        torch.testing.assert_close(found, first.maximum(second), atol=1e-4, rtol=1e-4)
        assert not first.equal(second)
        assert found.min() < 0  # ReLU6 would cut here
        assert found.max() > 6  # and here

    @pytest.mark.usefixtures("full_precision")
    def test_means_are_those_behind_relu6(self, scripts, network, cells, filtered):
        views = [
            torch.cat([torch.nn.functional.relu6(out).mean((2, 3)) for out in view], 1)
            for view in filtered
        ]
        with torch.inference_mode():
            found = scripts.frozen.Middle(network, "mean")(cells).cpu()
        torch.testing.assert_close(found, (views[0] + views[1]) / 2, atol=1e-4, rtol=1e-4)
        assert torch.cat([out.flatten() for out in filtered[0]]).max() > 6  # something is cut

    @pytest.mark.parametrize("pretrained", [True, False])
    def test_all_cells_are_read_in_their_order(self, scripts, monkeypatch, pretrained):
        monkeypatch.setattr(scripts.frozen, "NUM_CELLS", 5)
        monkeypatch.setattr(scripts.frozen, "AT_ONCE", 2)
        monkeypatch.setattr(
            scripts.frozen, "solar_cell_images", lambda size, rows: rows.view(-1, 1).float() / size
        )
        asked = []
        monkeypatch.setattr(
            scripts.frozen,
            "imagenet_classifier",
            lambda *weights, architecture: asked.append((*weights, architecture)),
        )
        monkeypatch.setattr(
            scripts.frozen, "Middle", lambda model, summary: lambda shown: shown * len(summary)
        )
        table, seconds = scripts.frozen.table_of_cells("Net", "mean", pretrained=pretrained)
        expected = torch.arange(5).view(5, 1) / scripts.frozen.SIZE * len("mean")
        torch.testing.assert_close(table, expected.half())
        assert asked == [(*(("imagenet", None) if pretrained else ("random", 0)), "Net")]
        assert seconds > 0

    def test_separation_is_the_f_statistic_but_for_the_degrees_of_freedom(self, scripts):
        levels = torch.arange(30) % 3
        features = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
        features[:, 1] += levels
        found = scripts.frozen.separation(features, levels)
        expected, _ = f_classif(features.numpy(), levels.numpy())
        torch.testing.assert_close(found * (30 - 3) / (3 - 1), torch.from_numpy(expected).float())
        assert found.argmax() == 1
        constant = torch.ones(30, 1)
        assert scripts.frozen.separation(constant, levels).tolist() == [0]

    def test_kernel_is_the_mean_of_gaussians_in_units_of_the_training_rows(self, scripts):
        one = torch.tensor([[0.0], [2.0], [4.0]])  # rows 0 and 1: standard deviation sqrt(2)
        other = torch.tensor([[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
        train = torch.tensor([0, 1])
        found = scripts.frozen.kernel([one, other], train, train, weigh=False)
        e = math.exp
        # squared distances 2 and 8, divided by one feature; 4 and 0, divided by two
        expected = [
            [1, e(-2), (e(-8) + 1) / 2],
            [e(-2), 1, e(-2)],
            [(e(-8) + 1) / 2, e(-2), 1],
        ]
        torch.testing.assert_close(found, torch.tensor(expected))

    def test_features_count_by_their_separation_in_the_training_rows(self, scripts):
        # of the first four rows the first feature separates the levels: 4 between, 1 within
        table = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [2.0, 5.0]])
        train, levels = torch.arange(4), torch.tensor([0, 0, 1, 1])
        weights = scripts.frozen.separation(table[train], levels)
        assert weights.tolist() == [4.0, 0.0]
        found = scripts.frozen.kernel([table], train, levels)
        variance = 5 / 3  # of 0, 1, 2, 3
        rows = table[:, 0]
        expected = torch.exp(-((rows[:, None] - rows) ** 2) / variance)  # the second counts nothing
        torch.testing.assert_close(found, expected)

    def test_pairs_that_agree_give_back_the_probabilities(self, scripts):
        wanted = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], dtype=torch.float64)
        pairs = wanted[:, :, None] / (wanted[:, :, None] + wanted[:, None])
        torch.testing.assert_close(scripts.frozen.coupled(pairs), wanted)

    def test_answers_are_those_of_libsvm(self, scripts):
        generator = torch.Generator().manual_seed(0)
        levels = torch.arange(400) % 4
        points = torch.randn(400, 2, generator=generator) + 1.5 * levels[:, None]
        alike = scripts.frozen.kernel([points], torch.arange(400), levels, weigh=False)
        train, asked = torch.arange(300), torch.arange(300, 400)
        found = scripts.frozen.answers(alike, train, levels[train], asked).exp()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # scikit-learn gives this way up
            machine = SVC(C=3, kernel="precomputed", probability=True, random_state=0)
            machine.fit(alike[:300, :300].numpy(), levels[train].numpy())
        expected = torch.from_numpy(machine.predict_proba(alike[300:, :300].numpy())).float()
        torch.testing.assert_close(found.sum(1), torch.ones(100))
        assert (found - expected).abs().mean() < 0.02  # the folds of Platt's sigmoid differ
        assert (found.argmax(1) == levels[asked]).float().mean() > 0.6


class TestSpeed:
    def test_the_recipe_learns_from_tables_of_all_its_networks(self, scripts, monkeypatch):
        asked = []
        monkeypatch.setattr(
            scripts.frozen,
            "table_of_cells",
            lambda name: (asked.append(name) or images().flatten(1).half(), 1.0),
        )
        found = scripts.speed.frozen_from_nothing()
        assert tuple(asked) == scripts.frozen.NETWORKS
        assert found["num_samples"] == 8
        assert found["weighted_accuracy"] > 0.9
        assert found["epochs"] is None

    def test_the_tutorial_gets_the_accuracy_of_the_recipe_and_ten_times_its_seconds(
        self, scripts, monkeypatch
    ):
        recipe = {"weighted_accuracy": 0.8, "seconds": 7.0}
        monkeypatch.setattr(scripts.speed, "frozen_from_nothing", lambda: recipe)
        for name in ("run_split", "fine_tuned_without_cache"):
            monkeypatch.setattr(scripts.speed, name, lambda *_, name=name: name)
        monkeypatch.setattr(scripts.speed, "tutorial", lambda train, measured, *rest: rest)
        report = scripts.speed.measure()
        assert report["recipe"] == recipe
        assert report["fine-tuned on stored activations"] == "run_split"
        assert report["fine-tuned, nothing stored"] == "fine_tuned_without_cache"
        assert report["tutorial: all layers"] == (0.8, 70.0)

    def test_without_the_cache_it_learns_as_well(self, scripts):
        settings = scripts.fine_tuning.FineTuning(after="stage1", num_epochs=30)
        train, measured = scripts.accuracy.parts_of(small_task())
        found = scripts.speed.fine_tuned_without_cache(settings, train, measured)
        assert found["weighted_accuracy"] == 1
        assert found["epochs"] == 30
        assert found["seconds"] > 0

    @pytest.mark.parametrize(("goal", "reached"), [(0.0, True), (1.1, False)])
    def test_the_tutorial_stops_at_the_goal(self, scripts, monkeypatch, goal, reached):
        monkeypatch.setattr(scripts.speed, "TUTORIAL_EPOCHS", 2)
        train, measured = scripts.accuracy.parts_of(small_task())
        found = scripts.speed.tutorial(train, measured, goal, limit=1000)
        assert found["reached"] == reached
        assert found["epochs"] == (1 if reached else 2)

    def test_the_tutorial_gives_up_after_its_time(self, scripts):
        train, measured = scripts.accuracy.parts_of(small_task())
        found = scripts.speed.tutorial(train, measured, goal=1.1, limit=0)
        assert (found["reached"], found["epochs"]) == (False, 1)

    def test_the_tutorial_moves_all_layers(self, scripts, monkeypatch):
        monkeypatch.setattr(scripts.speed, "TUTORIAL_EPOCHS", 1)
        kept = []
        monkeypatch.setattr(
            scripts.speed, "new_model", lambda seed: kept.append(model_of_levels(seed)) or kept[0]
        )
        train, measured = scripts.accuracy.parts_of(small_task())
        scripts.speed.tutorial(train, measured, goal=1.1, limit=1000)
        for before, after in zip(
            model_of_levels(0).parameters(), kept[0].parameters(), strict=True
        ):
            assert not before.equal(after)


class TestRandomViews:
    def test_answer_is_the_mean_over_the_views(self, scripts):
        model = new_model(0)
        found = predict(scripts.random_views.RandomViews(model, flipped_views), images())
        expected = torch.stack([predict(model, view) for view in flipped_views(images())])
        torch.testing.assert_close(found, expected.mean(0))

    def test_training_sees_one_random_view_of_each(self, scripts):
        seen = []
        beginning = torch.nn.Identity()
        beginning.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        views = scripts.random_views.RandomViews(new_model(0), flipped_views, beginning).train()
        torch.manual_seed(0)
        views(images()[:1].expand(200, -1, -1, -1))
        counts = [
            int((seen[0] == view).all(dim=(1, 2, 3)).sum()) for view in flipped_views(images()[:1])
        ]
        assert sum(counts) == 200
        assert min(counts) > 30  # 50 each are expected


class TestExtraction:
    def test_all_ways_give_the_same_features(self, scripts):
        shown = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        ways = scripts.extraction.ways(shown)
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
    def test_each_row_counts_what_may_move(self, scripts):
        rows = scripts.layers.ROWS | {"late": scripts.layers.late_stages("stage2")}
        counts = {
            name: row(small_task(), 0).parameters
            for name, row in rows.items()
            if name not in ("scratch", "last stage", "last three stages")  # of a large network
        }
        total = sum(weight.numel() for weight in new_model(0).parameters())
        assert counts.pop("linear probe") == 64 * 2 + 2
        assert 64 * 2 + 2 < counts.pop("late") < total
        assert set(counts.values()) == {total}

    def test_lp_ft_starts_with_the_answers_of_the_probe(self, scripts, monkeypatch):
        monkeypatch.setattr(scripts.layers, "flipped_views", lambda x: [x])
        task = small_task()
        model = scripts.layers.probed(task, 0)
        head, cells = scripts.layers.probe(task, 0)
        torch.testing.assert_close(
            predict(model, task.test.inputs), predict(head, cells.test.inputs), atol=1e-4, rtol=1e-4
        )

    def test_held_statistics_stay_while_all_weights_learn(self, scripts, monkeypatch):
        monkeypatch.setattr(scripts.layers, "new_model", lambda _: imagenet_classifier("random", 0))
        model = scripts.layers.statistics_held(small_task(), 0).train()
        assert all(weight.requires_grad for weight in model.parameters())
        before = model.backbone.body.bn1.running_mean.clone()
        model(torch.rand(2, 1, 32, 32))
        assert model.backbone.body.bn1.running_mean.equal(before)


class TestTables:
    def test_published_numbers_and_ours_stand_in_one_table(self, scripts):
        values = {"accuracy": 0.8, "f1": 0.7, "auc": 0.9}
        runs = [
            {"split": "random", "weighted_accuracy": 0.85, "method": "net", **values},
            {"split": "random", "weighted_accuracy": 0.87, "method": "net", **values},
            {"split": "blocks", "weighted_accuracy": 0.80, "method": "net", **values},
        ]
        lines = scripts.tables.accuracy_table({"runs": runs}).splitlines()
        assert lines[0] == "| method | splits | weighted accuracy | accuracy | f1 | auc |"
        assert "0.884" in lines[3]
        # t of one degree of freedom is 12.706, and the standard error of the two is 0.01
        assert lines[4].startswith("| net | 2 random | 0.860 [0.733, 0.987] |")
        assert len(lines) == 5  # one split has no interval
        assert len({line.count("|") for line in lines}) == 1

    def test_a_way_that_gave_up_is_at_least_so_many_times_slower(self, scripts):
        report = {
            "recipe": {"seconds": 100.0, "epochs": None, "weighted_accuracy": 0.88},
            "tutorial": {
                "seconds": 650.0, "epochs": 25, "best_weighted_accuracy": 0.8, "reached": False
            },
            "machine": {},
        }  # fmt: skip
        lines = scripts.tables.speed_table(report).splitlines()
        assert lines[2] == "| recipe | – | 100 | 1.0 | 0.880 |"
        assert lines[3] == "| tutorial | 25 | 650 | more than 6.5: not reached | 0.800 |"
        assert len(lines) == 4

    def test_rates_are_compared_with_the_first(self, scripts):
        rates = {"plain": 50.0, "better": 125.0}
        lines = scripts.tables.extraction_table({"images_per_second": rates}).splitlines()
        assert lines[2:] == ["| plain | 50 | 1.0 |", "| better | 125 | 2.5 |"]

    def test_rows_of_layers_have_their_interval(self, scripts):
        run = scripts.layers.Row
        row = scripts.layers.summary([run(0.85, 1234, 2.0), run(0.87, 1234, 4.0)])
        lines = scripts.tables.layers_table({"rows": {"all": row}}).splitlines()
        assert lines[2] == "| all | 0.860 [0.733, 0.987] | 1,234 | 3 |"


class TestRunPart:
    @pytest.fixture
    def results(self, scripts, monkeypatch, tmp_path):
        monkeypatch.setattr(scripts.solar_cells, "RESULTS", tmp_path / "results.json")
        found = {"images_per_second": {"plain": 2.0}}
        monkeypatch.setitem(scripts.solar_cells.PARTS, "extraction", lambda arguments: found)
        return tmp_path / "results.json"

    def test_other_parts_keep_their_results(self, scripts, results):
        results.write_text(json.dumps({"layers": {"rows": []}}), encoding="utf-8")
        scripts.solar_cells.run_part("extraction", Namespace(tuning=False))
        found = json.loads(results.read_text(encoding="utf-8"))
        assert found["layers"] == {"rows": []}
        assert found["extraction"]["images_per_second"] == {"plain": 2.0}
        assert found["extraction"]["peak_memory_bytes"] > 1e6
        assert found["extraction"]["machine"]["cores"] >= 1

    def test_tuning_is_refused_for_parts_that_would_look_at_the_test(
        self, scripts, monkeypatch, capsys
    ):
        monkeypatch.setattr(scripts.solar_cells, "use_threads", lambda: None)
        monkeypatch.setattr(sys, "argv", ["solar_cells.py", "--tuning", "--part", "layers"])
        with pytest.raises(SystemExit):
            scripts.solar_cells.main()
        assert "--tuning is for the part accuracy, not for layers" in capsys.readouterr().err

    def test_tuning_stores_nothing(self, scripts, results):
        scripts.solar_cells.run_part("extraction", Namespace(tuning=True))
        assert not results.exists()
