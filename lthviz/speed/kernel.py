"""What runs a network program: one native function that goes through its steps, called by every thread at once.

Threads take tasks of the current step from a counter and go on when all of them are done; nobody waits for a thread that has
not come, so a core that is busy elsewhere slows the others by its own task only. All state is in flat arrays: F (float32
arena: activations and scratch), T (int64 tables), W (float32 weights and biases), steps (int64, one row of `FIELDS` a step),
sync (int64: tasks taken and tasks done of each step; zero before a run).

A feature map is (base, channel stride, row stride, pixel stride, lanes): lane n of channel c at (h, w) is
F[base + c·sc + h·sh + w·sp + n]; base already skips the zero border.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numba
import numpy as np

from lthviz.speed.atomics import fetch_add, give_way, peek
from lthviz.speed.quad import ROWS, quad
from lthviz.speed.registers import NV, VL
from lthviz.speed.tile import LEAVE, RESUME, tile
from lthviz.speed.turned import TURNED, turned

KINDS = CONV, POOL, ADD, LOAD, STORE, SPLIT, TURN = range(7)
PIXELS = max(TURNED)
FIELDS = 32
"""Columns of the step table: 0 its kind, 1 its tasks, the rest as the function of its kind takes them apart."""
CHUNK = 96
"""Columns whose activations stay in the first-level cache while all rows of a block go by: 96 × 4 × 16 floats are 24 KiB."""
REST = 32
"""Fewer columns than this at a block's end join the chunk before: not worth a round through the scratch."""

_part = numba.njit(nogil=True, inline="always")
"""For what `run` is made of: compiled with it, once, and not also on its own."""

PATIENCE = 4000
"""Looks at the counter, some tens of microseconds, before a waiting thread gives its core away."""
LINGER = 5 * PATIENCE
"""Looks, about a millisecond, for the next run before a thread sleeps: to wake a core that went idle takes a good part of a small
run, on a virtual machine most of it."""


