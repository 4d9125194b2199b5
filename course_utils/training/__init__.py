"""Minimise an objective, and measure what came of it."""

from course_utils.training.batches import epochs_for
from course_utils.training.boosting import TrAdaBoost
from course_utils.training.evaluation import evaluate, latency
from course_utils.training.history import History, TrainingDivergedError
from course_utils.training.loop import fit, linear_probe
from course_utils.training.metrics import Metrics, compute_metrics

__all__ = [
    "History",
    "Metrics",
    "TrAdaBoost",
    "TrainingDivergedError",
    "compute_metrics",
    "epochs_for",
    "evaluate",
    "fit",
    "linear_probe",
    "latency",
]
