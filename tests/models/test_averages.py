"""Tests of average_weights."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from toys import is_same, state

from course_utils.models import average_weights, freeze, small_cnn


def network(seed):
    """Return a network with BatchNorm that has seen a batch."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    model(torch.randn(8, 4))
    return model


def test_equal_shares_are_the_average_of_torch():
    models = [network(seed) for seed in range(4)]
    expected = AveragedModel(models[0], use_buffers=False)
    for model in models:
        expected.update_parameters(model)
    for name, weight in average_weights(models).named_parameters():
        assert torch.allclose(weight, expected.module.get_parameter(name))


def test_shares_go_from_the_first_to_the_second():
    first, second = network(0), network(1)
    for share in (0.0, 0.3, 1.0):
        found = state(average_weights([first, second], [1 - share, share]))
        for name, weight in state(first).items():
            expected = torch.lerp(weight.double(), state(second)[name].double(), share)
            assert torch.allclose(found[name].double(), expected, atol=1e-6)


def test_statistics_are_averaged_and_whole_numbers_are_the_first_ones():
    first, second = network(0), network(1)
    second(torch.randn(8, 4))
    found = average_weights((first, second))[1]
    mean = (first[1].running_mean + second[1].running_mean) / 2
    assert torch.allclose(found.running_mean, mean)
    assert found.num_batches_tracked == first[1].num_batches_tracked == 1


def test_of_a_linear_network_the_average_answers_with_the_average():
    models = [nn.Linear(4, 2) for _ in range(3)]
    inputs = torch.randn(5, 4)
    found = average_weights(models, np.array([0.5, 0.25, 0.25]))(inputs)
    answers = [model(inputs) for model in models]
    assert torch.allclose(found, answers[0] / 2 + answers[1] / 4 + answers[2] / 4, atol=1e-6)


def test_models_stay_and_share_nothing_with_the_average():
    first, second = freeze(small_cnn(2)), small_cnn(2)
    before = [deepcopy(state(model)) for model in (first, second)]
    found = average_weights([first, second])
    assert not any(weight.requires_grad for weight in found.parameters())
    with torch.no_grad():
        for weight in found.parameters():
            weight.zero_()
    assert is_same(before[0], first)
    assert is_same(before[1], second)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_the_kind_of_number_stays(kind):
    models = [nn.Linear(4, 2).to(kind) for _ in range(2)]
    assert average_weights(models).weight.dtype == kind


def broken():
    model = nn.Linear(4, 2)
    model.weight.data[0, 0] = torch.nan
    return model


@pytest.mark.parametrize(
    ("models", "shares", "words"),
    [
        ([nn.Linear(4, 2)], None, "models has the length 1; give two or more"),
        ([], None, "models has the length 0"),
        (nn.Linear(4, 2), None, "models is of type Linear; give a list of two or more"),
        ([nn.Linear(4, 2), "model"], None, r"models\[1\] is a text"),
        ([nn.Linear(4, 2), nn.Linear(4, 3)], None, r"models\[1\] has \(3,\) at bias, models\[0\]"),
        ([nn.Linear(4, 2), nn.Linear(4, 2, bias=False)], None, "no such weight at bias"),
        ([nn.Linear(4, 2), nn.Linear(4, 2).double()], None, "one type of number"),
        ([nn.Linear(4, 2), broken()], None, r"models\[1\].weight has"),
        ([nn.Linear(4, 2)] * 2, [0.5, 0.6], "the sum 1.1; give one share for each of the 2"),
        ([nn.Linear(4, 2)] * 2, [1.0], "shares has the length 1"),
        ([nn.Linear(4, 2)] * 2, [1.5, -0.5], "shares is 1.5"),
        ([nn.Linear(4, 2)] * 2, [torch.nan, 1.0], "shares is nan"),
        ([nn.Linear(4, 2)] * 2, 0.5, "shares is 0.5; give a list"),
        ([nn.Linear(4, 2)] * 2, ["a", "b"], "shares is a text"),
    ],
)
def test_what_does_not_fit_is_named(models, shares, words):
    with pytest.raises((TypeError, ValueError), match=words):
        average_weights(models, shares)
