"""From data to a documented model, in steps; what each has found stays in the folder of the run.

A step is a function of the data, the settings and earlier results, so a run that was stopped goes
on to the same end.
"""

import time
from collections.abc import Callable

import torch

from course_utils.audit.audit import audit_transfer
from course_utils.data.findings import DataError
from course_utils.data.own_splits import clusters, split_own_data
from course_utils.environment.machine import progress_bar
from course_utils.transfer import baselines, looking, tuning
from course_utils.transfer.heads import is_better, probe
from course_utils.transfer.measures import temperature_for
from course_utils.transfer.saved import TransferModel
from course_utils.transfer.state import PROBE, Run
from course_utils.transfer.testing import tested

AUDITED = 32  # inputs of each part: enough for what an audit looks at
AUDIT_SECONDS = 3600.0  # more than it needs: a check that is cut off would change the report


def look(run: Run) -> dict:
    """Read all data once, and check them. See `Run`."""
    state = looking.state_of(run.path)
    return looking.as_dict(looking.read_own(run.path)) | {"state": state}


def split(run: Run) -> dict:
    """Split by group and content. See `Run`."""
    parts = split_own_data(run.data, run.settings.seed)
    return {"parts": {name: places.tolist() for name, places in parts.items()}}


def baseline(run: Run) -> dict:
    """Learn what comes without transfer. See `Run`."""
    return {
        "majority": baselines.majority(run.data, run.parts),
        "classical": baselines.classical(run.data, run.parts),
    }


def features(run: Run) -> dict:
    """Ask the pretrained network about all inputs; the answers are in the cache. See `Run`."""
    return {"backbone": run.source.name, "shape": list(run.features.shape)}


def learn_probe(run: Run) -> tuple[dict, dict]:
    """Learn a linear head. See `Run`."""
    head, found = probe(run.features, run.data.labels, run.parts, len(run.data.classes))
    return found, {name: tensor.detach() for name, tensor in head.state_dict().items()}


def tune(run: Run) -> tuple[dict, dict]:
    """Fine-tune in each way; the weights of the best one on validation are kept. See `Run`."""
    tried, best, weights = [], None, {}
    for name in tuning.candidates(run.data.kind) if run.settings.tune else ():
        model, found = tuning.tuned(name, run.started(), run.data, run.parts, run.settings)
        tried.append(found)
        if is_better(found, best):
            best, weights = found, {n: w.detach() for n, w in model.state_dict().items()}
    return {"tried": tried, "best": best and best["name"]}, weights


def choose(run: Run) -> dict:
    """Choose on validation: fine-tuning only where it is better than the probe. See `Run`."""
    best, name = run.found("probe"), PROBE
    for found in run.found("tune")["tried"]:
        if found["name"] == run.found("tune")["best"] and is_better(found, best):
            best, name = found, found["name"]
    return {"name": name, "accuracy": best["accuracy"], "loss": best["loss"]}


def calibrate(run: Run) -> dict:
    """Find the temperature on validation. See `Run`."""
    labels = run.data.labels[run.parts["validation"]]
    return {"temperature": temperature_for(run.logits("validation"), labels)}


def audit(run: Run) -> dict:
    """Audit the chosen model on some inputs of each part. See `Run`."""
    labels, is_image = run.data.labels, run.data.kind == "image"
    given = {
        part: (run.inputs(part, AUDITED), labels[run.some(part, AUDITED)]) for part in run.parts
    }
    weights = {f"backbone.{name}": weight for name, weight in run.source.state_dict().items()}
    report = audit_transfer(
        run.model,
        source=weights,
        preprocessing=run.source.preprocessing if is_image else None,
        seconds=AUDIT_SECONDS,
        **given,
    )
    findings = [vars(finding) for finding in report.worst_first()]
    return {"ok": report.ok, "findings": findings}


def test(run: Run) -> dict:
    """Measure on the test part, once: the result is kept, and never computed again. See `Run`."""
    data, rows = run.data, run.parts["test"]
    member = torch.empty(len(data), dtype=torch.int64)
    for number, places in enumerate(clusters(data)):
        member[places] = number
    return tested(
        run.logits("test"),
        run.found("calibration")["temperature"],
        data,
        rows=rows,
        clusters=member[rows],
        baseline=run.found("baseline"),
    )


STEPS: dict[str, Callable] = {
    "look": look,
    "split": split,
    "baseline": baseline,
    "features": features,
    "probe": learn_probe,
    "tune": tune,
    "choice": choose,
    "calibration": calibrate,
    "audit": audit,
    "test": test,
}


def finish(run: Run, say: Callable[[str], None]) -> TransferModel:
    """Make all steps that are not done yet, and return the model.

    Parameters
    ----------
    run : Run
        The run.
    say : callable
        Gets a line for each step.

    Raises
    ------
    DataError
        If the data cannot be used, or have changed since they were looked at.
    """
    if run.store.has("look") and run.found("look")["state"] != looking.state_of(run.path):
        raise DataError("the data have changed since the run began; give another folder for it")
    for name, step in progress_bar(STEPS.items(), "transfer", unit="step"):
        if run.store.has(name):
            say(f"{name}: done before")
            continue
        start = time.perf_counter()
        made = step(run)
        found, tensors = made if isinstance(made, tuple) else (made, None)
        run.store.write(name, found, tensors)
        say(f"{name}: {time.perf_counter() - start:.1f} s")
    temperature = run.found("calibration")["temperature"]
    return TransferModel(run.model, run.data.kind, run.data.classes, run.length, temperature)
