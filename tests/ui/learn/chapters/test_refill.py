"""The chapter on Refill: its frames, numbers and answers against plain loops over the same piece, and against the run's own ticket."""

import itertools
import math
import re
from fractions import Fraction
from xml.etree import ElementTree

import numpy as np
import pytest

from lthviz.config import UNSTRUCTURED
from lthviz.ui.learn import material
from lthviz.ui.learn.chapters import editing, refill, refill_frames
from lthviz.ui.learn.figure import ADDED, KEPT, NEVER, REMOVED, Cell
from lthviz.ui.learn.figure.payload import payload

CODES = {(True, True): KEPT, (False, True): ADDED, (True, False): REMOVED, (False, False): NEVER}


@pytest.fixture
def piece(shipped):
    return refill.shown(material.run())


def oracle(mask, weights, score, rho):
    """The K best rows, best first, by loops over single weights."""
    rows, n = mask.shape
    scores = []
    for r in range(rows):
        total = 0.0
        for c in range(n):
            if mask[r, c]:
                total += abs(weights[r, c]) if score == "magnitude" else 1
        scores.append(total)
    order = sorted(range(rows), key=lambda r: (-scores[r], r))
    nnz = int(mask.sum())
    x = nnz * 1000 + (rows * n - nnz) * round(1000 * rho)      # in thousandths of a weight, so that nothing is rounded before the end
    return scores, order, min(rows, max(1, -(-x // (1000 * n))))


def frame(frames, step, rho=0.0, score="magnitude"):
    at = (refill_frames.STEPS.index(step) * len(refill_frames.RHOS) + refill_frames.RHOS.index(rho)) * len(refill_frames.SCORES) + refill_frames.SCORES.index(score)
    return frames[at]


def changed(mask, seed):
    return mask ^ (np.random.default_rng(seed).random(mask.shape) < 0.2)


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_every_frame_has_what_plain_loops_find(piece, seed):
    mask = piece.mask if seed is None else changed(piece.mask, seed)
    frames = refill_frames.frames(mask, piece.weights, piece.rows.tolist())
    for rho, score in itertools.product(refill_frames.RHOS, refill_frames.SCORES):
        scores, order, keeps = oracle(mask, piece.weights, score, rho)
        whole = [r in order[:keeps] for r in range(len(mask))]
        wanted = [[CODES[bool(mask[r, c]), whole[r]] for c in range(mask.shape[1])] for r in range(len(mask))]
        picture = {name: frame(frames, name, rho, score).pictures[0] for name in refill_frames.STEPS}
        for name in ("Scattered", "Score", "Budget", "Rank"):
            assert (picture[name].codes == np.where(mask, KEPT, NEVER)).all()
        for name in ("Fill", "In order"):
            assert picture[name].codes.tolist() == wanted
        assert [float(t) for t in picture["Score"].notes] == [round(s, 2 if score == "magnitude" else 0) for s in scores]
        assert picture["Score"].bars == pytest.approx([s / max(scores) for s in scores])
        assert (picture["Score"].strong == mask).all()
        assert list(picture["Rank"].bands[0].rows) == order and set(picture["Rank"].rows_strong) == set(order[:keeps])
        assert [r for b in picture["Fill"].bands for r in b.rows] == order and list(picture["Fill"].bands[0].rows) == order[:keeps]
        assert f"K = {keeps} channel" in frame(frames, "Budget", rho, score).said
        assert f"{keeps * mask.shape[1]} of {mask.size} weights" in frame(frames, "In order", rho, score).said


def test_the_browser_takes_the_figure(piece):
    frames = refill_frames.frames(piece.mask, piece.weights, piece.rows.tolist())
    shown = refill_frames.matrix(piece.mask, piece.weights, piece.rows.tolist(), piece.places(), 0.2)
    sent = payload(frames, refill_frames.CONTROLS, [shown], "refill")
    numbers = np.array(sent["matrices"][0]["numbers"]).reshape(piece.mask.shape)
    assert ((numbers != "") == piece.mask).all()      # a weight that is not there has no number


def test_the_strip_is_as_full_as_the_budget():
    for nnz, budget, keeps in ((42, Fraction(7, 2), 4), (42, Fraction(26, 5), 6), (0, Fraction(0), 1), (144, Fraction(12), 12), (48, Fraction(4), 4)):
        root = ElementTree.fromstring(refill_frames.strip(nnz, (12, 12), budget, keeps))
        slots = [r for r in root.findall("{*}rect") if r.get("fill") == "none"]
        room = float(slots[0].get("width")) - 4
        full, allowed = (sum(float(r.get("width")) for r in root.findall("{*}rect") if r.get("fill").startswith(f"var({v}")) / room for v in ("--kept", "--accent"))
        assert len(slots) == 12 and sum(r.get("stroke").startswith("var(--accent") for r in slots) == keeps
        assert full == pytest.approx(nnz / 12, abs=0.02)
        over = sum(float(min(Fraction(1), max(Fraction(0), budget - i))) for i in range(12) if i + 1 > nnz / 12)
        assert allowed == pytest.approx(over if budget > Fraction(nnz, 12) else 0, abs=0.02)


def test_the_piece_is_of_the_layer_as_the_runs_own_refill_found_it(shipped, piece):
    """Its weights and scores are those by which the stored ticket was made: the same channels are its best and worst."""
    now, name = shipped.round(piece.run.id, piece.round), piece.layer.name
    assert (piece.mask == now.ticket(UNSTRUCTURED).masks.matrix(name)[np.ix_(piece.rows, piece.cols)]).all()
    before = shipped.round(piece.run.id, piece.round - 1).ticket(UNSTRUCTURED)
    assert np.array_equal(piece.weights[piece.mask], before.weights[name].reshape(piece.layer.matrix)[np.ix_(piece.rows, piece.cols)][piece.mask])
    whole = material.pruned(piece.run, piece.round, name)
    scores = np.where(whole.mask, np.abs(whole.weights), 0).sum(axis=1)
    kept = now.ticket("refill").masks.matrix(name).all(axis=1)
    assert scores[kept].min() > scores[~kept].max()
    assert set(piece.rows) >= {int(scores.argmax()), int(scores.argmin())}
    dense = shipped.round(piece.run.id, 0).ticket(UNSTRUCTURED).weights[name].reshape(piece.layer.matrix)
    never = ~shipped.round(piece.run.id, 1).ticket(UNSTRUCTURED).masks.matrix(name)
    assert np.array_equal(whole.weights[never], dense[never].astype(float))      # what went first was last trained in the dense network


def test_places_are_those_of_the_kernel(piece):
    for text, c in zip(piece.places(), piece.cols.tolist()):
        i, y, x = np.unravel_index(c, piece.layer.shape[1:])
        assert text == f"input channel {i}, kernel row {y}, column {x}"


def test_the_answer_is_the_one_that_the_rule_gives(piece):
    for mask in (piece.mask, changed(piece.mask, 2), np.zeros_like(piece.mask), np.ones_like(piece.mask)):
        question = refill.asked(mask, piece.weights)
        _, _, keeps = oracle(mask, piece.weights, "magnitude", 0.0)
        (right,) = (o for o in question.options if o.right)
        assert right.text.startswith(f"{keeps} channel") and len(question.options) >= 2 and all(o.why for o in question.options)
        assert len({o.text for o in question.options}) == len(question.options)
        for o in question.options:
            k, density = (float(x) for x in re.match(r"(\d+) .* ([\d.]+)\D*$", o.text).groups())
            assert density == pytest.approx(100 * k / len(mask), abs=0.05)
            assert ("falls" in o.text, "rises" in o.text) == (k * mask.shape[1] < mask.sum(), k * mask.shape[1] > mask.sum())


def test_editing_changes_frames_and_answer(piece):
    fuller = piece.mask.copy()
    r, c = map(int, np.argwhere(~fuller)[0])
    for at in np.argwhere(~fuller)[: math.ceil(piece.mask.shape[1])]:
        fuller[tuple(at)] = True
    texts = [next(o.text for o in refill.asked(m, piece.weights).options if o.right) for m in (piece.mask, fuller)]
    assert texts[0] != texts[1]
    one = piece.mask.copy()
    one[r, c] = True
    frames = [refill_frames.frames(m, piece.weights, piece.rows.tolist()) for m in (piece.mask, one)]
    assert frames[0][0].said != frames[1][0].said and frame(frames[0], "Score").pictures[0].notes != frame(frames[1], "Score").pictures[0].notes


def test_words_tell_what_each_score_keeps_and_where_the_line_is_a_tie(piece):
    text = "\n".join(refill.words())
    nnz, n = int(piece.mask.sum()), piece.mask.shape[1]
    stay = {}
    for score in refill_frames.SCORES:
        scores, order, keeps = oracle(piece.mask, piece.weights, score, 0)
        stay[score] = {int(piece.rows[r]) for r in order[:keeps]}
        tied = scores[order[keeps - 1]] == scores[order[keeps]]
        assert tied == refill_frames.decide(piece.mask, piece.weights, score).tied == ("lower number goes first" in frame(
            refill_frames.frames(piece.mask, piece.weights, piece.rows.tolist()), "Rank", 0.0, score).said)
    right = next(o.text for o in refill.asked(piece.mask, piece.weights).options if o.right)
    assert f"{nnz / n:.2f}" not in text and right.split()[-2] not in text, "what is asked for is not told beside it"
    assert stay["magnitude"] != stay["remain"]      # the piece shows that they may differ
    for score, word in (("remain", "would keep"), ("magnitude", "keeps")):
        for channel in stay[score] - set.intersection(*stay.values()):
            assert re.search(rf"\*{score}\* {word} channels? [^*]*\b{channel}\b", text)


def test_links_lead_to_that_very_ticket(shipped, piece):
    for link in refill.links():
        q = link.query
        assert int(q["round"]) == piece.round and q["layer"] == piece.layer.name and q["run"] == piece.run.id
        assert shipped.round(q["run"], piece.round).ticket(q.get("ticket", q.get("structure"))).structure == "refill"
    assert [x.page for x in refill.links()] == ["pages/masks.py", "pages/tune.py"]


def test_switching_twice_changes_nothing_and_another_run_is_untouched(monkeypatch):
    monkeypatch.setattr(editing.st, "session_state", {})
    mask = np.zeros((2, 3), bool)
    editing.switch("x", "run", Cell(0, 1, 2))
    assert editing.switched(mask, "x", "run").tolist() == [[False] * 3, [False, False, True]] and not mask.any()
    assert not editing.switched(mask, "x", "other").any() and not editing.switched(mask, "y", "run").any()
    assert not editing.switched(np.zeros((1, 1), bool), "x", "run").any()      # a piece that became smaller
    editing.switch("x", "run", Cell(0, 1, 2))
    assert not editing.switched(mask, "x", "run").any()
