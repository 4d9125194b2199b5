"""`python -m course_utils.project.book site` (or slides, student): what is behind `make site`."""

import sys
from pathlib import Path

from sphinx.errors import SphinxError

from course_utils.project.book.site import build_site
from course_utils.project.book.slides import build_slides
from course_utils.project.book.student import build_student
from course_utils.project.installation import ROOT

BUILDERS = {"site": build_site, "slides": build_slides, "student": build_student}


def main(arguments):
    """Build one of the folders of build/ and say where it is.

    Parameters
    ----------
    arguments : list of str
        "site", "slides" or "student", and the files of notebooks.

    Returns
    -------
    int
        0, or 1 if nothing was built; then one line says why.
    """
    name, *files = arguments
    target = ROOT / "build" / name
    try:
        BUILDERS[name](target, [Path(file) for file in files])
    except (SphinxError, ValueError) as error:
        print(f"Not built: {error}", file=sys.stderr)
        return 1
    print(f"built: {target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
