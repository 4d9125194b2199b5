"""The audit is silent on sound models of the kinds that the lessons make, and runs on all terms."""

import copy

import pytest
import torch
from patients import images, noted, trained
from text_toys import babble, tiny_bert, tiny_gpt_backbone
from torch import nn

from course_utils.audit import audit_transfer
from course_utils.data.samples import Samples
from course_utils.data.texts import Texts
from course_utils.features import FrozenStages, prototype_head
from course_utils.models import (
    Classifier,
    adapt_input,
    add_lora,
    freeze,
    imagenet_classifier,
    predict,
    replace_head,
    small_cnn,
    stages,
    unfreeze,
)
from course_utils.objectives import (
    CORAL,
    EWC,
    L1,
    L2,
    L2SP,
    MMD,
    CrossEntropy,
    Distillation,
    DomainAdversarial,
    LearningWithoutForgetting,
    answers_by_index,
)


@pytest.fixture(scope="module")
def source():
    torch.manual_seed(0)
    return trained(small_cnn(3), images(), rate=1e-3).eval()


TRAIN, VALIDATION = Samples(*images()), Samples(*images(seed=1))
OBJECTIVES = {
    "L1 and L2": lambda model: CrossEntropy(label_smoothing=0.1) + 0.01 * L1() + 0.1 * L2(),
    "L2-SP": lambda model: CrossEntropy() + 0.1 * L2SP(model) + 0.1 * L2(prefix="head."),
    "EWC": lambda model: CrossEntropy() + 10 * EWC(model, TRAIN.select(range(8))),
    "MMD": lambda model: CrossEntropy() + MMD(VALIDATION.inputs),
    "CORAL": lambda model: CrossEntropy() + CORAL(VALIDATION.inputs),
    "DANN": lambda model: (
        CrossEntropy() + DomainAdversarial(VALIDATION.inputs, num_features=64, ramp_steps=10)
    ),
    "distillation": lambda model: Distillation(answers_by_index(model, TRAIN), temperature=2.0),
    "LwF": lambda model: CrossEntropy() + LearningWithoutForgetting(model, TRAIN),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives(name, source):
    model = copy.deepcopy(source)
    report = audit_transfer(
        model, source=source, train=TRAIN, validation=VALIDATION, objective=OBJECTIVES[name](model)
    )
    assert not noted(report), report
    assert report["loss"].verdict == "ok"


@pytest.mark.parametrize("moving", [(), ("last",), ("stage1", "stage2", "last")])
def test_stages_that_move(source, moving):
    model = freeze(replace_head(copy.deepcopy(source), 3))
    for part in (model.head, *(stages(model.backbone)[name] for name in moving)):
        unfreeze(part)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learning, 1e-3)
    report = audit_transfer(model, optimizer, source=source, train=TRAIN, test=VALIDATION)
    assert not noted(report), report


def test_a_head_on_features_and_prototypes(source):
    torch.manual_seed(0)
    features = predict(source.backbone, TRAIN.inputs)
    for head in (nn.Linear(64, 3), prototype_head(features, TRAIN.labels)):
        report = audit_transfer(head, train=(features, TRAIN.labels))
        assert not noted(report), report


@pytest.mark.slow
def test_the_pretrained_network_for_grey_images_with_stages_on_stored_activations():
    model = replace_head(imagenet_classifier(), 3)
    adapt_input(model.backbone, channels=1)
    inputs, labels = images(24, size=32)
    stored = FrozenStages(model, after="stage5")
    report = audit_transfer(
        stored.rest, train=(stored.activations(inputs, use_cache=False), labels)
    )
    assert not noted(report), report
    report = audit_transfer(model.eval(), train=(inputs, labels), source=imagenet_classifier())
    assert not noted(report), report


@pytest.mark.slow
@pytest.mark.parametrize("make", [tiny_bert, tiny_gpt_backbone])
@pytest.mark.parametrize("way", ["all layers", "LoRA", "frozen"])
def test_networks_for_text(make, way):
    backbone, (texts, labels) = make(), babble(32)
    tokens = backbone.tokenize(texts, 12)
    torch.manual_seed(0)
    model = Classifier(backbone, nn.Linear(16, 2))
    if way == "LoRA":
        model = add_lora(model, 2, 4.0, targets=list(text_targets(backbone)))
        unfreeze(model.head)
    if way == "frozen":
        freeze(model.backbone)
    report = audit_transfer(model, train=(tokens, labels))
    assert not noted(report), report
    assert report["outputs"].verdict == "ok"


def text_targets(backbone):
    """Return the names of linear layers in attention."""
    linear = [name for name, part in backbone.named_modules() if isinstance(part, nn.Linear)]
    return {name.rpartition(".")[2] for name in linear if "query" in name or "queries" in name} or {
        linear[0].rpartition(".")[2]
    }


def test_texts_before_their_tokens_are_refused_in_one_line():
    texts, labels = babble(8)
    with pytest.raises(TypeError, match="^train has inputs an array .*; give tensors, texts as"):
        audit_transfer(nn.Linear(2, 2), train=Samples(Texts(texts), labels))
