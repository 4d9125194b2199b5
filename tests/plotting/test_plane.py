"""Tests of course_utils.plotting.plane.

Expected values are those of an ellipse known by hand, half axes 2 and 1 around (1, -1).
"""

import math

import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.transforms import Affine2D
from toys import one_thread  # noqa: F401, a fixture

from course_utils.data.gallery import SIZE_OF_TEXT
from course_utils.plotting.curves import look
from course_utils.plotting.plane import LEVELS, draw_ball, draw_contours, draw_path, draw_point

CENTRE = torch.tensor([1.0, -1.0])
SIDES = {"first": (-2.0, 4.0), "second": (-3.0, 2.0)}
HIGHEST = 1.5**2 + 3**2  # of the ellipse within these sides, in the corners above
LOWEST = 5.0


def ellipse(weights):
    """Return 5 in the centre and 6 on the ellipse, for weights (M, 2)."""
    x, y = (weights - CENTRE.to(weights)).T
    return LOWEST + (x / 2).square() + y.square()


@pytest.fixture
def ax():
    return Figure().subplots()


def contour_points(collection):
    """Return the corners of all contour lines of one call, shape (M, 2)."""
    return torch.cat([torch.tensor(path.vertices) for path in collection.get_paths()])


def edge(patch):
    """Return the corners of a patch and the points halfway between, in the unit of the axes."""
    # matplotlib makes a polygon of a curve with an error of less than one unit: so enlarge it
    larger = patch.get_patch_transform() + Affine2D().scale(1000)
    (polygon,) = patch.get_path().transformed(larger).to_polygons()
    corners = torch.tensor(polygon) / 1000
    return torch.cat([corners, (corners[1:] + corners[:-1]) / 2])


class TestDrawContours:
    def test_dark_line_is_the_ellipse_through_the_point(self, ax):
        draw_contours(ellipse, ax, **SIDES, through=CENTRE + torch.tensor([2.0, 0.0]))
        dark = ax.collections[1]
        points = contour_points(dark)
        assert to_hex(dark.get_edgecolor()[0]) == "#000000"
        assert len(points) > 100
        # matplotlib interpolates between points that are 1/20 apart
        assert ellipse(points).numpy() == pytest.approx(6, abs=1e-3)
        # half axes of 2 and 1 around (1, -1)
        assert points.amin(0).tolist() == pytest.approx([-1, -2], abs=2e-3)
        assert points.amax(0).tolist() == pytest.approx([3, 0], abs=2e-3)

    def test_dark_line_passes_the_point_itself(self, ax):
        point = torch.tensor([0.3, 0.4])
        draw_contours(ellipse, ax, **SIDES, through=point)
        gaps = (contour_points(ax.collections[1]) - point).norm(dim=1)
        assert gaps.min() < 0.05  # corners lie that far apart

    def test_point_may_be_in_double_precision(self, ax):
        """Minima that scikit-learn found are, and the model at the points is not."""
        seen = []
        draw_contours(
            lambda w: seen.append(w.dtype) or ellipse(w), ax, **SIDES, through=CENTRE.double() + 1
        )
        assert seen == [torch.float32, torch.float32]

    @pytest.mark.parametrize("value", [1.0, float("nan"), float("inf")])
    def test_loss_without_lines_is_refused(self, value, ax):
        with pytest.raises(ValueError, match="lines of equal loss need finite numbers that differ"):
            draw_contours(lambda w: torch.full((len(w),), value), ax, **SIDES)

    def test_loss_with_a_gradient_is_drawn(self, ax):
        draw_contours(lambda w: ellipse(w * torch.ones(2, requires_grad=True)), ax, **SIDES)
        assert len(ax.collections) == 1

    def test_without_a_point_no_line_is_dark(self, ax):
        draw_contours(ellipse, ax, **SIDES)
        (grey,) = ax.collections
        assert {to_hex(colour) for colour in grey.get_edgecolor()} == {"#a6a6a6"}

    def test_grey_lines_lie_at_their_shares_of_the_height(self, ax):
        draw_contours(ellipse, ax, **SIDES)
        paths = ax.collections[0].get_paths()
        assert len(paths) == len(LEVELS)
        for path, share in zip(paths, LEVELS, strict=True):
            heights = ellipse(torch.tensor(path.vertices)).numpy()
            assert heights == pytest.approx(LOWEST + share * HIGHEST, abs=2e-3)

    def test_lines_are_denser_near_the_minimum(self):
        steps = [second - first for first, second in zip(LEVELS, LEVELS[1:], strict=False)]
        assert steps == sorted(steps)

    def test_lines_reach_the_sides_and_no_farther(self, ax):
        draw_contours(ellipse, ax, **SIDES)
        points = contour_points(ax.collections[0])
        found = list(zip(points.amin(0).tolist(), points.amax(0).tolist(), strict=True))
        assert found == [pytest.approx(side, abs=1e-3) for side in SIDES.values()]

    def test_axes_come_back_with_names_and_one_scale(self, ax):
        assert draw_contours(ellipse, ax, **SIDES) is ax
        assert ax.figure.axes == [ax]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("first weight", "second weight")
        assert ax.xaxis.label.get_fontsize() == ax.yaxis.label.get_fontsize() == SIZE_OF_TEXT
        assert ax.get_aspect() == 1  # or a circle would look like an ellipse

    @pytest.mark.parametrize(
        ("loss", "shape"),
        [
            (torch.Tensor.sum, r"\(\)"),
            (lambda w: w.square(), r"\(14400, 2\)"),
            (lambda w: w.sum(1, keepdim=True), r"\(14400, 1\)"),
            (lambda w: w.sum(1)[1:], r"\(14399,\)"),
        ],
        ids=["mean of all", "one for each weight", "column", "one missing"],
    )
    def test_anything_but_one_number_for_each_point_is_refused(self, loss, shape, ax):
        message = rf"loss gives shape {shape} for \(14400, 2\) weights; .* row, shape \(14400,\)$"
        with pytest.raises(ValueError, match=message):
            draw_contours(loss, ax, **SIDES)
        assert not ax.collections


