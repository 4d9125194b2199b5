"""Benchmark: solar cells against the published numbers. Run it with ``make bench``.

Deitsch et al. 2019 (doi:10.1016/j.solener.2019.02.067) report 82.44 % (SVM) and 88.42 % (VGG-19,
two graphics cards) on one random 75/25 split. These are weighted accuracies: a functional cell
counts 1, a defective one its probability of a defect.

Each part runs in a process of its own, so that its peak of memory is its own, and adds its results
to solar_cells.json in `course_utils.experiments`. Nothing is read from the cache.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import accuracy
import extraction
import layers
import pretraining
import speed
import torch
from tables import TABLES, where

from course_utils.environment.machine import use_threads
from course_utils.experiments.benchmark import RESULTS
from course_utils.project.kernels import UsageMeter

PARTS = {
    "accuracy": lambda arguments: accuracy.measure(arguments.splits, tuning=arguments.tuning),
    "speed": lambda arguments: speed.measure(),
    "extraction": lambda arguments: extraction.measure(),
    "layers": lambda arguments: layers.measure(arguments.splits),
    "pretraining": lambda arguments: pretraining.measure(),
}


def machine() -> dict:
    """Say where and when this ran."""
    return {
        "date": datetime.date.today().isoformat(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def processor() -> str:
    """Return the name of the processor, and the instructions that torch uses on it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def run_part(name: str, arguments: argparse.Namespace) -> None:
    """Run one part in this process and store what it found, unless it is for tuning."""
    meter = UsageMeter(os.getpid()).start()
    found = PARTS[name](arguments)
    meter.stop()
    found |= {"machine": machine(), "peak_memory_bytes": meter.peak_memory}
    print(f"{TABLES[name](found)}\n\n{where(found)}\n", flush=True)
    if arguments.tuning:
        return
    report = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    draft = RESULTS.with_suffix(".draft")  # a run that is stopped here leaves no half file
    draft.write_text(json.dumps(report | {name: found}, indent=1) + "\n", encoding="utf-8")
    draft.replace(RESULTS)


def main() -> int:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5, help="number of splits of each kind")
    parser.add_argument(
        "--tuning",
        action="store_true",
        help="only accuracy, by cross-validation; no test part, nothing is stored",
    )
    parser.add_argument("--part", choices=PARTS, help="only this part")
    arguments = parser.parse_args()
    use_threads()
    if arguments.tuning and arguments.part not in (None, "accuracy"):
        parser.error(f"--tuning is for the part accuracy, not for {arguments.part}")
    if arguments.part or arguments.tuning:
        run_part(arguments.part or "accuracy", arguments)
        return 0
    command = [sys.executable, __file__, "--splits", str(arguments.splits), "--part"]
    return max(subprocess.run([*command, name], check=False).returncode for name in PARTS)


if __name__ == "__main__":
    sys.exit(main())
