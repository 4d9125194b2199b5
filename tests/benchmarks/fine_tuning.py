"""Fine-tuning, for comparison with the recipe of the benchmark: the last stages of one network.

The first stages are frozen, and what they make of four views of each cell is computed once.
"""

import time
from dataclasses import dataclass

import torch
from accuracy import LEVELS, measured_on, parts_of, with_levels
from torch import nn

from course_utils.data.augmentation import eight_views
from course_utils.data.images import load_solar_cells
from course_utils.data.samples import Samples
from course_utils.environment.machine import seeded
from course_utils.features.prefix import FrozenStages, ViewsClassifier
from course_utils.models.classifier import Classifier
from course_utils.models.freezing import freeze
from course_utils.models.imagenet import imagenet_classifier
from course_utils.models.inference import predict
from course_utils.models.surgery import replace_head
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.loop import fit


@dataclass(frozen=True)
class FineTuning:
    """How a network is fine-tuned: the settings.

    Parameters
    ----------
    architecture : str
        Of `course_utils.models.imagenet_classifier`.
    size : int
        Height and width of the images, in pixels.
    after : str
        Last frozen stage.
    num_epochs, batch_size : int
        Of `course_utils.training.fit`.
    backbone_rate, head_rate : float
        Highest learning rate of Adam, with a one-cycle schedule.
    label_smoothing : float
        Of the cross-entropy.
    """

    architecture: str = "EfficientNet-Lite0"
    size: int = 160
    after: str = "stage3"
    num_epochs: int = 10
    batch_size: int = 32
    backbone_rate: float = 5e-4
    head_rate: float = 5e-3
    label_smoothing: float = 0.05

    @property
    def of_fit(self) -> dict:
        """Arguments of `course_utils.training.fit`."""
        return {
            "num_epochs": self.num_epochs,
            "batch_size": self.batch_size,
            "learning_rate": {"backbone": self.backbone_rate, "head": self.head_rate},
            "schedule": "one_cycle",
        }

    @property
    def objective(self) -> CrossEntropy:
        """What is minimised."""
        return CrossEntropy(label_smoothing=self.label_smoothing)


def new_model(seed: int, architecture: str = "EfficientNet-Lite0") -> Classifier:
    """Return the ImageNet network with a new head for the four levels."""
    network = imagenet_classifier(architecture=architecture)
    return replace_head(network, len(LEVELS), seed=seed)


def four_of_eight(images: torch.Tensor) -> list[torch.Tensor]:
    """Draw four of the eight views of each image, other ones for each image.

    Over all images the network so sees all eight, and the activations of four fit in 2 GB.
    """
    views = torch.stack(eight_views(images), 1)
    drawn = torch.rand(len(images), views.shape[1]).argsort(1)[:, :4]
    return list(views[torch.arange(len(images))[:, None], drawn].unbind(1))


class InFloat32(nn.Module):
    """Run a layer in single precision, whatever the layers around it do."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Give the inputs to the layer in single precision."""
        with torch.autocast(inputs.device.type, enabled=False):
            return self.layer(inputs.float())


class InBFloat16:
    """Put before a classifier: it runs in bfloat16 where the processor has instructions for it.

    A third of the digits is enough for a gradient. Weights and optimiser keep all of them.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits of the classifier in single precision."""
        place = inputs.device.type
        with torch.autocast(place, dtype=torch.bfloat16, enabled=place != "cpu" or has_bfloat16()):
            return super().forward(inputs).float()


class FastViewsClassifier(InBFloat16, ViewsClassifier):
    """A classifier of stored views, in bfloat16."""


def has_bfloat16() -> bool:
    """Say whether the processor computes in bfloat16 without a detour."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def new_prefix(settings: FineTuning, seed: int) -> FrozenStages:
    """Cut a new model. In the rest, filters that look at one channel alone are frozen.

    They are 4 % of the weights, and their gradient takes a quarter of a step on a processor. In
    bfloat16 they are slow, so they stay in single precision.
    """
    prefix = FrozenStages(
        new_model(seed, settings.architecture), after=settings.after, views=four_of_eight
    )
    for parent in list(prefix.rest.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.Conv2d) and part.groups > 1:
                setattr(parent, name, InFloat32(freeze(part)))
    prefix.rest = FastViewsClassifier(prefix.rest.backbone, prefix.rest.head)
    return prefix


def activations(prefix: FrozenStages, samples: Samples, seed: int) -> torch.Tensor:
    """Run the frozen stages on views of samples; the seed says which views are drawn."""
    with seeded(seed):
        return prefix.activations(samples.inputs, use_cache=False)


def run_split(settings: FineTuning, seed: int) -> dict:
    """Fine-tune on one random split from nothing, with empty caches, and measure it once."""
    start = time.perf_counter()
    task = load_solar_cells(size=settings.size, split_seed=seed)
    train, measured = parts_of(task)
    prefix = new_prefix(settings, seed)
    samples = with_levels(train).with_inputs(activations(prefix, train, seed))
    del task, train  # images and activations do not fit in 2 GB with what training needs
    stored = time.perf_counter()
    fit(prefix.rest, samples, settings.objective, seed=seed, **settings.of_fit)
    trained = time.perf_counter()
    del samples
    metrics = measured_on(measured, predict(prefix.rest, activations(prefix, measured, seed)))
    return {
        "seed": seed,
        "epochs": settings.num_epochs,
        "seconds": time.perf_counter() - start,
        "seconds_to_store": stored - start,
        "seconds_to_train": trained - stored,
        **metrics,
    }