class TestDrawBall:
    def test_diamond_has_its_corners_beside_and_above_the_centre(self, ax):
        assert draw_ball("L1", CENTRE, 2.0, ax) is ax
        (diamond,) = ax.patches
        corners = {tuple(corner) for corner in diamond.get_xy().tolist()}
        assert corners == {(3, -1), (1, 1), (-1, -1), (1, -3)}

    def test_circle_has_the_radius_and_the_centre(self, ax):
        assert draw_ball("L2", CENTRE, 0.5, ax) is ax
        (circle,) = ax.patches
        assert isinstance(circle, Circle)
        assert (circle.center, circle.radius) == ((1, -1), 0.5)

    @pytest.mark.parametrize(("norm", "order"), [("L1", 1), ("L2", 2)])
    def test_each_point_of_the_edge_is_as_far_from_the_centre_as_the_radius(self, norm, order, ax):
        """Second implementation of the norms: torch."""
        draw_ball(norm, CENTRE, 0.75, ax)
        distances = torch.linalg.vector_norm(edge(ax.patches[0]) - CENTRE, order, dim=1)
        assert len(distances) > 4
        assert distances.numpy() == pytest.approx(0.75, abs=1e-3)

    @pytest.mark.parametrize("norm", ["L1", "L2"])
    def test_lines_behind_the_ball_stay_visible(self, norm, ax):
        draw_ball(norm, CENTRE, 1.0, ax)
        assert ax.patches[0].get_facecolor()[3] <= 0.3

    @pytest.mark.parametrize(
        ("argument", "value"),
        [("norm", norm) for norm in ("L3", "l2", "", 2, None)]
        + [("radius", radius) for radius in (-1.0, math.nan, True, "1")]
        + [("centre", centre) for centre in (torch.zeros(3), torch.zeros(2, 1), "middle")],
    )
    def test_what_is_no_ball_is_refused_and_nothing_drawn(self, argument, value, ax):
        given = {"norm": "L2", "centre": CENTRE, "radius": 1.0, argument: value}
        with pytest.raises((TypeError, ValueError), match=f"^{argument} (is|has) .*; give"):
            draw_ball(ax=ax, **given)
        assert not ax.patches

    def test_centre_may_be_a_list_or_an_array(self, ax):
        for centre in (CENTRE.tolist(), CENTRE.numpy()):
            draw_ball("L2", centre, 1.0, ax)
        assert ax.patches[0].center == ax.patches[1].center == tuple(CENTRE.tolist())