@_part
def _conv(F, T, W, s, task, scratch):
    """Tasks: groups of vectors × slices of the blocks.

    A block record is (column offsets, K, tile records, tiles); a tile record (rows, weights, row offsets in the output, in
    the residual, biases), each an index into T or W. Where scattered rows are packed in quads, their records follow (`_quads`).
    """
    x, y, z, xs, ys, zs, lanes, vectors = s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]
    slices, parts, relu, per, quads = s[10], s[11], s[12], s[13], s[14]
    v0 = (task // slices) * per
    v1 = min(v0 + per, vectors)
    if quads >= 0:
        _quads(F, T, W, s, quads + task % slices, v0, v1, scratch)
    part = parts + task % slices
    for block in range(T[part], T[part + 1], 4):
        offs, K, tiles = T[block], T[block + 1], T[block + 2]
        end = tiles + 5 * T[block + 3]
        k = 0
        while True:
            n = K - k if K - k < CHUNK + REST else CHUNK
            flags = (RESUME if k > 0 else 0) | (LEAVE if k + n < K else relu)
            spot, v = scratch, v0
            while v < v1:
                width = NV if v1 - v >= NV else 1
                mask = lanes + v if lanes >= 0 else -1
                for t in range(tiles, end, 5):
                    rows = T[t]
                    tile(rows, width, F, T, W, x, xs + v, offs + k, n, T[t + 1] + k * rows, spot, y, ys + v, T[t + 2], T[t + 4],
                         z, zs + v, T[t + 3], flags, mask)
                    spot += rows * width * VL
                v += width
            k += n
            if k >= K:
                break


@_part
def _quads(F, T, W, s, part, v0, v1, scratch):
    """The scattered rows of a convolution's slice, for the vectors v0 … v1 - 1.

    A record is (quads, windows, window records, end records): window by window and quad by quad (column offsets, columns of each
    subset, weights); quad by quad (rows, row offsets in the output, in the residual, biases).
    """
    x, y, z, xs, ys, zs, lanes, relu = s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[12]
    for group in range(T[part], T[part + 1], 4):
        count, windows, records, ends = T[group], T[group + 1], T[group + 2], T[group + 3]
        for window in range(windows):
            spot = scratch
            for v in range(v0, v1, NV):   # the last vector stands in for those behind it, and is written more than once
                mask = lanes + v if lanes >= 0 else -1
                for q in range(count):
                    record, end = records + 3 * q, ends + 4 * q
                    quad(F, T, W, x, xs + v, T[record], T[record + 1], T[record + 2], spot, window)
                    if window == windows - 1:   # at once, so that the next quad computes while this one is written
                        tile(T[end], NV, F, T, W, x, xs + v, 0, 0, 0, spot, y, ys + v, T[end + 1], T[end + 3], z, zs + v, T[end + 2],
                             RESUME | relu, mask)
                    spot += ROWS * NV * VL
            records += 3 * count


@_part
def _turn(F, T, W, s, task, scratch):
    """Tasks: units × parts of the pixels; a convolution whose vectors are output rows.

    A unit record is (column offsets, K, weights, vectors, rows, row offsets in the output, in the residual, biases).
    """
    x, y, z, xs, ys, zs, pixels = s[2], s[3], s[4], s[5], s[6], s[7], s[8]
    units, parts, per, relu = s[9], s[10], s[11], s[12]
    u = units + 8 * (task // parts)
    offs, K, w, vectors, rows, ro, zo, bias = T[u], T[u + 1], T[u + 2], T[u + 3], T[u + 4], T[u + 5], T[u + 6], T[u + 7]
    p = (task % parts) * per
    end = min(pixels, p + per)
    while p < end:
        width = PIXELS if end - p >= PIXELS else (4 if end - p >= 4 else 1)
        if K > 0:
            turned(width, vectors, F, T, W, x, xs + p, offs, K, w, vectors * VL, scratch)
        for i in range(width):
            out, added = y + T[ys + p + i], z + T[zs + p + i]
            for r in range(rows):
                value = W[bias + r]
                if K > 0:
                    value += F[scratch + i * vectors * VL + r]
                if T[zo + r] >= 0:
                    value += F[added + T[zo + r]]
                F[out + T[ro + r]] = max(value, np.float32(0.0)) if relu else value
        p += width


@_part
def _pool(F, s, task):
    """Tasks: `per` of the output's rows × channels, a `run` of contiguous floats each.

    Outside the map there is nothing: it is neither zero nor counted, unless an average is asked over the `whole` window.
    """
    x, xc, xh, xw, y, yc, yh, yw = s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]
    height, width, h_out, w_out, kernel, stride, pad, run = s[10], s[11], s[12], s[13], s[14], s[15], s[16], s[17]
    average, whole, total, per = s[18], s[19], s[20], s[21]
    for unit in range(task * per, min(total, (task + 1) * per)):
        c, h = unit // h_out, unit % h_out
        h0, h1 = max(0, h * stride - pad), min(height, h * stride - pad + kernel)
        for w in range(w_out):
            w0, w1 = max(0, w * stride - pad), min(width, w * stride - pad + kernel)
            out = y + c * yc + h * yh + w * yw
            start = x + c * xc + h0 * xh + w0 * xw
            for n in range(run):
                F[out + n] = F[start + n]
            for i in range(h0, h1):
                for j in range(w0, w1):
                    if i == h0 and j == w0:
                        continue
                    source = x + c * xc + i * xh + j * xw
                    if average:
                        for n in range(run):
                            F[out + n] += F[source + n]
                    else:
                        for n in range(run):
                            F[out + n] = max(F[out + n], F[source + n])
            if average:
                share = np.float32(1.0 / (kernel * kernel if whole else (h1 - h0) * (w1 - w0)))
                for n in range(run):
                    F[out + n] *= share


@_part
def _add(F, T, s, task):
    """Tasks: output channels. Sum of two maps whose channels stand in different places (-1: absent); ReLU where asked."""
    a, ac, ah, aw, b, bc, bh, bw, y, yc, yh, yw = s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13]
    height, width, lanes, table, relu = s[14], s[15], s[16], s[17], s[18]
    ca, cb = T[table + 2 * task], T[table + 2 * task + 1]
    for h in range(height):
        for w in range(width):
            out = y + task * yc + h * yh + w * yw
            pa, pb = a + ca * ac + h * ah + w * aw, b + cb * bc + h * bh + w * bw
            for n in range(lanes):
                value = np.float32(0.0)
                if ca >= 0:
                    value += F[pa + n]
                if cb >= 0:
                    value += F[pb + n]
                F[out + n] = max(value, np.float32(0.0)) if relu else value


