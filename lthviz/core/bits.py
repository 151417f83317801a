"""Counting and building masks on their packed bits, so that eleven million weights take milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from lthviz.errors import MaskError, did_you_mean
from lthviz.records import Masks


def row_counts(masks: Masks, name: str) -> np.ndarray:
    """Kept weights of every output channel, int64 (C,)."""
    rows, n = matrix_shape(masks, name)
    if n % 8 == 0:  # rows begin on whole bytes: count without unpacking
        return _count(masks.packed(name).reshape(rows, n // 8))
    return masks.matrix(name).sum(axis=1, dtype=np.int64)


def matrix_shape(masks: Masks, name: str) -> tuple[int, int]:
    """(C, n) of a layer's mask."""
    shape = masks.shape(name)
    return shape[0], masks.size(name) // max(1, shape[0])


def pack_rows(shape: tuple[int, int], full: np.ndarray, partial: tuple[int, np.ndarray] | None = None) -> np.ndarray:
    """Packed bits of a (C, n) mask whose rows `full` are whole; `partial`: one more row and its kept columns."""
    rows, n = shape
    if n % 8 == 0:
        bits = np.zeros((rows, n // 8), np.uint8)
        bits[full] = 0xFF
        if partial is not None:
            line = np.zeros(n, bool)
            line[partial[1]] = True
            bits[partial[0]] = np.packbits(line)
        return bits.reshape(-1)
    mask = np.zeros(shape, bool)
    mask[full] = True
    if partial is not None:
        mask[partial] = True
    return np.packbits(mask, axis=None)


def differences(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """(weights only in `after`, weights only in `before`) of two packed masks of one shape."""
    return int(_count(after & ~before)), int(_count(before & ~after))


def _count(bits: np.ndarray) -> np.ndarray:
    """Set bits along the last axis."""
    if bits.shape[-1] % 8 == 0 and bits.flags.c_contiguous:
        bits = bits.view(np.uint64)
    return np.bitwise_count(bits).sum(axis=-1, dtype=np.int64)


def matching(arrays: Mapping[str, np.ndarray], masks: Masks, what: str, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of the masks' layers, each of its mask's shape and finite; MaskError names the layer that is not."""
    found = {}
    for name in masks if names is None else names:
        if name not in arrays:
            raise MaskError(f"{what} lack layer {name!r}; {did_you_mean(name, arrays)}")
        array = np.asarray(arrays[name])
        if array.shape != masks.shape(name):
            raise MaskError(f"{what} of {name!r} have shape {array.shape}; the mask has {masks.shape(name)}")
        if not np.isfinite(array).all():
            raise MaskError(f"{what} of {name!r} hold values that are not finite; the training that made them diverged")
        found[name] = array
    return found
