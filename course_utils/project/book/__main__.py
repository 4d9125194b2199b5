"""`python -m course_utils.project.book site` (or slides, student): what is behind `make site`."""

import sys
from pathlib import Path

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
    """
    name, *files = arguments
    target = ROOT / "build" / name
    BUILDERS[name](target, [Path(file) for file in files])
    print(f"built: {target}")


if __name__ == "__main__":
    main(sys.argv[1:])
