"""Figures: each function takes axes and returns them."""

from course_utils.plotting.curves import label_efficiency_curve, look, plot_history
from course_utils.plotting.plane import draw_ball, draw_contours, draw_path, draw_point

__all__ = [
    "draw_ball",
    "draw_contours",
    "draw_path",
    "draw_point",
    "label_efficiency_curve",
    "look",
    "plot_history",
]
