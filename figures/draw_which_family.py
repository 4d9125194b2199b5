"""Draw the decision map: which family of transfer fits which situation, and its lesson."""

from typing import NamedTuple

import style

ALT_TEXT = (
    "A decision map with five questions. No target labels: with labelled source data of the same "
    "classes align the domains (lesson 05), otherwise label a few examples first. Small target "
    "set: frozen features with a new head (lesson 03). Large target set: fine-tune from the "
    "source weights (lesson 04). Source data of the same classes at hand: add weighted source "
    "examples (lesson 09). A small device: distil a large model into a small one (lesson 06). "
    "A rule of thumb: always compare with no transfer (lessons 01 and 10)."
)

QUESTION_LEFT, SECOND_LEFT, QUESTION_WIDTH, QUESTION_HEIGHT = 2, 30, 22, 6.4
FAMILY_LEFT, FAMILY_WIDTH, FAMILY_HEIGHT = 60, 38, 6.4
SPINE = QUESTION_LEFT + QUESTION_WIDTH / 2
ALIGN, FREEZE, TUNE, ADD, DISTIL = 44.2, 33.8, 25.6, 17.4, 9.2  # heights of the family rows
LARGE = (FREEZE + TUNE) / 2  # height of the question between the two rows


class Family(NamedTuple):
    """One family at the end of a branch: height, what to do, its name, its lesson, its look."""

    height: float
    action: str
    name: str
    lesson: str
    look: style.Look


FAMILIES = (
    Family(ALIGN, "align the domains", "feature transfer", "05", style.FEATURE),
    Family(FREEZE, "frozen features, new head", "feature transfer", "03", style.FEATURE),
    Family(TUNE, "fine-tune from $w_0$", "parameter transfer", "04", style.PARAMETER),
    Family(ADD, "add source examples", "instance transfer", "09", style.INSTANCE),
    Family(DISTIL, "distil large into small", "knowledge transfer", "06", style.KNOWLEDGE),
)


@style.with_default_settings
def draw():
    """Return the drawing, 10 by 5.4 inches."""
    figure, axes = style.make_canvas("Which family when: five questions", height_inches=5.4)
    _draw_question(axes, QUESTION_LEFT, ALIGN, "Any target labels?")
    _draw_question(axes, SECOND_LEFT, ALIGN, "Source data with\nthe same classes?")
    _draw_question(axes, QUESTION_LEFT, LARGE, "Large target set?")
    _draw_question(axes, QUESTION_LEFT, ADD, "Source data with\nthe same classes?")
    _draw_question(axes, QUESTION_LEFT, DISTIL, "Small device?")
    for family in FAMILIES:
        _draw_family(axes, family)
    _draw_branches(axes)
    _draw_spine(axes)
    words = "A rule of thumb: always compare with no transfer, a random start (lessons 01, 10)."
    style.write(axes, (QUESTION_LEFT, 2.6), words, align="left")
    return figure


def _draw_question(axes, left, height, words):
    """Draw a question."""
    frame = (left, height - QUESTION_HEIGHT / 2, QUESTION_WIDTH, QUESTION_HEIGHT)
    style.draw_box(axes, frame, edge=style.QUIET, face="#F4F4F4", rounding=3.1)
    style.write(axes, (left + QUESTION_WIDTH / 2, height), words)


def _draw_family(axes, family):
    """Draw a family with the number of its lesson."""
    color = family.look.color
    frame = (FAMILY_LEFT, family.height - FAMILY_HEIGHT / 2, FAMILY_WIDTH, FAMILY_HEIGHT)
    style.draw_box(axes, frame, edge=color, face=style.tint(color), line=family.look.line)
    place = (FAMILY_LEFT + 1.6, family.height + 1.3)
    style.write(axes, place, family.action, weight="bold", align="left")
    style.write(axes, (FAMILY_LEFT + 1.6, family.height - 1.5), family.name, align="left")
    place = (FAMILY_LEFT + FAMILY_WIDTH - 1.6, family.height - 1.5)
    style.write(axes, place, f"lesson {family.lesson}", weight="bold", align="right")


def _draw_branches(axes):
    """Draw the arrows from the questions to the families."""
    right, end = QUESTION_LEFT + QUESTION_WIDTH, FAMILY_LEFT
    _draw_answer(axes, (right, ALIGN), (SECOND_LEFT, ALIGN), "no")
    _draw_answer(axes, (SECOND_LEFT + QUESTION_WIDTH, ALIGN), (end, ALIGN), "yes")
    _draw_answer(axes, (right, ADD), (end, ADD), "yes: also")
    _draw_answer(axes, (right, DISTIL), (end, DISTIL), "yes: at the end")
    fork = right + 4
    axes.plot([right, fork], [LARGE, LARGE], color=style.QUIET, lw=1.8, ls="-")
    axes.plot([fork, fork], [FREEZE, TUNE], color=style.QUIET, lw=1.8, ls="-")
    _draw_answer(axes, (fork - 0.12, FREEZE), (end, FREEZE), "no")  # 0.12 closes the corner
    _draw_answer(axes, (fork - 0.12, TUNE), (end, TUNE), "yes")


def _draw_answer(axes, start, end, words):
    """Draw a level arrow with the answer above it, near its tip if it is long."""
    style.draw_arrow(axes, start, end, color=style.QUIET, width=1.8)
    is_long = end[0] - start[0] > 10
    middle = end[0] - 11 if is_long else (start[0] + end[0]) / 2 - 0.4
    style.write(axes, (middle, start[1] + 1.6), words, weight="bold")


def _draw_spine(axes):
    """Draw the way down from question to question, and the way back when labels are missing."""
    half = QUESTION_HEIGHT / 2
    for upper, lower, words in [(ALIGN, LARGE, "yes"), (LARGE, ADD, "then"), (ADD, DISTIL, "")]:
        start, end = (SPINE, upper - half), (SPINE, lower + half)
        style.draw_arrow(axes, start, end, color=style.QUIET, width=1.8)
        place = (SPINE - 1, (start[1] + end[1]) / 2 + 0.6)
        style.write(axes, place, words, weight="bold", align="right")
    turn, level = SECOND_LEFT + QUESTION_WIDTH / 2, ALIGN - half - 2.4
    axes.plot([turn, turn], [ALIGN - half, level], color=style.QUIET, lw=1.8, ls="-")
    style.draw_arrow(axes, (turn + 0.12, level), (SPINE, level), color=style.QUIET, width=1.8)
    place = ((turn + SPINE) / 2, level - 1.8)
    style.write(axes, place, "no: label a few first", weight="bold")


if __name__ == "__main__":
    style.save_beside(draw(), __file__)
