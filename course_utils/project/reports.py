"""Tables about a run of the notebooks: the claims they made and what they cost."""

import csv
import json
from pathlib import Path

# The header of the two claim files. "cell" is the number that JupyterLab shows in brackets.
CLAIM_COLUMNS = ("sentence", "low", "high", "measured", "notebook", "cell")


def read_ledger(path):
    """Read the claims that notebooks left in a ledger.

    Parameters
    ----------
    path : str or pathlib.Path
        File of JSON lines, one claim a line. A missing file means that no claim was made.

    Returns
    -------
    list of dict
        Claims in the order in which they were made, with the keys of `CLAIM_COLUMNS`.

    Raises
    ------
    ValueError
        If a line is not a claim.
    """
    path = Path(path)
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_parse_claim(line, f"{path}, line {n}") for n, line in enumerate(lines, 1) if line]


def _parse_claim(line, place):
    try:
        claim = json.loads(line)
        return {column: claim[column] for column in CLAIM_COLUMNS}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{place} is not a claim: {line!r} ({error!r}). A claim is a JSON object with the "
            f"keys {', '.join(CLAIM_COLUMNS)}. Delete the file and run the notebooks again."
        ) from None


def write_claims(claims, folder):
    """Write `claims.csv` and `claims.md` into a folder, which is made if needed.

    Parameters
    ----------
    claims : list of dict
        As `read_ledger` returns them.
    folder : str or pathlib.Path
        Where the two files go. Files of an earlier run are replaced.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "claims.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, CLAIM_COLUMNS)
        writer.writeheader()
        writer.writerows(claims)
    (folder / "claims.md").write_text(claims_markdown(claims), encoding="utf-8")


def claims_markdown(claims):
    r"""Return all claims as a Markdown table.

    Parameters
    ----------
    claims : list of dict
        As `read_ledger` returns them.

    Returns
    -------
    str
        Title, table and final newline.

    Examples
    --------
    >>> claim = dict(sentence="Transfer | helps.", low=0.1, high=None, measured=0.21,
    ...              notebook="00_start_here.ipynb", cell=7)
    >>> print(claims_markdown([claim]).splitlines()[-1])
    | Transfer \| helps. | 0.1 or more | 0.21 | 00_start_here.ipynb | 7 |
    """
    lines = [
        "# Claims of the notebooks, as measured in the last run",
        "",
        "| sentence | band | measured | notebook | cell |",
        "|---|---|---|---|---|",
    ]
    for claim in claims:
        measured = _number(claim["measured"])
        cells = (claim["sentence"], _band(claim), measured, claim["notebook"], claim["cell"])
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _band(claim):
    low, high = claim["low"], claim["high"]
    if low is None and high is None:
        return "any"
    if high is None:
        return f"{_number(low)} or more"
    if low is None:
        return f"{_number(high)} or less"
    return f"{_number(low)} to {_number(high)}"


def _number(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_table(header, rows):
    """Lay out a table as plain text: first column to the left, the others to the right.

    Parameters
    ----------
    header : sequence of str
        Column names.
    rows : sequence of sequences of str
        As many texts in each row as in the header.

    Returns
    -------
    str
        One line for the header and one for each row.

    Raises
    ------
    ValueError
        If a row has not as many texts as the header.

    Examples
    --------
    >>> print(format_table(["notebook", "cells"], [["a.ipynb", "12"]]))
    notebook  cells
    a.ipynb      12
    """
    table = [list(header), *map(list, rows)]
    for row in table:
        if len(row) != len(header):
            raise ValueError(f"row {row} has {len(row)} texts; give {len(header)}, one a column.")
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = []
    for first, *others in table:
        numbers = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *numbers]).rstrip())
    return "\n".join(lines)


def megabytes(number_of_bytes):
    """Text of a memory size in megabytes (1e6 bytes).

    Examples
    --------
    >>> megabytes(1_234_567_890)
    '1235 MB'
    """
    return f"{number_of_bytes / 1e6:.0f} MB"
