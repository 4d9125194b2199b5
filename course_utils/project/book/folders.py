"""Folders that are built aside and appear only when they are complete; files of packages."""

import shutil
import tempfile
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

from course_utils.project.installation import ROOT

STATIC = Path(__file__).parent / "static"


@contextmanager
def built_aside(target):
    """Give an empty folder to fill; it takes the place of `target` if nothing is raised.

    Parameters
    ----------
    target : pathlib.Path
        Folder to build, or to build anew. After an error it is as it was.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as home:
    ...     with built_aside(Path(home) / "site") as folder:
    ...         _ = (folder / "index.html").write_text("Hello")
    ...     [path.name for path in Path(home).rglob("*")]
    ['site', 'index.html']
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=target.parent, prefix=f".{target.name}-", ignore_cleanup_errors=True
    ) as scratch:
        draft, old = Path(scratch) / "new", Path(scratch) / "old"
        draft.mkdir()
        yield draft
        if target.exists():
            target.rename(old)
        draft.rename(target)


def package_folder(name, ending):
    """Return the one folder of an installed package whose path ends so.

    Parameters
    ----------
    name : str
        As pip lists it.
    ending : str
        Such as "static/mathjax".

    Raises
    ------
    FileNotFoundError
        If no file of the package lies in such a folder.

    Examples
    --------
    >>> (package_folder("sphinx-mathjax-offline", "static/mathjax") / "tex-svg.js").is_file()
    True
    """
    package = distribution(name)
    for file in package.files or []:
        head, found, _ = file.as_posix().partition(f"{ending}/")
        if found:
            return Path(str(package.locate_file(head + ending)))
    raise FileNotFoundError(
        f"{name} has no folder {ending}: another version than that of requirements.lock is "
        "installed; run make setup."
    )


def copy_figures(folder):
    """Copy the drawings of the course into a folder, as its part `figures`.

    Parameters
    ----------
    folder : pathlib.Path
        Where notebooks, or what is made of them, look for drawings.
    """
    (folder / "figures").mkdir()
    for picture in sorted((ROOT / "figures").glob("*.png")):
        shutil.copy(picture, folder / "figures")


def copy_mathjax(folder):
    """Copy MathJax into a folder: one file that draws formulas without a font or a request.

    Parameters
    ----------
    folder : pathlib.Path
        Where the file `mathjax.js` will lie.
    """
    mathjax = package_folder("sphinx-mathjax-offline", "static/mathjax") / "tex-svg.js"
    shutil.copy(mathjax, folder / "mathjax.js")
