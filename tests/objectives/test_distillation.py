"""Tests of course_utils.objectives.distillation."""

import math
import pickle
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from toys import Net, is_same, make_samples, one_thread, state  # noqa: F401, a fixture

from course_utils import objectives
from course_utils.models.inference import predict
from course_utils.objectives.base import Batch
from course_utils.objectives.distillation import Distillation, Hint, distillation_loss, soften
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.objectives.teacher import table_by_index
from course_utils.training.evaluation import sample_loss
from course_utils.training.history import History
from course_utils.training.loop import fit

BAD_TEMPERATURES = pytest.mark.parametrize(
    ("temperature", "kind"),
    [
        (0, ValueError),
        (-1.0, ValueError),
        (math.inf, ValueError),
        (math.nan, ValueError),
        (True, TypeError),
        ("4", TypeError),
        (None, TypeError),
    ],
)


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


STUDENT, TEACHER = 2 * normal(6, 5, seed=1), 2 * normal(6, 5, seed=2)


def gradient(temperature, student=STUDENT, teacher=TEACHER):
    """Return the gradient of the mean over the samples for the student's logits."""
    student = student.clone().requires_grad_()
    distillation_loss(student, teacher, temperature).mean().backward()
    return student.grad


def batch(outputs, indices=None, weights=None, labels=None):
    """Return a batch whose outputs are given: distillation looks at nothing else of the model."""
    return Batch(nn.Identity(), torch.zeros(len(outputs)), labels, outputs, weights, indices)


class TestSoften:
    def test_by_hand(self):
        # at T = 2 a logit of 2 log 3 is one of log 3: odds of 3 to 1
        logits = torch.tensor([[2 * math.log(3), 0.0]])
        torch.testing.assert_close(soften(logits, 2), torch.tensor([[0.75, 0.25]]))
        torch.testing.assert_close(soften(logits, 1), torch.tensor([[0.9, 0.1]]))

    def test_high_temperature_gives_each_class_the_same(self):
        torch.testing.assert_close(soften(TEACHER, 1e9), torch.full_like(TEACHER, 1 / 5))

    def test_low_temperature_gives_all_to_the_largest_logit(self):
        expected = F.one_hot(TEACHER.argmax(1), 5).double()
        torch.testing.assert_close(soften(TEACHER, 1e-3), expected)

    @BAD_TEMPERATURES
    def test_temperature_that_is_no_finite_number_above_0_is_refused(self, temperature, kind):
        with pytest.raises(kind, match="temperature is .*; give a .*above 0"):
            soften(TEACHER, temperature)


