"""Exercises of lesson 04.

Letters in shapes: O filters, C channels, H and W height and width of a filter.
"""

from functools import partial

import torch

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers, separator_mistakes

_BACKBONE = 3_371_008  # parameters of EfficientNet-Lite0 without its head
_FEATURES, _CLASSES = 1280, 4
_WEIGHTS = _FEATURES * _CLASSES
_HEAD = _WEIGHTS + _CLASSES
_MISTAKES = [
    (_WEIGHTS, "The bias is missing. It is one more number for each class."),
    (_WEIGHTS + 1, "One bias is too few. Each class has one of its own."),
    (_WEIGHTS + _FEATURES, "A linear layer has one bias for each class, not for each feature."),
    (2 * _WEIGHTS, "You gave each weight a bias. There is only one for each class."),
    (_CLASSES, "Those are the biases alone. Each class also has a weight for each feature."),
    (_FEATURES, "That is one weight for each feature. Each class has weights of its own."),
    (_FEATURES + 1, "That is a head with one output. Here there is one for each of the 4 classes."),
    (2 * (_FEATURES + 1), "That is a head for 2 classes. Here there are 4."),
    (1000 * (_FEATURES + 1), "That is the old head, for 1,000 classes. The new one has 4 classes."),
    (_FEATURES + _CLASSES, "Each class has a weight for each feature: multiply the two numbers."),
    (_BACKBONE, "That is what you froze. Which parameters are left to move?"),
    (_BACKBONE + _HEAD, "That is the whole network. What you froze does not move."),
    (_BACKBONE + _WEIGHTS, "The frozen backbone does not move, and the bias of the head does."),
    (_BACKBONE - _HEAD, "The head is no part of the backbone. Count it alone, do not subtract."),
    (0, "Only the backbone is frozen. The new head learns."),
    (2, "That is how many tensors move, weight and bias. Count the numbers in both."),
    *separator_mistakes(_HEAD),
]

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(answer, _HEAD, tolerance=0, mistakes=_MISTAKES),
    hints=[
        "Two parts: the backbone is frozen, the head is not. Count what can move.",
        "A linear head has a weight for each pair of feature and class, and a bias for each class.",
        "1280 * 4 weights, and 4 biases.",
    ],
    why="0.15 % of the network can adapt to the target; all else stays as the source left it.",
)


def _filters(*channels):
    """Return one filter of a single pixel with the given weights: shape (1, C, 1, 1)."""
    return torch.tensor(channels, dtype=torch.float).reshape(1, -1, 1, 1)


_NUMBERED = torch.arange(24.0).reshape(2, 3, 2, 2)
# Each row lets the mistakes of the rows below it through: with zeros only the shape can be wrong,
# (0, 1, -1) has the right first channel and mean, (1, 1, -2) the right mean.
_CASES = [
    Case(
        (torch.zeros(10, 3, 5, 6),),
        torch.zeros(10, 1, 5, 6),
        "These filters are 0, so only the shape can be wrong. Three dimensions: see `keepdim`. "
        "Four, but others: which one was summed? Dimension 1 holds the channels.",
    ),
    Case(
        (_filters(0, 1, -1),),
        _filters(0),
        "Two channels cancel here. Did you weigh the colours, as for brightness? A grey image has "
        "no colours: each of the three counts once, with its sign.",
    ),
    Case(
        (_filters(1, 1, -2),),
        _filters(0),
        "All three channels together cancel here. Did you take the first one, or leave one out?",
    ),
    Case(
        (_filters(1, 2, 3),),
        _filters(6),
        "A convolution adds what its channels give, so the filters are added as well. Their mean "
        "is three times too small.",
    ),
    Case(
        (_NUMBERED,),
        torch.tensor([[12, 15, 18, 21], [48, 51, 54, 57]]).reshape(2, 1, 2, 2),
        "Filters, rows and columns must keep their places: do not turn or reorder them.",
    ),
]


def _name_change(function):
    """Return the mistake of a function that writes into its argument, or None."""
    weight = _NUMBERED.clone()
    function(weight)
    if weight.equal(_NUMBERED):
        return None
    return (
        "What you return is right, but `weight` is another one after the call: the source model "
        "has lost its filters. Make a new tensor, do not write into the old one."
    )


medium = Exercise(
    "medium",
    judge=lambda answer: try_function(answer, _CASES) or _name_change(answer),
    hints=[
        "The three copies are equal. What does a convolution do with what its channels give?",
        "For one pixel with grey value g: a * g + b * g + c * g = (a + b + c) * g.",
        "`weight.sum(1)` has the shape (O, H, W); `keepdim=True` keeps dimension 1, of length 1.",
    ],
    why="The new input layer gives what the old one gave, so all layers behind it still fit.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "freeze(stages(model.backbone)['stage1']) freezes one stage; 'stage2' and 'last' follow.",
        "fit changes the model: begin each arm with copy.deepcopy(source_model) and a new head, "
        "with the same few labels, steps and seed.",
        "Write a function of the seed that returns {(arm, 20): accuracy} for both arms. "
        "repeat(function, range(5), draws=Draws.labels(pool=300)) runs it, and "
        "results.difference(first, second, 20) has the interval to read.",
    ],
    why="Your reading is what the interval allows, whichever arm is ahead.",
)
