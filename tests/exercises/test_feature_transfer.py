"""Tests of the exercises of lesson 03: right, untouched and typical wrong answers."""

from functools import partial

import numpy as np
import pytest
import torch
from authoring import find_faults, run_solution
from sklearn.preprocessing import StandardScaler
from toys import make_samples, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.data.images import load_solar_cells
from course_utils.data.tasks import Task
from course_utils.exercises.feature_transfer import easy, medium, open_ended
from course_utils.experiments.results import Results
from course_utils.experiments.runs import repeat
from course_utils.features.extraction import feature_task
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import linear_probe

BACKBONE, HEAD, EPOCHS = 10, 0.1, 50  # as the question gives them
WITHOUT = sum(BACKBONE + HEAD for _ in range(EPOCHS))
STORED = BACKBONE + sum(HEAD for _ in range(EPOCHS))

EASY_MISTAKES = [
    (EPOCHS * BACKBONE / BACKBONE, "Some time of the head is missing"),
    (WITHOUT / (BACKBONE + HEAD), "Some time of the head is missing"),
    (EPOCHS * BACKBONE / STORED, "The head trains in each epoch without storing too"),
    ((EPOCHS * BACKBONE + HEAD) / STORED, "The head trains in each epoch without storing too"),
    (WITHOUT / BACKBONE, "Stored features still need a head"),
    (WITHOUT / (EPOCHS * HEAD), "The features must be computed once"),
    ((BACKBONE + HEAD) / HEAD, "The features must be computed once"),
    (EPOCHS * BACKBONE / (EPOCHS * HEAD), "Two times are missing"),
    (STORED / WITHOUT, "upside down"),
    (WITHOUT - STORED, "A ratio is asked"),
    ((WITHOUT - STORED) / STORED, "time saved per second"),
    (1 - STORED / WITHOUT, "the share of the time"),
    (WITHOUT, "the time without storing, in seconds"),
    (STORED, "the time with storing, in seconds"),
]


class TestEasy:
    def test_is_sound(self):
        wrong = [*EASY_MISTAKES, ("33.7", "without quotation marks"), (34, "is too large")]
        assert find_faults(easy, wrong) == []

    def test_no_two_mistakes_lie_within_the_tolerance_of_each_other(self):
        """Otherwise one of them would get the text of the other."""
        near = [
            (words, other)
            for first, words in EASY_MISTAKES
            for second, other in EASY_MISTAKES
            if words != other and abs(first - second) <= 0.05
        ]
        assert near == []

    @pytest.mark.parametrize("rounded", [33.7, 33.67, 33.667, WITHOUT / STORED])
    def test_rounded_answers_count(self, rounded):
        assert easy.judge_answer(rounded).text == easy.why

    def test_question_holds_the_numbers_that_the_tests_use(self):
        for words in (f"in {BACKBONE} seconds", f"takes {HEAD} seconds", f"{EPOCHS} epochs"):
            assert words in easy.question


def own_statistics(features, reference):
    return (features - features.mean(0)) / features.std(0)


def own_mean(features, reference):
    return (features - features.mean(0)) / reference.std(0)


def own_deviation(features, reference):
    return (features - reference.mean(0)) / features.std(0)


def arguments_swapped(features, reference):
    return own_statistics(reference, features)


def own_statistics_in_numpy(features, reference):
    features = features.numpy()
    return (features - features.mean(0)) / features.std(0)


def one_number_for_all_columns(features, reference):
    return (features - reference.mean()) / reference.std()


def one_deviation_for_all_columns(features, reference):
    return (features - reference.mean(0)) / reference.std()


def one_mean_for_all_columns(features, reference):
    return (features - reference.mean()) / reference.std(0)


def not_divided(features, reference):
    return features - reference.mean(0)


def divided_by_variance(features, reference):
    return (features - reference.mean(0)) / reference.var(0)


def multiplied(features, reference):
    return (features - reference.mean(0)) * reference.std(0)


def not_shifted(features, reference):
    return features / reference.std(0)


def mean_added(features, reference):
    return (features + reference.mean(0)) / reference.std(0)


def one_number_per_row(features, reference):
    return (features - reference.mean(1, keepdim=True)) / reference.std(1, keepdim=True)


def wrong_axis(features, reference):
    return (features - reference.mean(1)) / reference.std(1)


