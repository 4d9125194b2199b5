"""Tests of mixed samples; views are tested with the images."""

import pytest
import torch

from course_utils.data import Samples, Texts, mixup
from course_utils.objectives import Batch, CrossEntropy

SAMPLES = Samples(torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]))


def test_the_loss_is_that_of_the_paper():
    mixed, model = mixup(SAMPLES, 1.0, num_copies=1, seed=3), torch.nn.Linear(4, 3)
    batch = Batch(model, mixed.inputs, mixed.labels, model(mixed.inputs), mixed.weights)
    share, half = mixed.weights[0], len(SAMPLES)
    one, other = model(mixed.inputs[:half]), mixed.labels[half:]
    losses = [torch.nn.functional.cross_entropy(one, y) for y in (SAMPLES.labels, other)]
    by_hand = share * losses[0] + (1 - share) * losses[1]
    assert torch.allclose(CrossEntropy().value(batch), by_hand, atol=1e-6)


def test_inputs_lie_between_those_of_the_pair():
    mixed = mixup(SAMPLES, 0.5, num_copies=4, seed=0)
    for place in range(len(mixed)):
        copy, row = divmod(place, 12)
        share = mixed.weights[copy * 12]
        partner = (mixed.inputs[place] - share * SAMPLES.inputs[row % 6]) / (1 - share)
        assert (partner - SAMPLES.inputs).abs().amax(1).min() < 1e-2


def test_one_seed_mixes_the_same_and_another_does_not():
    first, same, other = (mixup(SAMPLES, 0.3, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.inputs, same.inputs)
    assert not torch.equal(first.weights, other.weights)


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(TypeError, match="samples has inputs text; give images"):
        mixup(Samples(Texts(["a", "b"]), torch.tensor([0, 1])), 1.0)


def test_weights_of_samples_are_kept():
    weighted = Samples(SAMPLES.inputs, SAMPLES.labels, weights=torch.full((6,), 0.5))
    plain, mixed = mixup(SAMPLES, 1.0, seed=1), mixup(weighted, 1.0, seed=1)
    assert torch.allclose(mixed.weights, 0.5 * plain.weights)
