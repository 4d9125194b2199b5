r"""The formula of the course as objects: terms that add and scale to an objective.

    min_w  1/n sum_i L(y_i, f_w(x_i))  +  lambda R(w)

``CrossEntropy() + 0.01 * L2SP(source_model)`` is such a sum. A term that compares outputs with
labels is an L, a term that looks at anything else is an R; a teacher's answers can be either. The
arithmetic is in `course_utils.objectives.base`.
"""

from course_utils.objectives.adversarial import DomainAdversarial, reverse_gradient
from course_utils.objectives.alignment import CORAL, MMD
from course_utils.objectives.base import Batch, Objective, Term
from course_utils.objectives.distillation import Distillation, Hint, distillation_loss, soften
from course_utils.objectives.fisher import EWC, fisher_information
from course_utils.objectives.forgetting import LearningWithoutForgetting
from course_utils.objectives.language import LanguageModelLoss, language_loss, pack_texts
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.regularizers import L1, L2, L2SP
from course_utils.objectives.teacher import answers_by_index

__all__ = [
    "CORAL",
    "EWC",
    "L1",
    "L2",
    "L2SP",
    "MMD",
    "Batch",
    "CrossEntropy",
    "Distillation",
    "DomainAdversarial",
    "Hint",
    "LanguageModelLoss",
    "LearningWithoutForgetting",
    "Objective",
    "SquaredError",
    "Term",
    "answers_by_index",
    "distillation_loss",
    "fisher_information",
    "language_loss",
    "reverse_gradient",
    "soften",
    "pack_texts",
]
