"""The process that runs a notebook: the environment it is started with and the memory it needs.

Both runners use this module, `course_utils.project.notebooks` and the strict nbval of the root
`conftest.py`, so that stored outputs and compared outputs are made under the same conditions.
"""

import os
import sys
import threading
import time
from pathlib import Path

import psutil

NOTEBOOK_VARIABLE = "COURSE_NOTEBOOK"


PAUSE_PER_READING = 30  # so that readings take at most a thirtieth of the time


def kernel_environment(notebook_path, ipython_folder):
    """Environment variables for the kernel of one notebook.

    Parameters
    ----------
    notebook_path : str or pathlib.Path
        The notebook; its file name becomes COURSE_NOTEBOOK.
    ipython_folder : str or pathlib.Path
        An empty folder for IPython's profile and history. The user's own profile could change
        outputs, and its history file is locked when two kernels start at once.

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
    environment["TQDM_DISABLE"] = "1"
    environment["IPYTHONDIR"] = str(ipython_folder)
    environment[NOTEBOOK_VARIABLE] = Path(notebook_path).name
    return environment


def _process_memory(process):
    """Memory of one process in bytes, 0 if it has ended."""
    try:
        if sys.platform == "linux":
            return _proportional_memory(process.pid)
        return process.memory_info().rss
    except (psutil.Error, OSError):
        return 0


def _proportional_memory(pid):
    """PSS of a Linux process in bytes: a page shared by n processes counts 1/n in each."""
    summary = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    line = next((line for line in summary.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) * 1024


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
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_process_memory(process) for process in processes)


class UsageMeter:
    """Seconds and peak memory of a process with all its child processes.

    A thread reads the memory every `interval` seconds until `stop`, and less often where a reading
    takes long. A peak shorter than the time between two readings can be missed.

    Parameters
    ----------
    pid : int
        Process number.
    interval : float, default=0.2
        Seconds between two readings.

    Attributes
    ----------
    peak_memory : int
        Largest reading so far, in bytes.

    Examples
    --------
    >>> with UsageMeter(os.getpid(), interval=0.01) as meter:
    ...     time.sleep(0.05)
    >>> meter.peak_memory > 1e6 and meter.seconds >= 0.05
    True
    """

    def __init__(self, pid, *, interval=0.2):
        if interval <= 0:
            raise ValueError(
                f"interval is {interval} seconds; it must be above 0. Leave it out to use 0.2."
            )
        self.pid = pid
        self.interval = interval
        self.peak_memory = 0
        self._started = None
        self._stopped = None
        self._stop_asked = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self):
        while True:
            start = time.perf_counter()
            self.peak_memory = max(self.peak_memory, tree_memory(self.pid))
            # for each reading the system counts all pages, in time that the notebook then lacks
            pause = PAUSE_PER_READING * (time.perf_counter() - start)
            if self._stop_asked.wait(max(self.interval, pause)):
                return

    def start(self):
        """Begin to measure, and return the meter."""
        self._started = time.perf_counter()
        self._thread.start()
        return self

    def stop(self):
        """End the measurement; a second call changes nothing."""
        if self._stopped is None and self._started is not None:
            self._stopped = time.perf_counter()
            self._stop_asked.set()
            self._thread.join()

    @property
    def seconds(self):
        """Seconds from `start` to `stop`, or to now while it runs; 0.0 before the start."""
        if self._started is None:
            return 0.0
        return (self._stopped or time.perf_counter()) - self._started

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()
