"""Which value is shown when the page hands one in: late, by undo, of another layer."""

import pytest
from playwright.sync_api import expect

from tests.tuned import example, follows, value

pytestmark = pytest.mark.browser
LONG = """e => { window.values = []; new MutationObserver(() => { if (values.at(-1) !== e.dataset.value) values.push(e.dataset.value); })
    .observe(e, { attributes: true, attributeFilter: ["data-value"] }); }"""


def test_a_value_that_comes_back_late_moves_nothing_and_another_one_does(show):
    """The script here hands in again what was reported one step ago; Undo hands in the first value anew."""
    page = show("adopt=1&late=1")
    page.locator(".tv").evaluate(LONG)
    told = page.get_by_text("settled:")
    for n, v in enumerate(("2", "3", "4"), 1):
        page.get_by_label("t1, exactly").fill(v)
        page.get_by_label("t1, exactly").press("Enter")
        expect(told).to_contain_text(f"{{'t1': {v}}}, told {n}")
        page.wait_for_timeout(150)
    assert page.evaluate("values") == ["2", "3", "4"]
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Other layer").click()                                        # another run of the page, which is late no more
    page.get_by_text("Other layer").click()
    expect(page.locator(".tv")).to_have_attribute("data-value", "1.5")


def test_undo_turns_it_back(show):
    page = show("adopt=1")
    page.get_by_label("t1, exactly").fill("3")
    page.get_by_label("t1, exactly").press("Enter")
    expect(page.get_by_text("settled:")).to_contain_text("shown 3")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tv")).to_have_attribute("data-value", "1.5")
    follows(page, *example(t1=1.5))
    expect(page.get_by_text("settled:")).to_contain_text("told 1")


def test_another_layer_starts_from_what_the_page_says(show):
    page = show("")                                                                # a page that adopts nothing
    page.get_by_label("t1, exactly").fill("3")
    page.get_by_label("t1, exactly").press("Enter")
    expect(page.get_by_text("settled:")).to_contain_text("{'t1': 3}, told 1, shown 1.5")
    assert value(page) == 3
    page.get_by_text("Other layer").click()
    expect(page.get_by_text("settled:")).to_contain_text("settled: None")
    expect(page.locator(".tv")).to_have_attribute("data-value", "1.5")
