"""Tests of course_utils.objectives.alignment, and of what all terms that align domains share."""

import math
import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn
from toys import (  # noqa: F401, a fixture
    Net,
    Plain,
    domain,
    is_same,
    make_batch,
    make_samples,
    one_thread,
    shifted_task,
    state,
)

from course_utils import objectives
from course_utils.features.distances import coral_distance, mmd_squared
from course_utils.models.classifier import small_cnn
from course_utils.models.freezing import freeze
from course_utils.objectives.adversarial import DomainAdversarial
from course_utils.objectives.alignment import CORAL, MMD
from course_utils.objectives.base import Batch
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

TARGET = domain(50, shift=1.0, seed=7)
KINDS = {
    "MMD": MMD,
    "MMD of given widths": lambda inputs: MMD(inputs, bandwidths=[1.0, 8.0]),
    "CORAL": CORAL,
    "DomainAdversarial": lambda inputs: DomainAdversarial(inputs, 6, ramp_steps=None),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def targets_read(model):
    """Return what the backbone read in every second pass, after the batch of the source."""
    return [read for read in model.read if len(read) > 1][1::2]  # not the look at one sample


class TestText:
    @pytest.mark.parametrize(
        ("term", "name", "text"),
        [
            (MMD(TARGET), "MMD", "MMD(target_inputs)"),
            (
                MMD(TARGET, bandwidths=(1, 0.5)),
                "MMD",
                "MMD(target_inputs, bandwidths=[1.0, 0.5])",
            ),
            (CORAL(TARGET), "CORAL", "CORAL(target_inputs)"),
            (
                DomainAdversarial(TARGET, 6, ramp_steps=30),
                "domain-adversarial",
                "DomainAdversarial(target_inputs, 6, ramp_steps=30)",
            ),
            (
                DomainAdversarial(TARGET, 6, ramp_steps=None, hidden=8, seed=3),
                "domain-adversarial",
                "DomainAdversarial(target_inputs, 6, ramp_steps=None, hidden=8, seed=3)",
            ),
        ],
    )
    def test_is_code_that_gives_the_same_term(self, term, name, text):
        assert (term.role, term.name, term.text, repr(0.5 * term)) == (
            "R",
            name,
            text,
            f"0.5 * {text}",
        )
        again = eval(text, {**vars(objectives), "target_inputs": TARGET})
        assert repr(again) == text
        torch.manual_seed(0)
        expected = term.value(make_batch(Plain()))
        torch.manual_seed(0)
        assert again.value(make_batch(Plain())) == expected

    @each_kind
    def test_mathematics_compares_the_features_of_both_domains(self, kind):
        term = kind(TARGET)
        assert r"\varphi_w(X_S)" in term.latex
        assert r"\varphi_w(X_T)" in term.latex
        assert term.latex.count("{") == term.latex.count("}")
        assert term.latex.count(r"\big") % 2 == 0
        assert (CrossEntropy() + term).formula.endswith(rf"_{{\text{{{term.name}}}}}")


class TestValue:
    @pytest.mark.parametrize(
        ("kind", "distance"),
        [
            (MMD, mmd_squared),
            (
                lambda inputs: MMD(inputs, bandwidths=[3.0]),
                lambda *p: mmd_squared(*p, bandwidths=[3]),
            ),
            (CORAL, coral_distance),
        ],
    )
    def test_is_the_distance_of_the_features_of_the_batch_and_of_the_inputs_drawn(
        self, kind, distance
    ):
        model = Plain()
        batch = make_batch(model)
        found = kind(TARGET).value(batch)
        expected = distance(batch.features, model.backbone(model.read[-1]))
        assert found == expected
        assert found > 0

    @each_kind
    def test_labels_and_weights_do_not_count(self, kind):
        model, term = Plain(), kind(TARGET)
        plain = make_batch(model)
        labels, weights = torch.arange(8) % 2, torch.rand(8)
        labelled = Batch(model, plain.inputs, labels, plain.outputs, weights, None, plain.features)
        torch.manual_seed(0)
        expected = term.value(plain)
        torch.manual_seed(0)
        assert term.value(labelled) == expected

    @each_kind
    def test_model_may_be_on_another_device_than_the_inputs(self, kind):
        term = kind(TARGET)
        for helper in term.own_helpers().values():
            helper.to("meta")
        model = Plain().to("meta")
        assert term.value(make_batch(model, domain(8).to("meta"))).device.type == "meta"

    @pytest.mark.parametrize("term", [MMD, CORAL, lambda x: DomainAdversarial(x, 64, ramp_steps=9)])
    def test_images_may_differ_in_size_where_the_backbone_reads_both(self, term):
        model = small_cnn(3)
        images = torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(1))
        found = term(torch.zeros(9, 1, 8, 8)).value(make_batch(model, images))
        assert 0 < found < 2

    @each_kind
    @pytest.mark.parametrize("again", [deepcopy, lambda term: pickle.loads(pickle.dumps(term))])
    def test_a_copy_and_a_term_from_another_process_are_the_same(self, kind, again):
        term, model = kind(TARGET), Plain()
        values = []
        for one in (term, again(term)):
            torch.manual_seed(0)
            values.append(one.value(make_batch(model)))
        assert values[0] == values[1]