class TestDrawPath:
    POINTS = torch.tensor([[0.0, 3.0], [2.0, 1.0], [1.0, 1.0], [1.0, 0.0]])

    def test_all_points_are_kept_in_their_order(self, ax):
        assert draw_path(self.POINTS, ax, label="walk") is ax
        assert ax.lines[0].get_xydata().tolist() == self.POINTS.tolist()

    def test_last_point_has_a_ring_that_hides_nothing(self, ax):
        draw_path(self.POINTS, ax, label="walk")
        line, ring = ax.lines
        assert ring.get_xydata().tolist() == [[1, 0]]
        assert (ring.get_marker(), ring.get_markerfacecolor()) == ("o", "none")
        assert ring.get_markersize() > line.get_markersize()
        assert ring.get_color() == line.get_color()

    @pytest.mark.parametrize("number", [0, 1, 3])
    def test_number_gives_colour_marker_and_line_style(self, number, ax):
        draw_path(self.POINTS, ax, label="walk", number=number)
        line = ax.lines[0]
        found = (line.get_color(), line.get_marker(), line.get_linestyle())
        assert found == tuple(look(number).values())

    def test_legend_has_the_path_once(self, ax):
        draw_path(self.POINTS, ax, label="walk")
        assert ax.get_legend_handles_labels()[1] == ["walk"]

    def test_texts_stand_beside_their_points(self, ax):
        draw_path(self.POINTS, ax, label="walk", texts=["0", "", "10", ""])
        found = {text.get_text(): text.xy for text in ax.texts if text.get_text()}
        assert found == {"0": (0, 3), "10": (1, 1)}

    def test_wrong_number_of_texts_is_refused(self, ax):
        with pytest.raises(ValueError, match="texts has 1 entries for 4 points"):
            draw_path(self.POINTS, ax, label="walk", texts=["0"])

    def test_points_with_a_gradient_are_drawn_too(self, ax):
        draw_path(self.POINTS.clone().requires_grad_(), ax, label="walk")
        assert ax.lines[0].get_xydata().tolist() == self.POINTS.tolist()


class TestDrawPoint:
    def box(self, ax, point):
        """Return where the text stands in the drawn picture, from the point on, in pixels."""
        ax.set(xlim=(-5, 5), ylim=(-5, 5))
        ax.figure.canvas.draw()
        box = ax.texts[0].get_window_extent()
        x, y = ax.transData.transform(point)
        return box.x0 - x, box.y0 - y, box.y1 - y

    def test_point_is_marked_where_it_is(self, ax):
        assert draw_point(CENTRE, ax, text="source", marker="P") is ax
        (mark,) = ax.lines
        assert mark.get_xydata().tolist() == [[1, -1]]
        assert mark.get_marker() == "P"

    def test_text_stands_above_to_the_right(self, ax):
        draw_point(CENTRE, ax, text="source")
        left, bottom, _ = self.box(ax, CENTRE)
        assert ax.texts[0].get_text() == "source"
        assert 0 < left < 30
        assert 0 < bottom < 20

    def test_text_stands_below_if_that_is_said(self, ax):
        draw_point(CENTRE, ax, text="source", below=True)
        left, _, top = self.box(ax, CENTRE)
        assert 0 < left < 30
        assert -20 < top < 0

    def test_text_is_large_enough_to_read(self, ax):
        draw_point(CENTRE, ax, text="source")
        assert ax.texts[0].get_fontsize() == SIZE_OF_TEXT


def test_no_picture_is_registered_with_pyplot(ax):
    """It would be kept, and shown a second time."""
    before = plt.get_fignums()
    draw_contours(ellipse, ax, **SIDES, through=CENTRE + 1)
    draw_ball("L1", CENTRE, 1.0, ax)
    draw_path(torch.zeros(2, 2), ax, label="walk")
    draw_point(CENTRE, ax, text="source")
    assert plt.get_fignums() == before
    assert ax.figure.axes == [ax]
