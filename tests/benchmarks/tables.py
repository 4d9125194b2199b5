"""The results as Markdown tables: what ``make bench`` prints, and its README shows."""

from course_utils.experiments.estimates import Draws, Estimate, estimate

MEASURES = ("weighted_accuracy", "accuracy", "f1", "auc")
SPLITS = Draws.splits(train=0.75, test=0.25)  # the recipe also learns from validation cells
PUBLISHED = {"SVM (Deitsch et al. 2019)": 0.8244, "VGG-19 (Deitsch et al. 2019)": 0.8842}


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Return a table, numbers as the texts that they are."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def accuracy_table(report: dict) -> str:
    """Compare ours with what is published: mean [95 % interval] over the splits of each kind."""
    rows = [[name, "1 random", f"{value:.3f}", "–", "–", "–"] for name, value in PUBLISHED.items()]
    groups = {}
    for run in report["runs"]:
        groups.setdefault((run["method"], run["split"]), []).append(run)
    for (method, split), runs in groups.items():
        if len(runs) > 1:  # one split has no interval
            values = ([run[name] for run in runs] for name in MEASURES)
            cells = [str(estimate(each, draws=SPLITS, bounds=(0, 1))) for each in values]
            rows.append([method, f"{len(runs)} {split}", *cells])
    return markdown(["method", "splits", *(name.replace("_", " ") for name in MEASURES)], rows)


def speed_table(report: dict) -> str:
    """List the seconds of each way, and how often the seconds of the recipe fit into them."""
    fastest = report["recipe"]["seconds"]
    rows = []
    for name, run in report.items():
        if isinstance(run, dict) and "epochs" in run:
            best = run.get("best_weighted_accuracy", run.get("weighted_accuracy"))
            ratio = f"{run['seconds'] / fastest:.1f}"
            if not run.get("reached", True):
                ratio = f"more than {ratio}: not reached"
            epochs = str(run["epochs"] or "–")
            rows.append([name, epochs, f"{run['seconds']:.0f}", ratio, f"{best:.3f}"])
    header = ["way", "epochs", "seconds", "times the recipe", "weighted accuracy"]
    return markdown(header, rows)


def extraction_table(report: dict) -> str:
    """List images per second of each way, and times plain eager torch."""
    rates = report["images_per_second"]
    plain = next(iter(rates.values()))
    rows = [[name, f"{rate:.0f}", f"{rate / plain:.1f}"] for name, rate in rates.items()]
    return markdown(["features, step by step", "images per second", "times plain"], rows)


def layers_table(report: dict) -> str:
    """List each row with its weighted accuracy, mean [95 % interval], parameters and seconds."""
    rows = [
        [
            name,
            str(Estimate(**row["weighted_accuracy"])),
            f"{row['parameters']:,}",
            f"{row['seconds']:.0f}",
        ]
        for name, row in report["rows"].items()
    ]
    return markdown(["what moves", "weighted accuracy", "parameters", "seconds"], rows)


def pretraining_table(report: dict) -> str:
    """List loss and accuracies after so many passes, mean [95 % interval] over pre-trainings."""
    kinds = [(way, number) for way in ("fine-tuned", "probe") for number in ("8", "32")]
    rows = []
    for passes, runs in report["passes"].items():
        values = [[run["nats"] for run in runs]]
        values += [[run[way][number] for run in runs] for way, number in kinds]
        rows.append([f"{passes} passes", *map(_of_starts, values)])
    of_lsa = [_of_starts([run[number] for run in report["LSA"]]) for number in ("8", "32")]
    rows.append(["LSA", "–", "–", "–", *of_lsa])
    header = ["pre-training", "nats per token", *(f"{way}, {n} labels" for way, n in kinds)]
    return markdown(header, rows)


def _of_starts(values: list[float]) -> str:
    """Return mean [95 % interval] of values that share nothing but the test articles."""
    return str(estimate(values))


TABLES = {
    "accuracy": accuracy_table,
    "speed": speed_table,
    "extraction": extraction_table,
    "layers": layers_table,
    "pretraining": pretraining_table,
}


def where(part: dict) -> str:
    """Say when and on what a part was measured."""
    machine = part["machine"]
    return (
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, "
        f"torch {machine['torch']}, peak memory {part['peak_memory_bytes'] / 1e9:.1f} GB"
    )
