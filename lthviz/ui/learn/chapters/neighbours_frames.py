"""Two small layers, one behind the other: what goes with a channel that is removed, by the core functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lthviz.core import stats
from lthviz.records import Layer, Masks
from lthviz.ui.learn.chapters.refill_frames import named, percent
from lthviz.ui.learn.figure import KEPT, NEVER, REMOVED, Band, Control, Frame, Matrix, Picture

STEPS = ("Two layers", "The rows go", "BatchNorm", "What read them", "What is left")
TICKETS = ("structural", "unstructured")
CONTROLS = (Control("Step", STEPS, "steps", 3), Control("Ticket", TICKETS, "choice", help="Rows whole or gone, as in Refill; or single weights"))


class Pair(NamedTuple):
    """Two layers made small: b reads the output channels of a. masks: bool (C, n) of each, scattered. channels: what their rows are called.
    places: what their columns are. scale, shift: γ and β of the BatchNorm behind a, (C,); None where it has none."""

    layers: tuple[Layer, Layer]
    masks: tuple[np.ndarray, np.ndarray]
    channels: tuple[tuple[int, ...], tuple[int, ...]]
    places: tuple[tuple[str, ...], tuple[str, ...]]
    scale: np.ndarray | None
    shift: np.ndarray | None


class Left(NamedTuple):
    """What is left of a pair. masks: after the removal. effective, whole: weights of each layer after dead inputs are removed, in the masks
    and in the smaller network (all of them where nothing can be taken out). dead: bool (C, n) of b, what reads a removed channel."""

    masks: Masks
    effective: dict[str, int]
    whole: dict[str, int]
    dead: np.ndarray

    def share(self, layers: Sequence[Layer]) -> float:
        """Multiply-adds of these layers' weights that still do something over those of the dense ones."""
        return stats.flops_ratio(self.effective, layers)

    def density(self) -> float:
        """Effective density of both layers."""
        return sum(self.effective.values()) / self.masks.size()


