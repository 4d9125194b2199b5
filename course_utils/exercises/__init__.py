"""Exercises of the lessons: one module per notebook."""
