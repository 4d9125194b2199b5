"""Tests of course_utils.objectives.regularizers."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from toys import Net, one_thread  # noqa: F401, a fixture

from course_utils.models.classifier import small_cnn
from course_utils.models.surgery import replace_head
from course_utils.objectives.base import Batch
from course_utils.objectives.regularizers import L1, L2, L2SP

MATRICES = ["backbone.0.weight", "head.weight"]
BACKBONE = ["backbone.0.weight", "backbone.0.bias", "backbone.1.weight", "backbone.1.bias"]
HEAD = ["head.weight", "head.bias"]


def value(term, model):
    """Compute R: without labels or outputs, which it does not need."""
    return term.value(Batch(model, torch.zeros(1), None, torch.zeros(1)))


def seen(term, model):
    return list(term.parameters_seen(model))


def make_model():
    """Two layers with weights that can be counted by hand."""
    model = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1), nn.Linear(1, 2))
    model[0].weight.data = torch.tensor([[1.0, -2.0]])
    model[2].weight.data = torch.tensor([[3.0], [0.5]])
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data.fill_(100.0)  # must not count
    return model


class TestRegularizer:
    """What L1, L2 and L2SP have in common: the prefix, and how it is written."""

    @pytest.mark.parametrize(
        ("make", "name", "text"),
        [
            (lambda source: L1(), "L1", "L1()"),
            (lambda source: L2(), "L2", "L2()"),
            (L2SP, "L2-SP", "L2SP(source_model)"),
            (lambda source: L1(prefix="head."), "L1 of head", "L1(prefix='head.')"),
            (lambda source: L2(prefix="head."), "L2 of head", "L2(prefix='head.')"),
            (lambda source: L2(prefix="head"), "L2 of head", "L2(prefix='head')"),
            (
                lambda source: L2(prefix="backbone.0."),
                "L2 of backbone.0",
                "L2(prefix='backbone.0.')",
            ),
            (
                lambda source: L2SP(source, prefix=""),
                "L2-SP of all parameters",
                "L2SP(source_model, prefix='')",
            ),
            (
                lambda source: L2SP(source, prefix="head."),
                "L2-SP of head",
                "L2SP(source_model, prefix='head.')",
            ),
            (lambda source: L2SP(source, prefix="backbone."), "L2-SP", "L2SP(source_model)"),
        ],
    )
    def test_name_and_text_say_which_part_is_seen_if_it_is_not_the_usual(self, make, name, text):
        term = make(Net())
        assert (term.role, term.name, term.text, repr(term)) == ("R", name, text, text)

    @pytest.mark.parametrize(
        ("make", "latex"),
        [
            (lambda source: L1(), r"\lVert w\rVert_1"),
            (lambda source: L1(prefix="head."), r"\lVert w_{\text{head}}\rVert_1"),
            (lambda source: L2(), r"\tfrac{1}{2}\lVert w\rVert_2^2"),
            (
                lambda source: L2(prefix="backbone.0."),
                r"\tfrac{1}{2}\lVert w_{\text{backbone.0}}\rVert_2^2",
            ),
            (
                L2SP,
                r"\tfrac{1}{2}\lVert w_{\text{backbone}} - w_0\rVert_2^2",
            ),
            (lambda source: L2SP(source, prefix=""), r"\tfrac{1}{2}\lVert w - w_0\rVert_2^2"),
        ],
    )
    def test_mathematics_has_the_part_as_an_index_of_w(self, make, latex):
        assert make(Net()).latex == latex

    def test_underscore_of_a_name_is_escaped_as_mathjax_needs_it(self):
        r"""An underscore in \text would start an index, and MathJax shows an error instead."""
        formula = L2(prefix="conv_stem.").formula
        assert r"w_{\text{conv\_stem}}" in formula
        assert r"_{\text{L2 of conv\_stem}}" in formula

    @pytest.mark.parametrize("make", [L1, L2, lambda prefix: L2SP(Net(), prefix=prefix)])
    @pytest.mark.parametrize("prefix", [None, 0, b"head.", ("head.",), nn.Linear(1, 1)])
    def test_prefix_that_is_no_text_is_refused(self, make, prefix):
        with pytest.raises(TypeError, match=r"prefix is .*; give the start of .* such as 'head\.'"):
            make(prefix=prefix)

    def test_prefix_is_given_by_name_only(self):
        with pytest.raises(TypeError, match="positional"):
            L2("head.")

    @pytest.mark.parametrize(
        "make", [lambda source: L1(), lambda source: L2(), lambda source: L2SP(source, prefix="")]
    )
    def test_parameters_seen_are_those_of_the_model_not_copies(self, make):
        net = Net()
        own = dict(net.named_parameters())
        found = make(Net()).parameters_seen(net)
        assert all(parameter is own[name] for name, parameter in found.items())

    @pytest.mark.parametrize("term", [L1(), L2(), L1(prefix="head."), L2(prefix="head.")], ids=repr)
    def test_only_the_parameters_seen_get_a_gradient(self, term):
        net = Net()
        value(term, net).backward()
        moved = [name for name, p in net.named_parameters() if p.grad is not None]
        assert moved == seen(term, net)


@pytest.mark.parametrize("kind", [L1, L2])
class TestWeightsSeen:
    """L1 and L2 see the same weights."""

    def test_matrices_of_all_parts_without_biases_and_batchnorm(self, kind):
        assert seen(kind(), Net()) == MATRICES

    def test_filters_are_seen_too(self, kind):
        expected = ["backbone.body.0.weight", "backbone.body.3.weight"]
        found = seen(kind(prefix="backbone.body"), small_cnn())
        assert found[:2] == expected
        assert all(name.endswith("weight") for name in found)

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("", MATRICES),
            ("head.", MATRICES[1:]),
            ("head", MATRICES[1:]),
            ("backbone.", MATRICES[:1]),
            ("backbone.0.weight", MATRICES[:1]),
        ],
    )
    def test_prefix_chooses_by_the_start_of_the_name(self, kind, prefix, expected):
        assert seen(kind(prefix=prefix), Net()) == expected

    def test_prefix_is_no_part_of_the_middle(self, kind):
        with pytest.raises(ValueError, match=r"whose name starts with 'weight'"):
            kind(prefix="weight").parameters_seen(Net())

    def test_frozen_weights_are_not_seen(self, kind):
        net = Net()
        net.backbone.requires_grad_(False)
        assert seen(kind(), net) == MATRICES[1:]

    @pytest.mark.parametrize("prefix", ["", "backbone.", "backbone.1.", "haed."])
    def test_nothing_to_see_is_refused(self, kind, prefix):
        net = Net()
        for name, parameter in net.named_parameters():  # the head is free only where it is not seen
            parameter.requires_grad_(parameter.ndim == 1 or (prefix != "" and name in HEAD))
        text = rf"{kind.__name__}\(.*\)"
        message = rf"^{text} finds no weight .*starts with '{prefix}'; unfreeze .* leave the term"
        with pytest.raises(ValueError, match=message):
            value(kind(prefix=prefix), net)


@pytest.mark.parametrize(
    ("kind", "both", "first", "last"),
    [(L2, (1 + 4 + 9 + 0.25) / 2, (1 + 4) / 2, (9 + 0.25) / 2), (L1, 6.5, 3, 3.5)],
)
class TestL2AndL1:
    def test_matrices_only_by_hand(self, kind, both, first, last):
        assert value(kind(), make_model()) == both
        assert value(kind(prefix="0."), make_model()) == first
        assert value(kind(prefix="2."), make_model()) == last

    def test_frozen_weights_do_not_count(self, kind, both, first, last):
        for frozen, expected in ((0, last), (2, first)):
            model = make_model()
            model[frozen].requires_grad_(False)
            assert value(kind(), model) == expected


class TestL1:
    def test_a_weight_that_is_zero_is_not_pulled(self):
        model = make_model()
        model[0].weight.data[0, 0] = 0
        value(L1(), model).backward()
        assert model[0].weight.grad.tolist() == [[0, -1]]


class TestL2SP:
    def test_zero_at_the_start(self):
        model = small_cnn()
        assert value(L2SP(model), model) == 0

    def test_half_the_squared_distance_after_a_shift_biases_too(self):
        source = small_cnn()
        target = deepcopy(source)
        for parameter in target.backbone.parameters():
            parameter.data += 0.5
        count = sum(parameter.numel() for parameter in source.backbone.parameters())
        found = value(L2SP(source), target).item()
        assert found == pytest.approx(count * 0.25 / 2, rel=1e-5)

    def test_start_is_a_copy_and_does_not_follow_the_live_weights(self):
        model = small_cnn()
        term = L2SP(model)
        model.backbone.body[0].bias.data += 3  # 16 of them
        assert value(term, model).item() == pytest.approx(16 * 9 / 2, rel=1e-5)

    def test_head_is_ignored(self):
        source = small_cnn(10)
        target = replace_head(deepcopy(source), 3, seed=1)
        assert value(L2SP(source), target) == 0

    def test_head_counts_if_that_is_said(self):
        source = Net()
        target = deepcopy(source)
        target.head.bias.data += 2  # 2 of them
        assert value(L2SP(source), target) == 0
        assert value(L2SP(source, prefix=""), target) == 4
        assert value(L2SP(source, prefix="head."), target) == 4

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({}, BACKBONE),
            ({"prefix": ""}, BACKBONE + HEAD),
            ({"prefix": "head."}, HEAD),
            ({"prefix": "backbone.1."}, BACKBONE[2:]),
        ],
    )
    def test_sees_biases_and_batchnorm_and_the_head_only_if_that_is_said(self, arguments, expected):
        assert seen(L2SP(Net(), **arguments), Net()) == expected

    def test_running_statistics_are_not_compared(self):
        net = Net()
        term = L2SP(net, prefix="")
        net.backbone[1].running_mean += 5
        assert value(term, net) == 0

    def test_frozen_weights_count_too(self):
        model = small_cnn()
        term = L2SP(model)
        model.requires_grad_(False)
        model.backbone.body[0].bias += 1
        assert value(term, model).item() == pytest.approx(8, rel=1e-5)

    def test_source_that_is_frozen_is_compared_all_the_same(self):
        source = Net().requires_grad_(False)
        assert seen(L2SP(source), Net()) == BACKBONE

    def test_prefix_chooses_the_parameters(self):
        model = small_cnn()
        term = L2SP(model, prefix="backbone.body.0.")
        model.backbone.body[3].weight.data += 1
        model.backbone.body[0].bias.data += 1
        assert value(term, model).item() == pytest.approx(8, rel=1e-5)

    def test_pulls_towards_the_start(self):
        model = small_cnn()
        term = L2SP(model)
        model.backbone.body[0].bias.data += 0.25
        value(term, model).backward()
        torch.testing.assert_close(model.backbone.body[0].bias.grad, torch.full((16,), 0.25))
        assert model.backbone.body[3].weight.grad.abs().max() == 0

    @pytest.mark.parametrize("source_type", [torch.float32, torch.float64])
    @pytest.mark.parametrize("model_type", [torch.float32, torch.float64])
    def test_precision_is_that_of_the_model(self, source_type, model_type):
        found = value(L2SP(Net().to(source_type)), Net().to(model_type))
        assert (found, found.dtype) == (0, model_type)

    def test_model_may_be_on_another_device(self):
        assert value(L2SP(Net()), Net().to("meta")).device.type == "meta"

    @pytest.mark.parametrize("source", [None, {"weight": torch.zeros(1)}, nn.Linear, "mnist"])
    def test_source_that_is_no_module_is_refused(self, source):
        with pytest.raises(TypeError, match=r"^source_model is .*; give the torch module that has"):
            L2SP(source)

    def test_prefix_without_parameters_is_refused(self):
        with pytest.raises(ValueError, match="prefix is 'body.'; no parameter of source_model"):
            L2SP(small_cnn(), prefix="body.")

    def test_missing_parameter_is_named(self):
        term = L2SP(small_cnn())
        message = "backbone.body.0.weight of .* the model has no such parameter; source and target"
        with pytest.raises(ValueError, match=message):
            value(term, nn.Linear(2, 2))

    def test_wrong_shape_is_named(self):
        source = small_cnn(10)
        term = L2SP(source, prefix="")
        replace_head(source, 3)
        message = r"compares head.weight of shape \(10, 64\); the model has \(3, 64\); source and"
        with pytest.raises(ValueError, match=message):
            value(term, source)

    def test_shapes_that_would_broadcast_are_refused(self):
        term = L2SP(nn.Linear(3, 1), prefix="")
        message = r"weight of shape \(1, 3\); the model has \(2, 3\); .* correct the prefix, or the"
        with pytest.raises(ValueError, match=message):
            value(term, nn.Linear(3, 2))
