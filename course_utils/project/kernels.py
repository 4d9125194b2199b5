"""The process that runs a notebook: the environment it is started with and the memory it needs.

`course_utils.project.notebooks` stores notebooks and `course_utils.project.strict_nbval` judges
them; both start their kernels in this environment, so that stored and compared outputs are made
under the same conditions.
"""

import os
import threading
import time
from pathlib import Path

import psutil

PAUSE = 0.2  # seconds between two readings of the memory, at least
PAUSE_PER_READING = 30  # so that readings take at most a thirtieth of the time


def kernel_environment(notebook_path, scratch):
    """Environment variables for the kernel of one notebook.

    Parameters
    ----------
    notebook_path : str or pathlib.Path
        The notebook; its file name becomes COURSE_NOTEBOOK.
    scratch : str or pathlib.Path
        An empty folder for the claims of the notebook (see `ledger`) and for IPython's profile and
        history. The user's own profile could change outputs, and its history file is locked when
        two kernels start at once.

    Returns
    -------
    dict of str to str
        A changed copy of `os.environ`, which itself stays as it is.

    Examples
    --------
    >>> environment = kernel_environment("notebooks/00_start_here.ipynb", "scratch")
    >>> environment["COURSE_NOTEBOOK"], environment["TQDM_DISABLE"]
    ('00_start_here.ipynb', '1')
    """
    environment = dict(os.environ)
    # With MPLBACKEND set (CI often does) no figure is shown in the notebook.
    environment.pop("MPLBACKEND", None)
    # With this variable ipykernel does not capture what C code and child processes print
    # (ipykernel/iostream.py), which JupyterLab shows.
    environment.pop("PYTEST_CURRENT_TEST", None)
    return environment | {
        "TQDM_DISABLE": "1",
        "IPYTHONDIR": str(scratch),
        "COURSE_NOTEBOOK": Path(notebook_path).name,
        "COURSE_LEDGER": str(ledger(scratch)),
        "COURSE_DATA_DIR": str(scratch),  # not what a learner has done on this machine
    }


def ledger(scratch):
    """Name the file to which `claim` adds a line for each claim of a notebook."""
    return Path(scratch) / "claims.jsonl"


def tree_memory(pid):
    """Memory of a process with all its child processes, in bytes.

    Parameters
    ----------
    pid : int
        Process number.

    Returns
    -------
    int
        Bytes: proportional set size (PSS) on Linux, so that libraries which joblib workers share
        count once; resident set size elsewhere. 0 if the process has ended.

    Examples
    --------
    >>> tree_memory(os.getpid()) > 1e6
    True
    """
    try:
        root = psutil.Process(pid)
        return sum(map(_process_memory, [root, *root.children(recursive=True)]))
    except psutil.Error:
        return 0


def _process_memory(process):
    """Memory of one process in bytes, 0 if it has ended."""
    try:
        memory = process.memory_full_info() if psutil.LINUX else process.memory_info()
    except (psutil.Error, OSError):
        return 0
    return getattr(memory, "pss", memory.rss)


class UsageMeter:
    """Peak memory of a process with all its child processes.

    A thread reads the memory every 0.2 seconds until `stop`, and less often where a reading takes
    long, and once more at the end. A peak shorter than the time between two readings can be missed.

    Parameters
    ----------
    pid : int
        Process number.

    Attributes
    ----------
    peak_memory : int
        Largest reading so far, in bytes.

    Examples
    --------
    >>> meter = UsageMeter(os.getpid()).start()
    >>> meter.stop()
    >>> meter.peak_memory > 1e6
    True
    """

    def __init__(self, pid):
        self.pid = pid
        self.peak_memory = 0
        self._stop_asked = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self):
        while True:
            start = time.perf_counter()
            self.peak_memory = max(self.peak_memory, tree_memory(self.pid))
            # for each reading the system counts all pages, in time that the notebook then lacks
            pause = PAUSE_PER_READING * (time.perf_counter() - start)
            if self._stop_asked.wait(max(PAUSE, pause)):
                break
        self.peak_memory = max(self.peak_memory, tree_memory(self.pid))  # what is kept to the end

    def start(self):
        """Begin to measure, and return the meter."""
        self._thread.start()
        return self

    def stop(self):
        """End the measurement; a second call changes nothing."""
        self._stop_asked.set()
        self._thread.join()
