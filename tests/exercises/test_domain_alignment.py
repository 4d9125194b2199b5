"""Typical wrong answers to the exercises of lesson 05, and its open solution on small data."""

from functools import partial

import torch
from authoring import assert_named, assert_right, run_cell
from toys import Net, make_task, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.exercises.checks.exercise import State
from course_utils.exercises.domain_alignment import easy, medium, open_ended
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import repeat
from course_utils.objectives.alignment import MMD
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit


def test_mistakes_in_the_easy_one_are_named():
    error = 0.15
    mistakes = [
        (1 - 2 * error, "twice as much"),
        (1 - error, "the share of right answers"),
        (2 * (1 - error), "and it has to be 0"),
        (2 * error, "That is 2 e"),
        (4 * error, "That is 4 e"),
        (error, "the error e itself"),
        (-4 * error, "The sign is wrong"),
        (2 * (1 - 2 * 50 / 400), "counts all 400 samples alike"),
        (2 * (1 - 2 * 0.1), "the error on the source alone"),
        (2 * (1 - 2 * 0.2), "the error on the target alone"),
        (2 * (1 - 2 * 2 * error), "are added here"),
        ("1.4", "without quotation marks"),
        (1.9, "is too large"),
    ]
    assert_named(easy, mistakes)


def test_mistakes_in_the_medium_one_are_named():
    mistakes = [
        (lambda s, t: (s.mean(0) - t.mean(0)).norm(), "subtract the means, not the rows, and squ"),
        (lambda s, t: (s.mean(0) - t.mean(0)).square().mean(), "Do not average them"),
        (lambda s, t: (s.mean(0) - t.mean(0)).abs().sum(), "and square"),
        (lambda s, t: (s - t[:1]).square().sum(1).mean(), "subtract the means, not the rows"),
        (lambda s, t: (s.mean() - t.mean()).square(), "Add the squares over the features"),
        (lambda s, t: (s.sum(0) - t.sum(0)).square().sum() / len(s) ** 2, "numbers of rows"),
        (lambda s, t: (s.mean(0) - t.mean(0)).square(), "returns [9.0], but 9.0"),  # not summed
        (lambda s, t: (s.mean(1)[: len(t)] - t.mean(1)[: len(s)]).square().sum(), "are 1 and 4"),
        (lambda source: source, "another number of inputs"),
        (torch.zeros(2), "a function is asked"),
    ]
    assert_named(medium, mistakes)


def test_the_mean_of_a_linear_kernel_counts():
    """Second implementation: mean K_SS + mean K_TT - 2 mean K_ST."""

    def by_kernel(source, target):
        pairs = ((source, source, 1), (target, target, 1), (source, target, -2))
        return sum(factor * (x @ y.T).mean() for x, y, factor in pairs)

    assert_right(medium, by_kernel)


def train_network(source, objective, seed, num_steps):
    model = Net()
    fit(model, source.train, objective, num_epochs=num_steps // 100, seed=seed)
    return model


def test_open_solution_of_the_notebook_is_a_fair_comparison():
    """On small data its reading need not be right: here another one may be asked for."""
    names = {
        "digit_tasks": lambda seed: (make_task(seed), make_task(seed)),
        "train_network": train_network,
        **{
            "MMD_LAMBDA": 1.0,
            "FEWER_SEEDS": range(5),
            "SPLITS": Draws.splits(train=0.6, test=0.25),
        },
        **{"MMD": MMD, "CrossEntropy": CrossEntropy, "evaluate": evaluate},
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }
    feedback = run_cell(open_ended, "solution", names)
    assert feedback.state is State.RIGHT or "'all' minus '20' is" in feedback.text
