"""Typical wrong answers to the exercises of lesson 02, and its open solution on small data."""

from copy import deepcopy
from functools import partial

import torch
from authoring import assert_named, assert_right, run_cell
from scipy.optimize import minimize_scalar
from toys import Net, make_samples, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.data.tasks import Task
from course_utils.exercises.checks.exercise import State
from course_utils.exercises.loss_plus_regularization import easy, medium, open_ended
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import repeat
from course_utils.objectives.base import Batch
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.regularizers import L2, L2SP
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

X, Y, W, W0, LAMBDA = [1, 2, 3], [3, 2, 5], 2, 6, 0.1  # as the question gives them


def mean_loss(half=0.5):
    return sum(half * (y - W * x) ** 2 for x, y in zip(X, Y, strict=True)) / len(X)


def pull(half=0.5, source=W0, power=2):
    return half * abs(W - source) ** power


def test_mistakes_in_the_easy_one_are_named():
    mistakes = [
        (mean_loss(half=1) + LAMBDA * pull(), "Your loss is twice too large"),
        (len(X) * mean_loss() + LAMBDA * pull(), "You added the losses"),
        (len(X) * mean_loss(half=1) + LAMBDA * pull(), "and 1/n before the sum makes it a mean"),
        (mean_loss() + LAMBDA * pull(half=1), "Your R is twice too large"),
        (mean_loss(half=1) + LAMBDA * pull(half=1), "Both halves are missing"),
        (mean_loss() + LAMBDA * pull(source=0), "You pulled towards 0"),
        (mean_loss() + LAMBDA * pull(half=1, power=1), "not squared yet"),
        (mean_loss() + pull(), "multiply it by lambda"),
        (LAMBDA * (mean_loss() + pull()), "not the loss"),
        (mean_loss(), "the mean loss alone"),
        (LAMBDA * pull(), "lambda times R alone"),
        (mean_loss() + LAMBDA * pull() / len(X), "R looks at the weight, once"),
        (mean_loss() - LAMBDA * pull(), "You subtracted"),
        ("1.8", "without quotation marks"),
        (1.7, "is too small"),
    ]
    assert_named(easy, mistakes)


def test_objective_of_the_package_gives_the_right_number():
    """Second implementation, on the numbers of the question."""
    model, source = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
    torch.nn.init.constant_(model.weight, W)
    torch.nn.init.constant_(source.weight, W0)
    inputs, labels = torch.tensor(X, dtype=torch.float)[:, None], torch.tensor(Y)
    objective = SquaredError() + LAMBDA * L2SP(source, prefix="")
    total = objective.total(objective.values(Batch(model, inputs, labels, model(inputs))))
    assert_right(easy, total)


def search_with_steps(a, w0, lam):
    w = w0
    for _ in range(200):
        w -= 0.1 * ((w - a) + lam * (w - w0))
    return w


def search_on_a_grid(a, w0, lam):
    grid = [i / 2 for i in range(-20, 20)]
    return min(grid, key=lambda w: (w - a) ** 2 + lam * (w - w0) ** 2)


def test_mistakes_in_the_medium_one_are_named():
    mistakes = [
        (lambda a, w0, lam: (lam * a + w0) / (1 + lam), "Is it lambda that weighs w0"),
        (lambda a, w0, lam: (a + w0) / 2, "With lambda = 0 nothing pulls"),
        (lambda a, w0, lam: (a + lam * w0) / lam, "It divides by zero"),
        (lambda a, w0, lam: a + lam * w0, "divide by their sum"),
        (lambda a, w0, lam: (1 - lam) * a + lam * w0, "The weights of the mean are 1 and lambda"),
        (lambda a, w0, lam: (a + lam / 2 * w0) / (1 + lam / 2), "weights of the mean are 1 and"),
        (lambda a, w0, lam: a, "this is ordinary shrinkage"),
        (lambda a, w0, lam: a / (1 + lam), "Is w0 in your sum"),
        (lambda a, w0, lam: (a - lam * w0) / (1 + lam), "with a plus before it"),
        (lambda a, w0, lam: (a + lam * w0) // (1 + lam), "use /, not //"),
        (lambda a, w0, lam: round((a + lam * w0) / (1 + lam)), "Do not round"),
        (search_with_steps, "a search with steps"),
        (search_on_a_grid, "or a grid fails here"),
        (lambda a, w0, lam: max(0, (a + lam * w0) / (1 + lam)), "cut nothing off at zero"),
        (lambda a, w0, lam: abs(a + lam * w0) / (1 + lam), "keep the sign"),
        (lambda a, w0: a, "another number of inputs"),
        (1.5, "a function is asked"),
    ]
    assert_named(medium, mistakes)


def test_a_numerical_minimiser_counts():
    """Second implementation: Brent's method of SciPy."""

    def found_by_scipy(a, w0, lam):
        return minimize_scalar(lambda w: (w - a) ** 2 / 2 + lam / 2 * (w - w0) ** 2).x

    assert_right(medium, found_by_scipy)


def small_high():
    """Return a task with five classes and the sizes that the open exercise needs."""
    samples = make_samples(190, num_classes=5)
    parts = [samples.select(part) for part in torch.arange(190).split([30, 150, 10])]
    return Task("small task", tuple("56789"), *parts, "none", "none", "random numbers")


def fine_tune(objective, few, seed, source_model):
    """Fine-tune as the lesson does, with less to compute."""
    model = deepcopy(source_model)
    torch.manual_seed(seed)
    model.head.reset_parameters()
    fit(model, few, objective, num_epochs=30, learning_rate=0.1, seed=seed)
    return model


def test_open_solution_of_the_notebook_compares_two_objectives_and_nothing_else():
    source_model, high, calls = Net(num_classes=5), small_high(), []

    def recorded(objective, few, seed):
        calls.append((repr(objective), few.indices.tolist(), seed))
        return fine_tune(objective, few, seed, source_model)

    def recorded_evaluate(model, samples):
        assert samples is high.validation
        return evaluate(model, samples)

    names = {
        **{"high": high, "source_model": source_model, "fine_tune": recorded},
        **{"evaluate": recorded_evaluate, "CrossEntropy": CrossEntropy, "L2": L2, "L2SP": L2SP},
        "Draws": Draws,
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }
    assert run_cell(open_ended, "solution", names).state is State.RIGHT
    own, plain = calls[::2], calls[1::2]
    combined = "CrossEntropy() + 0.01 * L2SP(source_model) + 0.01 * L2(prefix='head.')"
    assert {text for text, *_ in plain} == {"CrossEntropy()"}
    assert {text for text, *_ in own} == {combined}
    assert [rest for _, *rest in plain] == [rest for _, *rest in own]
    assert [seed for *_, seed in plain] == [0, 1, 2, 3, 4]
    assert len({tuple(indices) for _, indices, _ in plain}) == 5  # a draw for each seed
