"""How alike two masks are, and how alike two unrelated masks of the same densities would be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lthviz.core.bits import differences
from lthviz.records import Masks


class Likeness(NamedTuple):
    """Two masks over some layers, in weights. jaccard: shared / (shared + added + removed), 1 where both are empty.

    chance_shared, chance_jaccard: expected weights in both, and their share of the expected union, when each layer's weights lie at
    independent random places at the layer's two densities.
    """

    shared: int
    added: int
    removed: int
    size: int
    jaccard: float
    chance_shared: float
    chance_jaccard: float


def layers_in_both(a: Masks, b: Masks) -> list[str]:
    """Layers that both have by the same name and shape, in the order of `b`."""
    return [name for name in b if name in a and a.shape(name) == b.shape(name)]


def likeness(a: Masks, b: Masks, names: Iterable[str]) -> Likeness:
    """What became of mask `a` in mask `b` over `layers_in_both`, or some of them."""
    shared = added = gone = size = 0
    chance = either = 0.0
    for name in names:
        back, lost = differences(a.packed(name), b.packed(name))
        shared, added, gone, size = shared + a.nnz(name) - lost, added + back, gone + lost, size + a.size(name)
        both = a.nnz(name) * b.nnz(name) / max(1, a.size(name))
        chance, either = chance + both, either + a.nnz(name) + b.nnz(name) - both
    union = shared + added + gone
    return Likeness(shared, added, gone, size, shared / union if union else 1.0, chance, chance / either if either else 1.0)
