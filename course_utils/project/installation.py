"""Install the course into the folder .venv of the repository, and know when that is done.

Standard library only, because nothing else is there yet.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAMP = ".venv/course-setup-stamp.txt"
GIGABYTE = 10**9  # bytes
# Measured: 6.0 GB on Linux, where torch brings the CUDA libraries; elsewhere below 2 GB.
DISK_NEEDED = 8 * GIGABYTE if sys.platform == "linux" else 3 * GIGABYTE
NETWORK_WORDS = ("retrying", "connection", "resolution", "resolve", "timed out", "unreachable")
# Settings of another environment that would send an installation or an import elsewhere. With the
# first one each kernel would compile torch and all else anew, for about ten seconds.
FOREIGN_VARIABLES = (
    "PYTHONDONTWRITEBYTECODE",
    *("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__", "CONDA_PREFIX", "MPLBACKEND"),
    *("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX"),
)
# On a busy machine, threads that spin while they wait for each other take the cores from those
# that work. The first is read by GNU's OpenMP (torch on Linux), the second by LLVM's and Intel's.
THREADS_THAT_WAIT = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "0"}


class SetupError(Exception):
    """A step of the set-up failed; the message is one line that says what to do."""


def program(root: Path, name: str) -> Path:
    """Return the path of a program in .venv, such as "python"."""
    folder, suffix = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
    return root / ".venv" / folder / (name + suffix)


def environment(root: Path) -> dict[str, str]:
    """Return the environment variables with which programs of .venv are started."""
    own = {k: v for k, v in os.environ.items() if k.upper() not in FOREIGN_VARIABLES}
    path = f"{program(root, 'python').parent}{os.pathsep}{own.get('PATH', os.defpath)}"
    return {**THREADS_THAT_WAIT, **own, "VIRTUAL_ENV": str(root / ".venv"), "PATH": path}


def call(command: list[str], variables: dict[str, str]) -> int:
    """Run a program in the repository and return its exit code; Ctrl-C is left to the program."""
    process = subprocess.Popen(command, cwd=ROOT, env=variables)
    try:
        return process.wait()
    except KeyboardInterrupt:  # the program got it too: let it come to its end
        process.wait()
        raise


def install(root: Path, *, fresh: bool = False) -> bool:
    """Bring the folder .venv of a repository up to date.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the repository.
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
    if not fresh and is_current(root):
        return False
    venv = root / ".venv"
    check_disk(root, DISK_NEEDED if fresh else max(GIGABYTE, DISK_NEEDED - folder_size(venv)))
    (root / STAMP).unlink(missing_ok=True)  # first: an interrupted set-up is not a whole one
    if fresh or not _has(root, "pip"):
        _remove(venv)
        # Started from an active environment, sys.executable would tie .venv to that environment.
        base = getattr(sys, "_base_executable", None) or sys.executable
        advice = "on Debian and Ubuntu install python3-venv, then run again"
        _step(root, "Creating .venv", [base, "-m", "venv", str(venv)], advice)
    _install_uv(root)
    _install_packages(root, fresh)
    _configure_jupyter(venv)
    (root / STAMP).write_text(_state(root), encoding="utf-8")
    return True


def is_current(root: Path) -> bool:
    """Say whether the last set-up was finished, for these requirements and this folder."""
    stamp = root / STAMP
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != _state(root):
        return False
    return _has(root, "torch", "jupyterlab", "pytest", "course_utils")


def check_disk(folder: Path, needed: int) -> None:
    """Raise `SetupError` if fewer bytes than needed are free where a folder is."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupError(
            f"No disk space: {free / GIGABYTE:.1f} GB are free at {folder}, but the set-up needs "
            f"{needed / GIGABYTE:.1f} GB: free some, or move the course to a larger disk."
        )


def folder_size(folder: Path) -> int:
    """Return the bytes below a folder, 0 if it does not exist."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def explain_failure(stderr: bytes | None) -> str:
    """Say in one line why pip failed, from what it wrote."""
    text = (stderr or b"").decode("utf-8", "replace")
    if any(word in text.lower() for word in NETWORK_WORDS):
        return "no network, or the package index is not reached; connect, then run again"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "pip wrote nothing; run again"


