"""The chapter on neighbours: dead columns, densities and multiply-adds against plain loops over every weight of the same two layers."""

import itertools
import re

import numpy as np
import pytest

from lthviz.config import UNSTRUCTURED
from lthviz.ui.learn import material
from lthviz.ui.learn.chapters import neighbours, neighbours_frames
from lthviz.ui.learn.chapters.neighbours_frames import STEPS, TICKETS
from lthviz.ui.learn.figure import KEPT, NEVER, REMOVED
from lthviz.ui.learn.figure.payload import payload


@pytest.fixture
def pair(shipped):
    return neighbours.shown(material.run())[0]


def choices(pair):
    rng = np.random.default_rng(0)
    yield neighbours.shown(material.run())[1]
    for _ in range(4):
        yield rng.random((2, len(pair.masks[0]))) < 0.4


def loops(pair, gone, structural):
    """(weights in the masks, weights that do something, cells of B that read a removed channel), by layer, from single weights."""
    a, b = pair.masks
    wide = b.shape[1] // len(a)
    kept = alive = 0
    by_layer, dead = [], []
    for layer, mask in enumerate((a, b)):
        does = 0
        for r, c in itertools.product(range(mask.shape[0]), range(mask.shape[1])):
            silent = layer == 1 and structural and gone[0][c // wide]
            if silent:
                dead.append((r, c))
            if (structural or mask[r, c]) and not gone[layer][r]:
                kept += 1
                does += not silent
        by_layer.append(does)
        alive += does
    return kept, alive, by_layer, dead


def frame(frames, step, ticket):
    return frames[STEPS.index(step) * len(TICKETS) + TICKETS.index(ticket)]


def numbers(text):
    return [float(x) for x in re.findall(r"([\d.]+)\s%", text)]


def test_every_frame_has_what_plain_loops_find(pair):
    size = sum(m.size for m in pair.masks)
    (ha, wa), (hb, wb) = (x.out_hw for x in pair.layers)
    for gone, ticket in itertools.product(choices(pair), TICKETS):
        structural = ticket == "structural"
        kept, alive, by_layer, dead = loops(pair, gone, structural)
        # an empty row of an unstructured ticket is no removed channel, whatever emptied it
        frames = neighbours_frames.frames(pair, gone)
        for step in STEPS:
            for i, (mask, picture) in enumerate(zip(pair.masks, frame(frames, step, ticket).pictures, strict=True)):
                for r, c in itertools.product(range(mask.shape[0]), range(mask.shape[1])):
                    there = structural or mask[r, c]
                    assert picture.codes[r, c] == (NEVER if not there else REMOVED if gone[i][r] and step != "Two layers" else KEPT)
                    assert picture.pale[r, c] == (i == 1 and (r, c) in dead and step in ("What read them", "What is left"))
        if not gone[0].any():
            continue
        assert numbers(frame(frames, "The rows go", ticket).said) == pytest.approx([100 * kept / size], abs=0.051)
        densities = [kept / size, alive / size] if structural else [alive / size]
        assert numbers(frame(frames, "What read them", ticket).said) == pytest.approx([100 * x for x in densities], abs=0.051)
        macs = [by_layer[0] * ha * wa, by_layer[1] * hb * wb]
        dense = [pair.masks[0].size * ha * wa, pair.masks[1].size * hb * wb]
        left = frame(frames, "What is left", ticket)
        shares = [macs[0] / dense[0], macs[1] / dense[1], sum(macs) / sum(dense)] if structural else [sum(macs) / sum(dense)]
        assert numbers(left.said) == pytest.approx([100 * x for x in shares], abs=0.51)
        if structural:
            wide = pair.masks[1].shape[1] // len(pair.masks[0])
            a, b = left.pictures
            assert [x.bands[0].block for x in (a, b)] == [pair.masks[0].shape[1], wide * int((~gone[0]).sum())]
            for picture, g in zip((a, b), gone):
                assert list(picture.bands[0].rows) == np.flatnonzero(~g).tolist()
            block = np.ix_(b.bands[0].rows, b.bands[0].cols[: b.bands[0].block])
            assert (b.codes[block] == KEPT).all() and not b.pale[block].any()
        else:
            assert not any(p.bands for p in left.pictures)


def test_without_bands_for_rows_all_of_which_go_the_browser_still_takes_it(pair):
    n = len(pair.masks[0])
    for gone in (np.ones((2, n), bool), np.zeros((2, n), bool), np.array([[False] * n, [True] * n])):
        payload(neighbours_frames.frames(pair, gone), neighbours_frames.CONTROLS, neighbours_frames.matrices(pair), "neighbours")


def test_batchnorm_is_the_runs_own_and_goes_only_with_a_structural_ticket(shipped, pair):
    found = material.run()
    trained = shipped.round(found.id, material.third(found) - 1).ticket(UNSTRUCTURED).weights
    a = found.by_name[pair.layers[0].name]
    for i, channel in enumerate(pair.channels[0]):
        assert pair.scale[i] == trained[f"{a.bn}.weight"][channel] and pair.shift[i] == trained[f"{a.bn}.bias"][channel]
    gone = neighbours.shown(found)[1]
    frames = neighbours_frames.frames(pair, gone)
    for step, ticket in itertools.product(STEPS, TICKETS):
        for i, note in enumerate(frame(frames, step, ticket).pictures[0].notes):
            silent = gone[0][i] and STEPS.index(step) >= 2
            assert note.startswith("gone" if silent and ticket == "structural" else "always" if silent else "γ")
            assert (ticket == "structural" and silent) or f"{abs(pair.shift[i]):.3f}" in note


def test_the_pair_is_two_real_layers_and_one_reads_the_other(shipped, pair):
    found = material.run()
    whole = [found.by_name[x.name] for x in pair.layers]
    assert whole[1].sources == (whole[0].name,) == pair.layers[1].sources
    masks = shipped.round(found.id, material.third(found)).ticket(UNSTRUCTURED).masks
    for layer, small, mask, rows, places in zip(whole, pair.layers, pair.masks, pair.channels, pair.places, strict=True):
        assert small.out_hw == layer.out_hw and small.matrix == mask.shape == (len(rows), len(places))
        for c, text in enumerate(places):
            i, y, x = map(int, re.fullmatch(r"input channel (\d+), kernel row (\d+), column (\d+)", text).groups())
            assert (mask[:, c] == masks[layer.name][list(rows), i, y, x]).all()
            if layer is whole[1]:
                assert i == pair.channels[0][c // layer.shape[3]]


def test_the_answer_is_the_one_that_the_rule_gives(pair):
    half = np.zeros((2, len(pair.masks[0])), bool)
    half[:, half.shape[1] // 2:] = True
    _, _, (_, does), _ = loops(pair, half, True)
    question = neighbours.asked(pair)
    (right,) = (o for o in question.options if o.right)
    assert numbers(right.text) == pytest.approx([100 * does / pair.masks[1].size])
    assert all(f"{does} of them" in o.why for o in question.options) and len({o.text for o in question.options}) == 3


def test_taking_a_channel_back_changes_what_is_said(pair):
    gone = neighbours.shown(material.run())[1]
    other = gone.copy()
    other[0, np.flatnonzero(gone[0])[0]] = False
    said = [frame(neighbours_frames.frames(pair, g), "What read them", "structural").said for g in (gone, other)]
    assert said[0] != said[1]


def test_words_tell_what_refill_comes_to_in_the_run(shipped):
    """Effective density of the stored ticket, counted again from its masks, layer by layer."""
    found = material.run()
    k = material.third(found)
    masks = shipped.round(found.id, k).ticket("refill").masks
    total = does = 0
    macs = [0, 0]
    for layer in found.layers:
        mask = masks[layer.name].astype(bool)
        total += mask.size
        macs[1] += mask.size * layer.out_hw[0] * layer.out_hw[1]
        for source in layer.sources or ():
            mask[:, ~masks.matrix(source).any(axis=1)] = False
        does += int(mask.sum())
        macs[0] += int(mask.sum()) * layer.out_hw[0] * layer.out_hw[1]
    assert numbers(neighbours.words()[-1]) == pytest.approx([100 * masks.density(), 100 * does / total, 100 * macs[0] / macs[1]], abs=0.051)


def test_links_lead_to_both_layers(shipped, pair):
    links = neighbours.links()
    assert [x.query["layer"] for x in links] == [pair.layers[0].name, pair.layers[1].name, pair.layers[1].name]
    assert all(shipped.round(x.query["run"], int(x.query["round"])).ticket(x.query.get("ticket", "refill")) for x in links)