def untouched(features, reference):
    return ...


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (own_statistics, "both come from `reference`"),
            (own_mean, "both come from `reference`"),
            (own_deviation, "both come from `reference`"),
            (arguments_swapped, "both come from `reference`"),
            (own_statistics_in_numpy, "both come from `reference`"),
            (one_number_for_all_columns, "not one for all columns"),
            (one_deviation_for_all_columns, "not one for all columns"),
            (one_mean_for_all_columns, "Subtract from each column its own mean"),
            (not_shifted, "Subtract from each column its own mean"),
            (mean_added, "Subtract from each column its own mean"),
            (not_divided, "not leaving that out"),
            (divided_by_variance, "not by the variance"),
            (multiplied, "Divide each by its standard deviation"),
            (one_number_per_row, "or one per row"),
            (wrong_axis, "shapes or devices differ"),
            (lambda features: features, "another number of inputs"),
            (torch.zeros(2), "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched]) == []

    def test_expected_numbers_are_those_of_scikit_learn(self):
        """Second implementation; it divides by n, and that counts as well as n - 1."""

        def by_scikit_learn(features, reference):
            return StandardScaler().fit(reference.numpy()).transform(features.numpy())

        assert medium.judge_answer(by_scikit_learn).text == medium.why

    def test_number_by_number_in_a_list_counts(self):
        """Second implementation with n - 1, in NumPy, without broadcasting."""

        def by_hand(features, reference):
            columns = zip(features.T.numpy(), reference.T.numpy(), strict=True)
            return np.array([(f - r.mean()) / r.std(ddof=1) for f, r in columns]).T.tolist()

        assert medium.judge_answer(by_hand).text == medium.why

    def test_n_in_one_row_and_n_minus_1_in_another_does_not_count(self):
        def mixed(features, reference):
            correction = 0 if features.equal(reference) else 1
            return (features - reference.mean(0)) / reference.std(0, correction=correction)

        assert medium.judge_answer(mixed).text != medium.why


def load_toys(kind, *, size, split_seed):
    """Return a task whose samples lie in the first half of the table (mono) or in the second."""
    samples = make_samples(120, seed=0)
    start = {"mono": 0, "poly": 60}[kind]
    drawn = torch.randperm(60, generator=torch.Generator().manual_seed(split_seed)) + start
    parts = [samples.select(part) for part in drawn.split([30, 20, 10])]
    return Task(f"toy {kind}", ("0", "1"), *parts, "none", "none", "random numbers")


@pytest.fixture(scope="module")
def names():
    """Return what the notebook has defined above the open exercise."""
    table = make_samples(120, seed=0).inputs
    noisy = table + torch.randn(120, 4, generator=torch.Generator().manual_seed(1))
    return {
        "tables": {"ImageNet": {"stage3": noisy, "last": table}},
        "load_solar_cells": load_toys,
        "linear_probe": linear_probe,
        "feature_task": feature_task,
        "evaluate": evaluate,
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
        **{"CrossEntropy": CrossEntropy, "L2": L2, "PROBE_LAMBDA": 0.01},
    }


class TestOpen:
    def test_is_sound(self, names):
        one_seed = {("stage3", 30): 0.7, ("last", 30): 0.8}
        wrong = [
            ({("stage3", 30): 0.7}, "Give what repeat(...) returns"),
            ("stage3", "Give what repeat(...) returns"),
            (Results([one_seed] * 4), "There are 4 seeds"),
            (Results([{("last", 30): 0.8}] * 5), "one arm only"),
            (Results([{("stage3", 30): 0.7, ("last", 20): 0.8}] * 5), "share no size"),
            (Results([{("a", 30): 0.6, ("b", 30): 0.6}] * 5), "did both run the same code"),
        ]
        assert find_faults(open_ended, wrong, names=names) == []

    def test_solution_learns_on_mono_and_measures_on_poly_validation_samples(self, names):
        learnt, measured = [], []

        def recorded_probe(samples, objective, *, num_classes):
            learnt.append(samples.indices.tolist())
            return linear_probe(samples, objective, num_classes=num_classes)

        def recorded_evaluate(head, samples):
            measured.append(samples.indices.tolist())
            return evaluate(head, samples)

        recorders = {"linear_probe": recorded_probe, "evaluate": recorded_evaluate}
        run_solution(open_ended, {**names, **recorders})
        splits = [seed for seed in range(5) for _ in range(2)]  # two stages for each seed
        mono = [load_toys("mono", size=8, split_seed=seed) for seed in splits]
        poly = [load_toys("poly", size=8, split_seed=seed) for seed in splits]
        assert learnt == [task.train.indices.tolist() for task in mono]
        assert measured == [task.validation.indices.tolist() for task in poly]

    def test_arms_of_the_solution_differ_in_the_stage_only(self, names):
        used, objectives = [], []

        def recorded_task(task, table):
            used.append(next(k for k, v in names["tables"]["ImageNet"].items() if v is table))
            return feature_task(task, table)

        def recorded_probe(samples, objective, *, num_classes):
            objectives.append(repr(objective))
            return linear_probe(samples, objective, num_classes=num_classes)

        recorders = {"feature_task": recorded_task, "linear_probe": recorded_probe}
        run_solution(open_ended, {**names, **recorders})
        assert used == ["stage3", "stage3", "last", "last"] * 5
        assert set(objectives) == {"CrossEntropy() + 0.01 * L2()"}

    def test_solution_runs_with_the_real_function_for_solar_cells(self, names):
        """The toys take the same arguments, and the size is the same in each split."""
        table = torch.randn(2624, 4, generator=torch.Generator().manual_seed(0))
        tables = {"ImageNet": {"stage3": table, "last": table.flip(0)}}
        real = {**names, "tables": tables, "load_solar_cells": load_solar_cells}
        assert run_solution(open_ended, real).text == open_ended.why
