"""Planted blocks for the mask view, and what its canvas shows of them: read from its pixels."""

from __future__ import annotations

import base64

import numpy as np

from lthviz.figures import theme

SHAPE, WIDE = (40, 10, 3, 3), (24, 512, 3, 3)
PLANT = '''
import numpy as np
from lthviz.records import Blocks, Layer

def plant(shape, seed=0, groups=4):
    """Dense blocks at scattered rows and columns over a sparse mask that was there before."""
    rng = np.random.default_rng(seed)
    C, n = shape[0], int(np.prod(shape[1:]))
    owner = rng.integers(-1, groups, C)
    rows = [np.flatnonzero(owner == g).astype(np.int32) for g in range(groups)]
    cols = [np.sort(rng.choice(n, n // 3, replace=False)).astype(np.int32) for _ in range(groups)]
    after = np.zeros((C, n), bool)
    for r, c in zip(rows, cols):
        after[np.ix_(r, c)] = True
    return after, rng.random((C, n)) < 0.3, Blocks((C, n), tuple(rows), tuple(cols)), Layer(f"net.{seed}.weight", shape, (4, 4))
'''
space: dict = {}
exec(PLANT, space)
plant = space["plant"]


def rgb(colour):
    return np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)])


def pixels(page):
    """All of the picture, (height, width, 3)."""
    width, height, raw = page.locator("canvas.cells").evaluate("""c => { const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        let s = ""; for (let i = 0; i < d.length; i += 8192) s += String.fromCharCode(...d.subarray(i, i + 8192)); return [c.width, c.height, btoa(s)]; }""")
    return np.frombuffer(base64.b64decode(raw), np.uint8).reshape(height, width, 4)[..., :3].astype(int)


def middle(page, i, j, cells=(40, 90)):
    """Where the middle of a shown cell is, in css pixels of the canvas (x, y): the label above takes 20."""
    box = page.locator("canvas.marks").bounding_box()
    return (j + 0.5) * box["width"] / cells[1], 20 + (i + 0.5) * (box["height"] - 20) / cells[0]


def states(page, dark=False, cells=(40, 90)):
    """The state of every shown cell, from the pixel in its middle: 0 never, 1 added, 2 removed, 3 kept; -1: another colour."""
    p, picture = theme.palette(dark), pixels(page)
    label = 20 * picture.shape[1] // round(page.locator(".stage").bounding_box()["width"])
    height, width = picture.shape[0] - label, picture.shape[1]
    ys = label + (np.arange(cells[0]) + 0.5) * height / cells[0]
    xs = (np.arange(cells[1]) + 0.5) * width / cells[1]
    here, out = picture[np.ix_(ys.astype(int), xs.astype(int))], np.full(cells, -1)
    pale = rgb(p.removed) + 0.45 * (rgb(p.paper) - rgb(p.removed))
    for code, colour in ((0, rgb(p.paper)), (1, rgb(p.added)), (2, rgb(p.removed)), (2, pale), (3, rgb(p.kept))):
        out[np.abs(here - colour).max(-1) <= 1] = code
    return out


def codes(after, before):
    return after * 1 + before * 2


def hover(page, i, j):
    page.locator("canvas.marks").hover(position=dict(zip("xy", middle(page, i, j))))
    return page.locator(".read")
