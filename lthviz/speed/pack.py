"""A layer's blocks as the kernel reads them: column offsets, weights tile by tile, row offsets, slices of equal work."""

from __future__ import annotations

import numpy as np

from lthviz.records import Blocks
from lthviz.speed.tile import AHEAD, MR, TURNED, VL


class Tables:
    """Grows the int64 tables (I) and the float32 weights (W) of a program; `add` tells where a piece begins."""

    def __init__(self) -> None:
        self._pieces: dict[type, list[np.ndarray]] = {np.int64: [], np.float32: []}
        self._size = {np.int64: 0, np.float32: 0}

    def add(self, values: np.ndarray, kind: type = np.int64) -> int:
        piece = np.ascontiguousarray(values, kind).ravel()
        start = self._size[kind]
        self._pieces[kind].append(piece)
        self._size[kind] += piece.size
        return start

    def weights(self, values: np.ndarray) -> int:
        return self.add(values, np.float32)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(np.concatenate([*self._pieces[k], np.zeros(1, k)]) for k in (np.int64, np.float32))


def heights(rows: int) -> list[int]:
    """Rows of a block's tiles: as few tiles as possible, as equal as possible."""
    tiles = -(-rows // MR)
    return [rows // tiles + (i < rows % tiles) for i in range(tiles)]


def pack(tables: Tables, blocks: Blocks, alone: np.ndarray, weight: np.ndarray, bias: np.ndarray, offsets: np.ndarray,
         rows_out: np.ndarray, rows_residual: np.ndarray, slices: int) -> tuple[int, int]:
    """(where the slices' table begins in I, floats of scratch a vector needs).

    weight: (C, n) over all input channels. offsets: of each column in the input map. rows_out, rows_residual: of each row
    in output and residual (-1: none). alone: rows without weights. slices: parts of about equal work, one task each.
    """
    pieces = [(r, c) for r, c in zip(blocks.rows, blocks.cols, strict=True)]
    if alone.size:
        pieces.append((alone, np.zeros(0, np.int32)))
    share = max(1.0, sum(r.size * (c.size + 4) for r, c in pieces) / slices)
    made: list[list[tuple[int, int, int, int]]] = [[] for _ in range(slices)]
    work, tallest = 0.0, 0
    for rows, cols in pieces:
        odd = cols.size % 2
        offs = tables.add(np.append(offsets[cols], np.repeat(offsets[cols[-1:]], odd + AHEAD)))
        records: dict[int, list[tuple[int, int, int, int, int]]] = {}
        first = 0
        for height in heights(rows.size):
            part = rows[first:first + height]
            w = weight[np.ix_(part, cols)].T
            w = tables.weights(np.append(w, np.zeros((1, height), w.dtype), axis=0) if odd else w)
            record = (height, w, tables.add(rows_out[part]), tables.add(rows_residual[part]), tables.weights(bias[part]))
            records.setdefault(min(slices - 1, int(work / share)), []).append(record)
            work += height * (cols.size + 4)
            first += height
        for where, tiles in records.items():
            made[where].append((offs, cols.size + odd, tables.add(np.array(tiles)), len(tiles)))
            tallest = max(tallest, sum(t[0] for t in tiles))
    starts = []
    for part in made:
        starts.append(tables.add(np.array(part, np.int64).reshape(-1, 4)))
    # The records of all slices follow one another, so each one's end is the next one's beginning.
    end = tables.add(np.zeros(0))
    return tables.add(np.array([*starts, end])), tallest


def pack_turned(tables: Tables, blocks: Blocks, alone: np.ndarray, weight: np.ndarray, bias: np.ndarray, offsets: np.ndarray,
                rows_out: np.ndarray, rows_residual: np.ndarray) -> tuple[int, int]:
    """(where the unit records begin in T, units): a unit is at most four vectors of a block's rows. Arguments as in `pack`."""
    widest = max(TURNED[4])
    units = []
    for rows, cols in [*zip(blocks.rows, blocks.cols, strict=True), *([(alone, np.zeros(0, np.int32))] if alone.size else [])]:
        odd = cols.size % 2
        offs = tables.add(np.append(offsets[cols], np.repeat(offsets[cols[-1:]], odd)))
        vectors = -(-rows.size // VL)
        count = -(-vectors // widest)
        first = 0
        for i in range(count):
            width = vectors // count + (i < vectors % count)
            part = rows[first:first + width * VL]
            first += width * VL
            w = np.zeros((cols.size + odd, width * VL), np.float32)
            w[:cols.size, :part.size] = weight[np.ix_(part, cols)].T
            units.append((offs, cols.size + odd, tables.weights(w), width, part.size, tables.add(rows_out[part]),
                          tables.add(rows_residual[part]), tables.weights(bias[part])))
    return tables.add(np.array(units, np.int64).reshape(-1, 8)), len(units)
