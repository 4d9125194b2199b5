"""Pictures of a task: rows are classes, and what is no image is refused."""

import io

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from toys import apart, no_pyplot_state  # noqa: F401, a fixture

from course_utils.data.gallery import class_picture, draw_classes
from course_utils.data.samples import Samples
from course_utils.data.tasks import Task


@pytest.fixture
def ax():
    return Figure().subplots()


def make_task(channels=1, counts=(3, 2)):
    labels = torch.cat([torch.full((count,), k) for k, count in enumerate(counts)])
    images = torch.linspace(0, 0.9, len(labels))[:, None, None, None].repeat(1, channels, 4, 4)
    part = Samples(images, labels)
    return Task("which", ("a", "b"), *apart(part, part, part), units="", licence="", source="")


def draw_gallery(task, ax, **options):
    shown = task.train.inputs, task.train.labels, task.classes
    return draw_classes(*shown, ax, title=task.name, **options)


class TestDrawClasses:
    def test_rows_are_classes_and_columns_their_first_images(self, ax):
        task = make_task()
        assert draw_gallery(task, ax, per_class=4) is ax
        canvas = ax.images[0].get_array()
        assert canvas.shape == (2 * 5, 4 * 5, 3)  # a gap of one pixel
        images = task.train.inputs
        for row, column, number in ((0, 0, 0), (0, 2, 2), (1, 0, 3), (1, 1, 4)):
            tile = canvas[5 * row : 5 * row + 4, 5 * column : 5 * column + 4]
            np.testing.assert_array_equal(tile, np.full((4, 4, 3), images[number, 0, 0, 0]))

    def test_missing_images_are_white(self, ax):
        draw_gallery(make_task(), ax, per_class=4)
        assert (ax.images[0].get_array()[5:9, 10:] == 1).all()

    def test_classes_are_named_at_their_rows(self, ax):
        draw_gallery(make_task(), ax)
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
        assert ax.get_yticks().tolist() == [2, 7]  # the middle of each row
        assert ax.get_title() == "which"

    def test_colours_are_drawn_as_they_are(self, ax):
        task = make_task(channels=3)
        task.train.inputs[0, 0] = 1.0
        draw_gallery(task, ax)
        assert ax.images[0].get_array()[0, 0].tolist() == [1, 0, 0]

    @pytest.mark.parametrize("shape", [(5, 7), (5, 2, 4, 4)])
    def test_inputs_that_are_no_images_are_refused(self, shape, ax):
        task = make_task().map_parts(lambda part: part.with_inputs(torch.zeros(shape)))
        with pytest.raises(
            ValueError, match=r"images has shape \(.*needs \(N, C, H, W\) with C = 1"
        ):
            draw_gallery(task, ax)

    @pytest.mark.parametrize("per_class", [0, -1])
    def test_empty_row_is_refused(self, per_class, ax):
        with pytest.raises(ValueError, match=f"per_class is {per_class}; .*per_class of 1 or more"):
            draw_gallery(make_task(), ax, per_class=per_class)


class TestClassPicture:
    def test_picture_is_a_png_without_a_date_or_version(self):
        task = make_task()
        shown = task.train.inputs, task.train.labels, task.classes, task.name
        file = class_picture(*shown)
        assert file == class_picture(*shown)
        assert b"Software" not in file
        pixels = matplotlib.image.imread(io.BytesIO(file))
        assert pixels.shape[1] == 650

    def test_axes_of_the_caller_are_not_touched(self, ax):
        task = make_task()
        class_picture(task.train.inputs, task.train.labels, task.classes, task.name)
        assert isinstance(ax, Axes) and not ax.images
