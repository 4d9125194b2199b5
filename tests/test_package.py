"""Tests of course_utils as a whole: what ruff and import-linter do not check.

They check (see pyproject.toml) that every module and public object has a docstring that begins
with a sentence, that a section of parameters has them all, that functions have few branches,
statements and arguments with a place, and that rooms import in one direction without a circle.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "course_utils"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in FILES
    if path.name != "__main__.py"
]
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
LONGEST_MODULE = 290  # lines, docstrings included
LONGEST_BODY = 30  # lines of a function, without its docstring


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def body_lines(function):
    """Count the lines of a body; the docstring and functions defined inside do not count."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def public_functions():
    """Return name, node and docstring of each public function and method of the package."""
    found = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for owner in [tree, *(node for node in classes if not node.name.startswith("_"))]:
            for node in owner.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    name = f"{path.relative_to(PACKAGE)}: {node.name}"
                    found.append((name, node, ast.get_docstring(node) or ""))
    return found


def raises_itself(function):
    return any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(function))


def arguments(function):
    every = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


class TestImport:
    def test_package_alone_is_fast_and_loads_nothing_large(self):
        code = (
            "import sys, time; start = time.perf_counter(); import course_utils; "
            "large = {'torch', 'sklearn', 'numpy', 'matplotlib', 'timm'} & set(sys.modules); "
            "print(time.perf_counter() - start, sorted(large))"
        )
        seconds, large = run(code).stdout.split(maxsplit=1)
        assert float(seconds) < 2
        assert large.strip() == "[]"

    @pytest.mark.slow
    def test_faces_load_nothing_slow_and_no_import_does_any_work(self, tmp_path):
        faces = [f"course_utils.{room}" for room in ROOMS if room != "project"]
        slow = {"sklearn", "timm", "torchvision", "transformers", "tokenizers", "peft"}
        code = f"""
import importlib, os, random, sys, threading
os.environ["COURSE_CACHE_DIR"] = {str(tmp_path / "cache")!r}
import joblib, torch  # joblib sets an environment variable of its own
before = torch.get_rng_state(), torch.get_num_threads(), random.getstate(), dict(os.environ)
for name in {faces}:
    importlib.import_module(name)
assert not {slow} & set(sys.modules), sorted({slow} & set(sys.modules))
for name in {MODULES}:
    importlib.import_module(name)
assert torch.equal(before[0], torch.get_rng_state()), "random numbers of torch"
assert before[1:] == (torch.get_num_threads(), random.getstate(), dict(os.environ))
assert threading.active_count() == 1
print("all")
"""
        result = run(code)
        assert (result.stdout, result.stderr) == ("all\n", "")
        assert not (tmp_path / "cache").exists()


class TestSize:
    def test_modules_are_short(self):
        lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
        assert {p.name: n for p, n in lengths.items() if n > LONGEST_MODULE} == {}

    def test_function_bodies_are_short(self):
        for path in FILES:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            lengths = {node.name: body_lines(node) for node in functions(tree)}
            assert {name: n for name, n in lengths.items() if n > LONGEST_BODY} == {}, path

    def test_measure_counts_lines_without_the_docstring(self):
        tree = ast.parse('def f():\n    """Two.\n\n    Lines.\n    """\n    x = 1\n    return x\n')
        assert body_lines(functions(tree)[0]) == 2


class TestDocstrings:
    def test_public_function_that_raises_has_a_section_for_it(self):
        for name, node, text in public_functions():
            if raises_itself(node):
                assert "Raises\n------" in text or text.startswith("Raise "), name

    def test_three_or_more_arguments_have_a_section_or_are_all_named(self):
        for name, node, text in public_functions():
            missing = [word for word in arguments(node) if not re.search(rf"\b{word}\b", text)]
            is_elsewhere = "Parameters\n----------" in text or re.search("[Ss]ee `", text)
            assert len(arguments(node)) < 3 or not missing or is_elsewhere, (name, missing)

    def test_no_stub_and_no_reminder_is_left(self):
        reminder = "TO" + "DO"  # written so that this file does not contain it
        for path in FILES:
            text = path.read_text(encoding="utf-8")
            assert reminder not in text, path
            assert "raise NotImplementedError" not in text, path
