"""A layer's blocks as the kernel reads them: column offsets, weights tile by tile, row offsets, slices of equal work."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lthviz.records import Blocks
from lthviz.speed import quad
from lthviz.speed.registers import VL
from lthviz.speed.tile import AHEAD, MR
from lthviz.speed.turned import TURNED

SCATTERED = 2
"""Rows of the tallest block that is taken apart and packed in quads with others."""
TOGETHER = 16
"""Quads that share a window of columns: their 16 KiB of scratch for 4 vectors and the window stay in the first-level cache."""
WINDOW, LONGEST = 128, 256
"""Columns of a window, 32 KiB of activations; up to LONGEST where they are so few a quad that its loops would be too short."""
FULL = 50
"""Weights a row should have in a window."""



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


class Rows(NamedTuple):
    """What a layer's rows need, each by row: weight (C, n) over all input channels, bias, places in output and residual (-1: none);
    and `offsets` of each column in the input map."""

    weight: np.ndarray
    bias: np.ndarray
    offsets: np.ndarray
    out: np.ndarray
    residual: np.ndarray


def pack(tables: Tables, blocks: Blocks, alone: np.ndarray, rows: Rows, slices: int, *, quads: bool) -> tuple[int, int, int]:
    """(where the slices' table of blocks begins in I, that of their quads or -1, floats of scratch a vector needs).

    alone: rows without weights. slices: parts of about equal work, one task each. quads: blocks of SCATTERED rows and fewer are
    packed in quads instead.
    """
    pieces = list(zip(blocks.rows, blocks.cols, strict=True))
    loose = [(row, c) for r, c in pieces if r.size <= SCATTERED for row in r] if quads else []
    if loose:
        pieces = [(r, c) for r, c in pieces if r.size > SCATTERED]
    if alone.size:
        pieces.append((alone, np.zeros(0, np.int32)))
    share = max(1.0, (sum(r.size * (c.size + 4) for r, c in pieces) + sum(c.size + 4 for _, c in loose)) / slices)
    made: list[list[tuple[int, int, int, int]]] = [[] for _ in range(slices)]
    work, tallest = 0.0, 0
    for part, cols in pieces:
        odd = cols.size % 2
        offs = tables.add(np.append(rows.offsets[cols], np.repeat(rows.offsets[cols[-1:]], odd + AHEAD)))
        records: dict[int, list[tuple[int, int, int, int, int]]] = {}
        first = 0
        for height in heights(part.size):
            mine = part[first:first + height]
            w = rows.weight[np.ix_(mine, cols)].T
            w = tables.weights(np.append(w, np.zeros((1, height), w.dtype), axis=0) if odd else w)
            record = (height, w, *_places(tables, rows, mine))
            records.setdefault(min(slices - 1, int(work / share)), []).append(record)
            work += height * (cols.size + 4)
            first += height
        for where, tiles in records.items():
            made[where].append((offs, cols.size + odd, tables.add(np.array(tiles)), len(tiles)))
            tallest = max(tallest, sum(t[0] for t in tiles))
    blocks_at = _sliced(tables, made)
    if not loose:
        return blocks_at, -1, tallest
    loose.sort(key=lambda piece: -piece[1].size)   # rows of like density share the most columns
    fours: list[list[list[tuple[int, np.ndarray]]]] = [[] for _ in range(slices)]
    for i in range(0, len(loose), quad.ROWS):
        fours[min(slices - 1, int(work / share))].append(loose[i:i + quad.ROWS])
        work += sum(c.size + 4 for _, c in loose[i:i + quad.ROWS])
    groups = [[mine[i:i + TOGETHER] for i in range(0, len(mine), TOGETHER)] for mine in fours]
    tallest = max([tallest, *(quad.ROWS * len(group) for mine in groups for group in mine)])
    return blocks_at, _sliced(tables, [[_quads(tables, group, rows) for group in mine] for mine in groups]), tallest


def _places(tables: Tables, rows: Rows, mine: np.ndarray) -> tuple[int, int, int]:
    """Where the rows' places in output and residual stand, and their biases."""
    return tables.add(rows.out[mine]), tables.add(rows.residual[mine]), tables.weights(rows.bias[mine])


def _sliced(tables: Tables, records: list[list[tuple[int, int, int, int]]]) -> int:
    """The records of all slices follow one another, so each one's end is the next one's beginning."""
    starts = [tables.add(np.array(part, np.int64).reshape(-1, 4)) for part in records]
    return tables.add(np.array([*starts, tables.add(np.zeros(0))]))


def _quads(tables: Tables, group: list[list[tuple[int, np.ndarray]]], rows: Rows) -> tuple[int, int, int, int]:
    """(quads, windows, where the windows' records begin, where the rows' places do): window by window, quad by quad
    (column offsets, columns of each subset, weights); quad by quad (rows, places in output, in residual, biases)."""
    union = np.unique(np.concatenate([c for four in group for _, c in four]))
    a_row = sum(c.size for four in group for _, c in four) / sum(map(len, group)) / max(1, union.size)
    windows = -(-union.size // int(min(LONGEST, max(WINDOW, FULL / max(a_row, 1e-9)))))
    codes = []
    for four in group:
        code = np.zeros(union.size, np.int64)
        for r, (_, cols) in enumerate(four):
            code[np.searchsorted(union, cols)] |= 1 << r
        codes.append(code)
    records = []
    for window in np.array_split(np.arange(union.size), windows):
        for four, code in zip(group, codes, strict=True):
            places, weights, counts = [], [], []
            for subset, bits in zip(quad.SUBSETS, quad.CODES, strict=True):
                cols = union[window[code[window] == bits]]
                counts.append(cols.size)
                if cols.size:
                    places.append(rows.offsets[cols])
                    weights.append(rows.weight[np.ix_([four[r][0] for r in subset], cols)].T.ravel())
            flat = [np.concatenate(x) if x else np.zeros(0) for x in (places, weights)]
            records.append((tables.add(flat[0]), tables.add(np.array(counts)), tables.weights(flat[1])))
    ends = [(len(four), *_places(tables, rows, np.array([row for row, _ in four]))) for four in group]
    return len(group), windows, tables.add(np.array(records)), tables.add(np.array(ends))


def pack_turned(tables: Tables, blocks: Blocks, alone: np.ndarray, rows: Rows) -> tuple[int, int]:
    """(where the unit records begin in T, units): a unit is at most four vectors of a block's rows. Arguments as in `pack`."""
    widest = max(TURNED[4])
    units = []
    for block, cols in [*zip(blocks.rows, blocks.cols, strict=True), *([(alone, np.zeros(0, np.int32))] if alone.size else [])]:
        odd = cols.size % 2
        offs = tables.add(np.append(rows.offsets[cols], np.repeat(rows.offsets[cols[-1:]], odd)))
        vectors = -(-block.size // VL)
        count = -(-vectors // widest)
        first = 0
        for i in range(count):
            width = vectors // count + (i < vectors % count)
            part = block[first:first + width * VL]
            first += width * VL
            w = np.zeros((cols.size + odd, width * VL), np.float32)
            w[:cols.size, :part.size] = rows.weight[np.ix_(part, cols)].T
            units.append((offs, cols.size + odd, tables.weights(w), width, part.size, *_places(tables, rows, part)))
    return tables.add(np.array(units, np.int64).reshape(-1, 8)), len(units)
