"""What is handed to fit, predict and evaluate: converted if it means one thing, or refused.

X are features (8, 4), Y labels 0 and 1, I images (8, 1, 8, 8) from 0 to 1.
"""

import re
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from toys import Net, is_same, make_samples, one_thread, state  # noqa: F401, a fixture

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.models.classifier import small_cnn
from course_utils.models.inference import predict
from course_utils.objectives.adversarial import DomainAdversarial
from course_utils.objectives.alignment import MMD
from course_utils.objectives.base import Batch, Term
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate, latency, sample_loss
from course_utils.training.history import TrainingDivergedError
from course_utils.training.loop import fit, linear_probe
from course_utils.training.metrics import compute_metrics

X = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(8) % 2
I = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))  # noqa: E741
W = torch.linspace(0.1, 2.0, 8)


def linear(seed=0, outputs=2):
    torch.manual_seed(seed)
    return nn.Linear(4, outputs)


def learned(model, samples, **settings):
    return fit(model, samples, CrossEntropy(), num_epochs=2, **settings)


class Pair(nn.Module):
    """Returns two tensors, as models of libraries do."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.inner = kind, linear()

    def forward(self, inputs):
        logits = self.inner(inputs)
        return {"logits": logits} if self.kind is dict else (logits, logits)


class TestConverted:
    @pytest.mark.parametrize(
        "inputs",
        [X.numpy(), X.tolist(), X.numpy().astype(np.float64), X.double(), list(X)],
        ids=["numpy", "list", "float64 array", "float64 tensor", "list of tensors"],
    )
    @pytest.mark.parametrize(
        "labels",
        [Y.numpy(), Y.tolist(), Y[:, None], Y.int(), Y.bool(), Y.to(torch.uint8)],
        ids=["numpy", "list", "column", "int32", "bool", "uint8"],
    )
    def test_what_can_be_meant_in_one_way_learns_and_answers_the_same(self, inputs, labels):
        models = linear(), linear()
        learned(models[0], Samples(X, Y))
        learned(models[1], Samples(inputs, labels))
        torch.testing.assert_close(models[0].weight, models[1].weight)
        expected, samples = evaluate(models[0], Samples(X, Y)), Samples(inputs, labels)
        assert evaluate(models[1], samples).accuracy == expected.accuracy
        torch.testing.assert_close(predict(models[1], inputs).float(), predict(models[0], X))

    def test_precise_models_stay_precise(self):
        model = linear().double()
        learned(model, Samples(X, Y))
        assert model.weight.dtype == predict(model, X).dtype == torch.float64

    def test_batches_larger_than_all_samples_are_all_samples(self):
        models = linear(), linear()
        for model, size in zip(models, (8, 10**400), strict=True):
            learned(model, Samples(X, Y), batch_size=size)
        assert torch.equal(models[0].weight, models[1].weight)

    def test_numbers_of_numpy_are_numbers(self):
        settings = {"batch_size": np.int64(4), "learning_rate": np.float32(0.1)}
        fit(linear(), Samples(X, Y), CrossEntropy(), num_epochs=np.int32(1), **settings)

    def test_features_with_a_graph_get_no_gradient(self):
        weight = torch.ones(4, requires_grad=True)
        learned(linear(), Samples(X * weight, Y))
        leaf = X.clone().requires_grad_()
        learned(linear(), Samples(leaf, Y))
        assert weight.grad is None and leaf.grad is None

    def test_weights_may_be_a_column(self):
        flat, column = Samples(X, Y, W), Samples(X, Y, W[:, None])
        losses = [sample_loss(linear(), samples, CrossEntropy()) for samples in (flat, column)]
        assert losses[0] == losses[1]
        scores = [evaluate(linear(), samples).weighted_accuracy for samples in (flat, column)]
        assert scores[0] == scores[1] <= 1


REFUSED = {
    "no samples": (lambda: learned(linear(), (X, Y)), TypeError, "samples is a tuple of length 2"),
    "tensor": (lambda: learned(linear(), X), TypeError, "samples is a tensor of shape"),
    "loss of torch": (
        lambda: fit(linear(), Samples(X, Y), nn.CrossEntropyLoss(), num_epochs=1),
        TypeError,
        "objective is of type CrossEntropyLoss; give a term",
    ),
    "rate as text": (
        lambda: learned(linear(), Samples(X, Y), learning_rate="1e-3"),
        TypeError,
        "learning_rate is a text; give a number, above 0",
    ),
    "epochs as float": (
        lambda: fit(linear(), Samples(X, Y), CrossEntropy(), num_epochs=1.5),
        TypeError,
        "num_epochs is 1.5; give a whole number",
    ),
    "no model": (lambda: learned("linear", Samples(X, Y)), TypeError, "model is a text; give a"),
    "class of a model": (lambda: predict(nn.Linear, X), TypeError, "model is the class Linear"),
    "nothing to learn": (lambda: learned(nn.ReLU(), Samples(X, Y)), ValueError, "no parameters"),
    "tuple": (lambda: predict(Pair(tuple), X), TypeError, "model returns a tuple of length 2"),
    "dict": (lambda: learned(Pair(dict), Samples(X, Y)), TypeError, "model returns a dict of"),
    "no labels": (lambda: Samples(X, None), TypeError, "labels is None; give one for each input"),
    "texts as numbers": (lambda: predict(linear(), ["a", "b"]), TypeError, "turn texts into tok"),
    "unequal rows": (lambda: Samples([[1.0], [1.0, 2.0]], [0, 1]), ValueError, "unequal length"),
    "wrong width": (lambda: predict(linear(), X[:, :3]), ValueError, "cannot read inputs of shape"),
    "width in fit": (lambda: learned(linear(), Samples(X[:, :3], Y)), ValueError, "cannot read"),
    "empty": (lambda: predict(linear(), X[:0]), ValueError, "inputs is empty"),
    "empty samples": (lambda: evaluate(linear(), Samples(X[:0], Y[:0])), ValueError, "is empty"),
    "not a number": (lambda: predict(linear(), X * torch.nan), ValueError, "inputs has 32 numbers"),
    "nowhere": (lambda: predict(linear(), X.to("meta")), TypeError, "on meta; give plain numbers"),
    "samples as inputs": (lambda: predict(linear(), Samples(X, Y)), TypeError, "samples.inputs"),
    "whole pixels": (
        lambda: predict(small_cnn(2), (I * 255).to(torch.uint8)),
        ValueError,
        "divide 0…255 by 255",
    ),
    "labels too high": (
        lambda: learned(linear(), Samples(X, Y + 1)),
        ValueError,
        "samples: labels has values from 1 to 2 and the model gives 2 classes",
    ),
    "one output": (
        lambda: learned(linear(outputs=1), Samples(X, Y * 0)),
        ValueError,
        "one number for each sample; CrossEntropy",
    ),
    "weights of zero": (lambda: Samples(X, Y, W * 0), ValueError, "weights above 0"),
    "negative weights": (lambda: Samples(X, Y, -W), ValueError, "weights above 0"),
    "weights of nan": (lambda: Samples(X, Y, W * torch.nan), ValueError, "weights has 8 numbers"),
    "two weights each": (lambda: Samples(X, Y, W.expand(2, 8).T), ValueError, "one number for"),
    "class weights of 0": (lambda: CrossEntropy(class_weights=[0, 0]), ValueError, "above 0"),
    "class that does not count": (
        lambda: fit(linear(), Samples(X, Y * 0), CrossEntropy(class_weights=[0, 1]), num_epochs=1),
        ValueError,
        "class_weights is 0 for each class that occurs",
    ),
    "latency of nothing": (lambda: latency(linear(), X[:0]), ValueError, "empty"),
    "probe of images": (
        lambda: linear_probe(Samples(I, Y), CrossEntropy(), num_classes=2),
        ValueError,
        "give features",
    ),
    "one sample and BatchNorm": (
        lambda: learned(nn.Sequential(nn.BatchNorm1d(4), linear()), Samples(X[:1], Y[:1])),
        ValueError,
        "Expected more than 1 value per channel",
    ),
    "tokens of a small table": (
        lambda: predict(nn.Sequential(nn.Embedding(3, 2), nn.Flatten()), torch.tensor([[7]])),
        ValueError,
        "cannot read inputs",
    ),
}


class TestRefused:
    @pytest.mark.parametrize("name", REFUSED)
    def test_in_one_line_that_says_what_to_do(self, name):
        run, kind, words = REFUSED[name]
        with pytest.raises(kind, match=re.escape(words)) as caught:
            run()
        message = str(caught.value)
        assert "\n" not in message
        assert ";" in message or ":" in message

    def test_a_task_is_refused_with_the_part_to_give(self):
        parts = [Samples(X, Y, indices=torch.arange(8) + start) for start in (0, 8, 16)]
        task = Task("t", ("a", "b"), *parts, "", "", "")
        with pytest.raises(TypeError, match="samples is of type Task; give .*samples.train"):
            learned(linear(), task)

    def test_messages_do_not_show_the_data(self):
        secret = 4242.4242
        with pytest.raises(ValueError) as caught:
            learned(linear(), Samples(torch.full((8, 3), secret), Y))
        assert "4242" not in str(caught.value)

    def test_term_that_gives_no_tensor_is_named(self):
        class Float(Term):
            name, role, latex = "float", "R", "?"

            def value(self, batch):
                return 0.5

        with pytest.raises(TypeError, match="the term 'float' gives 0.5; let its value"):
            fit(linear(), Samples(X, Y), CrossEntropy() + Float(), num_epochs=1)

    def test_objective_without_a_gradient_is_refused(self):
        class Constant(Term):
            name, role, latex = "constant", "R", "?"

            def value(self, batch):
                return torch.tensor(1.0)

        with pytest.raises(ValueError, match="no gradient for what learns"):
            fit(linear(), Samples(X, Y), 1.0 * Constant(), num_epochs=1)


class TestNothingChanges:
    @pytest.mark.parametrize(
        "settings",
        [
            {"validation": Samples(X[:, :3], Y)},
            {"validation": Samples(X, Y + 5)},
            {"validation": (X, Y)},
            {"schedule": "stairs"},
            {"learning_rate": {"weight": 0.1}},
            {"patience": 2},
            {"seed": -1},
        ],
        ids=str,
    )
    def test_when_an_argument_is_wrong(self, settings):
        model, before, numbers = linear(), state(linear()), torch.get_rng_state()
        with pytest.raises((TypeError, ValueError)):
            learned(model, Samples(X, Y), **settings)
        assert is_same(before, model)
        assert torch.equal(numbers, torch.get_rng_state())

    def test_when_a_later_label_is_wrong(self):
        model, labels = linear(), Y.clone()
        before = state(model)
        labels[7] = 2
        with pytest.raises(ValueError, match="labels has values from 0 to 2"):
            learned(model, Samples(X, labels), batch_size=1)
        assert is_same(before, model)

    @pytest.mark.parametrize("call", [predict, latency])
    def test_when_a_model_works_in_place(self, call):
        inputs = X.clone()
        call(nn.Sequential(nn.ReLU(inplace=True), linear()), inputs)
        assert torch.equal(inputs, X)

    def test_when_a_model_that_works_in_place_learns(self):
        samples = Samples(X.clone(), Y)
        learned(nn.Sequential(nn.ReLU(inplace=True), linear()), samples)
        assert torch.equal(samples.inputs, X)

    def test_answers_do_not_share_the_memory_of_the_inputs(self):
        answers = predict(nn.Identity(), X)
        answers += 1
        assert not torch.equal(answers, X)


class Fuse(Term):
    """Ends the training in the middle of an epoch."""

    name, role, latex = "fuse", "R", "?"

    def __init__(self, steps, error):
        self.left, self.error = steps, error

    def value(self, batch):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return batch.outputs.sum() * 0


class TestWorkIsKept:
    @pytest.mark.parametrize(
        "error", [KeyboardInterrupt(), RuntimeError("power"), MemoryError()], ids=repr
    )
    @pytest.mark.parametrize("validation", [None, Samples(X, Y)], ids=["alone", "watched"])
    def test_whatever_ends_it(self, error, validation):
        whole, cut = linear(), linear()
        settings = {"batch_size": 4, "learning_rate": 0.01, "validation": validation}
        fit(whole, Samples(X, Y), CrossEntropy(), num_epochs=3, **settings)
        with pytest.raises(type(error)) as caught:
            objective = CrossEntropy() + Fuse(7, error)  # in the second step of epoch 4
            fit(cut, Samples(X, Y), objective, num_epochs=9, **settings)
        history = caught.value.history
        assert (history.num_epochs, history.best_epoch) == (3, 3)
        assert len(history.validation_loss) == (0 if validation is None else 3)
        torch.testing.assert_close(cut.weight, whole.weight)
        assert "epoch 3" in caught.value.__notes__[0]

    def test_best_epoch_comes_back_and_not_the_last(self):
        model, samples = linear(), Samples(X, Y)
        wrong = Samples(X, 1 - Y)  # the more is learned, the worse: the first epoch is the best
        with pytest.raises(RuntimeError) as caught:
            objective = CrossEntropy() + Fuse(4, RuntimeError("power"))
            fit(model, samples, objective, num_epochs=9, validation=wrong, learning_rate=0.1)
        history = caught.value.history
        assert (history.num_epochs, history.best_epoch) == (4, 1)
        assert sample_loss(model, wrong, CrossEntropy()) == pytest.approx(
            min(history.validation_loss)
        )

    def test_divergence_in_a_later_epoch(self):
        model = linear()
        with pytest.raises(TrainingDivergedError) as caught:
            objective = CrossEntropy() + 1e-30 * Growing()
            fit(model, Samples(X, Y), objective, num_epochs=9)
        assert caught.value.history.num_epochs == caught.value.history.best_epoch == 3
        assert all(weight.isfinite().all() for weight in model.parameters())

    def test_error_in_the_first_epoch_leaves_all_as_it_was(self):
        model = Net()
        before = state(model)
        with pytest.raises(RuntimeError):
            objective = CrossEntropy() + Fuse(1, RuntimeError("power"))
            fit(model, make_samples(), objective, num_epochs=2, batch_size=4)
        assert is_same(before, model)


class Growing(Term):
    name, role, latex = "growing", "R", "?"

    def __init__(self):
        self.steps = 0

    def value(self, batch):
        self.steps += 1
        return batch.outputs.sum() * (float("inf") if self.steps > 3 else 1.0)


class TestWeightsOfSamples:
    """The mean of all batch gradients is the gradient of the whole, with weights too."""

    SAMPLES = Samples(X, Y, torch.tensor([1, 1, 1, 0.02, 0.02, 0.02, 0.02, 0.02]))

    @pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(class_weights=[1.0, 5.0])])
    @pytest.mark.parametrize("size", [1, 2, 4])
    def test_batches_add_up_to_the_whole(self, loss, size):
        model = linear()

        def gradient(rows, data):
            part = self.SAMPLES.select(rows)
            batch = Batch(
                model, part.inputs, part.labels, model(part.inputs), part.weights, data=data
            )
            return torch.autograd.grad(loss.value(batch), model.weight)[0]

        whole = gradient(torch.arange(8), None)
        parts = [gradient(rows, self.SAMPLES) for rows in torch.arange(8).split(size)]
        torch.testing.assert_close(torch.stack(parts).mean(0), whole)

    def test_history_is_the_mean_over_samples_not_over_batches(self):
        frozen = linear()
        with torch.no_grad():
            losses = nn.functional.cross_entropy(frozen(X), Y, reduction="none")
        expected = (losses * W).sum() / W.sum()
        settings = {"learning_rate": 1e-9, "batch_size": 3, "optimizer": "sgd"}
        history = fit(frozen, Samples(X, Y, W), CrossEntropy(), num_epochs=1, **settings)
        assert history.terms["cross-entropy"][0] == pytest.approx(expected.item(), rel=1e-5)

    def test_squared_error_too(self):
        model = linear(outputs=1)
        samples = Samples(X, torch.randn(8), W)
        squares = (predict(model, X)[:, 0] - samples.labels).square() / 2
        expected = (squares * W).sum() / W.sum()
        assert sample_loss(model, samples, SquaredError()) == pytest.approx(expected.item())


class TestRamp:
    def test_one_step_of_lbfgs_counts_once(self):
        model = Net()
        term = DomainAdversarial(make_samples(seed=1).inputs, 6, ramp_steps=10)
        samples = make_samples()
        settings = {"optimizer": "lbfgs", "batch_size": len(samples), "learning_rate": 0.1}
        fit(model, samples, CrossEntropy() + term, num_epochs=2, **settings)
        assert term.num_steps == 2


def test_accuracy_of_a_column_of_labels():
    logits = torch.nn.functional.one_hot(Y, 2).float()
    assert compute_metrics(logits, Y[:, None]).accuracy == 1.0


def test_models_stay_equal_in_two_runs_with_one_seed():
    first, second = linear(), deepcopy(linear())
    for model in (first, second):
        fit(model, Samples(X, Y), CrossEntropy() + 0.1 * L2(), num_epochs=2, batch_size=3)
    assert torch.equal(first.weight, second.weight)


def nested():
    return torch.nested.nested_tensor([torch.ones(4), torch.ones(4)], layout=torch.jagged)


class TestNumbersOfOtherKinds:
    @pytest.mark.parametrize(
        ("inputs", "words"),
        [
            (nested, "nested or sparse"),
            (X.to_sparse, "nested or sparse"),
            (lambda: np.ma.masked_array(X.numpy(), mask=X.numpy() > 0), "has masked numbers"),
        ],
        ids=["nested", "sparse", "masked"],
    )
    def test_are_refused_in_one_line(self, inputs, words):
        with pytest.raises(TypeError, match=f"^inputs .*{words}.*; .*$"):
            predict(linear(), inputs())

    @pytest.mark.parametrize("made", [torch.half, torch.bfloat16, np.longdouble, list])
    def test_decimals_of_any_precision_are_read(self, made):
        inputs = [row.bfloat16() for row in X] if made is list else X.numpy().astype(np.longdouble)
        inputs = X.to(made) if isinstance(made, torch.dtype) else inputs
        assert torch.allclose(predict(linear(), inputs), predict(linear(), X), atol=0.02)

    @pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
    def test_a_model_reads_them_in_its_own_precision(self, dtype):
        assert predict(linear().to(dtype), X).dtype == dtype

    @pytest.mark.parametrize("scale", [1e300, 1e35, 1e-40, 1e-60])
    def test_weights_whose_mean_cannot_be_computed_are_refused(self, scale):
        with pytest.raises(ValueError, match="^weights has .*; (divide all of them|give weights)"):
            Samples(X, Y, W.double() * scale)


class Counter(nn.Module):
    """Counts its passes in a buffer, in any mode, and may draw numbers."""

    def __init__(self, in_place):
        super().__init__()
        self.inner, self.in_place = linear(), in_place
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, inputs):
        if self.in_place:
            self.passes += 1
        else:
            self.passes = self.passes + 1
        return self.inner(inputs) + 0 * torch.rand(())


class Swelling(Counter):
    """Its buffer gets another shape, and one that was empty is filled."""

    def __init__(self):
        super().__init__(in_place=False)
        self.register_buffer("last", None)

    def forward(self, inputs):
        self.last, self.passes = inputs.sum(), self.passes.reshape(-1).repeat(2)
        return self.inner(inputs)


class TestUntouched:
    @pytest.mark.parametrize("in_place", [True, False])
    def test_predict_gives_buffers_back_and_training_goes_on(self, in_place):
        model = Counter(in_place)
        predict(model, X)
        assert model.passes == 0 and not model.passes.is_inference()
        learned(model, Samples(X, Y), batch_size=8)
        assert model.passes == 2

    def test_predict_gives_buffers_of_another_shape_back(self):
        model = Swelling()
        predict(model, X)
        assert model.passes.shape == () and model.last is None
        learned(model, Samples(X, Y))

    def test_refused_fit_leaves_buffers_and_random_numbers(self):
        model = Counter(True)
        model_before = state(model)
        before = torch.get_rng_state()
        with pytest.raises(ValueError, match="^samples: "):
            fit(model, Samples(X, Y.float()), SquaredError(), num_epochs=1)
        assert is_same(model_before, model) and torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize(
        "model",
        [lambda: nn.Sequential(nn.LazyLinear(3), nn.LazyLinear(2)), lambda: linear().to("meta")],
        ids=["lazy", "meta"],
    )
    def test_models_without_weights_yet_are_refused(self, model):
        model = model()
        for ask in (lambda: predict(model, X), lambda: learned(model, Samples(X, Y))):
            with pytest.raises(ValueError, match="lazy layers without a shape, or weights without"):
                ask()

    def test_weights_of_inference_mode_are_refused(self):
        with torch.inference_mode():
            model = linear()
        with pytest.raises(ValueError, match="made in inference mode; build it outside"):
            learned(model, Samples(X, Y))

    def test_fit_learns_inside_of_inference_mode(self):
        expected, model = linear(), linear()
        learned(expected, Samples(X, Y))
        with torch.inference_mode():
            learned(model, Samples(X, Y))
        assert torch.equal(model.weight, expected.weight)


@pytest.mark.parametrize(
    "labels", [torch.full((8,), -1), torch.full((8,), torch.nan), torch.rand(8) / 0], ids=str
)
def test_squared_error_does_not_learn_what_nobody_knows(labels):
    model = linear(outputs=1)
    with pytest.raises(ValueError, match="^samples: labels has 8 numbers that nobody knows"):
        fit(model, Samples(X, labels), SquaredError(), num_epochs=1)


class NoSlope(Term):
    """Zero, with a gradient that is not a number."""

    name, role, latex = "no slope", "R", "0"

    def value(self, batch):
        return (batch.model.weight * 0).abs().sqrt().sum()


def test_weights_that_break_in_the_last_step_do_not_stay():
    model = linear()
    before = state(model)
    with pytest.raises(TrainingDivergedError, match="^the weights 'weight' became .*; lower") as e:
        fit(model, Samples(X, Y), CrossEntropy() + NoSlope(), num_epochs=1)
    assert is_same(before, model) and e.value.history.num_epochs == 0


class Beside(nn.Module):
    """Has a backbone that it does not ask, or one that gives two things."""

    def __init__(self, asks):
        super().__init__()
        self.backbone, self.head, self.asks = Pair(tuple), linear(), asks

    def forward(self, inputs):
        return self.backbone(inputs)[0] if self.asks else self.head(inputs)


@pytest.mark.parametrize("asks", [True, False])
def test_backbone_without_features_stops_only_terms_that_need_them(asks):
    learned(Beside(asks), Samples(X, Y))
    with pytest.raises(ValueError, match="needs features and the batch has none"):
        fit(Beside(asks), Samples(X, Y), CrossEntropy() + MMD(X), num_epochs=1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rate": {0: 0.1}}, "learning_rate has the key 0; give prefixes"),
        ({"seed": 2**70}, "seed is .*; give 0 to "),
        ({"seed": 10**400}, "seed is .*; give 0 to "),
        ({"progress": "no"}, "progress is a text; give True or False"),
    ],
)
def test_settings_of_another_kind_are_refused(settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        learned(linear(), Samples(X, Y), **settings)


@pytest.mark.parametrize(
    "sum_of",
    [
        lambda term: term + nn.MSELoss(),
        lambda term: term + L2,
        lambda term: 1 + term,
        lambda term: torch.tensor(2.0) * term,
        lambda term: np.ones(3) * term,
        lambda term: term * term,
        lambda term: term - term,
        lambda term: -term,
        lambda term: term / 2,
    ],
)
def test_what_makes_no_objective_is_refused_in_our_words(sum_of):
    with pytest.raises(TypeError, match=r"^CrossEntropy\(\) .*(add|added|multiply)"):
        sum_of(CrossEntropy())


@pytest.mark.parametrize(
    "positions", [1, None, [0.5], torch.zeros(2, 2).long(), [True], [99]], ids=str
)
def test_positions_that_are_none_are_refused(positions):
    with pytest.raises((TypeError, ValueError), match="^positions .*; give"):
        Samples(X, Y).select(positions)


@pytest.mark.parametrize("labels", [Y.float(), torch.full((8,), torch.nan), torch.eye(8).long()])
def test_few_shot_of_what_are_no_classes_is_refused(labels):
    with pytest.raises(TypeError, match="few_shot needs classes"):
        Samples(X, labels).few_shot(1, seed=0)
