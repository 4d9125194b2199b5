"""Tests of the exercises of lesson 11 and of its diagnoses."""

import copy
import re
from pathlib import Path

import pytest
import torch
from authoring import assert_named, find_cell
from lesson import Lesson
from toys import one_thread  # noqa: F401, a fixture is used by its name

from course_utils.data import Samples
from course_utils.exercises import bug_clinic
from course_utils.exercises.checks.exercise import State
from course_utils.exercises.diagnoses import DIAGNOSES, diagnose
from course_utils.experiments import Draws, repeat

LESSON = Lesson.read(Path(__file__).parents[2] / "notebooks" / "11_bug_clinic.ipynb")
TEXT = "\n".join(cell.source for cell in LESSON.cells)


def test_easy_mistakes_are_named():
    mistakes = [(0.5, "mean of the two batches"), (80, "share from 0 to 1"), (0.2, "wrong answers")]
    assert_named(bug_clinic.easy, mistakes)


def only_names(model):
    return [name for name, _ in model.named_buffers()]


def without_train(model):
    copied = copy.deepcopy(model)
    copied(torch.randn(4, 3))
    after = dict(copied.named_buffers())
    frozen = not model[1].weight.requires_grad
    return [n for n, b in model.named_buffers() if frozen and not torch.equal(b, after[n])]


def all_that_move(model):
    copied = copy.deepcopy(model).train()
    copied(torch.randn(4, 3))
    after = dict(copied.named_buffers())
    return [n for n, b in model.named_buffers() if not torch.equal(b, after[n])]


def test_medium_mistakes_are_named():
    mistakes = [
        (only_names, "everything learns"),
        (without_train, "call train() on your copy"),
        (all_that_move, "everything learns"),
        (lambda model: [], "its buffers move in training mode"),
    ]
    assert_named(bug_clinic.medium, mistakes)


def test_open_solution_of_the_notebook_is_a_fair_comparison(one_thread):  # noqa: F811
    _, cell = find_cell(bug_clinic.open_ended, "solution")
    inputs, labels = torch.rand(60, 4), torch.arange(60) % 2

    class Task:
        train = Samples(inputs, labels)

    def train_plainly(model, optimizer, samples):
        return 0.5 + 10 * optimizer.param_groups[0]["lr"] + 0.001 * float(samples.inputs.mean())

    names = {
        "target": Task,
        "LABELS": 5,
        "RATE": 1e-3,
        "SEEDS": range(5),
        "copy": copy,
        "torch": torch,
        "source_model": torch.nn.Linear(4, 2),
        "train_plainly": train_plainly,
        "repeat": lambda *given, **settings: repeat(*given, num_workers=1, **settings),
        "Draws": Draws,
        "open_ended": copy.deepcopy(bug_clinic.open_ended),
    }
    exec(compile(cell.source, "<solution>", "exec"), names)
    assert names["open_ended"].state is State.RIGHT
    assert names["results"].arms == ["high", "low"]


class TestDiagnoses:
    def test_each_patient_of_the_notebook_has_its_feedback_and_the_other_way_round(self):
        asked = re.findall(r'^diagnose\("(.+?)", diagnosis\)', TEXT, re.MULTILINE)
        assert sorted(asked) == sorted(DIAGNOSES)
        assert len(asked) >= 16

    def test_each_patient_has_a_heading_and_four_choices(self):
        for name in DIAGNOSES:
            after = TEXT.partition(f"### {name}\n")[2]
            assert after, name
            choices = re.findall(r"^- ([abcd]): ", after.partition("diagnose(")[0], re.MULTILINE)
            assert choices[:4] == ["a", "b", "c", "d"], name

    @pytest.mark.parametrize("name", DIAGNOSES)
    def test_only_one_letter_is_right(self, name, capsys):
        expected, why, _ = DIAGNOSES[name]
        for letter in "abcd":
            diagnose(name, letter)
            told = capsys.readouterr().out
            assert (": right. " in told) == (letter == expected)
            assert letter != expected or why in told

    def test_the_right_letters_are_spread(self):
        letters = [expected for expected, *_ in DIAGNOSES.values()]
        assert all(letters.count(letter) >= 3 for letter in "abcd")

    @pytest.mark.parametrize("answer", [..., None, "...", ""])
    def test_no_answer_is_no_mistake(self, answer, capsys):
        diagnose("all parameters learn", answer)
        assert (
            capsys.readouterr().out == "all parameters learn: no diagnosis yet. Choose a letter.\n"
        )

    def test_another_answer_is_told_what_may_be_chosen(self, capsys):
        diagnose("all parameters learn", "e")
        assert "Choose one of: 'a', 'b', 'c', 'd'" in capsys.readouterr().out
