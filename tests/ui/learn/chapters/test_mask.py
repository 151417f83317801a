"""The chapter on masks: its numbers and frames against plain loops over the run's own masks and weights."""

import re

import numpy as np
import pytest

from lthviz.config import UNSTRUCTURED
from lthviz.records import Layer
from lthviz.ui import cache
from lthviz.ui.learn import material
from lthviz.ui.learn.chapters import mask, mask_frames
from lthviz.ui.learn.figure import ADDED, KEPT, NEVER, REMOVED
from lthviz.ui.learn.figure.payload import payload
from tests.ui.learn.evidences import sound

CODES = {(True, True): KEPT, (False, True): ADDED, (True, False): REMOVED, (False, False): NEVER}


@pytest.fixture
def piece(shipped):
    return mask.shown(material.run())


def percent(part, of):
    return f"{100 * part / of:.1f}\u00a0%"


def at(frames, piece, step, r):
    return frames[mask_frames.STEPS.index(step) * len(piece.rows) + r]


def test_the_piece_is_of_the_runs_own_mask_and_of_the_weights_that_pruning_saw(piece):
    """By the weight's index in the layer's tensor. A weight that is left has the value that was trained in the round before, and every kept one was
    larger then than every one that the round's pruning took."""
    name, (_, _, high, wide) = piece.layer.name, piece.layer.shape
    now, before = (cache.round(piece.run.id, k).ticket(UNSTRUCTURED) for k in (piece.round, piece.round - 1))
    for i, r in enumerate(piece.rows):
        for j, c in enumerate(piece.cols):
            where = (r, c // (high * wide), c % (high * wide) // wide, c % wide)
            assert piece.mask[i, j] == now.masks[name][where]
            if before.masks[name][where]:
                assert piece.weights[i, j] == np.asarray(before.weights[name])[where]
    taken = before.masks[name] & ~now.masks[name]
    assert np.abs(piece.weights[piece.mask]).min() >= np.abs(np.asarray(before.weights[name])[taken]).max()
    assert now.masks.density() <= mask.HALF < before.masks.density()
    assert piece.cols[0] % (high * wide) == 0 and (np.diff(piece.cols) == 1).all() and piece.mask.shape == (mask.ROWS, mask.COLS)


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_every_frame_says_and_shows_what_the_mask_is(piece, seed):
    now = piece.mask if seed is None else piece.mask ^ (np.random.default_rng(seed).random(piece.mask.shape) < 0.2)
    frames = mask_frames.frames(piece, now)
    wanted = [[CODES[bool(a), bool(b)] for a, b in zip(x, y)] for x, y in zip(piece.mask, now)]
    kept = sum(bool(x) for x in now.flat)
    for step in mask_frames.STEPS:
        for r in range(len(piece.rows)):
            (picture,) = at(frames, piece, step, r).pictures
            assert picture.codes.tolist() == wanted and picture.rows_strong == (r,)
            assert picture.notes == tuple(f"{sum(map(bool, row))}/12" for row in now)
            bright = set() if picture.pale is None else {(int(i), int(j)) for i, j in np.argwhere(~picture.pale)}
            assert bright == {"Mask": set(), "Row": {(r, j) for j in range(12)}}.get(step, {(r, j) for j in range(9)})
    said = at(frames, piece, "Mask", 0).said
    assert f"{kept} of 96 weights are kept: density {percent(kept, 96)}, sparsity {percent(96 - kept, 96)}." in said
    assert ("you switched" in said) == (seed is not None)
    if seed is not None:
        assert f"Pruning kept {piece.mask.sum()} of them ({percent(piece.mask.sum(), 96)}); you switched {(now != piece.mask).sum()}." in said
    assert f"keeps {now[3].sum()}." in at(frames, piece, "Row", 3).said


def test_the_product_is_that_of_each_weight_and_its_bit(piece):
    frames = mask_frames.frames(piece, piece.mask)
    for r in range(len(piece.rows)):
        frame = at(frames, piece, "m ⊙ w", r)
        numbers = [[float(x.replace("\u2212", "-")) for x in re.findall(r"[\u2212\d.]*\d", part)] for part in re.split(r"w: |m: |times w: ", frame.alt)[1:]]
        w, m, product = numbers
        assert [int(x) for x in m] == [int(x) for x in piece.mask[r, :9]]
        assert product == [a if b else 0 for a, b in zip(w, m)]
        assert w == pytest.approx(piece.weights[r, :9].tolist(), rel=0.05, abs=0.0005)
        gone = m.count(0)
        assert f"Of these 9 weights {gone} {'is' if gone == 1 else 'are'} 0, {9 - gone} unchanged." in frame.said
        drawn = [t.replace("\u2212", "-") for t in re.findall(r">([\u2212\d.]+)</text>", frame.drawing)]
        assert [float(t) for t in drawn] == [*w, *m, *product]


def test_a_kernel_is_the_columns_that_read_one_input_channel(piece):
    """Against numpy's own reshape of the tensor."""
    frames, (_, inputs, high, wide) = mask_frames.frames(piece, piece.mask), piece.layer.shape
    tensor = np.arange(np.prod(piece.layer.shape)).reshape(piece.layer.shape)
    for r, row in enumerate(piece.rows):
        frame = at(frames, piece, "Kernel", r)
        first, last, channel = map(int, re.search(r"Columns (\d+) to (\d+) of row \d+ are .* looks at input channel (\d+)", frame.said).groups())
        assert tensor.reshape(len(tensor), -1)[row, first:last + 1].tolist() == tensor[row, channel].ravel().tolist()
        assert f"The row holds {inputs} such kernels" in frame.said and f"{high} × {wide} kernel" in frame.said


def test_the_browser_takes_every_frame(piece):
    frames = mask_frames.frames(piece, piece.mask)
    payload(frames, mask_frames.controls(piece), [mask_frames.matrix(piece)], "mask")
    for frame in frames:
        if frame.drawing:
            sound(frame.drawing)


@pytest.mark.parametrize("shape", [(128, 32, 3, 3), (16, 16, 3, 3), (64, 128, 1, 1), (8, 4, 5, 5)])
def test_one_kernel_is_that_share_of_a_layer(shape):
    question = mask.asked(Layer("a.weight", shape, (8, 8), "", None))
    outputs, inputs, high, wide = shape
    right = [o for o in question.options if o.right]
    assert len(question.options) == 3 and len({o.text for o in question.options}) == 3
    assert [o.text for o in right] == [f"by {100 * high * wide / (outputs * inputs * high * wide):.3f} percentage points"]
    assert f"= {outputs * inputs:,} kernels" in right[0].why
    sizes = [float(o.text.split()[1]) for o in question.options]
    assert sizes == sorted(sizes)


def test_the_words_count_the_parameters_of_the_run(piece):
    """All but the prunable layers' weights, from the layers' shapes and the run's model: a 3 × 3 stem of 32 channels, BatchNorm after every convolution, ten classes."""
    text = " ".join(mask.words())
    stem, norms, classifier = 1 * 32 * 9, 2 * (32 + 3 * 128), 128 * 10 + 10
    prunable = sum(int(np.prod(x.shape)) for x in piece.run.layers)
    never = stem + norms + classifier
    assert f"{never:,} of this network's {prunable + never:,} parameters ({100 * never / (prunable + never):.1f}\u00a0%)" in text
    assert "(the stem, `conv1`), the classifier (`fc`) and BatchNorm's scales and shifts" in text
    masks = cache.round(piece.run.id, piece.round).ticket(UNSTRUCTURED).masks
    kept, size = int(masks[piece.layer.name].sum()), masks[piece.layer.name].size
    assert f"{kept:,} of {size:,} weights are kept: density {percent(kept, size)}" in text


def test_links_lead_to_this_mask(piece):
    masks, lab = mask.links()
    assert masks.query == {"run": piece.run.id, "round": str(piece.round), "ticket": UNSTRUCTURED, "layer": piece.layer.name}
    assert lab.query["stage"] in [s.key for s in piece.run.config.stages(piece.round)]
