"""A small picture of a study: mean accuracy against kept weights, a line a method with its band, as a picture that no script has to draw."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Sequence

from lthviz.config import UNSTRUCTURED, structure
from lthviz.core.study import MeanTicket, Replicates
from lthviz.figures import theme

WIDTH, HEIGHT = 470, 210
LEFT, RIGHT, TOP, BOTTOM = 34, 92, 8, 38
"""Room for what stands around the curves, in pixels."""


def small_curve(study: Replicates, labels: Sequence[str], *, dark: bool = False) -> str:
    """An `<img>` as wide as its place. labels: what is drawn; what of it is not trained is left out. '' where nothing is."""
    p = theme.palette(dark)
    lines = {x: [t for t in study.of(x) if t.accuracy.n and t.density.mean] for x in labels}
    lines = {x: [study.dense, *of] if of and of[0].round == 1 and study.dense and study.dense.accuracy.n else of for x, of in lines.items()}
    lines = {x: t for x, t in lines.items() if len(t) > 1}
    if not lines or study.dense is None:
        return ""
    every = [t for of in lines.values() for t in of]
    least = min(t.density.mean for t in every)
    means = [t.accuracy.mean for t in every]
    high, low = max(means) + 1.0, max(min(means), min(study.dense.accuracy.mean, max(means)) - 12.0) - 1.0     # a collapse leaves the picture

    def x(t: MeanTicket) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(t.density.mean) / math.log(least)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [_ticks(least, low, high, y, p)]
    dense = y(study.dense.accuracy.mean)
    parts.append(f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{dense:.1f}' y2='{dense:.1f}' stroke='{p.muted}' stroke-dasharray='2 3'/>")
    ends: list[tuple[float, str, str]] = []
    for label, tickets in lines.items():
        colour = theme.style(label).line(dark)
        band = [t for t in tickets if t.accuracy.sd is not None]
        if len(band) > 1:
            path = [f"{x(t):.1f},{y(t.accuracy.mean + t.accuracy.sd):.1f}" for t in band] + [f"{x(t):.1f},{y(t.accuracy.mean - t.accuracy.sd):.1f}" for t in reversed(band)]
            parts.append(f"<polygon points='{' '.join(path)}' fill='{colour}' opacity='.15' clip-path='url(#in)'/>")
        points = [(x(t), y(t.accuracy.mean)) for t in tickets]
        parts.append(f"<polyline points='{' '.join(f'{a:.1f},{b:.1f}' for a, b in points)}' fill='none' stroke='{colour}' stroke-width='2' clip-path='url(#in)'/>")
        inside = [b for _, b in points if b <= HEIGHT - BOTTOM]
        ends.append((min(points[-1][1], HEIGHT - BOTTOM) if inside else HEIGHT - BOTTOM, _short(label), colour))
    parts += [f"<text x='{WIDTH - RIGHT + 6}' y='{at + 4:.1f}' fill='{colour}'>{html.escape(name)}</text>" for at, name, colour in _apart(ends)]
    said = "; ".join(f"{study.config.title(label)} {t[-1].accuracy.mean:.1f} % with {100 * t[-1].density.mean:.0f} %" for label, t in lines.items())
    alt = f"Mean test accuracy over {len(study.seeds)} seeds against kept weights, dense {study.dense.accuracy.mean:.1f} %: {said}."
    svg = (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' font-family='system-ui, sans-serif' font-size='12'><defs><clipPath id='in'><rect x='{LEFT}' y='{TOP}' width='{WIDTH - LEFT - RIGHT}' height='{HEIGHT - TOP - BOTTOM}'/></clipPath></defs>"
           + "".join(parts) + "</svg>")
    return f"<img src='data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}' alt='{html.escape(alt, quote=True)}' class='small-curve'>"


def _short(label: str) -> str:
    """A method's name without its settings."""
    made = None if label == UNSTRUCTURED else structure(label)
    return "Unstructured" if made is None else made.title + "+" * (theme.kind(label) == "refill+")


def _ticks(least: float, low: float, high: float, y: Callable[[float], float], p: theme.Palette) -> str:
    """Both axes with a few numbers."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    out = [f"<path d='M{LEFT} {TOP}V{bottom}H{right}' fill='none' stroke='{p.rule}'/>"]
    step = next(s for s in (1, 2, 5, 10, 20) if (high - low) / s <= 5)
    for value in range(math.ceil(low / step) * step, math.floor(high) + 1, step):
        out.append(f"<text x='{LEFT - 6}' y='{y(value) + 4:.1f}' text-anchor='end' fill='{p.muted}'>{value}</text>")
    for share in (s for s in (1.0, 0.5, 0.2, 0.1, 0.05) if s >= least * 0.95):
        at = LEFT + (right - LEFT) * math.log(share) / math.log(least)
        out.append(f"<text x='{at:.1f}' y='{bottom + 15}' text-anchor='middle' fill='{p.muted}'>{100 * share:g} %</text>")
    out.append(f"<text x='{right}' y='{HEIGHT - 5}' text-anchor='end' fill='{p.muted}'>kept weights, accuracy in %</text>")
    return "".join(out)


def _apart(ends: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """Names beside the ends of their lines, none on another."""
    placed: list[tuple[float, str, str]] = []
    for at, name, colour in sorted(ends):
        at = max(at, placed[-1][0] + 14) if placed else at
        placed.append((at, name, colour))
    over = placed[-1][0] - (HEIGHT - BOTTOM) if placed else 0.0
    return [(at - max(0.0, over), name, colour) for at, name, colour in placed]
