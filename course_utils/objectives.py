r"""The formula of the course as objects: terms that add and scale to an objective.

    min_w  1/n sum_i L(y_i, f_w(x_i))  +  lambda R(w)

``CrossEntropy() + 0.01 * L2SP(source_model)`` is such a sum. A term that compares outputs with
labels is an L (`course_utils.losses`), a term that looks at anything else is an R
(`course_utils.regularizers`). A teacher's answers can be either (`course_utils.distillation`).
Terms that compare the features of two domains are in `course_utils.alignment_terms`.
The arithmetic is in `course_utils.algebra`.
"""

from course_utils.algebra import Batch, Objective, Term
from course_utils.alignment_adversarial import DomainAdversarial
from course_utils.alignment_terms import CORAL, MMD
from course_utils.distillation import Distillation, Hint
from course_utils.losses import CrossEntropy, SquaredError
from course_utils.regularizers import L1, L2, L2SP

__all__ = [
    "CORAL",
    "L1",
    "L2",
    "L2SP",
    "MMD",
    "Batch",
    "CrossEntropy",
    "Distillation",
    "DomainAdversarial",
    "Hint",
    "Objective",
    "SquaredError",
    "Term",
]
