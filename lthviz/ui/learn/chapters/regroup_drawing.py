"""Two drawings for Regroup: a mask as a hypergraph, and where a group's columns are cut."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lthviz.core.regroup import Part
from lthviz.ui.learn.drawing import INK, MUTED, SMALL, Box, Canvas
from lthviz.ui.learn.plot import Plot, linear

LEFT, RIGHT, TOP, BOTTOM = 14.0, 386.0, 34.0, 118.0


def hypergraph(mask: np.ndarray, channels: Sequence[int], parts: Sequence[Part] = ()) -> tuple[str, str]:
    """Rows as dots below, columns as squares above, a line for every weight; with what is said of it.

    parts: rows stand by their group then, in its colour, and every column over its rows; above a column that crosses groups is written
    how many it touches beyond its first, which km1 adds up.
    """
    groups = [p.rows.tolist() for p in parts] or [list(range(len(mask)))]
    of = {r: i for i, rows in enumerate(groups) for r in rows}
    gap = 1.0 if parts else 0.0
    places, at = {}, 0.0
    for rows in groups:
        for r in rows:
            places[r] = at
            at += 1
        at += gap
    width = max(1.0, at - 1 - gap)
    x = {r: LEFT + (RIGHT - LEFT) * p / width for r, p in places.items()}
    joined = [[r for r in np.flatnonzero(mask[:, c]).tolist() if r in x] for c in range(mask.shape[1])]
    there = [c for c in range(mask.shape[1]) if joined[c]]
    order = sorted(there, key=lambda c: float(np.mean([x[r] for r in joined[c]]))) if parts else there
    above = {c: LEFT + (RIGHT - LEFT) * (i + 0.5) / len(order) for i, c in enumerate(order)}
    canvas = Canvas(BOTTOM + 34)
    canvas.text(0, 11, "hyperedges: columns", size=SMALL, colour=MUTED)
    canvas.text(0, BOTTOM + 32, "vertices: rows", size=SMALL, colour=MUTED)
    crossing = 0
    for c in order:
        mine = [of[r] for r in joined[c]]
        touched = sorted(set(mine), key=lambda g: (-mine.count(g), g))
        for r in joined[c]:
            inside = parts and of[r] == touched[0]
            canvas.line([(above[c], TOP), (x[r], BOTTOM)], f"var(--hue-{of[r] % 8})" if inside else INK if parts else MUTED, width=1.4, dash="" if inside or not parts else "3 3",
                        opacity=1 if parts else 0.75)
        own = f"var(--hue-{touched[0] % 8})" if parts else INK
        canvas.bar(above[c] - 4.5, TOP - 4.5, 9, 9, own)
        if parts and len(touched) > 1:
            canvas.text(above[c], TOP - 9, f"+{len(touched) - 1}", anchor="middle", size=SMALL)
            crossing += len(touched) - 1
    for r, left in x.items():
        canvas.mark(left, BOTTOM, "circle", f"var(--hue-{of[r] % 8})" if parts else INK, r=5)
        canvas.text(left, BOTTOM + 18, str(channels[r]), anchor="middle", size=SMALL)
    alt = f"{len(x)} rows below, {len(order)} columns above, a line for each of {int(mask.sum())} weights."
    if parts:
        alt = f"The rows in {len(parts)} groups, every column above its own. Dashed lines lead to other groups: columns touch {crossing} groups beyond their first."
    return canvas.svg(), alt


@lru_cache(maxsize=1024)
def curve(left: tuple[int, ...], t1: float, width: int, name: str, hue: int) -> tuple[str, str]:
    """L(i), the most weights that a row of a group leaves outside its first i columns, the line i / t1, and the cut; with what is said of it.

    left: L(1) … L(n). width: where it is cut. hue: of the group.
    """
    n, most = len(left), max(1, left[0])
    canvas = Canvas(182)
    own = f"var(--hue-{hue % 8})"
    plot = Plot(canvas, linear(0, n, "columns in the block, i", most=8), linear(0, most + 1, f"L(i): weights that the worst row of {name} leaves outside", most=4), Box(34, 26, 344, 138))
    plot.line([(0, 0), (n, n / t1)], MUTED, width=1.5, dash="5 3")
    points = [(i + 1, v) for i, v in enumerate(left)]
    plot.line(points, own, width=1.6)
    canvas.line([(plot.px(width), plot.box.top), (plot.px(width), plot.box.bottom)], INK, width=1.2)
    plot.dots(points, own, r=3, opacity=1)
    canvas.text(plot.px(width) + (5 if width < 0.7 * n else -5), plot.box.top + 8, f"cut: {width}", anchor="start" if width < 0.7 * n else "end", bold=True)
    end = 0.85 * min(float(n), t1 * (most + 1))
    near = plot.px(end) > plot.box.right - 30
    canvas.text(plot.px(end) + (-7 if near else 7), plot.py(end / t1) + (-4 if near else 9), "i / t1", size=SMALL, colour=MUTED, anchor="end" if near else "start")
    alt = f"L(i) falls from {most} to 0, the line i / t1 rises; at i = {width} the line is above it for the first time."
    return canvas.svg(), alt
