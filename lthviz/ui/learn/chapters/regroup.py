"""Regroup: sorting a crossword until its letters stand in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lthviz.config import UNSTRUCTURED
from lthviz.core import stats
from lthviz.records import Masks, Run, Structured
from lthviz.ui import cache, frame
from lthviz.ui.learn import material
from lthviz.ui.learn.chapter import Chapter, Link, Missing, Option, Question
from lthviz.ui.learn.chapters import editing, real
from lthviz.ui.learn.chapters.refill_frames import percent, share
from lthviz.ui.learn.chapters.regroup_frames import CONTROLS, GROUPS, T1, USUAL, divide, frames, kept_magnitude, make
from lthviz.ui.learn.material import Piece

ROWS, COLS = 4, 5
"""Of each of the run's groups that are shown."""
RAISED = USUAL + 8
NAME = "regroup"


@lru_cache(maxsize=4)
def shown(found: Run) -> Piece:
    """Of the three largest groups of the run's own Regroup ticket: the columns that one group uses much more often than the two others, and the rows
    of the group that use these most and the others' least. Missing where the run has no such ticket."""
    round, layer = material.third(found), material.middle(found)
    label, now = material.label(found, round, "regroup"), cache.round(found.id, round)
    blocks = now.ticket(label).blocks.get(layer.name) if label in now.tickets else None
    same: dict[bytes, list[np.ndarray]] = {}
    for own, columns in zip(blocks.rows, blocks.cols) if blocks else ():      # a group of many rows is several blocks with the same columns
        same.setdefault(columns.tobytes(), []).append(own)
    largest = sorted(same.items(), key=lambda x: -sum(r.size for r in x[1]) * len(x[0]))
    groups = [g for g in (np.concatenate(x) for _, x in largest) if g.size >= ROWS][:GROUPS]
    if len(groups) < GROUPS:
        raise Missing(f"round {round} of run {found.id} has no Regroup ticket with {GROUPS} groups in layer {layer.short}; start the digits study on Home, and the course shows it")
    whole = material.pruned(found, round, layer.name)
    used = np.stack([whole.mask[g].mean(axis=0) for g in groups])
    cols: list[np.ndarray] = []
    for i in range(GROUPS):
        more = used[i] - np.delete(used, i, axis=0).max(axis=0)
        more[[c for own in cols for c in own]] = -np.inf
        cols.append(np.argsort(-more, kind="stable")[:COLS])
    chosen = []
    for i, group in enumerate(groups):
        others = np.concatenate([c for j, c in enumerate(cols) if j != i])
        fit = whole.mask[np.ix_(group, cols[i])].sum(axis=1) - whole.mask[np.ix_(group, others)].sum(axis=1) / 2
        chosen.append(group[np.argsort(-fit, kind="stable")[:ROWS]])
    return whole.part(np.sort(np.concatenate(chosen)), np.sort(np.concatenate(cols)))


def words() -> Sequence[str]:
    piece = shown(material.run())
    found = divide(piece.mask)
    made = make(piece.mask, found, T1[USUAL])
    before, after = int(piece.mask.sum()), int(made.after.sum())
    return [
        "A dense block needs neither whole rows nor whole columns: only some rows that keep their weights in the same columns. **Regroup** (ICML 2022, section 3.3) looks for them as "
        "one would sort a crossword: put rows with the same filled squares together, then move the filled squares to the left.",
        "**Which rows?** The mask is read as a hypergraph, a vertex for every row and a hyperedge for every column, and a partitioner divides the rows into groups of nearly equal size "
        f"that few columns cross. Their *connectivity* km1 counts the groups that each column touches beyond its first; here it falls from {found.before} to {found.partition.km1}.",
        "**Which columns?** A group sorts the columns by how many of its rows use them. Let L(i) be the most weights that one of its rows has outside the first i. The block takes the "
        "smallest i with i > t1 · L(i). Inside everything is given back at θk, outside everything is removed.",
        f"At t1 = {T1[USUAL]:g} the density of this piece goes from {share(before, piece.mask.size)} to {share(after, piece.mask.size)}, and "
        f"{percent(kept_magnitude(piece.mask, made.after, piece.weights))} of Σ|w| stays.{_whole_layer(piece)}",
    ]


