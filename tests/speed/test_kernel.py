"""The block kernel alone: one convolution of random blocks against a plain loop, and the cache of what was compiled."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lthviz.speed import layout
from lthviz.speed.graph import Conv, Graph, Value
from lthviz.speed.live import Plan
from lthviz.speed.pack import TOGETHER, WINDOW, heights
from lthviz.speed.passes import Pass
from lthviz.speed.tile import MR

ROOT = Path(__file__).resolve().parent.parent.parent


def by_loops(x, weight, bias, mask, stride, padding, residual, relu):
    """float64 convolution, one weight at a time."""
    (n, _, h, w), (c_out, c_in, k, _) = x.shape, weight.shape
    padded = np.zeros((n, c_in, h + 2 * padding, w + 2 * padding))
    padded[:, :, padding:padding + h, padding:padding + w] = x
    rows, cols = ((s + 2 * padding - k) // stride + 1 for s in (h, w))
    y = np.zeros((n, c_out, rows, cols)) + bias[:, None, None]
    for r, c, i, j in np.argwhere(mask.reshape(weight.shape)):
        y[:, r] += weight[r, c, i, j] * padded[:, c, i:i + stride * rows:stride, j:j + stride * cols:stride][:, :rows, :cols]
    y = y if residual is None else y + residual
    return np.maximum(y, 0) if relu else y


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_convolution_over_random_blocks_is_the_plain_loop(data):
    draw = data.draw
    n, side = draw(st.sampled_from([1, 2, 7, 15, 16, 17, 48, 64])), draw(st.integers(1, 9))
    c_in, c_out, k = draw(st.integers(1, 7)), draw(st.integers(1, 20)), draw(st.sampled_from([1, 3, 7]))
    stride, threads = draw(st.sampled_from([1, 2])), draw(st.integers(1, 3))
    padding = draw(st.sampled_from([k // 2, 0])) if side >= k else k // 2
    relu, residual = draw(st.booleans()), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    member, density = rng.integers(0, 1 + draw(st.integers(0, 6)), c_out), draw(st.sampled_from([0.0, 0.2, 0.7, 1.0]))
    mask = (rng.random((7, c_in * k * k)) < density)[member]   # rows of a part share their columns
    if draw(st.booleans()):
        mask = rng.random((c_out, c_in * k * k)) < density      # or no row is like another
    weight = rng.standard_normal((c_out, c_in, k, k)).astype(np.float32)
    bias = np.where(rng.random(c_out) < 0.5, rng.standard_normal(c_out), 0).astype(np.float32)
    x = rng.standard_normal((n, c_in, side, side), np.float32)
    rows = (side + 2 * padding - k) // stride + 1

    image, first, output = Value((c_in, side, side)), Value((c_out, rows, rows)), Value((c_out, rows, rows))
    ops = [Conv("layer", [image], output, "layer.weight", weight, bias, (stride, stride), (padding, padding), relu=relu)]
    before = None
    if residual:   # its branch: the same convolution without ReLU and mask
        ops.insert(0, Conv("branch", [image], first, "branch.weight", weight[::-1].copy(), bias, (stride, stride), (padding, padding)))
        ops[1].inputs.append(first)
        before = by_loops(x, weight[::-1], bias, np.ones_like(mask), stride, padding, None, False)
    form = draw(st.sampled_from(["blocks", "quads", "dense"]))
    one = Pass(Plan(Graph(ops, image, output), {"layer.weight": mask}), n, threads, {"layer.weight": form})
    result = np.full((n, c_out, rows, rows), np.nan, np.float32)
    one.run(x, result)
    want = by_loops(x, weight, bias, mask, stride, padding, before, relu)
    assert np.abs(result - want).max() <= 1e-4 * max(1.0, np.abs(want).max())


@pytest.mark.parametrize("n", [1, 5, 64])
@pytest.mark.parametrize("stride", [(1, 2), (2, 1), (3, 2)])
def test_strides_need_not_be_square(n, stride):
    """And two convolutions of other strides read the same map."""
    rng = np.random.default_rng(0)
    x, maps, ops = rng.standard_normal((n, 5, 9, 11), np.float32), [Value((5, 9, 11))], []
    for way in (stride, stride[::-1]):
        weight = rng.standard_normal((6, 5, 3, 3), np.float32)
        want = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weight), stride=way, padding=1)
        maps.append(Value(tuple(want.shape[1:])))
        ops.append((Conv("layer", [maps[0]], maps[-1], "layer.weight", weight, np.zeros(6, np.float32), way, (1, 1)), want.numpy()))
    for i, (_, want) in enumerate(ops):
        one = Pass(Plan(Graph([op for op, _ in ops], maps[0], maps[i + 1]), {}), n, 2, {})
        result = np.full(want.shape, np.nan, np.float32)
        one.run(x, result)
        assert np.abs(result - want).max() < 1e-4 * np.abs(want).max()


def test_long_rows_go_through_the_scratch_and_come_out_whole():
    """More columns than a chunk, more rows than a tile, several vectors a task."""
    rng = np.random.default_rng(0)
    weight, x = rng.standard_normal((40, 70, 3, 3), np.float32), rng.standard_normal((64, 70, 3, 3), np.float32)
    image, output = Value((70, 3, 3)), Value((40, 3, 3))
    conv = Conv("layer", [image], output, "layer.weight", weight, np.zeros(40, np.float32), padding=(1, 1))
    one = Pass(Plan(Graph([conv], image, output), {}), 64, 2, {})
    result = np.empty((64, 40, 3, 3), np.float32)
    one.run(x, result)
    want = by_loops(x, weight, np.zeros(40), np.ones((40, 630), bool), 1, 1, None, False)
    assert np.abs(result - want).max() < 1e-4 * np.abs(want).max()


@pytest.mark.parametrize(("n", "side"), [(64, 3), (1, 7)])
def test_scattered_rows_beside_blocks_go_through_many_windows(n, side):
    """More quads than share a window, more columns than a window holds, a last quad of three rows, rows of a block between them."""
    rng = np.random.default_rng(0)
    rows, cols = 3 + 4 * (TOGETHER + 2) + 8, 9 * (WINDOW // 4)
    mask = rng.random((rows, cols)) < rng.uniform(0.05, 0.95, (rows, 1))
    mask[5:13] = mask[5]
    weight, x = rng.standard_normal((rows, cols // 9, 3, 3), np.float32), rng.standard_normal((n, cols // 9, side, side), np.float32)
    image, output, bias = Value((cols // 9, side, side)), Value((rows, side, side)), rng.standard_normal(rows).astype(np.float32)
    conv = Conv("layer", [image], output, "layer.weight", weight, bias, padding=(1, 1), relu=True)
    want = by_loops(x, weight, bias, mask, 1, 1, None, True)
    for threads in (1, 2):
        one = Pass(Plan(Graph([conv], image, output), {"layer.weight": mask}), n, threads, {"layer.weight": "quads"})
        result = np.full((n, rows, side, side), np.nan, np.float32)
        one.run(x, result)
        assert np.abs(result - want).max() < 1e-4 * np.abs(want).max()


def test_tiles_cover_a_block_evenly():
    for rows in range(1, 200):
        tiles = heights(rows)
        assert sum(tiles) == rows and max(tiles) <= MR and max(tiles) - min(tiles) <= 1 and len(tiles) == -(-rows // MR)


def test_lanes_hold_the_batch():
    for batch in range(1, 65):
        assert batch <= layout.lanes(batch) < batch + 16


def test_a_second_process_finds_the_compiled_kernel_on_disk(tmp_path):
    code = "import time, numba\nt = time.perf_counter()\nfrom lthviz.speed import kernel\nhits = kernel.run.stats.cache_hits\nprint(sum(hits.values()))"
    env = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    hits = [int(subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True, timeout=300).stdout)
            for _ in range(2)]
    assert hits == [0, 1]
