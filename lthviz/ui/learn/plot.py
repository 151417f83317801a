"""A pair of axes in a drawing: where a value lies, ticks with their units, what leaves the axes cut off, names beside the ends of lines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lthviz.ui.learn.drawing import INK, MUTED, RULE, SIZE, SMALL, Box, Canvas, text_width

Point = tuple[float, float]


class Axis(NamedTuple):
    """low: at the left end or the bottom, high: at the other; low may be the larger. ticks: values with their texts. title: with its unit."""

    low: float
    high: float
    title: str
    ticks: tuple[tuple[float, str], ...] = ()
    log: bool = False

    def at(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        return math.log(value / self.low) / math.log(self.high / self.low) if self.log else (value - self.low) / (self.high - self.low)

    def holds(self, value: float) -> bool:
        return -1e-9 <= self.at(value) <= 1 + 1e-9


def linear(low: float, high: float, title: str, *, unit: str = "", most: int = 6) -> Axis:
    """An axis with at most so many round ticks. low < high."""
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * size for s in (1, 2, 5, 10, 20) if (high - low) / (s * size) <= most)
    first = math.ceil(low / step - 1e-9)
    values = [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return Axis(low, high, title, tuple((v, f"{v:.{digits}f}{unit}".replace("-", "−")) for v in values))


def shares(least: float, title: str = "kept weights") -> Axis:
    """Shares of 1 from all at the left down to `least`, logarithmic."""
    low = min(0.95, least)
    return Axis(1.0, low, title, tuple((s, f"{100 * s:g} %") for s in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01) if s >= low * 0.98), log=True)


def speeds(low: float, high: float, title: str = "measured speedup") -> Axis:
    """How many times as fast, logarithmic."""
    low, high = min(low, 0.9), max(high, 1.2)
    return Axis(low, high, title, tuple((s, f"{s:g}×") for s in (0.25, 0.5, 1, 2, 3, 5, 8, 15, 30, 60) if low <= s <= high), log=True)


class Plot:
    """Axes in a box of a canvas. They are drawn at once; what is put in comes after."""

    def __init__(self, canvas: Canvas, x: Axis, y: Axis, box: Box) -> None:
        self.canvas, self.x, self.y, self.box = canvas, x, y, box
        canvas.line([(box.left, box.top), (box.left, box.bottom), (box.right, box.bottom)], RULE)
        self.title = canvas.text(max(0.0, box.left - 28), box.top - 8, y.title, size=SMALL, colour=MUTED)
        end = -1e9
        for value, words in sorted(x.ticks, key=lambda t: x.at(t[0])):
            wide = text_width(words, SMALL)
            at = min(self.px(value), canvas.width - wide / 2)
            if at - wide / 2 > end + 4:
                canvas.line([(self.px(value), box.bottom), (self.px(value), box.bottom + 3)], RULE)
                end = canvas.text(at, box.bottom + 15, words, anchor="middle", size=SMALL, colour=MUTED).right
        canvas.text(box.right, box.bottom + 30, x.title, anchor="end", size=SMALL, colour=MUTED)
        for value, words in y.ticks:
            canvas.text(box.left - 5, self.py(value) + 4, words, anchor="end", size=SMALL, colour=MUTED)

    def px(self, value: float) -> float:
        return self.box.left + (self.box.right - self.box.left) * self.x.at(value)

    def py(self, value: float) -> float:
        return self.box.bottom - (self.box.bottom - self.box.top) * self.y.at(value)

    def place(self, point: Point) -> Point:
        return self.px(point[0]), self.py(point[1])

    def inside(self, point: Point) -> bool:
        return self.x.holds(point[0]) and self.y.holds(point[1])

    def line(self, points: Sequence[Point], colour: str = INK, **how: object) -> list[Point]:
        """A line through points, cut off below and above the axes; its ends where it is drawn, [] of none."""
        pieces = _cut([self.place(p) for p in points], self.box.top, self.box.bottom)
        for piece in pieces:
            self.canvas.line(piece, colour, **how)
        return [pieces[0][0], pieces[-1][-1]] if pieces else []

    def band(self, points: Sequence[tuple[float, float, float]], colour: str, opacity: float = 0.14) -> None:
        """Between low and high of (x, low, high), as far as the axes go."""
        def y(value: float) -> float:
            return min(max(self.py(value), self.box.top), self.box.bottom)

        if len(points) > 1:
            self.canvas.area([(self.px(x), y(high)) for x, _, high in points] + [(self.px(x), y(low)) for x, low, _ in reversed(points)], colour, opacity)

    def dots(self, points: Iterable[Point], colour: str, **how: float) -> None:
        self.canvas.dots([self.place(p) for p in points if self.inside(p)], colour, **how)

    def mark(self, point: Point, symbol: str, colour: str, **how: object) -> bool:
        """A marker; False for one that lies outside of the axes and is left out."""
        if self.inside(point):
            self.canvas.mark(*self.place(point), symbol, colour, **how)
            return True
        return False

    def level(self, y: float, words: str = "", *, colour: str = MUTED, dash: str = "2 3") -> None:
        """A line across, with words above its right end."""
        if self.y.holds(y):
            self.canvas.line([(self.box.left, self.py(y)), (self.box.right, self.py(y))], colour, dash=dash)
            if words:
                self.canvas.text(self.box.right, self.py(y) - 4, words, anchor="end", size=SMALL, colour=colour)

    def names(self, ends: Sequence[tuple[float, str, str]], *, bold: str = "", gap: float = 14.0) -> None:
        """Names right of the axes, each (y in units, name, colour) as near to its line's end as the others let it."""
        placed: list[float] = []
        ordered = sorted(ends)
        for at, _, _ in ordered:
            placed.append(max(at, placed[-1] + gap) if placed else max(at, self.box.top + 4))
        over = max(0.0, placed[-1] - self.box.bottom) if placed else 0.0
        for at, (_, name, colour) in zip(placed, ordered):
            self.canvas.text(self.box.right + 6, at - over + 4, name, colour=colour, size=SIZE - 0.5, bold=name == bold)


def _cut(points: Sequence[Point], top: float, bottom: float) -> list[list[Point]]:
    """The pieces of a line that lie between two heights."""
    pieces: list[list[Point]] = []
    for a, b in itertools.pairwise(points):
        from_t, to_t = 0.0, 1.0
        if a[1] == b[1]:
            if not top <= a[1] <= bottom:
                continue
        else:
            ends = sorted(((top - a[1]) / (b[1] - a[1]), (bottom - a[1]) / (b[1] - a[1])))
            from_t, to_t = max(0.0, ends[0]), min(1.0, ends[1])
            if from_t >= to_t:
                continue
        start, end = ((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for t in (from_t, to_t))
        if pieces and math.dist(pieces[-1][-1], start) < 1e-6:
            pieces[-1].append(end)
        else:
            pieces.append([start, end])
    return pieces
