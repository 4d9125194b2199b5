"""The book in a browser, as a file on a machine without a network."""

import pytest
from browsing import barriers, formulas, nameless_pictures, opened

pytestmark = pytest.mark.slow

PAGES = ["index", "notebooks/02_loss_plus_regularization", "notebooks/11_bug_clinic", "READING"]


@pytest.fixture
def book(site):
    """Return the address of a page."""
    return lambda name: (site / f"{name}.html").as_uri()


@pytest.mark.parametrize(
    ("name", "scheme"), zip(PAGES, ["dark", "light", "dark", "light"], strict=True), ids=PAGES
)
def test_page_opens_without_an_error_or_a_barrier_and_is_as_wide_as_a_phone(
    name, scheme, book, browser
):
    with opened(browser, book(name), color_scheme=scheme) as page:
        drawn, wrong = formulas(page)
        assert wrong == 0
        assert drawn > 100 or name != PAGES[1]
        assert page.locator("html").get_attribute("data-theme") == scheme
        assert barriers(page) == []
        assert nameless_pictures(page) == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_solution_and_answer_are_folded_and_open(book, browser):
    with opened(browser, book(PAGES[2])) as page:
        solution = page.get_by_text("right, samples = [80, 0]")
        answer = page.get_by_text("A part that was left in training mode")
        assert not solution.is_visible()
        assert not answer.is_visible()
        page.get_by_text("Show a solution").first.click()
        page.get_by_text("Answer", exact=True).first.click()
        solution.wait_for(state="visible")
        answer.wait_for(state="visible")


def test_lesson_leads_to_the_glossary_and_back(book, browser):
    with opened(browser, book(PAGES[2])) as page:
        page.get_by_role("article").get_by_role("link", name="glossary").click()
        page.get_by_role("heading", name="Glossary").wait_for()
        page.get_by_role("link", name="lesson 11").first.click()
        page.get_by_role("heading", name="Words").wait_for()
        assert page.url == book(PAGES[2]) + "#words"


def test_code_can_be_copied(book, browser):
    with opened(browser, book(PAGES[2])) as page:
        button = page.get_by_role("button", name="Copy this code").first
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("/Copied|Selected/.test(document.activeElement.textContent)")


def test_search_finds_a_lesson(book, browser):
    with opened(browser, book("search") + "?q=symptom") as page:
        page.get_by_role("link", name="The bug clinic").first.wait_for()
