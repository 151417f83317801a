"""Small drawings as SVG text: axes with units, points with a shape beside their colour, bands, bars, and labels that keep clear of each other.

Units are those of the viewBox, WIDTH wide: about a pixel on a phone, and larger where there is room. Colours are currentColor, the figure's
variables (--muted, --rule, --accent …), or a method's colour in both themes. Nothing here runs, and nothing is fetched.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from lthviz.figures import theme

WIDTH = 400
SIZE, SMALL = 13.0, 12.2
INK, MUTED, RULE, ACCENT = "currentColor", "var(--muted, currentColor)", "var(--rule, currentColor)", "var(--accent, currentColor)"
PLACES = ("right", "above", "below", "left", "far-above", "far-below")
"""Where a label may stand beside its point, the first that is free."""
_NARROW, _WIDE = set("iIl.,:;'|!jft()[]/ \u00a0r"), set("mwMWGOQ%@×±→≥≤ΣΔθ")
Anchor = Literal["start", "middle", "end"]


def text_width(words: str, size: float = SIZE) -> float:
    """About how wide words are in the app's letters; rather too much than too little."""
    return size * sum(0.32 if c in _NARROW else 0.86 if c in _WIDE else 0.66 if c.isupper() else 0.53 for c in words)


class Box(NamedTuple):
    """A rectangle that something takes up."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


def colour_of(label: str) -> str:
    """The name under which a method's colour stands in a drawing; `dense` of the dense network."""
    return f"var(--of-{theme.kind(label).replace('+', 'plus')})"


def symbol_of(label: str) -> str:
    """A method's marker, as in the other figures."""
    return theme.style(label).symbol


