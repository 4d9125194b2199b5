"""A book that needs no network: Sphinx makes it of the notebooks as they are stored."""

import tempfile
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from course_utils.project.book.folders import STATIC, built_aside, copy_mathjax
from course_utils.project.book.pages import write_pages

SETTINGS = {
    "project": "Transfer learning by experiment",
    "html_title": "Transfer learning by experiment",
    "language": "en",
    "extensions": ["myst_nb", "sphinx.ext.mathjax"],
    "nb_execution_mode": "off",
    "nb_merge_streams": True,
    "nb_render_markdown_format": "myst",  # else Markdown in outputs stays raw
    "myst_enable_extensions": ["dollarmath", "amsmath"],
    "myst_heading_anchors": 3,
    "myst_heading_slug_func": "course_utils.project.book.pages.slug",
    "mathjax_path": "mathjax.js",
    "html_theme": "sphinx_book_theme",
    "html_theme_options": {
        "use_fullscreen_button": False,
        "navbar_persistent": [],
        "footer_content_items": [],
    },
    "html_context": {"default_mode": "auto"},  # light or dark as the reader's system
    "html_css_files": ["book.css"],
    "html_js_files": ["book.js"],
    "html_show_search_summary": False,  # the summaries would be fetched, which a file may not
    "html_show_sphinx": False,
}


def build_site(target, lessons):
    """Build the book; nothing is executed, and what was built before stays if anything fails.

    Parameters
    ----------
    target : pathlib.Path
        Folder of the book. Its first page is `index.html`.
    lessons : list of pathlib.Path
        Notebooks, in the order of the book.

    Raises
    ------
    sphinx.errors.SphinxError
        If Sphinx warns of anything, such as a link that leads nowhere.
    """
    with built_aside(target) as book, tempfile.TemporaryDirectory() as scratch:
        source, static = Path(scratch) / "source", Path(scratch) / "static"
        source.mkdir()
        static.mkdir()
        write_pages(source, lessons)
        copy_mathjax(static)
        settings = {**SETTINGS, "html_static_path": [str(static), str(STATIC)]}
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                source, None, book, Path(scratch) / "doctrees", "html",
                confoverrides=settings, status=None, warningiserror=True, exception_on_warning=True,
            )  # fmt: skip
            app.build()
