"""Tests of the exercises of lesson 07: right, untouched and typical wrong answers."""

from functools import partial

import pytest
import torch
from authoring import find_faults, run_solution
from sklearn.metrics import f1_score
from toys import make_task, one_thread, unfair_comparisons  # noqa: F401, a fixture is used by its name

from course_utils.exercises.text_with_bert import easy, medium, open_ended
from course_utils.experiments.runs import repeat
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2
from course_utils.training.evaluation import evaluate
from course_utils.training.loop import linear_probe

CORRECTION = 8 * (384 + 384)
HEAD = 384 * 5 + 5
MINILM = 22_565_376

EASY_MISTAKES = [
    (12 * CORRECTION, "The head is missing"),
    (HEAD, "the head alone"),
    (12 * CORRECTION + 384 * 5, "The bias of the head is missing"),
    (CORRECTION, "one corrected layer"),
    (CORRECTION + HEAD, "one corrected layer and the head"),
    (2 * CORRECTION + HEAD, "It has six"),
    (6 * CORRECTION + HEAD, "Two linear layers"),
    (18 * CORRECTION + HEAD, "not three"),
    (24 * CORRECTION + HEAD, "not four"),
    (12 * 8 * 384 + HEAD, "two matrices"),
    (12 * 384 * 384 + HEAD, "the frozen matrices W0"),
    (12 * (CORRECTION + 384) + HEAD, "have no bias"),
    (MINILM, "it is frozen"),
    (MINILM + HEAD, "MiniLM is frozen"),
    (MINILM + 12 * CORRECTION + HEAD, "MiniLM itself is frozen"),
    ((75, 653), "digits alone"),
    (75.653, "digits alone"),
]


class TestEasy:
    def test_is_sound(self):
        wrong = [*EASY_MISTAKES, ("75653", "without quotation marks"), (80_000, "is too large")]
        assert find_faults(easy, wrong) == []

    def test_number_is_what_add_lora_leaves_to_learn(self):
        """Second implementation: count on layers of this size, with the course's own LoRA."""
        from course_utils.models.lora import LoRALinear

        layer = LoRALinear(torch.nn.Linear(384, 384), rank=8, alpha=16, seed=0)
        learns = sum(p.numel() for p in layer.parameters() if p.requires_grad)
        head = sum(p.numel() for p in torch.nn.Linear(384, 5).parameters())
        namespace = {}
        exec(easy.solution_code, namespace)
        assert namespace["answer"] == 6 * 2 * learns + head


def accuracy(predictions, labels):
    return (predictions == labels).float().mean()


def per_class(predictions, labels, count):
    return sum(count(predictions == k, labels == k) for k in labels.unique()) / len(labels.unique())


def mean_recall(predictions, labels):
    return per_class(predictions, labels, lambda said, true: (said & true).sum() / true.sum())


def mean_precision(predictions, labels):
    def precision(said, true):
        return (said & true).sum() / said.sum().clamp_min(1)

    return per_class(predictions, labels, precision)


def without_the_two(predictions, labels):
    def halved(said, true):
        return (said & true).sum() / (said.sum() + true.sum())

    return per_class(predictions, labels, halved)


def misses_only(predictions, labels):
    def forgets_false_alarms(said, true):
        hits = (said & true).sum()
        return 2 * hits / (2 * hits + (true & ~said).sum())

    return per_class(predictions, labels, forgets_false_alarms)


def jaccard(predictions, labels):
    return per_class(
        predictions, labels, lambda said, true: (said & true).sum() / (said | true).sum()
    )


def weighted(predictions, labels):
    return f1_score(labels, predictions, average="weighted", zero_division=0.0)


def predicted_classes_only(predictions, labels):
    scores = f1_score(
        labels, predictions, average=None, zero_division=0.0, labels=predictions.unique()
    )
    return float(scores.mean())


def counts_to_the_largest(predictions, labels):
    numbers = range(int(labels.max()) + 1)
    return float(f1_score(labels, predictions, average="macro", labels=numbers, zero_division=0.0))


def not_averaged(predictions, labels):
    return f1_score(labels, predictions, average=None, zero_division=0.0)


def untouched(predictions, labels):
    return ...


class TestMedium:
    def test_is_sound(self):
        wrong = [
            (accuracy, "Class 1 is never predicted"),
            (mean_recall, "Class 1 is never predicted"),
            (mean_precision, "Class 1 is never predicted"),
            (weighted, "do not weigh by the number of samples"),
            (predicted_classes_only, "do not leave it out"),
            (without_the_two, "each class has the F1 1"),
            (misses_only, "Class 1 is never predicted"),
            (jaccard, "Class 1 is never predicted"),
            (counts_to_the_largest, "labels.unique()"),
            (not_averaged, "mean over the classes"),
            (lambda labels: 1.0, "another number of inputs"),
            (torch.zeros(2), "a function is asked"),
        ]
        assert find_faults(medium, wrong, untouched=[untouched]) == []

    @pytest.mark.parametrize("seed", range(3))
    def test_scikit_learn_counts(self, seed):
        """Second implementation, also on random answers where each class occurs."""

        def by_library(predictions, labels):
            return f1_score(
                labels, predictions, average="macro", labels=labels.unique(), zero_division=0.0
            )

        assert medium.judge_answer(by_library).text == medium.why
        namespace = {}
        exec(medium.solution_code, namespace)
        random = torch.Generator().manual_seed(seed)
        predictions, labels = torch.randint(5, (2, 40), generator=random)
        found = float(namespace["macro_f1"](predictions, labels))
        assert found == pytest.approx(by_library(predictions, labels), abs=1e-6)


@pytest.fixture(scope="module")
def names():
    """Return what the notebook has defined above the open exercise."""

    def probe(task, table, size, seed):
        features = task.map_parts(lambda part: part.with_inputs(table[part.indices]))
        few = features.train.few_shot(size, seed)
        return linear_probe(few, CrossEntropy() + 0.1 * L2(), num_classes=2), features

    def text_features(backbone, texts, max_tokens):
        generator = torch.Generator().manual_seed(1)
        return torch.randn(len(texts), 3, generator=generator)

    return {
        "load_bbc_news": make_task,
        "probe": probe,
        "text_features": text_features,
        "text_encoder": lambda pooling: pooling,
        "news_texts": lambda: [""] * 120,
        "tables": {("headline", "MiniLM"): torch.randn(120, 4)},
        "HEADLINE_TOKENS": 32,
        "SEEDS": range(5),
        "evaluate": evaluate,
        # one process: starting workers would take longer than the work
        "repeat": partial(repeat, num_workers=1),
    }


class TestOpen:
    def test_solution_is_a_fair_comparison(self, names):
        assert run_solution(open_ended, names).text == open_ended.why

    def test_is_sound(self, names):
        wrong = unfair_comparisons("mean", "[CLS]", 8)
        assert find_faults(open_ended, wrong, names=names) == []
