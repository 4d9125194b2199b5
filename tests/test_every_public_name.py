"""Each public function, with each argument made wrong in each way that users do.

The functions are found in the faces of the rooms, and the ways in the kinds of the arguments: a new
function is covered as soon as its arguments have an example here.
"""

import contextlib
import importlib
import inspect
import linecache
import random
import tempfile
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
import torch
from own_inputs import good_folder, good_table
from text_toys import SENTENCES, tiny_bert, tiny_gpt, tiny_tokenizer
from torch import Tensor, nn
from toys import Net, apart, is_same, state

from course_utils.data.augmentation import flipped_views
from course_utils.data.own_texts import read_text_table
from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.data.texts import Texts
from course_utils.experiments.estimates import Draws, estimate
from course_utils.experiments.results import Results
from course_utils.models.checkpoints import save_classifier
from course_utils.models.classifier import Classifier, Preprocessing, small_cnn
from course_utils.models.lora import add_lora
from course_utils.models.lora_states import lora_state
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.loop import fit

ROOMS = [
    *("environment", "data", "models", "features", "objectives", "training", "experiments"),
    "audit",
    "plotting",
    "transfer",
]
SECRET = 4242.4242
X = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(8) % 2
IMAGES = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TOKENS = torch.randint(1, 20, (8, 5), generator=torch.Generator().manual_seed(0))

# Errors, abstract classes, and what only holds values that a function has made.
HOLDERS = {
    *(
        "PackageError",
        "TrainingDivergedError",
        "ClaimError",
        "RunError",
        "AuditError",
        "CHECKS",
        "Finding",
        "Report",
        "Objective",
        "Term",
        "Batch",
    ),
    *("DataError", "DataFinding", "DataReport", "OwnData", "TransferModel", "TransferResult"),
    *("History", "Metrics", "Draws", "Estimate", "Method", "Tokenizer", "MethodTable"),
}
# With its data and weights at hand each of these takes seconds: only wrong arguments are tried.
SLOW = {
    *("load_bbc_news", "load_digits", "load_mnist", "load_solar_cells", "solar_cell_images"),
    *("news_texts", "imagenet_backbone", "imagenet_classifier", "text_encoder", "load_encoder"),
    *("check_environment", "repeat", "transfer", "load_transfer"),
    *("load_backbone", "load_cifar10", "load_fashion_mnist"),
}


def samples_of(inputs=X):
    return Samples(inputs.clone(), Y.clone())


def task_of(inputs=IMAGES):
    parts = apart(samples_of(inputs), samples_of(inputs), samples_of(inputs))
    return Task("t", ("a", "b"), *parts, "grey value", "none", "random numbers")


def text_task():
    parts = apart(*(Samples(Texts(SENTENCES[:4]), torch.arange(4) % 2) for _ in range(3)))
    return Task("t", ("a", "b"), *parts, "words", "none", "made up")


def text_model():
    return Classifier(tiny_bert(), nn.Linear(16, 2))


def lora_model():
    return add_lora(text_model(), 2, 1.0)


def small_results():
    rows = [{("a", 1): 0.5 + seed / 10, ("b", 1): 0.4, ("a", 5): 0.7} for seed in range(3)]
    return Results(rows)


def saved():
    model = small_cnn(2)
    save_classifier(model, "model.safetensors", classes=("a", "b"))
    return "model.safetensors"


def own_folder():
    return str(good_folder(Path(tempfile.mkdtemp(dir=".")) / "pictures"))


def own_table():
    Path("table.csv").write_text(good_table(), encoding="utf-8")
    return "table.csv"


def picture_table():
    names = sorted(Path(own_folder()).glob("*/*.png"))
    lines = [f"{name},{name.parent.name}" for name in names]
    Path("pictures.csv").write_text("\n".join(["image,label", *lines]), encoding="utf-8")
    return "pictures.csv"


def run_once(seed):
    return {("arm", 1): float(seed)}


def draw(value, ax):
    ax.plot([value])


