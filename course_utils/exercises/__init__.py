"""Exercises of the lessons: one module per notebook."""

from course_utils.exercises.base import Exercise

__all__ = ["Exercise"]
