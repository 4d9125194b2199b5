"""Tests of course_utils as a whole: how it is imported, how large its parts are, how described."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "course_utils"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
)
LONGEST_MODULE = 290  # lines, docstrings included
LONGEST_BODY = 30  # lines of a function, without its docstring
# DESIGN section 2: data flows one way; a module may import from its own or an earlier stage
STAGES = [
    ["checksums", "packages", "health", "environment", "memory", "claims"],
    [
        "texts",
        "tasks",
        "batches",
        "datasets",
        "news",
        "cache",
        "freezing",
        "preprocessing",
        "backbones",
        "tokens",
        "text",
        "layers",
        "encoders",
        "gpt",
        "gpt2",
        "lora",
        "features",
        "stages",
        "prefix",
        "checkpoints",
    ],
    [
        "algebra",
        "losses",
        "language",
        "ngrams",
        "regularizers",
        "alignment",
        "alignment_maps",
        "alignment_terms",
        "alignment_adversarial",
        "distillation_tables",
        "distillation",
        "objectives",
        "metrics",
    ],
    ["history", "optimizers", "evaluation", "distillation_answers", "training"],
    ["results", "experiments", "distances", "benchmark"],
    ["plotting", "methods"],
    ["plane", "sliders"],
]
STAGE = {f"course_utils.{name}": n for n, names in enumerate(STAGES) for name in names}


def source(module):
    return Path(PACKAGE.parent, *module.split(".")).with_suffix(".py").read_text(encoding="utf-8")


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def imports_at_the_top(module):
    """Names of the modules of the package that are imported when this one is."""
    found = set()
    for node in ast.parse(source(module)).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(MODULES)


def functions(tree):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def body_lines(function):
    """Count the lines of a body; the docstring and functions defined inside do not count."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def public_objects(module):
    """Yield name and node of each public class, function and method that is written there."""
    for node in ast.parse(source(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                        yield f"{node.name}.{part.name}", part


def raises_itself(function):
    return any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(function))


def arguments(function):
    every = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


EVERY_OBJECT = [(module, name) for module in MODULES for name, _ in public_objects(module)]


def find(module, name):
    return dict(public_objects(module))[name]


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

    def test_each_module_imports_alone_without_doing_anything(self, tmp_path):
        # one process that forgets the package before each import; libraries stay, to save time
        code = f"""
import importlib, os, random, sys, threading
os.environ["COURSE_CACHE_DIR"] = {str(tmp_path / "cache")!r}
import joblib, torch  # joblib sets an environment variable of its own
before = torch.get_rng_state(), torch.get_num_threads(), random.getstate(), dict(os.environ)
for name in {MODULES}:
    for known in [known for known in sys.modules if known.startswith("course_utils")]:
        del sys.modules[known]
    importlib.import_module(name)
assert torch.equal(before[0], torch.get_rng_state()), "random numbers of torch"
assert before[1:] == (torch.get_num_threads(), random.getstate(), dict(os.environ))
assert threading.active_count() == 1
print("all")
"""
        result = run(code)
        assert (result.stdout, result.stderr) == ("all\n", "")
        assert not (tmp_path / "cache").exists()

    def test_modules_of_the_lessons_do_not_load_what_is_slow_and_rarely_needed(self):
        slow = {"sklearn", "timm", "torchvision", "transformers", "tokenizers", "peft"}
        code = f"import sys, {', '.join(STAGE)}; print(sorted({slow} & set(sys.modules)))"
        assert run(code).stdout == "[]\n"


class TestDirection:
    def test_imports_have_no_cycle(self):
        graph = {module: imports_at_the_top(module) for module in MODULES}
        assert graph["course_utils.training"] >= {"course_utils.history", "course_utils.evaluation"}
        assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)

    @pytest.mark.parametrize("module", STAGE)
    def test_imports_come_from_the_same_or_an_earlier_stage(self, module):
        for imported in imports_at_the_top(module):
            assert imported in STAGE, f"{module} imports {imported}, which has no stage"
            assert STAGE[imported] <= STAGE[module], f"{module} imports {imported}"

    def test_each_stage_names_modules_that_exist(self):
        assert set(STAGE) <= set(MODULES)


class TestSize:
    @pytest.mark.parametrize("module", MODULES)
    def test_module_is_short(self, module):
        number = len(source(module).splitlines())
        assert number <= LONGEST_MODULE, f"{module} has {number} lines"

    @pytest.mark.parametrize("module", MODULES)
    def test_function_bodies_are_short(self, module):
        lengths = {node.name: body_lines(node) for node in functions(ast.parse(source(module)))}
        too_long = {name: number for name, number in lengths.items() if number > LONGEST_BODY}
        assert too_long == {}

    @pytest.mark.parametrize("module", MODULES)
    def test_at_most_five_arguments_have_a_place(self, module):
        for node in functions(ast.parse(source(module))):
            assert len(node.args.posonlyargs + node.args.args) <= 5 + (node.name == "__init__"), (
                node.name
            )

    def test_measure_counts_lines_without_the_docstring(self):
        tree = ast.parse('def f():\n    """Two.\n\n    Lines.\n    """\n    x = 1\n    return x\n')
        assert body_lines(functions(tree)[0]) == 2


class TestDocstrings:
    @pytest.mark.parametrize("module", MODULES)
    def test_module_says_what_it_is_for(self, module):
        first_line = (ast.get_docstring(ast.parse(source(module))) or "").split("\n")[0]
        assert first_line.endswith("."), module

    @pytest.mark.parametrize(("module", "name"), EVERY_OBJECT)
    def test_first_line_is_a_sentence(self, module, name):
        first_line = (ast.get_docstring(find(module, name)) or "").split("\n")[0]
        assert re.fullmatch(r"[A-Z].*[.:]", first_line), f"{module}.{name}: {first_line!r}"

    @pytest.mark.parametrize(("module", "name"), EVERY_OBJECT)
    def test_public_function_that_raises_has_a_section_for_it(self, module, name):
        node = find(module, name)
        if isinstance(node, ast.FunctionDef) and raises_itself(node):
            text = ast.get_docstring(node)
            assert "Raises\n------" in text or text.startswith("Raise "), f"{module}.{name}"

    @pytest.mark.parametrize(("module", "name"), EVERY_OBJECT)
    def test_three_or_more_arguments_have_a_section_or_are_all_named(self, module, name):
        node = find(module, name)
        if isinstance(node, ast.FunctionDef) and len(arguments(node)) >= 3:
            text = ast.get_docstring(node)
            missing = [word for word in arguments(node) if not re.search(rf"\b{word}\b", text)]
            is_elsewhere = "See `" in text or "; see `" in text
            assert "Parameters\n----------" in text or not missing or is_elsewhere, missing

    @pytest.mark.parametrize(("module", "name"), EVERY_OBJECT)
    def test_section_of_parameters_has_them_all(self, module, name):
        node = find(module, name)
        text = ast.get_docstring(node)
        if isinstance(node, ast.FunctionDef) and "Parameters\n----------" in text:
            section = text.split("Parameters\n----------")[1].split("\n---")[0]
            missing = [word for word in arguments(node) if not re.search(rf"\b{word}\b", section)]
            assert missing == []

    def test_no_stub_and_no_reminder_is_left(self):
        reminder = "TO" + "DO"  # written so that this file does not contain it
        for module in MODULES:
            assert reminder not in source(module)
            assert "raise NotImplementedError" not in source(module)
