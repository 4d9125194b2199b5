"""Tests of course_utils.objectives.adversarial. What all alignments share: test_alignment."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
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

from course_utils.features.distances import mmd_squared
from course_utils.objectives.adversarial import DomainAdversarial, reverse_gradient
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit

TARGET = domain(50, shift=1.0, seed=7)
SOURCE = domain(40)


def make_term(**options):
    return DomainAdversarial(TARGET, 6, **{"ramp_steps": None} | options)


def rows(number, shift=0.0, seed=0):
    """Draw features as a backbone would give them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, 6, generator=generator) + shift


def cross_entropy_of_domains(classifier, source, target):
    """Compute the value with torch's own function: source is 0, target is 1."""
    sides = []
    for features, label in ((source, 0.0), (target, 1.0)):
        logits = classifier(features)[:, 0]
        sides.append(F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label)))
    return sum(sides) / 2


class TestReverseGradient:
    @pytest.mark.parametrize("strength", [0, 0.5, 1.0, 3.0])
    def test_forward_is_the_identity_and_backward_times_minus_strength(self, strength):
        features = rows(5).requires_grad_()
        reversed_features = reverse_gradient(features, strength)
        assert torch.equal(reversed_features, features)
        (reversed_features**3).sum().backward()
        torch.testing.assert_close(features.grad, -strength * 3 * features.detach() ** 2)

    def test_twice_turns_back(self):
        features = rows(5).requires_grad_()
        reverse_gradient(reverse_gradient(features, 1.0), 1.0).sum().backward()
        assert torch.equal(features.grad, torch.ones(5, 6))

    def test_only_what_comes_before_is_reversed(self):
        before = torch.tensor(2.0, requires_grad=True)
        after = torch.tensor(5.0, requires_grad=True)
        (reverse_gradient(before, 0.1) * after).backward()
        assert (before.grad.item(), after.grad.item()) == (pytest.approx(-0.5), 2)

    def test_other_paths_of_the_features_keep_their_gradient(self):
        features = rows(5).requires_grad_()
        (reverse_gradient(features, 2.0).sum() + 7 * features.sum()).backward()
        assert torch.equal(features.grad, torch.full((5, 6), 5.0))


class TestValue:
    def test_is_the_cross_entropy_of_domains_that_count_half_each_whatever_their_size(self):
        term, source, target = make_term(), rows(3), rows(30, 1.0, seed=1)
        found = term.compare(source, target)
        expected = cross_entropy_of_domains(term.domain_classifier, source, target)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(found, term.compare(source, target.repeat(2, 1)))

    @pytest.mark.parametrize(
        ("logit", "expected"),
        [
            (0.0, math.log(2)),  # a guess
            # always "target" with odds of e^2 to 1: -log of 1 / (1 + e^2) and of e^2 / (1 + e^2)
            (2.0, (math.log(1 + math.e**2) + math.log(1 + math.e**-2)) / 2),
            (-2.0, (math.log(1 + math.e**2) + math.log(1 + math.e**-2)) / 2),
            (1000.0, 500.0),  # finite also where the probability is 0
        ],
    )
    def test_of_a_classifier_that_does_not_look_by_hand(self, logit, expected):
        term = make_term()
        torch.nn.init.zeros_(term.domain_classifier[2].weight)
        torch.nn.init.constant_(term.domain_classifier[2].bias, logit)
        assert term.compare(rows(4), rows(4)).item() == pytest.approx(expected)

    def test_does_not_depend_on_the_strength(self):
        values = [make_term(ramp_steps=n).compare(rows(4), rows(4, 1.0)) for n in (None, 1, 100)]
        assert values[0] == values[1] == values[2]


class TestGradient:
    def gradients(self, term):
        """Return those of the term, and those of the same cross-entropy without a reversal."""
        model = Plain()
        learners = [*model.backbone.parameters(), *term.domain_classifier.parameters()]
        torch.manual_seed(0)
        batch = make_batch(model)
        found = torch.autograd.grad(term.value(batch), learners)
        features = make_batch(model).features, model.backbone(model.read[-2])
        plain = cross_entropy_of_domains(term.domain_classifier, *features)
        return found, torch.autograd.grad(plain, learners)

    @pytest.mark.parametrize("num_steps", [0, 5, 10, 1000])
    def test_backbone_gets_it_times_minus_strength_and_the_classifier_as_it_is(self, num_steps):
        term = make_term(ramp_steps=10)
        term.num_steps = num_steps
        strength = term.strength
        found, plain = self.gradients(term)
        for ours, theirs in zip(found[:2], plain[:2], strict=True):
            torch.testing.assert_close(ours, -strength * theirs)
        for ours, theirs in zip(found[2:], plain[2:], strict=True):
            torch.testing.assert_close(ours, theirs)
            assert ours.abs().max() > 1e-4

    def test_full_strength_is_minus_one(self):
        found, plain = self.gradients(make_term(ramp_steps=None))
        torch.testing.assert_close(found[0], -plain[0])

    def test_classifier_against_finite_differences(self):
        model, term = Plain().double(), DomainAdversarial(TARGET.double(), 6, ramp_steps=None)
        term.domain_classifier.double()
        assert torch.autograd.gradcheck(
            lambda *_: term.value(make_batch(model, domain(5).double())),
            tuple(term.domain_classifier.parameters()),
        )


