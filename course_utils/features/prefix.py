"""Train the last stages of a network on stored activations of the first ones.

What is frozen gives the same activations in each epoch, so it is run once. Letters in shapes:
N images, V views of each, C channels, H and W height and width, K classes.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_utils.data.augmentation import flipped_views, one_view_each
from course_utils.data.samples import Samples
from course_utils.environment.arguments import check_module, described
from course_utils.environment.door import checked
from course_utils.environment.machine import device, progress_bar
from course_utils.environment.tensors import as_rows
from course_utils.features.extraction import images_for, rows_of
from course_utils.features.keys import cached_answer
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
    TypeError, ValueError
        If the model is no classifier, or there is no such stage.

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
        check_module("model", model, "backbone", "head")
        self.beginning, rest = cut_after(model, after)
        self.rest = ViewsClassifier(rest.backbone, rest.head)
        self.views = views

    @checked
    def activations(self, images: Tensor, *, use_cache: bool = True) -> Tensor:
        """Compute the activations of all views, once, and keep them in the cache directory.

        Parameters
        ----------
        images : torch.Tensor of shape (N, C, H, W), float
            Grey values or colours from 0 to 1; whole numbers from 0 to 255 are refused.
        use_cache : bool
            False computes anew and stores nothing.

        Returns
        -------
        torch.Tensor of shape (N, V, C', H', W'), float16 or float32
            Half precision: half the memory and disk, and no visible change of what is learned.
            Single precision, and twice the memory, where a number would be too large or all of
            them too small for half.

        Raises
        ------
        TypeError, ValueError
            If there is no image from 0 to 1, the views do not fit together, or an activation is
            not finite.
        """
        images = images_for(self.beginning, images)
        # code can depend on what no key sees: what views make of an image is in the key as well
        shown = torch.stack(self._views_of(images[:1]))
        model, asked = (self.beginning, self.views), (shown, images)
        compute = partial(self._compute, images)
        return cached_answer("activations", model, asked, compute, use_cache=use_cache)

    def _views_of(self, images: Tensor) -> list[Tensor]:
        views = self.views(images)
        is_list = isinstance(views, list | tuple) and all(isinstance(v, Tensor) for v in views)
        shapes = {tuple(view.shape) for view in views} if is_list else set()
        if len(shapes) != 1 or next(iter(shapes))[:1] != (len(images),):
            raise ValueError(
                f"views gives {described(views)}; give a function that returns a list of tensors "
                "of one shape, each with all images"
            )
        return list(views)

    def _compute(self, images: Tensor) -> Tensor:
        beginning, target = folded(self.beginning).to(device()), device()
        parts = forward_batches(images)
        table, first = None, 0
        with torch.no_grad():  # not inference mode: what is made there cannot be changed later
            for part in progress_bar(parts, "activations", unit="batch"):
                views = [beginning(view.to(target)) for view in self._views_of(part)]
                stacked = torch.stack(views, 1).float().cpu()
                if table is None:  # filled in place: joining parts would need twice the memory
                    table = torch.empty((len(images), *stacked.shape[1:]), dtype=torch.half)
                if table.dtype == torch.half and not _fits_half(stacked):
                    table = table.float()
                table[first : first + len(part)] = stacked
                first += len(part)
        return table

    @checked
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
        if table is None:
            return samples.with_inputs(self.activations(samples.inputs))
        return samples.with_inputs(rows_of(as_rows("table", table.detach(), ndim=5), samples))


def _fits_half(activations: Tensor) -> bool:
    """Whether half precision keeps three digits of what is not small beside the largest number.

    Raises
    ------
    ValueError
        If an activation is infinite or not a number.
    """
    largest = activations.abs().max()
    if not largest.isfinite():
        raise ValueError(
            "model gives activations that are infinite or not a number; look at its weights"
        )
    return bool((activations.half().float() - activations).abs().max() <= 2**-10 * largest)
