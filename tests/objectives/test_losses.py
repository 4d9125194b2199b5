"""Tests of course_utils.objectives.losses."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from toys import one_thread  # noqa: F401, a fixture

from course_utils.objectives.base import Batch
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.losses import mean_over_samples as mean

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0], [-1.0, 3.0, 0.0], [0.0, 0.0, 4.0]])
LABELS = torch.tensor([0, 2, 1, 0])
WEIGHTS = torch.tensor([1.0, 0.5, 0.25, 2.0])


def batch(outputs=LOGITS, labels=LABELS, weights=None):
    """Return a batch whose outputs are given: a loss looks at nothing else of the model."""
    return Batch(nn.Identity(), torch.zeros(len(outputs)), labels, outputs, weights)


class TestMeanOverSamples:
    def test_weighted_mean_by_hand(self):
        # (1 * 4 + 3 * 8) / (1 + 3)
        assert mean(torch.tensor([4.0, 8.0]), torch.tensor([1.0, 3.0])) == 7

    def test_common_factor_of_the_weights_does_not_matter(self):
        losses = torch.tensor([4.0, 8.0, 1.0])
        torch.testing.assert_close(mean(losses, torch.full((3,), 0.2)), mean(losses, None))


class TestCrossEntropy:
    def test_value_by_hand(self):
        # two equal logits: the true class gets 1/2
        found = CrossEntropy().value(batch(torch.zeros(1, 2), torch.tensor([1])))
        assert found.item() == pytest.approx(0.6931472)  # log 2

    def test_sample_weights_by_hand(self):
        probabilities = LOGITS.exp() / LOGITS.exp().sum(1, keepdim=True)
        losses = -probabilities[range(4), LABELS].log()
        expected = (1 * losses[0] + 0.5 * losses[1] + 0.25 * losses[2] + 2 * losses[3]) / 3.75
        torch.testing.assert_close(CrossEntropy().value(batch(weights=WEIGHTS)), expected)

    @pytest.mark.parametrize("type_", [torch.int64, torch.float32, torch.float64])
    def test_class_weights_of_any_type_keep_the_precision_of_the_outputs(self, type_):
        weights = torch.tensor([1, 2, 4], dtype=type_)
        found = CrossEntropy(class_weights=weights).value(batch())
        torch.testing.assert_close(found, F.cross_entropy(LOGITS, LABELS, weight=weights.float()))

    def test_class_and_sample_weights_multiply(self):
        found = CrossEntropy(class_weights=[2.0, 1.0, 4.0]).value(batch(weights=WEIGHTS))
        product = WEIGHTS * torch.tensor([2.0, 4.0, 1.0, 2.0])
        torch.testing.assert_close(found, CrossEntropy().value(batch(weights=product)))

    def test_label_smoothing_by_hand(self):
        target = F.one_hot(LABELS, 3) * 0.7 + 0.3 / 3
        expected = -(target * LOGITS.log_softmax(1)).sum(1).mean()
        found = CrossEntropy(label_smoothing=0.3).value(batch())
        torch.testing.assert_close(found, expected)

    def test_text_shows_what_differs_from_the_default(self):
        assert repr(CrossEntropy()) == "CrossEntropy()"
        term = CrossEntropy(class_weights=[1.0, 2.0], label_smoothing=0.1)
        assert repr(term) == "CrossEntropy(class_weights=[1.0, 2.0], label_smoothing=0.1)"

    @pytest.mark.parametrize("smoothing", [-0.1, 1, 1.5, float("nan")])
    def test_smoothing_out_of_range_is_refused(self, smoothing):
        with pytest.raises(ValueError, match=f"label_smoothing is {smoothing}; give 0 to below 1"):
            CrossEntropy(label_smoothing=smoothing)

    def test_negative_class_weight_is_refused(self):
        with pytest.raises(
            ValueError, match=r"class_weights is \[1.0, -2.0\]; give numbers from 0"
        ):
            CrossEntropy(class_weights=[1, -2])

    @pytest.mark.parametrize("number", [2, 4])
    def test_wrong_number_of_class_weights_is_refused(self, number):
        term = CrossEntropy(class_weights=[1.0] * number)
        with pytest.raises(ValueError, match=f"class_weights has {number} numbers .* 3 classes"):
            term.value(batch())

    @pytest.mark.parametrize("term", [CrossEntropy(), CrossEntropy(label_smoothing=0.5)], ids=repr)
    def test_batch_without_labels_is_refused(self, term):
        message = r"^CrossEntropy\(.*\) needs labels and the batch has none; give labelled samples"
        with pytest.raises(ValueError, match=message):
            term.value(batch(labels=None))

    @pytest.mark.parametrize(
        ("labels", "values"),
        [([0, 1, 2, 3], "0 to 3"), ([0, 1, -1, 2], "-1 to 2"), ([-100, 0, 0, 9], "-100 to 9")],
    )
    def test_label_that_is_no_class_of_the_model_is_refused(self, labels, values):
        message = f"labels has values from {values} and the model gives 3 classes, 0 to 2; replace"
        with pytest.raises(ValueError, match=message):
            CrossEntropy().value(batch(labels=torch.tensor(labels)))

    @pytest.mark.parametrize("type_", [torch.float32, torch.float64, torch.bool])
    def test_labels_of_another_type_are_refused(self, type_):
        message = rf"labels has the type {type_}; .*torch\.int64.* or use SquaredError\(\) for num"
        with pytest.raises(ValueError, match=message):
            CrossEntropy().value(batch(labels=LABELS.to(type_)))

    @pytest.mark.parametrize(
        ("outputs", "labels", "shapes"),
        [
            ((4,), (4,), r"\(4,\) and labels \(4,\)"),
            ((4, 3, 2), (4,), r"\(4, 3, 2\) and labels \(4,\)"),
            ((4, 3), (4, 1), r"\(4, 3\) and labels \(4, 1\)"),
            ((4, 3), (4, 3), r"\(4, 3\) and labels \(4, 3\)"),
            ((4, 3), (3,), r"\(4, 3\) and labels \(3,\)"),
            ((4, 3, 2), (4, 2), r"\(4, 3, 2\) and labels \(4, 2\)"),  # torch alone would take it
        ],
    )
    def test_wrong_shapes_are_refused(self, outputs, labels, shapes):
        message = rf"outputs has shape {shapes}; CrossEntropy needs \(N, K\) and \(N,\)"
        with pytest.raises(ValueError, match=message):
            CrossEntropy().value(batch(torch.zeros(outputs), torch.zeros(labels).long()))


class TestSquaredError:
    def test_value_by_hand_for_one_number_per_sample(self):
        outputs, labels = torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0])
        # (1/2 * 1 + 1/2 * 4) / 2; broadcasting (2, 1) to (2, 2) would give another number
        assert SquaredError().value(batch(outputs, labels)) == 1.25

    def test_value_by_hand_for_vectors_and_weights(self):
        outputs, labels = (
            torch.tensor([[1.0, 2.0], [0.0, 0.0]]),
            torch.tensor([[0.0, 0.0], [2.0, 0.0]]),
        )
        found = SquaredError().value(batch(outputs, labels, torch.tensor([1.0, 3.0])))
        # (1 * (1 + 4) / 2 + 3 * 4 / 2) / 4
        assert found == 2.125

    def test_flat_outputs_are_accepted(self):
        assert SquaredError().value(batch(torch.tensor([2.0]), torch.tensor([0]))) == 2

    @pytest.mark.parametrize("shape", [(4, 3), (3,), (4, 1, 1)])
    def test_shapes_that_would_broadcast_are_refused(self, shape):
        with pytest.raises(ValueError, match=r"outputs has shape .* and labels \(4,\); both must"):
            SquaredError().value(batch(torch.zeros(shape), LABELS))

    def test_batch_without_labels_is_refused(self):
        message = r"^SquaredError\(\) needs labels and the batch has none; .* or leave the term out"
        with pytest.raises(ValueError, match=message):
            SquaredError().value(batch(labels=None))


class TestEmptyBatch:
    @pytest.mark.parametrize("weights", [None, torch.zeros(0)], ids=["alike", "weighted"])
    @pytest.mark.parametrize(
        ("term", "outputs", "labels"),
        [
            (CrossEntropy(), torch.zeros(0, 3), torch.zeros(0).long()),
            (CrossEntropy(class_weights=[1.0, 2.0, 3.0]), torch.zeros(0, 3), torch.zeros(0).long()),
            (SquaredError(), torch.zeros(0), torch.zeros(0)),
            (SquaredError(), torch.zeros(0, 1), torch.zeros(0)),
            (SquaredError(), torch.zeros(0, 2), torch.zeros(0, 2)),
        ],
    )
    def test_mean_over_nothing_is_refused(self, term, outputs, labels, weights):
        """Torch alone would give nan, and training would go on with it."""
        message = "got an empty batch; a mean needs at least one sample"
        with pytest.raises(ValueError, match=message) as caught:
            term.value(batch(outputs, labels, weights))
        assert str(caught.value).startswith(term.text)

    @pytest.mark.parametrize("term", [CrossEntropy(), SquaredError()], ids=repr)
    def test_one_sample_is_enough(self, term):
        shape = (1, 1) if term.name == "squared error" else (1, 3)
        assert term.value(batch(torch.zeros(shape), torch.zeros(1).long())).isfinite()


class TestRole:
    @pytest.mark.parametrize(
        ("term", "name"), [(CrossEntropy(), "cross-entropy"), (SquaredError(), "squared error")]
    )
    def test_each_loss_is_an_l_with_its_name(self, term, name):
        assert (term.role, term.name) == ("L", name)
