"""|w| of kept weights as a few levels that the browser can shade by: small enough that the message stays under a megabyte."""

from __future__ import annotations

from typing import Any

import numpy as np

ROOM = 900_000
"""Bytes that masks and levels together may take; the component's own code goes along with every message, 70 kB of it."""
LEVELS = (8, 6, 5, 4, 3, 2)
"""Levels to choose from. More than eight shades no eye tells apart; two still tell the larger half from the smaller."""


def digits(levels: int) -> int:
    """How many digits to that base a 32-bit word holds."""
    return int(np.floor(32 / np.log2(levels) + 1e-9))


def bytes_of(kept: int, levels: int) -> int:
    return 4 * -(-kept // digits(levels))


def choose(kept: int, used: int) -> int:
    """The most levels for so many kept weights beside `used` bytes; the fewest where nothing fits (a layer of many millions)."""
    return next((n for n in LEVELS if used + bytes_of(kept, n) <= ROOM), LEVELS[-1])


def levels_of(weights: np.ndarray, mask: np.ndarray, used: int) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Levels of the kept weights of a (C, n) mask by |weights|, packed into uint32 words, and their key; None where nothing is kept.

    Level l of L holds the weights between the l-th and the next of L equal quantiles (`edges`, L + 1 values, the first and last are the
    smallest and the largest |w|), so that each level has equally many but for ties, which share a level. Words hold digits to the base L,
    the first lowest, of the kept weights in the mask's own order.
    """
    size = np.abs(weights[mask]).astype(np.float32)
    if not size.size:
        return None
    n = choose(size.size, used)
    edges = np.quantile(size, np.linspace(0, 1, n + 1))
    level = np.searchsorted(edges[1:-1].astype(np.float32), size, side="right").astype(np.uint32)
    each = digits(n)
    padded = np.zeros(-(-size.size // each) * each, np.uint32)
    padded[:size.size] = level
    words = (padded.reshape(-1, each).astype(np.uint64) * np.array([n ** i for i in range(each)], np.uint64)).sum(1, dtype=np.uint64)
    return words.astype("<u4"), {"levels": n, "edges": [float(e) for e in edges], "median": float(np.median(size)), "of": int(size.size)}