# A maker of an example for each argument by its name; "function.argument" where a function needs
# another one. None leaves an optional argument out.
EXAMPLES = {
    "above": lambda: None,
    "after": lambda: "stage1",
    "alpha": lambda: 4.0,
    "architecture": lambda: "EfficientNet-Lite0",
    "article": lambda: "A headline of five words\n\n" + " ".join(SENTENCES),
    "ax": lambda: matplotlib.figure.Figure().subplots(),
    "backbone": lambda: small_cnn(2).backbone,
    "bandwidths": lambda: [1.0, 2.0],
    "base": lambda: nn.Linear(4, 3),
    "batch_size": lambda: 4,
    "below": lambda: None,
    "body": lambda: nn.Linear(4, 3),
    "bounds": lambda: None,
    "cases": lambda: None,
    "centre": lambda: torch.zeros(2),
    "chance": lambda: 0.5,
    "channels": lambda: 1,
    "class_weights": lambda: [1.0, 2.0],
    "checks": lambda: ["labels"],
    "chosen": lambda: None,
    "about": lambda: "the accuracy",
    "along": lambda: "y",
    "axes": lambda: matplotlib.figure.Figure().subplots(),
    "classes": lambda: ("a", "b"),
    "column": lambda: 5,
    "context": lambda: 8,
    "decay": lambda: 1.0,
    "depth": lambda: 1,
    "describe": lambda: str,
    "draw": lambda: draw,
    "draws": Draws.starts,
    "dropout": lambda: 0.1,
    "factor": lambda: 2.0,
    "features": X.clone,
    "fewest_words": lambda: 2,
    "first": X.clone,
    "fitted_on": lambda: (X.clone(), X.clone()),
    "folder": lambda: "nowhere",
    "function": lambda: run_once,
    "head": lambda: nn.Linear(64, 2),
    "heads": lambda: 2,
    "hidden": lambda: 8,
    "high": lambda: 1.0,
    "history": lambda: fit(nn.Linear(4, 2), samples_of(), CrossEntropy(), num_epochs=1),
    "images": IMAGES.clone,
    "indices": lambda: torch.arange(8),
    "inputs": X.clone,
    "items": lambda: [0, 1],
    "kind": lambda: "mono",
    "label": lambda: "path",
    "label_smoothing": lambda: 0.1,
    "labels": Y.clone,
    "guess": lambda: 0.5,
    "layer": lambda: "body.0",
    "learning_rate": lambda: 0.01,
    "length": lambda: 5,
    "licence": lambda: "none",
    "learner": lambda: None,
    "logits": X[:, :2].clone,
    "longest": lambda: 20,
    "loss": lambda: lambda points: points.square().sum(1),
    "low": lambda: 0.0,
    "margin": lambda: 1,
    "marker": lambda: "*",
    "max_tokens": lambda: 12,
    "mean": lambda: 0.5,
    "measure": lambda: "accuracy",
    "measured": lambda: 0.5,
    "model": lambda: nn.Linear(4, 2),
    "models": lambda: [Net(), Net()],
    "module": Net,
    "name": lambda: "name",
    "norm": lambda: "L2",
    "num_classes": lambda: 2,
    "num_components": lambda: 2,
    "num_epochs": lambda: 1,
    "num_features": lambda: 4,
    "num_samples": lambda: 8,
    "num_steps": lambda: 3,
    "num_tokens": lambda: 280,
    "num_workers": lambda: 1,
    "num_rounds": lambda: 2,
    "number": lambda: 1,
    "objective": CrossEntropy,
    "optimizer": lambda: "sgd",
    "pad_id": lambda: 0,
    "part": lambda: "layers",
    "path": saved,
    "patience": lambda: None,
    "per_class": lambda: 2,
    "point": lambda: torch.zeros(2),
    "points": lambda: torch.rand(5, 2),
    "pooling": lambda: "mean",
    "prefix": lambda: "",
    "precision": lambda: "float32",
    "preprocessing": lambda: Preprocessing(1, 0.5, 0.5),
    "previous": lambda: None,
    "prompt": lambda: "The rain",
    "question": lambda: "defective",
    "radius": lambda: 1.0,
    "ramp_steps": lambda: 10,
    "rank": lambda: 2,
    "results": small_results,
    "rows": lambda: torch.arange(3),
    "samples": samples_of,
    "scale": lambda: 1.0,
    "schedule": lambda: "constant",
    "second": X.clone,
    "seed": lambda: 0,
    "seeds": lambda: [0, 1],
    "sentence": lambda: "It holds.",
    "sha256": lambda: None,
    "shares": lambda: [0.25, 0.75],
    "size": lambda: 8,
    "source": X.clone,
    "source_probabilities": lambda: X.softmax(1),
    "source_classes": lambda: ["a", "b"],
    "source_model": Net,
    "split": lambda: "random",
    "split_seed": lambda: 0,
    "stage": lambda: "stage1",
    "state": lambda: lora_state(lora_model()),
    "std": lambda: 0.5,
    "strata": Y.clone,
    "strength": lambda: 0.5,
    "student_logits": X.clone,
    "table": lambda: torch.rand(24, 4, generator=torch.Generator().manual_seed(0)),
    "target": lambda: X.clone() + 1,
    "target_classes": lambda: ["b", "c"],
    "target_inputs": X.clone,
    "targets": lambda: ("query", "value"),
    "task": task_of,
    "teacher_features": X.clone,
    "teacher_logits": X.clone,
    "temperature": lambda: 2.0,
    "test": lambda: apart(samples_of(), samples_of(), samples_of())[2],
    "text": lambda: "point",
    "texts": lambda: list(SENTENCES),
    "through": lambda: torch.zeros(2),
    "tokenizer": tiny_tokenizer,
    "tokens": TOKENS.clone,
    "title": lambda: "title",
    "top_rate": lambda: 0.01,
    "train": lambda: apart(samples_of(), samples_of(), samples_of())[0],
    "units": lambda: "none",
    "validation": lambda: apart(samples_of(), samples_of(), samples_of())[1],
    "value": lambda: 0.5,
    "values": lambda: [0.1, 0.2, 0.4],
    "views": lambda: flipped_views,
    "weights": lambda: torch.linspace(0.1, 1, 8),
    "why": lambda: "Many forget the test set.",
    "width": lambda: 8,
    "within": lambda: None,
    "EWC.labels": lambda: "model",
    "EWC.source_model": Net,
    "fisher_information.labels": lambda: "model",
    "fisher_information.model": Net,
    "MMD.bandwidths": lambda: [1.0],
    "ViewsClassifier.head": lambda: nn.Linear(64, 2),
    "add_lora.model": text_model,
    "audit_transfer.model": Net,
    "audit_transfer.optimizer": lambda: None,
    "audit_transfer.seconds": lambda: 60.0,
    "audit_transfer.source": lambda: None,
    "audit_transfer.train": lambda: (X, Y),
    "audit_transfer.validation": lambda: None,
    "audit_transfer.test": lambda: None,
    "audit_transfer.preprocessing": lambda: None,
    "cut_after.model": lambda: small_cnn(2),
    "FrozenStages.model": lambda: small_cnn(2),
    "GPT.num_tokens": lambda: 20,
    "GPTBackbone.body": tiny_gpt,
    "TextBackbone.body": lambda: tiny_bert().body,
    "TextBackbone.num_features": lambda: 16,
    "TextBackbone.longest": lambda: 20,
    "claim.value": lambda: 0.5,
    "draw_ball.norm": lambda: "L2",
    "draw_contours.first": lambda: (0.0, 1.0),
    "draw_contours.second": lambda: (0.0, 1.0),
    "draw_path.texts": lambda: (),
    "estimate.bounds": lambda: (0, 1),
    "evaluate.model": lambda: nn.Linear(4, 2),
    "imagenet_backbone.weights": lambda: "random",
    "imagenet_classifier.weights": lambda: "random",
    "label_efficiency_curve.samples": lambda: "labels",
    "language_loss.model": tiny_gpt,
    "layer_rates.model": text_model,
    "load_backbone.name": lambda: "torchvision/shufflenet_v2_x0_5",
    "load_backbone.pooling": lambda: None,
    "load_backbone.weights": lambda: "random",
    "load_bbc_news.part": lambda: "headline",
    "load_lora.model": lora_model,
    "LearningWithoutForgetting.source_model": Net,
    "lora_state.model": lora_model,
    "merge_lora.model": lora_model,
    "news_texts.part": lambda: "headline",
    "mixup.strength": lambda: 0.3,
    "mixup.num_copies": lambda: 2,
    "holm.differences": lambda: [estimate([0.1, 0.2, 0.4])],
    "nce.labels": Y.clone,
    "nce.source_labels": Y.clone,
    "paired_difference.first": lambda: [0.1, 0.2, 0.4],
    "paired_difference.second": lambda: [0.2, 0.2, 0.3],
    "read_image_folder.path": own_folder,
    "read_image_table.path": picture_table,
    "read_text_table.path": own_table,
    "split_own_data.data": lambda: read_text_table(own_table()),
    "transfer.data": lambda: "no such folder",
    "transfer.out": lambda: "out",
    "transfer.resume": lambda: False,
    "transfer.tune": lambda: False,
    "transfer.device": lambda: "cpu",
    "transfer.size": lambda: 32,
    "transfer.max_tokens": lambda: 16,
    "transfer.epochs": lambda: 1,
    "transfer.say": lambda: print,
    "load_transfer.path": lambda: "no such folder",
    "replace_head.model": lambda: small_cnn(2),
    "Results.rows": lambda: small_results().rows,
    "sample_text.model": tiny_gpt,
    "sample_text.num_tokens": lambda: 3,
    "save_classifier.model": lambda: small_cnn(2),
    "Task.name": lambda: "t",
    "text_encoder.weights": lambda: "random",
    "text_features.backbone": tiny_bert,
    "text_layers.backbone": tiny_bert,
    "token_task.task": text_task,
    "token_task.backbone": tiny_bert,
    "unmerge_lora.model": lora_model,
    "without_lora.model": lora_model,
}


