"""Tests of prototype_head."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid

from course_utils.features import prototype_head


@pytest.fixture
def table():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 5
    features = torch.randn(60, 7, generator=generator) + labels[:, None]
    return features, labels


def test_it_answers_as_the_nearest_centroid_of_sklearn(table):
    features, labels = table
    other = torch.randn(200, 7, generator=torch.Generator().manual_seed(1)) + 2
    expected = NearestCentroid().fit(features.numpy(), labels.numpy()).predict(other.numpy())
    found = prototype_head(features, labels)(other).argmax(1)
    assert np.array_equal(found.numpy(), expected)


def test_scores_differ_by_half_the_difference_of_squared_distances(table):
    features, labels = table
    head = prototype_head(features.double(), labels)
    means = torch.stack([features[labels == c].double().mean(0) for c in range(5)])
    squares = torch.cdist(features.double(), means).square()
    scores = head(features.double())
    assert torch.allclose(scores[:, :1] - scores, (squares - squares[:, :1]) / 2)


def test_one_description_per_class_is_enough(table):
    features, _ = table
    head = prototype_head(features[:5], range(5))
    assert torch.equal(head.weight, features[:5])


def test_it_draws_no_random_numbers_and_keeps_what_it_was_given(table):
    features, labels = (each.clone() for each in table)
    state = torch.get_rng_state()
    head = prototype_head(*table)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(table[0], features)
    assert torch.equal(table[1], labels)
    assert head.weight.requires_grad


@pytest.mark.parametrize(
    ("features", "labels", "num_classes", "words"),
    [
        (torch.ones(4, 2), [0, 0, 2, 2], None, "labels has no sample of class 1"),
        (torch.ones(4, 2), [0, 0, 1, 1], 3, "labels has no sample of class 2"),
        (torch.ones(4, 2), [0, 0, 1, 1], 1, "num_classes is 1; give 2 or more"),
        (torch.ones(4, 2), [0, 0, 1], None, "features has 4 samples and labels 3"),
        (torch.ones(4), [0, 0, 1, 1], None, "features has shape"),
    ],
)
def test_what_has_no_prototypes_is_refused(features, labels, num_classes, words):
    with pytest.raises(ValueError, match=f"^{words}[^\\n]*$"):
        prototype_head(features, labels, num_classes)
