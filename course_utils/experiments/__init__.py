"""The same run over several seeds, and what may be claimed about it."""

from course_utils.experiments.benchmark import benchmark_results
from course_utils.experiments.claims import ClaimError, claim
from course_utils.experiments.corrections import holm
from course_utils.experiments.each import for_each
from course_utils.experiments.estimates import Draws, Estimate, estimate, paired_difference
from course_utils.experiments.guesses import compare_guess
from course_utils.experiments.methods import Method, MethodTable
from course_utils.experiments.results import Results
from course_utils.experiments.runs import RunError, repeat

__all__ = [
    "ClaimError",
    "Draws",
    "Estimate",
    "Method",
    "MethodTable",
    "Results",
    "RunError",
    "benchmark_results",
    "claim",
    "compare_guess",
    "estimate",
    "for_each",
    "holm",
    "paired_difference",
    "repeat",
]