def public():
    """Return the public functions and classes of all rooms by name."""
    faces = [importlib.import_module(f"course_utils.{room}") for room in ROOMS]
    return {name: getattr(face, name) for face in faces for name in face.__all__}


PUBLIC = {name: thing for name, thing in public().items() if name not in HOLDERS}


def parameters(name):
    """Return the parameters of a public function, without flags and catch-alls."""
    found = inspect.signature(PUBLIC[name]).parameters.values()
    return [
        p
        for p in found
        if p.kind is not p.VAR_KEYWORD and (p.annotation is not bool or p.default is p.empty)
    ]


def example(name, parameter):
    make = EXAMPLES.get(f"{name}.{parameter}", EXAMPLES.get(parameter))
    assert make is not None, f"give an example of {name}.{parameter} in EXAMPLES"
    return make()


def call(name, arguments):
    """Call with arguments by name; what a context manager does counts, too."""
    signature = inspect.signature(PUBLIC[name])
    kinds = {p.name: p.kind for p in parameters(name)}
    placed = []
    if inspect.Parameter.VAR_POSITIONAL in kinds.values():  # all before it have a place, too
        while kinds[first := next(iter(arguments))] is not inspect.Parameter.KEYWORD_ONLY:
            placed.append(arguments.pop(first))
            if kinds[first] is inspect.Parameter.VAR_POSITIONAL:
                break
    assert signature.bind(*placed, **arguments)
    made = PUBLIC[name](*placed, **arguments)
    if isinstance(made, contextlib.AbstractContextManager) and not isinstance(made, Path):
        with made:
            pass
    return made


