"""Views that run in the browser: a page of one Chromium profile a file, for the app that the file's own `url` serves."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def context(browser):
    """One browser profile for all tests of a file, so that Streamlit's own files are loaded once."""
    with browser.new_context() as context:
        yield context


@pytest.fixture
def show(context, url):
    """`show("mode=diff", width=1280, dark=False)`: a page with the view drawn; an error in its console fails the test.

    still: the reader asked for less motion, so that what is asked for is there at once; within: another profile.
    """
    pages, errors = [], []

    def start(query="", *, width=1280, height=900, dark=False, still=True, within=context):
        page = within.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce" if still else "no-preference")
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(f"{url}/?{query}")
        page.locator(".mv[data-draws]").wait_for()
        pages.append(page)
        return page

    yield start
    for page in pages:
        page.close()
    assert not errors
