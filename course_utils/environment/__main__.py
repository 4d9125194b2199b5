"""Print the check of the environment: ``python -m course_utils.environment``."""

import sys

from course_utils.environment.check import check_environment

if __name__ == "__main__":
    report = check_environment()
    print(report)
    sys.exit(not report.ok)
