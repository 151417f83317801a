"""Dense blocks: what every structure is made of, what is drawn on the screen, what a kernel runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lthviz.records.masks import Masks

SPELT = 8
"""So many blocks are spelt out where they are told in a line."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Dense blocks of one layer's matrix: block b covers every (row, column) of `rows[b]` × `cols[b]`.

    shape: (C, n).
    rows, cols: int32 arrays, one pair a block; no cell is in two blocks.

    Source: ICML 2022, section 3.3.
    Example:
        of_layer = channel.blocks["layer1.0.conv1.weight"]
        print(len(of_layer), of_layer.area, of_layer.rows[0])
    """

    shape: tuple[int, int]
    rows: tuple[np.ndarray, ...]
    cols: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        sides = [f"{r.size}×{c.size}" for r, c in zip(self.rows, self.cols, strict=True)]
        said = ", ".join(sides[:SPELT]) + (" …" if len(sides) > SPELT else "")
        return f"Blocks({len(self)} of {self.shape[0]}×{self.shape[1]}{': ' if said else ''}{said})"

    @property
    def area(self) -> int:
        """Weights inside the blocks."""
        return sum(r.size * c.size for r, c in zip(self.rows, self.cols, strict=True))


@dataclass(frozen=True, eq=False)
class Structured:
    """What a structure made of a mask: new masks, the dense blocks of each layer, and what happened there.

    masks: what is kept now.
    blocks: by layer; one without an entry kept no block (its mask is as sparse as it came).
    notes: per layer, JSON-able; Refill
    `{"kept": K, "channels": C, "back": weights regrown, "gone": weights removed}`, Regroup the same back/gone and
    `{"parts": [{"rows": m, "cols": i, "block": bool}…], "partitioner": "mtkahypar 1.7", "km1": int, "fallback": bool}`.

    Source: ICML 2022, sections 3.2 and 3.3.
    Example:
        print(channel.masks.density(), channel.notes["layer1.0.conv1.weight"]["kept"])
    """

    masks: Masks
    blocks: Mapping[str, Blocks]
    notes: Mapping[str, Mapping[str, Any]]

    def __repr__(self) -> str:
        inside, blocks = sum(b.area for b in self.blocks.values()), sum(len(b) for b in self.blocks.values())
        covered = sum(len(b) > 0 for b in self.blocks.values())
        kept = self.masks.nnz()
        said = [f"{kept:,} of {self.masks.size():,} weights kept: {100 * self.masks.density():.2f} %"]
        if counted := [n for n in self.notes.values() if "kept" in n and "channels" in n]:
            said.append(f"{sum(n['kept'] for n in counted):,} of {sum(n['channels'] for n in counted):,} channels")
        said.append(f"{blocks:,} block{'s' * (blocks != 1)} in {covered} of {len(self.masks)} layers hold {100 * inside / max(1, kept):.1f} % of them")
        return f"Structured({'; '.join(said)})"
