"""A small mask on its weights: what is kept, what a row and a kernel of the matrix are, and what the network computes with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lthviz.ui.learn.chapters.refill_frames import codes, share
from lthviz.ui.learn.drawing import MUTED, RULE, SMALL, Canvas
from lthviz.ui.learn.figure import Control, Frame, Matrix, Picture
from lthviz.ui.learn.figure.payload import number
from lthviz.ui.learn.material import Piece

STEPS = ("Mask", "Row", "Kernel", "m ⊙ w")
STATES = ("pruned", "kept", "switched on by you", "switched off by you")


def controls(piece: Piece) -> tuple[Control, ...]:
    return (Control("Step", STEPS, "steps"), Control("Output channel", tuple(str(c) for c in piece.rows.tolist()), "slider", len(piece.rows) // 2))


def matrix(piece: Piece) -> Matrix:
    rows, columns = piece.mask.shape
    all_rows, all_columns = piece.layer.matrix
    return Matrix(piece.weights, piece.mask.shape, f"Layer {piece.layer.short}", tuple(f"output channel {c}" for c in piece.rows.tolist()),
                  tuple(f"column {c} ({place})" for c, place in zip(piece.cols.tolist(), piece.places())), True,
                  f"{rows} of {all_rows} rows, {columns} of {all_columns:,} columns", tuple(str(c) for c in piece.rows.tolist()), tuple(str(c) for c in piece.cols.tolist()), STATES)


def frames(piece: Piece, now: np.ndarray) -> list[Frame]:
    """One for every step and output channel. now: bool (C, n), the mask as the reader has it."""
    return [_frame(piece, now, step, r) for step in range(len(STEPS)) for r in range(len(piece.rows))]


def _frame(piece: Piece, now: np.ndarray, step: int, r: int) -> Frame:
    kernel = first_kernel(piece)
    high, wide = piece.layer.shape[2:]
    inside = np.zeros_like(now)
    inside[r, kernel if step >= 2 else slice(None)] = True
    picture = Picture(codes(piece.mask, now), notes=tuple(f"{k}/{now.shape[1]}" for k in now.sum(axis=1).tolist()), rows_strong=(r,), pale=~inside if step else None)
    w, m = (x[r, kernel].reshape(high, wide) for x in (piece.weights, now))
    drawing = "" if step < 2 else _kernels([(f"output channel {piece.rows[r]} ← input channel {_channel(piece)}", w, None)]) if step == 2 else \
        _kernels([("w", w, None), ("m", m, None), ("m ⊙ w", w * m, m)])
    return Frame(_said(piece, now, step, r), (picture,), drawing, _alt(step, w, m) if drawing else "")


def first_kernel(piece: Piece) -> np.ndarray:
    """Places of the columns of the piece's first kernel that is whole. bool (c,)."""
    area = int(np.prod(piece.layer.shape[2:]))
    return piece.cols // area == piece.cols[0] // area


def _channel(piece: Piece) -> int:
    return int(piece.cols[0] // np.prod(piece.layer.shape[2:]))


def counted(kept: int, of: int) -> str:
    """`49 of 96 weights are kept: density 51.0 %, sparsity 49.0 %`."""
    return f"{kept:,} of {of:,} weights are kept: density {share(kept, of)}, sparsity {share(of - kept, of)}"


def _said(piece: Piece, now: np.ndarray, step: int, r: int) -> str:
    row, n = int(piece.rows[r]), piece.layer.matrix[1]
    inputs, high, wide = piece.layer.shape[1:]
    if step == 0:
        was, is_now = int(piece.mask.sum()), int(now.sum())
        turned = int((piece.mask != now).sum())
        before = f" Pruning kept {was} of them ({share(was, now.size)}); you switched {turned}." if turned else ""
        return f"Of this piece, {counted(is_now, now.size)}.{before}"
    if step == 1:
        return (f"A row is an output channel. Channel {row} has {inputs} × {high} × {wide} = {n:,} weights; of the {now.shape[1]} that are shown, the mask keeps {int(now[r].sum())}.")
    kernel = first_kernel(piece)
    first, last = piece.cols[kernel][[0, -1]]
    if step == 2:
        return (f"Columns {first} to {last} of row {row} are one {high} × {wide} kernel: with it, output channel {row} looks at input channel {_channel(piece)}. "
                f"The row holds {inputs} such kernels, side by side.")
    gone = int((~now[r, kernel]).sum())
    return f"The network computes with m ⊙ w: each weight times its bit. Of these {kernel.sum()} weights {gone} {'is' if gone == 1 else 'are'} 0, {kernel.sum() - gone} unchanged."


def _alt(step: int, w: np.ndarray, m: np.ndarray) -> str:
    def rows(x: np.ndarray) -> str:
        return "; ".join(" ".join(number(v) for v in row) for row in x)

    return f"The kernel, row by row: {rows(w)}" if step == 2 else f"w: {rows(w)}. m: {rows(m)}. m times w: {rows(w * m)}"


SIDE, CELL, LEFT, TOP = 400, 37.0, 2.0, 24.0


def _kernels(parts: Sequence[tuple[str, np.ndarray, np.ndarray | None]]) -> str:
    """Kernels with their numbers, in a row with ⊙ and = between. parts: name, numbers (kh, kw), and where a number is kept (None: everywhere)."""
    high, wide = parts[0][1].shape
    cell = min(CELL, (SIDE - 4 - 24 * 2) / (3 * wide))
    canvas = Canvas(TOP + high * cell + 2, SIDE)
    x = LEFT
    for i, (name, numbers, kept) in enumerate(parts):
        canvas.text(x, TOP - 8, name, size=SMALL + 1, colour=MUTED if len(parts) == 1 else "currentColor", bold=len(parts) > 1)
        for (r, c), value in np.ndenumerate(numbers):
            gone = kept is not None and not kept[r, c]
            canvas.add(f"<rect x='{x + c * cell + 0.5:.1f}' y='{TOP + r * cell + 0.5:.1f}' width='{cell - 2:.1f}' height='{cell - 2:.1f}' fill='{'none' if gone else 'var(--paper)'}' stroke='{RULE}'/>")
            text = number(float(value))
            canvas.text(x + (c + 0.5) * cell - 0.5, TOP + (r + 0.5) * cell + 3.5, text, anchor="middle", size=min(SMALL - 0.5, (cell - 4) / (0.52 * len(text))), colour=MUTED if gone else "currentColor")
        x += wide * cell
        if i + 1 < len(parts):
            canvas.text(x + 11, TOP + high * cell / 2 + 5, "⊙=="[i], anchor="middle", size=16)
            x += 24
    return canvas.svg()
