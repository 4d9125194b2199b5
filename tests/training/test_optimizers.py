"""Tests of course_utils.training.optimizers."""

import math

import pytest
import torch
from torch import nn

from course_utils.models.classifier import small_cnn
from course_utils.models.freezing import freeze
from course_utils.training.optimizers import (
    make_optimizer,
    make_schedule,
    parameter_groups,
    undone_on_error,
)


def course_of(schedule, num_steps, rate=0.5):
    """Learning rate of each step."""
    stepper = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = make_schedule(stepper, schedule, num_steps)
    rates = []
    for _ in range(num_steps):
        rates.append(stepper.param_groups[0]["lr"])
        stepper.step()
        scheduler.step()
    return rates


def members(groups):
    return {id(parameter) for group in groups for parameter in group["params"]}


class TestParameterGroups:
    def test_each_prefix_has_its_rate(self):
        model = small_cnn()
        groups = parameter_groups(model, {"backbone": 1e-4, "head": 1e-3})
        assert [group["lr"] for group in groups] == [1e-4, 1e-3]
        assert members(groups[1:]) == {id(parameter) for parameter in model.head.parameters()}
        assert members(groups[:1]) == {id(parameter) for parameter in model.backbone.parameters()}

    def test_longest_prefix_counts_in_any_order(self):
        model = small_cnn()
        for prefixes in (["", "backbone", "backbone.body.0"], ["backbone.body.0", "backbone", ""]):
            rates = dict.fromkeys(prefixes, 0.1) | {"backbone.body.0": 0.3}
            groups = parameter_groups(model, rates)
            (special,) = (group for group in groups if group["lr"] == 0.3)
            assert members([special]) == {id(p) for p in model.backbone.body[0].parameters()}

    def test_exactly_the_trainable_parameters_are_in(self):
        model = small_cnn()
        freeze(model.backbone.body[0])
        expected = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
        groups = parameter_groups(model, 0.1)
        assert members(groups) == expected
        assert sum(len(group["params"]) for group in groups) == len(expected)

    @pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), {"": 0.1, "head": 0}])
    def test_rate_that_is_no_positive_number_is_refused(self, rate):
        with pytest.raises(ValueError, match="learning_rate is .*; give a number above 0"):
            parameter_groups(small_cnn(), rate)

    @pytest.mark.parametrize("rates", [{"head": 0.1}, {}])
    def test_parameter_without_prefix_is_named(self, rates):
        message = r"learning_rate has no prefix for backbone.body.0.weight; it has \[.*add one, or"
        with pytest.raises(ValueError, match=message):
            parameter_groups(small_cnn(), rates)

    def test_frozen_parameter_needs_no_prefix(self):
        model = small_cnn()
        freeze(model.backbone)
        assert len(parameter_groups(model, {"head": 0.1})) == 1

    @pytest.mark.parametrize("prefix", ["backbone", "heat"])
    def test_prefix_that_fits_nothing_trainable_is_named(self, prefix):
        model = small_cnn()
        freeze(model.backbone)
        message = f"the prefix '{prefix}' of learning_rate fits no trainable .*correct the name"
        with pytest.raises(ValueError, match=message):
            parameter_groups(model, {prefix: 0.1, "head": 0.1})

    def test_model_that_is_frozen_throughout_is_refused(self):
        with pytest.raises(ValueError, match="model has no trainable parameter; unfreeze a part"):
            parameter_groups(freeze(small_cnn()), 0.1)


class TestMakeOptimizer:
    @pytest.mark.parametrize("name", ["adam", "sgd", "lbfgs"])
    def test_none_has_weight_decay(self, name):
        stepper = make_optimizer(nn.Linear(2, 2), name, 0.1)
        assert [group.get("weight_decay", 0) for group in stepper.param_groups] == [0]
        assert stepper.param_groups[0]["lr"] == 0.1

    def test_sgd_has_the_documented_momentum(self):
        assert make_optimizer(nn.Linear(2, 2), "sgd", 0.1).param_groups[0]["momentum"] == 0.9

    def test_unknown_name_is_refused_with_the_known_ones(self):
        with pytest.raises(
            ValueError, match="optimizer is 'adamw'; give one of 'adam', 'sgd', 'lbfgs'"
        ):
            make_optimizer(nn.Linear(2, 2), "adamw", 0.1)

    def test_lbfgs_takes_one_rate_only(self):
        message = "optimizer is 'lbfgs' and learning_rate has 2 prefixes; give one number"
        with pytest.raises(ValueError, match=message):
            make_optimizer(small_cnn(), "lbfgs", {"backbone": 0.1, "head": 1.0})


class TestMakeSchedule:
    def test_constant_stays(self):
        assert course_of("constant", 5) == [0.5] * 5

    def test_cosine_falls_along_half_a_wave(self):
        expected = [0.5 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
        assert course_of("cosine", 10) == pytest.approx(expected)

    def test_one_cycle_rises_for_30_percent_and_falls_to_almost_nothing(self):
        rates = course_of("one_cycle", 100)
        peak = rates.index(max(rates))
        assert rates[0] == pytest.approx(0.5 / 25)
        assert max(rates) == pytest.approx(0.5, rel=1e-3)
        assert 28 <= peak <= 31
        assert rates[: peak + 1] == sorted(rates[: peak + 1])
        assert rates[peak:] == sorted(rates[peak:], reverse=True)
        assert rates[-1] < 0.5 / 500

    @pytest.mark.parametrize("num_steps", [1, 2, 3, 4, 5])
    @pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
    def test_short_runs_work(self, schedule, num_steps):
        rates = course_of(schedule, num_steps)
        assert all(0 < rate <= 0.5 for rate in rates)

    def test_groups_keep_their_ratio(self):
        groups = parameter_groups(small_cnn(), {"backbone": 0.01, "head": 0.1})
        stepper = torch.optim.SGD(groups)
        scheduler = make_schedule(stepper, "one_cycle", 20)
        for _ in range(10):
            stepper.step()
            scheduler.step()
        low, high = (group["lr"] for group in stepper.param_groups)
        assert high == pytest.approx(10 * low)

    def test_unknown_name_is_refused_with_the_known_ones(self):
        stepper = torch.optim.SGD([nn.Parameter(torch.zeros(1))])
        message = "schedule is 'step'; give one of 'constant', 'cosine', 'one_cycle'"
        with pytest.raises(ValueError, match=message):
            make_schedule(stepper, "step", 5)


class TestUndoneOnError:
    def test_lbfgs_gets_its_weights_back(self):
        weight = nn.Parameter(torch.tensor([1.0]))
        with (
            pytest.raises(RuntimeError, match="stop"),
            undone_on_error(torch.optim.LBFGS([weight])),
        ):
            weight.data += 5
            raise RuntimeError("stop")
        assert weight.item() == 1

    def test_step_that_works_stays(self):
        weight = nn.Parameter(torch.tensor([1.0]))
        with undone_on_error(torch.optim.LBFGS([weight])):
            weight.data += 5
        assert weight.item() == 6
