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

_LOSS = 4.5  # nats per token, as the question gives it
_MISTAKES = [
    (2**_LOSS, "That is 2 to the power of 4.5. It would be right for bits; a nat has the base e."),
    (10**_LOSS, "That is 10 to the power of 4.5. The logarithm of the loss is the natural one."),
    (math.exp(-_LOSS), "That is the probability of each. How many such tokens make 1 together?"),
    (_LOSS, "That is the loss itself. A guess among V tokens costs log V nats; solve for V."),
    (math.log(_LOSS), "The direction is wrong: log V = 4.5, so V is the exponential of 4.5."),
    (_LOSS / math.log(2), "That is the loss in bits. The question asks for a number of tokens."),
    (2000, "That is what a network without knowledge guesses among: 7.6 nats."),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(
        answer, math.exp(_LOSS), tolerance=0.5, mistakes=_MISTAKES
    ),
    hints=[
        "If V tokens are equally likely, each has the probability 1 / V.",
        "The loss is minus the natural logarithm of the probability: -log(1 / V) = log V.",
        "math.exp undoes the natural logarithm.",
    ],
    why="The perplexity says it in tokens: of 2,000 candidates about 90 are left.",
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
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "token_task(load_bbc_news('headline'), backbone, max_tokens=24) is the task. It has the "
        "same split as the articles, so no held-out text was used in pre-training.",
        "fine_tune(body, samples, seed) returns a trained network; new_gpt(seed) is a GPT of "
        "random weights.",
        "Write a function of the seed that returns {(arm, 32): accuracy} for both arms. "
        "repeat(function, SEEDS) runs it.",
    ],
    why="You know now what your GPT is worth where a text is short, by a fair comparison.",
)
