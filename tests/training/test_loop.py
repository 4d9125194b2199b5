"""Tests of course_utils.training."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from toys import Net, is_same, make_samples, one_thread, state  # noqa: F401, a fixture

from course_utils.data.images import load_digits
from course_utils.data.samples import Samples
from course_utils.models.freezing import freeze
from course_utils.objectives.base import Term
from course_utils.objectives.losses import CrossEntropy, SquaredError
from course_utils.objectives.regularizers import L1, L2, L2SP
from course_utils.training import optimizers
from course_utils.training.evaluation import evaluate, sample_loss
from course_utils.training.history import TrainingDivergedError
from course_utils.training.loop import fit, linear_probe


class Nowhere(Term):
    """It is never a number."""

    name, role, latex = "nowhere", "R", "?"

    def value(self, batch):
        return batch.outputs.sum() * math.nan


class Barrier(Term):
    """Finite only near the start: its minimum at 5 lies where it is not a number."""

    name = "barrier"
    role = "R"
    latex = "b"

    def value(self, batch):
        weight = batch.model.weight
        squares = (weight - 5).square().sum()
        return squares if weight.abs().max() < 0.9 else squares * math.nan


class TestLinearProbe:
    @pytest.mark.parametrize("factor", [0.01, 0.3])
    @pytest.mark.parametrize("num_classes", [2, 4])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_optimum_is_that_of_sklearn(self, factor, num_classes, weighted):
        samples = make_samples(80, num_classes, weighted=weighted)
        head = linear_probe(samples, CrossEntropy() + factor * L2(), num_classes=num_classes)
        # sklearn minimises C sum_i s_i L_i + 1/2 |w|^2, we 1/S sum_i s_i L_i + lambda/2 |w|^2 with
        # S = sum_i s_i (or n), so C = 1 / (lambda S). With two classes sklearn has one vector u,
        # the difference of our two rows. From w = 0 the rows stay opposite, u/2 and -u/2, so our
        # |w|^2 = |u|^2 / 2: lambda/2 |w|^2 = (lambda/2)/2 |u|^2, and C = 2 / (lambda S).
        total = samples.weights.sum().item() if weighted else len(samples)
        C = (2 if num_classes == 2 else 1) / (factor * total)
        reference = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
        reference.fit(samples.inputs, samples.labels, sample_weight=samples.weights)
        expected = torch.tensor(reference.decision_function(samples.inputs)).float()
        logits = head(samples.inputs).detach()
        if num_classes == 2:
            found = logits[:, 1] - logits[:, 0]
        else:  # a constant added to all logits of a sample changes nothing
            found = logits - logits.mean(1, keepdim=True)
            expected = expected - expected.mean(1, keepdim=True)
        # both solvers stop at small gradients, ours in float32
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)

    def test_features_without_order_of_samples_give_the_same_head(self):
        samples = make_samples(40)
        objective = CrossEntropy() + 0.1 * L2()
        first = linear_probe(samples, objective, num_classes=2)
        second = linear_probe(samples.select(torch.arange(39, -1, -1)), objective, num_classes=2)
        torch.testing.assert_close(first.weight, second.weight, atol=1e-3, rtol=1e-3)

    def test_large_lambda_leaves_only_the_shares_of_the_classes(self):
        samples = make_samples(30).select(torch.arange(0, 30))
        samples = samples.select(torch.cat([torch.arange(0, 30, 2), torch.arange(1, 10, 2)]))
        head = linear_probe(samples, CrossEntropy() + 1e6 * L2(), num_classes=2)
        shares = head(samples.inputs).softmax(1)[:, 0]
        torch.testing.assert_close(shares, torch.full((20,), 0.75), atol=1e-3, rtol=0)

    def test_global_random_numbers_do_not_matter(self):
        samples, heads = make_samples(), []
        for seed in (1, 2):
            torch.manual_seed(seed)
            heads.append(linear_probe(samples, CrossEntropy() + 0.1 * L2(), num_classes=2))
        assert torch.equal(heads[0].weight, heads[1].weight)

    def test_images_are_refused(self):
        images = Samples(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 0, 1]))
        with pytest.raises(ValueError, match=r"samples.inputs has shape \(4, 1, 8, 8\); give feat"):
            linear_probe(images, CrossEntropy(), num_classes=2)


class TestRidge:
    def test_closed_form_is_reached(self):
        generator = torch.Generator().manual_seed(1)
        inputs = torch.randn(50, 3, generator=generator) + 2
        labels = inputs @ torch.tensor([1.0, -2.0, 0.5]) + 3 + torch.randn(50, generator=generator)
        model = nn.Linear(3, 1)
        fit(
            model,
            Samples(inputs, labels),
            SquaredError() + 0.2 * L2(),
            num_epochs=5,
            batch_size=50,
            learning_rate=1.0,
            optimizer="lbfgs",
        )
        # 1/2n |y - Xw - b|^2 + lambda/2 |w|^2: centre, then (X'X/n + lambda I) w = X'y/n
        X, y = (inputs - inputs.mean(0)).double().numpy(), (labels - labels.mean()).double().numpy()
        w = np.linalg.solve(X.T @ X / 50 + 0.2 * np.eye(3), X.T @ y / 50)
        expected = torch.tensor(w).float()
        torch.testing.assert_close(model.weight[0].detach(), expected, atol=1e-3, rtol=1e-3)
        b = labels.mean() - inputs.mean(0) @ expected  # the bias is not penalised
        torch.testing.assert_close(model.bias[0].detach(), b, atol=5e-3, rtol=1e-3)


class TestReproducibility:
    def run(self, seed=0):
        net = Net()
        history = fit(net, make_samples(), CrossEntropy(), num_epochs=3, batch_size=8, seed=seed)
        return state(net), history

    def test_same_seed_gives_the_same_bits(self):
        torch.manual_seed(1)
        first, first_history = self.run()
        torch.rand(5)
        second, second_history = self.run()
        assert first.keys() == second.keys()
        assert all(first[name].equal(second[name]) for name in first)
        assert first_history.terms == second_history.terms

    def test_model_learns_in_training_mode_whatever_its_mode_before(self):
        nets = Net().train(), Net().eval()
        for net in nets:
            fit(net, make_samples(), CrossEntropy(), num_epochs=2, validation=make_samples(seed=1))
        assert is_same(state(nets[0]), nets[1])
        assert nets[1].backbone[1].running_mean.abs().max() > 0

    def test_another_seed_gives_another_course(self):
        assert self.run(0)[1].terms != self.run(1)[1].terms


class TestWhatIsGivenBack:
    def make(self):
        net = Net().train()
        net.backbone[3].eval()
        freeze(net.backbone[:2])
        return net

    def properties(self, net):
        modes = [module.training for module in net.modules()]
        needs_gradient = [parameter.requires_grad for parameter in net.parameters()]
        devices = {value.device for value in net.state_dict().values()}
        return modes, needs_gradient, devices, torch.get_rng_state().tolist()

    @pytest.mark.parametrize("mode", [True, False])
    def test_modes_device_and_random_numbers_after_training(self, mode):
        net = self.make().train(mode)
        net.backbone[3].train(not mode)
        before = self.properties(net)
        samples = make_samples()
        fit(net, samples, CrossEntropy(), num_epochs=2, validation=samples, patience=1)
        assert self.properties(net) == before
        assert all(parameter.grad is None for parameter in net.parameters())

    def test_modes_device_and_random_numbers_after_an_error(self):
        net, samples = self.make(), make_samples()
        before = self.properties(net)
        with pytest.raises(TrainingDivergedError):
            fit(net, samples, CrossEntropy() + Nowhere(), num_epochs=2)
        assert self.properties(net) == before
        assert all(parameter.grad is None for parameter in net.parameters())

    def test_samples_and_source_stay_as_they_were(self):
        net, samples = Net(), make_samples()
        inputs, source = samples.inputs.clone(), deepcopy(net)
        before = state(source)
        fit(net, samples, CrossEntropy() + 0.1 * L2SP(source), num_epochs=1)
        assert torch.equal(samples.inputs, inputs)
        assert is_same(before, source)


class TestFrozenParts:
    def test_frozen_parameters_and_statistics_are_bit_identical(self):
        net = Net()
        freeze(net.backbone)
        before = state(net.backbone)
        head = state(net.head)
        fit(net, make_samples(), CrossEntropy() + 0.1 * L2(), num_epochs=3, learning_rate=0.1)
        assert is_same(before, net.backbone)
        assert not is_same(head, net.head)

    def test_rates_of_groups_are_used(self):
        net = Net()
        freeze(net.backbone[1])
        before = state(net)
        rates = {"backbone": 1e-12, "head": 0.1}
        fit(net, make_samples(), CrossEntropy(), num_epochs=1, learning_rate=rates)
        after = state(net)
        torch.testing.assert_close(after["backbone.0.weight"], before["backbone.0.weight"])
        assert (after["head.weight"] - before["head.weight"]).abs().max() > 0.05  # Adam: about lr


class TestBatches:
    @pytest.mark.parametrize(
        ("number", "batch_size", "sizes"),
        [
            (12, 4, [4, 4, 4]),
            (14, 4, [4, 4, 4, 2]),
            (13, 4, [4, 4, 5]),  # the last single sample joins, BatchNorm could not take it
            (5, 4, [5]),
            (3, 32, [3]),
        ],
    )
    def test_sizes(self, number, batch_size, sizes):
        net = Net()
        fit(net, make_samples(number), CrossEntropy(), num_epochs=1, batch_size=batch_size)
        assert net.batches[1:] == sizes  # the first call is a look at what the model gives

    def test_batches_of_one_stay_single(self):
        sizes = []
        model = nn.Linear(4, 2)
        model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
        fit(model, make_samples(3), CrossEntropy(), num_epochs=1, batch_size=1)
        assert sizes[1:] == [1, 1, 1]

    def test_each_sample_is_seen_once_in_another_order_each_epoch(self):
        seen = []
        model = nn.Linear(1, 2)
        model.register_forward_pre_hook(
            lambda m, inputs: seen.extend(inputs[0][:, 0].tolist() if m.training else [])
        )
        samples = Samples(torch.arange(10.0)[:, None], torch.arange(10) % 2)
        fit(model, samples, CrossEntropy(), num_epochs=2, batch_size=4)
        assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
        assert seen[:10] != seen[10:]

    @pytest.mark.parametrize(("number", "steps"), [(12, 6), (13, 6), (14, 8), (5, 2)])
    def test_schedule_is_as_long_as_the_training(self, number, steps, monkeypatch):
        planned, made = [], []

        def record(stepper, num_steps):
            planned.append(num_steps)
            return torch.optim.lr_scheduler.LambdaLR(stepper, lambda step: made.append(step) or 1.0)

        monkeypatch.setitem(optimizers.SCHEDULES, "constant", record)
        fit(Net(), make_samples(number), CrossEntropy(), num_epochs=2, batch_size=4)
        assert planned == [steps]
        assert max(made) == steps


class TestPrecision:
    def test_mixed_precision_learns_digits_as_well_as_full(self):
        task = load_digits()
        found, kinds = {}, {"float32": set(), "bfloat16": set()}
        for precision, seen in kinds.items():
            with torch.random.fork_rng():
                torch.manual_seed(0)
                model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
            model[1].register_forward_hook(lambda layer, x, y, seen=seen: seen.add(y.dtype))
            options = {"num_epochs": 6, "learning_rate": 0.005, "precision": precision}
            fit(model, task.train, CrossEntropy() + 1e-4 * L2(), **options)
            found[precision] = evaluate(model, task.validation).accuracy
            assert {weight.dtype for weight in model.parameters()} == {torch.float32}
        # answers without training, before the first step, are those of float32
        assert kinds == {"float32": {torch.float32}, "bfloat16": {torch.float32, torch.bfloat16}}
        assert found["float32"] > 0.93
        assert abs(found["bfloat16"] - found["float32"]) < 0.02

    def test_terms_see_full_precision(self):
        term = Watching()
        fit(Net(), make_samples(), CrossEntropy() + 0 * term, num_epochs=1, precision="bfloat16")
        batch = term.seen[-1]
        assert batch.outputs.dtype == batch.features.dtype == torch.float32


class TestHistoryOfFit:
    def test_means_are_sums_over_samples_divided_by_n(self):
        model = nn.Linear(4, 2)
        samples = make_samples(10)
        samples.inputs[7] = 50  # one bad sample, so that batches of 4, 4, 2 must count by size
        with torch.no_grad():
            expected = nn.functional.cross_entropy(model(samples.inputs), samples.labels).item()
        norm = (model.weight.square().sum() / 2).item()
        objective = CrossEntropy() + 1e-9 * L2()
        history = fit(model, samples, objective, num_epochs=1, batch_size=4, learning_rate=1e-12)
        assert history.terms["cross-entropy"] == [pytest.approx(expected, rel=1e-5)]
        assert history.terms["L2"] == [pytest.approx(norm, rel=1e-5)]  # without its factor
        assert history.factors == {"cross-entropy": 1, "L2": 1e-9}

    def test_training_lowers_the_loss_and_notes_each_epoch(self):
        model, samples = nn.Linear(4, 2), make_samples()
        nn.init.zeros_(model.weight)
        nn.init.zeros_(model.bias)
        objective = CrossEntropy()
        history = fit(model, samples, objective, num_epochs=20, batch_size=30, learning_rate=0.01)
        losses = history.terms["cross-entropy"]
        assert history.num_epochs == len(losses) == history.best_epoch == 20
        assert losses[0] == pytest.approx(math.log(2), rel=1e-6)  # equal logits, before the step
        assert losses == sorted(losses, reverse=True)
        assert sample_loss(model, samples, objective) < losses[-1]
        assert history.validation_loss == []

    def test_validation_loss_is_that_of_the_model_in_evaluation_mode(self):
        net, validation = Net(), make_samples(20, seed=5)
        history = fit(
            net, make_samples(), CrossEntropy() + L2(), num_epochs=1, validation=validation
        )
        with torch.no_grad():
            logits = net.eval()(validation.inputs)
        expected = nn.functional.cross_entropy(logits, validation.labels).item()
        assert history.validation_loss == [pytest.approx(expected, rel=1e-5)]

    def test_progress_bar_can_be_shown_and_changes_nothing(self, monkeypatch):
        monkeypatch.setenv("TQDM_DISABLE", "1")
        runs = [
            fit(Net(), make_samples(), CrossEntropy(), num_epochs=2, progress=shown).terms
            for shown in (False, True)
        ]
        assert runs[0] == runs[1]


class TestOneStep:
    def test_gradient_descent_follows_the_formula(self):
        # Delta w = - alpha grad J: the first step of SGD has no momentum yet
        model, samples = nn.Linear(4, 2), make_samples(10)
        twin = deepcopy(model)
        loss = nn.functional.cross_entropy(twin(samples.inputs), samples.labels)
        (loss + 0.5 * twin.weight.square().sum() / 2 + 0.25 * twin.weight.abs().sum()).backward()
        objective = CrossEntropy() + 0.5 * L2() + 0.25 * L1()
        fit(model, samples, objective, num_epochs=1, optimizer="sgd", learning_rate=0.1)
        expected = twin.weight - 0.1 * twin.weight.grad
        torch.testing.assert_close(model.weight, expected)
        torch.testing.assert_close(model.bias, twin.bias - 0.1 * twin.bias.grad)


class TestEarlyStoppingInFit:
    def run(self, **options):
        """Learn from labels that contradict the validation: each epoch makes it worse."""
        samples = make_samples(40)
        against = Samples(samples.inputs, 1 - samples.labels)
        net = nn.Linear(4, 2)
        nn.init.zeros_(net.weight)
        nn.init.zeros_(net.bias)
        settings = {"num_epochs": 10, "validation": against, "learning_rate": 0.05} | options
        return state(net), fit(net, samples, CrossEntropy(), **settings), state(net)

    def test_it_stops_after_patience_and_restores_the_best_epoch(self):
        _, history, weights = self.run(patience=2)
        _, _, after_one_epoch = self.run(num_epochs=1)
        assert history.num_epochs == 3
        assert history.validation_loss == sorted(history.validation_loss)
        assert history.best_epoch == 1
        assert all(weights[name].equal(after_one_epoch[name]) for name in weights)

    def test_without_patience_it_runs_to_the_end_and_keeps_the_last(self):
        _, history, weights = self.run()
        _, _, restored = self.run(patience=9)
        assert history.num_epochs == history.best_epoch == 10
        assert not weights["weight"].equal(restored["weight"])

    def test_restored_weights_have_the_noted_loss(self):
        samples = make_samples(40)
        against = Samples(samples.inputs, 1 - samples.labels)
        net = Net()
        settings = {"num_epochs": 6, "validation": against, "patience": 2, "learning_rate": 0.05}
        history = fit(net, samples, CrossEntropy(), **settings)
        best = history.validation_loss[history.best_epoch - 1]
        assert best == min(history.validation_loss)
        assert sample_loss(net, against, CrossEntropy()) == pytest.approx(best, rel=1e-6)


class TestDivergence:
    def test_message_names_the_term_and_the_cure(self):
        samples = make_samples()
        model = nn.Linear(4, 2)
        model.weight.data *= 1e30
        samples.inputs[3] = 1e30
        with pytest.raises(TrainingDivergedError, match="term 'cross-entropy' is nan.*lower learn"):
            fit(model, samples, CrossEntropy(), num_epochs=1)

    def test_regulariser_is_named_if_it_is_the_cause(self):
        with pytest.raises(TrainingDivergedError, match="the term 'L2' is inf"):
            model = nn.Linear(4, 2)
            model.weight.data[:] = 1e30
            fit(model, make_samples(), 0 * CrossEntropy() + L2(), num_epochs=1)

    @pytest.mark.parametrize("optimizer", ["adam", "sgd", "lbfgs"])
    def test_bad_first_batch_leaves_the_weights_as_they_were(self, optimizer):
        samples, model = make_samples(), nn.Linear(4, 2)
        model.weight.data *= 1e30  # the sums leave what a number can be
        samples.inputs[3] = 1e30
        before = state(model)
        with pytest.raises(TrainingDivergedError):
            fit(model, samples, CrossEntropy(), num_epochs=2, batch_size=30, optimizer=optimizer)
        assert is_same(before, model)

    @pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
    def test_weights_are_finite_where_a_step_leads_out_of_the_allowed(self, optimizer):
        model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(model.weight)
        samples = Samples(torch.zeros(2, 1), torch.tensor([0, 0]))
        with pytest.raises(TrainingDivergedError, match="the term 'barrier' is nan"):
            settings = {"learning_rate": 1.0, "batch_size": 2, "optimizer": optimizer}
            fit(model, samples, Barrier(), num_epochs=5, **settings)
        # SGD had made its first step, 0 + 1 * 10; LBFGS only tries the point out
        assert model.weight.item() == {"sgd": 10, "lbfgs": 0}[optimizer]

    def test_validation_loss_that_is_not_finite_is_named(self):
        validation = make_samples()
        validation.inputs[0] = 3e38
        model = nn.Linear(4, 2)
        model.weight.data.fill_(1e3)
        with pytest.raises(TrainingDivergedError, match="the term 'loss on validation' is nan"):
            fit(model, make_samples(), CrossEntropy(), num_epochs=1, validation=validation)


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"num_epochs": 0}, "num_epochs is 0; give 1 or more"),
            ({"batch_size": 0}, "batch_size is 0; give 1 or more"),
            ({"patience": 2}, "patience is 2; give validation samples to watch"),
            ({"patience": 0, "validation": make_samples()}, "patience is 0; give 1 or more"),
            (
                {"optimizer": "rmsprop"},
                "optimizer is 'rmsprop'; give one of 'adam', 'sgd', 'lbfgs'",
            ),
            (
                {"schedule": "step"},
                "schedule is 'step'; give one of 'constant', 'cosine', 'one_cycle'",
            ),
            ({"learning_rate": 0}, "learning_rate is 0; give a number above 0"),
            ({"optimizer": "lbfgs"}, "batch_size is 8 for 30 samples; optimizer 'lbfgs' needs"),
        ],
    )
    def test_bad_argument_is_refused_and_the_model_stays(self, options, message):
        net = Net()
        before = state(net)
        with pytest.raises(ValueError, match=message):
            fit(net, make_samples(), CrossEntropy(), **{"num_epochs": 1, "batch_size": 8} | options)
        assert is_same(before, net)

    def test_no_sample_is_refused(self):
        empty = make_samples().select(torch.tensor([], dtype=torch.int64))
        with pytest.raises(ValueError, match="samples is empty; give at least one sample"):
            fit(Net(), empty, CrossEntropy(), num_epochs=1)

    def test_model_that_is_frozen_throughout_is_refused(self):
        with pytest.raises(ValueError, match="model has no trainable parameter"):
            fit(freeze(Net()), make_samples(), CrossEntropy(), num_epochs=1)


class Watching(Term):
    """Keeps what it was shown; brings a scale that learns along."""

    name = "watching"
    role = "R"
    latex = "R"

    def __init__(self):
        torch.manual_seed(0)
        self.scale = nn.Linear(6, 1)
        self.seen = []

    def own_helpers(self):
        return {"scale": self.scale}

    def value(self, batch):
        self.seen.append(batch)
        return self.scale(batch.features).square().mean()


class TestWhatATermIsShown:
    def test_the_features_are_those_that_the_head_got(self):
        term, model = Watching(), Net()
        fit(model, make_samples(), CrossEntropy() + term, num_epochs=1, batch_size=30)
        (batch,) = term.seen
        model_before = Net().to(batch.features.device)
        model_before.train()
        assert batch.features.shape == (30, 6)
        assert batch.features.requires_grad
        assert batch.outputs.allclose(model_before.head(batch.features))

    def test_indices_say_where_a_sample_stands_in_its_data_set(self):
        term, samples = Watching(), make_samples(40)
        some = samples.select(torch.arange(5, 35))
        fit(Net(), some, CrossEntropy() + term, num_epochs=1, batch_size=30)
        (batch,) = term.seen
        assert sorted(batch.indices.tolist()) == list(range(5, 35))
        assert batch.inputs.cpu().equal(samples.inputs[batch.indices.cpu()])

    def test_a_model_without_backbone_has_no_features(self):
        term = Watching()
        term.value = lambda batch: term.seen.append(batch) or batch.outputs.sum() * 0
        fit(nn.Linear(4, 2), make_samples(), CrossEntropy() + term, num_epochs=1)
        assert term.seen[0].features is None

    def test_no_hook_stays_behind_even_after_an_error(self):
        model = Net()
        model.head = nn.Linear(5, 2)
        with pytest.raises(ValueError, match="model cannot read inputs of shape"):
            fit(model, make_samples(), CrossEntropy(), num_epochs=1)
        assert not model.backbone._forward_hooks


class TestHelpers:
    def test_they_learn_with_the_model_and_get_their_own_rate(self):
        term, model = Watching(), Net()
        before = term.scale.weight.detach().clone()
        rates = {"backbone": 0.01, "head": 0.01, "scale": 1e-6}
        fit(model, make_samples(), CrossEntropy() + term, num_epochs=1, learning_rate=rates)
        moved = (term.scale.weight - before).abs().max()
        assert 0 < moved < 1e-4
        assert term.scale.weight.grad is None

    def test_a_rate_for_them_is_asked_for(self):
        rates = {"backbone": 0.01, "head": 0.01}
        objective = CrossEntropy() + Watching()
        with pytest.raises(ValueError, match=r"no prefix for scale\.weight"):
            fit(Net(), make_samples(), objective, num_epochs=1, learning_rate=rates)

    def test_their_mode_is_given_back(self):
        term = Watching()
        term.scale.eval()
        fit(Net(), make_samples(), CrossEntropy() + term, num_epochs=1)
        assert not term.scale.training

    def test_early_stopping_gives_them_the_best_epoch_too(self):
        """Otherwise model and helper would come from two epochs."""

        def run(**stop):
            term, model = Watching(), Net()
            settings = {"learning_rate": 0.3, "batch_size": 8} | stop
            history = fit(model, make_samples(), CrossEntropy() + term, **settings)
            return history, model, term

        history, model, term = run(num_epochs=20, validation=make_samples(20, seed=5), patience=2)
        assert history.best_epoch < history.num_epochs
        _, expected, expected_term = run(num_epochs=history.best_epoch)
        assert is_same(state(expected), model)
        assert is_same(state(expected_term.scale), term.scale)

    def test_two_of_one_name_are_refused(self):
        with pytest.raises(ValueError, match="two terms bring a module named 'scale'"):
            (Watching() + Watching()).helpers()

    def test_one_term_twice_brings_its_helper_once(self):
        term = Watching()
        assert list((term + 2 * term).helpers()) == ["scale"]
