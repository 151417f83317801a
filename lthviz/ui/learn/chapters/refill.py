"""Refill: whole channels. How many stay, which ones, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from lthviz.config import UNSTRUCTURED
from lthviz.core.refill import magnitude_scores, ranking
from lthviz.records import Masks, Run
from lthviz.ui import cache, frame
from lthviz.ui.learn import material
from lthviz.ui.learn.chapter import Chapter, Link, Option, Question
from lthviz.ui.learn.chapters import editing, real
from lthviz.ui.learn.chapters.refill_frames import CONTROLS, Decision, decide, frames, named, percent, share
from lthviz.ui.learn.material import Piece

ROWS, COLS = 12, 12
NAME = "refill"


@lru_cache(maxsize=4)
def shown(found: Run) -> Piece:
    """Some of a layer's output channels, evenly spaced in the order of their scores, and some weights of each: those that the better third of
    the channels keeps most often against the worse third, so that a small piece has better and worse channels too."""
    whole = material.pruned(found, material.third(found), material.middle(found).name)
    name = whole.layer.name
    order = ranking(magnitude_scores(Masks.of({name: whole.mask}), {name: whole.weights})[name])
    third = len(order) // 3
    oftener = whole.mask[order[:third]].sum(axis=0) - whole.mask[order[-third:]].sum(axis=0)
    return whole.part(np.sort(order[np.linspace(0, len(order) - 1, ROWS).round().astype(int)]), np.sort(np.argsort(-oftener, kind="stable")[:COLS]))


def words() -> Sequence[str]:
    piece = shown(material.run())
    return [
        "A scattered mask leaves every channel something to do. **Refill** (ICML 2022, section 3.2) starts from that mask and makes whole channels of it: the best output "
        "channels get all their weights back, the others lose all of theirs.",
        "**How many?** With nnz weights left and n to a channel, there are x = nnz / n channels' worth; the K = ⌈x⌉ best of the C channels "
        "stay. Refill+ also keeps a share ρ of the others: K = ⌈x + (C − x)·ρ⌉. Since K is rounded up, the density may rise, by less than one channel"
        f"{_whole_layer(piece)}.",
        f"**Which?** Score *magnitude* adds up |w| over the weights that the mask keeps, *remain* only counts them. {_scores_differ(piece)} Equal scores need a rule, else more than K "
        f"channels would stay: the lower number goes first.{_ties(piece)}",
        "What comes back are the weights of the rewinding step θk, from which every weight of the ticket trains on. A filled channel is dense, an emptied one is gone.",
    ]


def _whole_layer(piece: Piece) -> str:
    """The same of the whole layer, from the run's own ticket."""
    now, label = cache.round(piece.run.id, piece.round), material.label(piece.run, piece.round, "refill")
    if label not in now.tickets:
        return ""
    before, after = (now.ticket(x).masks.density(piece.layer.name) for x in (UNSTRUCTURED, label))
    return f": in the whole layer from {percent(before, 2)} to {percent(after, 2)}"


def _scores_differ(piece: Piece) -> str:
    by, channels = {x: decide(piece.mask, piece.weights, x) for x in ("magnitude", "remain")}, piece.rows.tolist()
    stay = {x: set(d.order[: d.keeps].tolist()) for x, d in by.items()}
    if stay["magnitude"] == stay["remain"]:
        return "Here both choose the same channels; they part where one channel has few large weights and another many small ones."
    mine, other = sorted(stay["magnitude"] - stay["remain"]), sorted(stay["remain"] - stay["magnitude"])
    counts = by["remain"].scores
    one = len(mine) == len(other) == 1 and counts[mine[0]] <= counts[other[0]]
    why = f": {'as many' if counts[mine[0]] == counts[other[0]] else 'fewer'} weights, but larger ones" if one else ""
    return f"Here *remain* would keep {_told(other, by, channels)}, *magnitude* keeps {_told(mine, by, channels)} instead{why}."


def _told(rows: Sequence[int], by: dict[str, Decision], channels: Sequence[int]) -> str:
    each = " and ".join(f"{by['remain'].scores[r]:.0f} weights, together {by['magnitude'].scores[r]:.2f}" for r in rows)
    return f"{named(channels, rows)} ({each})"


def _ties(piece: Piece) -> str:
    made, channels = decide(piece.mask, piece.weights, "remain"), piece.rows.tolist()
    if not made.tied:
        return ""
    last = made.scores[made.order[made.keeps - 1]]
    return f" Counting ties often: {named(channels, np.flatnonzero(made.scores == last).tolist())} have {last:.0f} weights each, and not all of them can stay."


def figure() -> None:
    frame.fragment(_figure)(material.run())


def _figure(found: Run) -> None:
    piece = shown(found)
    editing.edited(NAME, found, piece, frames, CONTROLS, origin(piece))


def origin(piece: Piece) -> str:
    """Where the piece is from, and by which rule."""
    rows, n = piece.layer.matrix
    return (f"{len(piece.rows)} of the {rows} output channels of layer {piece.layer.short}, round {piece.round}, evenly spaced in the order of their scores; {len(piece.cols)} of "
            f"their {n:,} weights each, those that the better third of the channels keeps most often against the worse third. A weight that you switch on is as it was when it was last trained.")


def question() -> Question:
    piece = shown(material.run())
    return asked(piece.mask, piece.weights)


def asked(mask: np.ndarray, weights: np.ndarray) -> Question:
    """How many channels stay, and what becomes of the density."""
    (rows, n), nnz = mask.shape, int(mask.sum())
    keeps, x = decide(mask, weights, "magnitude").keeps, Fraction(nnz, n)
    numbers = sorted({keeps, keeps - 1 if keeps > 1 else keeps + 1, rows})
    return Question(
        f"{nnz} of {mask.size} weights are left ({share(nnz, mask.size)}), {n} to a channel, and every weight that stays may stand anywhere. How many of the {rows} channels will "
        "Refill make whole, and what becomes of the density?",
        tuple(Option(f"{k} channel{'s' * (k != 1)}; the density {_moves(k * n, nnz)} {share(k * n, mask.size)}", k == keeps, _why(k, keeps, rows, n, nnz, x)) for k in numbers))


def _moves(after: int, before: int) -> str:
    return "stays at" if after == before else "rises to" if after > before else "falls to"


def _why(k: int, keeps: int, rows: int, n: int, nnz: int, x: Fraction) -> str:
    if k == keeps:
        return (f"x = {nnz} / {n} = {float(x):.2f}, and K = ⌈x⌉ = {keeps} channels hold {keeps * n} weights. Rounding up costs less than one channel's {n} weights, "
                "whatever the layer's size.")
    if k == rows:
        return f"Every channel may have weights left, but all {rows} whole would be the dense layer. The budget is counted in weights, {nnz} here: it is enough for {float(x):.2f} channels."
    if k < keeps:
        return f"{k} channel{'s' * (k != 1)} hold {k * n} weights, fewer than the {nnz} that pruning left. Refill rounds up, so that it never takes capacity from the ticket."
    return f"{k} channels would hold {k * n} weights; the {nnz} that are left ask for no more than {keeps}."


def links() -> Sequence[Link]:
    piece = shown(material.run())
    label = material.label(piece.run, piece.round, "refill")
    out = [real.masks("Refill's mask of this layer", piece.run, piece.round, label, piece.layer)] if label else []
    return [*out, real.tune("Turn ρ on the whole layer", piece.run, piece.round, label or "refill", piece.layer)]


CHAPTER = Chapter(words, figure, question, links)
