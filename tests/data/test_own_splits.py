"""Splits of own data: what belongs together stays together, whatever the order."""

from pathlib import Path

import pytest
import torch

from course_utils.data.findings import DataError, DataReport
from course_utils.data.own import OwnData
from course_utils.data.own_splits import clusters, split_own_data


def data_of(labels, groups=None, digests=None):
    number = len(labels)
    values = tuple(f"text {place}" for place in range(number))
    digests = digests or values
    classes = tuple(str(label) for label in sorted(set(labels)))
    given = torch.tensor(labels)
    return OwnData("text", Path(), values, values, given, classes, groups, digests, DataReport(()))


def shuffled(data, order):
    def pick(values):
        return None if values is None else tuple(values[place] for place in order)

    return OwnData(
        data.kind,
        data.root,
        pick(data.values),
        pick(data.places),
        data.labels[order],
        data.classes,
        pick(data.groups),
        pick(data.digests),
        data.report,
    )


def part_of(data, parts):
    return {data.values[place]: name for name, rows in parts.items() for place in rows.tolist()}


GROUPS = tuple(f"patient {place // 5}" for place in range(200))


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_order_does_not_matter(groups):
    data = data_of([0, 1] * 100, groups)
    other = shuffled(data, torch.randperm(200, generator=torch.Generator().manual_seed(1)).tolist())
    assert part_of(data, split_own_data(data)) == part_of(other, split_own_data(other))


def test_each_input_is_in_one_part_and_classes_keep_their_shares():
    data = data_of([0] * 40 + [1] * 160)
    parts = split_own_data(data)
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(200))
    shares = {name: len(rows) for name, rows in parts.items()}
    assert shares == {"train": 120, "validation": 30, "test": 50}
    assert [int((data.labels[rows] == 0).sum()) for rows in parts.values()] == [24, 6, 10]


def test_four_of_a_class_reach_all_parts():
    parts = split_own_data(data_of([0] * 4 + [1] * 4))
    assert [len(rows) for rows in parts.values()] == [4, 2, 2]


def test_groups_and_copies_are_never_cut_apart():
    digests = tuple(f"{place % 180}" for place in range(200))  # the last 20 are copies
    data = data_of([0, 1] * 100, GROUPS, digests)
    found = part_of(data, split_own_data(data))
    for place in range(200):
        assert found[f"text {place}"] == found[f"text {place // 5 * 5}"]
        assert found[f"text {place}"] == found[f"text {place % 180}"]


def test_copies_join_their_groups():
    data = data_of([0, 1, 0, 1], ("a", "a", "b", "b"), ("1", "2", "2", "3"))
    assert clusters(data) == [[0, 1, 2, 3]]


def test_another_seed_gives_another_split():
    data = data_of([0, 1] * 100)
    assert part_of(data, split_own_data(data)) != part_of(data, split_own_data(data, seed=1))


def test_too_few_groups_are_refused():
    data = data_of([0, 1] * 10, tuple("ab" * 10))
    with pytest.raises(DataError, match="is missing in the"):
        split_own_data(data)
