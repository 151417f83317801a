"""What a removed channel does to its neighbours: its BatchNorm, and the columns of the next layer that read it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lthviz.config import UNSTRUCTURED
from lthviz.core.refill import magnitude_scores, ranking
from lthviz.core.stats import flops_ratio
from lthviz.records import Layer, Masks, Run
from lthviz.ui import cache, frame
from lthviz.ui.learn import material
from lthviz.ui.learn.chapter import Chapter, Link, Missing, Option, Question
from lthviz.ui.learn.chapters import editing, real
from lthviz.ui.learn.chapters.neighbours_frames import CONTROLS, Pair, frames, matrices, without
from lthviz.ui.learn.chapters.refill_frames import percent
from lthviz.ui.learn.figure import Cell, lesson_figure
from lthviz.ui.learn.material import Piece

CHANNELS, INPUTS = 6, 3
"""Rows of both pieces; input channels that the first one shows."""
NAME = "neighbours"


def layers(found: Run) -> tuple[Layer, Layer]:
    """The first layer that reads nothing but one other prunable layer, behind that one. Missing where there is none."""
    for b in found.layers:
        if b.convolution and b.groups == 1 and not b.classifier and b.sources and len(b.sources) == 1:
            a = found.by_name[b.sources[0]]
            if a.convolution and a.groups == 1 and min(a.shape[0], b.shape[0]) >= CHANNELS and a.shape[1] >= INPUTS:
                return a, b
    raise Missing(f"run {found.id} has no layer that reads one other alone; start the digits study on Home, and the course shows it")


@lru_cache(maxsize=4)
def shown(found: Run) -> tuple[Pair, np.ndarray]:
    """Two layers made small, and the rows that are removed at first, bool (2, C): the two of A and the one of B with the lowest scores.

    Rows: output channels evenly spaced in the order of their scores. Columns: of every kernel its middle row, of A's first, middle and
    last input channel, and of all of A's channels that are shown.
    """
    round, (a, b) = material.third(found), layers(found)
    whole = [material.pruned(found, round, x.name) for x in (a, b)]
    orders = [_order(p) for p in whole]
    rows = [np.sort(o[np.linspace(0, len(o) - 1, CHANNELS).round().astype(int)]) for o in orders]
    inputs = [np.linspace(0, a.shape[1] - 1, INPUTS).round().astype(int), rows[0]]
    pieces = [p.part(r, _middle_rows(p.layer, i)) for p, r, i in zip(whole, rows, inputs)]
    small = (Layer(a.name, (CHANNELS, INPUTS, 1, a.shape[3]), a.out_hw, a.bn), Layer(b.name, (CHANNELS, CHANNELS, 1, b.shape[3]), b.out_hw, b.bn, (a.name,)))
    gone = np.zeros((2, CHANNELS), bool)
    for i, (order, count) in enumerate(zip(orders, (2, 1))):
        gone[i] = np.isin(rows[i], [r for r in order if r in rows[i]][-count:])
    trained = cache.round(found.id, round - 1).ticket(UNSTRUCTURED).weights
    norm = [np.asarray(trained[f"{a.bn}.{x}"], np.float64)[rows[0]] if f"{a.bn}.{x}" in trained else None for x in ("weight", "bias")]
    return Pair(small, (pieces[0].mask, pieces[1].mask), (tuple(rows[0].tolist()), tuple(rows[1].tolist())), (pieces[0].places(), pieces[1].places()), *norm), gone


def _order(whole: Piece) -> np.ndarray:
    name = whole.layer.name
    return ranking(magnitude_scores(Masks.of({name: whole.mask}), {name: whole.weights})[name])


def _middle_rows(layer: Layer, inputs: np.ndarray) -> np.ndarray:
    """The columns of the middle kernel row of these input channels."""
    _, _, high, wide = layer.shape
    return np.concatenate([(i * high + high // 2) * wide + np.arange(wide) for i in inputs.tolist()])


def words() -> Sequence[str]:
    found = material.run()
    layers(found)
    return [
        "An output channel of one layer is an input channel of the next. So a channel that is removed takes more with it than its own row.",
        "First its **BatchNorm**. A row without weights computes zero, but BatchNorm makes of zero its shift β, and unless the ReLU behind stops it the next layer hears a constant. In a "
        "structural ticket the channel's scale γ and shift therefore go with it, and are held at zero while the ticket trains.",
        "Then **what reads it**. In the next layer, the columns of that input channel are multiplied by zero: they are dead, although the mask may still keep them. The *effective* density leaves "
        "them out, and the network can be rebuilt smaller without them: it computes the same.",
        f"An unstructured mask with an empty row gains nothing of this: nobody removes its BatchNorm.{_whole_run(found)}",
    ]


def _whole_run(found: Run) -> str:
    """What it comes to in the run's own Refill ticket."""
    round = material.third(found)
    label = material.label(found, round, "refill")
    row = next((r for r in found.rows if r["round"] == round and r["structure"] == label), None)
    if row is None:
        return ""
    return (f" In this run's Refill ticket of round {round} the masks keep {percent(row['density'], 1)} of the weights; without dead inputs it is {percent(row['effective_density'], 1)}, and "
            f"{percent(row['flops_ratio'], 1)} of the multiply-adds are left.")


