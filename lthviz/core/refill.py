"""Refill: keep the best output channels whole and remove the others whole (ICML 2022, section 3.2, Algorithm 1).

Unlike the released code, a layer whose budget is a whole number of channels keeps exactly that many, equal scores leave no
channel half sparse, and every round is scored by its own weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

import numpy as np

from lthviz.core.bits import differences, matching, matrix_shape, pack_rows, row_counts
from lthviz.errors import ConfigError, MaskError, did_you_mean
from lthviz.records import Blocks, Masks, Structured


def remain_scores(masks: Masks) -> dict[str, np.ndarray]:
    """Score `remain`: the kept weights of each output channel.

    masks: unstructured ones.

    Returns: float64 (C,) by parameter name.
    Errors: none but Python's own.
    Source: ICML 2022, section 3.2, ablation of criteria.
    Example:
        by_count = lt.remain_scores(masks)
    """
    return {name: row_counts(masks, name).astype(np.float64) for name in masks}


def magnitude_scores(masks: Masks, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Score `magnitude`: the sum of |kept weight| over each output channel.

    masks: unstructured ones.
    weights: trained, by parameter name, of the masks' shapes.

    Returns: float64 (C,) by parameter name.
    Errors: MaskError for a weight that is missing, of another shape or not finite.
    Source: ICML 2022, section 3.2, Algorithm 1.
    Example:
        by_size = lt.magnitude_scores(masks, lt.weights(model))
    """
    weights = matching(weights, masks, "weights")
    return {name: np.where(masks[name], np.abs(w), 0).reshape(len(w), -1).sum(axis=1, dtype=np.float64)
            for name, w in weights.items()}


def budget(nnz: int, shape: tuple[int, int], rho: float = 0.0) -> Fraction:
    """Channels' worth of weights that a layer of `shape` (C, n) may keep: x + (C − x)·rho with x = nnz/n, exactly.

    rho is taken as the decimal that was meant (0.1 + 0.2 is 0.3), so no rounding noise adds a channel.
    """
    rows, n = shape
    x = Fraction(nnz, n)
    return x + (rows - x) * Fraction(float(rho)).limit_denominator(10**9)


def channels(nnz: int, shape: tuple[int, int], rho: float = 0.0) -> int:
    """K, the channels that stay whole: the budget rounded up, at least 1 even where no weight is left, at most C."""
    return min(shape[0], max(1, math.ceil(budget(nnz, shape, rho))))


def ranking(scores: np.ndarray) -> np.ndarray:
    """Channels from best to worst; of equal ones the lower index comes first."""
    return np.argsort(-scores, kind="stable")


def refill(masks: Masks, scores: Mapping[str, np.ndarray], *, rho: float = 0.0, fractional: bool = False,
           weights: Mapping[str, np.ndarray] | None = None) -> Structured:
    """Fill the K best channels of every layer and empty the others, K = ceil(x + (C − x)·rho), x = nnz/n, 1 ≤ K ≤ C.

    scores: (C,) a layer, higher is better. fractional: only floor(x + …) channels stay whole and the next best keeps the
    rest of the budget (rounded down) as its largest |weights|, for which `weights` are needed; an empty layer stays
    empty. One block a layer holds the whole channels; a fractional channel is a second block of one row. Notes per layer:
    kept (channels with weights), channels (C), back, gone, `partial` (weights of the fractional channel, if any) and
    `empty` where no weight was left and a channel was filled all the same. MaskError: scores that are missing, of
    another length or not finite.
    """
    if not 0 <= rho <= 1:
        raise ConfigError(f"rho = {rho!r} is out of range; it must be between 0 and 1")
    if fractional and weights is None:
        raise MaskError("fractional Refill needs the trained weights, to choose the largest of its last channel")
    packed, blocks, notes = {}, {}, {}
    for name in masks:
        shape, nnz = matrix_shape(masks, name), masks.nnz(name)
        best, part = ranking(layer_scores(scores, name, shape[0])), None
        if fractional:
            total = budget(nnz, shape, rho)
            full = np.sort(best[: int(total)])
            if rest := int((total - int(total)) * shape[1]):
                row = int(best[int(total)])
                part = row, _largest(matching(weights, masks, "weights", [name])[name][row].reshape(-1), rest)
        else:
            full = np.sort(best[: channels(nnz, shape, rho)])
        packed[name] = pack_rows(shape, full, part)
        blocks[name] = row_blocks(shape, full, part)
        back, gone = differences(masks.packed(name), packed[name])
        notes[name] = {"kept": len(full) + (part is not None), "channels": shape[0], "back": back, "gone": gone,
                       **({"partial": len(part[1])} if part else {}), **({"empty": True} if len(full) and not nnz else {})}
    return Structured(Masks(packed, {name: masks.shape(name) for name in masks}), blocks, notes)


def layer_scores(scores: Mapping[str, np.ndarray], name: str, rows: int) -> np.ndarray:
    """The scores of a layer of that many output channels, float64; MaskError where they are missing, of another length or not finite."""
    if name not in scores:
        raise MaskError(f"scores lack layer {name!r}; {did_you_mean(name, scores)}")
    values = np.asarray(scores[name], np.float64)
    if values.shape != (rows,):
        raise MaskError(f"scores of {name!r} have shape {values.shape}; the layer has {rows} output channels")
    if not np.isfinite(values).all():
        raise MaskError(f"scores of {name!r} hold values that are not finite; the training that made them diverged")
    return values


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Ascending places of the `count` largest |values|; of equal ones the lower index stays."""
    return np.sort(np.argsort(-np.abs(values), kind="stable")[:count])


def row_blocks(shape: tuple[int, int], full: np.ndarray, part: tuple[int, np.ndarray] | None = None) -> Blocks:
    """One block of the whole rows `full`, and one of a single row with the columns it keeps."""
    rows, cols = ([full.astype(np.int32)], [_all_columns(shape[1])]) if len(full) else ([], [])
    if part is not None:
        rows.append(np.array([part[0]], np.int32))
        cols.append(part[1].astype(np.int32))
    return Blocks(shape, tuple(rows), tuple(cols))


@lru_cache(maxsize=256)
def _all_columns(n: int) -> np.ndarray:
    columns = np.arange(n, dtype=np.int32)
    columns.flags.writeable = False
    return columns
