"""Exercises of lesson 02."""

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
    question="A model with one weight predicts $f_w(x) = w x$. Three samples: $x = 1, 2, 3$ and "
    "$y = 3, 2, 5$. The weight is $w = 2$, that of the source $w_0 = 6$. $L$ is half the squared "
    "error, $R(w) = \\frac{1}{2}(w - w_0)^2$, and $\\lambda = 0.1$. What is the objective?",
    judge=lambda answer: compare_numbers(answer, 1.8, tolerance=0.001, mistakes=_MISTAKES),
    hints=[
        "Two parts: the mean of three losses, and lambda times one number R.",
        "The predictions are 2, 4, 6. Square each error, take half of it, then the mean.",
        "The mean loss is (0.5 + 2 + 0.5) / 3 = 1. The weight is 4 away from w0.",
    ],
    solution="""
        inputs, labels = [1, 2, 3], [3, 2, 5]
        w, w0, lam = 2, 6, 0.1
        losses = [(y_i - w * x_i) ** 2 / 2 for x_i, y_i in zip(inputs, labels, strict=True)]
        answer = sum(losses) / len(losses) + lam * (w - w0) ** 2 / 2
    """,
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
    question="Write `minimum(answer_of_data, w0, lam)`: the one weight $w$ at which "
    "$\\frac{1}{2}(w - a)^2 + \\frac{\\lambda}{2}(w - w_0)^2$ is smallest. Here $a$ is "
    "`answer_of_data`, the weight that fits the data best, and $\\lambda \\geq 0$ is `lam`.",
    judge=lambda answer: try_function(answer, _CASES),
    hints=[
        "At the smallest value the derivative with respect to w is zero.",
        "The derivative is (w - a) + lambda (w - w0). Collect the terms with w on one side.",
        "(1 + lambda) w = a + lambda w0: a weighted mean of what data and source say.",
    ],
    solution="""
        def minimum(answer_of_data, w0, lam):
            return (answer_of_data + lam * w0) / (1 + lam)
    """,
    why="Biased regularisation is a weighted mean: the data weigh 1, the source weighs lambda.",
    answer_name="minimum",
)

open_ended = Exercise(
    "open",
    question="Write an objective of your own, for example L2-SP on the backbone plus L2 on the "
    "head, or the elastic net. Compare it with plain fine-tuning at 5 labels per class, on "
    "validation samples, with five seeds. Predict first.",
    judge=judge_comparison,
    hints=[
        "Objectives add up: `CrossEntropy() + 0.01 * L1() + 0.01 * L2()` is an elastic net.",
        "Write a function of the seed; give both arms the same `few` and the same seed.",
        "repeat(function, range(5)) runs it; print the result, and .difference(arm, other, size).",
    ],
    solution="""
        def compare(seed):
            few = high.few_shot(5, seed).train
            backbone_and_head = 0.01 * L2SP(source_model) + 0.01 * L2(prefix="head.")
            objectives = {
                "plain": CrossEntropy(),
                "backbone and head": CrossEntropy() + backbone_and_head,
            }
            scores = {}
            for name, objective in objectives.items():
                model = fine_tune(objective, few, seed)
                scores[name, 5] = evaluate(model, high.validation).accuracy
            return scores

        answer = repeat(compare, range(5))
    """,
    why="You wrote an objective as a sum, and measured it against having no regulariser at all.",
)
