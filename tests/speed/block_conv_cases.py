"""The GPU kernel's arithmetic, case by case: on the GPU where there is one, else under Triton's interpreter.

test_triton_blocks.py runs this file in a process of its own, since TRITON_INTERPRET must stand in the environment before Triton
is imported and changes what `triton.jit` means for everybody.
"""

import dataclasses
import os

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lthviz.core.blocks import from_mask
from lthviz.errors import SpeedError
from lthviz.records import Blocks
from lthviz.speed import gpu_pack, triton_blocks
from lthviz.speed.triton_blocks import BlockConv, Tile

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """New memory holds NaN, so that what is not written shows. The interpreter knows neither bfloat16 nor tf32 products: they are
    added."""
    new = torch.empty
    monkeypatch.setattr(triton_blocks.torch, "empty", lambda *a, **k: new(*a, **k).fill_(float("nan")))
    if INTERPRETED:
        from triton.runtime import interpreter
        builder, product = interpreter.InterpreterBuilder, interpreter.InterpreterBuilder.create_dot
        # Its check of every sum for overflow takes half of the time; test_addresses_beyond_32_bits keeps it.
        quick = dataclasses.replace(interpreter.interpreter_builder.options, sanitize_overflow=False)
        monkeypatch.setattr(interpreter.interpreter_builder, "options", quick)

        def exact(handle, precision):
            data, kind = handle.data, handle.dtype
            if kind.name == "bf16":
                data, kind = (data.astype(np.uint32) << 16).view(np.float32), triton_blocks.tl.float32
            elif "TF32" in str(precision):   # round to the nearest of 10 bits
                data = ((data.view(np.uint32) + 0x1000) & np.uint32(0xFFFFE000)).view(np.float32)
            return interpreter.TensorHandle(data, kind)

        monkeypatch.setattr(builder, "create_dot", lambda self, a, b, d, precision, most: product(
            self, exact(a, precision), exact(b, precision), d, precision, most))


