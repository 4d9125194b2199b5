"""Tests of the exercises of lesson 02: right, untouched and typical wrong answers."""

import ast
import builtins
import inspect
from copy import deepcopy
from functools import partial
from pathlib import Path
from symtable import symtable

import pytest
import torch
from authoring import find_faults, run_solution
from lesson import Lesson, python_tree, tags
from scipy.optimize import minimize_scalar
from toys import Net, make_samples, one_thread  # noqa: F401, a fixture is used by its name

from course_utils.data.tasks import Task
from course_utils.exercises.loss_plus_regularization import easy, medium, open_ended
from course_utils.experiments.results import Results
from course_utils.experiments.runs import repeat
from course_utils.objectives.base import Batch
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.regularizers import L1, L2, L2SP
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_loss_plus_regularization.ipynb"
X, Y, W, W0, LAMBDA = [1, 2, 3], [3, 2, 5], 2, 6, 0.1  # as the question gives them


def mean_loss(half=0.5):
    return sum(half * (y - W * x) ** 2 for x, y in zip(X, Y, strict=True)) / len(X)


def pull(half=0.5, source=W0, power=2):
    return half * abs(W - source) ** power


EASY_MISTAKES = [
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
    ((len(X) * mean_loss() + LAMBDA * pull()) / len(X), "R looks at the weight, once"),
    (mean_loss() - LAMBDA * pull(), "You subtracted"),
]


class TestEasy:
    def test_is_sound(self):
        wrong = [*EASY_MISTAKES, ("1.8", "without quotation marks"), (1.7, "is too small")]
        assert find_faults(easy, wrong) == []

    def test_no_two_mistakes_give_the_same_number(self):
        """Otherwise one of them would get the text of the other."""
        texts = {}
        for value, words in EASY_MISTAKES:
            texts.setdefault(round(value, 3), set()).add(words)
        assert {value: found for value, found in texts.items() if len(found) > 1} == {}

    def test_package_gives_the_same_number(self):
        """Second implementation: the objective of the package on the numbers of the question."""
        model, source = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
        torch.nn.init.constant_(model.weight, W)
        torch.nn.init.constant_(source.weight, W0)
        inputs, labels = torch.tensor(X, dtype=torch.float)[:, None], torch.tensor(Y)
        objective = SquaredError() + LAMBDA * L2SP(source, prefix="")
        total = objective.total(objective.values(Batch(model, inputs, labels, model(inputs))))
        assert easy.judge_answer(total).text == easy.why

    def test_question_holds_the_numbers_that_the_tests_use(self):
        for words in ("$x = 1, 2, 3$", "$y = 3, 2, 5$", "$w = 2$", "$w_0 = 6$", "\\lambda = 0.1$"):
            assert words in easy.question


def weights_swapped(answer_of_data, w0, lam):
    return (lam * answer_of_data + w0) / (1 + lam)


def plain_mean(answer_of_data, w0, lam):
    return (answer_of_data + w0) / 2


def divided_by_lambda(answer_of_data, w0, lam):
    return (answer_of_data + lam * w0) / lam


def not_divided(answer_of_data, w0, lam):
    return answer_of_data + lam * w0


def weights_without_sum_one(answer_of_data, w0, lam):
    return (1 - lam) * answer_of_data + lam * w0


def half_lambda(answer_of_data, w0, lam):
    return (answer_of_data + lam / 2 * w0) / (1 + lam / 2)


def answer_of_data_alone(answer_of_data, w0, lam):
    return answer_of_data


def source_ignored(answer_of_data, w0, lam):
    return answer_of_data / (1 + lam)


def wrong_sign(answer_of_data, w0, lam):
    return (answer_of_data - lam * w0) / (1 + lam)


def whole_numbers(answer_of_data, w0, lam):
    return (answer_of_data + lam * w0) // (1 + lam)


def rounded(answer_of_data, w0, lam):
    return round((answer_of_data + lam * w0) / (1 + lam))


def search_with_steps(answer_of_data, w0, lam):
    w = w0
    for _ in range(200):
        w -= 0.1 * ((w - answer_of_data) + lam * (w - w0))
    return w


def search_on_a_grid(answer_of_data, w0, lam):
    grid = [i / 2 for i in range(-20, 20)]
    return min(grid, key=lambda w: (w - answer_of_data) ** 2 + lam * (w - w0) ** 2)


def cut_off_at_zero(answer_of_data, w0, lam):
    return max(0, (answer_of_data + lam * w0) / (1 + lam))


def without_sign(answer_of_data, w0, lam):
    return abs(answer_of_data + lam * w0) / (1 + lam)


def found_by_scipy(answer_of_data, w0, lam):
    def objective(w):
        return (w - answer_of_data) ** 2 / 2 + lam / 2 * (w - w0) ** 2

    return minimize_scalar(objective).x


