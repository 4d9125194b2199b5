"""Split somebody's own data so that what belongs together stays together."""

import hashlib
from collections import Counter, defaultdict

import torch
from torch import Tensor

from course_utils.data.findings import DataError, shown
from course_utils.data.own import OwnData
from course_utils.data.splits import TEST_SHARE, VALIDATION_SHARE_OF_REST
from course_utils.environment.arguments import check_number
from course_utils.environment.door import checked

SHARES = {
    "train": (1 - TEST_SHARE) * (1 - VALIDATION_SHARE_OF_REST),
    "validation": (1 - TEST_SHARE) * VALIDATION_SHARE_OF_REST,
    "test": TEST_SHARE,
}


@checked
def split_own_data(data: OwnData, seed: int = 0) -> dict[str, Tensor]:
    """Split into train, validation and test: 60, 15 and 25 %, with equal shares of each class.

    Inputs with one group, or with equal content, are never cut apart. Where each stands depends on
    names, contents and the seed, not on the order of files or lines.

    Parameters
    ----------
    data : OwnData
        See `course_utils.data.read_image_folder`.
    seed : int
        0 or more; another seed gives another split.

    Returns
    -------
    dict of str to torch.Tensor of int64
        Sorted positions of ``"train"``, ``"validation"`` and ``"test"``.

    Raises
    ------
    DataError
        If the groups are so few that a part would lack a class.
    """
    seed = check_number("seed", seed, low=0, whole=True)
    strata, labels_of = defaultdict(list), data.labels.tolist()
    for members in clusters(data):
        labels = Counter(labels_of[place] for place in members)
        most = max(labels.values())
        strata[min(label for label in labels if labels[label] == most)].append(members)
    parts: dict[str, list[int]] = {name: [] for name in SHARES}
    for stratum in strata.values():
        stratum.sort(key=lambda members: (-len(members), _order(data, members, seed)))
        for name, members in _dealt(stratum):
            parts[name] += members
    _check_classes(data, parts)
    return {name: torch.tensor(sorted(part), dtype=torch.int64) for name, part in parts.items()}


def clusters(data: OwnData) -> list[list[int]]:
    """Return positions that belong together, by group or by content, directly or by others.

    See `OwnData`.
    """
    from scipy.sparse import coo_array  # slow to import
    from scipy.sparse.csgraph import connected_components

    first: dict[tuple, int] = {}
    keys = [("content", digest) for digest in data.digests]
    links = [(place, first.setdefault(key, place)) for place, key in enumerate(keys)]
    if data.groups is not None:
        groups = [("group", group) for group in data.groups]
        links += [(place, first.setdefault(key, place)) for place, key in enumerate(groups)]
    rows, columns = zip(*links, strict=True)
    graph = coo_array(([True] * len(links), (rows, columns)), shape=(len(data), len(data)))
    found = defaultdict(list)
    for place, number in enumerate(connected_components(graph, directed=False)[1].tolist()):
        found[number].append(place)
    return list(found.values())


def _order(data: OwnData, members: list[int], seed: int) -> bytes:
    """Return what puts clusters in a fixed disorder: a hash of the seed and of what they hold."""
    if data.groups is not None:
        names = sorted({data.groups[place] for place in members})
    else:
        names = sorted(data.digests[place] for place in members)
    return hashlib.sha256(f"own {seed}:{names[0]}".encode("utf-8", "surrogatepass")).digest()


def _dealt(stratum: list[list[int]]):
    """Give each cluster to the part that lacks most of its share so far."""
    total, have = 0, dict.fromkeys(SHARES, 0)
    for members in stratum:
        total += len(members)
        name = max(SHARES, key=lambda part: SHARES[part] * total - have[part])
        have[name] += len(members)
        yield name, members


def _check_classes(data: OwnData, parts: dict[str, list[int]]) -> None:
    """Raise if a class is missing in a part: nobody could learn it, choose by it or measure it."""
    for name, part in parts.items():
        there = set(data.labels[part].tolist())
        for label, words in enumerate(data.classes):
            if label not in there:
                raise DataError(
                    f"the class {shown(words)!r} is missing in the {name} part, since groups and "
                    "copies stay together; give more groups that have it, or another seed"
                )