class TestDistillationLoss:
    def test_by_hand_for_each_sample(self):
        teacher = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
        student = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
        # KL(teacher || student), which is not symmetric
        first = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
        second = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
        assert first != pytest.approx(second, rel=0.05)
        found = distillation_loss(student, teacher, 1)
        torch.testing.assert_close(found, torch.tensor([first, second]))
        # twice the logits at twice the temperature are the same answers
        torch.testing.assert_close(distillation_loss(2 * student, 2 * teacher, 2), 4 * found)

    @pytest.mark.parametrize("temperature", [0.5, 1, 4, 20.0])
    def test_mean_is_that_of_torch_with_batchmean(self, temperature):
        arguments = (STUDENT / temperature).log_softmax(1), (TEACHER / temperature).softmax(1)
        expected = F.kl_div(*arguments, reduction="batchmean") * temperature**2
        found = distillation_loss(STUDENT, TEACHER, temperature)
        assert found.shape == (6,)
        torch.testing.assert_close(found.mean(), expected)

    def test_trap_a_mean_over_all_numbers_divides_by_the_classes_too(self):
        # what reduction="mean" of torch 2 does; it warns that a later version will not
        trap = F.kl_div(STUDENT.log_softmax(1), TEACHER.softmax(1), reduction="none").mean()
        torch.testing.assert_close(trap * 5, distillation_loss(STUDENT, TEACHER, 1).mean())

    @pytest.mark.parametrize("temperature", [1, 4, 20])
    def test_zero_where_the_answers_are_equal_whatever_is_added_to_all_logits(self, temperature):
        assert distillation_loss(TEACHER, TEACHER, temperature).eq(0).all()
        assert gradient(temperature, TEACHER, TEACHER).abs().max() < 1e-15
        found = distillation_loss(TEACHER + 3, TEACHER, temperature)
        torch.testing.assert_close(found, torch.zeros(6).double(), atol=1e-12, rtol=0)
        assert distillation_loss(STUDENT, TEACHER, temperature).min() > 0.01

    @pytest.mark.parametrize("temperature", [0.5, 1, 3, 20])
    def test_gradient_is_t_times_the_difference_of_the_softened_answers(self, temperature):
        difference = soften(STUDENT, temperature) - soften(TEACHER, temperature)
        torch.testing.assert_close(gradient(temperature), temperature * difference / 6)

    def test_size_of_the_gradient_hardly_depends_on_the_temperature(self):
        sizes = [gradient(temperature).norm().item() for temperature in range(1, 21)]
        assert max(sizes) / min(sizes) < 1.5
        assert sizes[19] / sizes[9] == pytest.approx(1, abs=0.1)

    def test_limit_of_high_temperature_is_to_match_logits(self):
        s, t = (logits - logits.mean(1, keepdim=True) for logits in (STUDENT, TEACHER))
        torch.testing.assert_close(gradient(1e4) * 6, (s - t) / 5, atol=1e-3, rtol=1e-3)
        found = distillation_loss(STUDENT, TEACHER, 1e4)
        torch.testing.assert_close(found, (s - t).square().sum(1) / 10, atol=1e-3, rtol=1e-3)

    @pytest.mark.parametrize("temperature", [1, 4])
    def test_gradient_agrees_with_finite_differences(self, temperature):
        student = STUDENT.clone().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda logits: distillation_loss(logits, TEACHER, temperature), student
        )

    def test_no_gradient_flows_into_the_teacher(self):
        teacher, student = TEACHER.clone().requires_grad_(), STUDENT.clone().requires_grad_()
        distillation_loss(student, teacher, 2).sum().backward()
        assert teacher.grad is None
        assert student.grad is not None

    def test_a_teacher_who_is_sure_gives_the_cross_entropy_with_his_labels(self):
        labels = torch.tensor([0, 4, 1, 1, 3, 2])
        sure = 100 * F.one_hot(labels, 5).double()
        expected = F.cross_entropy(STUDENT, labels, reduction="none")
        torch.testing.assert_close(distillation_loss(STUDENT, sure, 1), expected)

    @pytest.mark.parametrize("smoothing", [0.1, 0.7])
    def test_a_teacher_who_knows_nothing_is_what_label_smoothing_adds(self, smoothing):
        labels = torch.tensor([0, 4, 1, 1, 3, 2])
        to_uniform = distillation_loss(STUDENT, torch.zeros_like(STUDENT), 1).mean()
        # the cross-entropy with a distribution is its entropy more than the divergence: log K
        expected = (1 - smoothing) * CrossEntropy().value(batch(STUDENT, labels=labels))
        expected += smoothing * (to_uniform + math.log(5))
        found = CrossEntropy(label_smoothing=smoothing).value(batch(STUDENT, labels=labels))
        torch.testing.assert_close(found, expected)

    def test_very_sure_answers_stay_finite(self):
        far = torch.tensor([[1e4, -1e4, 0.0]])
        assert distillation_loss(-far, far, 1).isfinite().all()
        assert distillation_loss(far, far, 1) == 0

    @BAD_TEMPERATURES
    def test_temperature_that_is_no_finite_number_above_0_is_refused(self, temperature, kind):
        with pytest.raises(kind, match="temperature is .*; give a .*above 0"):
            distillation_loss(STUDENT, TEACHER, temperature)

    @pytest.mark.parametrize(
        ("student", "teacher"),
        [((6, 5), (6, 4)), ((6, 5), (1, 5)), ((6, 5), (5,)), ((6,), (6,)), ((6, 5, 2), (6, 5, 2))],
    )
    def test_shapes_that_differ_or_would_broadcast_are_refused(self, student, teacher):
        with pytest.raises(ValueError, match=r"student_logits has .* both need the same \(N, K\)"):
            distillation_loss(torch.zeros(student), torch.zeros(teacher), 1)

    def test_one_logit_is_refused_since_its_softmax_is_always_one(self):
        with pytest.raises(ValueError, match=r"\(6, 1\); both need .* K of 2 or more"):
            distillation_loss(torch.zeros(6, 1), torch.ones(6, 1), 1)


