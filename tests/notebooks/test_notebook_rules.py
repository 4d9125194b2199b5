"""Each rule for notebooks accepts a good lesson and finds its fault in a bad one.

`good_cells` is a lesson that keeps all rules. Each bad example changes one thing in it.
"""

import copy

import pytest
from lesson import Lesson
from notebook_rules import RULES
from tiny_notebooks import code, error, notebook, picture, stream, text

from course_utils.project.normal_form import WIDGET_VIEW, normal_text, normalise

FIRST = """# Tiny lesson

**The question.** Is one equal to one?

**After this notebook you can** compare numbers.

**You need** nothing.

**Time** to read 1 min, to run 1 min (measured on two cores).

**Contents** [One](#One) · [When this fails](#When-this-fails) · [Exercises](#Exercises) ·
[Questions](#Questions) · [What we saw](#What-we-saw) · [Words](#Words) · [References](#References)
"""
IMPORTS = """from course_utils.environment import seed_everything
from course_utils.exercises.tiny import easy, medium"""
FIRST_EXPERIMENT = """## One

![Two equal bars](bars.png) See [the fails](#When-this-fails) and [more](01_next.ipynb#One)."""
ANSWERS = "## Questions\n\nWhy?\n\n<details><summary>Answer</summary>Because.</details>"
REFERENCES = """## References

- A. Author (2020), A paper, https://doi.org/10.1000/1
- Data: Some Digits, licence CC BY 4.0

Next: [the next lesson](01_next.ipynb)"""


def solution(source, printed):
    """Return a collapsed, tagged solution cell."""
    return code(source, stream(printed), tags=["solution"], jupyter={"source_hidden": True})


def good_cells():
    """Return the cells of a lesson that keeps all rules."""
    return [
        text(FIRST),
        code(IMPORTS),
        code("SEED = 0  # the first number of all random ones\nseed_everything(SEED)"),
        text(FIRST_EXPERIMENT),
        code("measured = measure()\nmeasured", tags=["nbval-ignore-output"]),
        code("claim('One is one.', measured, low=1, high=1)", stream("One is one.\n")),
        code("plot()", picture()),
        text("The two bars have the same height."),
        text("## When this fails\n\nTwo is not one."),
        code("1 / 0", error("ZeroDivisionError", ""), tags=["raises-exception"]),
        text("## Exercises\n\nReplace the dots."),
        text("### Easy: count"),
        code("answer = ...\neasy.check(answer)", stream("not attempted\n"), tags=["exercise"]),
        solution("easy.check(1)", "right\n"),
        text("### Medium: add"),
        code("answer = ...\nmedium.check(answer)", stream("not attempted\n"), tags=["exercise"]),
        solution("medium.check(2)", "right\n"),
        text("### Open: find more"),
        text(ANSWERS),
        text("## What we saw\n\nOne was one."),
        code("progress()", stream("Nothing yet.\n")),
        text("## Words\n\n**One**: a number."),
        text(REFERENCES),
    ]


def compared(said):
    """Return a cell that compares a guess."""
    return code("compare_guess(my_guess, measured, why='So.')", stream(said))


def write_lesson(folder, cells, name="00_tiny.ipynb"):
    """Store cells in normal form in a course of two lessons and return the path."""
    (folder / "bars.png").write_bytes(b"picture")
    following = [text("# Next\n\n## One")]
    for file_name, content in ((name, copy.deepcopy(cells)), ("01_next.ipynb", following)):
        (folder / file_name).write_text(normal_text(notebook(*content)), encoding="utf-8")
    return folder / name


def replaced(old, new):
    """Return a change that replaces a text in the one cell that has it."""

    def change(cells):
        found = [cell for cell in cells if old in cell.source]
        assert found, f"no cell has {old!r}: the example would change nothing"
        found[0].source = found[0].source.replace(old, new)
        return cells

    return change


