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
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from toys import one_thread  # noqa: F401, a fixture

from course_utils.backbones import imagenet_classifier, small_cnn
from course_utils.prefix import eight_views, flipped_views
from course_utils.tasks import Samples, Task
from course_utils.training import predict

FOLDER = Path(__file__).parent / "benchmarks"
NAMES = (
    "frozen",
    "accuracy",
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
    for module in (modules.accuracy, modules.speed, modules.layers):
        own = new_model if module is modules.layers else model_of_levels
        monkeypatch.setattr(module, "new_model", own)
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


def model_of_levels(seed):
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
    def test_when_not_tuning_both_first_parts_are_learned(self, scripts):
        task = small_task()
        train, measured = scripts.accuracy.parts_of(task, tuning=False)
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

    @pytest.mark.parametrize(("tuning", "number"), [(True, 4), (False, 8)])
    def test_it_learns_and_tuning_never_looks_at_the_test_part(
        self, scripts, monkeypatch, tuning, number
    ):
        task = small_task()
        if tuning:
            task.test.inputs.fill_(float("nan"))  # looking at a test image would show
        monkeypatch.setattr(scripts.accuracy, "load_solar_cells", lambda **_: task)
        recipe = scripts.accuracy.Recipe(after="stage1", num_epochs=30)
        run = scripts.accuracy.run_split(recipe, "random", 0, tuning=tuning)
        assert run["num_samples"] == number
        assert run["weighted_accuracy"] == 1
        assert (run["split"], run["seed"]) == ("random", 0)
        assert run["seconds"] > run["seconds_to_store"] + run["seconds_to_train"] > 0

    def test_four_different_views_of_each_image_are_drawn(self, scripts):
        shown = torch.rand(60, 1, 3, 3, generator=torch.Generator().manual_seed(0))
        torch.manual_seed(0)
        drawn = torch.stack(scripts.accuracy.four_of_eight(shown), 1)
        every = torch.stack(eight_views(shown), 1)
        found = (drawn[:, :, None] == every[:, None]).all(dim=(3, 4, 5)).sum(1)  # image, view
        assert drawn.shape == (60, 4, 1, 3, 3)
        assert found.max() == 1
        assert (found.sum(1) == 4).all()
        assert found.sum(0).min() > 15  # 30 are expected of each view

    def test_frozen_split_learns_from_tables_and_tuning_spares_the_test_part(self, scripts):
        table = images().flatten(1).half()
        run = scripts.accuracy.frozen_split([table], "random", 0)
        assert (run["split"], run["seed"], run["num_samples"]) == ("random", 0, 8)
        assert run["weighted_accuracy"] > 0.9
        assert run["seconds"] > 0
        table[16:] = float("nan")  # the test part
        tuned = scripts.accuracy.frozen_split([table], "random", 0, tuning=True)
        assert tuned["num_samples"] == 4

    def test_all_networks_and_each_alone_are_measured(self, scripts, monkeypatch):
        table = images().flatten(1).half()
        monkeypatch.setattr(
            scripts.frozen,
            "statistics_of_cells",
            lambda networks=None, pretrained=True: ({f"net {pretrained}": table}, {"net": 1.0}),
        )
        runs = scripts.accuracy.measure(2)["runs"]
        found = [(run["method"], run["split"], run["seed"]) for run in runs]
        everything = scripts.accuracy.ALL
        assert found == [
            *((everything, split, seed) for split in ("random", "blocks") for seed in (0, 1)),
            *((f"net {kind}", "random", seed) for kind in (True, False) for seed in (0, 1)),
        ]

    @pytest.fixture
    def large_rest(self, scripts, monkeypatch):
        monkeypatch.setattr(
            scripts.accuracy, "new_model", lambda _: imagenet_classifier("random", 0)
        )
        return scripts.accuracy.new_prefix(scripts.accuracy.Recipe(), 0).rest

    def test_filters_of_one_channel_are_frozen_and_others_move(self, large_rest):
        convolutions = [part for part in large_rest.modules() if isinstance(part, torch.nn.Conv2d)]
        frozen = {part.groups > 1 for part in convolutions if not part.weight.requires_grad}
        moving = {part.groups > 1 for part in convolutions if part.weight.requires_grad}
        assert (frozen, moving) == ({True}, {False})

    @pytest.mark.parametrize("has_bfloat16", [True, False])
    def test_half_of_the_digits_are_kept_except_in_filters_of_one_channel(
        self, scripts, monkeypatch, large_rest, has_bfloat16
    ):
        monkeypatch.setattr(scripts.accuracy, "has_bfloat16", lambda: has_bfloat16)
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
        return imagenet_classifier("random", 0)

    @pytest.fixture
    def cells(self):
        return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))

    def test_statistics_are_those_behind_the_spatial_filters(self, scripts, network, cells):
        found = []
        for stage in network.backbone.body.blocks[3:5]:
            for block in stage:
                block.bn2.register_forward_hook(lambda _, inputs, out: found.append(out))
        network.backbone.eval()(cells)
        expected = [
            part
            for out in found
            for part in (out.mean((2, 3)), out.std((2, 3), correction=0), out.amax((2, 3)))
        ]
        assert len(found) == 6
        statistics = scripts.frozen.channel_statistics(network, cells, 1)
        assert statistics.dtype == torch.float16
        torch.testing.assert_close(statistics.float(), torch.cat(expected, 1), atol=2e-3, rtol=2e-3)

    def test_second_view_is_upside_down_and_mirrored(self, scripts, network, cells):
        one, other, both = (
            scripts.frozen.channel_statistics(network, shown, views).float()
            for shown, views in ((cells, 1), (cells.flip(2, 3), 1), (cells, 2))
        )
        torch.testing.assert_close(both, (one + other) / 2, atol=2e-3, rtol=2e-3)
        assert not one.equal(other)

    @pytest.mark.parametrize("pretrained", [True, False])
    def test_all_cells_are_read_in_their_order(self, scripts, monkeypatch, pretrained):
        monkeypatch.setattr(scripts.frozen, "NUM_CELLS", 5)
        monkeypatch.setattr(scripts.frozen, "AT_ONCE", 2)
        monkeypatch.setattr(
            scripts.frozen, "solar_cell_images", lambda size, rows: torch.ones(len(rows), 1) * size
        )
        monkeypatch.setattr(
            scripts.frozen, "channel_statistics", lambda network, shown, views: shown * views
        )
        networks = (("EfficientNet-Lite0", 30, 1), ("EfficientNet-Lite0", 20, 2))
        tables, seconds = scripts.frozen.statistics_of_cells(networks, pretrained=pretrained)
        name = "EfficientNet-Lite0, {} px" + ("" if pretrained else ", random weights")
        assert {key: table.tolist() for key, table in tables.items()} == {
            name.format(30): [[30.0]] * 5,
            name.format(20): [[40.0]] * 5,
        }
        assert all(value > 0 for value in seconds.values())

    def test_kernel_is_the_mean_of_gaussians_in_units_of_the_training_rows(self, scripts):
        one = torch.tensor([[0.0], [2.0], [4.0]])  # rows 0 and 1: standard deviation sqrt(2)
        other = torch.tensor([[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
        found = scripts.frozen.kernel([one, other], torch.tensor([0, 1]))
        e = math.exp
        # squared distances 2 and 8, divided by one feature; 4 and 0, divided by two
        expected = [
            [1, e(-2), (e(-8) + 1) / 2],
            [e(-2), 1, e(-2)],
            [(e(-8) + 1) / 2, e(-2), 1],
        ]
        torch.testing.assert_close(found, torch.tensor(expected))

    def test_pairs_that_agree_give_back_the_probabilities(self, scripts):
        wanted = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], dtype=torch.float64)
        pairs = wanted[:, :, None] / (wanted[:, :, None] + wanted[:, None])
        torch.testing.assert_close(scripts.frozen.coupled(pairs), wanted)

    def test_answers_are_those_of_libsvm(self, scripts):
        generator = torch.Generator().manual_seed(0)
        levels = torch.arange(400) % 4
        points = torch.randn(400, 2, generator=generator) + 1.5 * levels[:, None]
        alike = scripts.frozen.kernel([points], torch.arange(400))
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
    def test_without_the_cache_it_learns_as_well(self, scripts):
        recipe = scripts.accuracy.Recipe(after="stage1", num_epochs=30)
        train, measured = scripts.accuracy.parts_of(small_task(), tuning=False)
        found = scripts.speed.fine_tuned_without_cache(recipe, train, measured)
        assert found["weighted_accuracy"] == 1
        assert found["epochs"] == 30
        assert found["seconds"] > 0

    @pytest.mark.parametrize(("goal", "reached"), [(0.0, True), (1.1, False)])
    def test_the_tutorial_stops_at_the_goal(self, scripts, monkeypatch, goal, reached):
        monkeypatch.setattr(scripts.speed, "TUTORIAL_EPOCHS", 2)
        train, measured = scripts.accuracy.parts_of(small_task(), tuning=True)
        found = scripts.speed.tutorial(train, measured, goal, limit=1000)
        assert found["reached"] == reached
        assert found["epochs"] == (1 if reached else 2)

    def test_the_tutorial_gives_up_after_its_time(self, scripts):
        train, measured = scripts.accuracy.parts_of(small_task(), tuning=True)
        found = scripts.speed.tutorial(train, measured, goal=1.1, limit=0)
        assert (found["reached"], found["epochs"]) == (False, 1)

    def test_the_tutorial_moves_all_layers(self, scripts, monkeypatch):
        monkeypatch.setattr(scripts.speed, "TUTORIAL_EPOCHS", 1)
        kept = []
        monkeypatch.setattr(
            scripts.speed, "new_model", lambda seed: kept.append(model_of_levels(seed)) or kept[0]
        )
        train, measured = scripts.accuracy.parts_of(small_task(), tuning=True)
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

    def test_tuning_stores_nothing(self, scripts, results):
        scripts.solar_cells.run_part("extraction", Namespace(tuning=True))
        assert not results.exists()
