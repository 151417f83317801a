"""N:M sparsity by magnitude: the pattern that sparse tensor cores multiply (Mishra et al. 2021, arXiv 2104.08378)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lthviz.core.bits import differences, matching
from lthviz.methods import NM
from lthviz.records import Masks, Structured


def nm(masks: Masks, weights: Mapping[str, np.ndarray], settings: NM) -> Structured:
    """Of the weights of every m neighbouring input channels, at one output channel and place of the kernel, the n largest |w|.

    `masks` gives names and shapes; its density plays no part. Where m does not divide the input channels of a group, the last
    few are taken as if padded with zeros: of r < m the largest min(n, r) stay, so a depthwise convolution stays whole. Of equal
    magnitudes the lower input channel stays. Notes per layer: back and gone against `masks`, `padded` (input channels) where m does not divide.
    """
    packed, notes = {}, {}
    for name, w in matching(weights, masks, "weights").items():
        kept, missing = _kept(np.abs(w), settings.n, settings.m), -w.shape[1] % settings.m
        packed[name] = np.packbits(kept, axis=None)
        back, gone = differences(masks.packed(name), packed[name])
        notes[name] = {"back": back, "gone": gone, **({"padded": missing} if missing else {})}
    return Structured(Masks(packed, {name: masks.shape(name) for name in masks}), {}, notes)


def _kept(sizes: np.ndarray, n: int, m: int) -> np.ndarray:
    """Bool of |w| (C_out, C_in, …): the n largest of every m along axis 1."""
    rows, inputs = sizes.shape[:2]
    missing = -inputs % m
    padded = np.concatenate([sizes, np.full((rows, missing, *sizes.shape[2:]), -1, sizes.dtype)], axis=1)
    groups = padded.reshape(rows, (inputs + missing) // m, m, -1)
    kept = np.zeros(groups.shape, bool)
    np.put_along_axis(kept, np.argsort(-groups, axis=2, kind="stable")[:, :, :n], True, axis=2)
    return kept.reshape(padded.shape)[:, :inputs]
