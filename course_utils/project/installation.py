"""Install the course into the folder .venv of the repository, and know when that is done.

Standard library only, because nothing else is there yet; only syntax of Python 3.6, so that an
old Python gets as far as the line that names the problem.
"""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GIGABYTE = 10**9  # bytes


# Measured: 6.0 GB on Linux, where torch brings the CUDA libraries; elsewhere below 2 GB.
DISK_NEEDED = 8 * GIGABYTE if sys.platform == "linux" else 3 * GIGABYTE


NETWORK_WORDS = ("retrying", "connection", "resolution", "resolve", "timed out", "unreachable")


class SetupError(Exception):
    """A step of the set-up failed; the message is one line that says what to do."""


def check_version(version: tuple) -> None:
    """Raise `SetupError` if a Python version (major, minor, ...) cannot run the course."""
    if not (3, 11) <= tuple(version[:2]) <= (3, 13):
        found = ".".join(str(part) for part in version[:3])
        raise SetupError(
            f"Python {found} found, but the course needs 3.11, 3.12 or 3.13: install one of them, "
            "then run again (make: PYTHON=python3.13; Windows: py -3.13 -m course_utils.project)."
        )


def check_disk(folder: Path, needed: int) -> None:
    """Raise `SetupError` if fewer bytes than needed are free where a folder is."""
    free = shutil.disk_usage(str(folder)).free
    if free < needed:
        raise SetupError(
            f"No disk space: {free / GIGABYTE:.1f} GB are free at {folder}, but the set-up needs "
            f"{needed / GIGABYTE:.1f} GB: free some, or move the course to a larger disk."
        )


def explain_failure(stderr: bytes) -> str:
    """Say in one line why pip failed, from what it wrote."""
    text = (stderr or b"").decode("utf-8", "replace")
    if any(word in text.lower() for word in NETWORK_WORDS):
        return "no network, or the package index is not reached; connect, then run again"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "pip wrote nothing; run again"


def folder_size(folder: Path) -> int:
    """Return the bytes below a folder, 0 if it does not exist."""
    files = (Path(place, name) for place, _, names in os.walk(str(folder)) for name in names)
    return sum(file.lstat().st_size for file in files)


# Settings of another environment that would send an installation or an import elsewhere. With the
# first one each kernel would compile torch and all else anew, for about ten seconds.
FOREIGN_VARIABLES = (
    "PYTHONDONTWRITEBYTECODE",
    *("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__", "CONDA_PREFIX", "MPLBACKEND"),
    *("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX"),
)


