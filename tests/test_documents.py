"""Tests of the documents: their links, commands, tables and code are true."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from copy import deepcopy
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from jupytext.cli import jupytext
from lesson import Lesson, headings, links
from markdown_it import MarkdownIt
from nbformat.v4 import new_markdown_cell, new_notebook
from notebook_text_rules import anchors, pictures
from tables import TABLES, accuracy_table, where
from toys import apart

from course_utils.data.samples import Samples
from course_utils.data.tasks import Task
from course_utils.environment.packages import PACKAGES
from course_utils.experiments.benchmark import benchmark_results
from course_utils.models.classifier import small_cnn
from course_utils.objectives.losses import CrossEntropy
from course_utils.objectives.regularizers import L2SP
from course_utils.project.__main__ import COMMANDS, HELP, ROOT
from course_utils.project.installation import DISK_NEEDED, GIGABYTE
from course_utils.project.normal_form import normalise
from course_utils.training.loop import fit

NAMES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "tests/benchmarks/README.md",
    "TEACHING.md",
    "GLOSSARY.md",
    "CHEATSHEET.md",
    "READING.md",
)
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
README, CONTRIBUTING, _, BENCHMARKS, TEACHING, *_ = TEXTS.values()
# The changelog names what is gone.
GUIDES = "\n\n".join([README, CONTRIBUTING, BENCHMARKS, TEACHING])
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
    targets = [unquote(target) for target in links(markdown)]
    targets += [source for source, _ in pictures(markdown)]
    targets = dict.fromkeys(targets)  # each once: to look into a notebook takes a while
    return [t for t in targets if not re.match("[a-z]+:", t) and is_dead(t, markdown, folder)]


def is_dead(target, markdown, folder):
    """Say whether a target, a path or an anchor or both, is missing."""
    name, _, anchor = target.partition("#")
    path = folder / name
    if not path.exists():
        return True
    if path.suffix == ".ipynb":
        return bool(anchor) and anchor not in anchors(path)
    return bool(anchor) and anchor not in slugs(path.read_text("utf-8") if name else markdown)


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
    make, name, arguments = [*shlex.split(command), "ARGS=", ""][:3]
    if make != "make" or not arguments.startswith("ARGS="):
        return None, []
    return name, arguments.removeprefix("ARGS=").split()


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
    @pytest.mark.parametrize("name", NAMES)
    def test_lead_somewhere(self, name):
        assert dead_links(TEXTS[name], (ROOT / name).parent) == []

    def test_dead_ones_are_found(self):
        text = "# One & two\n[a](#one--two) [b](#two) [c](no.md) ![d](no.png) [e](LICENSE) "
        text += "[f](https://example.org/no) [g](README.md#start) [h](README.md#strat) [i](tests) "
        text += "[j](notebooks/00_start_here.ipynb#Words) [k](notebooks/00_start_here.ipynb#Wrds)"
        dead = ["#two", "no.md", "README.md#strat", "notebooks/00_start_here.ipynb#Wrds", "no.png"]
        assert dead_links(text, ROOT) == dead

    def test_every_lesson_and_the_licence_are_linked(self):
        names = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
        assert names | {"LICENSE"} <= set(links(README))

    def test_readme_shows_the_central_figure(self):  # its alt text: test_figures.py
        assert [source for source, _ in pictures(README)] == ["figures/label_efficiency.png"]


class TestRooms:
    def test_tree_names_each_room_once_and_nothing_else(self):
        (tree,) = re.findall(r"```\n(notebooks/.+?)```", README, re.DOTALL)
        rooms = [path.parent.name for path in (ROOT / "course_utils").glob("*/__init__.py")]
        assert sorted(re.findall(r"^  (\w+)/ ", tree, re.MULTILINE)) == sorted(rooms)
        assert all((ROOT / path).is_dir() for path in re.findall(r"^(\S+/) ", tree, re.MULTILINE))

    def test_tree_follows_the_contract_of_imports(self):
        config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
        (layers,) = (c["layers"] for c in config["contracts"] if c["type"] == "layers")
        shown = re.findall(r"^  (\w+)/ ", README, re.MULTILINE)
        assert shown.pop() == "project"  # apart
        floors = [{name for name in shown if f"course_utils.{name}" in layer} for layer in layers]
        for floor in floors[::-1]:
            assert {shown.pop(0) for _ in floor} == floor
        assert shown == []

    def test_files_of_the_tree_are_in_their_room(self):
        named = re.findall(r"^ *(\S+)/ .*?(\w+\.py)(?:.*?(\w+\.py))?", README, re.MULTILINE)
        assert len(named) >= 4
        for room, *files in named:
            folder = ROOT / room if "/" in room else ROOT / "course_utils" / room
            assert all((folder / name).is_file() for name in files if name)


class TestCommands:
    def test_exist(self):
        assert len(commands(GUIDES)) > 25
        assert [command for command in commands(GUIDES) if command_problem(command)] == []

    @pytest.mark.parametrize(
        "command",
        [
            "make tset",
            "make",
            "make setup ARGS=--frehs",
            "make setup --fresh",
            "make test 05",
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

    @pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
    def test_windows_column_says_the_same_as_make(self, text):
        for make, windows, _ in table_with(text, "Linux, macOS"):
            assert project_command(code_in(make)) == project_command(code_in(windows))
            assert code_in(make).startswith("make ")
            assert code_in(windows).startswith(WINDOWS)

    def test_every_command_of_the_project_is_in_the_table(self):
        rows = table_with(CONTRIBUTING, "Linux, macOS")
        assert {project_command(code_in(row[0]))[0] for row in rows} == set(COMMANDS)

    def test_arguments_are_compared_too(self):
        assert project_command("make setup ARGS=--fresh") == ("setup", ["--fresh"])
        assert project_command('make test ARGS="05 07"') == ("test", ["05", "07"])
        assert project_command(WINDOWS + "test 05 07") == ("test", ["05", "07"])
        assert project_command(WINDOWS + "setup") == ("setup", [])

    @pytest.mark.skipif(
        os.name == "nt" or not shutil.which("make"), reason="make is not needed on Windows"
    )
    def test_make_knows_them(self):
        targets = {project_command(command)[0] for command in commands(GUIDES)} - {None}
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
        linux, others = re.search(r"(\d+) GB on Linux.*, (\d+) GB on macOS and", README).groups()
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

    @pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")))
    def test_teaching_gives_each_section_its_minutes_and_they_add_up(self, path):
        lesson = Lesson.read(path)
        _, read, _, practise = (code.split()[-1] for code in ["0", *lesson_row(lesson)[2:]])
        titles = [section.title for section in lesson.sections]
        part = TEACHING.partition(f"### {path.name[:2]} ")[2].partition("\n### ")[0]
        assert part, "TEACHING.md says nothing about this lesson"
        lines = re.search(r"read:\*\* (.+?\.) \*\*To practise:\*\* (.+\.)", part).groups()
        sections, exercises = (re.findall(r"(?:^|, )(.+?) (\d+)(?=, |\.$)", row) for row in lines)
        assert [name for name, _ in sections] == titles[: titles.index("Exercises")]
        assert sum(int(minutes) for _, minutes in sections) == int(read)
        assert sum(int(minutes) for _, minutes in exercises) == int(practise)

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
    @pytest.mark.parametrize("name", TABLES)
    def test_tables_are_those_of_the_last_run(self, name):
        part = benchmark_results(name)
        assert TABLES[name](part) in BENCHMARKS, "run make bench, and copy what it prints"
        assert where(part) in BENCHMARKS

    def test_the_row_of_the_readme_is_the_recipe(self):
        part = benchmark_results("accuracy")
        (row,) = table_with(README, "method")
        assert row in table_with(accuracy_table(part), "method")
        assert row[:2] == [part["recipe"], "5 random"]

    def test_differences_are_those_of_the_same_splits_with_the_corrected_interval(self):
        runs = {}
        for run in benchmark_results("accuracy")["runs"]:
            if run["split"] == "random":
                runs.setdefault(run["method"], []).append(run["weighted_accuracy"])
        runs = {name: torch.tensor(values) for name, values in runs.items()}
        recipe, alike, large, small, means, control = runs.values()
        pairs = [(recipe, other) for other in (alike, large, small)]
        pairs += [(small, means), (small, control)]
        rows = table_with(BENCHMARKS, "difference")
        for (_, cell), (one, other) in zip(rows, pairs, strict=True):
            found = one - other
            # Nadeau and Bengio 2003: 1 / splits + test / training; 2.776 is t of 4 degrees, 95 %
            half = 2.776 * found.std() * (1 / 5 + 25 / 75) ** 0.5
            assert cell == f"{found.mean():.3f} ± {half:.3f}"


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
        to_text, to_notebook = [line for line in commands(CONTRIBUTING) if "jupytext" in line]
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