class TestStrength:
    @pytest.mark.parametrize(
        ("num_steps", "expected"),
        [
            (0, 0),
            (50, 2 / (1 + math.exp(-5)) - 1),  # 0.987
            (100, 2 / (1 + math.exp(-10)) - 1),  # 0.9999
            (10_000, 2 / (1 + math.exp(-10)) - 1),
        ],
    )
    def test_rises_as_in_the_paper(self, num_steps, expected):
        term = make_term(ramp_steps=100)
        term.num_steps = num_steps
        assert term.strength == pytest.approx(expected, abs=1e-15)

    def test_is_1_from_the_start_without_a_ramp(self):
        assert make_term(ramp_steps=None).strength == 1

    def test_steps_are_counted_and_not_looks(self):
        term, model = make_term(ramp_steps=4), Plain()
        strengths = []
        for _ in range(6):
            strengths.append(term.strength)
            for _ in range(3):  # a line search looks often, and makes one step
                term.value(make_batch(model))
            term.count_step()
        assert term.num_steps == 6
        assert strengths[0] == 0
        assert strengths[:5] == sorted(set(strengths))
        assert strengths[4] == strengths[5]

    def test_a_look_without_gradients_is_no_step(self):
        term = make_term(ramp_steps=4)
        with torch.no_grad():
            term.value(make_batch(Plain()))
        assert term.num_steps == 0

    def test_a_step_that_fails_is_not_counted(self):
        term = DomainAdversarial(TARGET, 5, ramp_steps=4)
        with pytest.raises(ValueError, match="num_features is 5"):
            term.value(make_batch(Plain()))
        assert term.num_steps == 0

    def test_fit_makes_one_step_for_each_batch(self):
        term = make_term(ramp_steps=100)
        objective = CrossEntropy() + term
        samples = make_samples(40)
        fit(Plain(), samples, objective, num_epochs=3, batch_size=10, validation=samples)
        assert term.num_steps == 12


class TestDomainClassifier:
    def test_is_a_small_network_with_one_hidden_layer(self):
        shapes = [tuple(weight.shape) for weight in make_term().domain_classifier.parameters()]
        assert shapes == [(64, 6), (64,), (1, 64), (1,)]
        assert make_term(hidden=5).domain_classifier[0].weight.shape == (5, 6)

    def test_first_weights_follow_from_the_seed_and_from_nothing_else(self):
        before = torch.get_rng_state()
        first = make_term(seed=3).domain_classifier
        assert torch.equal(before, torch.get_rng_state())
        torch.rand(5)
        assert is_same(state(first), make_term(seed=3).domain_classifier)
        assert not is_same(state(first), make_term(seed=4).domain_classifier)

    def test_learns_in_fit_under_its_name_with_its_own_rate(self):
        term, model = make_term(), Plain()
        objective = CrossEntropy() + 0.5 * term
        assert objective.helpers() == {"domain_classifier": term.domain_classifier}
        before = state(term.domain_classifier)
        rates = {"backbone": 1e-3, "head": 1e-3, "domain_classifier": 1e-6}
        fit(model, make_samples(), objective, num_epochs=1, learning_rate=rates)
        moved = (term.domain_classifier[0].weight - before["0.weight"]).abs().max()
        assert 0 < moved < 1e-4

    def test_is_left_alone_with_lambda_0(self):
        term = make_term()
        before = state(term.domain_classifier)
        fit(Plain(), make_samples(), CrossEntropy() + 0 * term, num_epochs=1)
        assert is_same(before, term.domain_classifier)

    def test_two_of_them_in_one_objective_are_refused(self):
        with pytest.raises(ValueError, match="two terms bring a module named 'domain_classifier'"):
            fit(Plain(), make_samples(), make_term() + make_term(), num_epochs=1)


class TestFit:
    @pytest.mark.slow
    @pytest.mark.parametrize("seed", [0, 1])
    def test_domains_come_closer_than_without_and_the_source_is_still_learned(self, seed):
        source, target = shifted_task(spread=1.0)
        # two players go round in circles if the classifier is not the faster one
        rates = {"backbone": 1e-3, "head": 1e-2, "domain_classifier": 1e-2}
        distances = []
        for factor in (0, 1):
            model = Plain()
            term = DomainAdversarial(target.inputs, 6, ramp_steps=None, seed=seed)
            objective = CrossEntropy() + factor * term
            fit(model, source, objective, num_epochs=50, learning_rate=rates, seed=seed)
            with torch.no_grad():
                features = [model.backbone(samples.inputs) for samples in (source, target)]
            distances.append(mmd_squared(*features))  # not a player itself
            assert evaluate(model, source).accuracy > 0.85
        assert distances[1] < 0.4 * distances[0]


class TestWhatIsRefused:
    @pytest.mark.parametrize("name", ["num_features", "hidden", "ramp_steps"])
    @pytest.mark.parametrize("number", [0, -1, 2.5, "64", 64.0])
    def test_numbers_that_are_not_whole_or_below_1(self, name, number):
        arguments = {"num_features": 6, "ramp_steps": 10} | {name: number}
        with pytest.raises((TypeError, ValueError), match=f"^{name} is .*; give .*1 or more"):
            DomainAdversarial(TARGET, **arguments)

    @pytest.mark.parametrize("name", ["num_features", "hidden"])
    def test_only_the_ramp_may_be_none(self, name):
        arguments = {"num_features": 6, "ramp_steps": None} | {name: None}
        with pytest.raises(TypeError, match=f"^{name} is None; give a whole number"):
            DomainAdversarial(TARGET, **arguments)

    def test_ramp_must_be_decided_on(self):
        with pytest.raises(TypeError, match="ramp_steps"):
            DomainAdversarial(TARGET, 6)

    def test_backbone_of_another_width(self):
        term = DomainAdversarial(TARGET, 64, ramp_steps=None)
        message = r"num_features is 64 and .* features of shape \(8, 6\); give the D of \(N, D\)"
        with pytest.raises(ValueError, match=message):
            term.value(make_batch(Plain()))
