"""Tests of course_utils.objectives.forgetting."""

import math
import pickle
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from toys import Net, is_same, make_samples, one_thread, state  # noqa: F401, a fixture

from course_utils.data.samples import Samples
from course_utils.models.classifier import Classifier, small_cnn
from course_utils.models.freezing import freeze
from course_utils.models.inference import predict
from course_utils.models.surgery import replace_head
from course_utils.objectives.base import Batch
from course_utils.objectives.distillation import Distillation, Hint, soften
from course_utils.objectives.forgetting import LearningWithoutForgetting
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.teacher import answers_by_index
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import fit


class Plain(Net):
    """A network whose answers do not depend on its mode or its batch."""

    def __init__(self, num_classes=2):
        super().__init__(num_classes)
        torch.manual_seed(1)
        self.backbone = nn.Sequential(nn.Linear(4, 6), nn.Tanh())


SAMPLES = make_samples(30, 3)
NEW = make_samples(40, 2, seed=3)


def shifted(samples):
    """Return the samples in another order, as their data set would hold them from 100 on."""
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
    return Samples(samples.inputs[order], samples.labels[order], None, samples.indices[order] + 100)


def batch_of(model, samples):
    features = model.backbone(samples.inputs)
    outputs = model.head(features)
    return Batch(model, samples.inputs, None, outputs, None, samples.indices, features)


class TestAnswersByIndex:
    def test_each_row_is_the_answer_to_the_sample_with_that_index(self):
        net, some = Net(3), SAMPLES.select(torch.tensor([7, 2, 29, 11]))
        table = answers_by_index(net, some)
        outputs = net.eval()(SAMPLES.inputs).detach()
        assert table.shape == (30, 3)
        torch.testing.assert_close(table[[7, 2, 29, 11]], outputs[[7, 2, 29, 11]])
        assert table.isnan().all(1).sum() == 26

    def test_parts_of_a_data_set_make_one_table(self):
        net = Net(3)
        parts = [SAMPLES.select(torch.arange(k, 30, 3)) for k in range(3)]
        table = answers_by_index(net, *parts)
        torch.testing.assert_close(table, predict(net, SAMPLES.inputs))

    def test_part_without_samples_adds_nothing(self):
        empty = SAMPLES.select(torch.zeros(0).long())
        found = answers_by_index(Net(3), empty, SAMPLES)
        torch.testing.assert_close(found, answers_by_index(Net(3), SAMPLES))

    def test_size_is_that_of_the_table(self):
        assert answers_by_index(Net(3), SAMPLES, size=50).shape == (50, 3)

    def test_backbone_gives_the_features(self):
        net = Net(3)
        table = answers_by_index(net.backbone, SAMPLES)
        torch.testing.assert_close(table, net.backbone.eval()(SAMPLES.inputs).detach())
        assert Hint(table, 4).own_helpers()["regressor"].out_features == 6

    def test_teacher_may_read_larger_images_than_the_student(self):
        torch.manual_seed(0)
        images = torch.rand(6, 1, 16, 16)
        small = Samples(F.avg_pool2d(images, 2), torch.full((6,), -1))
        teacher, student = small_cnn(3), small_cnn(3)
        table = answers_by_index(teacher, small.with_inputs(images))
        term = Distillation(table, temperature=4)
        before = predict(student, small.inputs).sub(table).norm()
        history = fit(student, small, term, num_epochs=20)
        assert history.terms["distillation"][-1] < history.terms["distillation"][0] / 2
        assert predict(student, small.inputs).sub(table).norm() < before

    def test_teacher_stays_as_it_was(self):
        net = Net(3).train()
        before = state(net)
        answers_by_index(net, SAMPLES)
        assert is_same(before, net)
        assert all(module.training for module in net.modules())

    def test_sample_that_is_in_two_parts_is_refused(self):
        with pytest.raises(ValueError, match="indices has 4 more than once, .* one data set only"):
            answers_by_index(Net(3), SAMPLES, SAMPLES.select(torch.tensor([4])))

    @pytest.mark.parametrize("parts", [(), (SAMPLES.select(torch.zeros(0).long()),)])
    def test_nothing_to_ask_about_is_refused(self, parts):
        with pytest.raises(ValueError, match="samples is empty; give at least one sample to ask"):
            answers_by_index(Net(3), *parts)

    @pytest.mark.parametrize("part", [SAMPLES.inputs, None, [SAMPLES]])
    def test_what_is_no_samples_is_refused_by_its_type(self, part):
        with pytest.raises(TypeError, match="samples is .*; give Samples"):
            answers_by_index(Net(3), part)

    def test_answer_that_is_not_finite_is_refused(self):
        broken = SAMPLES.with_inputs(SAMPLES.inputs.clone())
        broken.inputs[5] = math.nan
        with pytest.raises(ValueError, match="inputs has 4 numbers that are inf"):
            answers_by_index(Net(3), broken)