def tagged(source, *tags, **metadata):
    """Return a change that gives a cell other tags and other metadata."""

    def change(cells):
        (cell,) = [cell for cell in cells if cell.source == source]
        cell.metadata = {"tags": list(tags), **metadata}
        return cells

    return change


def with_outputs(source, *outputs):
    """Return a change that stores other outputs in a cell."""

    def change(cells):
        (cell,) = [cell for cell in cells if cell.source == source]
        cell.outputs = list(outputs)
        return cells

    return change


def inserted(*new, at=7):
    """Return a change that inserts cells; place 7 is right below the figure."""
    return lambda cells: [*cells[:at], *new, *cells[at:]]


def without(start):
    """Return a change that removes the one cell that begins so."""

    def change(cells):
        left = [cell for cell in cells if not cell.source.startswith(start)]
        assert len(left) == len(cells) - 1
        return left

    return change


# Rule, change of the good cells, words of the expected problem.
BAD = [
    ("stored_cells_can_be_compared", tagged("plot()", "nbval-ignor-output"), "unknown tag 'nbval"),
    ("tags_are_on_code_cells", tagged("### Easy: count", "exercise"), "Easy"),
    ("stored_cells_can_be_compared", inserted(code("x = 1", count=None)), "never executed"),
    ("stored_cells_can_be_compared", inserted(code("# NBVAL_SKIP\nx = 1")), "comment marker"),
    ("stored_cells_can_be_compared", with_outputs("plot()", error("E", "")), "an error is stored"),
    ("stored_cells_can_be_compared", with_outputs("plot()", stream("!", "stderr")), "on stderr"),
    ("no_code_cell_is_empty", inserted(code(" ")), "empty"),
    (
        "most_cells_are_compared",
        inserted(*[code(f"x = {n}", tags=["nbval-ignore-output"]) for n in range(3)]),
        "4 of 14",
    ),
    ("code_cells_are_few", inserted(*[code(f"x = {n}") for n in range(36)]), "47 code cells"),
    ("code_cells_are_short", inserted(code("x = 1\n" * 21)), "21 lines"),
    ("code_lines_fit", inserted(code("x = " + "1" * 97)), "101 columns"),
    ("no_shell_command", inserted(code("x = 1\n  !ls")), "shell command"),
    ("no_shell_command", inserted(code("files = !ls")), "shell command"),
    ("no_shell_command", inserted(code("%pip install x")), "shell command"),
    ("no_shell_command", inserted(code("%%bash\nls")), "shell command"),
    ("code_is_python", inserted(code("x = = 1")), "invalid syntax"),
    ("no_absolute_path", inserted(code("open('/home/me/data.csv')")), "/home/me/data.csv"),
    ("no_absolute_path", inserted(code(r"open('C:\\Users\\me')")), "C:"),
    ("no_absolute_path", inserted(text("Look at `/root/x`.")), "/root/x"),
    ("no_absolute_path", with_outputs("plot()", stream("in /tmp/x/y.py\n")), "/tmp/x/y.py"),
    ("file_is_small", with_outputs("plot()", stream("x" * 1_000_000)), "bytes, allowed"),
    ("has_one_title_at_its_top", replaced("## Words", "# Words"), "2 titles"),
    ("has_one_title_at_its_top", replaced("# Tiny lesson", "Tiny lesson"), "0 titles"),
    ("has_one_title_at_its_top", inserted(text("Hello"), at=0), "first line"),
    ("skips_no_heading_level", replaced("### Easy", "#### Easy"), "level 4 after 2"),
    ("headings_are_unique", inserted(text("## One")), "'One'"),
    ("pictures_have_alt_text_and_file", replaced("![Two equal bars]", "![]"), "no alt text"),
    ("pictures_have_alt_text_and_file", replaced("bars.png", "none.png"), "no such picture"),
    (
        "pictures_have_alt_text_and_file",
        replaced("![Two equal bars](bars.png)", '<img src="bars.png">'),
        "no alt text",
    ),
    (
        "pictures_have_alt_text_and_file",
        replaced("bars.png", "https://example.org/bars.png"),
        "no such picture",
    ),
    ("internal_links_are_alive", replaced("[the fails](#When", "[the fails](#When-if"), "When-if"),
    ("internal_links_are_alive", replaced("01_next.ipynb#One", "01_next.ipynb#Two"), "#Two"),
    ("internal_links_are_alive", replaced("01_next.ipynb#One", "02_none.ipynb"), "02_none"),
    ("identifiers_are_links", inserted(text("A paper, doi:10.1000/1.")), "doi:10.1000/1"),
    ("identifiers_are_links", inserted(text("| a |\n|---|\n| arXiv:1503.02531 |")), "arXiv:1503"),
    ("figures_are_put_into_words", without("The two bars"), "plot()"),
    ("figures_are_put_into_words", replaced("The two bars", "### The two bars"), "plot()"),
    *[
        ("first_cell_says_what_to_expect", replaced(words, "Hello."), words)
        for words in (
            "**The question.**",
            "**After this notebook you can**",
            "**You need**",
            "**Time**",
            "**Contents**",
        )
    ],
    ("first_cell_says_what_to_expect", replaced("to read 1 min, to run 1 min", "short"), "minutes"),
    (
        "first_cell_says_what_to_expect",
        replaced("# Tiny lesson", "# Tiny lesson\n\n**Time** 1 min"),
        "order",
    ),
    *[
        ("reading_time_is_that_of_a_beginner", change, words)
        for change, words in (
            (replaced("to read 1 min", "to read it"), "does not say"),
            (replaced("to read 1 min", "to read 5 min"), "5 min: by its length it takes about 1,"),
            (replaced("to read 1 min", "to read 1 to 5 min"), "about 1,"),
            (inserted(text("word " * 900)), "about 7,"),
            (inserted(code("x = 1\n\n" * 30), code("")), "about 8,"),
        )
    ],
    ("contents_link_to_all_sections", inserted(text("## Two parts")), "#Two-parts"),
    ("second_code_cell_is_settings", replaced("seed_everything(SEED)", "pass"), "seed_everything"),
    ("second_code_cell_is_settings", replaced("SEED = 0", "seed = 0"), "capitals"),
    ("imports_are_in_the_first_code_cell", inserted(code("import os")), "import os"),
    (
        "imports_are_in_the_first_code_cell",
        inserted(code("def now():\n    from time import time\n    return time()")),
        "def now",
    ),
    ("imports_are_in_the_first_code_cell", inserted(code("x = 1"), at=1), "imports nothing"),
    *[
        ("imports_come_from_faces", replaced("course_utils.environment", module), f"{module} is no")
        for module in ("course_utils", "course_utils.data.tasks", "course_utils.project")
    ],
    ("imports_come_from_faces", replaced("exercises.tiny", "exercises"), "exercises is no face"),
    ("imports_come_from_faces", inserted(code("import course_utils")), "course_utils is no face"),
    ("imports_come_from_faces", replaced("environment", "training"), "not in the order"),
    (
        "imports_come_from_faces",
        inserted(*[code(f"from course_utils.z{n} import x") for n in range(8)]),
        "10 imports from course_utils",
    ),
    ("experiments_make_a_claim", replaced("claim('One", "print('One"), "'One'"),
    (
        "experiments_make_a_claim",
        tagged("claim('One is one.', measured, low=1, high=1)", "nbval-ignore-output"),
        "'One'",
    ),
    *[
        ("claims_are_about_intervals", inserted(code(f"claim('One is one.', {value})")), ".mean")
        for value in (
            "found.mean, low=1",
            "results.estimate('one', 5).mean, low=1",
            "value=found.mean, low=1",
            "best.mean / other.mean, low=1",
            "min(each.mean for each in found), low=1",
        )
    ],
    *[
        ("guesses_are_asked_and_compared", inserted(*cells), words)
        for cells, words in (
            ([code("my_guess = ...")], "not each"),
            ([compared("No guess made.\n")], "not each"),
            ([compared("No guess made.\n"), code("my_guess = ...")], "not each"),
            ([code("my_guess = 70"), compared("No guess made.\n")], "a guess is stored"),
            ([code("my_guess = ..."), compared("Your guess 70 is near")], "a guess is stored"),
        )
    ],
    ("has_closing_sections_in_order", replaced("## When this fails", "## Fails"), "When this"),
    ("has_closing_sections_in_order", replaced("## Words", "## Glossary"), "Words"),
    (
        "has_closing_sections_in_order",
        inserted(text("## References\n\nEarly."), at=3),
        "the order is",
    ),
    ("closing_sections_have_text", replaced("\n\n**One**: a number.", ""), "'Words'"),
    ("failure_is_run", without("1 / 0"), "no code cell"),
    ("exercises_are_easy_medium_open", replaced("### Open: ", "### Free: "), "Open"),
    (
        "exercises_are_easy_medium_open",
        inserted(text("### Open: early"), at=11),
        "exercises have the order",
    ),
    ("easy_and_medium_have_exercise_and_solution", without("easy.check"), "'solution'"),
    ("easy_and_medium_have_exercise_and_solution", without("answer = ...\nmedium"), "'exercise'"),
    (
        "exercises_run_untouched",
        with_outputs("answer = ...\neasy.check(answer)", stream("right\n")),
        "not 'not attempted'",
    ),
    ("exercises_run_untouched", replaced("easy.check(answer)", "answer"), "no .check("),
    ("exercises_run_untouched", tagged("answer = ...\neasy.check(answer)"), "not tagged"),
    ("solutions_are_folded", tagged("easy.check(1)", "solution"), "not hidden"),
    ("solutions_are_folded", tagged("plot()", jupyter={"source_hidden": True}), "hidden and not"),
    ("solutions_are_tested", replaced("easy.check(1)", "answer = 1"), "no .check("),
    ("solutions_are_tested", with_outputs("easy.check(1)", stream("Not yet: 1 is")), "not accept"),
    ("answers_are_folded", replaced("</details>", ""), "<details>"),
    ("answers_are_folded", replaced("<details><summary>Answer</summary>", "Answer: "), "[0, 0"),
    ("references_can_be_followed", replaced("https://doi.org/10.1000/1", "in print"), "A. Author"),
    ("references_can_be_followed", replaced(REFERENCES, "## References\n\nNone."), "no list"),
    ("licences_are_named", replaced("licence CC BY 4.0", "https://example.org"), "licences"),
    ("progress_is_shown_last", without("progress()"), "progress()"),
    ("progress_is_shown_last", inserted(code("x = 1"), at=-1), "progress()"),
    ("last_cell_leads_on", replaced("[the next lesson](01_next.ipynb)", "read on"), "01_next"),
    ("last_cell_leads_on", replaced("Next: [the next lesson](01_next.ipynb)", "End"), "next"),
]
# These faults cannot be stored in normal form, so they are put into the file afterwards.
BY_FILE = {"is_in_normal_form", "file_name_has_number_and_words", "no_widget_state"}


def problems_of(rule_name, path):
    """Return what one rule says about a file."""
    (rule,) = [rule for rule in RULES if rule.__name__ == rule_name]
    return "\n".join(rule(Lesson.read(path)))


class TestRules:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_good_lesson_keeps_it(self, tmp_path, rule):
        assert rule(Lesson.read(write_lesson(tmp_path, good_cells()))) == []

    @pytest.mark.parametrize(("rule", "change", "words"), BAD)
    def test_bad_lesson_is_found(self, tmp_path, rule, change, words):
        path = write_lesson(tmp_path, change(good_cells()))
        assert words in problems_of(rule, path)

    def test_each_rule_has_a_bad_lesson(self):
        assert {rule.__name__ for rule in RULES} == {name for name, _, _ in BAD} | BY_FILE


class TestRulesForTheStoredFile:
    def test_file_that_was_touched_is_found(self, tmp_path):
        path = write_lesson(tmp_path, good_cells())
        path.write_text(path.read_text(encoding="utf-8").replace(" ", "  ", 1), encoding="utf-8")
        assert "make notebooks" in problems_of("is_in_normal_form", path)

    @pytest.mark.parametrize("name", ["tiny.ipynb", "1_tiny.ipynb", "00-tiny.ipynb", "00_.ipynb"])
    def test_file_name_without_number_or_words_is_found(self, tmp_path, name):
        path = write_lesson(tmp_path, good_cells(), name=name)
        assert name in problems_of("file_name_has_number_and_words", path)

    def test_widgets_are_found(self, tmp_path):
        path = write_lesson(tmp_path, good_cells())
        lesson = Lesson(path, normalise(Lesson.read(path).notebook))
        lesson.notebook.metadata["widgets"] = {}
        view = picture()
        view.data[WIDGET_VIEW] = {"model_id": "f3"}
        lesson.code_cells[0].outputs = [view]
        (rule,) = [rule for rule in RULES if rule.__name__ == "no_widget_state"]
        assert len(rule(lesson)) == 2


