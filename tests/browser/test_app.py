"""The app in a real browser, on real runs: what only a browser shows."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from lthviz.store import Store

pytestmark = pytest.mark.browser
PICTURE = "![x](http://elsewhere.invalid/x.png)"
"""In Markdown a picture that is fetched when it is shown."""


def sentence(page: Page):
    return page.locator("p.said")


def button(page: Page, name: str):
    return page.get_by_role("button", name=re.compile(rf"\b{name}\b"))


def press(page: Page, key: str, says: str, *, where: str = "p.said", attribute: str = "") -> None:
    """A key, once the buttons that listen for it are there and the last answer is complete, until the page says so.

    A key that falls between two redraws of its button is lost, as it is for a reader, who then presses it again.
    """
    def answered(timeout: float) -> None:
        shown = expect(page.locator(where))
        shown.to_have_attribute(attribute, re.compile(says), timeout=timeout) if attribute else shown.to_contain_text(says, timeout=timeout)

    for _ in range(3):
        expect(page.locator(".st-key-layer-next button")).to_be_visible()
        expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
        page.keyboard.press(key)
        with contextlib.suppress(AssertionError):
            return answered(15_000)
    answered(1)


def test_a_cold_link_to_the_lab_shows_its_stage_and_layer(page, serve, runs, url):
    run = Store(runs[0]).run(runs[1])
    masks = Store(runs[0]).round(run.id, 1).ticket("refill").masks
    page.goto(f"{url}/lab?run={run.id}&round=1&stage=refill:refill&layer=features.0.weight")
    expect(sentence(page)).to_contain_text(f"Refill kept {int(masks.matrix('features.0.weight').any(1).sum())} of 128 channels in features.0")
    expect(page.locator("canvas.marks")).to_have_attribute("aria-label", re.compile(r"^Mask of features\.0: 128 output channels by 288"))
    expect(page.locator(".js-plotly-plot")).to_be_visible()


def test_a_cold_link_to_masks_shows_its_ticket_and_layer(page, runs, url):
    run = Store(runs[0]).run(runs[1])
    masks = Store(runs[0]).round(run.id, 2).ticket("random").masks
    page.goto(f"{url}/masks?run={run.id}&round=2&ticket=random&layer=features.6.weight&view=diff")
    expect(sentence(page)).to_contain_text(f"Random keeps {masks.nnz():,} of {masks.size():,} weights")
    expect(page.locator("canvas.marks")).to_have_attribute("aria-label", re.compile(r"^Mask of features\.6: .*are added and"))
    expect(page.locator(".mv")).to_have_attribute("data-mode", "diff")


@pytest.mark.parametrize("address", [
    "lab?run={run}&round={evil}", "lab?run={run}&round=1&stage={evil}", "lab?run={run}&layer={evil}", "lab?run={run}&view={evil}",
    "lab?run={evil}", "lab?new={evil}", "lab?new=digits&set={evil}", "lab?new=digits&set=epochs%3D{evil}",
    "masks?run={run}&round=1&ticket={evil}", "masks?run={run}&against={evil}", "masks?run={run}&order={evil}"])
def test_a_picture_in_a_link_is_shown_as_words_and_asks_no_other_host(page, runs, url, address):
    page.goto(f"{url}/{address.format(run=runs[1], evil=quote(PICTURE, safe=''))}")
    expect(page.get_by_text(PICTURE).first).to_be_visible()
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    assert not page.locator("img[src*=elsewhere]").count()


def test_a_picture_in_a_title_an_error_or_a_folder_is_shown_as_words(page, runs, url):
    """As a run from elsewhere may bring it."""
    store = Store(runs[0])
    made = store.begin(store.run(runs[1]).config.replace(seed=41), title=PICTURE)
    store.set_state(made, "failed", f"why: {PICTURE}")
    spoilt = store.root / "![y](elsewhere)"
    spoilt.mkdir()
    (spoilt / "config.json").write_text(json.dumps({"format": 1, "id": spoilt.name, "created": 1, "config": {PICTURE: 1}}))
    try:
        page.goto(url)
        expect(page.locator(f".st-key-run-{made} strong", has_text=PICTURE)).to_be_visible()
        expect(page.get_by_text(f"'{spoilt.name}' cannot be read")).to_contain_text(f"'{PICTURE}' is not a setting")
        page.goto(f"{url}/lab?run={made}")
        expect(page.get_by_role("heading", name=PICTURE)).to_be_visible()
        expect(page.get_by_text("The run failed: why: ")).to_contain_text(PICTURE)
        assert not page.locator("img[src*=elsewhere]").count()
    finally:
        store.delete(made)
        shutil.rmtree(spoilt)


def test_keys_step_and_the_address_keeps_up(page, runs, url):
    page.goto(f"{url}/lab?run={runs[1]}&round=1&stage=refill:refill")
    expect(sentence(page)).to_contain_text("Refill kept")
    press(page, "ArrowRight", "Regroup ")
    press(page, "ArrowLeft", "Refill kept")
    press(page, "ArrowLeft", "Pruned 20")
    assert "stage=prune%3Aunstructured" in page.url
    press(page, "End", "Trained Random")
    press(page, "Home", "Trained the dense network")
    press(page, "j", r"^Mask of features\.6", where="canvas.marks", attribute="aria-label")
    page.reload()
    expect(sentence(page)).to_contain_text("Trained the dense network")
    expect(page.locator("canvas.marks")).to_have_attribute("aria-label", re.compile(r"^Mask of features\.6"))


def test_a_click_on_a_point_goes_to_its_ticket(page, runs, url):
    page.goto(f"{url}/lab?run={runs[1]}&round=1&stage=refill:refill")
    lines = page.locator(".js-plotly-plot .scatterlayer .trace").filter(has=page.locator(".points path"))
    box = lines.nth(1).locator(".points path").nth(1).bounding_box()      # the second structure's second round
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(sentence(page)).to_contain_text("Trained Refill")
    assert "round=2" in page.url and "stage=train%3Arefill" in page.url


def test_a_choice_in_the_mask_view_is_in_the_address(page, runs, url):
    page.goto(f"{url}/lab?run={runs[1]}&round=1&stage=refill:refill")
    page.get_by_role("button", name="Difference").click()
    page.wait_for_url(re.compile("view=diff"))
    page.reload()
    expect(page.locator(".mv")).to_have_attribute("data-mode", "diff")


def test_a_whole_run_by_clicks_reloaded_in_the_middle(page, runs, url):
    page.goto(url)
    page.get_by_role("link", name="Set up another study").click()
    for label, value in (("Rounds", "2"), ("Train images", "160")):
        page.get_by_label(label, exact=True).first.fill(value)
        page.get_by_label(label, exact=True).first.press("Enter")
    page.get_by_text("Training", exact=True).click()
    page.get_by_label("Epochs", exact=True).first.fill("60")
    page.get_by_label("Epochs", exact=True).first.press("Enter")
    expect(page.locator("code", has_text="python -m lthviz")).to_contain_text("--set rounds=2 --set epochs=60 --set train_images=160")
    button(page, "Start").first.click()
    page.wait_for_url(re.compile(r"/lab\?run=convnet-digits-"))
    run_id = re.search(r"run=([\w-]+)", page.url)[1]
    expect(page.get_by_text(re.compile(r"Round 1 of 2: training", re.IGNORECASE))).to_be_visible()
    page.reload()
    assert run_id in page.url
    expect(button(page, "Pause training")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Finished: the dense network and 2 pruning rounds, 9 tickets trained"))).to_be_visible()
    expect(sentence(page), page.url).to_contain_text("Trained Random")          # it was followed to its last stage
    store = Store(runs[0])
    assert store.status(run_id).state == "finished"
    assert (store.run(run_id).config.rounds, store.run(run_id).config.epochs) == (2, 60)
    page.get_by_role("link", name="Masks").click()
    expect(sentence(page)).to_contain_text("weights went")


def test_step_play_pause_cancel_and_resume(page, runs, url):
    page.goto(f"{url}/lab?new=digits&set=rounds%3D3&set=epochs%3D4&set=threads%3D1&set=train_images%3D170")
    page.get_by_text("Wait before the first stage").click()
    button(page, "Start").first.click()
    page.wait_for_url(re.compile(r"/lab\?run="))
    run_id = re.search(r"run=([\w-]+)", page.url)[1]
    store = Store(runs[0])
    expect(button(page, "Go on training")).to_be_visible()
    button(page, "Train one stage").click()
    expect(sentence(page)).to_contain_text("Trained the dense network")
    expect(button(page, "Go on training")).to_be_visible()
    assert [e["kind"] for e in store.events(run_id)[0] if e["event"] == "stage"] == ["train"]
    button(page, "Train one stage").click()
    expect(sentence(page)).to_contain_text("Pruned 20")
    expect(button(page, "Go on training")).to_be_visible()
    press(page, "ArrowLeft", "Trained the dense network")                                     # looking back lets go of the run
    follow = page.get_by_role("switch", name="Follow the run")
    expect(follow).to_have_count(1)
    expect(follow).not_to_be_checked()
    button(page, "Go on training").click()
    button(page, "Pause training").click()
    expect(page.get_by_text(re.compile("^Paused. Next: "))).to_be_visible()
    expect(sentence(page)).to_contain_text("Trained the dense network")
    page.get_by_text("Follow the run").click()
    expect(sentence(page)).not_to_contain_text("Trained the dense network")
    button(page, "Cancel the run").click()
    expect(page.get_by_text(re.compile("^Cancelled. What it had finished"))).to_be_visible()
    assert store.status(run_id).state == "cancelled" and 0 in store.run(run_id).rounds
    button(page, "Resume").click()
    expect(page.get_by_text(re.compile(r"Finished: the dense network and 3 pruning rounds"))).to_be_visible()
