"""Exchange in a real browser: a network that torch pruned goes in, is looked at, and comes out bit for bit; a packed run; keys; what each state looks like to axe-core."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from lthviz.store import Store
from tests.exchange.intake.networks import masks_of, network, pruned, saved
from tests.shipped import EXAMPLES, FIRST

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("exchange")
    return Store(folder / "runs", folder / "none")


@pytest.fixture(scope="module")
def url(serve, store) -> str:
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(store.root), "LTHVIZ_EXAMPLES": str(store.root / "none")})


def settled(page: Page) -> None:
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()


def choose(page: Page, path: Path) -> None:
    expect(page.locator("[data-testid=stFileUploaderDropzone]").first).to_be_visible()
    settled(page)
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.get_by_role("button", name="Look into it")).to_be_enabled()


def serious(page: Page) -> list[Any]:
    return [(v["id"], [n["html"][:160] for n in v["nodes"]]) for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]


def test_a_network_pruned_by_torch_goes_in_is_looked_at_and_comes_out(page, store, url, tmp_path):
    net = pruned(network())
    masks = {n: m.numpy() for n, m in masks_of(net).items()}
    page.goto(f"{url}/exchange?do=in")
    choose(page, saved(tmp_path / "pruned by torch.pt", net.state_dict()))
    page.get_by_role("combobox", name=re.compile("Images")).click()
    page.get_by_role("option", name="digits").click()
    settled(page)
    look = page.get_by_role("button", name="Look into it")
    look.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".at-work")).to_contain_text("Looking into pruned by torch.pt")
    assert not serious(page), "while a child is at work"
    found = page.locator("p.said").nth(1)
    expect(found).to_contain_text("pruned by torch.pt is a convnet for digits")
    table = page.locator("table[aria-label*='tensors of the network']")
    expect(table.locator("tbody tr")).to_have_count(len(masks))
    for name, mask in masks.items():
        expect(table.locator("tr", has_text=name).locator("td").last).to_have_text(f"{100 * mask.mean():.1f}")
    settled(page)
    assert not serious(page), "what was found"
    page.get_by_role("button", name="Take it in").click()
    taken = page.locator(".st-key-in-taken")
    expect(taken).to_be_visible()
    assert not serious(page), "what was taken in"
    (run_id,) = store.runs()
    taken.get_by_role("link", name="Masks").click()
    page.wait_for_url(re.compile(rf"/masks\?run={run_id}"))
    kept = sum(int(m.sum()) for m in masks.values())
    expect(page.locator("p.said").first).to_contain_text(f"keeps {kept:,} of {sum(m.size for m in masks.values()):,} weights")
    expect(page.locator("canvas.marks")).to_be_visible()
    page.get_by_role("link", name="Other forms").click()
    page.wait_for_url(re.compile("do=out"))
    row = page.locator(".st-key-form-masks-npz")
    row.get_by_role("button", name="Make").click()
    expect(row.get_by_role("button", name="Download")).to_be_visible()
    page.wait_for_url(re.compile("format=masks-npz"))
    expect(page.locator("pre.command")).to_contain_text(f"lthviz export {run_id} --round 1 --structure unstructured --format masks-npz")
    settled(page)
    with page.expect_download() as download:
        row.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == f"lthviz-{run_id}-round1-unstructured-masks-npz.npz"
    with np.load(io.BytesIO(Path(download.value.path()).read_bytes())) as f:
        assert {n: f[n].tobytes() for n in masks} == {n: m.tobytes() for n, m in masks.items()}


def test_what_is_refused_is_said_and_the_file_stays(page, store, url, tmp_path):
    before, bad = store.runs(), tmp_path / "half.pt"
    whole = saved(tmp_path / "whole.pt", network().state_dict())
    bad.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    page.goto(f"{url}/exchange?do=in")
    choose(page, bad)
    page.get_by_role("button", name="Look into it").click()
    expect(page.get_by_role("alert")).to_contain_text("half.pt is a zip archive that is cut short or damaged; copy or save it again. Nothing was taken in.")
    settled(page)
    assert not serious(page) and store.runs() == before
    expect(page.locator("[data-testid=stFileUploader]").first).to_contain_text("half.pt")
    expect(page.get_by_role("button", name="Look into it")).to_be_enabled()


def test_a_packed_run_is_taken_in_once(page, store, url, tmp_path):
    good = Store(tmp_path / "own", EXAMPLES).pack(FIRST, tmp_path / "from a colleague.h5")
    for says in (f"Run {FIRST} was taken in from from a colleague.h5.", f"Run {FIRST} is here already, and is the same"):
        page.goto(f"{url}/exchange?do=in")
        choose(page, good)
        page.get_by_role("button", name="Look into it").click()
        page.get_by_role("button", name="Take it in").click()
        expect(page.locator("p.said").nth(1)).to_contain_text(says)
    assert store.about(FIRST).source == "from a colleague.h5"
    page.locator(".st-key-in-taken").get_by_role("link", name="Lab").click()
    page.wait_for_url(re.compile(f"run={FIRST}"))
    expect(page.locator("p.said").first).to_be_visible()


@pytest.mark.parametrize("width", [1440, 1240, 1024])
def test_the_menu_stays_in_one_line(page, url, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{url}/exchange")
    links = page.locator(".st-key-menu a")
    expect(links).to_have_count(10)
    settled(page)
    boxes = [links.nth(i).bounding_box() for i in range(10)]
    assert len({round(b["y"]) for b in boxes}) == 1 and boxes[-1]["x"] + boxes[-1]["width"] < width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
