"""Exercises of the lessons: one module per notebook, with judges, hints and why it matters.

Questions and solutions stand in the notebooks, and only there.
"""

from course_utils.exercises.checks.exercise import Exercise

__all__ = ["Exercise"]
