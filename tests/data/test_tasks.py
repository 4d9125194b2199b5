"""Tests of course_utils.data.tasks."""

import base64
import hashlib
from dataclasses import replace

import pytest
import torch
from toys import apart

from course_utils.data.samples import Samples, stable_order
from course_utils.data.tasks import Task, subset_of_classes
from course_utils.data.texts import Texts


def make_samples(counts=(6, 9, 7), first_index=0):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    number = len(labels)
    indices = torch.arange(first_index, first_index + number)
    images = torch.linspace(0, 1, number * 16).reshape(number, 1, 4, 4)
    return Samples(images, labels, torch.linspace(0.1, 1, number), indices)


def make_task():
    return Task(
        "which letter",
        ("a", "b", "c"),
        make_samples(),
        make_samples((2, 2, 2), first_index=100),
        make_samples((3, 3, 3), first_index=200),
        units="grey value 0 to 1",
        licence="CC0",
        source="made up",
    )


def make_text_task():
    texts = Texts(f"{letter}{number}" for letter in "abc" for number in range(3))
    samples = Samples(texts, torch.arange(3).repeat_interleave(3))
    return Task("t", ("a", "b", "c"), *apart(samples, samples, samples), "words", "CC0", "made up")


class TestStableOrder:
    def test_order_is_pinned_by_its_checksum(self):
        order = stable_order(torch.arange(1000), key="split 0")
        text = ",".join(map(str, order.tolist()))
        expected = "3cb33febf73a7aaf58b3fcb974ed7a8666ceda67c475f6e45c3e65c1c20dfb82"
        assert hashlib.sha256(text.encode()).hexdigest() == expected

    def test_second_implementation_sorts_hexadecimal_digits_to_the_same_order(self):
        named = [(hashlib.sha256(f"k:{i}".encode()).hexdigest(), i) for i in range(50)]
        assert stable_order(torch.arange(50), key="k").tolist() == [i for _, i in sorted(named)]

    def test_another_key_gives_another_order(self):
        places = torch.arange(30)
        assert not torch.equal(stable_order(places, key="a"), stable_order(places, key="b"))

    def test_what_is_left_out_does_not_change_the_order_of_the_rest(self):
        everything = torch.arange(40)
        full = everything[stable_order(everything, key="x")]
        even = everything[::2]
        assert torch.equal(full[full % 2 == 0], even[stable_order(even, key="x")])


class TestSamples:
    @pytest.mark.parametrize("name", ["inputs", "weights", "indices"])
    def test_wrong_length_is_refused_by_name(self, name):
        parts = {"inputs": torch.zeros(3, 2), name: torch.zeros(4, 2)}
        with pytest.raises(ValueError, match=f"{name} has 4 entries and labels has 3; give one"):
            Samples(labels=torch.zeros(3, dtype=torch.int64), **parts)

    def test_indices_are_positions_by_default(self):
        assert Samples(torch.zeros(3, 2), torch.tensor([0, 1, 1])).indices.tolist() == [0, 1, 2]

    def test_text_has_shape_and_counts(self):
        assert repr(make_samples()) == "Samples(22 inputs of 1 x 4 x 4, labels {0: 6, 1: 9, 2: 7})"

    def test_text_of_texts_says_so(self):
        samples = make_text_task().train
        assert repr(samples) == "Samples(9 inputs of text, labels {0: 3, 1: 3, 2: 3})"

    @pytest.mark.parametrize(
        ("inputs", "form"),
        [
            (torch.zeros(3, 1, 8, 8), "1 x 8 x 8"),
            (torch.zeros(3, 5), "5"),
            (Texts(["a", "b", "c"]), "text"),
        ],
    )
    def test_form_is_that_of_one_input(self, inputs, form):
        assert Samples(inputs, torch.tensor([0, 1, 1])).form == form

    def test_too_few_texts_are_refused(self):
        with pytest.raises(ValueError, match="inputs has 2 entries and labels has 3"):
            Samples(Texts(["a", "b"]), torch.tensor([0, 1, 1]))


