"""Typical wrong answers to the exercises of lesson 04, and its open solution on small data."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from authoring import assert_named, assert_right, run_cell
from toys import is_same, one_thread, state  # noqa: F401, a fixture is used by its name

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.exercises.checks.exercise import State
from course_utils.exercises.parameter_transfer import easy, medium, open_ended
from course_utils.experiments.estimates import Draws
from course_utils.experiments.runs import repeat
from course_utils.models.classifier import Backbone, Preprocessing, small_cnn
from course_utils.models.freezing import freeze
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.surgery import adapt_input, replace_head, stages
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.batches import epochs_for
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

BACKBONE, FEATURES, CLASSES = 3_371_008, 1_280, 4  # as the question gives them
HEAD = sum(FEATURES + 1 for _ in range(CLASSES))  # class by class: its weights and its bias


def test_mistakes_in_the_easy_one_are_named():
    mistakes = [
        (HEAD - CLASSES, "The bias is missing"),
        (HEAD - CLASSES + 1, "One bias is too few"),
        (FEATURES * (CLASSES + 1), "not for each feature"),
        (FEATURES * CLASSES * 2, "You gave each weight a bias"),
        (CLASSES, "the biases alone"),
        (FEATURES, "one weight for each feature"),
        (FEATURES + 1, "a head with one output"),
        (FEATURES * 2 + 2, "a head for 2 classes"),
        (FEATURES * 1000 + 1000, "the old head"),
        (FEATURES + CLASSES, "multiply the two numbers"),
        (BACKBONE, "what you froze. Which"),
        (BACKBONE + HEAD, "the whole network"),
        (BACKBONE + FEATURES * CLASSES, "and the bias of the head does"),
        (BACKBONE - HEAD, "do not subtract"),
        (0, "Only the backbone is frozen"),
        (2, "how many tensors move"),
        ((5, 124), "Write it as digits alone"),  # what Python makes of 5,124
        (5.124, "Write it as digits alone"),
        ("5124", "without quotation marks"),
        (5123, "is too small"),
    ]
    assert_named(easy, mistakes)


def test_network_itself_gives_the_numbers_of_question_answer_and_reason():
    """Second implementation: count what the optimiser would get."""
    model = replace_head(imagenet_classifier("random", seed=0), CLASSES)
    freeze(model.backbone)
    assert_right(easy, sum(p.numel() for p in model.parameters() if p.requires_grad))
    total = sum(parameter.numel() for parameter in model.parameters())
    assert total == BACKBONE + HEAD
    assert f"{100 * HEAD / total:.2f} %" in easy.why


def summed(weight, dims=1):
    return weight.sum(dims, keepdim=True)


def brightness(weight):
    return summed(weight * torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1))


def channels_looked_for_at_the_end(weight):
    filters, channels, height, width = weight.shape
    return weight.reshape(filters, height, width, channels).sum(3)[:, None]


def written_into_the_argument(weight):
    weight[:, 0] += weight[:, 1] + weight[:, 2]
    return weight[:, :1]


def written_into_the_argument_so_that_a_second_call_agrees(weight):
    weight[:, 0] = weight.sum(1)
    weight[:, 1:] = 0
    return weight[:, :1]


def test_mistakes_in_the_medium_one_are_named():
    mistakes = [
        (lambda w: w.sum(1), "returns an array of shape (10, 5, 6), but an array of shape (10, 1"),
        (lambda w: w.sum(1), "Three dimensions: see `keepdim`"),
        (lambda w: w.sum(1)[None], "returns an array of shape (1, 10, 5, 6)"),
        (lambda w: summed(w, 0), "returns an array of shape (1, 3, 5, 6)"),
        (lambda w: summed(w, 0), "which one was summed?"),
        (lambda w: summed(w, 2), "returns an array of shape (10, 3, 1, 6)"),
        (lambda w: w.sum(), "only the shape can be wrong"),
        (lambda w: summed(w, (1, 2, 3)), "only the shape can be wrong"),
        (lambda w: summed(w).expand(-1, 3, -1, -1), "returns an array of shape (10, 3, 5, 6)"),
        (brightness, "Did you weigh the colours"),
        (lambda w: summed(w.abs()), "with its sign"),
        (lambda w: w.amax(1, keepdim=True), "each of the three counts once"),
        (lambda w: w[:, 1:2], "each of the three counts once"),
        (lambda w: w[:, :1], "Did you take the first one"),
        (lambda w: 3 * w[:, :1], "Did you take the first one"),
        (lambda w: summed(w[:, 1:]), "or leave one out"),
        (lambda w: w.mean(1, keepdim=True), "three times too small"),
        (channels_looked_for_at_the_end, "must keep their places"),
        (lambda w: summed(w).flip(2, 3), "must keep their places"),
        (written_into_the_argument, "do not write into the old one"),
        (written_into_the_argument_so_that_a_second_call_agrees, "has lost its filters"),
        (lambda: 0, "another number of inputs"),
        (lambda w: w.sum(4), "stops"),
        (torch.zeros(2, 1, 3, 3), "a function is asked"),
    ]
    assert_named(medium, mistakes)


def by_convolution(weight):
    """Write down the outputs of a convolution on copied grey images with one white pixel each."""
    _, channels, height, width = weight.shape
    grey = torch.eye(height * width).reshape(-1, 1, height, width)
    outputs = F.conv2d(grey.expand(-1, channels, -1, -1), weight)  # (H * W, O, 1, 1)
    return outputs.permute(1, 2, 3, 0).reshape(-1, 1, height, width)


def by_package(weight):
    """Use the function of the lesson."""
    layer = torch.nn.Conv2d(3, len(weight), weight.shape[2:], bias=False)
    layer.load_state_dict({"weight": weight})
    adapt_input(Backbone("one layer", layer, len(weight), Preprocessing(3, 0.5, 0.5)), 1)
    return layer.weight


@pytest.mark.parametrize("answer", [by_convolution, by_package, lambda w: summed(w).tolist()])
def test_other_implementations_count(answer):
    assert_right(medium, answer)


def small_target():
    """Return a task of five patterns of 8 x 8 pixels under noise, as large as needed."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(270) % 5
    patterns = torch.rand(5, 1, 8, 8, generator=generator)
    noise = torch.randn(270, 1, 8, 8, generator=generator)
    images = (patterns[labels] + 0.8 * noise).clamp(0, 1)
    samples = Samples(images, labels)
    parts = [samples.select(part) for part in torch.arange(270).split([150, 100, 20])]
    return Task("small task", tuple("56789"), *parts, "none", "none", "random numbers")