class TestLearningWithoutForgetting:
    def test_value_by_a_second_implementation_with_shuffled_indices(self):
        source, model, new = Plain(3), Plain(2), shifted(NEW)
        model.backbone[0].weight.data += 0.5 * torch.randn(6, 4)
        term = LearningWithoutForgetting(source, new)
        some = new.select(torch.tensor([30, 2, 17]))
        now = term.old_head(model.backbone(some.inputs)) / 2
        before = source(some.inputs) / 2
        expected = 4 * F.kl_div(now.log_softmax(1), before.softmax(1), reduction="batchmean")
        assert expected > 0.01
        torch.testing.assert_close(term.value(batch_of(model, some)), expected)

    def test_zero_at_the_start(self):
        source = Plain(3)
        term = LearningWithoutForgetting(source, NEW)
        found = term.value(batch_of(replace_head_of(source), NEW))
        assert found.item() == pytest.approx(0, abs=1e-6)

    def test_gradient_agrees_with_finite_differences(self):
        source, new = Plain(3).double(), NEW.with_inputs(NEW.inputs.double())
        term = LearningWithoutForgetting(source, new, temperature=3)
        model = Plain(2).double()
        model.backbone[0].weight.data += 0.3
        learners = (*model.backbone.parameters(), *term.old_head.parameters())
        assert torch.autograd.gradcheck(lambda *_: term.value(batch_of(model, new)), learners)

    def test_lambda_decides_how_much_of_the_old_answers_is_kept(self):
        source = Plain(3)
        fit(source, SAMPLES, CrossEntropy(), num_epochs=30, learning_rate=0.02)
        old = soften(predict(source, NEW.inputs), 1)
        moved = {}
        for factor in (0, 100):
            term, model = LearningWithoutForgetting(source, NEW), replace_head_of(source)
            fit(model, NEW, CrossEntropy() + factor * term, num_epochs=40, learning_rate=0.02)
            now = soften(predict(term.old_classifier(model), NEW.inputs), 1)
            moved[factor] = (now - old).abs().max().item()
        assert moved[100] < 0.05
        assert moved[0] > 0.3

    def test_new_task_is_learned_all_the_same(self):
        source = Plain(3)
        fit(source, SAMPLES, CrossEntropy(), num_epochs=30, learning_rate=0.02)
        term, model = LearningWithoutForgetting(source, NEW), replace_head_of(source)
        before = evaluate(model, NEW).accuracy
        fit(model, NEW, CrossEntropy() + term, num_epochs=40, learning_rate=0.02)
        assert evaluate(model, NEW).accuracy > before

    def test_source_model_stays_bit_by_bit(self):
        source = Net(3).train()
        freeze(source.head)
        before, modes = state(source), [module.training for module in source.modules()]
        term = LearningWithoutForgetting(source, NEW)
        head = state(term.old_head)
        fit(replace_head_of(source), NEW, CrossEntropy() + 5 * term, num_epochs=3)
        assert is_same(before, source)
        assert [module.training for module in source.modules()] == modes
        assert not any(parameter.requires_grad for parameter in source.head.parameters())
        assert not is_same(head, term.old_head)  # it learns along, though the source is frozen

    def test_later_changes_of_the_source_do_not_matter(self):
        source = Plain(3)
        term, model = LearningWithoutForgetting(source, NEW), Plain(2)
        before = term.value(batch_of(model, NEW))
        for parameter in source.parameters():
            parameter.data += 1
        assert term.value(batch_of(model, NEW)) == before

    def test_model_may_be_the_source_itself_with_another_head(self):
        """The term is made first, then the head is replaced in place."""
        model = small_cnn(3)
        samples = Samples(torch.rand(6, 1, 8, 8), torch.arange(6) % 2)
        before = predict(model, samples.inputs)
        term = LearningWithoutForgetting(model, samples)
        replace_head(model, 2)
        torch.testing.assert_close(predict(term.old_classifier(model), samples.inputs), before)
        fit(model, samples, CrossEntropy() + term, num_epochs=1)

    def test_answers_are_those_of_evaluation_mode(self):
        source = Net(3).train()
        term = LearningWithoutForgetting(source, NEW)
        torch.testing.assert_close(term.source_logits, source.eval()(NEW.inputs).detach())

    def test_global_random_numbers_stay(self):
        source = Net(3)
        before = torch.get_rng_state()
        LearningWithoutForgetting(source, NEW)
        assert torch.get_rng_state().equal(before)

    def test_old_head_has_its_own_rate(self):
        source = Plain(3)
        term, model = LearningWithoutForgetting(source, NEW), Plain(2)
        before = state(term.old_head)
        rates = {"backbone": 0.01, "head": 0.01, "old_head": 1e-6}
        fit(model, NEW, CrossEntropy() + term, num_epochs=1, learning_rate=rates)
        moved = (term.old_head.weight - before["weight"]).abs().max()
        assert 0 < moved < 1e-4

    def test_all_samples_count_the_same_whatever_their_weights(self):
        source, model = Plain(3), Plain(2)
        term = LearningWithoutForgetting(source, NEW)
        plain = batch_of(model, NEW)
        weights = torch.linspace(0.1, 1, 40)
        weighted = Batch(
            model, NEW.inputs, None, plain.outputs, weights, NEW.indices, plain.features
        )
        assert term.value(weighted) == term.value(plain)

    @pytest.mark.parametrize("copy", [deepcopy, lambda term: pickle.loads(pickle.dumps(term))])
    def test_copy_has_its_own_head(self, copy):
        source = Plain(3)
        freeze(source)
        term, model = LearningWithoutForgetting(source, NEW), Plain(2)
        again = copy(term)
        assert again.value(batch_of(model, NEW)) == term.value(batch_of(model, NEW))
        again.old_head.weight.data.zero_()
        assert again.value(batch_of(model, NEW)) != term.value(batch_of(model, NEW))

    def test_how_it_is_written(self):
        term = LearningWithoutForgetting(Plain(3), NEW)
        assert (term.role, term.name) == ("R", "LwF")
        assert repr(0.5 * term) == "0.5 * LearningWithoutForgetting(source_model, samples)"
        warm = LearningWithoutForgetting(Plain(3), NEW, temperature=3.0)
        assert repr(warm) == "LearningWithoutForgetting(source_model, samples, temperature=3)"
        assert eval(repr(warm), {**globals(), "source_model": Plain(3), "samples": NEW})
        assert term.formula.count("{") == term.formula.count("}")
        assert "|" not in term.formula

    @pytest.mark.parametrize("source", [nn.Linear(4, 2), None, Plain(3).backbone, {"head": 1}])
    def test_source_without_backbone_and_head_is_refused(self, source):
        with pytest.raises(TypeError, match=r"^source_model has the type \w+; give a Classifier"):
            LearningWithoutForgetting(source, NEW)

    def test_inputs_instead_of_samples_are_refused(self):
        with pytest.raises(TypeError, match="samples is a tensor of .*; give Samples"):
            LearningWithoutForgetting(Plain(3), NEW.inputs)

    @pytest.mark.parametrize("temperature", [0, -2, math.nan, math.inf])
    def test_bad_temperature_is_refused(self, temperature):
        with pytest.raises(
            ValueError, match=f"temperature is {temperature}; give a number above 0"
        ):
            LearningWithoutForgetting(Plain(3), NEW, temperature=temperature)

    def test_samples_that_the_source_was_not_asked_about_are_named(self):
        term = LearningWithoutForgetting(Plain(3), NEW.select(torch.arange(20)))
        message = r"LearningWithoutF.* table for the indices 0 to 19 and the batch has 2\d; ask"
        with pytest.raises(ValueError, match=message):
            fit(Plain(2), NEW.select(torch.arange(20, 30)), CrossEntropy() + term, num_epochs=1)

    def test_model_with_other_features_is_refused(self):
        term, model = LearningWithoutForgetting(Plain(3), NEW), Plain(2)
        model.backbone[0], model.head = nn.Linear(4, 5), nn.Linear(5, 2)
        message = r"needs features of shape \(N, 6\) and the backbone gives \(40, 5\)"
        with pytest.raises(ValueError, match=message):
            term.value(batch_of(model, NEW))

    def test_model_without_backbone_is_refused(self):
        term = LearningWithoutForgetting(Plain(3), NEW)
        with pytest.raises(ValueError, match="needs features and the batch has none"):
            fit(nn.Linear(4, 2), NEW, CrossEntropy() + term, num_epochs=1)


