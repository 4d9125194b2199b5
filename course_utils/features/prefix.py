"""Train the last stages of a network on stored activations of the first ones.

What is frozen gives the same activations in each epoch, so it is run once. Letters in shapes:
N images, V views of each, C channels, H and W height and width, K classes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.data.augmentation import flipped_views, one_view_each
from course_utils.data.samples import Samples
from course_utils.environment.cache import cached_tensor, fingerprint, weights_fingerprint
from course_utils.environment.machine import device, progress_bar
from course_utils.models.classifier import Classifier
from course_utils.models.inference import forward_batches
from course_utils.models.surgery import cut_after, folded


class ViewsClassifier(Classifier):
    """Learn from a random view of each sample, and answer with the mean over all views.

    Its inputs are activations of all views, (N, V, C, H, W), in any float type.
    """

    def forward(self, views: Tensor) -> Tensor:
        """Map views (N, V, C, H, W) to logits (N, K)."""
        if self.training:
            return super().forward(one_view_each(views).float())
        logits = super().forward(views.flatten(0, 1).float())
        return logits.unflatten(0, views.shape[:2]).mean(1)


class FrozenStages:
    """The frozen first stages of a classifier, run once for all epochs.

    Train ``rest`` with `course_utils.training.fit` on what `samples` returns. The rest shares its
    layers with the model, so the model has learned as well.

    Parameters
    ----------
    model : Classifier
        With the weights to start from.
    after : str
        Last frozen stage; see `course_utils.models.stages`.
    views : callable
        Maps images (N, C, H, W) to a list of V views of them.

    Raises
    ------
    ValueError
        If there is no such stage.

    Examples
    --------
    >>> from course_utils.models import small_cnn
    >>> prefix = FrozenStages(small_cnn(2), after="stage1")
    >>> prefix.activations(torch.zeros(3, 1, 28, 28), use_cache=False).shape
    torch.Size([3, 4, 16, 14, 14])
    """

    def __init__(
        self,
        model: Classifier,
        *,
        after: str,
        views: Callable[[Tensor], list[Tensor]] = flipped_views,
    ):
        self.beginning, rest = cut_after(model, after)
        self.rest = ViewsClassifier(rest.backbone, rest.head)
        self.views = views

    def activations(self, images: Tensor, *, use_cache: bool = True) -> Tensor:
        """Compute the activations of all views, once, and keep them in the cache directory.

        Parameters
        ----------
        images : torch.Tensor of shape (N, C, H, W), float32
            Grey values or colours from 0 to 1.
        use_cache : bool
            False computes anew and stores nothing.

        Returns
        -------
        torch.Tensor of shape (N, V, C', H', W'), float16
            Half precision: half the memory and disk, and no visible change of what is learned.

        Raises
        ------
        ValueError
            If there is no image.
        """
        if len(images) == 0:
            raise ValueError("images is empty; give at least one image")
        if not use_cache:
            return self._compute(images)
        shown = self.views(images[:1])  # other views of one image mean other activations
        network = f"{self.beginning} {self.beginning.preprocessing}"
        weights = weights_fingerprint(self.beginning)
        key = fingerprint(network, weights, torch.stack(shown), images)
        return cached_tensor(f"activations-{key}", lambda: self._compute(images))

    def _compute(self, images: Tensor) -> Tensor:
        beginning, target = folded(self.beginning).to(device()), device()
        parts = forward_batches(images)
        table, first = None, 0
        with torch.no_grad():  # not inference mode: what is made there cannot be changed later
            for part in progress_bar(parts, "activations", unit="batch"):
                views = [beginning(view.to(target)) for view in self.views(part)]
                stacked = torch.stack(views, 1).half().cpu()
                if table is None:  # filled in place: joining parts would need twice the memory
                    table = torch.empty((len(images), *stacked.shape[1:]), dtype=torch.half)
                table[first : first + len(part)] = stacked
                first += len(part)
        return table

    def samples(self, samples: Samples, table: Tensor | None = None) -> Samples:
        """Return samples with activations instead of images.

        Parameters
        ----------
        samples : Samples
            With images.
        table : torch.Tensor of shape (M, V, C', H', W'), optional
            Activations of all M images of the complete data set, in its order; the samples know
            their rows. Default: compute them for these samples.
        """
        rows = self.activations(samples.inputs) if table is None else table[samples.indices]
        return samples.with_inputs(rows)