def mask_of(kind: str, rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    mask = np.zeros((rows, n), bool)
    if kind == "groups":      # groups of unequal height, columns of their own, one row in none
        for part in np.split(rng.permutation(rows)[1:], [5]):
            mask[part] = rng.random(n) < 0.4
    elif kind == "mixed":     # a tall block beside single rows
        mask[:] = rng.random((rows, n)) < 0.3
        mask[rng.permutation(rows)[: rows * 2 // 3]] = rng.random(n) < 0.5
    elif kind == "refill":
        mask[rng.permutation(rows)[: rows // 3]] = True
    elif kind == "unstructured":
        mask = rng.random((rows, n)) < 0.3
    elif kind == "dense":
        mask[:] = True
    return mask


def example(kind, *, rows=14, channels=4, kernel=(3, 3), stride=1, padding=1, dilation=1, groups=1, batch=3, size=(6, 5), residual=False,
            relu=False, precision="float32", tile=None, seed=0):
    """(ours, exact, size of the sums): float64 results of torch on the masked dense weight, from the factors as the precision
    rounds them."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    rows = min(rows, 6) if kind == "unstructured" else rows   # the interpreter is slow
    weight = torch.randn(rows, channels // groups, *kernel)
    mask = mask_of(kind, rng, rows, weight[0].numel())
    bias = torch.randn(rows)
    # Around the images lies NaN: nothing beyond the border may be read.
    memory = torch.full((channels + 2, *size, batch), float("nan"))
    memory[1:-1] = torch.randn(channels, *size, batch)
    if precision == "bfloat16":
        memory, weight = memory.bfloat16(), weight.bfloat16()
    x = memory.to(DEVICE)[1:-1].permute(3, 0, 1, 2)
    conv = BlockConv(from_mask(mask), weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, precision=precision,
                     relu=relu, tile=tile).to(DEVICE)
    dense = weight.double() * torch.from_numpy(mask).view_as(weight)

    def run(a, b, c):
        return F.conv2d(a, b, c, stride, padding, dilation, groups)

    exact = run(x.cpu().double(), dense, bias.double())
    sums = run(x.cpu().double().abs(), dense.abs(), bias.double().abs())
    extra = torch.randn(exact.shape).to(conv.launches[0].weights.dtype) if residual else None
    if residual:
        exact, sums = exact + extra.double(), sums + extra.double().abs()
        extra = extra.to(DEVICE)
    ours = conv(x, extra)
    assert ours.shape == exact.shape and ours.permute(1, 2, 3, 0).is_contiguous()
    return ours.cpu().double(), exact.relu() if relu else exact, sums


def close(ours, exact, sums, precision="float32"):
    """tf32 keeps 10 bits of each factor, cut or rounded: a product is off by 2^-9 of itself at most. A bfloat16 result is off by
    2^-7."""
    if precision == "float32":
        assert (ours - exact).abs().max() <= 1e-5 * max(1.0, float(exact.abs().max()))
    else:
        allowed = sums * 2**-9 if precision == "tf32" else exact.abs() * 2**-7 + sums * 1e-5
        assert ((ours - exact).abs() <= allowed + 1e-30).all()


GEOMETRIES = {
    "1x1": dict(kernel=(1, 1), padding=0), "1x1 stride 2": dict(kernel=(1, 1), stride=2, padding=0),
    "3x3": dict(), "3x3 stride 2": dict(stride=2), "3x3 no padding": dict(padding=0), "7x7 stride 2": dict(kernel=(7, 7), stride=2, padding=3),
    "5x5": dict(kernel=(5, 5), padding=2), "3x1": dict(kernel=(3, 1), padding=(1, 0), stride=(1, 2)), "dilated": dict(dilation=2, padding=2),
    "one pixel": dict(size=(1, 1)),
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("kind", ["groups", "mixed"])
def test_every_geometry(kind, geometry):
    close(*example(kind, **GEOMETRIES[geometry]))


@pytest.mark.parametrize("kind", ["groups", "refill", "unstructured", "mixed", "empty", "dense"])
def test_every_structure(kind):
    close(*example(kind, residual=True, relu=True))


@pytest.mark.parametrize("epilogue", [{}, dict(residual=True), dict(relu=True)], ids=str)
def test_every_epilogue(epilogue):
    close(*example("groups", **epilogue))


@pytest.mark.parametrize("batch", [1, 2, 16, 33])
def test_any_batch(batch):
    close(*example("groups", batch=batch, size=(4, 4)))


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("kind", ["groups", "unstructured"])
def test_lower_precisions(kind, precision):
    ours, exact, sums = example(kind, precision=precision, residual=True, relu=True)
    close(ours, exact, sums, precision)
    if kind == "groups":   # blocks that go through the matrix units really are in that precision
        assert (ours - exact).abs().max() > 1e-5 * exact.abs().max()


@pytest.mark.parametrize("kind", ["groups", "unstructured", "dense"])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_groups(kind, stride):
    close(*example(kind, rows=16, groups=2, stride=stride))


@pytest.mark.parametrize("kind", ["dense", "unstructured"])
def test_depthwise(kind):
    close(*example(kind, rows=4, channels=4, groups=4))
    close(*example(kind, rows=6, channels=3, groups=3, stride=2))


@pytest.mark.parametrize("tile", [Tile(32, 8, 16), Tile(64, 32, 32), Tile(16, 16, 64), Tile(128, 1, 1), Tile(32, 4, 1)], ids=str)
def test_every_tile_gives_the_same(tile):
    """Columns are no multiple of the chunk, rows none of the height, pixels none of the tile."""
    close(*example("groups", tile=tile))
    close(*example("mixed", tile=tile, relu=True, residual=True))


def test_columns_outside_the_blocks_are_never_read():
    """The masked dense network would answer NaN here; a removed channel holds whatever its memory held."""
    weight, rng = torch.randn(14, 6, 3, 3), np.random.default_rng(0)
    mask = mask_of("mixed", rng, 14, 54)
    mask.reshape(14, 6, 9)[:, [0, 3]] = False
    x = torch.randn(2, 6, 5, 5)
    want = F.conv2d(x.double(), weight.double() * torch.from_numpy(mask).view_as(weight), padding=1)
    x[:, [0, 3]] = float("nan")
    ours = BlockConv(from_mask(mask), weight, padding=1).to(DEVICE)(x.to(DEVICE)).cpu().double()
    close(ours, want, want.abs())


@np.errstate(invalid="ignore")
def test_nan_and_infinity_in_kept_columns_are_not_hidden():
    x = torch.zeros(1, 2, 1, 1)
    x[0, 0], x[0, 1] = float("nan"), float("-inf")
    for rows in (1, 8):   # a column at a time, and as a matrix
        blocks = from_mask(np.repeat([[True, False], [False, True]], rows, axis=0))
        ours = BlockConv(blocks, torch.ones(2 * rows, 2, 1, 1), relu=True).to(DEVICE)(x.to(DEVICE)).cpu().flatten()
        assert ours[:rows].isnan().all() and (ours[rows:] == 0).all()


def test_a_residual_with_other_channels():
    """Each output row takes the residual's channel it is told, or none."""
    source = np.array([2, -1, 0, 1, -1, 2])
    weight, x, residual = torch.randn(6, 3, 1, 1), torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    want = F.conv2d(x.double(), weight.double())
    for row, channel in enumerate(source):
        if channel >= 0:
            want[:, row] += residual[:, channel]
    conv = BlockConv(from_mask(np.ones((6, 3), bool)), weight, residual=source).to(DEVICE)
    close(conv(x.to(DEVICE), residual.to(DEVICE)).cpu().double(), want, want)


def test_any_memory_order_of_images():
    weight, x = torch.randn(8, 4, 3, 3), torch.randn(3, 4, 6, 6)
    conv = BlockConv(from_mask(np.ones((8, 36), bool)), weight, padding=1).to(DEVICE)
    first = conv(x.to(DEVICE))
    close(first.cpu().double(), F.conv2d(x.double(), weight.double(), padding=1), 0)
    assert torch.equal(first, conv(x.to(DEVICE, memory_format=torch.channels_last)))


def test_addresses_beyond_32_bits(monkeypatch):
    """A map of 2^31 + 4096 values, of which three channels are touched; the rest is never committed by the system."""
    monkeypatch.undo()   # nothing may be filled, and the interpreter reports an overflow
    channels = 2**31 // 4096 + 1
    x = torch.empty((channels, 8, 8, 64), dtype=torch.bfloat16, device=DEVICE)
    cols = np.array([0, 5, channels - 1], np.int32)
    for col in cols:
        x[col] = float(col % 7) + 1
    weight = np.zeros((8, channels, 1, 1), np.float32)
    weight[:, cols, 0, 0] = np.arange(24).reshape(8, 3) % 5
    conv = BlockConv(Blocks((8, channels), (np.arange(8, dtype=np.int32),), (cols,)), weight, precision="bfloat16",
                     tile=Tile(1024, 8, 1)).to(DEVICE)
    assert triton_blocks.wide((64, channels, 8, 8), (64, 8, 8, 8), conv.geometry, 1024)
    want = weight[:, cols, 0, 0] @ (cols % 7 + 1.0)
    ours = conv(x.permute(3, 0, 1, 2)).float().cpu().numpy()
    assert (ours == want[None, :, None, None]).all()


def test_wide_is_asked_for_when_needed():
    geometry = (3, 3, 1, 1, 1, 1, 1, 1)
    assert not triton_blocks.wide((64, 64, 32, 32), (64, 64, 32, 32), geometry, 128)
    assert triton_blocks.wide((1024, 64, 224, 224), (1024, 8, 224, 224), geometry, 128)
    assert triton_blocks.wide((1024, 8, 224, 224), (1024, 64, 224, 224), geometry, 128)


def test_what_does_not_fit_is_one_line():
    blocks, weight = from_mask(np.ones((8, 36), bool)), torch.randn(8, 4, 3, 3)
    conv = BlockConv(blocks, weight).to(DEVICE)
    for call, words in ((lambda: BlockConv(blocks, weight, precision="float16"), "float16"), (lambda: BlockConv(blocks, weight[:4]), "(8, 36)"),
                        (lambda: conv(torch.zeros(1, 3, 8, 8, device=DEVICE)), "(1, 3, 8, 8)"),
                        (lambda: conv(torch.zeros(1, 4, 2, 2, device=DEVICE)), "(1, 4, 2, 2)"),
                        (lambda: conv(torch.zeros(0, 4, 8, 8, device=DEVICE)), "(0, 4, 8, 8)"),
                        (lambda: conv(torch.zeros(1, 4, 8, 8, device=DEVICE), torch.zeros(1, 8, 8, 8, device=DEVICE)), "residual"),
                        (lambda: BlockConv(from_mask(np.ones((8, 324), bool)), torch.randn(8, 4, 9, 9)), "9×9")):
        with pytest.raises(SpeedError) as e:
            call()
        assert words in str(e.value) and "\n" not in str(e.value)


def test_packing_covers_each_weight_once():
    rng = np.random.default_rng(0)
    for kind in ("groups", "mixed", "unstructured", "refill"):
        mask, weight = mask_of(kind, rng, 24, 45), rng.standard_normal((24, 5, 3, 3)).astype(np.float32)
        back, rows = np.zeros((24, 45), np.float32), []
        for found in gpu_pack.pieces(from_mask(mask), 5, 1):
            if found:
                packed = gpu_pack.pack(found, weight, 8, 16)
                rows += packed.rows[packed.rows >= 0].tolist()
                for (first, count, start), tile in zip(packed.tiles, packed.rows, strict=True):
                    part = packed.weights[start:start + 8 * count].reshape(-1, 8, 16).transpose(1, 0, 2).reshape(8, count)
                    column = packed.columns[first:first + count]
                    real = column & 63 != 31
                    back[np.ix_(tile[tile >= 0], (column >> 6)[real] * 9 + (column & 63)[real])] += part[tile >= 0][:, real]
                    assert not part[:, ~real].any() and not part[tile < 0].any()
        assert sorted(rows) == list(range(24))
        assert np.array_equal(back, weight.reshape(24, 45) * mask)
