"""Typical wrong answers to the exercises of lesson 08, and its open solution on small data."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from authoring import assert_named, assert_right, run_cell
from text_toys import babble, tiny_gpt, tiny_gpt_backbone
from torch import nn
from toys import one_thread  # noqa: F401, a fixture is used by its name

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.data.texts import Texts
from course_utils.exercises.checks.exercise import State
from course_utils.exercises.pretrain_your_own_gpt import easy, medium, open_ended
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import repeat
from course_utils.models.classifier import Classifier
from course_utils.models.surgery import replace_head
from course_utils.models.text import token_task
from course_utils.objectives.base import Batch
from course_utils.objectives.language import LanguageModelLoss
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit


def test_mistakes_in_the_easy_one_are_named():
    values, scores = torch.tensor([10.0, 20.0, 90.0]), torch.tensor([3.0, 1.0, 9.0]).log()
    shares = scores.softmax(0)
    mistakes = [
        (float(shares @ values), "looks at the third token"),
        (float(shares[:2] @ values[:2]), "do not sum to 1"),
        (float((scores * torch.tensor([1, 1, 0])).softmax(0) @ values), "the masked score 0"),
        (50, "Divide by the sum"),
        (15, "the plain mean"),
        (10, "takes the first token alone"),
        ("12.5", "without quotation marks"),
        (13, "is too large"),
    ]
    assert_named(easy, mistakes)


def test_attention_of_torch_counts():
    """Second implementation: queries and keys of width 1, of which only the second query counts."""
    keys, values = (
        torch.tensor([3.0, 1.0, 9.0]).log()[:, None],
        torch.tensor([[10.0], [20.0], [90.0]]),
    )
    taken = F.scaled_dot_product_attention(torch.ones(3, 1), keys, values, is_causal=True)
    assert_right(easy, taken[1].item())


def mean_of(logits, answers, **settings):
    return F.cross_entropy(logits.flatten(0, 1), answers.flatten(), **settings)


def shifted(logits, tokens, **settings):
    return mean_of(logits[:, :-1], tokens[:, 1:], **settings)


def test_mistakes_in_the_medium_one_are_named():
    other_place = "Compare the logits of place t with the token of place t + 1"
    summed = partial(shifted, reduction="sum")
    mistakes = [
        (mean_of, other_place),
        (lambda z, y: mean_of(z[:, 1:], y[:, :-1]), other_place),
        (lambda z, y: mean_of(z, y.roll(-1, dims=1)), "what the model says there must not count"),
        (summed, "each guess costs log 4"),
        (lambda z, y: summed(z, y) / y.numel(), "each guess costs log 4"),
        (lambda z, y: -shifted(z, y), "Take minus the logarithm"),
        (lambda z, y: shifted(z, y) / math.log(2), "natural"),
        (lambda z, y: -z[:, :-1].gather(-1, y[:, 1:, None]).mean(), "of a softmax"),
        (lambda z, y: shifted(z[:1], y[:1]), "two texts of five tokens"),
        (lambda logits: logits, "another number of inputs"),
        (torch.zeros(2), "a function is asked"),
    ]
    assert_named(medium, mistakes)


def test_the_term_of_the_course_counts():
    """Second implementation, which the lesson trains with; 9 stands for no padding."""
    term = LanguageModelLoss(pad_id=9)
    assert_right(medium, lambda logits, tokens: term.value(Batch(None, tokens, None, logits)))


def toy_news(part):
    assert part == "headline"
    texts, labels = babble(200)
    samples = Samples(Texts(texts), labels)
    parts = [samples.select(positions) for positions in torch.arange(200).split([120, 60, 20])]
    return Task("toy", ("0", "1"), *parts, "texts", "none", "random numbers")


PRETRAINED = tiny_gpt()


def fine_tune(body, samples, seed):
    """Let only the pre-trained start learn enough: the solution is to read a gain."""
    model = Classifier(tiny_gpt_backbone(), nn.Identity())
    model.backbone.body.load_state_dict(body.state_dict())
    replace_head(model, 2, seed=seed)
    rate = 1e-2 if body is PRETRAINED else 1e-9
    fit(model, samples, CrossEntropy(), num_epochs=20, learning_rate=rate, seed=seed)
    return model


@pytest.mark.slow
def test_open_solution_of_the_notebook_is_fair_and_read_rightly():
    names = {
        **{"load_bbc_news": toy_news, "token_task": token_task, "backbone": tiny_gpt_backbone()},
        **{"gpt": PRETRAINED, "new_gpt": lambda seed: tiny_gpt(seed=seed + 100)},
        **{"fine_tune": fine_tune, "evaluate": evaluate, "SEEDS": range(5), "MANY": 32},
        "draws": Draws.labels(pool=60),
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }
    assert run_cell(open_ended, "solution", names).state is State.RIGHT
