"""Controls: what a structure must beat at the same density (ICML 2022, section 4)."""

from __future__ import annotations

import numpy as np

from lthviz.core.bits import differences, matrix_shape
from lthviz.core.refill import refill
from lthviz.methods import UNSTRUCTURED, Random
from lthviz.records import Blocks, Masks, Structured
from lthviz.seeds import derive


def unchanged(masks: Masks) -> Structured:
    """The unstructured ticket as what a structure made."""
    return Structured(masks, {}, {name: {"back": 0, "gone": 0} for name in masks})


def shuffle(masks: Masks, settings: Random, *, seed: int, base: Structured | None = None) -> Structured:
    """Put the weights of a ticket in random places, layer by layer. base: that ticket where it is not the unstructured one, `masks`.

    `weights`: as many single weights as the ticket keeps in the layer, at uniformly random places. `channels`: its output channels
    change places, and so do its input channels, so that the structure is the same and what it was made for is not; of the
    unstructured ticket whole output channels, as many as Refill with rho 0 would keep. A layer's places depend on the seed
    and its name alone. Notes per layer: back and gone against `masks`, kept and channels where the ticket has whole ones.
    """
    generators = {name: np.random.default_rng(derive(seed, "random", settings.shuffle, name)) for name in masks}
    if settings.shuffle == "channels" and settings.of == UNSTRUCTURED:
        return refill(masks, {name: rng.random(matrix_shape(masks, name)[0]) for name, rng in generators.items()})
    base = base or unchanged(masks)
    packed, blocks, notes = {}, {}, {}
    for name, rng in generators.items():
        if settings.shuffle == "weights":
            mask = np.zeros(masks.size(name), bool)
            mask[: base.masks.nnz(name)] = True
            rng.shuffle(mask)
            known = {}
        else:
            shape = masks.shape(name)
            rows, inputs = rng.permutation(shape[0]), rng.permutation(shape[1])     # where each goes
            mask = np.empty(shape, bool)
            mask[np.ix_(rows, inputs)] = base.masks[name]
            if name in base.blocks:
                blocks[name] = _moved(base.blocks[name], rows, inputs)
            known = {k: v for k, v in base.notes[name].items() if k in ("kept", "channels")}
        packed[name] = np.packbits(mask, axis=None)
        notes[name] = known | dict(zip(("back", "gone"), differences(masks.packed(name), packed[name])))
    return Structured(Masks(packed, {name: masks.shape(name) for name in masks}), blocks, notes)


def _moved(blocks: Blocks, rows: np.ndarray, inputs: np.ndarray) -> Blocks:
    """The blocks after output channel c went to rows[c] and input channel c to inputs[c]."""
    places = blocks.shape[1] // inputs.size
    columns = (inputs[:, None] * places + np.arange(places)).reshape(-1)
    return Blocks(blocks.shape, tuple(np.sort(rows[r]).astype(np.int32) for r in blocks.rows),
                  tuple(np.sort(columns[c]).astype(np.int32) for c in blocks.cols))