class Canvas:
    """What is drawn, in order. height: in units. Every text and mark is remembered by the room it takes, so that a label can keep clear."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.width, self.height = float(width), float(height)
        self.parts: list[str] = []
        self.texts: list[Box] = []
        self.marks: list[Box] = []

    def add(self, part: str) -> None:
        self.parts.append(part)

    def text(self, x: float, y: float, words: str, *, anchor: Anchor = "start", size: float = SIZE, colour: str = INK, bold: bool = False) -> Box:
        """Words on the baseline y; the room they take."""
        box = _room(x, y, words, anchor, size * (1.06 if bold else 1))
        if not words:
            return box
        more = ("" if anchor == "start" else f" text-anchor='{anchor}'") + (" font-weight='600'" if bold else "")
        self.add(f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' style='fill:{colour}'{more}>{html.escape(words)}</text>")
        self.texts.append(box)
        return box

    def label(self, x: float, y: float, words: str, *, size: float = SMALL, colour: str = INK, bold: bool = False, must: bool = False, near: float = 8,
              places: Sequence[str] = PLACES) -> bool:
        """Words beside a point, at the first place where nothing is yet; left out where there is none. must: it may stand on a mark."""
        at: dict[str, tuple[float, float, Anchor]] = {
            "right": (x + near, y + 0.36 * size, "start"), "left": (x - near, y + 0.36 * size, "end"), "above": (x, y - near, "middle"),
            "below": (x, y + near + 0.75 * size, "middle"), "far-above": (x, y - near - size, "middle"), "far-below": (x, y + near + 1.75 * size, "middle")}
        for others in [self.texts + self.marks, *([self.texts] if must else [])]:      # rather on a mark than nowhere
            for to, level, anchor in (at[place] for place in places):
                box = _room(to, level, words, anchor, size * (1.06 if bold else 1))
                if box.left >= 0 and box.top >= 0 and box.right <= self.width and box.bottom <= self.height and not any(map(box.meets, others)):
                    self.text(to, level, words, anchor=anchor, size=size, colour=colour, bold=bold)
                    return True
        return False

    def line(self, points: Iterable[tuple[float, float]], colour: str = INK, *, width: float = 1.0, dash: str = "", opacity: float = 1.0) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        more = (f" stroke-dasharray='{dash}'" if dash else "") + (f" opacity='{opacity:g}'" if opacity < 1 else "")
        self.add(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='{width:g}' stroke-linejoin='round'{more}/>")

    def area(self, points: Iterable[tuple[float, float]], colour: str, opacity: float = 0.14) -> None:
        self.add(f"<polygon points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in points)}' fill='{colour}' opacity='{opacity:g}'/>")

    def bar(self, x: float, y: float, width: float, height: float, colour: str, *, title: str = "", opacity: float = 1.0) -> None:
        more = f" opacity='{opacity:g}'" if opacity < 1 else ""
        self.add(f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0.6):.1f}' height='{height:.1f}' fill='{colour}'{more}>{_title(title)}</rect>")

    def arrow(self, x0: float, y0: float, x1: float, y1: float, colour: str = MUTED, *, width: float = 1.5) -> None:
        angle, r = math.atan2(y1 - y0, x1 - x0), 6.0
        head = " ".join(f"{x1 - r * math.cos(angle + d):.1f},{y1 - r * math.sin(angle + d):.1f}" for d in (-0.45, 0.45))
        self.line([(x0, y0), (x1 - 3 * math.cos(angle), y1 - 3 * math.sin(angle))], colour, width=width)
        self.add(f"<polygon points='{x1:.1f},{y1:.1f} {head}' fill='{colour}'/>")

    def mark(self, x: float, y: float, symbol: str, colour: str, *, r: float = 4.2, title: str = "", opacity: float = 1.0) -> None:
        """A marker. title: what it says when it is pointed at."""
        path, filled = _marker(symbol, x, y, r)
        paint = f"fill='{colour}'" if filled else f"fill='none' stroke='{colour}' stroke-width='1.6'"
        more = f" opacity='{opacity:g}'" if opacity < 1 else ""
        self.add(f"<path d='{path}' {paint}{more} pointer-events='all'>{_title(title)}</path>")
        self.marks.append(Box(x - r, y - r, x + r, y + r))

    def dots(self, points: Iterable[tuple[float, float]], colour: str, *, r: float = 1.6, opacity: float = 0.45) -> None:
        """Many small faint dots, one element."""
        path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
        if path:
            self.add(f"<path d='{path}' stroke='{colour}' stroke-width='{2 * r:g}' stroke-linecap='round' opacity='{opacity:g}' fill='none'/>")

    def svg(self) -> str:
        used = "".join(self.parts)
        colours = {colour_of(x)[4:-1]: f"light-dark({s.colour}, {s.on_dark})" for x, s in theme.STYLES.items() if colour_of(x) in used}
        style = "".join(f"{name}:{value};" for name, value in colours.items()) + f"max-width:{35 * self.width / WIDTH:g}rem;max-height:82vh"
        return f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width:g} {self.height:g}' preserveAspectRatio='xMinYMin' style='{style}'>{used}</svg>"


def _title(words: str) -> str:
    return f"<title>{html.escape(words)}</title>" if words else ""


def _room(x: float, y: float, words: str, anchor: str, size: float) -> Box:
    wide = text_width(words, size)
    left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * wide
    return Box(left, y - 0.8 * size, left + wide, y + 0.24 * size)


def _marker(symbol: str, x: float, y: float, r: float) -> tuple[str, bool]:
    """The path of a marker and whether it is filled. symbol: a name of figures.theme, without `-open` filled."""
    base, opened = symbol.removesuffix("-dot").removesuffix("-open"), "-open" in symbol
    corners: dict[str, Callable[[], str]] = {
        "square": lambda: _corners(x, y, r * 1.2, 4, math.pi / 4), "triangle-up": lambda: _corners(x, y + r * 0.15, r * 1.3, 3, -math.pi / 2),
        "triangle-down": lambda: _corners(x, y - r * 0.15, r * 1.3, 3, math.pi / 2), "triangle-left": lambda: _corners(x, y, r * 1.3, 3, math.pi),
        "triangle-right": lambda: _corners(x, y, r * 1.3, 3, 0.0), "diamond": lambda: _corners(x, y, r * 1.25, 4, 0.0)}
    if base == "x-thin":
        d = 0.8 * r
        return f"M{x - d:.1f} {y - d:.1f}L{x + d:.1f} {y + d:.1f}M{x - d:.1f} {y + d:.1f}L{x + d:.1f} {y - d:.1f}", False
    if base == "asterisk":
        arms = [(r * math.cos(a), r * math.sin(a)) for a in (math.pi / 2, math.pi / 6, -math.pi / 6)]
        return "".join(f"M{x - a:.1f} {y - b:.1f}L{x + a:.1f} {y + b:.1f}" for a, b in arms), False
    shape = next((corners[name] for name in corners if base.startswith(name)), None)
    return (shape() if shape else f"M{x - r:.1f} {y:.1f}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0z"), not opened


def _corners(x: float, y: float, r: float, n: int, first: float) -> str:
    return "M" + "L".join(f"{x + r * math.cos(first + 2 * math.pi * i / n):.1f} {y + r * math.sin(first + 2 * math.pi * i / n):.1f}" for i in range(n)) + "z"
