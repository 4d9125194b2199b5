"""Exercises of the lessons: one module per notebook."""

from course_utils.exercises.checks.exercise import Exercise

__all__ = ["Exercise"]
