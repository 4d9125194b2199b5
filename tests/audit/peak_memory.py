"""Print what an ordinary step or a whole audit adds to the memory of a fresh process, as JSON.

Called as ``python peak_memory.py step cells.pt`` or ``... audit cells.pt``. Peaks never fall, so
that each needs a process of its own. Both have the same libraries, model, optimiser and data.
"""

import copy
import json
import re
import sys
import time
from pathlib import Path

import scipy.optimize  # noqa: F401, the audit imports it late
import torch
from patients import noted
from torch.nn.functional import cross_entropy

from course_utils.audit import audit_transfer
from course_utils.models import imagenet_classifier, replace_head

ONE_BATCH = 32


def peak():
    """Return the largest memory of this process so far, in kB, as Linux counts it.

    The one of `resource` would begin with that of the process which started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def measure(what, path):
    """Take one step or audit a model; return memory, seconds, and what the audit complains of."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs, labels = torch.load(path)
    source = imagenet_classifier()
    model = replace_head(copy.deepcopy(source), 2)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    before, start, complaints = peak(), time.process_time(), []
    if what == "step":
        model.train()
        cross_entropy(model(inputs[:ONE_BATCH]), labels[:ONE_BATCH]).backward()
        optimizer.step()
    else:
        report = audit_transfer(model, optimizer, source=source, train=(inputs, labels))
        complaints = noted(report) + [f for f in report.findings if "time was over" in f.found]
    seconds = time.process_time() - start
    return {"added": peak() - before, "seconds": seconds, "noted": list(map(str, complaints))}


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
