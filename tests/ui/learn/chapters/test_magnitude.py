"""The chapter on magnitude pruning: its frames, numbers and the right answer against sorting by hand and against the run's own rounds."""

import re

import numpy as np
import pytest

from lthviz.config import UNSTRUCTURED
from lthviz.ui import cache
from lthviz.ui.learn import material
from lthviz.ui.learn.chapters import magnitude, magnitude_frames
from lthviz.ui.learn.chapters.magnitude_frames import RATES, SCOPES
from lthviz.ui.learn.figure import KEPT, REMOVED
from lthviz.ui.learn.figure.payload import payload
from tests.ui.learn.evidences import sound


@pytest.fixture
def pieces(shipped):
    return magnitude.shown(material.run())


@pytest.fixture
def frames(pieces):
    return magnitude_frames.frames(pieces, 0.2)


def removed(weights, rate, scope):
    """Places that go, by sorting; weights: a list of arrays. Ties do not occur in trained weights."""
    groups = [range(len(weights))] if scope == "global" else [[i] for i in range(len(weights))]
    out = set()
    for group in groups:
        every = sorted((abs(float(w)), i, at) for i in group for at, w in enumerate(weights[i].ravel()))
        out |= {(i, at) for _, i, at in every[:round(rate * len(every))]}
    return out


def test_the_pieces_are_the_weights_of_the_trained_dense_network(pieces):
    ticket = cache.round(pieces[0].run.id, 0).ticket(UNSTRUCTURED)
    for piece in pieces:
        tensor = np.asarray(ticket.weights[piece.layer.name])
        _, _, high, wide = tensor.shape
        assert all(piece.weights[i, j] == tensor[r, c // (high * wide), c % (high * wide) // wide, c % wide] for i, r in enumerate(piece.rows) for j, c in enumerate(piece.cols))
        assert piece.mask.all() and piece.mask.shape == (6, 8)
    assert [p.layer for p in pieces] == [pieces[0].run.layers[0], pieces[0].run.layers[-1]]


@pytest.mark.parametrize("scope", SCOPES)
def test_every_rate_removes_the_smallest(pieces, frames, scope):
    weights = [p.weights for p in pieces]
    for n, rate in enumerate(RATES):
        frame, gone = frames[2 * n + SCOPES.index(scope)], removed(weights, rate / 100, scope)
        for i, picture in enumerate(frame.pictures):
            assert picture.codes.ravel().tolist() == [REMOVED if (i, at) in gone else KEPT for at in range(48)]
            left = 48 - sum(j == i for j, _ in gone)
            assert (f"keeps {left} of 48 ({100 * left / 48:.1f}\u00a0%)" in frame.said) == bool(gone)
            assert f"{pieces[i].layer.short}: {48 - left} go, {left} stay<" in frame.drawing
        if gone:
            assert frame.said.startswith(f"{len(gone)} of 96 weights go")
            largest = {f"{max(abs(weights[i].ravel()[at]) for i, at in gone if scope == SCOPES[0] or i == j):.4f}" for j in range(2)}
            assert set(re.findall(r"threshold ([\d.]+)", frame.drawing)) == largest and all(x in frame.said for x in largest)
            rounds = float(re.search(r"([\d.]+) rounds of 20\u00a0% leave as much", frame.said)[1])
            assert 0.8 ** (rounds + 0.05) <= 1 - rate / 100 <= 0.8 ** (rounds - 0.05)


def test_one_threshold_for_all_layers_takes_more_from_the_layer_of_smaller_weights(pieces, frames):
    """At 80 % of these weights, so that the figure shows what the text says."""
    both, each = frames[2 * RATES.index(80)], frames[2 * RATES.index(80) + 1]
    kept = [[int((p.codes == KEPT).sum()) for p in f.pictures] for f in (both, each)]
    assert kept[0][0] < kept[0][1] and kept[1][0] == kept[1][1]
    assert np.abs(pieces[0].weights).mean() < np.abs(pieces[1].weights).mean()


def test_bars_are_the_sizes_sorted_and_cut_where_the_removed_end(pieces, frames):
    frame = frames[2 * RATES.index(40)]
    heights = []
    for path in re.findall(r"<path d='([^']+)'", frame.drawing):
        heights.append([float(b) - float(t) for b, t in re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", path)])
    top = max(np.abs(p.weights).max() for p in pieces)
    for i, piece in enumerate(pieces):
        sizes = sorted(abs(float(w)) for w in piece.weights.flat)
        gone = int((frame.pictures[i].codes == REMOVED).sum())
        assert [len(heights[2 * i]), len(heights[2 * i + 1])] == [gone, 48 - gone]
        assert heights[2 * i] + heights[2 * i + 1] == pytest.approx([max(0.6, s / top * 120) for s in sizes], abs=0.11)


def test_the_browser_takes_every_frame(pieces, frames):
    sent = payload(frames, magnitude_frames.controls(), magnitude_frames.matrices(pieces), "magnitude")
    largest = max(np.abs(p.weights).max() for p in pieces)
    for piece, matrix in zip(pieces, sent["matrices"]):
        assert matrix["levels"] == pytest.approx((100 * np.abs(piece.weights) / largest).ravel(), abs=0.51)        # one scale for both
    for frame in frames:
        sound(frame.drawing)


def test_five_rounds_leave_what_the_run_itself_kept(pieces):
    run = pieces[0].run
    question = magnitude.asked(pieces, run.config.rate)
    (right,) = [o for o in question.options if o.right]
    density = cache.round(run.id, 5).ticket(UNSTRUCTURED).masks.density()
    assert right.text == f"{100 * density:.1f}\u00a0%" and len({o.text for o in question.options}) == 3
    left = [96]
    for _ in range(5):
        left.append(left[-1] - round(0.2 * left[-1]))
    assert all(", ".join(map(str, left)) in o.why for o in question.options)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.5])
def test_the_right_answer_follows_the_rate(pieces, rate):
    options = magnitude.asked(pieces, rate).options
    assert [o.text for o in options if o.right] == [f"{round(100 * (1 - rate) ** 5, 1):g}\u00a0%"] and sum(o.right for o in options) == 1


def test_the_words_are_of_the_run(pieces):
    run, text = pieces[0].run, " ".join(magnitude.words()).replace("\\", "")      # names are escaped for Markdown
    deep = cache.round(run.id, run.finished[-1]).ticket(UNSTRUCTURED).masks
    for piece in pieces:
        kept = deep[piece.layer.name]
        assert f"{piece.layer.short} {'keeps ' if piece is pieces[0] else ''}{100 * kept.mean():.1f}\u00a0%" in text
    assert "removes 20\u00a0% of the weights that are left" in text and "0.8" not in text, "the question asks for the power"
    assert f"12 rounds left {100 * deep.nnz() / deep.size():.1f}\u00a0%" in text
    dense = cache.round(run.id, 0).ticket(UNSTRUCTURED).weights
    sizes = np.concatenate([np.abs(np.asarray(dense[n])).ravel() for n in deep])
    kept = np.concatenate([deep[n].ravel() for n in deep])
    once = np.zeros(sizes.size, bool)
    once[np.argsort(-sizes, kind="stable")[:deep.nnz()]] = True
    assert f"keeps after round 12, {100 * (kept & ~once).sum() / kept.sum():.0f}\u00a0% would have gone" in text


def test_links_lead_to_the_first_pruning(pieces):
    first, last, lab = magnitude.links()
    assert [x.query["layer"] for x in (first, last)] == [p.layer.name for p in pieces] and first.query["round"] == "1"
    assert lab.query["stage"] in [s.key for s in pieces[0].run.config.stages(1)]