def untouched(answer_of_data, w0, lam):
    return ...


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (weights_swapped, "Is it lambda that weighs w0"),
            (plain_mean, "With lambda = 0 nothing pulls"),
            (divided_by_lambda, "It divides by zero"),
            (not_divided, "divide by their sum"),
            (weights_without_sum_one, "The weights of the mean are 1 and lambda"),
            (half_lambda, "The weights of the mean are 1 and lambda"),
            (answer_of_data_alone, "this is ordinary shrinkage"),
            (source_ignored, "Is w0 in your sum"),
            (wrong_sign, "with a plus before it"),
            (whole_numbers, "use /, not //"),
            (rounded, "Do not round"),
            (search_with_steps, "a search with steps"),
            (search_on_a_grid, "or a grid fails here"),
            (cut_off_at_zero, "cut nothing off at zero"),
            (without_sign, "keep the sign"),
            (lambda a, w0: a, "another number of inputs"),
            (1.5, "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched]) == []

    def test_expected_numbers_are_those_of_a_numerical_minimiser(self):
        """Second implementation: Brent's method of SciPy."""
        assert medium.judge_answer(found_by_scipy).text == medium.why

    def test_numpy_and_torch_answers_count(self):
        def as_tensor(answer_of_data, w0, lam):
            total = torch.tensor(answer_of_data + lam * w0, dtype=torch.float64)
            return total / (1 + lam)

        assert medium.judge_answer(as_tensor).text == medium.why


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


def table_of(code):
    """Return which names a piece of Python sets and uses, by Python's own compiler."""
    return symtable(code, "code", "exec")


def names_set(code):
    """Return the names that a piece of code assigns, defines or imports at its top level."""
    names = table_of(code).get_symbols()
    return {name.get_name() for name in names if name.is_assigned() or name.is_imported()}


def names_needed(code):
    """Return the names that a piece of code uses and does not set, also inside its functions."""
    tables = [table_of(code)]
    for table in tables:
        tables += table.get_children()
    used = {
        name.get_name()
        for table in tables
        for name in table.get_symbols()
        if name.is_global() and name.is_referenced()
    }
    return used - names_set(code) - set(dir(builtins))


def code_above_the_open_exercise():
    """Return the code of the lesson that comes before the open exercise, without other exercises.

    A reader may solve one exercise and not the others.
    """
    cells = Lesson.read(NOTEBOOK).code_cells
    last = next(n for n, cell in enumerate(cells) if "open_ended.check" in cell.source)
    own = [cell for cell in cells[:last] if not {"exercise", "solution"} & set(tags(cell))]
    return [node for cell in own for node in python_tree(cell).body]


@pytest.fixture(scope="module")
def names():
    """Return what the notebook has defined above the open exercise."""
    source_model = Net(num_classes=5)
    return {
        "high": small_high(),
        "source_model": source_model,
        "fine_tune": partial(fine_tune, source_model=source_model),
        "evaluate": evaluate,
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
        **{"CrossEntropy": CrossEntropy, "L1": L1, "L2": L2, "L2SP": L2SP},
    }


class TestOpen:
    def test_is_sound(self, names):
        one_seed = {("plain", 5): 0.7, ("elastic net", 5): 0.8}
        wrong = [
            ({("plain", 5): 0.7}, "Give what repeat(...) returns"),
            (CrossEntropy() + 0.1 * L2(), "Give what repeat(...) returns"),
            (Results([one_seed] * 4), "There are 4 seeds"),
            (Results([{("elastic net", 5): 0.8}] * 5), "one arm only"),
            (Results([{("plain", 5): 0.7, ("elastic net", 20): 0.8}] * 5), "share no size"),
            (Results([{("a", 5): 0.6, ("b", 5): 0.6}] * 5), "did both run the same code"),
        ]
        assert find_faults(open_ended, wrong, names=names) == []

    def test_lesson_has_all_names_that_the_solution_uses(self, names):
        defined = names_set(ast.unparse(ast.Module(code_above_the_open_exercise(), [])))
        needed = names_needed(open_ended.solution_code)
        assert {"fine_tune", "source_model", "high", "repeat"} <= needed  # or nothing is checked
        assert needed - defined == set()
        assert set(names) - defined == set()  # the stand-ins of these tests have the same names

    def test_stand_in_takes_what_the_function_of_the_lesson_takes(self):
        (own,) = [
            node
            for node in code_above_the_open_exercise()
            if isinstance(node, ast.FunctionDef) and node.name == "fine_tune"
        ]
        theirs = [argument.arg for argument in own.args.args]
        assert theirs == list(inspect.signature(fine_tune).parameters)[:3]

    def test_arms_of_the_solution_differ_in_the_objective_only(self, names):
        calls = []

        def recorded(objective, few, seed):
            calls.append((repr(objective), few.indices.tolist(), seed))
            return names["fine_tune"](objective, few, seed)

        run_solution(open_ended, {**names, "fine_tune": recorded})
        plain, own = calls[::2], calls[1::2]
        combined = "CrossEntropy() + 0.01 * L2SP(source_model) + 0.01 * L2(prefix='head.')"
        assert {text for text, *_ in plain} == {"CrossEntropy()"}
        assert {text for text, *_ in own} == {combined}
        assert [rest for _, *rest in plain] == [rest for _, *rest in own]
        assert [seed for *_, seed in plain] == [0, 1, 2, 3, 4]
        assert len({tuple(indices) for _, indices, _ in plain}) == 5  # a draw for each seed

    def test_solution_measures_on_validation_samples(self, names):
        measured = []

        def recorded(model, samples):
            measured.append(samples)
            return evaluate(model, samples)

        run_solution(open_ended, {**names, "evaluate": recorded})
        assert len(measured) == 10
        assert all(samples is names["high"].validation for samples in measured)

    def test_elastic_net_of_the_hint_makes_weights_smaller(self, names):
        elastic_net = CrossEntropy() + 0.01 * L1() + 0.01 * L2()
        few = names["high"].few_shot(5, 0).train
        tuned = names["fine_tune"](elastic_net, few, 0)
        plain = names["fine_tune"](CrossEntropy(), few, 0)
        assert L1().value(Batch(tuned, *[None] * 3)) < L1().value(Batch(plain, *[None] * 3))
