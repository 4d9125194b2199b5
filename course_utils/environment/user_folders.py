"""Folders of the user's own: one for what is computed again, one for what is not."""

import os
from pathlib import Path


def user_folder(what: str, default: str, variable: str) -> Path:
    """Return a folder of the user's own, created if it does not exist.

    Parameters
    ----------
    what : str
        What to call it, in the message.
    default : str
        Where it is if nobody says otherwise.
    variable : str
        Name of the environment variable that says otherwise.

    Raises
    ------
    ValueError
        If the folder cannot be created.

    Examples
    --------
    >>> user_folder("folder of this example", ".", "NOBODY_SETS_THIS") == Path.cwd()
    True
    """
    folder = Path(os.environ.get(variable) or default).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"the {what} is {folder}, which cannot be made a folder ({error.strerror}); "
            f"set {variable} to a folder that you may write to."
        ) from error
    return folder
