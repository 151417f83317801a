"""Magnitude pruning of two small layers at every rate, over both at once or each by itself: what goes, and the sorted sizes with the cut."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lthviz.core.magnitude import prune
from lthviz.records import Masks
from lthviz.ui.learn.chapters.refill_frames import percent, share
from lthviz.ui.learn.drawing import MUTED, RULE, SMALL, Canvas
from lthviz.ui.learn.figure import KEPT, REMOVED, Control, Frame, Matrix, Picture
from lthviz.ui.learn.material import Piece

RATES = tuple(range(0, 100, 5))
"""In percent."""
SCOPES = ("global", "layer by layer")
START = 8


class Cut(NamedTuple):
    """What is left of some layers. masks: bool, by layer. thresholds: the largest |w| that went, by layer; nan where none did."""

    masks: Mapping[str, np.ndarray]
    thresholds: Mapping[str, float]

    def kept(self, name: str) -> int:
        return int(self.masks[name].sum())


def cut(weights: Mapping[str, np.ndarray], rate: float, scope: str) -> Cut:
    """Prune from dense. rate: 0..1; scope: one of SCOPES."""
    together = [list(weights)] if scope == SCOPES[0] else [[name] for name in weights]
    masks, thresholds = {}, {}
    for names in together:
        left = prune({n: weights[n] for n in names}, Masks.of({n: np.ones(weights[n].shape, bool) for n in names}), rate)
        gone = np.concatenate([np.abs(weights[n])[~left[n]] for n in names])
        masks |= {n: left[n] for n in names}
        thresholds |= dict.fromkeys(names, float(gone.max()) if gone.size else math.nan)
    return Cut(masks, thresholds)


def controls() -> tuple[Control, ...]:
    return (Control("Rate, the share that goes", tuple(f"{r} %" for r in RATES), "slider", START),
            Control("The smallest of", ("both layers (global)", "each layer by itself"), "choice"))


def matrices(pieces: Sequence[Piece]) -> list[Matrix]:
    largest = max(float(np.abs(p.weights).max()) for p in pieces)
    return [Matrix(p.weights, p.mask.shape, p.layer.short, tuple(f"output channel {c}" for c in p.rows.tolist()), tuple(f"column {c} ({at})" for c, at in zip(p.cols.tolist(), p.places())),
                   unit=f"{p.mask.shape[0]} × {p.mask.shape[1]} of {p.layer.matrix[0]} × {p.layer.matrix[1]:,}", letters=tuple(str(c) for c in p.rows.tolist()),
                   states=("", "kept", "", "removed"), largest=largest) for p in pieces]


def frames(pieces: Sequence[Piece], rate: float) -> list[Frame]:
    """One for every rate and scope."""
    weights = {p.layer.name: p.weights for p in pieces}
    return [_frame(pieces, cut(weights, r / 100, scope), r, scope, rate) for r in RATES for scope in SCOPES]


def _frame(pieces: Sequence[Piece], made: Cut, percents: int, scope: str, rate: float) -> Frame:
    masks = [made.masks[p.layer.name] for p in pieces]
    pictures = tuple(Picture(np.where(m, KEPT, REMOVED).astype(np.uint8)) for m in masks)
    total, left = sum(m.size for m in masks), sum(int(m.sum()) for m in masks)
    each = " and ".join(f"{p.layer.short} keeps {int(m.sum())} of {m.size} ({share(int(m.sum()), m.size)})" for p, m in zip(pieces, masks))
    if left == total:
        said = f"Nothing is removed: all {total} weights are there. Move the rate."
    elif scope == SCOPES[0]:
        said = f"{total - left} of {total} weights go, all with |w| ≤ {_size(made, pieces[0])}, in whichever layer they are: {each}.{_rounds(percents, rate)}"
    else:
        said = f"{total - left} of {total} weights go, of each layer its own smallest, |w| ≤ {' and '.join(_size(made, p) for p in pieces)}: {each}.{_rounds(percents, rate)}"
    alt = "The sizes |w| of the weights of each layer, sorted: " + "; ".join(
        f"{p.layer.short} from {np.abs(p.weights).min():.4f} to {np.abs(p.weights).max():.4f}, the smallest {int((~m).sum())} removed" for p, m in zip(pieces, masks))
    return Frame(said, pictures, sorted_sizes(pieces, made, scope), alt)


def _size(made: Cut, piece: Piece) -> str:
    return f"{made.thresholds[piece.layer.name]:.4f}"


def _rounds(percents: int, rate: float) -> str:
    """As many rounds of `rate` as leave the same share."""
    return f" {math.log(1 - percents / 100) / math.log(1 - rate):.1f} rounds of {percent(rate)} leave as much." if 0 < rate < 1 else ""


HEIGHT, TOP, BOTTOM, GAP, LEFT = 176, 26, 146, 20, 26


def sorted_sizes(pieces: Sequence[Piece], made: Cut, scope: str) -> str:
    """Bars of |w|, each layer's in ascending order, on one scale; those up to the threshold are removed."""
    canvas = Canvas(HEIGHT)
    wide = (canvas.width - LEFT - GAP * (len(pieces) - 1)) / len(pieces)
    top = max(float(np.abs(p.weights).max()) for p in pieces)

    def y(size: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * size / top

    step = _tick(top)
    for i in range(int(top / step) + 1):
        canvas.line([(LEFT - 3, y(i * step)), (LEFT, y(i * step))], RULE)
        canvas.text(LEFT - 5, y(i * step) + 4, f"{i * step:g}", anchor="end", size=SMALL - 1.5, colour=MUTED)
    for i, piece in enumerate(pieces):
        x, name = LEFT + i * (wide + GAP), piece.layer.name
        sizes, pitch = np.sort(np.abs(piece.weights).ravel()), wide / piece.weights.size
        gone = piece.weights.size - made.kept(name)
        for part, first, look in ((sizes[:gone], 0, "stroke='var(--removed)' stroke-dasharray='1.6 1.2'"), (sizes[gone:], gone, "stroke='var(--kept)' stroke-opacity='0.72'")):
            path = "".join(f"M{x + (first + j + 0.5) * pitch:.1f} {BOTTOM}V{min(y(s), BOTTOM - 0.6):.1f}" for j, s in enumerate(part.tolist()))
            if path:
                canvas.add(f"<path d='{path}' fill='none' stroke-width='{0.72 * pitch:.2f}' {look}/>")
        canvas.line([(x, BOTTOM), (x + wide, BOTTOM)], RULE)
        canvas.text(x, BOTTOM + 16, f"{piece.layer.short}: {gone} go, {made.kept(name)} stay", size=SMALL)
        if gone and scope != SCOPES[0]:
            _threshold(canvas, x, x + wide, y(made.thresholds[name]), made.thresholds[name])
    first = made.thresholds[pieces[0].layer.name]
    if scope == SCOPES[0] and not math.isnan(first):
        _threshold(canvas, LEFT, canvas.width, y(first), first)
    canvas.text(0, 11, "|w|, sorted in each layer", size=SMALL, colour=MUTED)
    return canvas.svg()


def _threshold(canvas: Canvas, left: float, right: float, y: float, size: float) -> None:
    canvas.line([(left, y), (right, y)], "var(--accent)", width=1.5, dash="5 3")
    canvas.add(f"<text x='{left + 3:.1f}' y='{y - 5:.1f}' font-size='{SMALL}' font-weight='600' fill='var(--accent)' "
               f"style='paint-order:stroke;stroke:var(--st-background-color);stroke-width:4px;stroke-linejoin:round'>threshold {size:.4f}</text>")


def _tick(top: float) -> float:
    """A round step of which two to four lie under top."""
    size = 10.0 ** math.floor(math.log10(top))
    return next(s * size for s in (5, 2, 1, 0.5) if top / (s * size) >= 2)