class TestGradient:
    """Against finite differences: a path that is cut off would be missing in one of the two."""

    @pytest.mark.parametrize("kind", [KINDS["MMD of given widths"], CORAL])
    def test_flows_through_both_domains_into_all_weights_of_the_backbone(self, kind):
        model, term = Plain().double(), kind(TARGET.double())
        parameters = tuple(model.backbone.parameters())
        found = torch.autograd.gradcheck(
            lambda *_: term.value(make_batch(model, domain(5).double())), parameters
        )
        assert found

    @each_kind
    def test_is_not_zero_and_stays_out_of_the_head(self, kind):
        model = Plain()
        kind(TARGET).value(make_batch(model)).backward()
        assert all(weight.grad.abs().max() > 1e-6 for weight in model.backbone.parameters())
        assert all(weight.grad is None for weight in model.head.parameters())

    @pytest.mark.parametrize("kind", [MMD, CORAL])
    def test_each_domain_alone_gives_a_gradient(self, kind):
        """With the features of the other one held, which a method that learns must not do."""
        for held in ("source", "target"):
            model, frozen = Plain(), freeze(Plain())
            batch = make_batch(model)
            if held == "source":
                features = batch.features.detach().requires_grad_()
                batch = Batch(model, batch.inputs, None, batch.outputs, None, None, features)
            else:
                batch = Batch(frozen, batch.inputs, None, batch.outputs, None, None, batch.features)
            kind(TARGET).value(batch).backward()
            assert model.backbone[0].weight.grad.abs().max() > 1e-6

    @each_kind
    def test_without_gradients_it_can_still_be_measured(self, kind):
        with torch.no_grad():
            found = kind(TARGET).value(make_batch(freeze(Plain())))
        assert found > 0
        assert not found.requires_grad


class TestDraw:
    def drawn(self, term, indices=None, number=8, seed=0):
        """Return the positions of the target inputs that one step reads."""
        model = Plain()
        batch = make_batch(model, domain(number), indices)
        torch.manual_seed(seed)
        term.value(batch)
        is_same_row = (model.read[-1][:, None] == term.target_inputs).all(2)
        assert (is_same_row.sum(1) == 1).all()
        return is_same_row.int().argmax(1).tolist()

    @each_kind
    def test_as_many_as_the_batch_has_none_of_them_twice(self, kind):
        for number in (2, 8, 49, 50):
            positions = self.drawn(kind(TARGET), number=number)
            assert len(positions) == len(set(positions)) == number

    @each_kind
    @pytest.mark.parametrize(("number", "available"), [(8, 3), (6, 3), (8, 1)])
    def test_where_there_are_fewer_all_come_about_equally_often(self, kind, number, available):
        counts = torch.tensor(self.drawn(kind(TARGET[:available]), number=number)).bincount()
        assert counts.sum() == number
        assert len(counts) == available
        assert counts.max() - counts.min() <= 1

    def test_it_follows_from_torchs_random_numbers(self):
        assert self.drawn(MMD(TARGET), seed=1) == self.drawn(MMD(TARGET), seed=1)
        assert self.drawn(MMD(TARGET), seed=1) != self.drawn(MMD(TARGET), seed=2)

    def test_it_does_not_depend_on_earlier_draws_of_the_term(self):
        term = MMD(TARGET)
        first = self.drawn(term, seed=1)
        self.drawn(term, seed=2)
        assert self.drawn(term, seed=1) == first

    def test_batches_of_one_epoch_get_different_inputs(self):
        draws = [tuple(self.drawn(MMD(TARGET), torch.arange(8) + 8 * n)) for n in range(5)]
        assert len(set(draws)) == 5

    def test_all_terms_draw_the_same_inputs_for_a_batch(self):
        """So that methods are compared on the same data."""
        draws = [self.drawn(kind(TARGET), torch.arange(8)) for kind in KINDS.values()]
        assert all(draw == draws[0] for draw in draws)

    @each_kind
    def test_random_numbers_are_given_back_also_after_an_error(self, kind):
        before = torch.get_rng_state()
        kind(TARGET).value(make_batch(Net()))  # its dropout needs random numbers
        after = torch.get_rng_state()
        with pytest.raises(ValueError):
            kind(TARGET[:, :3]).value(make_batch(Plain()))
        torch.rand(1)
        assert not torch.equal(before, torch.get_rng_state())
        # the pass of the source through the dropout has moved them, and nothing else
        torch.set_rng_state(before)
        make_batch(Net())
        assert torch.equal(after, torch.get_rng_state())

    def test_dropout_of_the_target_is_not_that_of_the_source(self):
        model = Plain()
        model.backbone.append(nn.Dropout(0.5))
        batch = make_batch(model, domain(8))
        masks = []
        model.backbone[2].register_forward_hook(lambda _, given, made: masks.append(made == 0))
        MMD(TARGET).value(batch)
        model.backbone(domain(8))  # the source of the next step
        assert not torch.equal(masks[0], masks[1])