def other_tensors(value):
    found = {"array": value.numpy(), "list": value.tolist(), "nobody": None, "text": "numbers"}
    found |= {"number": 3, "nothing": value[:0], "one": value[:1], "meta": value.to("meta")}
    found |= {"column": value[..., None]}
    if not value.is_floating_point():
        return found | {"negative": value - 1000, "large": value + 10**6}
    found |= {"float64": value.double(), "float64 array": value.double().numpy()}
    for name, number in (("nan", torch.nan), ("infinite", torch.inf), ("secret", SECRET)):
        found[name] = torch.full_like(value, number)
    found |= {"bytes": (value * 255).to(torch.uint8), "wider": torch.cat([value, value], -1)}
    return found | {"complex": value.to(torch.complex64)}


def other_modules(value):
    found = {"nobody": None, "text": "model", "class": nn.Linear, "number": 3, "tensor": X}
    return found | {"no weights": nn.ReLU(), "other": nn.Linear(7, 3)}


def other_numbers(value):
    found = {"text": "3", "nan": float("nan"), "infinite": float("inf"), "negative": -1}
    found |= {"zero": 0, "fraction": 0.5, "flag": True, "nobody": None, "huge": 999}
    numpy = np.float32(value) if isinstance(value, float) else np.int64(value)
    return found | {"list": [1], "tensor": X, "numpy": numpy}


