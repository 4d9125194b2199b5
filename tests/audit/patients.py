"""Patients: small models with a usual mistake, and the same cured; what the audit must name.

Each maker returns what `audit_transfer` is called with. ``cured=True`` takes the mistake out.
"""

import copy
from functools import partial

import torch
from torch import nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from course_utils.data.samples import Samples
from course_utils.models import add_lora, merge_lora, small_cnn
from course_utils.objectives import L2SP, CrossEntropy

PATIENTS = {}


def patient(check):
    """Note a maker of a patient with the check that must name it."""

    def note(make):
        PATIENTS[make.__name__] = (make, check)
        return make

    return note


def images(number=64, *, seed=0, num_classes=3, size=8):
    """Return bright squares at a place that depends on the class, from 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % num_classes
    found = 0.3 * torch.rand(number, 1, size, size, generator=generator)
    for label in range(num_classes):
        found[labels == label, :, 2 * label : 2 * label + 2] += 0.7
    return found, labels


class Net(nn.Sequential):
    """Convolution, BatchNorm, dropout, and a head."""

    def __init__(self, num_classes=3, width=16):
        torch.manual_seed(0)
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.1)
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Linear(16 * width, num_classes)


def freeze_body(net, *, hold=True):
    """Freeze the body; with hold it stays in evaluation mode."""
    net.body.requires_grad_(False)
    if hold:
        net.body.train = lambda mode=True: net.body  # as a module that stays frozen does
        for module in net.body.modules():
            module.training = False
    return net


def trained(net, data, *, steps=60, rate=0.01):
    """Train a network in a plain loop."""
    stepper = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], rate)
    net.train()
    for _ in range(steps):
        stepper.zero_grad()
        cross_entropy(net(data[0]), data[1]).backward()
        stepper.step()
    return net


def adam(net, rate=1e-3, **settings):
    return torch.optim.Adam(net.parameters(), rate, **settings)


@patient("trainable parameters")
def adjusted_relu(cured):
    net = Net()
    if not cured:
        net.body[2].weight = torch.ones(16)
    return {"model": net, "train": images()}


@patient("loss")
def loss_for_each_sample(cured):
    return {
        "model": Net(),
        "train": images(),
        "objective": partial(cross_entropy, reduction="mean" if cured else "none"),
    }


@patient("source weights")
def never_pretrained(cured):
    source, net = Net(), Net()
    torch.manual_seed(7)
    net.apply(lambda module: getattr(module, "reset_parameters", lambda: None)())
    if cured:
        net.load_state_dict(source.state_dict())
    return {"model": net, "source": source, "train": images()}


@patient("source weights")
def weights_of_another_shape(cured):
    source = Net(width=16 if cured else 24)
    net = Net()
    fitting = {n: w for n, w in source.state_dict().items() if w.shape == net.state_dict()[n].shape}
    net.load_state_dict(fitting, strict=False)
    return {"model": net, "source": source, "train": images()}


@patient("labels")
def features_trained_as_classes(cured):
    return {"model": Net(num_classes=3 if cured else 1024), "train": images()}


class Encoder(nn.Module):
    """Answers as encoders of transformers do."""

    def __init__(self, with_head):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 2) if with_head else None

    def forward(self, input_ids, attention_mask):
        states = self.table(input_ids) * attention_mask[..., None]
        if self.head is None:
            return {"last_hidden_state": states}
        return {"logits": self.head(states.mean(1))}


def tokens():
    labels = torch.arange(32) % 2
    ids = 2 + torch.randint(8, (32, 6), generator=torch.Generator().manual_seed(0))
    ids += 9 * labels[:, None]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


@patient("outputs")
def bare_encoder(cured):
    return {"model": Encoder(with_head=cured), "train": tokens()}


@patient("loss")
def name_without_import(cured):
    def objective(outputs, labels):
        return cross_entropy(outputs, labels) if cured else F.cross_entropy(outputs, labels)  # noqa: F821

    return {"model": Net(), "train": images(), "objective": objective}


@patient("trainable parameters")
def require_grad_misspelt(cured):
    net = Net()
    for weight in net.body.parameters():
        if cured:
            weight.requires_grad = False
        else:
            weight.require_grad = False
    return {"model": freeze_body(net) if cured else net, "train": images()}


@patient("trainable parameters")
def requires_grad_of_a_module(cured):
    net = Net()
    if cured:
        freeze_body(net)
    else:
        net.body.requires_grad = False
    return {"model": net, "train": images()}


@patient("optimizer parameters")
def head_not_in_the_optimizer(cured):
    net = Net()
    return {"model": net, "optimizer": adam(net if cured else net.body), "train": images()}


@patient("optimizer parameters")
def optimizer_of_the_old_head(cured):
    net = Net(num_classes=5)
    optimizer = adam(net)
    net.head = nn.Linear(256, 3)
    return {"model": net, "optimizer": adam(net) if cured else optimizer, "train": images()}


@patient("trainable parameters")
def everything_frozen(cured):
    net = freeze_body(Net())
    if not cured:
        net.requires_grad_(False)
    return {"model": net, "train": images()}


@patient("frozen statistics")
def drifting_batchnorm(cured):
    return {"model": freeze_body(Net(), hold=cured), "train": images()}


@patient("frozen dropout")
def dropout_in_a_frozen_part(cured):
    net = freeze_body(Net(), hold=cured)
    return {"model": net, "train": images()}


@patient("mode and batches")
def eval_forgotten(cured):
    net = trained(Net(), images())
    return {"model": net.eval() if cured else net.train(), "test": images(seed=1)}


@patient("input range")
def normalised_for_another_network(cured):
    inputs, labels = images()
    mean, std = (0.5, 0.5) if cured else (0.485, 0.229)
    return {
        "model": Net(),
        "train": ((inputs - mean) / std, labels),
        "preprocessing": {"mean": 0.5, "std": 0.5},
    }


@patient("input range")
def not_normalised(cured):
    inputs, labels = images()
    given = (inputs - 0.5) / 0.5 if cured else inputs
    return {"model": Net(), "train": (given, labels), "preprocessing": {"mean": 0.5, "std": 0.5}}


@patient("input range")
def values_up_to_255(cured):
    inputs, labels = images()
    return {"model": Net(), "train": (inputs if cured else (255 * inputs).round(), labels)}


@patient("learning rate")
def rate_that_wipes_the_weights(cured):
    net = trained(Net(), images())
    return {"model": net, "optimizer": adam(net, 1e-3 if cured else 0.1), "train": images()}


@patient("frozen weights")
def decay_that_moves_frozen_weights(cured):
    net = freeze_body(Net())
    for weight in net.body.parameters():
        weight.grad = None if cured else torch.zeros_like(weight)
    optimizer = torch.optim.AdamW(net.parameters(), 0.01, weight_decay=0.1)
    return {"model": net, "optimizer": optimizer, "train": images()}


def distil(student, teacher, *, temperature, reduction, squared):
    """Return a loss of distillation with or without what belongs to it."""
    soft = kl_div(
        log_softmax(student / temperature, 1),
        softmax(teacher / temperature, 1),
        reduction=reduction,
    )
    return soft * temperature**2 if squared else soft


def distillation(**settings):
    inputs, labels = images()
    teacher = 5.0 * nn.functional.one_hot(labels, 3)
    objective = partial(distil, temperature=4.0, **settings)
    return {"model": Net(), "train": (inputs, teacher), "objective": objective}


@patient("loss scale")
def distillation_without_the_square(cured):
    return distillation(reduction="batchmean", squared=cured)


@patient("loss scale")
def distillation_mean_over_classes(cured):
    return distillation(reduction="batchmean" if cured else "mean", squared=True)


@patient("class order")
def labels_in_another_order(cured):
    net = trained(Net(), images()).eval()
    inputs, labels = images(seed=1)
    return {"model": net, "validation": (inputs, labels if cured else (labels + 1) % 3)}


@patient("class order")
def folders_in_another_order(cured):
    class Folder(torch.utils.data.TensorDataset):
        classes = ["cat", "dog", "owl"]

    parts = {n: Folder(*images(seed=k)) for k, n in enumerate(("train", "validation"))}
    if not cured:
        parts["validation"].classes = ["dog", "cat", "owl"]
    loaders = {n: torch.utils.data.DataLoader(data, 16) for n, data in parts.items()}
    return {"model": Net(), **loaders}


@patient("duplicates across parts")
def copies_across_parts(cured):
    train, test = images(), images(seed=1)
    if not cured:
        test[0][:5] = train[0][:5]
    return {"model": Net(), "train": train, "test": test}


@patient("near duplicates")
def nearly_copies_across_parts(cured):
    train, test = images(), images(seed=1)
    if not cured:
        test[0][:5] = train[0][:5] * 0.99
    return {"model": Net(), "train": train, "test": test}


@patient("gradients")
def lora_trained_while_merged(cured):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU())
    base = trained(nn.Sequential(body, nn.Linear(16, 3)), images())
    model = add_lora(base, 2, 4.0, targets=["1"])
    if not cured:
        merge_lora(model)
    return {"model": model, "train": images()}


@patient("gradients")
def detached_features(cured):
    class Detached(Net):
        def forward(self, inputs):
            features = self.pool(self.body(inputs))
            return self.head(features if cured else features.detach())

    return {"model": Detached(), "train": images()}


@patient("outputs")
def softmax_before_the_loss(cured):
    net = Net()
    net.append(nn.Identity() if cured else nn.Softmax(1))
    return {"model": net, "train": images()}


@patient("labels")
def labels_from_one_on(cured):
    inputs, labels = images()
    return {"model": Net(), "train": (inputs, labels if cured else labels + 1)}


@patient("labels")
def class_missing_in_a_part(cured):
    train, test = images(), images(seed=1)
    keep = (test[1] < 3) if cured else (test[1] < 2)
    return {"model": Net(), "train": train, "test": (test[0][keep], test[1][keep])}


@patient("input shape")
def sizes_that_differ(cured):
    return {"model": Net(), "train": images(), "test": images(seed=1, size=8 if cured else 12)}


@patient("overfits eight samples")
def inputs_without_information(cured):
    inputs, labels = images()
    return {"model": Net(), "train": (inputs if cured else torch.zeros_like(inputs), labels)}


@patient("weight decay")
def decay_beside_l2sp(cured):
    model = small_cnn(3)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0 if cured else 0.1)
    objective = CrossEntropy() + 0.1 * L2SP(copy.deepcopy(model))
    return {
        "model": model,
        "optimizer": optimizer,
        "train": Samples(*images()),
        "objective": objective,
    }


@patient("random layers")
def frozen_but_never_trained(cured):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU())
    net = nn.Sequential(body, nn.Linear(64, 3))
    if cured:
        trained(net, images(), steps=100)
    body.requires_grad_(False)
    return {"model": net, "train": images()}


def noted(report):
    """Return what is wrong or suspicious, or stopped."""
    found = [f for f in report.findings if f.verdict in ("wrong", "suspicious")]
    return found + [f for f in report.findings if "It stopped with" in f.found]
