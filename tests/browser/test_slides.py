"""The slides in a browser, as files on a machine without a network."""

import pytest
from browsing import FEW, barriers, nameless_pictures, opened

pytestmark = pytest.mark.slow

MEASURE = """() => Reveal.getSlides().map(slide => {
  const {h, v} = Reveal.getIndices(slide);
  Reveal.slide(h, v);
  const {top, bottom} = slide.getBoundingClientRect();
  const scrolls = slide.scrollHeight > slide.clientHeight + 1;
  const canScroll = getComputedStyle(slide).overflowY === "auto";
  const fits = top >= -1 && bottom <= innerHeight + 1 && slide.scrollWidth <= slide.clientWidth + 1;
  return [`${h}/${v}`, fits && (!scrolls || canScroll), scrolls];
})"""


@pytest.mark.parametrize("stem", [path.stem for path in FEW])
def test_every_slide_fits_its_page_or_scrolls(stem, slides, browser):
    with opened(browser, (slides / f"{stem}.html").as_uri()) as page:
        page.evaluate("window.deckIsReady")
        measured = page.evaluate(MEASURE)
        assert len(measured) > 30
        assert [name for name, fits, _ in measured if not fits] == []
        assert sum(scrolls for *_, scrolls in measured) < len(measured) / 10
        assert page.locator("[data-mml-node=merror]").count() == 0


def test_formulas_are_drawn_and_nothing_keeps_anybody_out(slides, browser):
    with opened(browser, (slides / f"{FEW[0].stem}.html").as_uri()) as page:
        page.evaluate("window.deckIsReady")
        assert page.locator("mjx-container svg").count() > 100
        assert barriers(page) == []
        assert page.locator(".reveal img").count() > 4
        assert nameless_pictures(page) == []


def test_arrow_keys_go_through_all_slides(slides, browser):
    with opened(browser, (slides / f"{FEW[1].stem}.html").as_uri()) as page:
        page.evaluate("window.deckIsReady")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert page.evaluate("Reveal.getSlidePastCount()") == 3


def test_decks_are_listed(slides, browser):
    with opened(browser, (slides / "index.html").as_uri()) as page:
        page.get_by_role("link", name="11 The bug clinic").click()
        page.evaluate("window.deckIsReady")
        assert page.title() == "11 The bug clinic slides"
