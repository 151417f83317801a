"""Blocks of a layer as the flat tables that the GPU kernel reads: tiles of rows, their columns, their weights.

A column of the weight matrix is stored as `channel << 6 | tap`, tap = kh·kernel width + kw, so the tables hold for any height,
width and batch. Rows of a block are cut into tiles of equal height; a tile's columns are padded to whole chunks, its rows to the
tile's height, both with zero weights and marked so that they are neither read nor written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lthviz.errors import SpeedError
from lthviz.records import Blocks

MOST_TAPS = 62
TALLEST_VECTOR = 4
"""Blocks of at most so many rows are multiplied a column at a time; taller ones as small matrices."""
HEIGHTS = (8, 16, 32, 64, 128)
LIMIT = 2**31


class Piece(NamedTuple):
    """Rows (output channels) that read the same inputs. cols: columns of the weight matrix; first: the group's first input
    channel."""

    rows: np.ndarray
    cols: np.ndarray
    first: int


class Packed(NamedTuple):
    """tiles: int32 (T, 3), a tile's first entry in `columns`, their padded number, its first weight. rows: int32 (T, height), -1
    where none. columns: int32, `channel << 6 | tap`, an impossible tap where padded. weights: float32; a tile's are (chunks,
    height, chunk)."""

    tiles: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray


def pieces(blocks: Blocks, channels: int, groups: int) -> tuple[list[Piece], list[Piece]]:
    """(short, tall): the blocks cut at the borders of convolution groups, and the rows in no block as a piece without columns.

    channels: input channels of a group. Rows of two groups never read the same inputs, whatever their columns are called.
    """
    per_group = max(1, blocks.shape[0] // groups)
    found = []
    for rows, cols in zip(blocks.rows, blocks.cols, strict=True):
        for group in np.unique(rows // per_group):
            found.append(Piece(rows[rows // per_group == group], cols, int(group) * channels))
    short = [p for p in found if p.rows.size <= TALLEST_VECTOR]
    tall = [p for p in found if p.rows.size > TALLEST_VECTOR]
    empty = np.ones(blocks.shape[0], bool)
    for rows in blocks.rows:
        empty[rows] = False
    if empty.any():
        (tall or short).append(Piece(np.flatnonzero(empty), np.zeros(0, np.int64), 0))
    return short, tall


def heights(found: Sequence[Piece], extra: int) -> list[int]:
    """Tile heights, the one with the least estimated work first. extra: rows' worth of work that fetching a column's inputs
    costs."""
    def work(height: int) -> int:
        return sum(-(-p.rows.size // height) * (height + extra) * (p.cols.size + 1) for p in found)

    return sorted(HEIGHTS, key=work)


def pack(found: Sequence[Piece], weight: np.ndarray, height: int, chunk: int) -> Packed:
    """Tables of the pieces; weight: float32 (C_out, C_in/groups, kh, kw). Heaviest tiles first. SpeedError for what int32 cannot
    address."""
    taps = weight.shape[2] * weight.shape[3]
    if taps > MOST_TAPS:
        raise SpeedError(f"a {weight.shape[2]}×{weight.shape[3]} kernel has {taps} weights a channel; the GPU kernel takes up to {MOST_TAPS}")
    matrix, never = weight.reshape(weight.shape[0], -1), 31 if taps < 32 else 63
    tiles, rows, columns, weights = [], [], [], []
    column = place = 0
    for piece in sorted(found, key=lambda p: -p.cols.size):
        k = piece.cols.size
        padded = -(-k // chunk) * chunk
        table = np.full(padded, never, np.int64)
        table[:k] = (piece.cols // taps + piece.first) << 6 | piece.cols % taps
        columns.append(table)
        for start in range(0, piece.rows.size, height):
            some = piece.rows[start:start + height]
            row = np.full(height, -1, np.int64)
            row[:some.size] = some
            dense = np.zeros((height, padded), np.float32)
            dense[:some.size, :k] = matrix[np.ix_(some, piece.cols)]
            weights.append(dense.reshape(height, -1, chunk).transpose(1, 0, 2).ravel())
            tiles.append((column, padded, place))
            rows.append(row)
            place += dense.size
        column += padded
    if max(place, column, (weight.shape[1] + max((p.first for p in found), default=0)) << 6) >= LIMIT:
        raise SpeedError(f"a layer of {weight.shape[0]} channels with {place} packed weights is more than the GPU kernel addresses")
    return Packed(*(np.concatenate(a or [np.zeros(0)]).astype(t) for a, t in (
        ([np.array(tiles).reshape(-1, 3)], np.int32), ([np.array(rows).reshape(-1, height)], np.int32), (columns, np.int32),
        (weights, np.float32))))