@_part
def _load(F, image, s, task):
    """Tasks: rows. Images (N, c, h, w) of torch into the batch-innermost layout."""
    y, yc, yh, yw, channels, height, width, n = s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]
    for c in range(channels):
        for w in range(width):
            out, source = y + c * yc + task * yh + w * yw, (c * height + task) * width + w
            for i in range(n):
                F[out + i] = image[i * channels * height * width + source]


@_part
def _store(F, T, result, s, task):
    """Tasks: `per` channels. A map back into (N, C, h, w); channels that are not there (-1) are zero."""
    x, xc, xh, xw, channels, height, width, n, table, per = s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11]
    for channel in range(task * per, min(channels, (task + 1) * per)):
        c = T[table + channel]
        for h in range(height):
            for w in range(width):
                source, out = x + c * xc + h * xh + w * xw, (channel * height + h) * width + w
                for i in range(n):
                    result[i * channels * height * width + out] = F[source + i] if c >= 0 else np.float32(0.0)


@_part
def _split(F, s, task):
    """Tasks: `per` channels. The phases of a map with its border, one for every step of a stride down and right, so that a strided
    convolution reads contiguous pixels."""
    x, xc, xh, xw, y, yc, yp, yh = s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]
    height, width, lanes, down, right, channels, per = s[10], s[11], s[12], s[13], s[14], s[15], s[16]
    for c in range(task * per, min(channels, (task + 1) * per)):
        for h in range(height):
            for first in range(right):
                source = x + c * xc + h * xh + first * xw
                out = y + c * yc + ((h % down) * right + first) * yp + (h // down) * yh
                count = (width - first + right - 1) // right
                if lanes == 1:
                    for k in range(count):
                        F[out + k] = F[source + k * right]
                else:
                    for k in range(count):
                        for n in range(lanes):
                            F[out + k * lanes + n] = F[source + k * right * xw + n]


SIGNATURE = "void(float32[::1], int64[::1], float32[::1], int64[:, ::1], int64[:, ::1], float32[::1], float32[::1], int64, int64, int64, " \
            "int64[:, ::1], int64, int64)"


def _compiled(stamp: int):
    """`run`, from the disk where it was compiled before. Numba's key is this file and what a function closes over, so the
    source of the micro-kernels stands in `stamp`."""

    @numba.njit(SIGNATURE, nogil=True, cache=True)
    def run(F, T, W, steps, sync, image, result, first, last, scratch, orders, thread, order):
        """Help with steps first … last - 1 until all are done. scratch: where this thread's own begins in F. Then, unless this is
        thread 0, linger until there is another order than this one for it (threads.py)."""
        if stamp == 0:
            return
        for i in range(first, last):
            s = steps[i]
            kind, tasks = s[0], s[1]
            while True:
                task = fetch_add(sync, i, 0, 1)
                if task >= tasks:
                    break
                if kind == CONV:
                    _conv(F, T, W, s, task, scratch)
                elif kind == TURN:
                    _turn(F, T, W, s, task, scratch)
                elif kind == POOL:
                    _pool(F, s, task)
                elif kind == ADD:
                    _add(F, T, s, task)
                elif kind == LOAD:
                    _load(F, image, s, task)
                elif kind == STORE:
                    _store(F, T, result, s, task)
                else:
                    _split(F, s, task)
                fetch_add(sync, i, 1, 1)
            waited = 0
            while peek(sync, i, 1) < tasks:
                waited += 1
                if waited > PATIENCE:   # whoever has the last task may need this core
                    give_way()
        waited = 0
        while thread > 0 and waited < LINGER and peek(orders, thread, 0) == order:
            waited += 1
            if waited % PATIENCE == 0:
                give_way()

    return run


_SOURCES = [Path(__file__).with_name(f"{name}.py") for name in ("registers", "tile", "turned", "quad", "atomics", "kernel")]
STAMP = zlib.crc32(b"".join(source.read_bytes() for source in _SOURCES)) or 1
"""Changes with the source of the kernels: the key of what was compiled and of what was measured."""

run = _compiled(STAMP)