class TestSelect:
    def test_all_four_columns_follow(self):
        samples = make_samples(first_index=50)
        chosen = samples.select(torch.tensor([7, 0]))
        assert chosen.indices.tolist() == [57, 50]
        assert chosen.labels.tolist() == [1, 0]
        assert torch.equal(chosen.inputs, samples.inputs[[7, 0]])
        assert torch.equal(chosen.weights, samples.weights[[7, 0]])

    def test_booleans_choose_too(self):
        samples = make_samples()
        assert samples.select(samples.labels == 2).class_counts() == {2: 7}

    def test_texts_follow_too(self):
        samples = make_text_task().train
        assert list(samples.select(torch.tensor([7, 0])).inputs) == ["c1", "a0"]
        assert list(samples.select(samples.labels == 1).inputs) == ["b0", "b1", "b2"]

    def test_missing_weights_stay_missing(self):
        samples = Samples(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
        assert samples.select(torch.tensor([1])).weights is None


class TestWithInputs:
    def test_labels_weights_and_indices_stay(self):
        samples = make_samples(first_index=9)
        features = samples.with_inputs(torch.zeros(22, 5))
        assert features.inputs.shape == (22, 5)
        assert features.labels is samples.labels
        assert features.weights is samples.weights
        assert features.indices is samples.indices


class TestUnlabelled:
    def test_labels_and_weights_are_gone_and_inputs_and_indices_stay(self):
        samples = make_samples(first_index=9)
        unlabelled = samples.unlabelled()
        assert unlabelled.labels.tolist() == [-1] * 22
        assert unlabelled.labels.dtype == torch.int64
        assert unlabelled.weights is None
        assert unlabelled.inputs is samples.inputs
        assert unlabelled.indices is samples.indices
        assert samples.class_counts() == {0: 6, 1: 9, 2: 7}

    def test_numbers_with_decimals_become_nan_since_minus_one_could_be_true(self):
        samples = Samples(torch.zeros(3, 2), torch.tensor([0.5, -1.0, 2.0]))
        assert samples.unlabelled().labels.isnan().all()

    def test_text_says_so(self):
        assert repr(make_samples().unlabelled()).endswith("labels {-1: 22})")


class TestFewShot:
    def test_each_class_has_the_same_number(self):
        assert make_samples().few_shot(4, seed=3).class_counts() == {0: 4, 1: 4, 2: 4}

    def test_smaller_draw_is_part_of_the_larger(self):
        samples = make_samples((30, 30, 30))
        draws = [set(samples.few_shot(n, seed=1).indices.tolist()) for n in (1, 5, 20, 30)]
        assert all(small < large for small, large in zip(draws, draws[1:], strict=False))

    def test_seeds_give_different_draws(self):
        draws = {
            tuple(make_samples((30, 30)).few_shot(5, seed=s).indices.tolist()) for s in range(9)
        }
        assert len(draws) == 9

    def test_torch_seed_plays_no_part(self):
        torch.manual_seed(1)
        first = make_samples().few_shot(3, seed=5)
        torch.manual_seed(2)
        assert torch.equal(first.indices, make_samples().few_shot(3, seed=5).indices)

    def test_labels_stay_with_their_inputs(self):
        samples = make_samples()
        drawn = samples.few_shot(2, seed=0)
        assert torch.equal(drawn.inputs, samples.inputs[drawn.indices])
        assert torch.equal(drawn.labels, samples.labels[drawn.indices])

    def test_texts_are_drawn_like_images(self):
        samples = make_text_task().train
        drawn = samples.few_shot(2, seed=0)
        assert [text[0] for text in drawn.inputs] == ["a", "a", "b", "b", "c", "c"]
        assert list(drawn.inputs) == [samples.inputs[int(index)] for index in drawn.indices]

    @pytest.mark.parametrize("per_class", [0, -1, 7])
    def test_impossible_number_is_refused_with_the_range(self, per_class):
        message = f"per_class is {per_class}; the rarest class has 6 samples, so ask for 1 to 6"
        with pytest.raises(ValueError, match=message):
            make_samples().few_shot(per_class, seed=0)

    def test_nothing_cannot_be_drawn_from(self):
        with pytest.raises(ValueError, match="per_class is 1.*there is nothing to draw from"):
            make_samples((0,)).few_shot(1, seed=0)


class TestTask:
    def test_parts_are_in_the_order_of_use(self):
        task = make_task()
        assert list(task.parts) == ["train", "validation", "test"]
        assert task.parts["validation"] is task.validation
        assert task.num_classes == 3

    def test_few_shot_leaves_validation_and_test_complete(self):
        task = make_task()
        few = task.few_shot(2, seed=0)
        assert few.train.class_counts() == {0: 2, 1: 2, 2: 2}
        assert few.validation is task.validation
        assert few.test is task.test

    def test_map_parts_reaches_each_part_and_may_rename(self):
        task = make_task().map_parts(lambda part: part.select(torch.tensor([0])), name="one")
        assert [len(part) for part in task.parts.values()] == [1, 1, 1]
        assert task.name == "one"

    def test_text_names_everything_a_reader_needs(self):
        text = repr(make_task())
        assert "classes     a, b, c" in text
        assert "input       1 x 4 x 4, grey value 0 to 1" in text
        assert "train       22 (a 6, b 9, c 7)" in text
        assert "validation  6 (a 2, b 2, c 2)" in text
        assert "test        9 (a 3, b 3, c 3)" in text
        assert text.endswith("licence     CC0\n  source      made up")

    def test_class_without_samples_is_counted_as_zero(self):
        task = make_task().map_parts(lambda part: part.select(part.labels != 1))
        assert "b 0" in repr(task)

    @pytest.mark.parametrize("classes", [{"a", "b", "c"}, {"a": 2, "b": 0, "c": 1}, (), "abc"])
    def test_classes_without_an_order_or_names_are_refused(self, classes):
        with pytest.raises((TypeError, ValueError), match="^classes is .*; give a"):
            replace(make_task(), classes=classes)

    @pytest.mark.parametrize("change", [None, 3])
    def test_what_cannot_change_the_parts_is_refused(self, change):
        with pytest.raises(TypeError, match="^function is .*; give one that takes Samples"):
            make_task().map_parts(change)
        with pytest.raises(ValueError, match="^parts is .*; give a dict of"):
            make_task().with_parts({"train": make_samples()})

    def test_numbers_have_no_subset_of_classes(self):
        def numbers(part):
            return replace(part, labels=part.labels.float())

        with pytest.raises(TypeError, match="labels with decimals, which are no classes"):
            subset_of_classes(make_task().map_parts(numbers), ["a", "b"])


class TestPicture:
    def test_image_task_shows_a_png_and_its_text(self):
        task = make_task()
        bundle = task._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "image/png"}
        assert bundle["text/plain"] == repr(task)
        assert base64.b64decode(bundle["image/png"])[:8] == b"\x89PNG\r\n\x1a\n"

    def test_same_task_gives_the_same_bytes(self):
        assert make_task()._repr_mimebundle_() == make_task()._repr_mimebundle_()

    def test_feature_task_shows_text_only(self):
        task = make_task().map_parts(lambda part: part.with_inputs(part.inputs.flatten(1)))
        assert task._repr_mimebundle_() == {"text/plain": repr(task)}

    def test_text_task_shows_text_only(self):
        task = make_text_task()
        assert task._repr_mimebundle_() == {"text/plain": repr(task)}
        assert "\n  input       text, words\n" in repr(task)


