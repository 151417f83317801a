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


def test_a_calibration_is_kept_for_its_batch_threads_and_machine(own_cache):
    assert estimate.known(64, 2) is None
    estimate.remember(FLAT)
    assert estimate.known(64, 2) == FLAT
    assert estimate.known(1, 2) is None and estimate.known(64, 1) is None
    estimate.remember(dataclasses.replace(FLAT, machine="another1"))
    assert estimate.known(64, 2) is None
    (own_cache / "calibration.json").write_text('{"b64-t2": {"format": 2, "machine": "' + machine.identity() + '"}}')
    assert estimate.known(64, 2) is None


def test_this_machine_is_calibrated_once_and_ranks_structures():
    found = calibrate.calibration(16, 1)
    assert calibrate.calibration(16, 1) == found == estimate.known(16, 1)
    costs = np.array(found.cell_us)
    assert (costs > 0).all() and (costs[:, 0] > costs[:, -1]).all()   # a weight in a tall block is cheaper than one alone
    assert (np.diff(costs[:, -1]) > 0).all()                          # a larger map takes longer
    layers = topology.layers(vgg16(3, 10), (3, 32, 32))
    times = {kind: estimate.estimate(found, layers, masks(layers, kind, density=0.2), structural=True) for kind in ("unstructured", "groups", "channels")}
    assert times["channels"].ticket_ms < times["groups"].ticket_ms < times["unstructured"].ticket_ms < times["channels"].dense_ms


def test_estimating_needs_no_torch():
    code = "import sys, lthviz.speed.estimate\nassert not {'torch', 'numba', 'llvmlite'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
