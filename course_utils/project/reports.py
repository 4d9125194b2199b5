"""Files that are written whole, and those of reports/: claims and costs of the notebooks."""

import csv
import io
import os
import tempfile
from pathlib import Path

# The headers of the two tables. "cell" is the number that JupyterLab shows in brackets.
CLAIM_COLUMNS = ["sentence", "low", "high", "measured", "interval", "notebook", "cell"]
COST_COLUMNS = ["notebook", "cells", "seconds", "peak_megabytes"]


def replace_file(path, text):
    """Write a file as UTF-8; a reader sees the old file or the new one, never half.

    Parameters
    ----------
    path : str or pathlib.Path
        File to replace, or a new one.
    text : str
        All that it will hold.
    """
    path = Path(path)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        Path(draft).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def write_reports(root, costs, claims):
    """Write `claims.csv`, `claims.md` and `costs.csv` into the folder reports/.

    What these files say about notebooks that did not run now stays, unless they are gone.

    Parameters
    ----------
    root : pathlib.Path
        The folder of the course, with its notebooks/.
    costs : list of dict
        One row with the keys of `COST_COLUMNS` for each notebook that ran.
    claims : list of dict
        All that these notebooks claimed, with the keys of `CLAIM_COLUMNS`.
    """
    folder = root / "reports"
    folder.mkdir(exist_ok=True)
    done = {row["notebook"] for row in costs}
    others = {path.name for path in (root / "notebooks").glob("*.ipynb")} - done
    _merge(folder / "costs.csv", COST_COLUMNS, costs, others)
    merged = _merge(folder / "claims.csv", CLAIM_COLUMNS, claims, others)
    replace_file(folder / "claims.md", claims_markdown(merged))


def _merge(path, columns, rows, others):
    """Replace a table by these rows and those it has of other notebooks; return all."""
    old = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
    rows = rows + [row for row in old if row.get("notebook") in others]
    rows = sorted(rows, key=lambda row: row["notebook"])  # the claims of a notebook stay in order
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(path, text.getvalue())
    return rows


def claims_markdown(claims):
    r"""Return all claims as a Markdown table.

    Parameters
    ----------
    claims : list of dict
        With the keys of `CLAIM_COLUMNS`.

    Returns
    -------
    str
        Title, table and final newline.

    Examples
    --------
    >>> claim = dict(sentence="Transfer | helps.", low=0.1, high=None, measured=0.21,
    ...              interval="0.17 to 0.25", notebook="00_start_here.ipynb", cell=7)
    >>> print(claims_markdown([claim]).splitlines()[-1])
    | Transfer \| helps. | 0.1 |  | 0.21 | 0.17 to 0.25 | 00_start_here.ipynb | 7 |
    """
    lines = [
        "# Claims of the notebooks, each as measured in the last test of its notebook",
        "",
        "| sentence | at least | at most | measured | interval | notebook | cell |",
        "|---|---|---|---|---|---|---|",
    ]
    for claim in claims:
        numbers = [_number(claim[key]) for key in ("low", "high", "measured")]
        cells = [
            claim["sentence"],
            *numbers,
            claim.get("interval", ""),
            claim["notebook"],
            claim["cell"],
        ]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _number(value):
    """Shorten a number, or its text from a table; empty where there is none."""
    return "" if value in (None, "") else f"{float(value):.4g}"
