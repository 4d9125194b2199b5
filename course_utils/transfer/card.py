"""What is written for people: a model card in the form of the Hugging Face hub, and a report."""

from course_utils.data.findings import DataReport, shown
from course_utils.data.own import OwnData
from course_utils.transfer.onnx_file import LARGEST

FEW_GROUPS = 20  # below that, a bootstrap over groups is too narrow


def percent(value: float) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> percent(0.9541)
    '95.4 %'
    """
    return f"{100 * value:.1f} %"


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
    elif report["data"]["groups"] < FEW_GROUPS:
        found.append(f"Only {report['data']['groups']} groups: the intervals may be too narrow.")
    if report["test"]["accuracy"]["value"] == 1:
        found.append(
            "No error was seen, so a bootstrap has no width: only Wilson's interval counts."
        )
    if not report["audit"]["ok"]:
        found.append("The audit found something wrong; see the report.")
    found.append("The weights come from other people's data, with their gaps and their bias.")
    return found


def card(report: dict) -> str:
    """Return the model card: a header for machines, and a text.

    Parameters
    ----------
    report : dict
        As in ``report.json``.

    References
    ----------
    Mitchell et al. 2019, Model cards for model reporting, doi:10.1145/3287560.3287596.
    """
    return f"---\n{_header(report)}\n---\n\n" + "\n".join(
        [
            f"# {shown(report['name'])}",
            "",
            f"Tells {len(report['data']['classes'])} classes of {report['kind']}s apart: "
            f"{', '.join(shown(name) for name in report['data']['classes'])}. {_how(report)}",
            "",
            "## How to load",
            "",
            "```python",
            "from course_utils.transfer import load_transfer",
            "",
            'model = load_transfer("this folder")',
            f"model.predict([{'picture.png' if report['kind'] == 'image' else 'A text.'!r}])",
            "```",
            "",
            f"`model.onnx` is the same network for other programs (inputs: "
            f"{', '.join(report['onnx']['inputs'])}; its logits differ from torch by at most "
            f"{report['onnx']['largest_difference']:.1g}, allowed {LARGEST:g}). `config.json` says "
            "what is done with an input before.",
            "",
            "## Data",
            "",
            *_data(report),
            "",
            "## Results on the test part",
            "",
            *_results(report),
            "",
            "## Limits",
            "",
            *(f"- {line}" for line in limits(report)),
            "",
        ]
    )


def _header(report: dict) -> str:
    """Return the metadata of the card as YAML."""
    from huggingface_hub import EvalResult, ModelCardData  # slow to import

    task = {"image": "image-classification", "text": "text-classification"}[report["kind"]]
    name = shown(report["name"])
    measured = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
    results = [
        EvalResult(
            task_type=task,
            dataset_type="own",
            dataset_name=name,
            dataset_split="test",
            metric_type=metric,
            metric_name=words,
            metric_value=round(report["test"][metric]["value"], 4),
        )
        for metric, words in measured.items()
    ]
    licence = report["settings"]["licence"]
    about = ModelCardData(
        model_name=name,
        license="other" if licence == "not stated" else licence,
        library_name="pytorch",
        pipeline_tag=task,
        tags=["transfer-learning"],
        metrics=["accuracy"],
        eval_results=results,
    )
    return about.to_yaml().strip()


def _how(report: dict) -> str:
    choice = report["choice"]["name"]
    return f"Start: {report['features']['backbone']}. Learned: {choice}, chosen on validation."


def _data(report: dict) -> list[str]:
    parts, data = report["split"], report["data"]
    rows = ["| class | train | validation | test |", "|---|---|---|---|"]
    for name in data["classes"]:
        numbers = " | ".join(str(parts[part][name]) for part in parts)
        rows.append(f"| {shown(name)} | {numbers} |")
    groups = "no groups" if data["groups"] is None else f"{data['groups']} groups, never cut apart"
    return [
        f"- Licence of the data: {report['settings']['licence']}.",
        f"- {data['number']:,} {report['kind']}s are used, {data['left out']:,} are left out.",
        f"- Split into 60, 15 and 25 % by content and the seed {report['settings']['seed']}; "
        f"stratified by class, {groups}, copies in one part.",
        "",
        *rows,
    ]


def _results(report: dict) -> list[str]:
    test = report["test"]
    calibration = test["calibration"]
    rows = ["| class | found | right when said | test inputs |", "|---|---|---|---|"]
    for each in test["classes"]:
        said = "never said" if each["precision"] is None else percent(each["precision"])
        recall = with_interval(each["recall"])
        rows.append(f"| {shown(each['class'])} | {recall} | {said} | {each['number']} |")
    return [
        f"- Accuracy: {with_interval(test['accuracy'])}, {test['number']:,} inputs, measured once.",
        f"- Balanced accuracy: {with_interval(test['balanced_accuracy'])}.",
        *(
            f"- {report['baseline'][name]['name'].capitalize()}: {with_interval(found)}."
            for name, found in test["baselines"].items()
        ),
        f"- {verdict(report)}",
        f"- Calibration error (15 bins): {percent(calibration['error_before'])}, and "
        f"{percent(calibration['error_after'])} with the temperature "
        f"{calibration['temperature']:.2f}, chosen on validation.",
        "",
        *rows,
    ]


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
        "Results on the test part": _results(report),
        "How it was chosen": _choice(report),
        "Confusion": _confusion(report),
        "Worst errors": _errors(report),
        "Audit": [
            f"- {each['verdict']}: {each['check']}. {each['found']} {each['next_step']}".rstrip()
            for each in report["audit"]["findings"]
        ],
        "Data": _data(report) + ["", *_found(data.report)],
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
    names = [shown(name) for name in report["data"]["classes"]]
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
