"""Bars of a round's tickets: what each keeps, costs and saves, on one scale of percent of the dense network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from lthviz.ui.learn.drawing import ACCENT, INK, MUTED, RULE, SMALL, WIDTH, Canvas, colour_of, symbol_of
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.saying import name, percent
from lthviz.words import capital

MEASURES = {"density": ("Kept weights", "of the prunable ones"), "coverage": ("Structured coverage", "of the kept weights"), "magnitude": ("Kept magnitude", "of the unstructured mask's Σ|w|"),
            "flops": ("Multiply-adds left", "of the dense network's"), "time": ("Measured time", "of the dense network's"), "accuracy": ("Test accuracy", "of the test images")}
LEFT, RIGHT, ROW, HEAD = 96.0, WIDTH - 84.0, 16.0, 22.0


class Values(NamedTuple):
    """Of one ticket, shares; None where one is not known. wins: by its mean accuracy."""

    density: float
    coverage: float | None
    magnitude: float | None
    flops: float | None
    time: float | None
    accuracy: float | None
    wins: bool


def bars(of: Evidence, found: Mapping[str, Values], columns: int = 1) -> str:
    """The drawing. found: by label, the unstructured ticket first."""
    high, each = HEAD + ROW * len(found) + 6, math.ceil(len(MEASURES) / columns)
    canvas = Canvas(each * high + 18, WIDTH * columns)
    most = max(1.0, *(v.time or 0 for v in found.values()))
    full = LEFT + (RIGHT - LEFT) / most
    for i, (measure, (title, what)) in enumerate(MEASURES.items()):
        left, top = WIDTH * (i // each), high * (i % each)
        head = canvas.text(left, top + 14, title, size=SMALL, bold=True)
        canvas.text(head.right + 6, top + 14, what, size=SMALL, colour=MUTED)
        top += HEAD
        canvas.bar(left + LEFT, top, full - LEFT, ROW * len(found) - 3, RULE, opacity=0.28)
        for label, v in found.items():
            _row(canvas, left, top, label, getattr(v, measure), measure, v, full - LEFT, next(iter(found.values())).density)
            top += ROW
        if measure == "accuracy":
            at = left + LEFT + (full - LEFT) * of.level.least / 100
            canvas.line([(at, top - ROW * len(found) - 3), (at, top)], ACCENT, width=2)
            canvas.text(at, top + 12, f"to win: {of.level.least:.1f} %", anchor="middle", size=SMALL, colour=ACCENT)
    return canvas.svg()


def _row(canvas: Canvas, left: float, top: float, label: str, value: float | None, measure: str, v: Values, unit: float, base: float) -> None:
    colour = colour_of(label)
    canvas.mark(left + 5, top + 6.5, symbol_of(label), colour, r=3.4)
    canvas.text(left + 14, top + 10.5, capital(name(label)), size=SMALL, colour=colour)
    if value is None:
        canvas.text(left + LEFT + 4, top + 10.5, {"time": "not measured", "magnitude": "its weights are not kept"}.get(measure, "not known"), size=SMALL, colour=MUTED)
        return
    said = f"{capital(name(label))}, {MEASURES[measure][0].lower()}: {percent(value)}"
    canvas.bar(left + LEFT, top, unit * value, ROW - 3, colour, title=said)
    more = f" ×{value / base:.2f}" if measure == "density" and v.density != base else " ✓" if measure == "accuracy" and v.wins else ""
    beyond = left + LEFT + unit * (max(1.0, value) if measure == "time" else 1.0)
    canvas.text(beyond + 5, top + 10.5, percent(value).replace("\u00a0", " ") + more, size=SMALL, colour=INK)
