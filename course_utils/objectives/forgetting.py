r"""Keep what a model answers to an old task while it learns a new one.

Letters in shapes: N samples in a batch, M in the complete data set, K classes, D features.
"""

from copy import deepcopy

from torch import Tensor, nn

from course_utils.data.samples import Samples
from course_utils.models.classifier import Classifier
from course_utils.models.freezing import unfreeze
from course_utils.models.inference import predict
from course_utils.objectives.base import Batch, Term
from course_utils.objectives.distillation import check_temperature, distillation_loss, features_for
from course_utils.objectives.teacher import answers_by_index, rows_for


class LearningWithoutForgetting(Term):
    r"""R for an old task: how far the old head has moved from what the source model answered.

    Before training, the source model is asked about the inputs of the new task; no sample of the
    old task is needed. A copy of its head learns along, under the name ``"old_head"``. Where the
    new features would change the old answers, the term pulls both back. All samples count the same:
    no label is looked at, whose weight could matter.

    Make the term before `course_utils.models.replace_head`, while the model has its old head.

    Parameters
    ----------
    source_model : Classifier
        Has learned the old task. It is only asked, and stays unchanged.
    samples : Samples
        The samples of the new task that will be trained on, as the model will read them.
    temperature : float
        T, above 0. The paper has 2.

    Raises
    ------
    TypeError
        If ``source_model`` has no backbone and head, ``samples`` are no samples, or the temperature
        is no number.
    ValueError
        If there is no sample, an index occurs twice, an answer is not finite, or the temperature is
        no finite number above 0.

    Notes
    -----
    The paper has the cross-entropy of softened answers, without the factor T^2. Its gradient is
    that of this term divided by T^2, so the paper's lambda of 1 is a factor of 1/4 here.

    References
    ----------
    Li and Hoiem 2016, arXiv:1606.09282.

    Examples
    --------
    >>> import torch
    >>> from course_utils.models import replace_head, small_cnn
    >>> model, samples = small_cnn(10), Samples(torch.rand(4, 1, 8, 8), torch.zeros(4).long())
    >>> keep = LearningWithoutForgetting(model, samples)
    >>> keep, replace_head(model, 2).head, keep.old_classifier(model).head
    (LearningWithoutForgetting(source_model, samples),
     Linear(in_features=64, out_features=2, bias=True),
     Linear(in_features=64, out_features=10, bias=True))
    """

    name = "LwF"
    role = "R"
    latex = (
        r"\frac{1}{n}\sum_i T^2\,\mathrm{KL}\big(\sigma(z_i / T)\,\Vert\,"
        r"\sigma(h(\phi_w(x_i)) / T)\big)"
    )

    def __init__(self, source_model: nn.Module, samples: Samples, *, temperature: float = 2.0):
        parts = [getattr(source_model, part, None) for part in ("backbone", "head")]
        if not all(isinstance(part, nn.Module) for part in parts):
            kind = type(source_model).__name__
            raise TypeError(
                f"source_model has the type {kind}; give a Classifier, with a backbone and a head"
            )
        self.temperature = check_temperature(temperature)
        self.source_logits = answers_by_index(source_model, samples)
        self._num_features = predict(source_model.backbone, samples.inputs[:1]).shape[1]
        # the source may be frozen, or go on learning: its head must not be touched through ours
        self.old_head = unfreeze(deepcopy(source_model.head))

    def check(self, batch: Batch) -> None:
        """Raise if the source model was not asked about a sample. See `value`."""
        rows_for(self, batch, self.source_logits)

    def own_helpers(self) -> dict[str, nn.Module]:
        """Return the copy of the source model's head."""
        return {"old_head": self.old_head}

    def value(self, batch: Batch) -> Tensor:
        """Compute the mean over the batch.

        Raises
        ------
        ValueError
            If the source model was not asked about a sample, or the model gives no features of the
            right length.
        """
        rows = rows_for(self, batch, self.source_logits)
        features = features_for(self, batch, self._num_features)
        return distillation_loss(self.old_head(features), rows, self.temperature).mean()

    def old_classifier(self, model: nn.Module) -> Classifier:
        """Return the model with the old head, to measure the old task after training.

        Backbone and head are those of the model and of the term, not copies: do not train it.

        Raises
        ------
        TypeError
            If the model has no backbone.
        """
        if not isinstance(getattr(model, "backbone", None), nn.Module):
            kind = type(model).__name__
            raise TypeError(f"model has the type {kind}; give the Classifier that was trained")
        return Classifier(model.backbone, self.old_head)

    @property
    def text(self) -> str:
        """How the term is written without mathematics."""
        changed = "" if self.temperature == 2 else f", temperature={self.temperature:g}"
        return f"LearningWithoutForgetting(source_model, samples{changed})"
