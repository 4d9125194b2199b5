"""Tests of course_utils.preprocessing."""

import pytest
import torch

from course_utils.models.classifier import Preprocessing


class TestPreprocessing:
    def test_mean_is_subtracted_and_the_rest_divided(self):
        out = Preprocessing(1, mean=0.5, std=0.25)(torch.tensor([[[[0.0, 0.5, 1.0]]]]))
        assert out.flatten().tolist() == [-2, 0, 2]

    def test_grey_is_copied(self):
        out = Preprocessing(3, mean=0.5, std=0.5)(torch.rand(2, 1, 4, 4))
        assert out.shape == (2, 3, 4, 4)
        assert torch.equal(out[:, 0], out[:, 2])

    @pytest.mark.parametrize("shape", [(2, 2, 4, 4), (3, 4, 4), (2, 4, 4, 3)])
    def test_wrong_shape_is_refused_with_the_right_one(self, shape):
        with pytest.raises(
            ValueError, match=r"images has shape \(.*give \(N, C, H, W\) with C = 3"
        ):
            Preprocessing(3, mean=0.5, std=0.5)(torch.zeros(shape))

    def test_colours_are_refused_by_a_grey_network(self):
        with pytest.raises(ValueError, match="C = 1"):
            Preprocessing(1, mean=0.5, std=0.5)(torch.zeros(2, 3, 4, 4))
