"""Open a page in Chromium, and say what is wrong with it."""

import shutil
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe

from course_utils.project.installation import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
PATIENCE = 300_000  # milliseconds that one step may take on a busy machine
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
FEW = [path for path in LESSONS if path.name[:2] in ("02", "11")]  # most formulas; shortest run


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


def barriers(page):
    """Return what axe-core finds on a page that keeps somebody out: (rule, element)."""
    options = {"preload": False, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    grave = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    return [(rule["id"], node["html"][:200]) for rule in grave for node in rule["nodes"][:5]]


def formulas(page):
    """Wait for MathJax, if the page needs it; return how many formulas are drawn, and wrong."""
    if page.locator("script[src*=mathjax]").count():
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise")
    return [
        page.locator(selector).count()
        for selector in ("mjx-container svg", "[data-mml-node=merror]")
    ]


def nameless_pictures(page):
    """Return the sources of pictures that say nothing, or no more than the name of their file."""
    found = page.locator("main img, .reveal img").evaluate_all(
        "all => all.map(image => [image.alt, image.src.slice(0, 80)])"
    )
    return [source for alt, source in found if len(alt) < 20 or alt.endswith(".png")]
