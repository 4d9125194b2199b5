"""What an audit found: one finding for each check, and a report of all."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

VERDICTS = ("wrong", "suspicious", "ok", "not checked")


class AuditError(AssertionError):
    """An audit found something wrong."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Parameters
    ----------
    check : str
        Name of the check.
    verdict : str
        ``"wrong"``, ``"suspicious"``, ``"ok"`` or ``"not checked"``.
    found : str
        What was seen, in one sentence.
    next_step : str
        What to do about it, if there is something to do.
    """

    check: str
    verdict: str
    found: str
    next_step: str = ""

    def __str__(self):
        return f"{self.verdict}: {self.check}. {self.found} {self.next_step}".rstrip()


class Report:
    """All findings of an audit; a table in JupyterLab, plain text elsewhere.

    Parameters
    ----------
    findings : iterable of Finding
        One for each check.

    Examples
    --------
    >>> report = Report([Finding("loss", "wrong", "The loss is not finite.", "Look at inputs.")])
    >>> report.ok, report["loss"].verdict
    (False, 'wrong')
    >>> print(report)
    wrong: loss. The loss is not finite. Look at inputs.
    1 check: 1 wrong
    """

    def __init__(self, findings: Iterable[Finding]):
        self.findings = tuple(findings)

    @property
    def ok(self) -> bool:
        """Whether a check was made and nothing is wrong; what is suspicious may have a reason."""
        return self.is_checked and all(finding.verdict != "wrong" for finding in self.findings)

    @property
    def is_checked(self) -> bool:
        """Whether at least one check could be made."""
        return any(finding.verdict != "not checked" for finding in self.findings)

    def __getitem__(self, check: str) -> Finding:
        for finding in self.findings:
            if finding.check == check:
                return finding
        raise KeyError(f"check is {check!r}; give one of {[f.check for f in self.findings]}")

    def worst_first(self) -> list[Finding]:
        """Return the findings, what is wrong first, else in the order of the checks."""
        return sorted(self.findings, key=lambda finding: VERDICTS.index(finding.verdict))

    def raise_if_wrong(self) -> None:
        """Raise if something is wrong, with what it is, or if nothing could be checked.

        Raises
        ------
        AuditError
            Names each finding that is wrong, with its next step.
        """
        if not self.is_checked:
            reasons = dict.fromkeys(finding.found for finding in self.findings)
            raise AuditError(" ".join(["Nothing could be checked.", *reasons]))
        if not self.ok:
            raise AuditError(" | ".join(str(f) for f in self.findings if f.verdict == "wrong"))

    def _summary(self) -> str:
        counts = {v: sum(f.verdict == v for f in self.findings) for v in VERDICTS}
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        told = f"{len(self.findings)} check{'s' * (len(self.findings) != 1)}: {told or 'none'}"
        return told if self.is_checked else f"{told}. Nothing could be checked."

    def __repr__(self):
        return "\n".join([*map(str, self.worst_first()), self._summary()])

    def _repr_html_(self):
        rows = "".join(
            "<tr>"
            + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for cells in ((f.verdict, f.check, f.found, f.next_step) for f in self.worst_first())
        )
        heads = "".join(
            f"<th style='text-align:left'>{head}</th>"
            for head in ("verdict", "check", "found", "next step")
        )
        return (
            f"<table><caption>{self._summary()}</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )
