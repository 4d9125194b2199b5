"""Tests of README.md: its links, commands, tables, code and picture are true."""

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from jupytext.cli import jupytext
from lesson import Lesson, headings, links
from markdown_it import MarkdownIt
from nbformat.v4 import new_markdown_cell, new_notebook
from notebook_text_rules import pictures
from toys import apart

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.environment.packages import PACKAGES
from course_utils.experiments import benchmark
from course_utils.models.classifier import small_cnn
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2SP
from course_utils.project.__main__ import COMMANDS, HELP, ROOT
from course_utils.project.installation import DISK_NEEDED, GIGABYTE
from course_utils.project.normal_form import normalise
from course_utils.training.loop import fit

README = (ROOT / "README.md").read_text(encoding="utf-8")
WINDOWS = "py -m course_utils.project "
VENV = re.compile(r"\.venv(?:/bin/|\\Scripts\\)python -m (\S+)")
TIME = re.compile(r"\*\*Time\*\* to read (.+?) min, to run (.+?) min, to practise (.+?) min\.")


def cells_of(markdown):
    """Return all tables of a text, each as a list of rows, each row as a list of Markdown cells."""
    tables = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and tables and token.level > 3:  # inside a cell
            tables[-1][-1].append(token.content)
    return tables


def table_with(markdown, column):
    """Return the rows, without the header, of the tables whose first column has this title."""
    return [row for table in cells_of(markdown) if table[0][0] == column for row in table[1:]]


def slugs(markdown):
    """Return the anchors that the headings of a text get on the web."""
    titles = [title for _, title in headings(new_markdown_cell(markdown))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(markdown, folder):
    """Return the targets of links and pictures that lead nowhere; web pages are not asked."""
    own = slugs(markdown)
    targets = [unquote(target) for target in links(markdown)]
    targets += [source for source, _ in pictures(markdown)]
    dead = []
    for target in targets:
        name, _, anchor = target.partition("#")
        is_dead = (name and not (folder / name).is_file()) or (anchor and anchor not in own)
        if is_dead and not re.match(r"[a-z]+:", target):
            dead.append(target)
    return dead


def commands(markdown):
    """Return all commands of a text: code in sentences and tables, and lines of shell blocks."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "fence" and token.info == "sh":
            found += token.content.splitlines()
        for child in token.children or []:
            if child.type == "code_inline" and re.match(r"make |py |\.venv\S+ ", child.content):
                found.append(child.content)
    return found


def command_problem(command):
    """Say what is wrong with a command of the README, or return None."""
    in_venv = VENV.match(command)
    if in_venv:
        known = importlib.util.find_spec(in_venv.group(1)) is not None
        return None if known else f"no module {in_venv.group(1)}: {command}"
    name, arguments = project_command(command)
    if name not in COMMANDS or f"\n  {name} " not in HELP:
        return f"no such command: {command}"
    unknown = [option for option in arguments if option.startswith("-") and option not in HELP]
    return f"unknown options {unknown}: {command}" if unknown else None


def project_command(command):
    """Return name and arguments of a command, written for make or for Windows."""
    if command.startswith(WINDOWS):
        name, *arguments = command.removeprefix(WINDOWS).split()
        return name, arguments
    found = re.fullmatch(r"make (\S+)(?: ARGS=(\S+))?", command)
    return (found[1], found[2].split() if found[2] else []) if found else (None, [])


def code_in(cell):
    """Return the one piece of code that a table cell holds."""
    return re.fullmatch(r"`([^`]+)`", cell).group(1)


def lesson_row(lesson):
    """Return what the table says about a lesson: link, question, and three times in minutes."""
    first = lesson.cells[0].source
    ((_, title),) = headings(lesson.cells[0])
    question = re.search(r"\*\*The question\.\*\* (.+?)\n\n", first, re.DOTALL).group(1)
    minutes = TIME.search(first).groups()
    link = f"[{lesson.path.name[:2]} {title}](notebooks/{lesson.path.name})"
    return [link, " ".join(question.split()), *minutes]


def row_problem(row, lesson):
    """Say how a row of the table of lessons differs from its notebook, or return None."""
    expected = lesson_row(lesson)
    # the row may leave out the first sentences of the question
    begins_well = re.search(r"(^|[.?] )" + re.escape(row[1]) + "$", expected[1])
    if begins_well and [row[0], *row[2:]] == [expected[0], *expected[2:]]:
        return None
    return f"the row is {row}, but the notebook says {expected}"


def python_versions(requirement):
    """Return the versions that a requirement such as ``>=3.11,<3.14`` allows."""
    first, end = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", requirement).groups()
    return [f"3.{minor}" for minor in range(int(first), int(end))]


class TestLinks:
    def test_lead_somewhere(self):
        assert dead_links(README, ROOT) == []

    def test_dead_ones_are_found(self):
        text = "# One & two\n[a](#one--two) [b](#two) [c](no.md) ![d](no.png) [e](LICENSE) "
        assert dead_links(text + "[f](https://example.org/no)", ROOT) == ["#two", "no.md", "no.png"]

    def test_every_lesson_and_the_licence_are_linked(self):
        names = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
        assert names | {"LICENSE"} <= set(links(README))


class TestCommands:
    def test_exist(self):
        assert len(commands(README)) > 15
        assert [command for command in commands(README) if command_problem(command)] == []

    @pytest.mark.parametrize(
        "command",
        [
            "make tset",
            "make",
            "make setup ARGS=--frehs",
            "make setup --fresh",
            "py -m course_utils.project tset",
            "py -m course_utils lab",
            ".venv/bin/python -m course_utils.enviroment",
        ],
    )
    def test_wrong_one_is_found(self, command):
        assert command_problem(command)

    def test_are_found_in_sentences_tables_and_blocks(self):
        text = "Run `make a`, not `maker`.\n\n| x |\n|---|\n| `py -m b` |\n\n```sh\nmake c\n```"
        assert commands(text) == ["make a", "py -m b", "make c"]

    def test_windows_column_says_the_same_as_make(self):
        rows = table_with(README, "Linux, macOS")
        assert len(rows) > 7
        for make, windows, _ in rows:
            assert project_command(code_in(make)) == project_command(code_in(windows))
            assert code_in(make).startswith("make ")
            assert code_in(windows).startswith(WINDOWS)

    def test_every_command_of_the_project_is_in_a_table(self):
        rows = table_with(README, "Linux, macOS")
        assert {project_command(code_in(row[0]))[0] for row in rows} == set(COMMANDS)

    def test_arguments_are_compared_too(self):
        assert project_command("make setup ARGS=--fresh") == ("setup", ["--fresh"])
        assert project_command(WINDOWS + "setup --fresh") == ("setup", ["--fresh"])
        assert project_command(WINDOWS + "setup") == ("setup", [])

    @pytest.mark.skipif(
        os.name == "nt" or not shutil.which("make"), reason="make is not needed on Windows"
    )
    def test_make_knows_them(self):
        targets = {project_command(command)[0] for command in commands(README)} - {None}
        assert dry_run(*sorted(targets)) == 0
        assert dry_run("tset") != 0


def dry_run(*targets):
    """Return the exit code of make when it only says what it would do."""
    command = ["make", "-n", *targets]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


class TestNeeds:
    def test_python_versions_are_those_of_the_package(self):
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        allowed = python_versions(re.search(r'requires-python = "(.+)"', project).group(1))
        assert sorted(set(re.findall(r"\b3\.\d\d\b", README))) == allowed

    def test_versions_of_a_requirement_are_listed(self):
        assert python_versions(">=3.9,<3.12") == ["3.9", "3.10", "3.11"]

    def test_disk_space_is_what_the_set_up_asks_for(self):
        linux, others = re.search(r"(\d+) GB on Linux, (\d+) GB on macOS and", README).groups()
        own = linux if sys.platform == "linux" else others
        assert int(own) * GIGABYTE == DISK_NEEDED


class TestLessons:
    def test_rows_are_numbered_from_00_to_12(self):
        numbers = [re.match(r"\[?(\d\d) ", row[0]).group(1) for row in table_with(README, "lesson")]
        assert numbers == [f"{number:02d}" for number in range(13)]

    def test_row_of_each_notebook_says_what_the_notebook_says(self):
        rows = {row[0].strip("[")[:2]: row for row in table_with(README, "lesson")}
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            assert row_problem(rows[path.name[:2]], Lesson.read(path)) is None

    def test_planned_ones_have_a_question_and_no_notebook(self):
        existing = {path.name[:2] for path in (ROOT / "notebooks").glob("*.ipynb")}
        for title, question, *minutes in table_with(README, "lesson"):
            is_planned = minutes == ["planned", "", ""]
            assert is_planned == (not links(title)) == (title.strip("[")[:2] not in existing)
            assert question.endswith("?")

    @pytest.fixture
    def demo(self):
        first = (
            "# A title\n\n**The question.** It rains. Will\nit stop? When?\n\n"
            "**Time** to read 1 min, to run 2 to 3 min, to practise 4 min. Measured."
        )
        return Lesson(Path("07_demo.ipynb"), new_notebook(cells=[new_markdown_cell(first)]))

    @pytest.mark.parametrize("question", ["It rains. Will it stop? When?", "Will it stop? When?"])
    def test_row_that_agrees_has_no_problem(self, demo, question):
        row = ["[07 A title](notebooks/07_demo.ipynb)", question, "1", "2 to 3", "4"]
        assert row_problem(row, demo) is None

    @pytest.mark.parametrize(
        ("place", "text"),
        [(0, "[07 Title](notebooks/07_demo.ipynb)"), (1, "it stop? When?"), (1, ""), (3, "2")],
    )
    def test_row_that_differs_has_a_problem(self, demo, place, text):
        row = ["[07 A title](notebooks/07_demo.ipynb)", "When?", "1", "2 to 3", "4"]
        assert row_problem(row, demo) is None
        row[place] = text
        assert row_problem(row, demo) is not None


class TestData:
    def test_table_says_what_the_package_list_says(self):
        rows = [[what, code_in(name), *rest] for what, name, *rest in table_with(README, "what")]
        assert rows == [[p.what, p.pip_name, p.licence, p.source] for p in PACKAGES.values()]

    def test_every_limited_use_is_said_in_words(self):
        limits = README.partition("**Mind the limits.**")[2].partition("\n\n")[0]
        for use in ("non-commercial", "research"):
            limited = sum(use in package.licence for package in PACKAGES.values())
            assert limited > 0
            assert limits.count(f"**{use}**") == limited


class TestBenchmark:
    RESULTS = json.loads(benchmark.RESULTS.read_text(encoding="utf-8"))

    @pytest.fixture
    def scripts(self, monkeypatch):
        monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
        yield importlib.import_module("tables")
        del sys.modules["tables"]

    @pytest.mark.parametrize("name", RESULTS)
    def test_tables_are_those_of_the_last_run(self, scripts, name):
        part = self.RESULTS[name]
        assert scripts.TABLES[name](part) in README, "run make bench, and copy what it prints"
        assert scripts.where(part) in README


class TestCode:
    @pytest.fixture
    def names(self):
        """Return what the code of the README uses: small networks and few random images."""
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(12, 1, 8, 8, generator=generator)
        part = Samples(images, torch.arange(12) % 3)
        target = Task(
            "demo", ("a", "b", "c"), *apart(part, part, part), "grey value", "none", "random"
        )
        torch.manual_seed(0)
        model = small_cnn(3)
        names = {"model": model, "source_model": deepcopy(model), "target": target, "fit": fit}
        return names | {"CrossEntropy": CrossEntropy, "L2SP": L2SP}

    def test_runs_and_moves_the_model(self, names):
        (code,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
        exec(code, names)
        assert list(names["history"].terms) == ["cross-entropy", "L2-SP"]
        assert names["history"].num_epochs == 10
        moved = zip(names["model"].parameters(), names["source_model"].parameters(), strict=True)
        assert not any(torch.equal(own, source) for own, source in moved)

    def test_notebook_survives_the_way_through_a_text_file(self, tmp_path, monkeypatch):
        to_text, to_notebook = [line for line in commands(README) if "jupytext" in line]
        course, text = tmp_path / "course", tmp_path / "lesson.py"
        shutil.copytree(ROOT / "notebooks", course / "notebooks")
        monkeypatch.chdir(course)
        path = course / "notebooks" / "00_start_here.ipynb"
        before = normalise(Lesson.read(path).notebook)
        jupytext(to_text.split()[3:])
        content = text.read_text(encoding="utf-8")  # beside the course: not inside of it
        title = "# # What does transfer buy you?"
        assert title in content
        text.write_text(content.replace(title, "# # Another title"), encoding="utf-8")
        jupytext(to_notebook.split()[3:])
        after = normalise(Lesson.read(path).notebook)
        assert after.cells[0].source.startswith("# Another title\n")
        assert after.cells[1:] == before.cells[1:]  # with outputs, counts and tags
        assert after.metadata == before.metadata


@pytest.fixture(scope="module")
def script():
    """Import the script of the picture."""
    path = ROOT / "figures" / "draw_label_efficiency.py"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def lesson_results(script):
    """Return the results that the picture shows, left and right."""
    notebook = json.loads(script.NOTEBOOK.read_text(encoding="utf-8"))
    return [script.read_results(notebook, name) for name, _, _ in script.PANELS]


class TestPicture:
    def test_alt_text_is_that_of_the_script(self, script):
        assert list(pictures(README)) == [("figures/label_efficiency.png", script.ALT_TEXT)]

    def test_alt_text_has_no_number_that_is_measured(self, script):
        assert re.findall(r"\d[\d.]*", script.ALT_TEXT) == [str(script.LABELS)]

    def test_alt_text_and_title_are_true(self, script, lesson_results):
        factors = []
        for results in lesson_results:
            level = results.estimate("fine-tuned", 5).mean
            factors.append(results.labels_needed("from scratch", level)[0] / 5)
        assert 1 < factors[0] < 2 <= factors[1]
        left, right = ({key: e.mean for key, e in r.estimates.items()} for r in lesson_results)
        for size in (1, 5):
            assert 0 < left["fine-tuned", size] - left["from scratch", size] < 0.1
        assert abs(left["fine-tuned", 100] - left["from scratch", 100]) < 0.02
        assert left["frozen", 100] < left["from scratch", 100] - 0.02
        assert min(right["frozen", 1], right["fine-tuned", 1]) > right["from scratch", 1] + 0.1
        last = [right[arm, 100] for arm in ("from scratch", "frozen", "fine-tuned")]
        assert max(last) - min(last) < 0.05

    def test_arrow_ends_where_the_curve_from_scratch_is_as_high(self, script, lesson_results):
        """Second implementation: look the crossing up on the drawn curve itself."""
        panels = script.draw().axes[1:]
        for axes, results in zip(panels, lesson_results, strict=True):
            curve = next(line for line in axes.get_lines() if line.get_label() == "from scratch")
            drop = next(line for line in axes.get_lines() if line.get_linestyle() == ":")
            needed, level = drop.get_xdata()[0], drop.get_ydata()[1]
            trans = axes.get_xaxis().get_transform()
            on_curve = torch.tensor(trans.transform(curve.get_xdata()))
            height = curve.get_ydata()
            place = trans.transform([needed])[0]
            step = int((on_curve <= place).sum()) - 1
            share = (place - on_curve[step]) / (on_curve[step + 1] - on_curve[step])
            assert height[step] + share * (height[step + 1] - height[step]) == pytest.approx(level)
            assert level == results.estimates["fine-tuned", 5].mean


TABLE = """\
              1                      5                      20
from scratch  0.481 [0.396, 0.566]   0.700 [0.650, 0.750]   0.900 [0.911, 0.930]
fine-tuned    0.540 [-0.100, 1.100]  0.800 [0.750, 0.850]   0.924 [0.909, 0.939]
"""


def demo_notebook(output, source="print('x')\nprint(high_results)"):
    cell = {"cell_type": "code", "source": [source], "outputs": [{"text": [output]}]}
    return {"cells": [{"cell_type": "markdown", "source": ["print(high_results)"]}, cell]}


class TestReadResults:
    def test_table_is_read_as_it_is_printed(self, script):
        output = "accuracy, mean over 8 seeds [95 % interval]\n" + TABLE
        results = script.read_results(demo_notebook(output), "high_results")
        assert results.arms == ["from scratch", "fine-tuned"]
        assert results.sizes("fine-tuned") == [1, 5, 20]
        assert str(results) == "\n".join(line.rstrip() for line in TABLE.splitlines())
        assert results.estimate("fine-tuned", 1).low == -0.1
        assert results.estimate("fine-tuned", 1).num_seeds == 8

    def test_labels_needed_is_read_off_halfway_on_the_logarithm(self, script):
        results = script.read_table(TABLE, num_seeds=8)
        # 0.8 lies halfway from 0.7 at 5 to 0.9 at 20, and halfway is sqrt(5 * 20) = 10
        assert results.labels_needed("from scratch", 0.8)[0] == pytest.approx(10)

    def test_missing_and_double_cells_are_named(self, script):
        notebook = demo_notebook("accuracy, mean over 8 seeds\n" + TABLE)
        with pytest.raises(ValueError, match=r"'digits_results', and 0 cells call"):
            script.read_results(notebook, "digits_results")
        notebook["cells"] *= 2
        with pytest.raises(ValueError, match=r"2 cells call print\(high_results\)"):
            script.read_results(notebook, "high_results")

    def test_other_heading_is_named(self, script):
        with pytest.raises(ValueError, match="begins with 'mean accuracy'.*run make notebooks"):
            script.read_results(demo_notebook("mean accuracy\n" + TABLE), "high_results")

    @pytest.mark.parametrize(
        ("old", "new"), [("[0.396, 0.566]", "± 0.085"), ("0.481 ", ""), ("from scratch", "")]
    )
    def test_other_form_of_a_line_is_named(self, script, old, new):
        with pytest.raises(ValueError, match="did the text form of Results change"):
            script.read_table(TABLE.replace(old, new, 1), num_seeds=8)

    @pytest.mark.parametrize("table", ["", TABLE.splitlines()[0]])
    def test_table_without_results_is_named(self, script, table):
        with pytest.raises(ValueError, match="has no line with results"):
            script.read_table(table, num_seeds=8)

    def test_curve_that_never_gets_there_is_named(self, script):
        low = script.read_table(TABLE.replace("0.900 [", "0.750 ["), num_seeds=8)
        with pytest.raises(ValueError, match="from scratch never reaches 0.8, what fine-tuned"):
            script._draw_saving(None, None, low)
