"""The chapter on Regroup: its frames, numbers and answers against plain loops over the same piece and groups."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from lthviz.core.partition import partition
from lthviz.ui.learn import material
from lthviz.ui.learn.chapters import refill_frames, regroup, regroup_frames
from lthviz.ui.learn.chapters.regroup_drawing import curve, hypergraph
from lthviz.ui.learn.chapters.regroup_frames import GROUPS, MIN_ROWS, STEPS, T1, USUAL
from lthviz.ui.learn.figure import ADDED, KEPT, NEVER, REMOVED
from lthviz.ui.learn.figure.payload import payload

CODES = {(True, True): KEPT, (False, True): ADDED, (True, False): REMOVED, (False, False): NEVER}


@pytest.fixture
def piece(shipped):
    return regroup.shown(material.run())


def groups_of(mask):
    """Rows of each group, by the first row, as the partitioner gives them."""
    assignment = partition(mask, GROUPS).assignment.tolist()
    found = {}
    for row, part in enumerate(assignment):
        if part >= 0:
            found.setdefault(part, []).append(row)
    return sorted(found.values())


def loops(mask, rows, t1):
    """Columns in the group's order, L(1)…, and the cut, by loops over single weights."""
    n = mask.shape[1]
    used = [sum(bool(mask[r, c]) for r in rows) for c in range(n)]
    order = sorted(range(n), key=lambda c: (-used[c], c))
    left = [max(sum(bool(mask[r, c]) for c in order[i:]) for r in rows) for i in range(1, n + 1)]
    return order, left, next(i for i in range(1, n + 1) if i > t1 * left[i - 1])


def km1(mask, groups):
    return sum(max(0, sum(any(mask[r, c] for r in rows) for rows in groups) - 1) for c in range(mask.shape[1]))


def frame(frames, step, t1):
    return frames[STEPS.index(step) * len(T1) + T1.index(t1)]


def changed(mask, seed):
    return mask ^ (np.random.default_rng(seed).random(mask.shape) < 0.15)


def built(piece, mask):
    return regroup_frames.frames(mask, piece.weights, piece.rows.tolist())


@pytest.mark.parametrize("seed", [None, 0])
def test_every_frame_has_what_plain_loops_find(piece, seed):
    mask = piece.mask if seed is None else changed(piece.mask, seed)
    frames, groups = built(piece, mask), groups_of(mask)
    size, magnitude = mask.size, np.abs(piece.weights)
    for t1 in T1:
        found = [loops(mask, rows, t1) for rows in groups]
        after = np.zeros_like(mask)
        for rows, (order, _, cut) in zip(groups, found):
            for r in rows if len(rows) > MIN_ROWS else ():
                for c in order[:cut]:
                    after[r, c] = True
        wanted = [[CODES[bool(a), bool(b)] for a, b in zip(*both)] for both in zip(mask, after)]
        pictures = {s: frame(frames, s, t1).pictures[0] for s in STEPS}
        for step in ("Scattered", "Hypergraph", "Divide", "Sort", "Cut"):
            assert (pictures[step].codes == np.where(mask, KEPT, NEVER)).all()
        assert pictures["Blocks"].codes.tolist() == pictures["In order"].codes.tolist() == wanted
        for step in ("Divide", "Sort", "Cut", "Blocks"):
            assert [list(b.rows) for b in pictures[step].bands] == groups
        for step in ("Sort", "Cut", "Blocks"):
            assert [list(b.cols) for b in pictures[step].bands] == [order for order, _, _ in found]
        for step in ("Cut", "Blocks"):
            assert [b.block for b in pictures[step].bands] == [cut for _, _, cut in found]
        for rows, (order, _, cut) in zip(groups, found):
            for r in rows:
                outside = sum(bool(mask[r, c]) for c in order[cut:])
                assert pictures["Cut"].notes[r] == (f"{outside} outside" if outside else "")
        numbers = [float(x) for x in re.findall(r"([\d.]+)\s?%", frame(frames, "In order", t1).said)]
        kept = 100 * magnitude[mask & after].sum() / magnitude[mask].sum()
        assert numbers == pytest.approx([100 * mask.sum() / size, 100 * after.sum() / size, 100, kept], abs=0.51)
        said = frame(frames, "Blocks", t1).said
        assert f"{int((after & ~mask).sum())} come back" in said and f"{int((mask & ~after).sum())} of {int(mask.sum())} are removed" in said


def test_what_is_said_of_the_division_and_of_the_cut(piece):
    frames, groups = built(piece, piece.mask), groups_of(piece.mask)
    evenly = [list(x) for x in np.array_split(np.arange(len(piece.mask)), GROUPS)]
    said = frame(frames, "Divide", 1.5).said
    assert f"is {km1(piece.mask, groups)};" in said and f"would be {km1(piece.mask, evenly)}." in said
    assert km1(piece.mask, groups) < km1(piece.mask, evenly)
    widest = max(range(GROUPS), key=lambda g: loops(piece.mask, groups[g], T1[USUAL])[2])
    for t1 in T1:
        _, left, cut = loops(piece.mask, groups[widest], t1)
        said = frame(frames, "Cut", t1).said
        assert said.startswith(f"Group {'ABC'[widest]}: a block of {cut} column") and f"{cut} > {t1:g} · {left[cut - 1]} = {t1 * left[cut - 1]:g}." in said
        assert f"at i = {cut} " in frame(frames, "Cut", t1).alt


def test_dragging_t1_changes_the_blocks_step_by_step(piece):
    widths = [sum(b.block for b in frame(built(piece, piece.mask), "Blocks", t1).pictures[0].bands) for t1 in T1]
    assert widths == sorted(widths) and len(set(widths)) > 8
    assert T1[USUAL] == 1.5


