"""Random tickets: what a structure must beat at the same density (ICML 2022, section 4)."""

from __future__ import annotations

import numpy as np

from lthviz.config import Random
from lthviz.core.bits import differences, matrix_shape
from lthviz.core.refill import refill
from lthviz.records import Masks, Structured
from lthviz.seeds import derive


def shuffle(masks: Masks, settings: Random, *, seed: int) -> Structured:
    """Move every layer's kept weights to uniformly random places (`weights`), or fill as many random whole channels as
    Refill with rho 0 would keep (`channels`). A layer's places depend on the seed and its name alone.

    Notes per layer: back and gone, and for `channels` kept and channels as Refill has them.
    """
    generators = {name: np.random.default_rng(derive(seed, "random", settings.shuffle, name)) for name in masks}
    if settings.shuffle == "channels":
        return refill(masks, {name: rng.random(matrix_shape(masks, name)[0]) for name, rng in generators.items()})
    packed, notes = {}, {}
    for name, rng in generators.items():
        mask = np.zeros(masks.size(name), bool)
        mask[: masks.nnz(name)] = True
        rng.shuffle(mask)
        packed[name] = np.packbits(mask)
        notes[name] = dict(zip(("back", "gone"), differences(masks.packed(name), packed[name])))
    return Structured(Masks(packed, {name: masks.shape(name) for name in masks}), {}, notes)