def requirement(lock_text: str, name: str) -> str:
    r"""Return the lines of one package, with its checksums, from the text of a lock file.

    Examples
    --------
    >>> requirement("tqdm==1\n    --hash=a\nuv==2\n    --hash=b\nx==3\n", "uv")
    'uv==2\n    --hash=b\n'
    """
    return re.findall(rf"^{name}==.*\n(?: .*\n)*", lock_text, re.MULTILINE)[0]


def _state(root):
    """Summarise what an installation depends on: requirements, and the folder it is tied to."""
    digest = hashlib.sha256(str(root).encode("utf-8"))
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _has(root, *modules):
    """Say whether the Python of .venv starts, has a right version and finds these modules."""
    code = (
        "import sys; from importlib.util import find_spec; wrong = "
        f"not (3, 11) <= sys.version_info[:2] <= (3, 13) or None in map(find_spec, {modules}); "
        "sys.exit(wrong)"
    )
    command = [program(root, "python"), "-I", "-c", code]  # -I: not what lies in this folder
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:  # missing, half-made or of another system
        return False


def _remove(venv):
    try:
        if venv.is_symlink():
            venv.unlink()
        elif venv.exists():
            shutil.rmtree(venv)
    except OSError as error:
        raise SetupError(
            f"{venv} cannot be removed ({error.strerror}): close what uses it (JupyterLab, an "
            "active terminal), then run again."
        ) from error


def _install_uv(root):
    """Install uv as the lock file pins it, with its checksums."""
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "uv.txt")
        file.write_text(requirement(lock, "uv"), encoding="utf-8")
        command = [str(program(root, "python")), "-m", "pip", "install", "--quiet", "--retries=1"]
        command += ["--disable-pip-version-check", "--require-hashes", "-r", str(file)]
        _step(root, "Installing uv", command)


def _install_packages(root, fresh):
    uv, python = str(program(root, "uv")), ["--python", str(program(root, "python"))]
    advice = "read the lines above; if they speak of connecting, the network is missing. "
    advice += "What was downloaded is kept: run again"
    sync = [uv, "pip", "sync", *python, "--require-hashes", str(root / "requirements.lock")]
    # A damaged file can also lie in uv's cache, to which .venv is linked: use another one.
    cache = root / ".venv" / "fresh-cache"
    sync += ["--cache-dir", str(cache)] * fresh
    _step(root, "Installing the packages (some minutes the first time)", sync, advice)
    shutil.rmtree(cache, ignore_errors=True)
    course = [uv, "pip", "install", *python, "--no-deps", "--no-build-isolation", "-e", str(root)]
    _step(root, "Installing course_utils", course, advice)


def _configure_jupyter(venv):
    """Keep JupyterLab from asking for news; let its kernels wait without spinning."""
    news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    _write(venv / "etc" / "jupyter" / "labconfig" / "page_config.json", news)
    kernel = venv / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    specification = json.loads(kernel.read_text(encoding="utf-8"))
    _write(kernel, {**specification, "env": THREADS_THAT_WAIT})


def _write(path, settings):
    """Replace a file by a new one: the old one can be a link into uv's cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    draft.replace(path)


def _step(root, title, command, advice=None):
    """Run one command; what it writes is shown, or with no advice of our own explained."""
    print(f"{title} ...", flush=True)
    pipe = None if advice else subprocess.PIPE
    options = {"cwd": root, "env": environment(root), "stdout": pipe, "stderr": pipe}
    try:
        result = subprocess.run(command, check=False, **options)
    except OSError as error:
        raise SetupError(f"{title} failed: {command[0]} does not start ({error}).") from error
    if result.returncode != 0:
        reason = advice or explain_failure(result.stderr)
        raise SetupError(f"{title} failed (exit code {result.returncode}): {reason}.")