class Installation:
    """The virtual environment of the course.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the repository.
    run : callable, default=subprocess.run
        Runs the commands; another one is for tests.
    """

    def __init__(self, root: Path, run=subprocess.run):
        self.root = root
        self.folder = root / ".venv"
        self.programs = self.folder / ("Scripts" if os.name == "nt" else "bin")
        suffix = ".exe" if os.name == "nt" else ""
        self.python = self.programs / ("python" + suffix)
        self.uv = self.programs / ("uv" + suffix)
        self.lock = root / "requirements.lock"
        self.stamp = self.folder / "course-setup-stamp.txt"
        self._run = run

    def environment(self) -> dict:
        """Return the environment variables with which programs run inside the installation."""
        variables = {k: v for k, v in os.environ.items() if k.upper() not in FOREIGN_VARIABLES}
        variables["VIRTUAL_ENV"] = str(self.folder)
        variables["PATH"] = str(self.programs) + os.pathsep + os.environ.get("PATH", os.defpath)
        return variables

    def is_current(self) -> bool:
        """Say whether the last set-up was finished, for these requirements and this folder."""
        if not self.stamp.is_file() or not self._works():
            return False
        return self.stamp.read_text(encoding="utf-8") == self._state()

    def install(self, *, fresh: bool = False) -> bool:
        """Bring the installation up to date.

        Parameters
        ----------
        fresh : bool, default=False
            Start with an empty folder and download everything anew.

        Returns
        -------
        bool
            Whether there was anything to do.

        Raises
        ------
        SetupError
            If a step failed. What was done so far is kept and the next call goes on from there.
        """
        if not fresh and self.is_current():
            return False
        if self.stamp.exists():
            self.stamp.unlink()  # first, so that an interrupted set-up is not taken for a whole one
        if fresh or not self._works():
            self._remove()
        check_disk(self.root, max(GIGABYTE, DISK_NEEDED - folder_size(self.folder)))
        if not self.folder.exists():
            self._create()
        self._install_uv()
        self._install_packages(fresh)
        self._silence_lab_news()
        self.stamp.write_text(self._state(), encoding="utf-8")
        return True

    def _state(self):
        """Summarise what an installation depends on, and the packages that it has."""
        digest = hashlib.sha256(str(self.root).encode("utf-8"))
        for file in (self.lock, self.root / "pyproject.toml"):
            digest.update(file.read_bytes())
        site = "Lib/site-packages" if os.name == "nt" else "lib/python3*/site-packages"
        for package in sorted(path.name for path in self.folder.glob(site + "/*.dist-info")):
            digest.update(package.encode("utf-8"))
        return digest.hexdigest()

    def _works(self):
        """Try the Python of the folder: it may be missing, half-made, or of a wrong version."""
        code = "import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            result = self._run([str(self.python), "-c", code], env=self.environment(), **quiet)
        except OSError:
            return False
        return result.returncode == 0

    def _remove(self):
        if self.folder.is_symlink():
            self.folder.unlink()
        elif self.folder.exists():
            try:
                shutil.rmtree(str(self.folder))
            except OSError as error:
                advice = "close what uses it (JupyterLab, an active terminal), then run again"
                found = f"{self.folder} cannot be removed ({error.strerror})"
                raise SetupError(f"{found}: {advice}.") from error

    def _create(self):
        # Started from an active environment, sys.executable would tie .venv to that environment.
        base = getattr(sys, "_base_executable", None) or sys.executable
        advice = "on Debian and Ubuntu install python3-venv, then run again"
        self._step("Creating .venv", [base, "-m", "venv", str(self.folder)], advice)

    def _install_uv(self):
        """Install uv as the lock file pins it, with its checksums."""
        with tempfile.TemporaryDirectory() as folder:
            text, file = self.lock.read_text(encoding="utf-8"), Path(folder, "uv.txt")
            file.write_text(requirement(text, "uv"), encoding="utf-8")
            command = [str(self.python), "-m", "pip", "install", "--quiet", "--retries", "1"]
            command += ["--disable-pip-version-check", "--require-hashes", "-r", str(file)]
            self._step("Installing uv", command, "", capture=True)

    def _install_packages(self, fresh):
        python = ["--python", str(self.python)]
        sync = [str(self.uv), "pip", "sync", *python, "--require-hashes", str(self.lock)]
        course = [str(self.uv), "pip", "install", *python, "--no-deps", "--no-build-isolation"]
        advice = "read the lines above; if they speak of connecting, the network is missing. "
        advice += "What was downloaded is kept: run again"
        # A damaged file can also lie in uv's cache, to which .venv is linked: use another one.
        cache = self.folder / "fresh-cache"
        sync += ["--cache-dir", str(cache)] * fresh
        self._step("Installing the packages (some minutes the first time)", sync, advice)
        shutil.rmtree(str(cache), ignore_errors=True)
        self._step("Installing course_utils", course + ["-e", str(self.root)], advice)

    def _silence_lab_news(self):
        """Keep JupyterLab from asking, at the first start, whether it may fetch news."""
        page = self.folder / "etc" / "jupyter" / "labconfig" / "page_config.json"
        page.parent.mkdir(parents=True, exist_ok=True)
        disabled = {"@jupyterlab/apputils-extension:announcements": True}
        page.write_text(json.dumps({"disabledExtensions": disabled}), encoding="utf-8")

    def _step(self, title, command, advice, capture=False):
        print(f"{title} ...", flush=True)
        pipe = subprocess.PIPE if capture else None
        options = {"cwd": str(self.root), "stdout": pipe, "stderr": pipe}
        try:
            result = self._run(command, env=self._uv_environment(), **options)
        except OSError as error:
            raise SetupError(f"{title} failed: {command[0]} does not start ({error}).") from error
        if result.returncode != 0:
            advice = explain_failure(result.stderr) if capture else advice
            raise SetupError(f"{title} failed (exit code {result.returncode}): {advice}.")

    def _uv_environment(self):
        variables = self.environment()
        if self.uv.exists() and self._cache_is_far():
            variables.setdefault("UV_LINK_MODE", "copy")  # what uv does anyway, after a warning
        return variables

    def _cache_is_far(self):
        """Say whether uv's cache lies on another disk, so that no links to it can be made."""
        result = self._run(
            [str(self.uv), "cache", "dir"], env=self.environment(), stdout=subprocess.PIPE
        )
        cache = Path((result.stdout or b"").decode("utf-8", "replace").strip())
        while not cache.exists() and cache != cache.parent:
            cache = cache.parent
        return cache.stat().st_dev != self.root.stat().st_dev


def requirement(lock_text: str, name: str) -> str:
    r"""Return the lines of one package, with its checksums, from the text of a lock file.

    Examples
    --------
    >>> requirement("tqdm==1\n    --hash=a\nuv==2\n    --hash=b\nx==3\n", "uv")
    'uv==2\n    --hash=b\n'
    """
    lines = lock_text.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{name}=="))
    block = lines[start : start + 1]
    block += itertools.takewhile(lambda line: line.startswith(" "), lines[start + 1 :])
    return "".join(block)
