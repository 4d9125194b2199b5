"""What ``make bench`` has measured once, for lessons that show it."""

import json
from pathlib import Path

from course_utils.environment.arguments import check_choice

RESULTS = Path(__file__).with_name("solar_cells.json")


def benchmark_results(part: str) -> dict:
    """Return what the benchmark on solar cells has stored of one of its parts.

    Parameters
    ----------
    part : str
        For example ``"layers"``, which layers should move; see ``tests/benchmarks/README.md``.

    Returns
    -------
    dict
        As the part's own script in ``tests/benchmarks`` made it, with the machine and the date.

    Raises
    ------
    ValueError
        If nothing is stored for this part; the message names those that are.
    FileNotFoundError
        If the file of results is missing.

    Examples
    --------
    >>> benchmark_results("layers")["size"]
    64
    """
    if not RESULTS.is_file():
        raise FileNotFoundError(
            f"the results of the benchmark are not at {RESULTS}; use the course in its own "
            "folder, or run make bench"
        )
    parts = json.loads(RESULTS.read_text(encoding="utf-8"))
    return parts[check_choice("part", part, parts)]