def test_open_solution_of_the_notebook_compares_two_stages_and_nothing_else():
    torch.manual_seed(0)
    source_model, target = small_cnn(5), small_target()
    before, fits, unmoved = state(source_model), [], []

    def short_fit(model, few, objective, *, num_epochs, **settings):
        head = model.head.weight.flatten().tolist()
        settings = {"num_epochs": num_epochs, **settings}
        fits.append((few.indices.tolist(), repr(objective), settings, head))
        return fit(model, few, objective, **settings | {"num_epochs": num_epochs // 10})

    def recorded_evaluate(model, samples):
        assert samples is target.validation
        old, new = stages(source_model.backbone), stages(model.backbone)
        unmoved.append([name for name in new if is_same(state(old[name]), new[name])])
        return evaluate(model, samples)

    names = {
        **{"copy": copy, "source_model": source_model, "target": target, "fit": short_fit},
        **{"epochs_for": epochs_for, "evaluate": recorded_evaluate, "CrossEntropy": CrossEntropy},
        **{"freeze": freeze, "stages": stages, "replace_head": replace_head},
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
        "Draws": Draws,
    }
    assert run_cell(open_ended, "solution", names).state is State.RIGHT
    assert unmoved == [["stage1"], ["last"]] * 5
    assert fits[::2] == fits[1::2]
    drawn, objectives, settings, heads = zip(*fits[::2], strict=True)
    assert set(objectives) == {"CrossEntropy()"}
    steps = {"num_epochs": epochs_for(100, num_samples=100), "learning_rate": 1e-3}
    assert list(settings) == [{**steps, "seed": seed} for seed in range(5)]
    assert list(drawn) == [target.few_shot(20, seed).train.indices.tolist() for seed in range(5)]
    assert len({tuple(one) for one in heads}) == 5  # another head for each seed
    assert is_same(before, source_model)
    assert all(parameter.requires_grad for parameter in source_model.parameters())
