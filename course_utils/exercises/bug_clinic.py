"""Exercises of lesson 11."""

from functools import partial

import torch
from torch import nn

from course_utils.exercises.checks.comparisons import judge_comparison
from course_utils.exercises.checks.exercise import Exercise
from course_utils.exercises.checks.judges import Case, try_function
from course_utils.exercises.checks.number_judge import compare_numbers

easy = Exercise(
    "easy",
    judge=lambda answer: compare_numbers(
        answer,
        0.8,
        tolerance=0.001,
        mistakes=[
            (0.5, "That is the mean of the two batches. Count the samples: 80 and 20."),
            (80, "Give a share from 0 to 1."),
            (0.2, "That is the share of wrong answers."),
        ],
    ),
    hints=[
        "How many answers are right, of how many?",
        "80 of 80 in the first batch, 0 of 20 in the second.",
        "80 right answers of 100.",
    ],
    why="A mean over samples does not depend on how they were put into batches.",
)


def _net(frozen: bool, linear: bool) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    if frozen:
        net[0].requires_grad_(False)
        net[1].requires_grad_(False)
    if linear:
        net[2].requires_grad_(False)
    return net


medium = Exercise(
    "medium",
    judge=lambda answer: try_function(
        answer,
        [
            Case((_net(False, False),), [], "Here everything learns, so no name belongs in it."),
            Case(
                (_net(True, False),),
                ["1.running_mean", "1.running_var", "1.num_batches_tracked"],
                "The BatchNorm with the name 1 is frozen; its buffers move in training mode.",
            ),
            Case(
                (_net(True, False).eval(),),
                ["1.running_mean", "1.running_var", "1.num_batches_tracked"],
                "The model comes in evaluation mode here: call train() on your copy.",
            ),
            Case(
                (_net(False, True),),
                [],
                "Only the last layer is frozen here. The BatchNorm learns, so it may follow.",
            ),
        ],
    ),
    hints=[
        "Copy the model, put the copy into training mode, let it read one batch, and compare.",
        "named_buffers() lists statistics; torch.equal compares. A frozen module has no parameter "
        "with requires_grad.",
        "For a name such as '1.running_mean', copied.get_submodule('1') is its module.",
    ],
    why="This is how the check 'frozen statistics' works: one batch through a copy.",
)

open_ended = Exercise(
    "open",
    judge=partial(judge_comparison, margin=0.02),
    hints=[
        "Write a function of the seed: few labels by few_shot, a copy of the source, a rate.",
        "Return {(arm, 1): accuracy on validation} for both rates.",
        "repeat(function, SEEDS, draws=Draws.labels(pool=pool, size=20), bounds=(0, 1)) runs it; "
        "pool is the size of the rarest class.",
    ],
    why="Your reading fits its interval.",
)
