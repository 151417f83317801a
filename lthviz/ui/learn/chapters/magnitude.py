"""Pruning by magnitude: the smallest weights go, over all layers at once, a fifth in every round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from lthviz.config import UNSTRUCTURED
from lthviz.core.magnitude import prune
from lthviz.records import Masks, Run
from lthviz.ui import cache, frame
from lthviz.ui.learn import material
from lthviz.ui.learn.chapter import Chapter, Link, Missing, Option, Question
from lthviz.ui.learn.chapters import real
from lthviz.ui.learn.chapters.magnitude_frames import controls, frames, matrices
from lthviz.ui.learn.chapters.refill_frames import percent, share
from lthviz.ui.learn.figure import lesson_figure
from lthviz.ui.learn.material import Piece

ROWS, COLS = 6, 8
ASKED = 5
"""Rounds that the question asks about."""
NAME = "magnitude"


@lru_cache(maxsize=4)
def shown(found: Run) -> tuple[Piece, Piece]:
    """Of the first and the last prunable layer, as the dense network trained them, rows and columns evenly spaced."""
    layers = [x for x in found.layers if x.convolution and x.matrix[0] >= ROWS and x.matrix[1] >= COLS]
    if len(layers) < 2:
        raise Missing(f"run {found.id} has no two convolutions to compare; start the digits study on Home, and the course shows it")
    first, last = (material.piece(found, 0, x.name, _spread(x.matrix[0], ROWS), _spread(x.matrix[1], COLS)) for x in (layers[0], layers[-1]))
    return first, last


def _spread(size: int, n: int) -> np.ndarray:
    return np.linspace(0, size - 1, n).round().astype(int)


def densities(found: Run) -> Mapping[int, float]:
    """Of the unstructured ticket of every finished round."""
    return {k: cache.round(found.id, k).ticket(UNSTRUCTURED).masks.density() for k in found.finished}


def words() -> Sequence[str]:
    found = material.run()
    first, last = shown(found)
    rate, left, deep = found.config.rate, densities(found), found.finished[-1]
    masks = cache.round(found.id, deep).ticket(UNSTRUCTURED).masks
    return [
        "Which weights can go? The plainest answer is the best known: those **smallest in magnitude** |w|. A weight near 0 adds little to its channel's sum. Move the "
        "rate and see which go.",
        "**Global** pruning sorts the weights of all layers together and has one threshold; a layer of small weights then loses more than one of large weights. **Layer by layer**, each "
        f"loses the same share, and its own threshold follows. Every run here prunes globally; in this one, {frame.plain(first.layer.short)} keeps {percent(masks.density(first.layer.name), 1)} "
        f"after round {deep}, {frame.plain(last.layer.short)} {percent(masks.density(last.layer.name), 1)}.",
        f"**Iterative** pruning does not take all at once. Each round trains, removes {percent(rate)} of the weights that are left, and goes back to early weights (*rewinding*, which has a chapter of its own). "
        f"This run's {deep} rounds left {percent(left[deep], 1)}.",
        _why_rounds(found),
    ]


def _short(value: float) -> str:
    """`80 %`, `51.2 %`."""
    return f"{round(100 * value, 1):g}\u00a0%"


def _why_rounds(found: Run) -> str:
    """How many weights of the last round's mask pruning the dense network at once would not have kept."""
    deep = found.finished[-1]
    other = _at_once(found)
    return (f"Rounds matter because of the training between them: it moves the weights, and others become small. Of the weights that this run keeps after round {deep}, "
            f"{percent(1 - other, 0)} would have gone if the dense network had been pruned that far at once.")


@lru_cache(maxsize=4)
def _at_once(found: Run) -> float:
    """Share of the last mask that one pruning of the trained dense network, to the same number of weights, keeps as well."""
    dense, masks = cache.round(found.id, 0).ticket(UNSTRUCTURED), cache.round(found.id, found.finished[-1]).ticket(UNSTRUCTURED).masks
    once = prune({name: np.asarray(dense.weights[name]) for name in masks}, dense.masks, 1 - masks.nnz() / dense.masks.nnz())
    return sum(int((once[name] & masks[name]).sum()) for name in masks) / masks.nnz()


def figure() -> None:
    frame.fragment(_figure)()


def _figure() -> None:
    found = material.run()
    pieces = shown(found)
    lesson_figure(frames(pieces, found.config.rate), controls(), matrices(pieces), key="learn-magnitude")
    material.origin(found, f"weights of layers {pieces[0].layer.short} and {pieces[1].layer.short} after the training of round 0, every weight still there; rows and columns evenly spaced", key=NAME)


def question() -> Question:
    found = material.run()
    return asked(shown(found), found.config.rate)


def asked(pieces: Sequence[Piece], rate: float) -> Question:
    """What is left after some rounds. The right answer is the one nearest to what pruning these weights that often leaves."""
    weights = {p.layer.name: p.weights for p in pieces}
    masks = Masks.of({name: np.ones(w.shape, bool) for name, w in weights.items()})
    size, counts = masks.size(), [masks.size()]
    for _ in range(ASKED):
        masks = prune(weights, masks, rate)
        counts.append(masks.nnz())
    way = ", ".join(map(str, counts))
    options = (
        (max(0.0, 1 - ASKED * rate), f"Each round takes {percent(rate)} of what is left, not of what was there at first, so less and less goes. Of the {size} weights here: {way}."),
        ((1 - rate) ** ASKED, f"Each round leaves {percent(1 - rate)} of what it finds: {1 - rate:g} × {1 - rate:g} × … = {(1 - rate) ** ASKED:.4f}. Of the {size} weights here: {way}, "
                              f"which is {share(counts[-1], size)}, as single weights cannot be halved."),
        (1 - rate, f"That is one round. The next one prunes what the first one left. Of the {size} weights here: {way}."),
    )
    right = min(range(len(options)), key=lambda i: abs(options[i][0] - counts[-1] / size))
    return Question(f"Pruning {percent(rate)} in each round: what share of the weights is left after {ASKED} rounds?", tuple(Option(_short(x), i == right, why) for i, (x, why) in enumerate(options)))


def links() -> Sequence[Link]:
    found = material.run()
    first, last = shown(found)
    return [*(real.masks(f"What round 1 took from {p.layer.short}", found, 1, UNSTRUCTURED, p.layer) for p in (first, last)), real.lab("Its rounds in the Lab", found, 1, f"prune:{UNSTRUCTURED}", first.layer)]


CHAPTER = Chapter(words, figure, question, links)
