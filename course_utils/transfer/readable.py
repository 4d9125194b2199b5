"""The report for people, in Markdown."""

from course_utils.data.findings import DataReport, shown
from course_utils.data.own import OwnData
from course_utils.transfer.sentences import cell, data_lines, limits, percent, result_lines, verdict


def readable(report: dict, data: OwnData) -> str:
    """Return the report for people, in Markdown: data, choice, results, errors, audit.

    Parameters
    ----------
    report : dict
        As in ``report.json``.
    data : OwnData
        With all that was found in the data.
    """
    sections = {
        "Results on the test part": result_lines(report),
        "How it was chosen": _choice(report),
        "Confusion": _confusion(report),
        "Worst errors": _errors(report),
        "Audit": [
            f"- {each['verdict']}: {each['check']}. {each['found']} {each['next_step']}".rstrip()
            for each in report["audit"]["findings"]
        ],
        "Data": data_lines(report) + ["", *_found(data.report)],
        "Limits": [f"- {line}" for line in limits(report)],
    }
    lines = [f"# Report: {shown(report['name'])}", "", verdict(report), ""]
    for title, rows in sections.items():
        lines += [f"## {title}", "", *rows, ""]
    return "\n".join(lines)


def _choice(report: dict) -> list[str]:
    rows = ["| tried | accuracy on validation |", "|---|---|"]
    for each in report["baseline"].values():
        rows.append(f"| {each['name']} | {percent(each['validation'])} |")
    rows.append(f"| linear probe | {percent(report['probe']['accuracy'])} |")
    for each in report["tune"]["tried"]:
        rows.append(f"| {each['name']} | {percent(each['accuracy'])} |")
    return [*rows, "", f"Chosen: {report['choice']['name']}; of equals the simpler one."]


def _confusion(report: dict) -> list[str]:
    names = [cell(name) for name in report["data"]["classes"]]
    rows = [f"| is / said | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for name, counts in zip(names, report["test"]["confusion"], strict=True):
        rows.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return rows


def _errors(report: dict) -> list[str]:
    rows = []
    for each in report["test"]["worst"]:
        text = f" \u201c{shown(each['text'])}\u201d" if "text" in each else ""
        rows.append(
            f"- {shown(each['where'])}: is {shown(each['is'])}, said {shown(each['said'])} with "
            f"{percent(each['confidence'])}.{text}"
        )
    return rows or ["There is none."]


def _found(report: DataReport) -> list[str]:
    """List what is left out in full, and count the rest."""
    lines = [f"- {name}: {count}" for name, count in report.kinds().items()]
    left = [f"- {finding}" for finding in report.left_out]
    return [*(lines or ["Nothing was left out, and nothing was odd."]), "", *left]
