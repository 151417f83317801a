"""Dense blocks: what every structure is made of, what is drawn on the screen, what a kernel runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lthviz.records.masks import Masks


@dataclass(frozen=True, eq=False)
class Blocks:
    """Dense blocks of one layer's matrix: block b covers every (row, column) of `rows[b]` × `cols[b]`.

    shape: (C, n). rows, cols: int32 arrays, one pair a block; no cell is in two blocks.
    """

    shape: tuple[int, int]
    rows: tuple[np.ndarray, ...]
    cols: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def area(self) -> int:
        """Weights inside the blocks."""
        return sum(r.size * c.size for r, c in zip(self.rows, self.cols, strict=True))


@dataclass(frozen=True, eq=False)
class Structured:
    """What a structure made of a mask: new masks, the dense blocks of each layer, and what happened there.

    blocks: a layer without an entry kept no block (its mask is as sparse as it came). notes: per layer, JSON-able; Refill
    `{"kept": K, "channels": C, "back": weights regrown, "gone": weights removed}`, Regroup the same back/gone and
    `{"parts": [{"rows": m, "cols": i, "block": bool}…], "partitioner": "mtkahypar 1.7", "km1": int, "fallback": bool}`.
    """

    masks: Masks
    blocks: Mapping[str, Blocks]
    notes: Mapping[str, Mapping[str, Any]]
