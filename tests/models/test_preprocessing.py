"""Tests of what a network expects of its images."""

import numpy as np
import pytest
import torch

from course_utils.models.classifier import Preprocessing, small_cnn
from course_utils.models.surgery import cut_after


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

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), "the type torch.uint8; .*by 255"),
            (torch.zeros(2, 1, 4, 4, dtype=torch.int64), "the type torch.int64; .*by 255"),
            (torch.full((2, 1, 4, 4), 255.0), "values from 255 to 255; give 0 to 1"),
            (torch.tensor([[[[-1.0, 1.0]]]]), "values from -1 to 1; .*leave normalising to the n"),
            (torch.tensor([[[[0.5, torch.nan]]]]), "values from nan to nan"),
            (np.full((2, 1, 4, 4), 255), "the type .*; give floats from 0 to 1"),
            (np.full((2, 1, 4, 4), 2.5), "values from 2.5 to 2.5"),
        ],
    )
    def test_values_outside_of_0_to_1_are_refused_wherever_a_network_reads_images(
        self, images, message
    ):
        preprocessing, model = Preprocessing(1, mean=0.5, std=0.5), small_cnn(2)
        for read in (preprocessing, model, model.backbone, cut_after(model, "stage1")[0]):
            with pytest.raises(ValueError, match=f"images has {message}"):
                read(images)

    def test_rounding_may_carry_a_little_beyond(self):
        images = torch.tensor([[[[-0.005, 1.005]]]])
        assert Preprocessing(1, mean=0.0, std=1.0)(images).equal(images)

    def test_arrays_and_lists_are_images(self):
        images = torch.rand(2, 1, 4, 4)
        for given in (images.numpy(), images.tolist(), images.double().numpy()):
            found = Preprocessing(1, mean=0.5, std=0.5)(given)
            torch.testing.assert_close(found, (images - 0.5) / 0.5)

    def test_texts_are_refused(self):
        with pytest.raises(TypeError, match="images is a list of length 1; give"):
            Preprocessing(1, mean=0.5, std=0.5)(["a text"])

    def test_the_gradient_reaches_each_pixel(self):
        images = torch.rand(2, 1, 4, 4, requires_grad=True)
        Preprocessing(1, mean=0.5, std=0.5)(images).sum().backward()
        assert images.grad.equal(torch.full_like(images, 2.0))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ((0, 0.5, 0.5), "channels is 0"),
            ((1.5, 0.5, 0.5), "channels is 1.5; give a whole number"),
            ((1, torch.nan, 0.5), "mean is nan"),
            ((1, (0.4, 0.4, 0.4), 0.5), "mean is a tuple of length 3; give a number"),
            ((1, 0.5, 0), "std is 0; give a number above 0"),
            ((1, 0.5, -0.5), "std is -0.5"),
        ],
    )
    def test_settings_that_are_no_preprocessing_are_refused(self, settings, message):
        with pytest.raises((TypeError, ValueError), match=message):
            Preprocessing(*settings)

    def test_numbers_of_numpy_become_python_s_own(self):
        found = Preprocessing(np.int64(1), np.float64(0.5), np.float32(0.25))
        assert [type(value) for value in vars(found).values()] == [int, float, float]