def learn(term, factor, *, seed=0, num_epochs=20):
    """Return a model that has learned the source, and a bit of alignment."""
    source, _ = shifted_task()
    model = Plain()
    objective = CrossEntropy() + factor * term
    fit(model, source, objective, num_epochs=num_epochs, learning_rate=0.01, seed=seed)
    return model


def feature_distance(model, distance):
    source, target = shifted_task()
    with torch.no_grad():
        return distance(model.backbone(source.inputs), model.backbone(target.inputs)).item()


class TestFit:
    TARGET = shifted_task()[1].inputs

    @pytest.mark.parametrize(
        ("kind", "factor", "distance"), [(MMD, 1.0, mmd_squared), (CORAL, 100.0, coral_distance)]
    )
    @pytest.mark.parametrize("seed", [0, 1])
    def test_domains_come_closer_than_without_and_the_source_is_still_learned(
        self, kind, factor, distance, seed
    ):
        without = learn(kind(self.TARGET), 0, seed=seed)
        aligned = learn(kind(self.TARGET), factor, seed=seed)
        assert feature_distance(aligned, distance) < 0.3 * feature_distance(without, distance)
        assert evaluate(aligned, shifted_task()[0]).accuracy > 0.9

    def test_history_has_the_distance_without_its_factor(self):
        source, _ = shifted_task()
        objective = CrossEntropy() + 0.5 * MMD(self.TARGET)
        history = fit(Plain(), source, objective, num_epochs=15, learning_rate=0.01)
        assert list(history.terms) == ["cross-entropy", "MMD"]
        assert history.factors["MMD"] == 0.5
        assert history.terms["MMD"][-1] < 0.5 * history.terms["MMD"][0]

    @each_kind
    def test_one_seed_gives_the_same_bits_also_with_a_used_copy_of_the_term(self, kind):
        term = kind(TARGET)
        first = state(learn(deepcopy(term), 1, num_epochs=2))
        if not term.own_helpers():  # a domain classifier has learned something: it is not new
            learn(term, 1, num_epochs=1, seed=5)
        torch.rand(3)
        assert is_same(first, learn(term, 1, num_epochs=2))
        assert not is_same(first, learn(kind(TARGET), 1, num_epochs=2, seed=1))

    @each_kind
    @pytest.mark.parametrize("model", [Plain, Net])
    def test_lambda_0_gives_the_weights_of_training_without_the_term(self, kind, model):
        """Bit by bit, in spite of random draws and dropout: the arms of a comparison are paired."""
        models, samples = [model(), model()], make_samples(40)
        for one, objective in zip(
            models, (CrossEntropy(), CrossEntropy() + 0 * kind(TARGET)), strict=True
        ):
            fit(one, samples, objective, num_epochs=3, batch_size=8)
        for expected, found in zip(*(one.parameters() for one in models), strict=True):
            assert torch.equal(expected, found)

    def test_statistics_of_batchnorm_count_both_domains(self):
        means = []
        for objective in (CrossEntropy(), CrossEntropy() + 0 * MMD(TARGET + 100)):
            model = Net()
            fit(model, make_samples(40), objective, num_epochs=3, batch_size=8)
            means.append(model.backbone[1].running_mean.abs().max())
        assert means[1] > 10 * means[0]

    @each_kind
    def test_each_step_draws_anew_and_all_inputs_have_their_turn(self, kind):
        model, samples = Plain(), make_samples(40)
        objective = CrossEntropy() + kind(TARGET)
        fit(model, samples, objective, num_epochs=12, batch_size=10)
        draws = targets_read(model)
        assert len(draws) == 48
        assert len({tuple(draw.flatten().tolist()) for draw in draws}) == 48
        assert len(torch.cat(draws).unique(dim=0)) == len(TARGET)

    def test_one_step_of_lbfgs_sees_one_draw(self):
        """It evaluates the objective many times and needs the same one each time."""
        model, samples = Plain(), make_samples(40)
        settings = {"optimizer": "lbfgs", "batch_size": 40, "learning_rate": 1.0}
        objective = CrossEntropy() + 0.1 * L2() + MMD(TARGET)
        fit(model, samples, objective, num_epochs=1, **settings)
        draws = targets_read(model)
        assert len(draws) > 5
        assert all(torch.equal(draw, draws[0]) for draw in draws)

    @each_kind
    def test_term_and_target_inputs_stay_as_they_were(self, kind):
        inputs = TARGET.clone()
        term = kind(inputs)
        learn(term, 1, num_epochs=1)
        assert term.target_inputs is inputs
        assert torch.equal(inputs, TARGET)
        assert inputs.grad is None

    @each_kind
    def test_target_input_that_is_not_finite_is_noticed(self, kind):
        inputs = TARGET.clone()
        inputs[:, 0] = math.nan
        with pytest.raises(ValueError, match="target_inputs has .* not a number; mend or leave"):
            kind(inputs)


