"""A browser, and what is opened in it: the book, slides, and JupyterLab."""

import pytest
from browsing import CHROMIUM, FEW, NAMES
from playwright.sync_api import sync_playwright

from course_utils.project.book.site import build_site
from course_utils.project.book.slides import build_slides
from course_utils.project.installation import ROOT


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