class TestDistillation:
    ORDER = torch.tensor([4, 0, 5, 2])

    @pytest.mark.parametrize("temperature", [1, 4])
    def test_shuffled_indices_find_their_rows(self, temperature):
        found = Distillation(TEACHER, temperature=temperature).value(batch(STUDENT[:4], self.ORDER))
        rows = [TEACHER[4], TEACHER[0], TEACHER[5], TEACHER[2]]
        expected = distillation_loss(STUDENT[:4], torch.stack(rows), temperature).mean()
        torch.testing.assert_close(found, expected)

    def test_weights_count_as_in_the_cross_entropy(self):
        weights = torch.tensor([1.0, 0.5, 0.25, 2.0]).double()
        losses = distillation_loss(STUDENT[:4], TEACHER[self.ORDER], 2)
        expected = (losses[0] + 0.5 * losses[1] + 0.25 * losses[2] + 2 * losses[3]) / 3.75
        found = Distillation(TEACHER, temperature=2).value(batch(STUDENT[:4], self.ORDER, weights))
        torch.testing.assert_close(found, expected)

    @pytest.mark.parametrize("labels", [None, torch.full((4,), -1), torch.tensor([9, 9, 0, 1])])
    def test_labels_are_never_looked_at(self, labels):
        term = Distillation(TEACHER, temperature=2)
        found = term.value(batch(STUDENT[:4], self.ORDER, labels=labels))
        assert found == term.value(batch(STUDENT[:4], self.ORDER))

    def test_one_sample_may_be_twice_in_a_batch(self):
        term = Distillation(TEACHER, temperature=2)
        found = term.value(batch(STUDENT[[3, 3]], torch.tensor([3, 3])))
        torch.testing.assert_close(found, distillation_loss(STUDENT, TEACHER, 2)[3])

    def test_table_is_a_copy(self):
        table = TEACHER.clone().requires_grad_()
        term = Distillation(table, temperature=2)
        before = term.value(batch(STUDENT, torch.arange(6)))
        table.data.zero_()
        assert term.value(batch(STUDENT, torch.arange(6))) == before
        assert not term.teacher_logits.requires_grad

    def test_gradient_through_a_network_agrees_with_finite_differences(self):
        net = Net(5).double().eval()
        inputs = normal(6, 4, seed=3)
        term = Distillation(TEACHER, temperature=3)

        def value(*_):
            return term.value(Batch(net, inputs, None, net(inputs), None, torch.arange(6)))

        assert torch.autograd.gradcheck(value, tuple(net.parameters()))

    @pytest.mark.parametrize("copy", [deepcopy, lambda term: pickle.loads(pickle.dumps(term))])
    def test_copy_gives_the_same_value(self, copy):
        term = Distillation(TEACHER, temperature=3)
        again = copy(term)
        assert again.teacher_logits.data_ptr() != term.teacher_logits.data_ptr()
        values = [t.value(batch(STUDENT, torch.arange(6))) for t in (term, again)]
        assert values[0] == values[1]

    def test_precision_is_that_of_the_model(self):
        term = Distillation(TEACHER, temperature=3)
        assert term.value(batch(STUDENT.float(), torch.arange(6))).dtype == torch.float32
        assert term.teacher_logits.device.type == "cpu"

    def test_how_it_is_written(self):
        term = Distillation(TEACHER, temperature=4.0)
        objective = 0.1 * CrossEntropy() + 0.9 * term
        assert (term.role, term.name) == ("L", "distillation")
        text = "0.1 * CrossEntropy() + 0.9 * Distillation(teacher_logits, temperature=4)"
        assert repr(objective) == text
        assert repr(eval(text, {**vars(objectives), "teacher_logits": TEACHER})) == text
        assert r"0.9\,\cdot\,\underbrace{\frac{1}{n}\sum_i T^2\,\mathrm{KL}" in objective.formula
        assert objective.formula.endswith(r"_{\text{distillation}}")
        assert objective.formula.count("{") == objective.formula.count("}")
        assert "|" not in objective.formula  # it would end the cell of a table in Markdown
        assert list(History.of(objective).terms) == ["cross-entropy", "distillation"]

    @pytest.mark.parametrize("shape", [(6, 4), (6, 6)])
    def test_other_number_of_classes_is_refused(self, shape):
        term = Distillation(TEACHER, temperature=2)
        message = rf"has 5 columns and the model gives outputs of shape \(6, {shape[1]}\); teacher"
        with pytest.raises(ValueError, match=message):
            term.value(batch(torch.zeros(shape), torch.arange(6)))

    @BAD_TEMPERATURES
    def test_bad_temperature_is_refused_before_training(self, temperature, kind):
        with pytest.raises(kind, match="temperature is .*; give a .*above 0"):
            Distillation(TEACHER, temperature=temperature)

    def test_temperature_is_given_by_name(self):
        with pytest.raises(TypeError, match="positional"):
            Distillation(TEACHER, 4)