class TestWhatIsRefused:
    @each_kind
    @pytest.mark.parametrize("inputs", [None, {1.0}, make_samples(4), "mnist"], ids=type)
    def test_inputs_that_are_no_numbers(self, kind, inputs):
        with pytest.raises(TypeError, match="^target_inputs is .*; give a tensor, an array or"):
            kind(inputs)

    @each_kind
    def test_array_is_as_good_as_a_tensor(self, kind):
        assert kind(TARGET.numpy()).target_inputs.equal(TARGET)

    @each_kind
    @pytest.mark.parametrize("inputs", [torch.zeros(0, 4), torch.tensor(1.0)])
    def test_no_input(self, kind, inputs):
        with pytest.raises(ValueError, match="^target_inputs (is empty|has shape).*; give"):
            kind(inputs)

    @each_kind
    def test_model_without_a_backbone(self, kind):
        term = kind(TARGET)
        message = rf"{type(term).__name__}\(.*\) needs features .*; give a model with a part named"
        with pytest.raises(ValueError, match=message):
            fit(nn.Linear(4, 2), make_samples(), CrossEntropy() + term, num_epochs=1)

    @each_kind
    def test_backbone_that_is_frozen_or_runs_without_gradients(self, kind):
        model = Plain()
        with torch.no_grad():
            detached = make_batch(model)
        freeze(model.backbone)
        for batch in (make_batch(model), detached):
            with pytest.raises(ValueError, match="no gradient reaches the backbone; unfreeze"):
                kind(TARGET).value(batch)

    @each_kind
    @pytest.mark.parametrize(
        ("inputs", "found"),
        [
            (torch.zeros(9, 4).byte(), "torch.uint8"),  # grey values from 0 to 255
            (torch.zeros(9, 4).double(), "torch.float64"),
            (torch.zeros(9, 1, 4), r"\(9, 1, 4\)"),
            (torch.zeros(4), r"\(4,\)"),  # a single input without the dimension of the batch
        ],
    )
    def test_inputs_of_another_kind_than_those_of_the_source(self, kind, inputs, found):
        message = rf"target_inputs has shape .*{found}.* and the batch \(8, 4\) of torch.float32"
        with pytest.raises(ValueError, match=f"{message}; give both the same form and range"):
            kind(inputs).value(make_batch(Plain()))

    @each_kind
    def test_another_size_is_left_to_the_backbone(self, kind):
        with pytest.raises(ValueError, match="^model cannot read inputs of shape .*; give inputs"):
            kind(TARGET[:, :3]).value(make_batch(Plain()))

    def test_batch_of_one_sample_for_a_covariance(self):
        with pytest.raises(ValueError, match="source has 1 rows and target 1; give 2 or more"):
            CORAL(TARGET).value(make_batch(Plain(), domain(1)))

    def test_features_that_are_no_rows(self):
        model = Plain()
        model.backbone.append(nn.Unflatten(1, (6, 1, 1)))
        model.head = nn.Sequential(nn.Flatten(), model.head)
        for kind in KINDS.values():
            with pytest.raises(ValueError, match=r"\(8, 6, 1, 1\).*give"):
                kind(TARGET).value(make_batch(model))

    @pytest.mark.parametrize("widths", [[], [0.0], [math.nan]])
    def test_widths_of_mmd_already_when_it_is_made(self, widths):
        with pytest.raises(ValueError, match="bandwidths is"):
            MMD(TARGET, bandwidths=widths)

    @each_kind
    def test_empty_batch(self, kind):
        with pytest.raises(ValueError, match=r"\(target_inputs.* got an empty batch; it needs at"):
            kind(TARGET).value(make_batch(Plain(), domain(0), torch.arange(0)))
