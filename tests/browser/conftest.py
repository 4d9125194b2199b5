"""A browser, and what is opened in it: the book, slides, and JupyterLab."""

import shutil
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from course_utils.project.book.site import build_site
from course_utils.project.book.slides import build_slides
from course_utils.project.installation import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
PATIENCE = 300_000  # milliseconds that one step may take on a busy machine
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
FEW = [path for path in LESSONS if path.name[:2] in ("02", "11")]  # most formulas; shortest run


def pytest_collection_modifyitems(items):
    """Skip the tests of this folder where there is no browser."""
    if CHROMIUM is None:
        reason = f"no browser: install one of {', '.join(NAMES)}"
        for item in items:
            if item.path.is_relative_to(ROOT / "tests" / "browser"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Return the folder of a book of two lessons."""
    folder = tmp_path_factory.mktemp("book") / "site"
    build_site(folder, FEW)
    return folder


@pytest.fixture(scope="session")
def slides(tmp_path_factory):
    """Return the folder of the slides of two lessons."""
    folder = tmp_path_factory.mktemp("decks") / "slides"
    build_slides(folder, FEW)
    return folder


@pytest.fixture(scope="module")
def browser():
    """Return Chromium; it lives as long as the tests of one module, since it owns an event loop."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def opened(browser, address, **options):
    """Open a page; at the end nothing may have failed, and nothing been asked of other machines."""
    context = browser.new_context(viewport={"width": 1280, "height": 760}, **options)
    page, problems = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.extend(foreign(request.url)))
    page.goto(address)
    yield page
    context.close()
    assert problems == []


def foreign(address):
    """Return the address in a list if it is that of another machine."""
    own = ("file:", "data:", "blob:", "http://127.0.0.1:", "ws://127.0.0.1:")
    return [] if address.startswith(own) else [address]


def barriers(page, context=None):
    """Return what axe-core finds on a page that keeps somebody out: (rule, element)."""
    found = Axe().run(page, context=context, options={"preload": False}).response["violations"]
    grave = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    return [(rule["id"], node["html"][:200]) for rule in grave for node in rule["nodes"][:5]]


def formulas(page):
    """Wait for MathJax, and return how many formulas are drawn and how many are wrong."""
    page.wait_for_function("window.MathJax?.startup?.promise")
    page.evaluate("MathJax.startup.promise")
    return [
        page.locator(selector).count()
        for selector in ("mjx-container svg", "[data-mml-node=merror]")
    ]
