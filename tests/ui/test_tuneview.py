"""The live view of Tune in a real browser, against core.regroup and core.refill: what it cuts, draws, counts, says and reports."""

import base64
import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import expect

from lthviz.config import Refill, Regroup
from lthviz.core.partition import Partition
from lthviz.core.refill import channels, magnitude_scores, refill
from lthviz.core.regroup import cut, parts, regroup
from lthviz.errors import MaskError
from lthviz.figures import mask_text
from lthviz.records import Layer, Masks
from lthviz.ui import maskview, tuneview

NAME = "net.0.weight"
PLANT = '''
import numpy as np
from lthviz.records import Layer

def plant(shape, density=0.2, groups=4, seed=0):
    """A mask whose rows belong to groups that like the same columns, its trained weights, and the group of each row."""
    rng = np.random.default_rng(seed)
    C, n = shape[0], int(np.prod(shape[1:]))
    owner, liked = rng.integers(0, groups, C), rng.random((groups, n)) ** 3
    weights = rng.standard_normal((C, n)).astype(np.float32) * (0.1 + liked[owner])
    before = np.abs(weights) > np.quantile(np.abs(weights), 1 - density)
    owner = np.where(before.any(1), owner, -1).astype(np.int32)
    return before, weights.astype(np.float32), owner, Layer("net.0.weight", shape, (4, 4))
'''
space: dict = {}
exec(PLANT, space)
plant = space["plant"]
pytestmark = pytest.mark.browser

# Reads every number that the component would show: codes of all cells from line(), and from count() in pixels of several sizes.
ORACLE = """
window.bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const text = array => { let s = ""; for (let i = 0; i < array.length; i += 8192) s += String.fromCharCode(...array.subarray(i, i + 8192)); return btoa(s); };
window.open_layer = data => { window.layer = readLive(...readHead(bytes(data))); };
window.look = (value, pixels) => {
  layer.set(value);
  const { R, C } = layer, out = { counts: layer.counts, figures: layer.figures, cuts: layer.parts?.map(p => p.cut), full: layer.full, rest: layer.rest,
    guessed: !!layer.guessed, spoken: spokenWords(layer), codes: {}, sums: {}, rows: Array.from(layer.rows) };
  for (const name of ["original", "grouped"]) {
    const order = layer.orders[name], all = new Uint8Array(R * C), line = new Uint8Array(C);
    for (let i = 0; i < R; i++) { order.line(i, 0, C, line); all.set(line, i * C); }
    out.codes[name] = text(all);
    out.sums[name] = pixels.map(([w, h]) => {
      const perX = C / w, perY = R / h, cols = edges(w, 0, perX, C), rows = edges(h, 0, perY, R), counts = new Int32Array(w), flat = [];
      for (let y = 0; y < h; y++) {
        order.count(rows[y], perY > 1 ? rows[y + 1] : rows[y] + 1, cols, perX > 1, counts);
        flat.push(...counts);
      }
      return flat;
    });
  }
  const natural = new Uint8Array(R * C), blocks = new Int16Array(R * C);
  for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) { natural[r * C + c] = layer.codeAt(r, c); blocks[r * C + c] = layer.blockAt(r, c); }
  return { ...out, natural: text(natural), blocks: text(new Uint8Array(blocks.buffer)), boxes: layer.orders.grouped.boxesOf() };
};
Object.assign(window, { whyWords, cutOf, channelsOf, rhoFor, fraction, stepped, nearest, KINDS });
"""


@pytest.fixture(scope="module")
def lab(browser):
    """A blank page that holds the component's functions."""
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda e: errors.append(str(e)))
    code = maskview.joined(*maskview.PARTS, *tuneview.PARTS).replace("export default", "window.mount =") + ORACLE
    page.add_script_tag(content=code, type="module")
    page.wait_for_function("!!window.look")
    yield page
    page.close()
    assert not errors


def bits(text, shape, dtype=np.uint8):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def found(before, owner, groups=None):
    return parts(before, Partition(owner, "none", 0))


def put(lab, before, structure, layer, **more):
    lab.evaluate("data => open_layer(data)", base64.b64encode(tuneview.payload(before, structure, layer=layer, **more)).decode())