class TestSubsetOfClasses:
    def test_labels_follow_the_order_of_the_names(self):
        task = make_task()
        subset = subset_of_classes(task, ["c", "a"])
        assert subset.classes == ("c", "a")
        assert subset.num_classes == 2
        assert subset.train.class_counts() == {0: 7, 1: 6}
        was_c = task.train.indices[task.train.labels == 2]
        assert torch.equal(subset.train.indices[subset.train.labels == 0], was_c)

    def test_weights_and_inputs_follow(self):
        task = make_task()
        kept = subset_of_classes(task, ["b", "c"]).test
        assert torch.equal(kept.weights, task.test.weights[3:])
        assert torch.equal(kept.inputs, task.test.inputs[3:])

    def test_unlabelled_samples_are_refused(self):
        """Else -1 would count from the end, and they would get the label of the last class."""
        task = make_task()
        task = task.map_parts(lambda part: part.unlabelled() if part is task.train else part)
        with pytest.raises(ValueError, match="task has unlabelled samples; choose the classes bef"):
            subset_of_classes(task, ["a", "c"])

    def test_texts_follow_their_labels(self):
        subset = subset_of_classes(make_text_task(), ["c", "a"])
        assert list(subset.train.inputs) == ["a0", "a1", "a2", "c0", "c1", "c2"]
        assert subset.train.labels.tolist() == [1, 1, 1, 0, 0, 0]

    def test_old_task_stays_as_it_was(self):
        task = make_task()
        subset_of_classes(task, ["c", "a"])
        assert task.train.class_counts() == {0: 6, 1: 9, 2: 7}

    def test_draws_in_a_subset_are_those_in_the_whole(self):
        task = make_task()
        subset = subset_of_classes(task, ["b", "c"]).few_shot(3, seed=4)
        whole = task.few_shot(3, seed=4).train
        assert set(subset.train.indices.tolist()) == set(whole.indices[whole.labels > 0].tolist())

    @pytest.mark.parametrize("classes", [["a", "x"], ["a", "a"], ["a"], []])
    def test_bad_names_are_refused_with_the_allowed_ones(self, classes):
        with pytest.raises(
            ValueError, match=r"classes is \[.*name at least two.*\['a', 'b', 'c'\]"
        ):
            subset_of_classes(make_task(), classes)