class TestFitWithDistillation:
    SAMPLES = make_samples(60, 3)

    def teacher(self):
        net = Net(3)
        fit(net, self.SAMPLES, CrossEntropy(), num_epochs=20, learning_rate=0.02)
        return net

    def test_student_learns_from_unlabelled_samples_of_another_size(self):
        """The teacher sees four numbers, the student two of them, and nobody knows the labels."""
        logits = predict(self.teacher(), self.SAMPLES.inputs)
        narrow = self.SAMPLES.with_inputs(self.SAMPLES.inputs[:, :2]).unlabelled()
        chosen = narrow.select(torch.tensor([7, 3, 50, 21, 22, 59, 40, 11]))
        torch.manual_seed(0)
        student = nn.Linear(2, 3)
        term = Distillation(logits, temperature=2)
        fit(student, chosen, term, num_epochs=1, batch_size=8, optimizer="lbfgs", learning_rate=1.0)
        # the optimum of a second implementation, with rows that are written out
        rows = torch.stack([logits[i] for i in (7, 3, 50, 21, 22, 59, 40, 11)])
        weight, bias = student.weight, student.bias
        loss = 4 * F.kl_div(
            ((chosen.inputs @ weight.T + bias) / 2).log_softmax(1),
            (rows / 2).softmax(1),
            reduction="batchmean",
        )
        pulls = torch.autograd.grad(loss, (weight, bias))
        assert max(pull.abs().max() for pull in pulls) < 1e-3

    def test_wrong_rows_would_not_do(self):
        """The check above sees it if rows are taken by place, not by index."""
        logits = predict(self.teacher(), self.SAMPLES.inputs)
        places = torch.tensor([7, 3, 50, 21, 22, 59, 40, 11])
        outputs = torch.zeros(8, 3)
        by_index = Distillation(logits, temperature=2).value(batch(outputs, places))
        by_place = Distillation(logits, temperature=2).value(batch(outputs, torch.arange(8)))
        assert abs(by_index - by_place) > 0.01

    def test_validation_loss_looks_the_answers_up_by_index(self):
        logits = predict(self.teacher(), self.SAMPLES.inputs)
        validation = self.SAMPLES.select(torch.tensor([50, 41, 59, 42]))
        objective = 0.1 * CrossEntropy() + 0.9 * Distillation(logits, temperature=4) + L2()
        net = Net(3)
        outputs = predict(net, validation.inputs)
        expected = 0.1 * F.cross_entropy(outputs, validation.labels)
        expected += 0.9 * distillation_loss(outputs, logits[[50, 41, 59, 42]], 4).mean()
        found = sample_loss(net, validation, objective)
        assert found == pytest.approx(expected.item(), rel=1e-5)

    def test_early_stopping_works(self):
        logits = predict(self.teacher(), self.SAMPLES.inputs)
        train, validation = (
            self.SAMPLES.select(torch.arange(first, last)) for first, last in ((0, 40), (40, 60))
        )
        term, net = Distillation(logits, temperature=4), Net(3)
        settings = {"num_epochs": 30, "patience": 2, "learning_rate": 0.2}
        history = fit(net, train, term, validation=validation.unlabelled(), **settings)
        best = history.validation_loss[history.best_epoch - 1]
        assert best == min(history.validation_loss)
        assert sample_loss(net, validation, term) == pytest.approx(best, rel=1e-5)

    def test_validation_that_the_teacher_was_not_asked_about_is_named(self):
        logits = predict(self.teacher(), self.SAMPLES.inputs)
        term = Distillation(table_by_index(logits[:40], torch.arange(40)), temperature=4)
        train, validation = self.SAMPLES.select(torch.arange(40)), self.SAMPLES.select([45])
        with pytest.raises(ValueError, match=r"for the indices 0 to 39 .* has 45; .* validation"):
            fit(Net(3), train, term, num_epochs=1, validation=validation)

    def test_cross_entropy_refuses_unlabelled_samples_and_says_where_to_look(self):
        objective = 0.1 * CrossEntropy() + 0.9 * Distillation(torch.zeros(60, 3), temperature=4)
        message = "labels has values from -1 to -1 .* -1 is a label that nobody knows: .*Distillat"
        with pytest.raises(ValueError, match=message):
            fit(Net(3), self.SAMPLES.unlabelled(), objective, num_epochs=1)

    def test_other_wrong_labels_get_no_such_advice(self):
        for lowest in (-100, 7):
            with pytest.raises(ValueError, match="from 0 on$"):
                CrossEntropy().value(batch(torch.zeros(1, 3), labels=torch.tensor([lowest])))