def summed(codes, rows, cols):
    """Counts of the pixels between these edges, packed as the component packs them, by plain loops."""
    out = []
    for y0, y1 in pairwise(rows):
        for x0, x1 in pairwise(cols):
            n = np.bincount(codes[y0:y1, x0:x1].ravel(), minlength=4)
            out.append(int(np.int32(n[1] + (n[2] << 10) + (n[3] << 20))))
    return out


def same(lab, value, before, made, layer, weights, grouped_cols=None):
    """The browser's layer at this value is the structure that Python made, in every number."""
    R, C = before.shape
    after, codes = made.masks.matrix(NAME), made.masks.matrix(NAME) + 2 * before
    pixels = [(max(1, C // 6), max(1, R // 3)), (max(1, C // 8), R), (C, max(1, R // 8))]
    seen = lab.evaluate("([value, pixels]) => look(value, pixels)", [value, pixels])
    assert np.array_equal(bits(seen["natural"], (R, C)), codes)
    assert np.array_equal(bits(seen["codes"]["original"], (R, C)), codes)
    assert seen["counts"] == np.bincount(codes.ravel(), minlength=4).tolist()
    rows = np.array(seen["rows"])
    assert sorted(rows) == list(range(R))
    grouped = codes[rows] if grouped_cols is None else np.stack([codes[r][grouped_cols(r)] for r in rows])
    assert np.array_equal(bits(seen["codes"]["grouped"], (R, C)), grouped)
    for name, own in (("original", codes), ("grouped", grouped)):
        for (w, h), sums in zip(pixels, seen["sums"][name], strict=True):
            edges = [[i * size // n for i in range(n + 1)] for n, size in ((h, R), (w, C))]
            assert sums == summed(own, *edges)
    blocks = made.blocks.get(NAME)
    owner, areas = bits(seen["blocks"], (R, C), np.int16), []
    for b in range(len(blocks) if blocks else 0):
        inside = np.zeros((R, C), bool)
        inside[np.ix_(blocks.rows[b], blocks.cols[b])] = True
        assert len(np.unique(owner[inside])) == 1 and (owner[~inside] != owner[inside][0]).all() and owner[inside][0] >= 0
        areas.append(int(inside.sum()))
    assert ((owner >= 0).sum(), seen["figures"]["blocks"]) == (sum(areas), len(areas))
    figures = seen["figures"]
    assert figures["kept"] == after.sum() and figures["density"] == pytest.approx(after.mean())
    assert figures["coverage"] == pytest.approx(sum(areas) / after.sum() if after.any() else 0)
    all_kept = np.abs(weights[before]).sum(dtype=np.float64)
    if all_kept:
        assert figures["magnitude"] == pytest.approx(np.abs(weights[before & after]).sum(dtype=np.float64) / all_kept, abs=2e-5)
    assert seen["spoken"].startswith(mask_text(after, before, layer))
    return seen


T1S = (1e-3, 0.3, 1.0, 1.5, 7 / 3, 9.9, 40.0, 999.9)
REGROUPS = {
    "usual": ((76, 9, 3, 3), 0.2, 4, Regroup(min_rows=12)),
    "short tiles": ((60, 8, 3, 3), 0.2, 4, Regroup(tile_rows=7, min_rows=3)),
    "leftovers drop": ((60, 8, 3, 3), 0.2, 4, Regroup(min_rows=15)),
    "leftovers keep": ((60, 8, 3, 3), 0.2, 4, Regroup(min_rows=15, leftovers="keep")),
    "no block": ((60, 8, 3, 3), 0.2, 4, Regroup(min_rows=60)),
    "one part": ((40, 30), 0.5, 1, Regroup(groups=1)),
    "a 1×1 kernel": ((50, 33, 1, 1), 0.1, 3, Regroup(min_rows=2)),
    "one channel": ((1, 5, 3, 3), 0.4, 1, Regroup(groups=1, min_rows=0)),
    "one channel that makes no block": ((1, 5, 3, 3), 0.4, 1, Regroup(groups=1)),
    "every row a part": ((9, 40), 0.3, 64, Regroup(min_rows=0)),
    "very sparse": ((64, 8, 3, 3), 0.01, 4, Regroup(min_rows=3)),
    "full": ((40, 8, 3, 3), 1.0, 2, Regroup()),
}


@pytest.mark.parametrize("case", REGROUPS)
def test_regroup_in_the_browser_is_regroup(lab, case):
    shape, density, groups, settings = REGROUPS[case]
    before, weights, owner, layer = plant(shape, density, groups)
    partition = Partition(owner, "none", 0)
    mine, masks = found(before, owner), Masks.of({NAME: before.reshape(shape)})
    put(lab, before, settings, layer, parts=mine, magnitude=weights)
    order_of = {int(r): p.order for p in mine for r in p.rows}
    widths = set()
    for t1 in (*T1S, 1.5, 0.3):                                       # back as well as on
        made = regroup(masks, dataclasses.replace(settings, t1=t1), partitions={NAME: partition}, parts_by_layer={NAME: mine})
        seen = same(lab, t1, before, made, layer, weights, lambda r: order_of.get(int(r), np.arange(before.shape[1])))
        widths.add(tuple(seen["cuts"]))
        assert sorted(seen["cuts"]) == sorted(cut(p, t1) for p in mine)
        if not made.notes[NAME]["fallback"]:
            assert all(seen["boxes"]) and all((b["j0"], b["j1"]) == (0, len(c)) for b, c in zip(seen["boxes"], made.blocks[NAME].cols, strict=True))
    assert len(widths) > 3 or case in ("one channel", "one channel that makes no block", "very sparse", "full")


def test_a_layer_with_nothing_kept_has_nothing_to_cut(lab):
    layer, before = Layer(NAME, (20, 12), (4, 4)), np.zeros((20, 12), bool)
    owner = np.full(20, -1, np.int32)
    masks = Masks.of({NAME: before})
    put(lab, before, Regroup(), layer, parts=found(before, owner), magnitude=np.zeros((20, 12)))
    made = regroup(masks, Regroup(), partitions={NAME: Partition(owner, "none", 0)})
    assert same(lab, 1.5, before, made, layer, np.zeros((20, 12)))["figures"]["magnitude"] is None
    assert "Empty: no weight" in lab.evaluate("whyWords(layer, undefined, 1.5)")


RHOS = (0.0, 0.001, 0.1, 0.1 + 0.2, 1 / 3, 0.617, 0.999, 1.0)
REFILLS = {"usual": ((40, 8, 3, 3), 0.2), "a 1×1 kernel": ((50, 33, 1, 1), 0.1), "one channel": ((1, 5, 3, 3), 0.4), "full": ((12, 20), 1.0),
           "very sparse": ((40, 30), 0.005), "nothing kept": ((20, 12), 0.0)}


@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("case", REFILLS)
def test_refill_in_the_browser_is_refill(lab, case, fractional):
    shape, density = REFILLS[case]
    before, weights, _, layer = plant(shape, density)
    if not density:
        before[:] = False
    masks, by = Masks.of({NAME: before.reshape(shape)}), {NAME: weights.reshape(shape)}
    scores = magnitude_scores(masks, by)
    put(lab, before, Refill(fractional=fractional), layer, scores=scores[NAME], magnitude=weights)
    for rho in (*RHOS, 0.1, 0.0):
        made = refill(masks, scores, rho=rho, fractional=fractional, weights=by)
        seen = same(lab, rho, before, made, layer, weights)
        assert seen["full"] + (seen["rest"] > 0) == made.notes[NAME]["kept"] and seen["rest"] == made.notes[NAME].get("partial", 0)
        assert not seen["guessed"]


def test_equal_scores_leave_the_lower_channel_first(lab):
    before = np.tile(np.arange(12) < 5, (10, 1))
    layer, masks = Layer(NAME, (10, 12), (1, 1)), Masks.of({NAME: before})
    scores = {NAME: np.array([2, 1, 2, 1, 1, 3, 3, 1, 2, 1.0])}
    put(lab, before, Refill(), layer, scores=scores[NAME], magnitude=before.astype(float))
    for rho in (0, 0.1, 0.35, 0.8):
        same(lab, rho, before, refill(masks, scores, rho=rho), layer, before.astype(float))


def test_the_cut_compares_in_float64_as_numpy_does(lab):
    """t1·L(i) just at i: values of t1 beside every quotient i/L(i) of a part."""
    before, _, owner, _ = plant((40, 10, 3, 3), 0.2, 2)
    part = found(before, owner)[0]
    i = np.flatnonzero(part.left) + 1
    near = [float(v) for q in i / part.left[i - 1] for v in (np.nextafter(q, 0), q, np.nextafter(q, 9e9))]
    told = lab.evaluate("([left, values]) => values.map(t1 => cutOf(Int32Array.from(left), t1))", [part.left.tolist(), near])
    assert told == [cut(part, t1) for t1 in near]


def test_the_budget_takes_the_decimal_that_was_meant(lab):
    """Every thousandth, sums of decimals, floats beside them, and awkward ones, for layers whose budgets are often whole."""
    rng = np.random.default_rng(0)
    values = [k / 1000 for k in range(1001)] + [0.1 + 0.2, 0.7 + 0.1, 1 / 3, 2 / 7, 1e-9, 4e-10, 6e-10, 1e-300, 0.1234567891234, np.nextafter(1, 0)]
    values += [float(v) for v in rng.random(500)] + [float(np.nextafter(k / 100, s)) for k in range(1, 100) for s in (0, 1)]
    for nnz, shape in ((0, (10, 10)), (250, (50, 25)), (1217, (64, 90)), (90, (1, 90)), (100, (10, 10))):
        told = lab.evaluate("([nnz, R, C, values]) => values.map(v => channelsOf(nnz, R, C, v, false).full)", [nnz, *shape, values])
        assert told == [channels(nnz, shape, v) for v in values]


def test_rho_of_a_mark_keeps_so_many_channels_in_few_decimals(lab):
    for nnz, (R, n) in ((1217, (64, 90)), (25, (10, 10)), (0, (7, 5)), (2_000_000, (2048, 4608))):
        least = channels(nnz, (R, n))
        wanted = [*range(1, R + 1, max(1, R // 200)), R]
        for K, rho in zip(wanted, lab.evaluate("([nnz, R, C, all]) => all.map(K => rhoFor(K, nnz, R, C))", [nnz, R, n, wanted]), strict=True):
            assert channels(nnz, (R, n), rho) == max(K, least) and len(repr(rho)) <= 8


def test_steps_reach_every_value_and_stop_at_the_ends(lab):
    for kind, low, high in (("regroup", 0.01, 980), ("refill", 0, 1)):
        up = lab.evaluate("kind => { let v = KINDS[kind].values[0]; const all = [v]; while (stepped(KINDS[kind], v, 1) !== v) all.push(v = stepped(KINDS[kind], v, 1)); return all; }", kind)
        assert (up[0], up[-1]) == (low, high) and up == sorted(set(up)) and all(len(repr(v)) <= 6 for v in up)
        assert lab.evaluate("([kind, all]) => all.map(v => stepped(KINDS[kind], v, -1))", [kind, up]) == [up[0], *up[:-1]]
    assert lab.evaluate("[stepped(KINDS.regroup, 1.52, 1), stepped(KINDS.regroup, 1.52, -1), stepped(KINDS.regroup, 0.004, 1), stepped(KINDS.regroup, 0.004, -1)]") == [1.55, 1.5, 0.01, 0.004]


# In Streamlit ----------------------------------------------------------------------------------------------------------

SCRIPT = PLANT + '''
import dataclasses

import streamlit as st
from lthviz.config import Refill, Regroup
from lthviz.core.partition import Partition
from lthviz.core.regroup import parts
from lthviz.ui.tuneview import tune_view

st.set_page_config(layout="wide")
ask, state = st.query_params, st.session_state
other = int(st.toggle("Other layer"))
before, weights, owner, layer = plant((60, 256 if "wide" in ask else 10, 3, 3), seed=other)
layer = dataclasses.replace(layer, name=f"net.{other}.weight")
kind = ask.get("kind", "regroup")
name = {"regroup": "t1", "refill": "rho"}[kind]
state.setdefault("value", float(ask.get("value", {"t1": 1.5, "rho": 0.1}[name])))
state.setdefault("told", 0)

def heard():
    state.told += 1
    if "adopt" in ask:
        state.value = state.tune.settle[name]

if st.button("Undo"):
    state.value = {"t1": 1.5, "rho": 0.1}[name]
shown = state.get("was", state.value) if "late" in ask else state.value
state.was = state.value
if kind == "regroup":
    structure = Regroup(t1=shown, min_rows=int(ask.get("min", 5)))
    got = tune_view(before, structure, key="tune", layer=layer, order=ask.get("order", "grouped"), mode=ask.get("mode", "diff"), parts=parts(before, Partition(owner, "none", 0)), magnitude=weights, on_settle_change=heard)
else:
    got = tune_view(before, Refill(rho=shown), key="tune", layer=layer, order=ask.get("order", "grouped"), mode=ask.get("mode", "diff"), scores=(abs(weights) * before).sum(1), on_settle_change=heard, height=300)
st.text(f"settled: {got!r}, told {state.told}, shown {shown}")
'''
LONG = """e => { window.values = []; new MutationObserver(() => { if (values.at(-1) !== e.dataset.value) values.push(e.dataset.value); })
    .observe(e, { attributes: true, attributeFilter: ["data-value"] }); }"""


@pytest.fixture(scope="module")
def url(serve):
    return serve(SCRIPT)


@pytest.fixture(scope="module")
def context(browser):
    with browser.new_context(has_touch=True) as context:
        yield context


@pytest.fixture
def show(context, url):
    """`show("kind=refill", width=1280, dark=False)`: a page with the view drawn; an error in its console fails the test."""
    pages, errors = [], []

    def start(query="", *, width=1280, dark=False):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 1300 if width < 500 else 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(f"{url}/?{query}")
        page.locator(".tv[data-draws]").wait_for()
        pages.append(page)
        return page

    yield start
    for page in pages:
        page.close()
    assert not errors


def example(t1=None, rho=None, min_rows=5):
    """What Python makes of the page's layer."""
    before, weights, owner, layer = plant((60, 10, 3, 3))
    masks = Masks.of({NAME: before.reshape(layer.shape)})
    if rho is not None:
        return before, refill(masks, {NAME: (np.abs(weights) * before).sum(1)}, rho=rho).masks.matrix(NAME)
    return before, regroup(masks, Regroup(t1=t1, min_rows=min_rows), partitions={NAME: Partition(owner, "none", 0)}).masks.matrix(NAME)


def value(page):
    return float(page.locator(".tv").get_attribute("data-value"))


def follows(page, before, after):
    """Legend and numbers are those of the masks."""
    for state, n in (("kept", before & after), ("added", after & ~before), ("removed", before & ~after), ("never", ~before & ~after)):
        expect(page.locator(f".legend [data-state={state}]")).to_have_attribute("data-count", str(n.sum()))
    expect(page.locator("[data-figure=kept] dd").first).to_have_text(f"{after.sum():,}")
    expect(page.locator("[data-figure=density] dd").first).to_have_text(f"{100 * after.mean():.1f} %")


def middle(page, across, up):
    box = page.locator(".plot").bounding_box()
    return box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"]


@pytest.mark.parametrize("kind", ["regroup", "refill"])
def test_dragging_turns_the_mask_at_once_and_python_hears_once(show, kind):
    page = show(f"kind={kind}&adopt=1")
    start, told = value(page), page.get_by_text("settled:")
    page.mouse.move(*middle(page, 0.4, 0.5))
    page.mouse.down()
    seen = set()
    for k in range(1, 8):
        page.mouse.move(*middle(page, 0.4 + 0.05 * k, 0.5))
        page.wait_for_timeout(40)
        now = value(page)
        seen.add(now)
        follows(page, *example(**{"t1" if kind == "regroup" else "rho": now}))
    assert len(seen) >= 6 and start not in seen and all(len(repr(v)) <= 6 for v in seen)
    expect(told).to_have_text(f"settled: None, told 0, shown {start}")             # nothing yet: the reader has not let go
    page.mouse.up()
    name = {"regroup": "t1", "refill": "rho"}[kind]
    expect(told).to_have_text(f"settled: {{{name!r}: {value(page)}}}, told 1, shown {value(page)}")
    page.wait_for_timeout(400)
    expect(told).to_contain_text("told 1,")
    expect(page.locator("[data-figure=kept] .was")).to_have_text(f"was {example(**{name: start})[1].sum():,}")
    page.get_by_role("button", name=f"Back to {start}").click()
    expect(told).to_contain_text(f"{{{name!r}: {start}}}, told 2")
    follows(page, *example(**{name: start}))


@pytest.mark.parametrize("mode", ["diff", "pair"])
@pytest.mark.parametrize("order", ["grouped", "original"])
@pytest.mark.parametrize("kind", ["regroup", "refill"])
def test_after_a_drag_every_pixel_is_as_if_drawn_afresh(show, kind, order, mode):
    """2,304 columns on about 900 pixels: a pixel shows several weights, and a redraw leaves alone what did not change."""
    page, query = show(f"kind={kind}&order={order}&mode={mode}&wide=1"), f"kind={kind}&order={order}&mode={mode}&wide=1"
    data = """c => { const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, all = [];
        for (let i = 0; i < d.length; i += 8192) all.push(String.fromCharCode(...d.subarray(i, i + 8192))); return btoa(all.join("")); }"""
    page.mouse.move(*middle(page, 0.4, 0.5))
    page.mouse.down()
    for across in (0.6, 0.8, 0.3, 0.5):
        page.mouse.move(*middle(page, across, 0.5), steps=3)
        page.wait_for_timeout(40)
    page.mouse.up()
    page.mouse.move(5, 5)
    page.wait_for_timeout(100)
    dragged, afresh = page.locator("canvas.cells"), show(f"{query}&value={value(page)}").locator("canvas.cells")
    assert value(page) not in (1.5, 0.1)
    assert dragged.evaluate(data) == afresh.evaluate(data)


def test_keys_turn_the_line_and_python_hears_after_a_pause(show):
    page = show("adopt=1")
    grip, told = page.get_by_role("slider", name="t1, the line i/t1"), page.get_by_text("settled:")
    grip.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    expect(told).to_have_text("settled: {'t1': 1.6}, told 1, shown 1.6")
    follows(page, *example(t1=1.6))
    assert grip.get_attribute("aria-valuenow") == "1.6" and re.fullmatch(r"t1 1.6: \d+ columns", grip.get_attribute("aria-valuetext"))
    page.keyboard.press("End")
    expect(told).to_contain_text("{'t1': 980}, told 2")
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    expect(told).to_contain_text("{'t1': 0.0175}, told 3")


def test_a_key_moves_the_mark_by_a_channel(show):
    page = show("kind=refill")
    page.get_by_role("slider", name="ρ, the channels that stay whole").focus()
    before, _ = example(rho=0.1)
    K = channels(int(before.sum()), before.shape, 0.1)
    for k, key in ((K + 1, "ArrowRight"), (K + 2, "ArrowUp"), (K + 1, "ArrowLeft"), (K, "ArrowDown"), (K + 10, "Shift+ArrowRight")):
        page.keyboard.press(key)
        expect(page.locator(".count")).to_have_text(f"{k} of 60 channels")
        follows(page, *example(rho=value(page)))


def test_slider_and_number_do_the_same(show):
    page = show("adopt=1")
    told, exact = page.get_by_text("settled:"), page.get_by_label("t1, exactly")
    page.locator(".slide").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(told).to_contain_text("{'t1': 1.4}, told 1")
    exact.fill("2.345678")
    follows(page, *example(t1=2.345678))                                           # while it is typed
    expect(told).to_contain_text("told 1")
    exact.press("Enter")
    expect(told).to_contain_text("{'t1': 2.345678}, told 2")
    exact.fill("-3")
    expect(page.locator(".told")).to_have_text("t1 must be between 0 and 1000, both excluded.")
    exact.press("Tab")
    expect(exact).to_have_value("2.345678")
    expect(told).to_contain_text("told 2")
    box = page.locator(".slide").bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    expect(told).to_contain_text("told 3")
    assert value(page) > 20
    follows(page, *example(t1=value(page)))


def test_a_finger_drags_the_line_and_a_scroll_that_begins_on_it_moves_nothing(show):
    page = show("adopt=1", width=390)
    told, cdp = page.get_by_text("settled:"), page.context.new_cdp_session(page)

    def touch(kind, *at):
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at[0], "y": at[1]}] if at else []})

    dot = page.locator(".cut circle").bounding_box()
    x, y = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
    touch("touchStart", x, y)
    for k in range(1, 9):
        touch("touchMove", x + 8 * k, y)
        page.wait_for_timeout(20)
    touch("touchEnd")
    expect(told).to_contain_text("told 1")
    assert value(page) > 2
    follows(page, *example(t1=value(page)))
    was, (x, y) = value(page), middle(page, 0.9, 0.6)                              # far from the line: the page scrolls
    page.set_viewport_size({"width": 390, "height": 700})
    x, y = middle(page, 0.95, 0.8)
    touch("touchStart", x, y)
    for k in range(1, 9):
        touch("touchMove", x, y - 20 * k)
        page.wait_for_timeout(20)
    touch("touchEnd")
    page.wait_for_timeout(300)
    assert value(page) == was
    expect(told).to_contain_text("told 1")


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


def test_the_part_under_the_pointer_and_the_chosen_block_show_their_curve(show):
    page = show("")
    choice = page.get_by_label("Group whose curve is shown")
    canvas, box = page.locator("canvas.marks"), page.locator("canvas.marks").bounding_box()
    assert choice.input_value() == "1"
    canvas.hover(position={"x": 10, "y": box["height"] - 10})
    expect(page.locator(".why")).to_contain_text("Group 4:")
    canvas.click(position={"x": 10, "y": box["height"] - 10})
    page.mouse.move(5, 5)
    expect(choice).to_have_value("4")
    choice.select_option("2")
    before, _, owner, _ = plant((60, 10, 3, 3))
    part = found(before, owner)[1]
    expect(page.locator(".why")).to_contain_text(f"Group 2: {part.rows.size} rows × {cut(part, 1.5)} columns, the first i above t1·L(i) = 1.5 × {part.left[cut(part, 1.5) - 1]}")
    expect(page.locator(".count")).to_have_text(f"{cut(part, 1.5)} columns")
    page.mouse.move(*middle(page, 0.6, 0.6))
    told = re.fullmatch(r"i = (\d+): L = (\d+), the line is at ([\d.]+)\.", page.locator(".told").inner_text())
    assert int(told[2]) == part.left[int(told[1]) - 1] and float(told[3]) == pytest.approx(int(told[1]) / 1.5, rel=1e-3)


def test_what_makes_no_block_says_so(show):
    page = show("min=60")
    expect(page.locator(".why")).to_have_text("Makes no block, whatever t1 is: no group of rows has more than 60 rows. The layer keeps its unstructured mask.")
    before, _ = example(t1=1.5)
    follows(page, before, before)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", ["regroup", "refill"])
def test_a_phone_shows_all_of_it_in_its_width(show, kind, dark):
    page = show(f"kind={kind}", width=390, dark=dark)
    assert page.locator(".tv").get_attribute("data-theme") == ("dark" if dark else "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    stage, plot = page.locator(".stage").bounding_box(), page.locator(".plot").bounding_box()
    assert plot["y"] > stage["y"] + stage["height"] and plot["x"] >= 0 and plot["x"] + plot["width"] <= 390
    texts = page.locator(".plot text").evaluate_all("all => all.map(e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right])")
    assert all(a >= 0 and b <= 390 for a, b in texts)


def test_nothing_jumps_while_it_is_turned(show):
    page = show("")
    heights = set()
    for key in ("ArrowRight", "End", "Home", "PageUp"):
        page.locator(".slide").focus()
        page.keyboard.press(key)
        page.wait_for_timeout(60)
        heights.add(page.locator(".tv").bounding_box()["height"])
    assert len(heights) == 1


def test_a_message_stays_under_a_megabyte():
    """512 × 4608 in 8 parts, with its magnitudes; and with Refill's fractional channels."""
    before, weights, owner, layer = plant((512, 512, 3, 3), groups=8)
    mine = found(before, owner)
    assert len(mine) == 8 and len(tuneview.payload(before, Regroup(), layer=layer, parts=mine, magnitude=weights)) < 1_000_000
    for fractional in (False, True):
        assert len(tuneview.payload(before, Refill(fractional=fractional), layer=layer, scores=weights[:, 0], magnitude=weights)) < 1_000_000
    few = found(before, np.where(before.any(1), np.arange(512) % 60, -1).astype(np.int32))          # parts too small for a block
    assert len(tuneview.payload(before, Regroup(), layer=layer, parts=few, magnitude=weights)) < 1_000_000


def test_what_does_not_fit_is_refused():
    before, weights, owner, layer = plant((12, 20))
    for bad in (dict(scores=None), dict(scores=weights[0]), dict(scores=weights[:, 0], magnitude=weights.T), dict(scores=weights[:, 0], mode="sideways")):
        with pytest.raises((ValueError, MaskError)):
            tuneview.payload(before, Refill(), layer=layer, **bad)
    with pytest.raises(ValueError, match="needs its parts"):
        tuneview.payload(before, Regroup(), layer=layer)
    with pytest.raises(ValueError, match="variant 'code'"):
        tuneview.payload(before, Regroup(variant="paper"), layer=layer, parts=found(before, owner))
