"""Typical wrong answers to the exercises of lesson 03, and its open solution on small data."""

from functools import partial

import numpy as np
import pytest
import torch
from authoring import assert_named, assert_right, run_cell
from sklearn.preprocessing import StandardScaler
from toys import make_samples, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.data.images import load_solar_cells
from course_utils.data.tasks import Task
from course_utils.exercises.checks.exercise import State
from course_utils.exercises.feature_transfer import easy, medium, open_ended
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import repeat
from course_utils.features.extraction import feature_task
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import linear_probe

BACKBONE, HEAD, EPOCHS = 10, 0.1, 50  # as the question gives them
WITHOUT = sum(BACKBONE + HEAD for _ in range(EPOCHS))
STORED = BACKBONE + sum(HEAD for _ in range(EPOCHS))


def test_mistakes_in_the_easy_one_are_named():
    mistakes = [
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
        ("33.7", "without quotation marks"),
        (34, "is too large"),
    ]
    assert_named(easy, mistakes)


@pytest.mark.parametrize("rounded", [33.7, 33.67, WITHOUT / STORED])
def test_rounded_answers_count(rounded):
    assert_right(easy, rounded)


def standardise(x, by, mean=(0,), std=(0,)):
    """Scale x by the mean and the standard deviation of `by` over the given dimensions."""
    mean, std = by.mean(*mean), by.std(*std)
    return (x - mean) / std


def per_row(x, by):
    return (x - by.mean(1, keepdim=True)) / by.std(1, keepdim=True)


def n_in_one_row_and_n_minus_1_in_another(x, by):
    return (x - by.mean(0)) / by.std(0, correction=0 if x.equal(by) else 1)


def test_mistakes_in_the_medium_one_are_named():
    mistakes = [
        (lambda x, by: standardise(x, x), "both come from `reference`"),
        (lambda x, by: (x - x.mean(0)) / by.std(0), "both come from `reference`"),
        (lambda x, by: (x - by.mean(0)) / x.std(0), "both come from `reference`"),
        (lambda x, by: standardise(by, by), "both come from `reference`"),
        (lambda x, by: standardise(x.numpy(), x.numpy()), "both come from `reference`"),
        (partial(standardise, mean=(), std=()), "not one for all columns"),
        (partial(standardise, std=()), "not one for all columns"),
        (partial(standardise, mean=()), "Subtract from each column its own mean"),
        (lambda x, by: x / by.std(0), "Subtract from each column its own mean"),
        (lambda x, by: (x + by.mean(0)) / by.std(0), "Subtract from each column its own mean"),
        (lambda x, by: x - by.mean(0), "not leaving that out"),
        (lambda x, by: (x - by.mean(0)) / by.var(0), "not by the variance"),
        (lambda x, by: (x - by.mean(0)) * by.std(0), "Divide each by its standard deviation"),
        (n_in_one_row_and_n_minus_1_in_another, "both come from `reference`"),
        (per_row, "or one per row"),
        (partial(standardise, mean=(1,), std=(1,)), "shapes or devices differ"),
        (lambda features: features, "another number of inputs"),
        (torch.zeros(2), "a function is asked"),
    ]
    assert_named(medium, mistakes)


def by_scikit_learn(features, reference):
    """Divide by n, which counts as well as n - 1."""
    return StandardScaler().fit(reference.numpy()).transform(features.numpy())


def by_hand(features, reference):
    """Divide by n - 1, in NumPy, column by column without broadcasting; return a list."""
    columns = zip(features.T.numpy(), reference.T.numpy(), strict=True)
    return np.array([(f - r.mean()) / r.std(ddof=1) for f, r in columns]).T.tolist()


@pytest.mark.parametrize("answer", [by_scikit_learn, by_hand])
def test_other_implementations_count(answer):
    assert_right(medium, answer)


def load_toys(kind, *, size, split_seed):
    """Return a task whose samples lie in the first half of the table (mono) or in the second."""
    samples = make_samples(120, seed=0)
    start = {"mono": 0, "poly": 60}[kind]
    drawn = torch.randperm(60, generator=torch.Generator().manual_seed(split_seed)) + start
    parts = [samples.select(part) for part in drawn.split([30, 20, 10])]
    return Task(f"toy {kind}", ("0", "1"), *parts, "none", "none", "random numbers")


NAMES = {
    **{"linear_probe": linear_probe, "feature_task": feature_task, "evaluate": evaluate},
    **{"CrossEntropy": CrossEntropy, "L2": L2, "PROBE_LAMBDA": 0.01},
    "SPLITS": Draws.splits(train=0.6, test=0.25),
    # one process: starting workers would take longer than the work
    "repeat": partial(repeat, num_workers=1),
}


def test_open_solution_of_the_notebook_compares_stages_from_mono_to_poly_and_nothing_else():
    noise = torch.randn(120, 4, generator=torch.Generator().manual_seed(1))
    told = noise.clone()
    told[:, 0] += 5 * make_samples(120, seed=0).labels  # as in load_toys
    tables, used, learnt, measured = {"stem": told, "stage3": noise}, [], [], []

    def recorded_task(task, table):
        used.append(next(name for name, known in tables.items() if known is table))
        return feature_task(task, table)

    def recorded_probe(samples, objective, *, num_classes):
        assert repr(objective) == "CrossEntropy() + 0.01 * L2()"
        learnt.append(samples.indices.tolist())
        return linear_probe(samples, objective, num_classes=num_classes)

    def recorded_evaluate(head, samples):
        measured.append(samples.indices.tolist())
        return evaluate(head, samples)

    names = {
        **NAMES,
        **{"tables": {"ImageNet": tables}, "load_solar_cells": load_toys},
        **{"feature_task": recorded_task, "linear_probe": recorded_probe},
        "evaluate": recorded_evaluate,
    }
    assert run_cell(open_ended, "solution", names).state is State.RIGHT
    assert used == ["stem", "stem", "stage3", "stage3"] * 5
    splits = [seed for seed in range(5) for _ in tables]  # two stages for each seed
    mono = [load_toys("mono", size=8, split_seed=seed) for seed in splits]
    poly = [load_toys("poly", size=8, split_seed=seed) for seed in splits]
    assert learnt == [task.train.indices.tolist() for task in mono]
    assert measured == [task.validation.indices.tolist() for task in poly]


def test_open_solution_runs_with_the_real_function_for_solar_cells():
    """The toys take the same arguments, and what is read is a gain if the first stage has one."""
    noise = torch.randn(2624, 4, generator=torch.Generator().manual_seed(0))
    told = noise.clone()
    for part in load_solar_cells(size=8).parts.values():
        told[part.indices, 0] += part.labels
    names = {**NAMES, "load_solar_cells": load_solar_cells}
    verdicts = [
        run_cell(open_ended, "solution", names | {"tables": {"ImageNet": stages}})
        for stages in ({"stem": told, "stage3": noise}, {"stem": noise, "stage3": told})
    ]
    assert [verdict.state for verdict in verdicts] == [State.RIGHT, State.NOT_YET]
    assert "That is not 'shows a gain'" in verdicts[1].text
