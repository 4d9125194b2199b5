"""Tests of the exercises of lesson 04: right, untouched and typical wrong answers."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from authoring import find_faults, run_solution
from toys import is_same, one_thread, state  # noqa: F401, a fixture is used by its name

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.exercises.parameter_transfer import easy, medium, open_ended
from course_utils.experiments.results import Results
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

EASY_MISTAKES = [
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
]


@pytest.fixture(scope="module")
def frozen_network():
    """Return the network of the easy question."""
    model = replace_head(imagenet_classifier("random", seed=0), CLASSES)
    freeze(model.backbone)
    return model


class TestEasy:
    def test_is_sound(self):
        wrong = [*EASY_MISTAKES, ("5124", "without quotation marks"), (5123, "is too small")]
        assert find_faults(easy, wrong) == []

    def test_network_itself_gives_the_same_number(self, frozen_network):
        """Second implementation: count what the optimiser would get."""
        trainable = [p for p in frozen_network.parameters() if p.requires_grad]
        assert easy.judge_answer(sum(p.numel() for p in trainable)).text == easy.why
        assert "how many tensors move" in easy.judge_answer(len(trainable)).text

    def test_network_has_the_numbers_of_question_and_reason(self, frozen_network):
        total = sum(parameter.numel() for parameter in frozen_network.parameters())
        assert total == BACKBONE + HEAD
        assert f"{100 * HEAD / total:.2f} %" in easy.why
        for words in (f"{BACKBONE:,} parameters", f"{FEATURES:,} features", f"{CLASSES} classes"):
            assert words in easy.question

    def test_no_two_mistakes_give_the_same_number(self):
        """Otherwise one of them would get the text of the other."""
        values = [value for value, _ in EASY_MISTAKES]
        assert len(set(values)) == len(values)
        assert HEAD not in values


def mean_instead(weight):
    return weight.mean(1, keepdim=True)


def first_channel(weight):
    return weight[:, :1]


def middle_channel(weight):
    return weight[:, 1:2]


def first_channel_three_times(weight):
    return 3 * weight[:, :1]


def one_channel_left_out(weight):
    return weight[:, 1:].sum(1, keepdim=True)


def brightness(weight):
    return (weight * torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(1, keepdim=True)


def without_signs(weight):
    return weight.abs().sum(1, keepdim=True)


def largest(weight):
    return weight.amax(1, keepdim=True)


def dimension_lost(weight):
    return weight.sum(1)


def dimension_at_the_wrong_place(weight):
    return weight.sum(1)[None]


def filters_summed(weight):
    return weight.sum(0, keepdim=True)


def rows_summed(weight):
    return weight.sum(2, keepdim=True)


def everything_summed(weight):
    return weight.sum()


def all_but_the_filters_summed(weight):
    return weight.sum((1, 2, 3), keepdim=True)


def sum_copied_to_three_channels(weight):
    return weight.sum(1, keepdim=True).expand(-1, 3, -1, -1)


def channels_looked_for_at_the_end(weight):
    filters, channels, height, width = weight.shape
    return weight.reshape(filters, height, width, channels).sum(3)[:, None]


def turned(weight):
    return weight.sum(1, keepdim=True).flip(2, 3)


def written_into_the_argument(weight):
    weight[:, 0] += weight[:, 1] + weight[:, 2]
    return weight[:, :1]


def written_into_the_argument_so_that_a_second_call_agrees(weight):
    weight[:, 0] = weight.sum(1)
    weight[:, 1:] = 0
    return weight[:, :1]


def untouched(weight):
    return ...


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (dimension_lost, "returns an array of shape (10, 5, 6), but an array of shape (10, 1"),
            (dimension_lost, "Three dimensions: see `keepdim`"),
            (dimension_at_the_wrong_place, "returns an array of shape (1, 10, 5, 6)"),
            (filters_summed, "returns an array of shape (1, 3, 5, 6)"),
            (filters_summed, "which one was summed?"),
            (rows_summed, "returns an array of shape (10, 3, 1, 6)"),
            (everything_summed, "only the shape can be wrong"),
            (all_but_the_filters_summed, "only the shape can be wrong"),
            (sum_copied_to_three_channels, "returns an array of shape (10, 3, 5, 6)"),
            (brightness, "Did you weigh the colours"),
            (without_signs, "with its sign"),
            (largest, "each of the three counts once"),
            (middle_channel, "each of the three counts once"),
            (first_channel, "Did you take the first one"),
            (first_channel_three_times, "Did you take the first one"),
            (one_channel_left_out, "or leave one out"),
            (mean_instead, "three times too small"),
            (channels_looked_for_at_the_end, "must keep their places"),
            (turned, "must keep their places"),
            (written_into_the_argument, "do not write into the old one"),
            (written_into_the_argument_so_that_a_second_call_agrees, "has lost its filters"),
            (lambda: 0, "another number of inputs"),
            (lambda weight: weight.sum(4), "stops"),
            (torch.zeros(2, 1, 3, 3), "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched]) == []

    def test_expected_numbers_are_those_of_a_convolution_on_copied_grey_images(self):
        """Second implementation: each pixel in turn is white, and the outputs are written down."""

        def by_convolution(weight):
            _, channels, height, width = weight.shape
            grey = torch.eye(height * width).reshape(-1, 1, height, width)
            outputs = F.conv2d(grey.expand(-1, channels, -1, -1), weight)  # (H * W, O, 1, 1)
            return outputs.permute(1, 2, 3, 0).reshape(-1, 1, height, width)

        assert medium.judge_answer(by_convolution).text == medium.why

    def test_package_gives_the_same_numbers(self):
        """Third implementation: the function that the lesson uses."""

        def by_package(weight):
            layer = torch.nn.Conv2d(3, len(weight), weight.shape[2:], bias=False)
            layer.load_state_dict({"weight": weight})
            adapt_input(Backbone("one layer", layer, len(weight), Preprocessing(3, 0.5, 0.5)), 1)
            return layer.weight

        assert medium.judge_answer(by_package).text == medium.why

    def test_result_as_a_list_counts(self):
        assert medium.judge_answer(lambda w: w.sum(1, keepdim=True).tolist()).text == medium.why


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


def short_fit(*args, num_epochs, **settings):
    """Fit as the solution does, for fewer epochs."""
    return fit(*args, num_epochs=num_epochs // 10, **settings)


@pytest.fixture
def names():
    """Return what the notebook has defined above the open exercise."""
    torch.manual_seed(0)
    return {
        "copy": copy,
        "source_model": small_cnn(5),
        "target": small_target(),
        "fit": short_fit,
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
        **{"epochs_for": epochs_for, "evaluate": evaluate, "CrossEntropy": CrossEntropy},
        **{"freeze": freeze, "stages": stages, "replace_head": replace_head},
    }


class TestOpen:
    def test_is_sound(self, names):
        one_seed = {("stage1", 20): 0.9, ("last", 20): 0.8}
        wrong = [
            ({("stage1", 20): 0.9}, "Give what repeat(...) returns"),
            ("stage1", "Give what repeat(...) returns"),
            (Results([one_seed] * 4), "There are 4 seeds"),
            (Results([{("stage1", 20): 0.9}] * 5), "one arm only"),
            (Results([{("stage1", 20): 0.9, ("last", 5): 0.8}] * 5), "share no size"),
            (Results([{("a", 20): 0.6, ("b", 20): 0.6}] * 5), "did both run the same code"),
        ]
        assert find_faults(open_ended, wrong, names=names) == []

    def test_solution_keeps_in_each_arm_the_stage_that_it_names(self, names):
        unmoved = []

        def recorded(model, samples):
            pairs = zip(
                stages(names["source_model"].backbone).values(),
                stages(model.backbone).items(),
                strict=True,
            )
            unmoved.append([name for old, (name, new) in pairs if is_same(state(old), new)])
            return evaluate(model, samples)

        run_solution(open_ended, {**names, "evaluate": recorded})
        assert unmoved == [["stage1"], ["last"]] * 5

    def test_arms_of_the_solution_differ_in_the_frozen_stage_only(self, names):
        calls = []

        def recorded(model, few, objective, **settings):
            head = model.head.weight.flatten().tolist()
            calls.append((few.indices.tolist(), repr(objective), settings, head))
            return short_fit(model, few, objective, **settings)

        run_solution(open_ended, {**names, "fit": recorded})
        assert calls[::2] == calls[1::2]
        drawn, objectives, settings, heads = zip(*calls[::2], strict=True)
        assert set(objectives) == {"CrossEntropy()"}
        steps = {"num_epochs": epochs_for(100, num_samples=100), "learning_rate": 1e-3}
        assert list(settings) == [{**steps, "seed": seed} for seed in range(5)]
        # draw and head are others for each seed
        assert len({tuple(one) for one in drawn}) == len({tuple(one) for one in heads}) == 5
        few = [names["target"].few_shot(20, seed).train for seed in range(5)]
        assert list(drawn) == [samples.indices.tolist() for samples in few]

    def test_solution_measures_on_validation_samples(self, names):
        measured = []

        def recorded(model, samples):
            measured.append(samples)
            return evaluate(model, samples)

        run_solution(open_ended, {**names, "evaluate": recorded})
        assert len(measured) == 10
        assert all(samples is names["target"].validation for samples in measured)

    def test_solution_leaves_the_source_model_as_it_is(self, names):
        before = state(names["source_model"])
        run_solution(open_ended, names)
        assert is_same(before, names["source_model"])
        assert all(parameter.requires_grad for parameter in names["source_model"].parameters())


@pytest.mark.parametrize("exercise", [easy, medium, open_ended], ids=lambda given: given.name)
class TestAll:
    def test_untouched_is_not_attempted(self, exercise, capsys):
        copy.deepcopy(exercise).check(...)
        assert capsys.readouterr().out.startswith(f"{exercise.name}: not attempted. ")

    def test_hints_come_one_by_one_and_then_point_to_the_solution(self, exercise, capsys):
        fresh = copy.deepcopy(exercise)  # hints count how many were given
        for _ in range(4):
            fresh.hint()
        *hints, end = capsys.readouterr().out.splitlines()
        assert [hint.split(": ")[0] for hint in hints] == [f"Hint {n} of 3" for n in (1, 2, 3)]
        assert "solution()" in end
        nearly = {"easy": "1280 * 4", "medium": "keepdim=True", "open": "repeat(function"}
        has_it = [nearly[exercise.name] in hint for hint in hints]
        assert has_it == [False, False, True]  # only the last one nearly gives the answer

    def test_solution_sets_no_name_of_the_lesson(self, exercise, names):
        namespace = dict(names)
        exec(exercise.solution_code, namespace)
        own = {name for name in namespace if namespace[name] is not names.get(name)}
        assert exercise.answer_name in own
        assert own <= {exercise.answer_name, "compare_freezing", "__builtins__"}