def test_the_hypergraph_has_a_line_for_every_weight_and_adds_up_to_km1(piece):
    found, channels = regroup_frames.divide(piece.mask), piece.rows.tolist()
    for parts in ((), found.parts):
        svg, alt = hypergraph(piece.mask, channels, parts)
        root = ElementTree.fromstring(svg)
        assert len(root.findall("{*}polyline")) == piece.mask.sum() and alt
        texts = [t.text for t in root.findall("{*}text")]
        assert {str(c) for c in channels} <= set(texts)
        assert sum(int(t[1:]) for t in texts if t.startswith("+")) == (found.partition.km1 if parts else 0)
    assert f"touch {found.partition.km1} groups" in hypergraph(piece.mask, channels, found.parts)[1]


def test_the_line_crosses_the_curve_at_the_cut():
    left, t1 = (5, 4, 3, 2, 1, 0, 0, 0), 1.5
    cut = next(i for i in range(1, 9) if i > t1 * left[i - 1])
    root = ElementTree.fromstring(curve(left, t1, cut, "group A", 0)[0])
    across = [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in root.findall("{*}polyline")]
    (upright,) = (x for x in across if len(x) == 2 and x[0][0] == x[1][0] and abs(x[0][1] - x[1][1]) > 50)
    l_curve = next(x for x in across if len(x) == len(left))
    rising = next(x for x in across if len(x) == 2 and x[0][1] > x[1][1] and x[0][0] < x[1][0])

    def height(x):
        (x0, y0), (x1, y1) = rising
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0)

    for i, (x, y) in enumerate(l_curve, 1):
        assert (height(x) < y - 1e-6) == (i > t1 * left[i - 1])       # above the curve is a smaller y
        assert (abs(x - upright[0][0]) < 0.2) == (i == cut)


def test_the_browser_takes_the_figure_also_when_nothing_or_little_is_left(piece):
    few = np.zeros_like(piece.mask)
    few[:2, 0] = True
    for mask in (piece.mask, few, np.zeros_like(few), np.ones_like(few)):
        shown = refill_frames.matrix(mask, piece.weights, piece.rows.tolist(), piece.places(), 0.2)
        sent = payload(built(piece, mask), regroup_frames.CONTROLS, [shown], "regroup")
        assert ((np.array(sent["matrices"][0]["numbers"]).reshape(mask.shape) != "") == mask).all()
    assert "the mask stays as it is" in frame(built(piece, few), "Blocks", 1.5).said
    assert (frame(built(piece, few), "In order", 1.5).pictures[0].codes == np.where(few, KEPT, NEVER)).all()


def test_the_piece_is_of_three_of_the_runs_own_groups(shipped, piece):
    notes = shipped.round(piece.run.id, piece.round).ticket(material.label(piece.run, piece.round, "regroup"))
    blocks = notes.blocks[piece.layer.name]
    by_columns = {}
    for rows, cols in zip(blocks.rows, blocks.cols):
        by_columns.setdefault(tuple(cols.tolist()), set()).update(rows.tolist())
    inside = [len(set(piece.rows.tolist()) & rows) for rows in by_columns.values()]
    assert sorted(n for n in inside if n) == [regroup.ROWS] * GROUPS
    assert piece.mask.shape == (GROUPS * regroup.ROWS, GROUPS * regroup.COLS)


def test_the_answer_is_the_one_that_the_rule_gives(piece):
    for mask in (piece.mask, changed(piece.mask, 1), np.ones_like(piece.mask)):
        question = regroup.asked(mask, piece.weights)
        groups = groups_of(mask)
        small, large = (sum(len(rows) * loops(mask, rows, T1[i])[2] for rows in groups) for i in (USUAL, regroup.RAISED))
        right = [o.right for o in question.options]
        assert right == [large == small, large < small, large > small] and all(o.why for o in question.options)
        cuts = [" + ".join(str(loops(mask, rows, T1[i])[2]) for rows in groups) for i in (USUAL, regroup.RAISED)]
        assert all(f"from {cuts[0]} columns to {cuts[1]}," in o.why for o in question.options)


def test_editing_changes_the_answer(piece):
    """Where one column holds all of a group, nothing is left outside and t1 has nothing to decide."""
    alike = np.zeros_like(piece.mask)
    for i in range(GROUPS):
        alike[4 * i : 4 * i + 4, 5 * i] = True
    answers = [next(o.text for o in regroup.asked(m, piece.weights).options if o.right) for m in (piece.mask, alike)]
    assert answers[0] != answers[1]


def test_words_and_links_name_the_runs_own_ticket(shipped, piece):
    text, groups = "\n".join(regroup.words()), groups_of(piece.mask)
    assert "wider" not in text, "the question asks what a larger t1 does"
    evenly = [list(x) for x in np.array_split(np.arange(len(piece.mask)), GROUPS)]
    assert f"km1 counts the groups that each column touches beyond its first; here it falls from {km1(piece.mask, evenly)} to {km1(piece.mask, groups)}." in text
    area = sum(len(rows) * loops(piece.mask, rows, 1.5)[2] for rows in groups)
    assert f"from {100 * piece.mask.mean():.1f}\u00a0% to {100 * area / piece.mask.size:.1f}\u00a0%" in text
    for link, page in zip(regroup.links(), ("masks", "tune"), strict=True):
        label = link.query.get("ticket", link.query.get("structure"))
        assert link.page == f"pages/{page}.py" and shipped.round(link.query["run"], int(link.query["round"])).ticket(label).blocks[link.query["layer"]]
        density = shipped.round(link.query["run"], int(link.query["round"])).ticket(label).masks.density(link.query["layer"])
        assert f"to {100 * density:.1f}\u00a0%" in text