def _whole_layer(piece: Piece) -> str:
    """The same of the whole layer, from the run's own ticket."""
    now, name = cache.round(piece.run.id, piece.round), piece.layer.name
    ticket = now.ticket(material.label(piece.run, piece.round, "regroup"))
    before, after = now.ticket(UNSTRUCTURED).masks.density(name), ticket.masks.density(name)
    covered = stats.coverage(Masks.of({name: ticket.masks[name]}), {name: ticket.blocks[name]}).weights
    return (f" In the whole layer, with {len(ticket.notes[name]['parts'])} groups of about {piece.layer.matrix[0] // len(ticket.notes[name]['parts'])} rows, it goes from {percent(before, 1)} to "
            f"{percent(after, 1)}, and blocks cover {percent(covered)} of what is left.")


def figure() -> None:
    frame.fragment(_figure)(material.run())


def _figure(found: Run) -> None:
    piece = shown(found)
    editing.edited(NAME, found, piece, frames, CONTROLS, origin(piece))


def origin(piece: Piece) -> str:
    """Where the piece is from, and by which rule."""
    rows, n = piece.layer.matrix
    return (f"{len(piece.rows)} of the {rows} output channels of layer {piece.layer.short}, round {piece.round}, and {len(piece.cols)} of their {n:,} weights each: {ROWS} rows of each of "
            f"the three largest groups of this run's own Regroup ticket, and for each group the {COLS} columns that it uses most against the others. So the groups are clearer here than in the whole layer.")


def question() -> Question:
    piece = shown(material.run())
    return asked(piece.mask, piece.weights)


def asked(mask: np.ndarray, weights: np.ndarray) -> Question:
    """What a larger t1 does to blocks, density and what is lost."""
    found = divide(mask)
    one, other = (make(mask, found, T1[i]) for i in (USUAL, RAISED))
    area, larger = int(one.after.sum()), int(other.after.sum())
    told = _told(mask, weights, one.structured, other.structured, one.after, other.after)
    return Question(
        f"Dragging t1 from {T1[USUAL]:g} to {T1[RAISED]:g} asks for {T1[RAISED]:g} columns in the block for each weight that its worst row leaves outside. What becomes of the blocks, "
        "and of the weights that are lost?",
        (Option("The same blocks: t1 only says which rows go together", larger == area,
                f"Which rows go together is decided before, by the partitioner, and stays. t1 decides where a group's columns are cut. {told}"),
         Option("Narrower blocks: more weights are lost, the density falls", larger < area,
                f"A larger t1 makes every weight that is left out cost more columns, so a block that is too narrow no longer passes. {told}"),
         Option("Wider blocks: fewer weights are lost, more zeros are filled, the density rises", larger > area, f"i > t1 · L(i) is harder to meet, so i goes on until L(i) is smaller. {told}")))


def _told(mask: np.ndarray, weights: np.ndarray, one: Structured, other: Structured, before: np.ndarray, after: np.ndarray) -> str:
    (a,), (b,) = one.notes.values(), other.notes.values()
    return (f"Here the blocks go from {' + '.join(str(p['cols']) for p in a['parts'])} columns to {' + '.join(str(p['cols']) for p in b['parts'])}, the weights that are lost from "
            f"{a['gone']} to {b['gone']}, the density from {share(int(before.sum()), mask.size)} to {share(int(after.sum()), mask.size)}; "
            f"{percent(kept_magnitude(mask, before, weights))} and {percent(kept_magnitude(mask, after, weights))} of Σ|w| stay.")


def links() -> Sequence[Link]:
    piece = shown(material.run())
    label = material.label(piece.run, piece.round, "regroup")
    return [real.masks("Regroup's blocks in this layer", piece.run, piece.round, label, piece.layer), real.tune("Drag t1 on the whole layer", piece.run, piece.round, label, piece.layer)]


CHAPTER = Chapter(words, figure, question, links)
