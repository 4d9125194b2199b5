"""Tests of course_utils.experiments.methods."""

from copy import deepcopy

import pytest
import torch
from lesson import tokens
from torch import nn
from toys import one_thread  # noqa: F401, a fixture

from course_utils.data.samples import Samples
from course_utils.experiments.methods import Method, MethodTable
from course_utils.models.classifier import Classifier, small_cnn
from course_utils.models.freezing import freeze
from course_utils.models.surgery import replace_head
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L1, L2, L2SP

SAMPLES = Samples(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]))


@pytest.fixture(scope="module")
def source():
    torch.manual_seed(0)
    return small_cnn(2)


def random_cnn(seed=1):
    torch.manual_seed(seed)
    return small_cnn(2)


def table(source, model, objective=None, name="method"):
    """Return a table with one method."""
    return MethodTable(source, {name: Method(model, SAMPLES, objective or CrossEntropy())})


def start(source, model):
    return table(source, model).start("method")


def moves(source, model):
    return table(source, model).moves("method")


def cells(methods):
    """Return the rows of the Markdown table as a parser sees them, the head first."""
    rows, is_cell = [], False
    for token in tokens(methods._repr_markdown_()):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            is_cell = True
        elif token.type == "inline" and is_cell:
            rows[-1].append(token.content)
            is_cell = False
    return rows


class TestStart:
    def test_copy_of_the_source_starts_at_w_0(self, source):
        assert start(source, deepcopy(source)) == "w_0"
        assert start(source, source) == "w_0"

    def test_other_random_weights_are_not_the_source(self, source):
        assert start(source, random_cnn()) == "random weights"

    def test_new_head_is_still_w_0_since_transfer_takes_the_backbone(self, source):
        assert start(source, replace_head(deepcopy(source), 5, seed=3)) == "w_0"

    def test_source_head_on_a_random_backbone_is_not_w_0(self, source):
        model = random_cnn()
        model.head = deepcopy(source.head)
        assert start(source, model) == "random weights"

    def test_frozen_backbone_is_still_w_0(self, source):
        model = deepcopy(source)
        freeze(model.backbone)
        assert start(source, model) == "w_0"

    def test_one_weight_that_has_moved_is_enough(self, source):
        model = deepcopy(source)
        model.backbone.body[0].bias.data[3] += 1e-6
        assert start(source, model) == "random weights"

    def test_one_running_statistic_that_has_moved_is_enough(self, source):
        """It is no parameter, but a stored number of the backbone all the same."""
        with_norm = deepcopy(source)
        with_norm.backbone.body.append(nn.BatchNorm1d(64))
        model = deepcopy(with_norm)
        assert start(with_norm, model) == "w_0"
        model.backbone.body[-1].running_mean[0] = 1
        assert start(with_norm, model) == "random weights"

    def test_other_architecture_is_not_w_0(self, source):
        for layer in (nn.Linear(64, 64), nn.Identity()):  # with names of its own, and without
            model = deepcopy(source)
            model.backbone.body[7] = layer
            assert start(source, model) == "random weights"

    def test_same_names_of_other_shapes_are_not_w_0(self, source):
        model = deepcopy(source)
        model.backbone.body[7] = nn.Linear(512, 32)
        assert start(source, model) == "random weights"

    def test_training_that_comes_later_is_seen(self, source):
        """The table reads the model when it is asked, not when it is made."""
        model = deepcopy(source)
        methods = table(source, model)
        model.backbone.body[0].bias.data += 1
        assert methods.start("method") == "random weights"


class TestMoves:
    @pytest.mark.parametrize(
        ("frozen", "left"),
        [
            ([], "backbone, head"),
            (["backbone"], "head"),
            (["head"], "backbone"),
            (["backbone", "head"], "nothing"),
        ],
    )
    def test_parts_move_that_are_not_frozen(self, frozen, left, source):
        model = deepcopy(source)
        for part in frozen:
            freeze(getattr(model, part))
        assert moves(source, model) == left

    def test_one_free_layer_is_enough(self, source):
        model = freeze(deepcopy(source))
        model.backbone.body[7].bias.requires_grad_(True)
        assert moves(source, model) == "backbone"

    def test_part_without_parameters_does_not_move(self, source):
        assert moves(source, Classifier(deepcopy(source).backbone, nn.Identity())) == "backbone"


