"""Helper package of the transfer learning course: one room per subject, a face for each.

environment <- data <- models <- features <- objectives <- training, experiments <- plotting,
exercises, audit <- transfer: each room imports from those before it only. `course_utils.project` is
for maintainers.
"""

__version__ = "0.1.0"
