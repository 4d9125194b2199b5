"""Exercises of lesson 08.

Letters in shapes: N rows of text, T tokens of a row, V tokens that are known.
"""

import math
from functools import partial

import torch

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

_MISTAKES = [
    (
        (3 * 10 + 20 + 9 * 90) / 13,
        "That looks at the third token, too. It is later than the one that asks: mask it.",
    ),
    (
        (3 * 10 + 20) / 13,
        "These shares do not sum to 1. The mask comes before the softmax, not after it.",
    ),
    (
        (3 * 10 + 20 + 90) / 5,
        "That gives the masked score 0, and the exponential of 0 is 1. Give it minus infinity.",
    ),
    (50, "That is 3 times 10 plus 1 times 20. Divide by the sum, so that the shares sum to 1."),
    (15, "That is the plain mean. The shares follow the scores: the first token fits better."),
    (
        10,
        "That takes the first token alone. A score of 0 is no mask: the exponential of 0 is 1, and "
        "a token sees itself.",
    ),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(answer, 12.5, tolerance=0.05, mistakes=_MISTAKES),
    hints=[
        "Which of the three tokens may the second one look at? Go on with these only.",
        "Softmax: the exponential of each score, divided by the sum of all. exp(log 3) is 3.",
        "The shares are 3/4 and 1/4. Take the mean of 10 and 20 with them.",
    ],
    why="Minus infinity before the softmax is a share of exactly 0, and the others sum to 1.",
)


def _next_token_loss(logits, tokens):
    chances = logits.log_softmax(-1)[:, :-1]
    return -chances.gather(-1, tokens[:, 1:, None]).mean()


def _sure_of(answers, num_tokens=4):
    """Return logits (N, T, V) of a model that is nearly sure of the given answers (N, T)."""
    return 20 * torch.nn.functional.one_hot(answers, num_tokens).float()


_TOKENS = torch.tensor([[1, 2, 3, 0]])
_LONG = torch.tensor([[1, 2, 3, 0, 2], [2, 2, 0, 1, 3]])
_UNSURE = torch.arange(40.0).reshape(2, 5, 4).sin()
# Each row has its own trap: sum or sign; no shift or a wrong one; the last place; two texts.
_CASES = [
    Case(
        (torch.zeros(1, 4, 4), _TOKENS),
        math.log(4),
        "All four tokens are equally likely here, so each guess costs log 4 = 1.386 nats. Take "
        "minus the logarithm, natural and of a softmax over the tokens, and its mean.",
    ),
    Case(
        (_sure_of(torch.tensor([[2, 3, 0, 1]])), _TOKENS),
        0.0,
        "This model is sure of the token that comes next, each time: 2, 3, 0. So nothing is lost. "
        "Compare the logits of place t with the token of place t + 1.",
    ),
    Case(
        (_sure_of(torch.tensor([[2, 3, 0, 3]])), _TOKENS),
        0.0,
        "After the last token nothing is known, so what the model says there must not count. "
        "Leave out its logits: T - 1 places are left.",
    ),
    Case(
        (_UNSURE, _LONG),
        float(_next_token_loss(_UNSURE, _LONG)),
        "Here are two texts of five tokens: take one mean over all their 2 x 4 guesses.",
    ),
]

medium = Exercise(
    "medium",
    judge=lambda answer: try_function(answer, _CASES, tolerance=1e-4),
    hints=[
        "The logits at place t are about the token at place t + 1. Which place of each is left "
        "over?",
        "`logits[:, :-1]` are the guesses, `tokens[:, 1:]` what came. Both have T - 1 places.",
        "`nn.functional.cross_entropy(guesses.flatten(0, 1), answers.flatten())` is the mean in "
        "nats.",
    ],
    why="One shift by one place: that is all the labels that pre-training needs.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.05),
    hints=[
        "token_task(load_bbc_news('headline'), backbone, max_tokens=24) is the task. It has the "
        "same split as the articles, so no held-out text was used in pre-training.",
        "fine_tune(body, samples, seed) returns a trained network; new_gpt(seed) is a GPT of "
        "random weights.",
        "Write a function of the seed that returns {(arm, 32): accuracy} for both arms, the "
        "pre-trained one first. repeat(function, SEEDS, draws=draws) runs it.",
    ],
    why="The runs were compared seed by seed, and the interval was read as it has to be.",
)
