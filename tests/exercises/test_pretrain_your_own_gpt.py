"""Tests of the exercises of lesson 08: right, untouched and typical wrong answers."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from authoring import find_faults, run_solution
from text_toys import babble, tiny_gpt, tiny_gpt_backbone
from torch import nn
from toys import one_thread, unfair_comparisons  # noqa: F401, a fixture is used by its name

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.data.texts import Texts
from course_utils.exercises.pretrain_your_own_gpt import easy, medium, open_ended
from course_utils.experiments.runs import repeat
from course_utils.models.classifier import Classifier
from course_utils.models.surgery import replace_head
from course_utils.models.text import token_task
from course_utils.objectives.base import Batch
from course_utils.objectives.language import LanguageModelLoss
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

LOSS = 4.5  # as the question gives it

EASY_MISTAKES = [
    (2**LOSS, "It would be right for bits"),
    (10**LOSS, "the natural one"),
    (math.exp(-LOSS), "the probability of each"),
    (LOSS, "the loss itself"),
    (math.log(LOSS), "The direction is wrong"),
    (LOSS / math.log(2), "the loss in bits"),
    (2000, "without knowledge"),
]


class TestEasy:
    def test_is_sound(self):
        wrong = [*EASY_MISTAKES, ("90", "without quotation marks"), (95, "is too large")]
        assert find_faults(easy, wrong, names={"math": math}) == []

    def test_question_holds_the_number_that_the_tests_use(self):
        assert f"{LOSS:g} nats" in easy.question

    def test_rounded_answer_counts(self):
        """Second calculation: a guess among 90 tokens costs 4.5 nats."""
        assert math.log(90) == pytest.approx(LOSS, abs=0.005)
        assert easy.judge_answer(90).text == easy.why


def mean_of(logits, answers):
    return F.cross_entropy(logits.flatten(0, 1), answers.flatten())


def not_shifted(logits, tokens):
    return mean_of(logits, tokens)


def shifted_back(logits, tokens):
    return mean_of(logits[:, 1:], tokens[:, :-1])


def rolled(logits, tokens):
    return mean_of(logits, tokens.roll(-1, dims=1))


def summed(logits, tokens):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")


def positive(logits, tokens):
    return -mean_of(logits[:, :-1], tokens[:, 1:])


def in_bits(logits, tokens):
    return mean_of(logits[:, :-1], tokens[:, 1:]) / math.log(2)


def without_softmax(logits, tokens):
    return -logits[:, :-1].gather(-1, tokens[:, 1:, None]).mean()


def first_text_only(logits, tokens):
    return mean_of(logits[:1, :-1], tokens[:1, 1:])


def divided_by_all_places(logits, tokens):
    return summed(logits, tokens) / tokens.numel()


def untouched(logits, tokens):
    return ...


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (not_shifted, "Compare the logits of place t with the token of place t + 1"),
            (shifted_back, "Compare the logits of place t with the token of place t + 1"),
            (rolled, "what the model says there must not count"),
            (summed, "each guess costs log 4"),
            (divided_by_all_places, "each guess costs log 4"),
            (positive, "Take minus the logarithm"),
            (in_bits, "natural"),
            (without_softmax, "of a softmax"),
            (first_text_only, "two texts of five tokens"),
            (lambda logits: logits, "another number of inputs"),
            (torch.zeros(2), "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched], names={"nn": nn}) == []

    def test_the_term_of_the_course_counts(self):
        """Second implementation, which the lesson trains with; 9 stands for no padding."""

        def by_term(logits, tokens):
            return LanguageModelLoss(pad_id=9).value(Batch(None, tokens, None, logits))

        assert medium.judge_answer(by_term).text == medium.why


def toy_news(part):
    assert part == "headline"
    texts, labels = babble(200)
    samples = Samples(Texts(texts), labels)
    parts = [samples.select(positions) for positions in torch.arange(200).split([120, 60, 20])]
    return Task("toy", ("0", "1"), *parts, "texts", "none", "random numbers")


@pytest.fixture(scope="module")
def names():
    """Return what the notebook has defined above the open exercise."""
    backbone = tiny_gpt_backbone()

    def fine_tune(body, samples, seed):
        model = Classifier(tiny_gpt_backbone(), nn.Identity())
        model.backbone.body.load_state_dict(body.state_dict())
        replace_head(model, 2, seed=seed)
        fit(model, samples, CrossEntropy(), num_epochs=1, seed=seed)
        return model

    return {
        "load_bbc_news": toy_news,
        "token_task": token_task,
        "backbone": backbone,
        "gpt": tiny_gpt(),
        "new_gpt": lambda seed: tiny_gpt(seed=seed + 100),
        "fine_tune": fine_tune,
        "evaluate": evaluate,
        "SEEDS": range(5),
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }


class TestOpen:
    def test_solution_is_a_fair_comparison(self, names):
        assert run_solution(open_ended, names).text == open_ended.why

    def test_is_sound(self, names):
        wrong = unfair_comparisons("random", "gpt", 32)
        assert find_faults(open_ended, wrong, names=names) == []
