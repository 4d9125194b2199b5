"""Somebody's own data after the checks: what is used, and a report on the rest."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from course_utils.data.findings import DataError, DataFinding, DataReport, shown

FEWEST_PER_CLASS = 4  # so that training, validation and test all get one
MOST_NAMED = 8  # classes that a message lists


@dataclass(frozen=True)
class Item:
    """One input as it was found.

    Parameters
    ----------
    where : str
        For readers: the file, or the line of the table.
    value : str
        The file relative to its folder, or the text.
    label : str
        Name of its class.
    group : str or None
        What it belongs to, such as a patient.
    digest : str
        Equal for inputs with equal content.
    """

    where: str
    value: str
    label: str
    group: str | None
    digest: str


@dataclass
class Findings:
    """Collects findings while data are read."""

    found: list[DataFinding] = field(default_factory=list)

    def leave_out(self, kind: str, where: str, reason: str) -> None:
        """Note that an input is not used. See `DataFinding`."""
        self.found.append(DataFinding(kind, shown(where), False, reason))

    def note(self, kind: str, where: str, reason: str) -> None:
        """Note something about what is used. See `DataFinding`."""
        self.found.append(DataFinding(kind, shown(where), True, reason))


@dataclass(frozen=True, eq=False)
class OwnData:
    """Pictures or texts with their labels, as they were found and checked.

    Parameters
    ----------
    kind : {'image', 'text'}
        What one input is.
    root : pathlib.Path
        The folder in which the files lie, or that of the table.
    values : tuple of N str
        Files relative to ``root``, or texts.
    places : tuple of N str
        Where each was found: a file, or a line of the table.
    labels : torch.Tensor of shape (N,), int64
        Class of each, 0 to K - 1.
    classes : tuple of K str
        Names of the classes, sorted.
    groups : tuple of N str, or None
        What each belongs to, such as a patient; inputs of one group stay in one part.
    digests : tuple of N str
        Equal for inputs with equal content.
    report : DataReport
        Everything that was found, and each input that was left out.
    """

    kind: str
    root: Path
    values: tuple[str, ...]
    places: tuple[str, ...]
    labels: Tensor
    classes: tuple[str, ...]
    groups: tuple[str, ...] | None
    digests: tuple[str, ...]
    report: DataReport

    def __len__(self):
        return len(self.values)

    def class_counts(self) -> dict[str, int]:
        """Count the inputs of each class."""
        counts = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
        return dict(zip(self.classes, counts, strict=True))

    def __repr__(self):
        counts = ", ".join(f"{shown(n)} {count}" for n, count in self.class_counts().items())
        groups = "" if self.groups is None else f", {len(set(self.groups))} groups"
        return f"OwnData({len(self)} {self.kind}s{groups}: {counts})\n{self.report}"


def finished(kind: str, root: Path, items: list[Item], findings: Findings) -> OwnData:
    """Make data of items: contradictions and rare classes are left out, copies are noted.

    Parameters
    ----------
    kind : str
        ``"image"`` or ``"text"``.
    root : pathlib.Path
        Where they lie.
    items : list of Item
        All that could be read.
    findings : Findings
        What was found so far; more is added.

    Raises
    ------
    DataError
        If names of classes differ in case only, or fewer than two classes are left.
    """
    _check_case({item.label for item in items})
    items = _without_contradictions(items, findings)
    items = _without_rare_classes(items, findings)
    classes = tuple(sorted({item.label for item in items}))
    if len(classes) < 2:
        report = DataReport(findings.found)
        told = ", ".join(f"{count} x {name}" for name, count in report.kinds().items())
        raise DataError(
            f"{shown(root.name)} has {len(classes)} class{'es' * (len(classes) != 1)} with "
            f"{FEWEST_PER_CLASS} or more usable {kind}s (found: {told or 'nothing else'}); two "
            "are needed",
            report,
        )
    number = {name: place for place, name in enumerate(classes)}
    has_groups = any(item.group is not None for item in items)
    return OwnData(
        kind,
        root,
        tuple(item.value for item in items),
        tuple(item.where for item in items),
        torch.tensor([number[item.label] for item in items], dtype=torch.int64),
        classes,
        tuple(item.group or "" for item in items) if has_groups else None,
        tuple(item.digest for item in items),
        DataReport(findings.found),
    )


def _check_case(labels: set[str]) -> None:
    """Refuse names that are one folder on some systems and two on others."""
    seen: dict[str, str] = {}
    for name in sorted(labels):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise DataError(
                f"the classes {shown(other)!r} and {shown(name)!r} differ in case only; merge "
                "them, or give one another name"
            )


def _without_contradictions(items: list[Item], findings: Findings) -> list[Item]:
    """Leave out content that stands under two labels: nobody knows which one is right."""
    same = defaultdict(list)
    for item in items:
        same[item.digest].append(item)
    kept = []
    for item in items:
        alike = same[item.digest]
        labels = sorted({other.label for other in alike})
        if len(labels) > 1:
            names = " and ".join(shown(name) for name in labels[:MOST_NAMED])
            findings.leave_out("two labels", item.where, f"the same content is labelled {names}")
            continue
        if alike[0] is not item:
            first = shown(alike[0].where)
            findings.note("copy", item.where, f"it equals {first}; both stay in one part")
        kept.append(item)
    return kept


def _without_rare_classes(items: list[Item], findings: Findings) -> list[Item]:
    """Leave out classes of which training, validation and test cannot all have one."""
    contents = defaultdict(set)
    for item in items:
        contents[item.label].add(item.digest)
    kept = []
    for item in items:
        number = len(contents[item.label])
        if number >= FEWEST_PER_CLASS:
            kept.append(item)
        else:
            reason = f"its class {shown(item.label)} has {number} different ones, fewer than "
            findings.leave_out("rare class", item.where, reason + str(FEWEST_PER_CLASS))
    return kept
