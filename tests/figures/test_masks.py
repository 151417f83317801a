import io
import re

import numpy as np
import pytest
from PIL import Image

from lthviz.figures import theme
from lthviz.figures.masks import INK, data_url, mask_block, mask_counts, mask_png, mask_table, mask_text
from lthviz.records import Layer


def masks(shape, seed=0, density=0.3):
    rng = np.random.default_rng(seed)
    return rng.random(shape) < density, rng.random(shape) < density


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def rgb(colour):
    return np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)])


def oracle(after, before, by, bx, p):
    """Every pixel from a plain loop over its block of weights."""
    rows, cols = -(-after.shape[0] // by), -(-after.shape[1] // bx)
    out = np.zeros((rows, cols, 3))
    for y in range(rows):
        for x in range(cols):
            a, b = (m[y * by:(y + 1) * by, x * bx:(x + 1) * bx] for m in (after, before))
            inks = []
            for was, now in zip(b.ravel(), a.ravel()):
                inks += [p.kept] if was and now else [p.added] if now else [p.removed] if was else []
            share = len(inks) / a.size
            mixed = np.mean([rgb(c) for c in inks], 0) if inks else rgb(p.paper)
            out[y, x] = rgb(p.paper) + (mixed - rgb(p.paper)) * share**INK
    return out


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("shape, width, height", [((64, 300), 100, 32), ((50, 97), 20, 7), ((5, 512), 64, 5), ((300, 9), 9, 100)])
def test_a_pixel_shows_all_of_its_weights(shape, width, height, dark):
    after, before = masks(shape)
    by, bx = mask_block(shape, width, height)
    pixels = decode(mask_png(after, before, width=width, height=height, dark=dark))
    expected = oracle(after, before, by, bx, theme.palette(dark))
    up = pixels.shape[0] // expected.shape[0], pixels.shape[1] // expected.shape[1]
    assert pixels.shape[0] <= height and pixels.shape[1] <= width
    assert np.abs(pixels[::up[0], ::up[1]] - expected).max() <= 1


def test_a_lone_weight_stays_visible():
    mask = np.zeros((60, 600), bool)
    mask[31, 417] = True
    pixels = decode(mask_png(mask, width=60, height=10))
    seen = np.argwhere((pixels != rgb(theme.LIGHT.paper)).any(-1))
    assert seen.tolist() == [[31 // 6, 417 // 10]]
    y, x = seen[0]
    assert np.abs(pixels[y, x] - rgb(theme.LIGHT.paper)).max() > 5


def test_without_before_there_are_two_colours_and_a_small_mask_is_magnified():
    after, _ = masks((6, 10))
    png = mask_png(after, width=100, height=48)
    pixels = decode(png)
    assert pixels.shape == (48, 100, 3)
    expected = np.where(after[..., None], rgb(theme.LIGHT.kept), rgb(theme.LIGHT.paper))
    assert np.array_equal(pixels, expected.repeat(8, 0).repeat(10, 1))
    assert Image.open(io.BytesIO(png)).info["Comment"] == "one pixel is one weight"


def test_the_file_says_how_many_weights_a_pixel_covers_and_is_small():
    after, before = masks((512, 4608))
    png = mask_png(after, before)
    assert Image.open(io.BytesIO(png)).info["Comment"] == "one pixel stands for 6 × 15 weights (output channels × columns)"
    assert len(mask_png(after)) < 40_000
    assert data_url(png).startswith("data:image/png;base64,iVBOR")


def test_counts_words_and_table_agree():
    after, before = masks((16, 27))
    after[3] = False
    counts = mask_counts(after, before)
    plain = [(bool(a), bool(b)) for a, b in zip(after.ravel(), before.ravel())]
    assert counts == (plain.count((True, True)), plain.count((True, False)), plain.count((False, True)), plain.count((False, False)))
    layer = Layer("layer1.0.conv1.weight", (16, 3, 3, 3), (8, 8))
    said = mask_text(after, before, layer)
    assert said.startswith("Mask of layer1.0.conv1: 16 output channels by 27 weights each, ")
    assert f"{counts.kept} weights stay, {counts.added} are added and {counts.removed} removed" in said
    assert f"{after.sum()} of 432 kept ({100 * after.mean():.1f} percent); 1 output channel is removed whole" in said
    assert {r["state"]: r["weights"] for r in mask_table(after, before, layer)} == counts._asdict()
    assert sum(r["share (%)"] for r in mask_table(after, before)) == pytest.approx(100)
    assert mask_counts(after) == (after.sum(), 0, 0, after.size - after.sum())
    assert not re.search("added|removed whole", mask_text(np.ones((2, 2), bool)))
