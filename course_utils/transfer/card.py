"""The model card, in the form of the Hugging Face hub."""

from course_utils.data.findings import shown
from course_utils.transfer.onnx_file import LARGEST
from course_utils.transfer.sentences import data_lines, limits, result_lines


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
    names = ", ".join(shown(name) for name in report["data"]["classes"])
    number, kind = len(report["data"]["classes"]), report["kind"]
    lines = [f"# {shown(report['name'])}", ""]
    lines += [f"Tells {number} classes of {kind}s apart: {names}. {_how(report)}", ""]
    sections = {
        "How to load": _loading(report),
        "Data": data_lines(report),
        "Results on the test part": result_lines(report),
        "Limits": [f"- {line}" for line in limits(report)],
    }
    for title, rows in sections.items():
        lines += [f"## {title}", "", *rows, ""]
    return f"---\n{_header(report)}\n---\n\n" + "\n".join(lines)


def _loading(report: dict) -> list[str]:
    """Say how the model is used, here and in other programs."""
    onnx = report["onnx"]
    return [
        "```python",
        "from course_utils.transfer import load_transfer",
        "",
        'model = load_transfer("this folder")',
        f"model.predict([{'picture.png' if report['kind'] == 'image' else 'A text.'!r}])",
        "```",
        "",
        "`model.onnx` is the same network for other programs (inputs: "
        f"{', '.join(onnx['inputs'])}; its logits differ from torch by at most "
        f"{onnx['largest_difference']:.1g}, allowed "
        f"{LARGEST:g}). `config.json` says what is done with an input before.",
    ]


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
