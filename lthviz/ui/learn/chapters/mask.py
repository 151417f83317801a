"""What a mask is: one bit for every weight, on a piece of a real layer that the reader may change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import streamlit as st

from lthviz.config import UNSTRUCTURED
from lthviz.records import Layer, Masks, Run, Ticket
from lthviz.ui import cache, frame
from lthviz.ui.learn import material
from lthviz.ui.learn.chapter import Chapter, Link, Option, Question
from lthviz.ui.learn.chapters import editing, real
from lthviz.ui.learn.chapters.mask_frames import controls, counted, frames, matrix
from lthviz.ui.learn.chapters.refill_frames import percent
from lthviz.ui.learn.figure import Cell, lesson_figure
from lthviz.ui.learn.material import Piece

ROWS, COLS = 8, 12
HALF = 0.52
"""The first round that keeps no more than this is shown: of each weight that went, about one stays."""
NAME = "mask"


def round_shown(found: Run) -> int:
    return next((k for k in found.finished if k and cache.round(found.id, k).ticket(UNSTRUCTURED).masks.density() <= HALF), found.finished[-1])


def layer_shown(found: Run) -> Layer:
    """The first layer that has not as many output as input channels, so that its rows and columns are told apart; else the middle one."""
    return next((x for x in found.layers if x.convolution and x.groups == 1 and x.shape[0] != x.shape[1] and x.matrix[0] >= ROWS and x.matrix[1] >= COLS), None) or material.middle(found)


@lru_cache(maxsize=4)
def shown(found: Run) -> Piece:
    """Some output channels of a layer, evenly spaced, and its columns from the kernel of the middle input channel on."""
    layer = layer_shown(found)
    area = int(np.prod(layer.shape[2:]))
    first = min(layer.shape[1] // 2 * area, layer.matrix[1] - max(COLS, area))
    cols = np.arange(first - first % area, layer.matrix[1])[: max(COLS, area)]
    return material.pruned(found, round_shown(found), layer.name).part(np.linspace(0, layer.matrix[0] - 1, ROWS).round().astype(int), cols)


class Share(NamedTuple):
    """Trained numbers of a network. prunable: weights that have a bit; of: all parameters; never: names of those that have none, by what they are."""

    prunable: int
    of: int
    never: dict[str, list[str]]


def parameters(ticket: Ticket) -> Share:
    """What of a network has a mask and what never has. BatchNorm's running statistics are no parameters."""
    norms = {name.removesuffix(".running_mean") for name in ticket.weights if name.endswith(".running_mean")}
    sizes = {name: int(np.asarray(w).size) for name, w in ticket.weights.items() if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    never: dict[str, list[str]] = {"stem": [], "classifier": [], "BatchNorm": []}
    for name in sizes:
        module = name.rpartition(".")[0]
        if name not in ticket.masks:
            kind = "BatchNorm" if module in norms else "stem" if np.asarray(ticket.weights[name]).ndim == 4 else "classifier"
            if module not in never[kind]:
                never[kind].append(module)
    return Share(sum(size for name, size in sizes.items() if name in ticket.masks), sum(sizes.values()), never)


@lru_cache(maxsize=4)
def _counted(found: Run, round: int) -> Share:
    return parameters(cache.round(found.id, round).ticket(UNSTRUCTURED))


def words() -> Sequence[str]:
    piece = shown(material.run())
    layer, (rows, n) = piece.layer, piece.layer.matrix
    whole = cache.round(piece.run.id, piece.round).ticket(UNSTRUCTURED).masks
    outputs, inputs, high, wide = layer.shape
    there = _counted(piece.run, piece.round)
    left_out = there.of - there.prunable
    return [
        "A **mask** m is one bit for every weight w: 1, it is kept; 0, it is gone. The network computes with m ⊙ w, each weight times its bit, in every training step and every "
        "prediction. **Density** is the share of ones, **sparsity** the share of zeros.",
        f"A convolution's weights W[C_out, C_in, kh, kw], here W[{outputs}, {inputs}, {high}, {wide}], are read as a **matrix**: a row for each of the {rows} output channels, and in it the "
        f"{inputs} kernels of {high} × {wide}, one after the other, {n:,} columns. So a row is an output channel, and {high * wide} neighbouring columns are an input channel.",
        f"In the whole layer, after {piece.round} rounds of pruning (the next chapter), {counted(whole.nnz(layer.name), whole.size(layer.name))}. Such a mask is **unstructured**: any single weight may stay or go. Click one to switch it.",
        f"Some weights never have a bit: {_never(there)}. They are few, {left_out:,} of this network's {there.of:,} parameters ({percent(left_out / there.of, 1)}), and everything passes through "
        "them. Densities count only weights that could go.",
    ]


def _never(there: Share) -> str:
    said = {"stem": "the first convolution (the stem, {})", "classifier": "the classifier ({})", "BatchNorm": "BatchNorm's scales and shifts"}
    parts = [text.format(", ".join("`" + x.replace("`", "'") + "`" for x in there.never[kind])) for kind, text in said.items() if there.never[kind]]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def figure() -> None:
    frame.fragment(_figure)()


def _figure() -> None:
    found = material.run()
    piece = shown(found)

    def switch(cell: Cell) -> None:
        editing.switch(NAME, found.id, cell)

    lesson_figure(frames(piece, editing.switched(piece.mask, NAME, found.id)), controls(piece), [matrix(piece)], key="learn-mask", on_cell=switch)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="learn-mask-foot"):
        material.origin(found, f"weights of layer {piece.layer.short} after the training of round {piece.round - 1}, and the mask that the pruning of round {piece.round} made of them; one that "
                        "was pruned before is as it was when it was last trained", key=NAME)
        editing.as_it_was(NAME, found.id)


def question() -> Question:
    return asked(shown(material.run()).layer)


def asked(layer: Layer) -> Question:
    """How much of a layer one kernel is. The right answer: the density of a full mask without one kernel."""
    outputs, inputs, high, wide = layer.shape
    full = np.ones(layer.shape, bool)
    full[0, 0] = False
    loss = 1 - Masks.of({layer.name: full}).density(layer.name)
    size = full.size
    row = f"That is a whole row, one output channel of {outputs}: {inputs * high * wide:,} of {size:,} weights."
    column = f"That is a whole input channel, one of {inputs}: {high * wide} columns in all {outputs} rows, {outputs * high * wide:,} of {size:,} weights."
    kernel = f"The layer has {outputs} × {inputs} = {outputs * inputs:,} kernels, one for every pair of an output and an input channel: {high * wide} of {size:,} weights go."
    one = f"That is a single weight of {size:,}; a kernel has {high * wide}."
    options = ((1 / outputs, row), (1 / (outputs * inputs), kernel), (1 / inputs, column) if inputs != outputs else (1 / size, one))
    return Question(f"All {high * wide} weights of one {high} × {wide} kernel of layer {layer.short}, W[{outputs}, {inputs}, {high}, {wide}], are switched off. By how much does the layer's sparsity rise?",
                    tuple(Option(f"by {100 * x:.3f} percentage points", abs(x - loss) < 1e-9, why) for x, why in sorted(options)))


def links() -> Sequence[Link]:
    piece = shown(material.run())
    return [real.masks("This mask, the whole layer", piece.run, piece.round, UNSTRUCTURED, piece.layer), real.lab("The round in the Lab", piece.run, piece.round, f"prune:{UNSTRUCTURED}", piece.layer)]


CHAPTER = Chapter(words, figure, question, links)
