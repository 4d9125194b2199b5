"""What was found in somebody's own data, and what was done about it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

MOST_SHOWN = 5  # examples of a kind in the text of a report; the report itself has all


class DataError(ValueError):
    """Data of which no use can be made. One line says why, and what to do.

    Parameters
    ----------
    reason : str
        The line.
    report : DataReport, optional
        What was found until then.
    """

    def __init__(self, reason: str, report: "DataReport | None" = None):
        super().__init__(reason)
        self.report = report or DataReport(())


@dataclass(frozen=True)
class DataFinding:
    """One thing that was found in the data.

    Parameters
    ----------
    kind : str
        Such as ``"unreadable"``; findings of a kind are counted together.
    where : str
        The file, relative to its folder, or the line of a table.
    is_used : bool
        False if the input was left out.
    reason : str
        What was found, and what was done.
    """

    kind: str
    where: str
    is_used: bool
    reason: str

    def __str__(self):
        return f"{self.where}: {'used' if self.is_used else 'left out'}, {self.reason}"


class DataReport:
    """All findings about a folder or a table. What is left out is listed, each with its reason.

    Parameters
    ----------
    findings : iterable of DataFinding
        In the order in which they were made.

    Examples
    --------
    >>> report = DataReport([DataFinding("empty file", "cats/1.png", False, "it has no bytes")])
    >>> print(report)
    1 left out, 0 noted
    empty file: 1
      cats/1.png: left out, it has no bytes
    """

    def __init__(self, findings: Iterable[DataFinding]):
        self.findings = tuple(findings)

    @property
    def left_out(self) -> tuple[DataFinding, ...]:
        """The findings of inputs that are not used."""
        return tuple(finding for finding in self.findings if not finding.is_used)

    def kinds(self) -> dict[str, int]:
        """Count the findings of each kind."""
        return dict(Counter(finding.kind for finding in self.findings))

    def as_dicts(self) -> list[dict]:
        """Return the findings as plain values, for a file."""
        return [asdict(finding) for finding in self.findings]

    def __repr__(self):
        number = len(self.left_out)
        lines = [f"{number} left out, {len(self.findings) - number} noted"]
        for kind, count in self.kinds().items():
            lines.append(f"{kind}: {count}")
            some = [finding for finding in self.findings if finding.kind == kind]
            lines += [f"  {finding}" for finding in some[:MOST_SHOWN]]
            if count > MOST_SHOWN:
                lines.append(f"  and {count - MOST_SHOWN} more")
        return "\n".join(lines)


def shown(name: str) -> str:
    r"""Return a name that fits into a line and into UTF-8: other characters are written out.

    Examples
    --------
    >>> shown("Käse\n1.png")
    'Käse\\n1.png'
    """
    safe = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return "".join(safe)
