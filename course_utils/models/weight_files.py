"""Files of weights: where they lie on this machine, fetched only when asked, and whole or not used.

torchvision and timm name the SHA-256 of a file in its name; the hub names its copies after it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import torch

from course_utils.environment.packages import checksum

HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")  # as torch.hub names files: resnet18-f37072fd.pth


def file_of_url(name: str, url: str, size: str, allow_download: bool) -> Path:
    """Return the file of an address in the cache folder of torch.hub.

    Parameters
    ----------
    name : str
        What the user asked for, for messages.
    url : str
        Address of the file; its name holds the beginning of its SHA-256.
    size : str
        About how large it is, for messages.
    allow_download : bool
        Fetch it if it is not there.

    Raises
    ------
    OSError
        If it is not there, could not be fetched, or is damaged.
    """
    folder = Path(torch.hub.get_dir(), "checkpoints")
    path = folder / Path(urlparse(url).path).name
    found = HASH_IN_NAME.search(path.name)
    start = found.group(1) if found else ""
    if not path.exists():
        if not allow_download:
            raise FileNotFoundError(missing(name, f"{path.name} ({size})", folder))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), start or None, progress=False)
        except (OSError, RuntimeError) as error:  # the second is torch's for a wrong checksum
            raise OSError(not_fetched(name, error)) from error
    check_sum(name, path, start)
    return path


def file_of_hub(name: str, repository: str, size: str, allow_download: bool) -> Path:
    """Return the weights of a model on the Hugging Face hub, in the cache folder of that tool.

    Parameters
    ----------
    name, size, allow_download
        As in `file_of_url`.
    repository : str
        Owner and name on the hub.

    Raises
    ------
    OSError
        If the file is not there, could not be fetched, or is damaged.
    """
    from huggingface_hub import constants, hf_hub_download  # slow to import

    try:
        path = hf_hub_download(repository, "model.safetensors", local_files_only=not allow_download)
    except (OSError, ValueError) as error:
        if not allow_download:
            folder = Path(constants.HF_HUB_CACHE)
            what = f"model.safetensors of {repository} ({size})"
            raise FileNotFoundError(missing(name, what, folder)) from error
        raise OSError(not_fetched(name, error)) from error
    stored = Path(path).resolve()
    is_named_by_sum = re.fullmatch(r"[0-9a-f]{64}", stored.name)
    check_sum(name, stored, stored.name if is_named_by_sum else "")
    return Path(path)


def missing(name: str, what: str, folder: Path) -> str:
    """Say in one line that what a name stands for is not in a folder, and what to do."""
    return (
        f"name is {name!r}, and its weights {what} are not in {folder}; where the internet is "
        "there, give allow_download=True, or copy them there from another machine, or give "
        "weights='random'"
    )


def not_fetched(name: str, error: Exception) -> str:
    """Say in one line that a file could not be fetched, and what to do."""
    reason = (str(error).splitlines() or [""])[0][:100] or type(error).__name__
    return (
        f"name is {name!r}, whose weights could not be fetched ({reason}); check the connection, "
        "HF_HUB_OFFLINE and the space, or give weights='random'"
    )


def check_sum(name: str, path: Path, start: str, patterns: tuple[str, ...] = ()) -> None:
    """Raise if the SHA-256 of a file, or of the files of a folder, does not begin as it must.

    Parameters
    ----------
    name : str
        What the user asked for.
    path : pathlib.Path
        A file, or a folder.
    start : str
        Beginning of the SHA-256, or all of it; an empty one asks for nothing.
    patterns : tuple of str
        Which files of a folder count; see `course_utils.environment.packages.checksum`.

    Raises
    ------
    ValueError
        With both sums.
    """
    if start and not (found := checksum(path, patterns)).startswith(start.lower()):
        raise ValueError(
            f"name is {name!r}, and the SHA-256 of {path} begins with {found[:16]} and must with "
            f"{start[:16]}: it is damaged or another version; delete it, and fetch it anew"
        )


@dataclass(frozen=True)
class Wanted:
    """Which network somebody asked for, and with which weights."""

    name: str
    weights: str | Path
    allow_download: bool
    sha256: str

    @property
    def inside(self) -> str:
        """The name that the network has in its library."""
        return self.name.partition("/")[2]

    def file(self, source: Callable[..., Path], place: str, count: int) -> Path | None:
        """Return the file of weights after a look at its checksum; None for a random start.

        ``source`` finds the library's own at a ``place``; ``count`` numbers of 4 bytes are in it.

        Raises
        ------
        OSError
            If the file is not there.
        """
        if self.weights == "random":
            return None
        path = Path(self.weights)
        if self.weights == "pretrained":
            path = source(self.name, place, f"{4 * count / 1e6:.0f} MB", self.allow_download)
        elif not path.is_file():
            raise FileNotFoundError(
                f"weights is {str(path)!r}, where no file is; give 'pretrained', 'random' or a file"
            )
        check_sum(self.name, path, self.sha256)
        return path

    def misfit(self, path: Path | None, error: Exception) -> ValueError:
        """Return what to say of weights that do not fit the network."""
        reason = (str(error).splitlines() or [""])[0][:100] or type(error).__name__
        return ValueError(
            f"name is {self.name!r}, and the weights in {path} do not fit it ({reason}); give a "
            "file of this architecture with all its weights"
        )
