"""Lessons in JupyterLab, started by the command of `make lab`."""

import re
import shutil
import socket
import subprocess
import sys
import time
from urllib.request import ProxyHandler, build_opener

import nbformat
import pytest
from browsing import LESSONS, PATIENCE, opened
from tiny_notebooks import code, save

from course_utils.project.__main__ import lab_command, lab_environment
from course_utils.project.installation import ROOT

pytestmark = pytest.mark.slow

READY = """async () => {
  while (!window.jupyterapp?.shell.currentWidget?.sessionContext)
    await new Promise(resolve => setTimeout(resolve, 200));
  await jupyterapp.shell.currentWidget.context.ready;
  await jupyterapp.shell.currentWidget.sessionContext.ready;
}"""
# ?reset in an address: else JupyterLab opens what was open before, too
ACTIVE = ".jp-Notebook .jp-Cell.jp-mod-active"
CELLS = "() => jupyterapp.shell.currentWidget.model.sharedModel.toJSON().cells"
GO_TO = """async number => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = number;
  await notebook.scrollToItem(number, "center");
}"""

ALL_RUN = """() => {
  const widget = jupyterapp.shell.currentWidget;
  const code = widget.model.sharedModel.toJSON().cells.filter(cell => cell.cell_type === "code");
  const failed = code.some(cell => cell.outputs.some(out => out.output_type === "error"));
  const idle = widget.sessionContext.session.kernel.status === "idle";
  return failed || (idle && code.every(cell => cell.execution_count || !cell.source.length));
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Start JupyterLab on a copy of the lessons, since it saves what it opens."""
    home = tmp_path_factory.mktemp("lab")
    for folder in ("notebooks", "figures"):
        shutil.copytree(ROOT / folder, home / "course" / folder)
    save_guess(home / "course" / "notebooks" / "00_guess.ipynb")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    extra = ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1"]
    extra += ["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
    _, *command = lab_command(extra)
    root = f"--ServerApp.root_dir={ROOT}"
    command[command.index(root)] = f"--ServerApp.root_dir={home / 'course'}"
    variables = lab_environment() | {"COURSE_NOTEBOOK": ""}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        variables[name] = str(home / name)
    variables["PYTHONPATH"] = str(ROOT)
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([sys.executable, *command], env=variables, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/api", server, home / "log")
            yield f"http://127.0.0.1:{port}/lab/tree/notebooks"
        finally:
            server.terminate()
            server.wait(timeout=60)


STORED_RESULTS = """\
import sys
import matplotlib.pyplot as plt
from course_utils.environment import progress
from course_utils.experiments import compare_guess
from course_utils.plotting import label_efficiency_curve
sys.path.append("../figures")
from draw_label_efficiency import read_table
kind_results = read_table({table!r}, num_seeds=10)
five = kind_results.estimate("ImageNet features", 5)"""


def save_guess(path):
    """Store the cells of lesson 00 around its guess; what they read is what the lesson measured."""
    cells = [cell for cell in nbformat.read(LESSONS[0], 4).cells if cell.cell_type == "code"]
    (measured,) = [cell for cell in cells if cell.source.endswith("\nprint(kind_results)")]
    heading, table = measured.outputs[0].text.split("\n", 1)
    wanted = (
        "my_guess = ...",
        "label_efficiency_curve(kind_results",
        "compare_guess(",
        "progress()",
    )
    found = [cell for words in wanted for cell in cells if words in cell.source]
    found = [cell for cell in found if "import " not in cell.source]
    assert len(found) == len(wanted)
    save(path, code(STORED_RESULTS.format(table=table)), *found)


def wait_for(address, server, log):
    """Return once a server answers."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        try:
            return build_opener(ProxyHandler({})).open(address, timeout=30).close()
        except OSError:  # not listening yet
            time.sleep(0.2)
    pytest.fail(log.read_text(encoding="utf-8", errors="replace"))


def numbers_of(page, tag):
    """Return the places of the cells with a tag."""
    cells = page.evaluate(CELLS)
    return [n for n, cell in enumerate(cells) if tag in cell["metadata"].get("tags", [])]


def printed(page, number):
    """Return what a cell has printed."""
    outputs = page.evaluate(CELLS)[number]["outputs"]
    return "".join("".join(output.get("text", "")) for output in outputs)


def run(page, number, source=None):
    """Go to a cell, type another source into it if one is given, and run it by keyboard."""
    page.evaluate(GO_TO, number)
    cell = page.locator(ACTIVE)
    if source is not None:
        cell.locator(".cm-content").click()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.insert_text(source)
    else:
        cell.locator(".jp-InputPrompt").click()
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(
        f"({CELLS})()[{number}].execution_count && "
        "jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'",
        polling=200,
    )


def test_exercise_turns_from_not_attempted_to_right(lab, browser):
    with opened(browser, f"{lab}/11_bug_clinic.ipynb?reset") as page:
        page.evaluate(READY)
        exercise, *_ = numbers_of(page, "exercise")
        assert "not attempted" in printed(page, exercise)
        run(page, 1)  # the imports
        run(page, exercise, "answer = 0.5\neasy.check(answer)")
        assert "not yet" in printed(page, exercise)
        run(page, exercise, "answer = 0.8\neasy.check(answer)")
        assert "easy: right" in printed(page, exercise)
        last = max(n for n, c in enumerate(page.evaluate(CELLS)) if c["source"] == "progress()")
        run(page, last)
        assert re.search(r"11_bug_clinic +easy right", printed(page, last))


def test_guess_is_drawn_into_the_figure_and_kept(lab, browser):
    with opened(browser, f"{lab}/00_guess.ipynb?reset") as page:
        page.evaluate(READY)
        results, guess, figure, compare, progress = range(5)
        for number in (results, guess, figure, compare):
            run(page, number)
        assert printed(page, compare) == "No guess made.\n"
        assert pictures(page.evaluate(CELLS)[figure:]) == 1
        run(page, guess, "my_guess = 70")
        run(page, compare)
        assert "Your guess 70 is too low: measured 98" in printed(page, compare)
        assert pictures(page.evaluate(CELLS)[compare:]) == 1
        run(page, progress)
        assert "accuracy of ImageNet features, 5 labels: too low" in printed(page, progress)
        run(page, results, "print([text.get_text() for text in ax.texts])")
        assert "your guess: 70" in printed(page, results)


def test_slider_moves_its_figure_by_keyboard(lab, browser):
    with opened(browser, f"{lab}/02_loss_plus_regularization.ipynb?reset") as page:
        page.evaluate(READY)
        cells = page.evaluate(CELLS)
        (number,) = [n for n, cell in enumerate(cells) if "SelectionSlider(" in cell["source"]]
        page.evaluate(GO_TO, number)
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-above')")
        run(page, number)
        handle, moved = page.get_by_role("slider"), page.locator(".widget-output img")
        assert moved.count() == 0
        handle.focus()
        page.keyboard.press("ArrowRight")
        moved.wait_for(state="visible")
        first = moved.get_attribute("src")
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "first => (document.querySelector('.widget-output img')?.src ?? first) !== first",
            arg=first,
        )
        assert moved.count() == 1
        assert page.locator(".widget-readout").inner_text() == "0.3"  # the third of LAMBDAS


def test_solution_opens_from_its_collapsed_state(lab, browser):
    with opened(browser, f"{lab}/11_bug_clinic.ipynb?reset") as page:
        page.evaluate(READY)
        solution, *_ = numbers_of(page, "solution")
        page.evaluate(GO_TO, solution)
        cell = page.locator(ACTIVE)
        cell.locator(".jp-InputPlaceholder").click()
        cell.get_by_text("right, samples = [80, 0]").wait_for(state="visible")


@pytest.mark.long
@pytest.mark.parametrize("path", LESSONS, ids=[f"lesson_{path.name[:2]}" for path in LESSONS])
def test_long_lesson_runs_from_top_to_bottom(path, lab, browser):
    with opened(browser, f"{lab}/{path.name}?reset") as page:
        page.evaluate(READY)
        before = page.evaluate(CELLS)
        page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        # Asked at each frame of the screen, as is usual, a core would be busy with the question.
        page.wait_for_function(ALL_RUN, timeout=2 * PATIENCE, polling=1000)
        after = page.evaluate(CELLS)
        assert errors(after) == []
        assert pictures(after) == pictures(before)


def errors(cells):
    """Return the errors among the outputs of cells."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output["evalue"] for output in outputs if output["output_type"] == "error"]


def pictures(cells):
    """Count the pictures among the outputs of cells."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)