def other_texts(value):
    return {"nobody": None, "number": 3, "unknown": "no such thing", "list": ["a"]}


def other_samples(value):
    found = {"nobody": None, "tensor": X, "pair": (X, Y), "text": "samples", "task": task_of()}
    found |= {"nothing": value.select(torch.arange(0)), "one": value.select(torch.arange(1))}
    large = Samples(value.inputs, Y + 5, indices=value.indices)
    return found | {"unknown": value.unlabelled(), "large labels": large}


def other_tasks(value):
    return {"nobody": None, "tensor": X, "pair": (X, Y), "text": "task", "samples": value.train}


def other_lists(value):
    found = {"nobody": None, "number": 3, "text": "one text", "empty": []}
    return found | {"holes": [*value[:-1], None], "numbers": [3, SECRET]}


OTHERS = {
    Tensor: other_tensors,
    nn.Module: other_modules,
    bool: lambda value: {},
    int | float: other_numbers,
    str: other_texts,
    Samples: other_samples,
    Task: other_tasks,
    list | tuple: other_lists,
    object: lambda value: {"nobody": None, "number": 3, "text": "other", "thing": object()},
}


def others(value):
    """Return what users give in place of a good value, by name."""
    return next(make(value) for kind, make in OTHERS.items() if isinstance(value, kind))


PAIRS = [(name, parameter.name) for name in PUBLIC for parameter in parameters(name)]


def own_line(error):
    """Whether the error was raised in words by the course, not by Python or a library."""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code
    line = linecache.getline(code.co_filename, last.tb_lineno).strip()
    return "course_utils" in code.co_filename and line.startswith("raise ")


def all_states(arguments):
    found = {}
    for name, value in arguments.items():
        if isinstance(value, nn.Module):
            modes = [(part.training, type(part)) for part in value.modules()]
            free = [weight.requires_grad for weight in value.parameters()]
            found[name] = (value, state(value), modes, free)
        elif isinstance(value, Tensor) and not value.is_meta:
            found[name] = (value, value.clone())
    return found


def is_as_before(found):
    for value, *before in found.values():
        if isinstance(value, nn.Module):
            old, modes, free = before
            if not is_same(old, value) or modes != [(p.training, type(p)) for p in value.modules()]:
                return False
            if free != [weight.requires_grad for weight in value.parameters()]:
                return False
        elif not torch.equal(value, before[0]) and not value.isnan().any():
            return False
    return True


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")


def arguments_of(name):
    made = {p.name: example(name, p.name) for p in parameters(name)}
    required = {p.name for p in parameters(name) if p.default is p.empty}
    return {key: value for key, value in made.items() if value is not None or key in required}


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - SLOW))
def test_the_examples_are_good(name, tmp_path):
    call(name, arguments_of(name))


@pytest.mark.parametrize(("name", "parameter"), PAIRS)
def test_wrong_arguments_are_understood_or_refused_in_one_line(name, parameter):
    problems = {}  # of all ways at once: thousands of tests of a few milliseconds took a minute
    for way, wrong in others(example(name, parameter)).items():
        if name in SLOW and way in ("numpy", "zero", "one", "array", "list", "huge"):
            continue  # it may be right, and takes seconds then
        try:
            check_call(name, parameter, wrong)
        except Exception as error:
            problems[way] = repr(error)
    assert not problems


def check_call(name, parameter, wrong):
    arguments = arguments_of(name) | {parameter: wrong}
    before = all_states(arguments)
    torch.default_generator.manual_seed(0)  # only this one: that of each device takes a millisecond
    numbers = torch.get_rng_state(), random.getstate()
    try:
        call(name, dict(arguments))
    except (TypeError, ValueError, OSError, ArithmeticError, AssertionError) as error:
        message = str(error)
        assert own_line(error), f"not our words: {error!r}"
        assert message and "\n" not in message and len(message) < 400
        assert "4242" not in message or parameter in ("seeds", "classes")
        assert SENTENCES[0] not in message
        assert is_as_before(before), "something has changed"
        assert torch.equal(numbers[0], torch.get_rng_state()) and numbers[1] == random.getstate()
