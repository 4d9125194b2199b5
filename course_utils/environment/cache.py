"""Keep tensors that are slow to compute in a folder of the user, safely.

A file is written whole or not at all, carries a checksum, is rebuilt when damaged, and is
computed once when two notebooks ask at the same moment.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from course_utils.environment.fingerprints import fingerprint
from course_utils.environment.machine import cache_directory


def cached_tensor(key: str, compute: Callable[[], Tensor]) -> Tensor:
    """Return the tensor stored under ``key``, or compute and store it.

    Parameters
    ----------
    key : str
        Name of the file, without its ending: letters, digits, ``-`` and ``_``. Everything that
        the tensor depends on must be in it; `fingerprint` makes such keys.
    compute : callable
        Called without arguments if no sound file is there.

    Raises
    ------
    ValueError
        If the key has other characters, or the cache directory cannot be made.
    OSError
        If the folder cannot be written; the message names it.
    """
    if not key.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"key is {key!r}; use letters, digits, '-' and '_' only")
    path = cache_directory() / f"{key}.safetensors"
    with FileLock(path.with_suffix(".lock")):  # a second notebook waits here, then reads
        tensor = _read(path)
        if tensor is None:
            tensor = compute().detach().cpu().contiguous()
            write_tensors({"tensor": tensor}, path, {"sha256": fingerprint(tensor)})
    return tensor


def _read(path: Path) -> Tensor | None:
    """Return the stored tensor, or None if the file is missing, cut off or changed."""
    try:
        with safe_open(path, framework="pt") as file:
            tensor = file.get_tensor("tensor")
            # a file that another program wrote has no metadata at all
            is_sound = (file.metadata() or {}).get("sha256") == fingerprint(tensor)
    except (OSError, SafetensorError):
        return None
    return tensor if is_sound else None


def write_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write a safetensors file to a temporary place beside ``path``, then move it in one step.

    Parameters
    ----------
    tensors : dict of str to torch.Tensor
        What the file holds, by name.
    path : pathlib.Path
        Where it goes; a file that is there is replaced.
    metadata : dict of str to str
        Texts that the file carries along.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written; the message names the file, and no half
        of it stays.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: make the folder {path.parent} first")
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata=metadata)
        Path(temporary).replace(path)
    except (OSError, SafetensorError) as error:  # the second is what a full disk gives
        raise OSError(
            f"cannot write {path} ({error}); free space there, or give another folder "
            "(for the cache: set COURSE_CACHE_DIR)"
        ) from error
    finally:
        Path(temporary).unlink(missing_ok=True)
