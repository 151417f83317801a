"""The estimate: its arithmetic by hand, its properties, and that it tells structures apart as this machine does."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from lthviz.nn import topology
from lthviz.nn.models.vgg import vgg16
from lthviz.records import Layer, Masks
from lthviz.speed import calibrate, estimate, machine
from lthviz.speed.estimate import Calibration
from tests.speed.networks import masks


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LTHVIZ_CACHE", str(tmp_path))
    return tmp_path


FLAT = Calibration(machine.identity(), 64, 2, (4, 64), (1, 4), ((1.0, 0.0), (16.0, 0.0)), ((3.0, 1.0), (48.0, 16.0)))
"""A row costs 1 µs and a weight 3 µs alone, in blocks of four rows nothing and 1 µs; 64 pixels cost sixteen times as much."""


def layer(name, shape, hw, sources=None):
    return Layer(name, shape, hw, sources=sources)


def test_costs_by_hand():
    one = layer("a", (8, 2, 1, 1), (2, 2))
    mask = np.zeros((8, 2, 1, 1), bool)
    mask[:4] = True            # one block of 4 rows × 2 columns: 4·(0 + 2·1) = 8 µs
    mask[4, 0] = True          # one of 1 × 1: 1 + 3 = 4 µs; as one dense block it would be 5 × 2 = 10 µs
    found = estimate.estimate(FLAT, [one], Masks.of({"a": mask}), structural=True)
    assert found.ticket_ms == pytest.approx(0.010)
    assert found.dense_ms == pytest.approx(0.016)
    mask[5:] = mask[4]         # rows 4 to 7 share their column: 8 + 4 = 12 µs, as one block 16
    assert estimate.estimate(FLAT, [one], Masks.of({"a": mask}), structural=True).ticket_ms == pytest.approx(0.012)


def test_maps_of_other_sizes_scale_with_their_pixels():
    ones = Masks.of({"a": np.ones((4, 4, 1, 1), bool)})
    times = [estimate.estimate(FLAT, [layer("a", (4, 4, 1, 1), (side, side))], ones, structural=True).ticket_ms for side in (1, 2, 4, 8, 16)]
    assert times == pytest.approx([0.004, 0.016, 0.064, 0.256, 1.024])


def test_a_linear_layer_behind_a_flattened_map():
    """Four rows of 2 channels × 3×3 pixels; with a channel dead half of the columns are left."""
    layers = [layer("a", (2, 1, 1, 1), (3, 3)), layer("b", (4, 18), (1, 1), ("a",))]
    arrays = {"a": np.ones((2, 1, 1, 1), bool), "b": np.ones((4, 18), bool)}
    arrays["a"][1] = False
    one, both = (estimate.estimate(FLAT, layers, Masks.of(arrays), structural=s).layers["b"] for s in (True, False))
    assert both == pytest.approx(2 * one) and one > 0


def test_dead_inputs_cost_nothing_and_nothing_kept_costs_nothing():
    layers = [layer("a", (4, 2, 1, 1), (2, 2)), layer("b", (4, 4, 1, 1), (2, 2), sources=("a",))]
    first = np.ones((4, 2, 1, 1), bool)
    first[1:] = False
    kept = Masks.of({"a": first, "b": np.ones((4, 4, 1, 1), bool)})
    assert estimate.estimate(FLAT, layers, kept, structural=True).layers["b"] == pytest.approx(0.004)
    assert estimate.estimate(FLAT, layers, kept, structural=False).layers["b"] == pytest.approx(0.016)
    none = Masks.of({"a": np.zeros((4, 2, 1, 1), bool), "b": np.ones((4, 4, 1, 1), bool)})
    assert estimate.estimate(FLAT, layers, none, structural=True).ticket_ms == 0


WIDER = dataclasses.replace(FLAT, run_us=100.0, step_us=10.0, byte_us=1.0)


def test_what_is_between_the_layers_by_hand():
    """Two layers at 8×8, pooled to 2×2, one there, averaged at the end: five steps without weights."""
    layers = [layer("a", (4, 2, 1, 1), (8, 8)), layer("b", (4, 4, 1, 1), (8, 8), sources=("a",)), layer("c", (2, 4, 1, 1), (2, 2), sources=("b",))]
    kept = {x.name: np.ones(x.shape, bool) for x in layers}
    kept["b"][1:] = False
    flat, wider = (estimate.estimate(c, layers, Masks.of(kept), structural=True) for c in (FLAT, WIDER))
    dense = 100 + 5 * 10 + (4 * 64 + 2 * 4) * 4 * 1.0
    ticket = 100 + 5 * 10 + (1 * 64 + 2 * 4) * 4 * 1.0   # b has one channel left, which alone is pooled
    assert wider.dense_ms - flat.dense_ms == pytest.approx(dense / 1000)
    assert wider.ticket_ms - flat.ticket_ms == pytest.approx(ticket / 1000)
    assert wider.layers == flat.layers
    whole = estimate.estimate(WIDER, layers, Masks.of(kept), structural=False)
    assert whole.ticket_ms - estimate.estimate(FLAT, layers, Masks.of(kept), structural=False).ticket_ms == pytest.approx(
        (100 + 50 + (256 + 8) * 4) / 1000), "nothing is removed: all four channels are pooled"
    alone = estimate.estimate(WIDER, [layer("a", (4, 4, 1, 1), (1, 1))], Masks.of({"a": np.ones((4, 4, 1, 1), bool)}), structural=True)
    assert alone.ticket_ms == alone.dense_ms, "nothing is pooled"


def test_a_calibration_is_kept_for_its_batch_threads_and_machine(own_cache):
    assert estimate.known(64, 2) is None
    estimate.remember(FLAT)
    assert estimate.known(64, 2) == FLAT
    assert estimate.known(1, 2) is None and estimate.known(64, 1) is None
    estimate.remember(dataclasses.replace(FLAT, machine="another1"))
    assert estimate.known(64, 2) is None
    (own_cache / "calibration.json").write_text('{"b64-t2": {"format": 3, "machine": "' + machine.identity() + '"}}')
    assert estimate.known(64, 2) is None


def test_a_calibration_finds_the_costs_of_rows_and_weights(monkeypatch):
    """Of a machine whose layers cost R·(a + b·K), with a and b by height and map."""
    def row(height, side):
        return side * side * (0.5 + 1 / height)

    def cell(height, side):
        return side * side * (0.03 + 0.04 / height)   # a weight alone costs 2.3 times as much

    def layer_ms(rng, side, height, columns, images, threads, repeats):
        return calibrate.ROWS * (row(height, side) + cell(height, side) * columns) * images / 64 / 1000

    monkeypatch.setattr(calibrate, "_layer_ms", layer_ms)
    monkeypatch.setattr(calibrate, "_besides_us", lambda images, threads: (6.0 * threads, 2.0, images / 64))
    for batch, scale in ((64, 1.0), (160, 2.5)):   # two passes of 64 images, and one of 32
        found = calibrate.measure(batch, 2)
        for table, cost in ((found.row_us, row), (found.cell_us, cell)):
            np.testing.assert_allclose(table, [[scale * cost(h, s) for h in calibrate.HEIGHTS] for s in calibrate.SIDES], rtol=1e-6)
        passes = -(-batch // 64)
        assert (found.run_us, found.step_us, found.byte_us) == (12.0 * passes, 2.0 * passes, pytest.approx(scale))
    layers = topology.layers(vgg16(3, 10), (3, 32, 32))
    times = {kind: estimate.estimate(found, layers, masks(layers, kind, density=0.2), structural=True) for kind in ("unstructured", "groups", "channels")}
    assert times["channels"].ticket_ms < times["groups"].ticket_ms < times["unstructured"].ticket_ms < times["channels"].dense_ms


def test_this_machine_is_calibrated_once(monkeypatch):
    monkeypatch.setattr(calibrate, "SIDES", (2, 4))
    monkeypatch.setattr(calibrate, "HEIGHTS", (1, 96))
    found = calibrate.calibration(16, 1)
    assert calibrate.calibration(16, 1) == found == estimate.known(16, 1)
    numbers = np.concatenate([np.ravel(found.row_us), np.ravel(found.cell_us), [found.run_us, found.step_us, found.byte_us]])
    assert np.isfinite(numbers).all() and (numbers >= 0).all() and found.run_us > 0 and 0 < found.seconds < 600


def test_a_weight_in_a_tall_block_is_cheaper_than_one_alone():
    """Here, really; the least of interleaved times, and more of them until other work has not hidden it."""
    rng, least = np.random.default_rng(0), {1: np.inf, 96: np.inf}
    for _ in range(30):
        least = {height: min(ms, calibrate._layer_ms(rng, 8, height, 672, 16, 1, 1)) for height, ms in least.items()}
        if least[96] < 0.95 * least[1]:
            break
    assert least[96] < least[1]


def test_estimating_needs_no_torch():
    code = "import sys, lthviz.speed.estimate\nassert not {'torch', 'numba', 'llvmlite'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