class TestHarmlessThings:
    """What looks like a fault and is none."""

    HARMLESS = [
        ("no_absolute_path", inserted(text("See https://example.org/home/page and ../tmp/x."))),
        ("no_absolute_path", inserted(code("x = 1 / 2  # a/home/b"))),
        ("no_shell_command", inserted(code("is_good = 1 != 2\n%matplotlib inline"))),
        ("code_is_python", inserted(code("%matplotlib inline\nx = 1"))),
        ("has_one_title_at_its_top", inserted(text("```\n# a comment\n```"))),
        ("internal_links_are_alive", inserted(text("[a page](https://example.org/#x)"))),
        ("internal_links_are_alive", inserted(text("`[no](link.md)`"))),
        (
            "internal_links_are_alive",
            inserted(text("## What does `fit` *do*?\n\n[it](#What-does-fit-do%3F)")),
        ),
        ("exercises_run_untouched", inserted(code("checkpoint()"))),
        (
            "guesses_are_asked_and_compared",
            inserted(code("my_guess = ...  # points"), compared("No guess made.\n")),
        ),
        (
            "identifiers_are_links",
            inserted(text("[doi:10.1000/1](https://doi.org/10.1000/1), `doi:10.1000/1`")),
        ),
        ("claims_are_about_intervals", inserted(code("claim('One.', table.mean(), low=1)"))),
        ("claims_are_about_intervals", inserted(code("claim('One.', found, above=other.mean)"))),
        ("claims_are_about_intervals", inserted(code("print(found.mean)\nclaim(x, n, low=1)"))),
        # practice has minutes of its own, and a list of words is looked up
        ("reading_time_is_that_of_a_beginner", inserted(text("word " * 900), at=11)),
        ("reading_time_is_that_of_a_beginner", inserted(code("x = 1\n" * 20), at=1)),
        ("reading_time_is_that_of_a_beginner", replaced("a number.", "a number. " * 900)),
    ]

    @pytest.mark.parametrize(("rule", "change"), HARMLESS)
    def test_it_is_accepted(self, tmp_path, rule, change):
        assert problems_of(rule, write_lesson(tmp_path, change(good_cells()))) == ""

    def test_last_lesson_needs_no_link_to_a_next_one(self, tmp_path):
        path = write_lesson(tmp_path, good_cells())
        (tmp_path / "01_next.ipynb").unlink()
        assert problems_of("last_cell_leads_on", path) == ""