class TestOldClassifier:
    def test_it_has_the_backbone_of_the_model_and_the_head_of_the_term(self):
        term, model = LearningWithoutForgetting(Plain(3), NEW), Plain(2)
        old = term.old_classifier(model)
        assert isinstance(old, Classifier)
        assert old.backbone is model.backbone
        assert old.head is term.own_helpers()["old_head"]

    def test_before_training_it_answers_as_the_source_did(self):
        source = Net(3)
        term = LearningWithoutForgetting(source, NEW)
        old = term.old_classifier(replace_head_of(source))
        torch.testing.assert_close(predict(old, SAMPLES.inputs), predict(source, SAMPLES.inputs))
        assert evaluate(old, SAMPLES).accuracy == evaluate(source, SAMPLES).accuracy

    @pytest.mark.parametrize("model", [nn.Linear(4, 2), None])
    def test_model_without_backbone_is_refused(self, model):
        term = LearningWithoutForgetting(Plain(3), NEW)
        with pytest.raises(TypeError, match=r"model has the type \w+; give the Classifier that"):
            term.old_classifier(model)


def replace_head_of(source):
    """Return a copy of the source model with a new head of two classes."""
    model = deepcopy(source)
    torch.manual_seed(5)
    model.head = nn.Linear(6, 2)
    return model