def seven(source):
    """Return seven methods, each with another name, and one objective of each kind."""
    frozen = deepcopy(source)
    freeze(frozen.backbone)
    return {
        "no transfer": Method(random_cnn(), SAMPLES, CrossEntropy() + 0.01 * L2()),
        "elastic net": Method(random_cnn(), SAMPLES, CrossEntropy() + 0.1 * L1() + 0.01 * L2()),
        "feature transfer": Method(frozen, SAMPLES, CrossEntropy() + 0.01 * L2(prefix="head.")),
        "fine-tuning": Method(deepcopy(source), SAMPLES, CrossEntropy(label_smoothing=0.1)),
        "class weights": Method(source, SAMPLES, CrossEntropy(class_weights=[1.0, 2.0])),
        "L2-SP": Method(source, SAMPLES, CrossEntropy() + 1e-5 * L2SP(source)),
        "L2-SP of all": Method(source, SAMPLES, CrossEntropy() + L2SP(source, prefix="")),
    }


class TestMethodTable:
    def test_no_method_is_refused(self, source):
        with pytest.raises(ValueError, match="^methods is empty; give at least one Method by its"):
            MethodTable(source, {})

    def test_text_by_hand(self, source):
        frozen = deepcopy(source)
        freeze(frozen.backbone)
        methods = {
            "linear probe": Method(frozen, SAMPLES, CrossEntropy() + 0.5 * L2(prefix="head.")),
            "no transfer": Method(random_cnn(), SAMPLES, CrossEntropy()),
        }
        assert repr(MethodTable(source, methods)) == (
            "linear probe: from w_0; moves: head; samples: 2; "
            "CrossEntropy() + 0.5 * L2(prefix='head.')\n"
            "no transfer: from random weights; moves: backbone, head; samples: 2; "
            "CrossEntropy()"
        )

    def test_one_row_for_each_method_in_their_order(self, source):
        methods = seven(source)
        head, *rows = cells(MethodTable(source, methods))
        assert head[:3] == ["method", "start", "what moves"]
        assert [row[0] for row in rows] == list(methods)

    def test_rows_hold_start_movement_code_and_formula(self, source):
        methods = seven(source)
        _, *rows = cells(MethodTable(source, methods))
        starts = ["random weights"] * 2 + ["$w_0$"] * 5
        moving = ["backbone, head"] * 2 + ["head"] + ["backbone, head"] * 4
        assert [row[1] for row in rows] == starts
        assert [row[2] for row in rows] == moving
        for row, method in zip(rows, methods.values(), strict=True):
            assert f"`{method.objective!r}`" in row[-1]
            assert method.objective._repr_latex_() in row[-1]

    def test_rows_have_as_many_cells_as_the_head(self, source):
        lines = MethodTable(source, seven(source))._repr_markdown_().splitlines()
        assert {line.count("|") for line in lines} == {lines[1].count("|")}

    @pytest.mark.parametrize("name", ["fine|tuning", "L1 | L2", "|w|"])
    def test_bar_in_a_name_does_not_break_the_table(self, name, source):
        _, row = cells(table(source, deepcopy(source), name=name))
        assert row[:3] == [name, "$w_0$", "backbone, head"]

    def test_no_formula_of_the_course_has_a_bar_that_would_end_its_cell(self, source):
        for method in seven(source).values():
            assert "|" not in method.objective._repr_latex_() + repr(method.objective)

    def test_making_the_table_changes_no_model(self, source):
        model = deepcopy(source)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        methods = table(source, model)
        repr(methods), methods._repr_markdown_()
        assert all(value.equal(before[name]) for name, value in model.state_dict().items())
        assert all(parameter.requires_grad for parameter in model.parameters())


class TestLearnsFrom:
    def test_number_of_samples_and_their_weights_are_told(self, source):
        many = Samples(torch.zeros(1200, 1, 8, 8), torch.zeros(1200).long(), torch.ones(1200))
        methods = {
            "plain": Method(source, SAMPLES, CrossEntropy()),
            "weighted": Method(source, many, CrossEntropy()),
        }
        found = MethodTable(source, methods)
        assert found.learns_from("plain") == "2"
        assert found.learns_from("weighted") == "1,200, weighted"
