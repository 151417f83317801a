"""Presenter mode, playing and branching as a person does them: by keys and clicks."""

import re
import time

import pytest
from playwright.sync_api import expect

from lthviz.store import Store
from tests.browser.test_app import button, sentence

pytestmark = pytest.mark.browser


def at_rest(page):
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()


def press(page, key, shown):
    """The key, and once more where it was lost: Streamlit binds it anew whenever the button is drawn, and a person presses again."""
    page.keyboard.press(key)
    try:
        expect(shown).to_be_visible(timeout=20_000)
    except AssertionError:
        page.keyboard.press(key)
        expect(shown).to_be_visible()


def test_presenter_mode_by_keys(page, runs, url):
    page.goto(f"{url}/lab?run={runs[1]}&round=1&stage=refill:refill")
    expect(sentence(page)).to_contain_text("Refill kept")
    at_rest(page)
    size = sentence(page).evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    press(page, "p", page.get_by_role("button", name="Leave presenter mode"))
    assert "present=1" in page.url
    expect(page.get_by_role("link", name="Masks")).to_have_count(0)
    expect(button(page, "Branch")).to_have_count(0)
    expect(sentence(page)).to_contain_text("Refill kept")
    assert sentence(page).evaluate("e => parseFloat(getComputedStyle(e).fontSize)") > 1.2 * size
    at_rest(page)
    press(page, "ArrowRight", sentence(page).filter(has_text="Regroup "))
    page.reload()
    expect(sentence(page)).to_contain_text("Regroup ")
    expect(page.get_by_role("link", name="Masks")).to_have_count(0)
    at_rest(page)
    press(page, "Escape", page.get_by_role("link", name="Masks"))
    assert "present" not in page.url
    at_rest(page)
    press(page, "p", page.get_by_role("button", name="Leave presenter mode"))
    expect(page.get_by_role("link", name="Masks")).to_have_count(0)
    at_rest(page)
    press(page, "p", page.get_by_role("link", name="Masks"))
    expect(sentence(page)).to_contain_text("Regroup ")


def test_presenter_mode_leaves_no_control_of_tune_nor_its_room(page, runs, url):
    page.goto(f"{url}/tune?run={runs[1]}&round=1&structure=regroup-groups=2-min_rows=4&present=1")
    view = page.locator(".st-key-tune-view")
    expect(view.locator("canvas.cells")).to_be_visible()
    at_rest(page)
    for part in ("tune-pick", "tune-knobs", "tune-layer"):
        expect(page.locator(f".st-key-{part}")).to_be_hidden()

    def gap() -> float:
        return view.bounding_box()["y"] - sum(sentence(page).bounding_box()[x] for x in ("y", "height"))

    end = time.monotonic() + 60
    while not 0 <= gap() < 48 and time.monotonic() < end:     # a line between them says that rows are being divided, as long as they are
        page.wait_for_timeout(200)
    assert 0 <= gap() < 48, "the picture follows the sentence"


def test_space_plays_the_stages_and_stops(page, runs, url):
    page.goto(f"{url}/lab?run={runs[1]}&round=1&stage=prune:unstructured")
    expect(sentence(page)).to_contain_text("Pruned 20")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect(page.get_by_text("Finished:")).to_be_visible()
    at_rest(page)
    top = page.locator(".said").bounding_box()["y"]
    page.keyboard.press("Space")
    expect(button(page, "Stop playing")).to_be_visible()
    expect(sentence(page)).to_contain_text("Refill kept")
    expect(sentence(page)).to_contain_text("Regroup ")
    assert page.locator(".said").bounding_box()["y"] == pytest.approx(top, abs=1)
    at_rest(page)
    page.keyboard.press("Space")
    expect(button(page, "Play stages")).to_be_visible()
    at_rest(page)
    there = page.url
    page.wait_for_timeout(3000)
    assert page.url == there
    button(page, "Play stages").focus()
    page.keyboard.press("Space")    # a press on the button itself counts once
    expect(button(page, "Stop playing")).to_be_visible()
    page.wait_for_url(lambda u: u != there)


def test_nothing_jumps_from_stage_to_stage(page, runs, url):
    page.goto(f"{url}/lab?run={runs[1]}&round=1&stage=prune:unstructured")
    expect(sentence(page)).to_contain_text("Pruned 20")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    tops = {}
    for says in ("Pruned 20", "Refill kept", "Regroup ", "Random ", "Rewound", "Trained Unstructured", "Trained Refill", "Trained Regroup", "Trained Random"):
        if tops:
            at_rest(page)
            page.keyboard.press("ArrowRight")
        expect(sentence(page)).to_contain_text(says)
        at_rest(page)
        tops[says] = [round(page.locator(part).first.bounding_box()["y"]) for part in (".said", ".st-key-layer-row", "canvas.marks", ".js-plotly-plot")]
    assert set(map(tuple, tops.values())) == {tuple(tops["Pruned 20"])}, tops


def test_a_branch_by_clicks(page, runs, url):
    page.goto(f"{url}/lab?run={runs[1]}&round=2&stage=prune:unstructured")
    expect(sentence(page)).to_contain_text("Pruned 20")
    button(page, "Branch").click()
    page.wait_for_url(re.compile("branch=2"))
    expect(page.get_by_role("heading", name="Branch from round 2")).to_be_visible()
    expect(page.get_by_text("nothing is left to train")).to_be_visible()
    page.get_by_role("button", name="Re-initialised").click()
    expect(page.get_by_text("1 training to do")).to_be_visible()
    page.reload()
    expect(page.get_by_text("1 training to do")).to_be_visible()
    button(page, "Branch").first.click()
    page.wait_for_url(lambda u: runs[1] not in u and "run=" in u)
    made = re.search(r"run=([\w-]+)", page.url)[1]
    expect(page.get_by_text("Branch from round 2 of")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Finished: the dense network and 2 pruning rounds, 1 ticket of them trained here in .*, 9 taken over"))).to_be_visible()
    store = Store(runs[0])
    assert store.run(made).parent == runs[1] and store.children(runs[1]) == [made]
    page.goto(f"{url}/lab?run={runs[1]}")
    page.get_by_role("button", name=re.compile("round 2: ")).click()
    page.wait_for_url(re.compile(made))
    store.delete(made)
