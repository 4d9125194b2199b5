"""Helper package of the transfer learning course: one module per subject."""

__version__ = "0.1.0"
