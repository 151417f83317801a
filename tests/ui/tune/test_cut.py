"""What the live view of Tune cuts and counts in the browser, against core.regroup and core.refill."""

import base64
import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from lthviz.config import Refill, Regroup
from lthviz.core.partition import Partition
from lthviz.core.refill import magnitude_scores, refill
from lthviz.core.regroup import cut, regroup
from lthviz.figures.masks import mask_text
from lthviz.records import Layer, Masks
from lthviz.ui.tune import view
from tests.tuned import NAME, found, plant

pytestmark = pytest.mark.browser
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
RHOS = (0.0, 0.001, 0.1, 0.1 + 0.2, 1 / 3, 0.617, 0.999, 1.0)
REFILLS = {"usual": ((40, 8, 3, 3), 0.2), "a 1×1 kernel": ((50, 33, 1, 1), 0.1), "one channel": ((1, 5, 3, 3), 0.4), "full": ((12, 20), 1.0),
           "very sparse": ((40, 30), 0.005), "nothing kept": ((20, 12), 0.0)}


def bits(text, shape, dtype=np.uint8):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def put(lab, before, structure, layer, **more):
    lab.evaluate("data => open_layer(data)", base64.b64encode(view.payload(before, structure, layer=layer, **more)).decode())


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
