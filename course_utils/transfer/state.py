"""A run on its way: data, settings, and what its steps have found so far.

Letters in shapes: N inputs, K classes, D features.
"""

from copy import deepcopy
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils.data.own import OwnData
from course_utils.data.samples import stable_order
from course_utils.models.classifier import Classifier
from course_utils.models.encoders import text_encoder
from course_utils.models.imagenet import imagenet_backbone
from course_utils.models.inference import predict
from course_utils.transfer import looking
from course_utils.transfer.heads import head_of
from course_utils.transfer.settings import Settings
from course_utils.transfer.store import Store
from course_utils.transfer.streams import Pictures, batches, features_of

PROBE = "linear probe"


class Run:
    """A run: data, settings, and what its steps have found so far.

    Parameters
    ----------
    path : pathlib.Path
        The data.
    settings : Settings
        What is asked.
    store : Store
        Where results are kept.
    """

    def __init__(self, path: Path, settings: Settings, store: Store):
        self.path, self.settings, self.store = path, settings, store

    def found(self, step: str) -> dict:
        """Return what a step has found. See `Store`."""
        return self.store.read(step)

    @cached_property
    def data(self) -> OwnData:
        """The data that were looked at."""
        return looking.from_dict(self.found("look"), self.path)

    @cached_property
    def parts(self) -> dict[str, Tensor]:
        """Positions of each part."""
        found = self.found("split")["parts"]
        return {name: torch.tensor(places, dtype=torch.int64) for name, places in found.items()}

    @cached_property
    def source(self) -> nn.Module:
        """The pretrained backbone."""
        return imagenet_backbone() if self.data.kind == "image" else text_encoder()

    @property
    def length(self) -> int:
        """Pixels in height and width, or tokens."""
        if self.data.kind == "image":
            return self.settings.size
        return min(self.settings.max_tokens, self.source.longest)

    @cached_property
    def features(self) -> Tensor:
        """What the pretrained backbone says about all inputs: (N, D)."""
        data = self.data
        return features_of(self.source, data.root, data.values, data.digests, self.length)

    def started(self) -> Classifier:
        """Return the pretrained backbone with the head of the probe."""
        return Classifier(deepcopy(self.source), head_of(self.store.tensors("probe"))).eval()

    @cached_property
    def model(self) -> Classifier:
        """The model that was chosen."""
        model, name = self.started(), self.found("choice")["name"]
        if name != PROBE:
            model.load_state_dict(self.store.tensors("tune"))
        return model

    def logits(self, part: str) -> Tensor:
        """Return what the chosen model answers about a part: (N, K)."""
        rows, data = self.parts[part], self.data
        if self.found("choice")["name"] == PROBE:
            features = self.features[rows]
        else:
            values = [data.values[row] for row in rows.tolist()]
            features = features_of(self.model.backbone, data.root, values, None, self.length)
        return predict(self.model.head, features)

    def some(self, part: str, number: int) -> Tensor:
        """Draw positions from a part, the same each time."""
        rows = self.parts[part]
        return rows[stable_order(rows, "some")[:number]]

    def inputs(self, part: str, number: int) -> Tensor:
        """Return some inputs of a part, as the network reads them. See `some`."""
        values = [self.data.values[row] for row in self.some(part, number).tolist()]
        if self.data.kind == "text":
            return self.source.tokenize(values, self.length)
        return torch.cat(list(batches(Pictures(self.data.root, values, self.length))))
