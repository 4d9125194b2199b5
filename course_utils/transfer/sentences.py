"""The sentences and tables that the model card and the report share."""

from course_utils.data.findings import shown

FEW_GROUPS = 20  # below that, a bootstrap over groups is too narrow


def percent(value: float) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> percent(0.9541)
    '95.4 %'
    """
    return f"{100 * value:.1f} %"


def cell(name: str) -> str:
    r"""Return a name that fits into a cell of a table in Markdown.

    Examples
    --------
    >>> print(cell("a|b"))
    a\|b
    """
    return shown(name).replace("|", "\\|")


def with_interval(found: dict) -> str:
    """Return a measure with its interval and how it was made.

    Examples
    --------
    >>> with_interval({"value": 0.9, "low": 0.8, "high": 0.95, "method": "Wilson"})
    '90.0 % [80.0 %, 95.0 %] (95 %, Wilson)'
    """
    low, high = percent(found["low"]), percent(found["high"])
    return f"{percent(found['value'])} [{low}, {high}] (95 %, {found['method']})"


def verdict(report: dict) -> str:
    """Say in one sentence whether transfer was worth it, against the classical method.

    Parameters
    ----------
    report : dict
        As in ``report.json``.
    """
    gain, name = report["test"]["gain over classical"], report["baseline"]["classical"]["name"]
    told = f"{100 * gain['value']:+.1f} points of accuracy"
    told += f" [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}] over {name}"
    if gain["low"] > 0:
        return f"Transfer helps: {told}."
    if gain["high"] < 0:
        return f"Transfer is worse: {told}. Use the classical method."
    return f"This test part cannot tell whether transfer helps: {told}."


def limits(report: dict) -> list[str]:
    """Return what the numbers do not say.

    Parameters
    ----------
    report : dict
        As in ``report.json``.
    """
    found = [
        "The test part comes from the same source as the training part; expect less elsewhere."
    ]
    rare = [shown(each["class"]) for each in report["test"]["classes"] if each["number"] < 30]
    if rare:
        found.append(f"Fewer than 30 test inputs, so wide intervals: {', '.join(rare[:10])}.")
    if report["data"]["groups"] is None:
        found.append("No groups were given: inputs that belong together may stand in both parts.")
    elif report["test"]["groups"] < FEW_GROUPS:
        number = report["test"]["groups"]
        found.append(f"Only {number} groups in the test part: the intervals may be too narrow.")
    if report["test"]["accuracy"]["value"] == 1:
        found.append(
            "No error was seen, so a bootstrap has no width: only Wilson's interval counts."
        )
    classical, chosen = report["baseline"]["classical"], report["choice"]
    if classical["validation"] > chosen["accuracy"]:
        found.append(
            f"On validation {classical['name']} was ahead of {chosen['name']}, "
            f"{percent(classical['validation'])} to {percent(chosen['accuracy'])}."
        )
    if not report["audit"]["ok"]:
        found.append("The audit found something wrong; see the report.")
    found.append("The weights come from other people's data, with their gaps and their bias.")
    return found


def data_lines(report: dict) -> list[str]:
    """Return the data in numbers: what is used, how it was split. See `card`."""
    parts, data = report["split"], report["data"]
    rows = ["| class | train | validation | test |", "|---|---|---|---|"]
    for name in data["classes"]:
        numbers = " | ".join(str(parts[part][name]) for part in parts)
        rows.append(f"| {cell(name)} | {numbers} |")
    groups = "no groups" if data["groups"] is None else f"{data['groups']} groups, never cut apart"
    return [
        f"- Licence of the data: {report['settings']['licence']}.",
        f"- {data['number']:,} {report['kind']}s are used, {data['left out']:,} are left out.",
        f"- Split into 60, 15 and 25 % by content and the seed {report['settings']['seed']}; "
        f"stratified by class, {groups}, copies in one part.",
        "",
        *rows,
    ]


def result_lines(report: dict) -> list[str]:
    """Return what was measured on the test part. See `card`."""
    test = report["test"]
    calibration = test["calibration"]
    rows = ["| class | found | right when said | test inputs |", "|---|---|---|---|"]
    for each in test["classes"]:
        said = "never said" if each["precision"] is None else percent(each["precision"])
        recall = with_interval(each["recall"])
        rows.append(f"| {cell(each['class'])} | {recall} | {said} | {each['number']} |")
    return [
        f"- Accuracy: {with_interval(test['accuracy'])}, {test['number']:,} inputs, measured once.",
        f"- Balanced accuracy: {with_interval(test['balanced_accuracy'])}.",
        *(
            f"- {name[:1].upper()}{name[1:]}: {with_interval(found)}."
            for name, found in (
                (report["baseline"][key]["name"], found) for key, found in test["baselines"].items()
            )
        ),
        f"- {verdict(report)}",
        f"- Calibration error (15 bins): {percent(calibration['error_before'])}, and "
        f"{percent(calibration['error_after'])} with the temperature "
        f"{calibration['temperature']:.2f}, chosen on validation.",
        "",
        *rows,
    ]
