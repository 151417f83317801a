"""Numbers and warnings of a preview against plain loops, and the sensitivity map against previews."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthviz.config import Refill, Regroup
from lthviz.core.partition import one, partition_all
from lthviz.core.refill import magnitude_scores
from lthviz.core.regroup import all_parts
from lthviz.errors import ConfigError, MaskError
from lthviz.records import Layer, Masks
from lthviz.speed import estimate
from lthviz.speed.estimate import Calibration
from lthviz.tuning import column, preview
from lthviz.tuning.partitions import Divided
from lthviz.tuning.sensitivity import groups_that_fit

LAYERS = (Layer("a.weight", (24, 3, 3, 3), (8, 8)), Layer("b.weight", (40, 24, 1, 1), (4, 4), sources=("a.weight",)),
          Layer("c.weight", (16, 40, 3, 3), (4, 4), sources=("b.weight",)), Layer("one.weight", (1, 16, 1, 1), (4, 4), sources=("c.weight",)),
          Layer("fc.weight", (10, 16), (1, 1), sources=("c.weight",), classifier=True))
COSTS = Calibration("m", 64, 2, (16, 64), (1, 6, 24), ((3.0, 2.0, 1.0), (4.0, 3.0, 2.0)), ((0.03, 0.02, 0.01), (0.04, 0.03, 0.02)), run_us=5.0, step_us=1.0,
                    byte_us=0.001)


def network(seed: int, density: float = 0.35) -> tuple[Masks, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    masks = Masks.of({x.name: rng.random(x.shape) < density * rng.random((x.shape[0],) + (1,) * (len(x.shape) - 1)) * 2 for x in LAYERS})
    return masks, {x.name: rng.standard_normal(x.shape).astype(np.float32) for x in LAYERS}


def divided(masks: Masks, structure: Regroup) -> Divided:
    partitions = partition_all(masks, structure, 0)
    return Divided(partitions, all_parts(masks, partitions))


@pytest.mark.parametrize("structure", [Refill(rho=0.2), Refill(fractional=True), Regroup(groups=2, min_rows=4), Regroup(groups=4, t1=0.6, min_rows=3, leftovers="keep")],
                         ids=lambda s: s.label)
def test_shares_are_what_loops_count(structure):
    masks, weights = network(1)
    found = preview(structure, masks, LAYERS, divided=divided(masks, structure) if isinstance(structure, Regroup) else None,
                    scores=magnitude_scores(masks, weights), weights=weights, calibration=COSTS)
    alive = {x.name: [bool(found.made.masks[x.name][c].any()) for c in range(x.shape[0])] for x in LAYERS}
    held = whole = macs = 0.0
    for x, row in zip(LAYERS, found.rows):
        mask, before = found.made.masks[x.name], masks[x.name]
        mine = all_of = left = 0.0
        for c in range(x.shape[0]):
            for i in range(x.shape[1]):
                for at in np.ndindex(x.shape[2:]):
                    size = abs(float(weights[x.name][(c, i, *at)])) if before[(c, i, *at)] else 0.0
                    mine, all_of = mine + size * mask[(c, i, *at)], all_of + size
                    left += mask[(c, i, *at)] and (x.sources is None or alive[x.sources[0]][i])
        assert row.magnitude == pytest.approx(mine / all_of, rel=1e-5) and row.effective == pytest.approx(left / x.size)
        assert row.macs == left * x.out_hw[0] * x.out_hw[1] and row.density == mask.mean()
        held, whole, macs = held + mine, whole + all_of, macs + row.macs
    assert found.totals.magnitude == pytest.approx(held / whole, rel=1e-5)
    assert found.totals.flops == pytest.approx(macs / sum(x.macs for x in LAYERS))
    assert found.totals.time == estimate.estimate(COSTS, LAYERS, found.made.masks, structural=True).time_ratio


def test_without_weights_and_calibration_that_is_left_open():
    masks, _ = network(2)
    found = preview(Regroup(groups=2), masks, LAYERS, divided=divided(masks, Regroup(groups=2)))
    assert found.totals.magnitude is None and found.totals.time is None and all(r.magnitude is None for r in found.rows)
    with pytest.raises(MaskError, match="not yet"):
        preview(Regroup(groups=2), masks, LAYERS)
    with pytest.raises(MaskError, match="not yet"):
        preview(Regroup(groups=2, variant="paper"), masks, LAYERS, divided=divided(masks, Regroup(groups=2)))


def test_what_a_run_would_refuse_has_no_preview():
    masks, _ = network(4)
    structure = Regroup(groups=41)
    partitions = {name: one(masks, name, structure, 0) for name in masks}     # each layer alone can be divided so: every row is a part
    there = Divided(partitions, all_parts(masks, partitions))
    preview(Regroup(groups=40), masks, LAYERS, divided=there)
    for made in (lambda: preview(structure, masks, LAYERS, divided=there), lambda: partition_all(masks, structure, 0)):
        with pytest.raises(ConfigError, match=r"^groups = 41 is more than the 40 rows of the widest layer; use fewer groups$"):
            made()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 2, 4, 8]), st.sampled_from(["drop", "keep"]), st.integers(0, 12), st.sampled_from(["", "b@t1=9.0@min_rows=0"]))
def test_every_cell_of_the_map_is_a_preview(seed, groups, leftovers, min_rows, own):
    masks, weights = network(seed)
    structure = Regroup(groups=groups, leftovers=leftovers, min_rows=min_rows, tile_rows=3, layers=own)
    there = divided(masks, structure)
    cells = column(structure, masks, LAYERS, there.parts, (0.1, 1.5, 30.0), weights=weights, calibration=COSTS)
    for cell in cells:
        t = preview(Regroup(groups=groups, t1=cell.t1, leftovers=leftovers, min_rows=min_rows, tile_rows=3, layers=own), masks, LAYERS, divided=there,
                    weights=weights, calibration=COSTS).totals
        assert (cell.coverage, cell.density) == pytest.approx((t.coverage, t.density))
        assert (cell.magnitude, cell.time) == pytest.approx((t.magnitude, t.time), rel=1e-5)
    bare = column(structure, masks, LAYERS, there.parts, (1.5,))
    assert bare[0].magnitude is None and bare[0].time is None and bare[0].coverage == cells[1].coverage


def test_the_columns_are_those_that_some_layer_has_rows_for():
    assert groups_that_fit(LAYERS) == [2, 4, 8, 16, 32] and groups_that_fit(LAYERS[3:]) == [2, 4, 8] and groups_that_fit(LAYERS[:1], 5) == [2, 4, 5, 8, 16]


def warned(structure, masks, weights=None):
    found = preview(structure, masks, LAYERS, divided=divided(masks, structure) if isinstance(structure, Regroup) else None,
                    scores=magnitude_scores(masks, weights) if weights else None, weights=weights)
    return " ".join(found.warnings)


def test_no_block_is_said_with_the_reason():
    masks, _ = network(3)
    said = warned(Regroup(groups=4, min_rows=8), masks)
    assert "No block forms in a, c, one, fc, which keep their unstructured masks: in a, 24 rows in 4 parts are about 6 a part, and a part needs more than 8." in said
    assert "No block forms in any layer: this would be the unstructured ticket." in warned(Regroup(groups=4, min_rows=100), masks)
    assert "No block" not in warned(Regroup(groups=1, min_rows=0), masks)


def test_layers_without_weights_and_without_inputs_are_said():
    masks, weights = network(4)
    arrays = {n: masks[n] for n in masks}
    arrays["b.weight"] = np.zeros_like(arrays["b.weight"])
    empty = Masks.of(arrays)
    assert "b has no weight left in this round: Refill would fill channels there all the same." in warned(Refill(), empty, weights)
    said = warned(Regroup(groups=1, min_rows=0), empty)
    assert "b has no weight left in this round: nothing can be made of that." in said and "c would read removed channels alone: what its weights compute is lost." in said
    assert "would keep every channel" in warned(Refill(rho=1.0), masks, weights)
