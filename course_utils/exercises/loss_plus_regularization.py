"""Exercises of lesson 02."""

from functools import partial

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

# The mean loss is 1 and R is 8. Three samples and w0 = 6 are chosen such that each mistake gives
# a number of its own: with two samples a forgotten half looks like a sum instead of a mean, and
# with w0 = 2w a pull towards 0 looks like a pull towards w0.
_MISTAKES = [
    (2.8, "Your loss is twice too large: L is half the squared error."),
    (3.8, "You added the losses. The formula has 1/n before the sum: take their mean."),
    (6.8, "L is half the squared error, and 1/n before the sum makes it a mean."),
    (2.6, "Your R is twice too large: it is half the squared distance."),
    (3.6, "Both halves are missing: the one in L and the one in R."),
    (1.2, "You pulled towards 0. Here R is half the squared distance of w to w0."),
    (1.4, "The distance in R is not squared yet."),
    (9.0, "R counts fully in your answer: multiply it by lambda."),
    (0.9, "Lambda multiplies R only, not the loss."),
    (1.0, "That is the mean loss alone. Add lambda times R."),
    (0.8, "That is lambda times R alone. Add the mean loss."),
    (3.8 / 3, "1/n belongs to the loss only. R looks at the weight, once, not at each sample."),
    (0.2, "You subtracted lambda times R. Both parts are costs, so they are added."),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(answer, 1.8, tolerance=0.001, mistakes=_MISTAKES),
    hints=[
        "Two parts: the mean of three losses, and lambda times one number R.",
        "The predictions are 2, 4, 6. Square each error, take half of it, then the mean.",
        "The mean loss is (0.5 + 2 + 0.5) / 3 = 1. The weight is 4 away from w0.",
    ],
    why="Each objective of the course is computed like this: a mean over samples, plus a pull.",
)

_CASES = [
    Case(
        (3, 5, 0),
        3,
        "With lambda = 0 nothing pulls: what the data say is left. Is it lambda that weighs w0, "
        "and do the two weights of your mean add up to what you divide by?",
    ),
    Case(
        (6, 0, 2),
        2,
        "With w0 = 0 this is ordinary shrinkage. The weights of the mean are 1 and lambda: divide "
        "by their sum. (1 - lambda) cannot be a weight, since lambda may be larger than 1.",
    ),
    Case(
        (3, 3, 2),
        3,
        "Data and source agree here, so no lambda can move the answer. Is w0 in your sum, with a "
        "plus before it?",
    ),
    Case((1, 2, 1), 1.5, "Equal weights: the answer is halfway. Do not round, and use /, not //."),
    Case(
        (2, 10, 1e9),
        10,
        "A huge lambda leads to w0. Set the derivative to zero and solve for w; a search with "
        "steps or a grid fails here.",
    ),
    Case((-4, 2, 0.5), -2, "Weights may be negative: keep the sign, and cut nothing off at zero."),
]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(answer, _CASES),
    hints=[
        "At the smallest value the derivative with respect to w is zero.",
        "The derivative is (w - a) + lambda (w - w0). Collect the terms with w on one side.",
        "(1 + lambda) w = a + lambda w0: a weighted mean of what data and source say.",
    ],
    why="Biased regularisation is a weighted mean: the data weigh 1, the source weighs lambda.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "Objectives add up: `CrossEntropy() + 0.01 * L2SP(source_model)` pulls the backbone to w0.",
        "Write a function of the seed; give both arms the same `few` and the same seed.",
        "results = repeat(compare, range(5), draws=Draws.labels(pool=pool)); then read "
        ".difference(own, plain, 5): where do its two ends lie?",
    ],
    why="Two arms, the same labels and seeds, and a reading that follows from the interval.",
)