def without(pair: Pair, gone: np.ndarray, structural: bool) -> Left:
    """The pair when rows are emptied. gone: bool (2, C). structural: the rows that stay are whole, as in Refill; else as scattered as they are."""
    kept = [(np.ones_like(m) if structural else m) & ~g[:, None] for m, g in zip(pair.masks, gone)]
    a, b = pair.layers
    masks = Masks.of({x.name: m.reshape(x.shape) for x, m in zip(pair.layers, kept)})
    effective = stats.effective(masks, pair.layers, structural)
    whole = stats.smaller(masks, pair.layers) if structural else {x.name: x.size for x in pair.layers}
    removed = stats.removed(masks)[a.name] if structural else np.zeros(a.shape[0], bool)
    return Left(masks, effective, whole, np.broadcast_to(np.repeat(removed, b.matrix[1] // len(removed)), b.matrix))


def matrices(pair: Pair) -> list[Matrix]:
    """Without numbers: what matters is which cells are there. Above the second one stands which channel of the first a column reads."""
    (a, b), wide = pair.layers, pair.layers[1].matrix[1] // pair.layers[0].matrix[0]
    heads = tuple(str(c) if i == wide // 2 else "" for c in pair.channels[0] for i in range(wide))
    return [Matrix(None, x.matrix, name, tuple(f"output channel {c} of {x.short}" for c in channels), places, True, unit, tuple(str(c) for c in channels), heads if x is b else (),
                   ("not there", "kept", "added", "removed"))
            for x, name, channels, places, unit in zip((a, b), (f"A: {a.short}", f"B: {b.short}"), pair.channels, pair.places,
                                                       ("a row is an output channel", "a column reads the channel above it"))]


def frames(pair: Pair, gone: np.ndarray) -> list[Frame]:
    """One for every step and kind of ticket. gone: bool (2, C), rows that are removed in either layer."""
    return [_frame(step, structural, pair, gone) for step in range(len(STEPS)) for structural in (True, False)]


def _frame(step: int, structural: bool, pair: Pair, gone: np.ndarray) -> Frame:
    name, left = STEPS[step], without(pair, gone, structural)
    pictures = []
    for i, (layer, scattered) in enumerate(zip(pair.layers, pair.masks)):
        there = np.ones_like(scattered) if structural else scattered
        codes = np.where(there, np.where(gone[i][:, None] & (step > 0), REMOVED, KEPT), NEVER).astype(np.uint8)
        dead = left.dead if i and step >= STEPS.index("What read them") else np.zeros(layer.matrix, bool)
        bands = _bands(gone[i], dead[0]) if structural and name == "What is left" else ()
        pictures.append(Picture(codes, bands, () if i else _notes(step, structural, pair, gone[0]), pale=dead))
    return Frame(_said(name, structural, pair, gone, left), tuple(pictures))


def _bands(gone: np.ndarray, dead: np.ndarray) -> tuple[Band, ...]:
    """What is left first, with its smaller matrix outlined, then the rows that are gone."""
    cols = tuple(np.argsort(dead, kind="stable").tolist())
    stay, go = (tuple(np.flatnonzero(x).tolist()) for x in (~gone, gone))
    return (*((Band(stay, cols, "left", int((~dead).sum())),) if stay else ()), *((Band(go, cols, "gone"),) if go else ()))


def _notes(step: int, structural: bool, pair: Pair, gone: np.ndarray) -> tuple[str, ...]:
    """The BatchNorm of every channel of A, and what becomes of it."""
    if pair.scale is None or pair.shift is None:
        return ()
    out = []
    for scale, shift, g in zip(pair.scale.tolist(), pair.shift.tolist(), gone.tolist()):
        silent = g and step >= STEPS.index("BatchNorm")
        out.append(("gone" if structural else f"always {_signed(shift)}") if silent else f"γ {_signed(scale, 2)}, β {_signed(shift)}")
    return tuple(out)


def _signed(value: float, digits: int = 3) -> str:
    return f"{value:z.{digits}f}".replace("-", "−")


def _said(name: str, structural: bool, pair: Pair, gone: np.ndarray, left: Left) -> str:
    (a, b), rows = pair.layers, [np.flatnonzero(g).tolist() for g in gone]
    removed = f"{named(pair.channels[0], rows[0])} of A{f' and {named(pair.channels[1], rows[1])} of B' if rows[1] else ''}"
    many = len(rows[0]) != 1
    if name == "Two layers":
        return (f"Layer B reads what layer A computes: {b.matrix[1]} columns, {b.matrix[1] // a.matrix[0]} for each channel of A. "
                + ("Every row is whole." if structural else "Every row keeps only some of its weights."))
    if not gone.any():
        return "Nothing is removed. Click a row to remove its channel."
    if name == "The rows go":
        return f"Rows without weights: {removed}. The masks keep {left.masks.nnz()} of {left.masks.size()} weights, density {percent(left.masks.density(), 1)}."
    if not rows[0]:
        return f"Only {removed.removeprefix('no channel of A and ')} is removed, so every column of B still reads something. Click a row of A."
    if name == "BatchNorm":
        if structural:
            return f"In a structural ticket {'the channels are' if many else 'the channel is'} removed with scale γ and shift β of {'their' if many else 'its'} BatchNorm: what comes out is zero, always."
        return (f"In an unstructured ticket BatchNorm stays. A row without weights computes zero, and BatchNorm turns zero into its shift β: {'these channels send' if many else 'this channel sends'} a constant on, "
                "which a ReLU stops only where it is negative.")
    lost = left.masks.nnz() - sum(left.effective.values())
    if name == "What read them":
        if structural:
            return (f"{int(left.dead[0].sum())} columns of B read only zeros and are dead (pale): {lost} of its weights stand in the mask and do nothing. Density of the masks "
                    f"{percent(left.masks.density(), 1)}, effective density {percent(left.density(), 1)}.")
        return f"No column of B is dead. Density of the masks and effective density are the same, {percent(left.density(), 1)}."
    if structural:
        sizes = " and ".join(f"{x} {int((~g).sum())} × {layer.matrix[1] - d} of {layer.matrix[0]} × {layer.matrix[1]}"
                             for x, layer, g, d in zip("AB", pair.layers, gone, (0, int(left.dead[0].sum()))))
        return (f"What is left is a smaller network: {sizes}, dense. Multiply-adds: A {percent(left.share([a]))}, B {percent(left.share([b]))}, "
                f"both {percent(left.share(pair.layers))} of the dense layers'.")
    return (f"Nothing can be taken out: both matrices stay {a.matrix[0]} × {a.matrix[1]} and {b.matrix[0]} × {b.matrix[1]}, with zeros in them. {percent(left.share(pair.layers))} of the "
            "multiply-adds are not with a zero, but no dense kernel can leave the others out.")
