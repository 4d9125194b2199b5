"""Tests of the exercises of lesson 05: right, untouched and typical wrong answers."""

from functools import partial

import pytest
import torch
from authoring import find_faults, run_solution
from toys import Net, make_task, one_thread, unfair_comparisons  # noqa: F401, a fixture is used by its name

from course_utils.exercises.domain_alignment import easy, medium, open_ended
from course_utils.experiments.runs import repeat
from course_utils.objectives.alignment import MMD
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

ERROR = 0.15  # as the question gives it

EASY_MISTAKES = [
    (1 - 2 * ERROR, "twice as much"),
    (1 - ERROR, "the share of right answers"),
    (2 * (1 - ERROR), "and it has to be 0"),
    (2 * ERROR, "That is 2 e"),
    (4 * ERROR, "That is 4 e"),
    (ERROR, "the error e itself"),
    (-4 * ERROR, "The sign is wrong"),
]


class TestEasy:
    def test_is_sound(self):
        wrong = [*EASY_MISTAKES, ("1.4", "without quotation marks"), (1.9, "is too large")]
        assert find_faults(easy, wrong) == []

    def test_question_holds_the_number_that_the_tests_use(self):
        assert f"{ERROR:.0%}".replace("%", " %") in easy.question


def root(source, target):
    return (source.mean(0) - target.mean(0)).norm()


def averaged_over_features(source, target):
    return (source.mean(0) - target.mean(0)).square().mean()


def absolute(source, target):
    return (source.mean(0) - target.mean(0)).abs().sum()


def rows_subtracted(source, target):
    return (source - target[:1]).square().sum(1).mean()


def mean_of_all(source, target):
    return (source.mean() - target.mean()).square()


def wrong_axis(source, target):
    return (source.mean(1)[: len(target)] - target.mean(1)[: len(source)]).square().sum()


def not_summed(source, target):
    return (source.mean(0) - target.mean(0)).square()


def sums_compared(source, target):
    return (source.sum(0) - target.sum(0)).square().sum() / len(source) ** 2


def untouched(source, target):
    return ...


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (root, "subtract the means, not the rows, and square"),
            (averaged_over_features, "Do not average them"),
            (absolute, "and square"),
            (rows_subtracted, "subtract the means, not the rows"),
            (mean_of_all, "Add the squares over the features"),
            (sums_compared, "different numbers of rows"),
            (lambda source: source, "another number of inputs"),
            (torch.zeros(2), "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched]) == []

    @pytest.mark.parametrize("answer", [wrong_axis, not_summed])
    def test_other_wrong_answers_do_not_count(self, answer):
        assert medium.judge_answer(answer).text != medium.why

    def test_the_mean_of_a_linear_kernel_counts(self):
        """Second implementation: mean K_SS + mean K_TT - 2 mean K_ST."""

        def by_kernel(source, target):
            pairs = ((source, source, 1), (target, target, 1), (source, target, -2))
            return sum(factor * (x @ y.T).mean() for x, y, factor in pairs)

        assert medium.judge_answer(by_kernel).text == medium.why


@pytest.fixture(scope="module")
def names():
    """Return what the notebook has defined above the open exercise."""

    def digit_tasks(seed):
        task = make_task(seed)
        return task, task

    def train_network(source, objective, seed):
        model = Net()
        fit(model, source.train, objective, num_epochs=2, seed=seed)
        return model

    return {
        "digit_tasks": digit_tasks,
        "train_network": train_network,
        "MMD_LAMBDA": 1.0,
        "SEEDS": range(5),
        "MMD": MMD,
        "CrossEntropy": CrossEntropy,
        "evaluate": evaluate,
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }


class TestOpen:
    def test_solution_is_a_fair_comparison(self, names):
        assert run_solution(open_ended, names).text == open_ended.why

    def test_is_sound(self, names):
        wrong = unfair_comparisons("20", "all", 1)
        assert find_faults(open_ended, wrong, names=names) == []