def figure() -> None:
    frame.fragment(_figure)(material.run())


def _figure(found: Run) -> None:
    pair, first = shown(found)
    gone = editing.switched(first, NAME, found.id)

    def switch(cell: Cell) -> None:
        editing.switch(NAME, found.id, Cell(0, cell.matrix, cell.row))

    lesson_figure(frames(pair, gone), CONTROLS, matrices(pair), key="learn-neighbours", on_cell=switch)
    editing.as_it_was(NAME, found.id, "channel")
    material.origin(found, origin(found), key=NAME)


def origin(found: Run) -> str:
    """Where the pieces are from, and by which rule."""
    a, b = layers(found)
    return (f"A: {CHANNELS} of the {a.shape[0]} output channels of layer {a.short}, round {material.third(found)}, evenly spaced in the order of their scores, and of {INPUTS} of their "
            f"{a.shape[1]} kernels the middle row. B: as many channels of layer {b.short}, of each the kernels that read A's. Multiply-adds count a weight once for each pixel of its layer's "
            f"map: {' × '.join(map(str, a.out_hw))} in A, {' × '.join(map(str, b.out_hw))} in B. Click a row to remove or to keep its channel.")


def question() -> Question:
    return asked(shown(material.run())[0])


def asked(pair: Pair) -> Question:
    """What is left of B when half of all channels go."""
    gone = np.zeros((2, CHANNELS), bool)
    gone[:, CHANNELS // 2:] = True
    left, b = without(pair, gone, structural=True), pair.layers[1]
    share = flops_ratio(left.effective, [b])
    rows = flops_ratio({b.name: left.masks.nnz(b.name)}, [b])
    numbers = (f"B's mask keeps {left.masks.nnz(b.name)} of {b.size} weights, {percent(rows)}; {left.effective[b.name]} of them, {percent(share)} of B, read a channel that is there.")
    options = ((0.5, "half: the rows that B still has", "So the mask has it. But every row that is left reads A, and half of what it reads is gone."),
               (0.25, "a quarter: half of the rows, and of each row half", "Half of B's rows go, and of the others half of the columns are dead: the two factors multiply."),
               (0.75, "three quarters: half of the rows, half of the columns, but not both", "A weight is needed only where its row stays and its column is alive: both must hold, so the shares multiply."))
    return Question(f"Half of A's channels and half of B's are removed, each with its BatchNorm. What is left of B's {b.size} multiplications a pixel?",
                    tuple(Option(f"{percent(x)}, {text}", math.isclose(x, share), f"{why} {numbers}") for x, text, why in sorted(options)))


def links() -> Sequence[Link]:
    found = material.run()
    round, (a, b) = material.third(found), layers(found)
    label = material.label(found, round, "refill")
    if not label:
        return [real.tune("Refill in layer B", found, round, "refill", b)]
    return [real.masks("Removed channels of A", found, round, label, a), real.masks("The layer that reads them", found, round, label, b), real.tune("Refill in layer B", found, round, label, b)]


CHAPTER = Chapter(words, figure, question, links)
