"""A classifier of images that learns from random views, with nothing stored."""

import torch

from course_utils.data.augmentation import one_view_each
from course_utils.models.classifier import Classifier


class RandomViews(Classifier):
    """Learn from a random view of each image, and answer with the mean over all views.

    Parameters
    ----------
    model : Classifier
        Shares its layers.
    views : callable
        Maps images (N, C, H, W) to a list of V views.
    beginning : torch.nn.Module, optional
        What runs before the model, the first stages of a network for example.
    """

    def __init__(self, model: Classifier, views, beginning: torch.nn.Module | None = None):
        super().__init__(model.backbone, model.head)
        self.beginning = beginning or torch.nn.Identity()
        self.views = views

    def forward(self, images):
        """Map images (N, C, H, W) to logits (N, K)."""
        views = self.views(images)
        if self.training:
            views = [one_view_each(torch.stack(views, 1))]
        answer = super().forward
        return torch.stack([answer(self.beginning(view)) for view in views]).mean(0)