FEATURES = normal(6, 3, seed=4)


def feature_batch(features, indices=None):
    outputs = torch.zeros(len(features), 2).to(features)
    indices = torch.arange(len(features)) if indices is None else indices
    return Batch(nn.Identity(), features, None, outputs, None, indices, features)


class TestHint:
    def test_value_by_hand(self):
        hint = Hint(torch.tensor([[1.0, 2.0], [0.0, 0.0], [5.0, 5.0]]), 1)
        hint.regressor.weight.data = torch.tensor([[1.0], [3.0]])
        hint.regressor.bias.data = torch.tensor([0.0, 1.0])
        # guesses (2, 7) and (0, 1) for the rows 2 and 1: (9 + 4) / 2 and (0 + 1) / 2
        found = hint.value(feature_batch(torch.tensor([[2.0], [0.0]]), torch.tensor([2, 1])))
        assert found.item() == pytest.approx((6.5 + 0.5) / 2)

    def test_all_samples_count_the_same_whatever_their_weights(self):
        hint, plain = Hint(FEATURES.float(), 2), feature_batch(normal(6, 2, seed=9).float())
        weights = torch.linspace(0.1, 1, 6)
        parts = plain.outputs, weights, plain.indices, plain.features
        assert hint.value(Batch(plain.model, plain.inputs, None, *parts)) == hint.value(plain)

    def test_zero_where_the_guess_is_right(self):
        hint = Hint(FEATURES, 3)
        hint.regressor.double()
        hint.regressor.weight.data = torch.eye(3).double()
        hint.regressor.bias.data.zero_()
        assert hint.value(feature_batch(FEATURES)) == 0
        assert hint.value(feature_batch(FEATURES.flip(0))) > 0.1

    def test_start_of_the_regressor_depends_on_the_seed_only(self):
        starts = []
        for global_seed, seed in ((1, 0), (2, 0), (2, 5)):
            torch.manual_seed(global_seed)
            before = torch.get_rng_state()
            starts.append(Hint(FEATURES, 4, seed=seed).regressor.weight)
            assert torch.get_rng_state().equal(before)
        assert starts[0].equal(starts[1])
        assert not starts[1].equal(starts[2])
        assert starts[0].shape == (3, 4)

    def test_gradient_agrees_with_finite_differences(self):
        net, inputs = Net().double().eval(), normal(6, 4, seed=5)
        hint = Hint(FEATURES, 6)
        hint.regressor.double()

        def value(*_):
            features = net.backbone(inputs)
            outputs = net.head(features)
            return hint.value(Batch(net, inputs, None, outputs, None, torch.arange(6), features))

        learners = (*net.backbone.parameters(), *hint.regressor.parameters())
        assert torch.autograd.gradcheck(value, learners)

    def test_backbone_and_regressor_learn_and_the_head_does_not(self):
        net, samples, hint = Net(), make_samples(30), Hint(normal(30, 3, seed=6).float(), 6)
        before = state(net.backbone), state(hint.regressor), state(net.head)
        history = fit(net, samples, hint, num_epochs=10, learning_rate=0.02)
        assert history.terms["hint"][-1] < history.terms["hint"][0]
        assert not is_same(before[0], net.backbone)
        assert not is_same(before[1], hint.regressor)
        assert is_same(before[2], net.head)

    def test_regressor_has_its_own_rate(self):
        net, hint = Net(), Hint(normal(30, 3, seed=6).float(), 6)
        before = state(hint.regressor)
        rates = {"backbone": 0.01, "head": 0.01, "regressor": 1e-6}
        objective = CrossEntropy() + hint
        fit(net, make_samples(30), objective, num_epochs=1, learning_rate=rates)
        moved = (hint.regressor.weight - before["weight"]).abs().max()
        assert 0 < moved < 1e-4

    def test_rate_for_the_regressor_is_asked_for(self):
        rates = {"backbone": 0.01, "head": 0.01}
        hint = Hint(torch.zeros(30, 3), 6)
        with pytest.raises(ValueError, match=r"no prefix for regressor\.weight"):
            fit(Net(), make_samples(30), CrossEntropy() + hint, num_epochs=1, learning_rate=rates)

    def test_features_of_a_linear_teacher_are_learned_to_the_end(self):
        """A closed form: the regressor alone is least squares on the student's features."""
        samples = make_samples(40)
        net = nn.Module()
        net.backbone, net.head = nn.Identity(), nn.Linear(4, 2)
        net.forward = lambda inputs: net.head(net.backbone(inputs))
        table = samples.inputs @ normal(4, 3, seed=7).float() + 2
        hint = Hint(table, 4)
        settings = {"num_epochs": 3, "optimizer": "lbfgs", "learning_rate": 1.0}
        history = fit(net, samples, hint, batch_size=40, **settings)
        assert history.terms["hint"][-1] < 1e-4

    def test_how_it_is_written(self):
        objective = CrossEntropy() + 0.5 * Hint(FEATURES, 6)
        text = "CrossEntropy() + 0.5 * Hint(teacher_features, 6)"
        assert repr(objective) == text
        assert repr(eval(text, {**vars(objectives), "teacher_features": FEATURES})) == text
        assert repr(Hint(FEATURES, 6, seed=2)) == "Hint(teacher_features, 6, seed=2)"
        assert (Hint.role, Hint.name) == ("R", "hint")
        assert objective.formula.count("{") == objective.formula.count("}")
        assert "|" not in objective.formula

    @pytest.mark.parametrize("copy", [deepcopy, lambda term: pickle.loads(pickle.dumps(term))])
    def test_copy_has_its_own_regressor(self, copy):
        hint = Hint(FEATURES.float(), 2)
        again, features = copy(hint), torch.ones(6, 2)
        assert again.value(feature_batch(features)) == hint.value(feature_batch(features))
        again.regressor.weight.data.zero_()
        assert again.value(feature_batch(features)) != hint.value(feature_batch(features))

    def test_table_is_a_copy(self):
        table = FEATURES.float()
        hint = Hint(table, 2)
        before = hint.value(feature_batch(torch.ones(6, 2)))
        table.zero_()
        assert hint.value(feature_batch(torch.ones(6, 2))) == before

    def test_two_hints_need_two_names(self):
        with pytest.raises(ValueError, match="two terms bring a module named 'regressor'"):
            (Hint(FEATURES, 2) + Hint(FEATURES, 2)).helpers()

    def test_model_without_backbone_is_refused(self):
        message = r"^Hint\(teacher_features, 4\) needs features and the batch has none; give a mod"
        with pytest.raises(ValueError, match=message):
            fit(nn.Linear(4, 2), make_samples(6), Hint(FEATURES, 4), num_epochs=1)

    @pytest.mark.parametrize("shape", [(6, 5), (6,), (6, 2, 1)])
    def test_features_of_another_length_are_refused(self, shape):
        found = ", ".join(map(str, shape))
        message = rf"needs features of shape \(N, 2\) and the backbone gives \({found},?\)"
        with pytest.raises(ValueError, match=message):
            Hint(FEATURES, 2).value(feature_batch(torch.zeros(shape)))

    @pytest.mark.parametrize("num_features", [0, -3])
    def test_number_of_features_below_1_is_refused(self, num_features):
        with pytest.raises(ValueError, match=f"num_features is {num_features}; give 1 or more"):
            Hint(FEATURES, num_features)

    def test_missing_row_is_named(self):
        table = FEATURES.clone()
        table[2] = math.nan
        with pytest.raises(ValueError, match=r"^Hint\(.*\) has no answer for the index 2"):
            Hint(table, 2).value(feature_batch(torch.zeros(6, 2)))
