"""The curve itself: accuracy against measured speed, with as much in it as a step needs."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from lthviz.core.frontier import Spot
from lthviz.figures import theme
from lthviz.figures.wording import times
from lthviz.ui.learn.drawing import ACCENT, INK, MUTED, WIDTH, Box, Canvas, colour_of, symbol_of
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.plot import Plot, linear, speeds
from lthviz.ui.learn.saying import name
from lthviz.words import capital

BOX = Box(36, 26, WIDTH - 12, 262)
HEIGHT = 300.0
BELOW = 9.0
"""Points under what it takes to win that are drawn; the collapse after it is only told."""


class Picture:
    """spots: all that any step shows, so that the axes stay the same."""

    def __init__(self, of: Evidence, every: Sequence[Spot]) -> None:
        self.of, self.every = of, every
        d = of.study.dense.accuracy
        self.low = max(0.0, min([of.level.least - 3.0, *(s.accuracy - 1 for s in every)]), of.level.least - BELOW)
        self.high = min(100.0, max(d.mean, *(s.accuracy for s in every), 0.0) + max(1.0, d.sd or 0.0) + 0.6)
        speed = [s.speedup for s in every if s.accuracy >= self.low] or [4.0]
        self.slow, self.fast = min(0.85, *speed) * 0.96, max(2.0, *speed) * 1.12

    def draw(self, *, dense: bool = False, arrows: bool = False, shown: Sequence[Spot] = (), rounds: bool = False, names: bool = False, region: bool = False,
             estimates: bool = False, scatter: bool = False, best: Sequence[Spot] | None = None) -> str:
        canvas = Canvas(HEIGHT)
        plot = Plot(canvas, speeds(self.slow, self.fast, "measured speedup (times the dense network)"), linear(self.low, self.high, "mean test accuracy (%)"), BOX)
        if region:
            self._region(plot)
        if dense:
            self._dense(plot, words=not names)
        for label in dict.fromkeys(s.ticket.structure for s in shown):
            self._method(plot, label, [s for s in shown if s.ticket.structure == label], best, faint=scatter)
        if best is not None:
            self._frontier(plot, best)
        if scatter:
            self._scatter(plot, shown)
        if estimates:
            self._estimates(plot, shown)
        if rounds:
            self._rounds(plot, shown)
        if names:
            self._names(plot, shown)
        if arrows:
            self._arrows(plot)
        if region:
            self._to_win(plot)
        if below := [s for s in shown if s.accuracy < self.low]:
            canvas.label(BOX.right, BOX.bottom - 8, f"{len(below)} more lie{'s' * (len(below) == 1)} below", colour=MUTED, places=("left",), near=2)
        return canvas.svg()

    def _region(self, plot: Plot) -> None:
        x, y = plot.px(1.0), plot.py(self.of.level.least)
        plot.canvas.area([(x, y), (BOX.right, y), (BOX.right, BOX.top), (x, BOX.top)], ACCENT, 0.09)
        plot.canvas.line([(BOX.left, y), (BOX.right, y)], ACCENT, dash="5 3")

    def _to_win(self, plot: Plot) -> None:
        """What the dashed line is, wherever there is room beside it."""
        y = plot.py(self.of.level.least)
        any(plot.canvas.label(x, at, f"to win: {self.of.level.least:.1f} %", colour=ACCENT, places=(place,), near=3)
            for at in (y + 9, y - 9) for x, place in ((BOX.right, "left"), (plot.px(1.0), "right"), (BOX.left, "right")))

    def _dense(self, plot: Plot, words: bool) -> None:
        d = self.of.study.dense.accuracy
        plot.level(d.mean)
        plot.canvas.line([(plot.px(1.0), BOX.top), (plot.px(1.0), BOX.bottom)], MUTED, dash="2 3")
        plot.mark((1.0, d.mean), "circle-open", INK, r=5, title=f"Dense: {d.mean:.1f} % (n = {d.n}), 1×")
        if words:
            plot.canvas.label(*plot.place((1.0, d.mean)), "Dense", bold=True, places=("below", "above"), near=11)

    def _method(self, plot: Plot, label: str, mine: Sequence[Spot], best: Sequence[Spot] | None, faint: bool) -> None:
        colour, dash = colour_of(label), theme.style(label).dash
        ordered = sorted(mine, key=lambda s: s.ticket.round)
        plot.line([(s.speedup, s.accuracy) for s in ordered], colour, width=1.3, opacity=0.5 if best is None and not faint else 0.25, dash="" if dash == "solid" else dash.replace("px", ""))
        for s in ordered:
            t = s.ticket
            title = (f"{capital(name(label))}, round {t.round}: {times(s.speedup)} (timed on {t.time_ratio.n}), {t.accuracy.mean:.1f} % (n = {t.accuracy.n}), "
                     f"{'wins' if s.wins else 'does not win'}")
            plot.mark((s.speedup, s.accuracy), symbol_of(label), colour, r=4.4, title=title, opacity=(0.45 if faint else 1) if best is None or s in best else 0.3)

    def _frontier(self, plot: Plot, best: Sequence[Spot]) -> None:
        stairs = _stairs([(s.speedup, s.accuracy) for s in reversed(best)])
        plot.line(stairs, ACCENT, width=1.8)
        for (a, b), (c, d) in itertools.pairwise(map(plot.place, stairs)):      # no name is to stand on it
            plot.canvas.marks.append(Box(min(a, c) - 2, min(b, d) - 2, max(a, c) + 2, max(b, d) + 2))

    def _scatter(self, plot: Plot, shown: Sequence[Spot]) -> None:
        for s in shown:
            if not plot.inside((s.speedup, s.accuracy)):
                continue
            colour, t = colour_of(s.ticket.structure), s.ticket
            found = self.of.timings.get((t.round, t.structure), ())
            if found:
                low, high = statistics.median(x.spread[0] for x in found), statistics.median(x.spread[1] for x in found)
                plot.canvas.line([(plot.px(min(max(1 / high, plot.x.low), plot.x.high)), plot.py(s.accuracy)), (plot.px(min(max(1 / low, plot.x.low), plot.x.high)), plot.py(s.accuracy))], colour, width=2)
            if t.accuracy.sd is not None:
                plot.line([(s.speedup, s.accuracy - t.accuracy.sd), (s.speedup, s.accuracy + t.accuracy.sd)], colour, width=1.2)

    def _estimates(self, plot: Plot, shown: Sequence[Spot]) -> None:
        for s in shown:
            found = [x.dense_ms / x.estimated_ms for x in self.of.timings.get((s.ticket.round, s.ticket.structure), ()) if x.estimated_ms]
            if found and plot.inside((s.speedup, s.accuracy)):
                at = min(max(statistics.median(found), plot.x.low), plot.x.high)
                plot.line([(at, s.accuracy), (s.speedup, s.accuracy)], MUTED, width=1.2)
                plot.mark((at, s.accuracy), "circle-open", MUTED, r=3.6, title=f"{capital(name(s.ticket.structure))}, round {s.ticket.round}: estimated {times(at)}, measured {times(s.speedup)}")

    def _rounds(self, plot: Plot, shown: Sequence[Spot]) -> None:
        for s in sorted(shown, key=lambda s: s.ticket.round):
            if plot.inside((s.speedup, s.accuracy)):
                plot.canvas.label(*plot.place((s.speedup, s.accuracy)), str(s.ticket.round), colour=colour_of(s.ticket.structure), places=("above", "below", "right", "left"), near=7)
        plot.canvas.label(BOX.right, BOX.top + 8, "number: round", colour=MUTED, places=("left",), near=2)

    def _names(self, plot: Plot, shown: Sequence[Spot]) -> None:
        """Each method's name at its fastest point that is drawn, where there is room."""
        for label in dict.fromkeys(s.ticket.structure for s in shown):
            mine = sorted((s for s in shown if s.ticket.structure == label and plot.inside((s.speedup, s.accuracy))), key=lambda s: -s.speedup)
            for s in mine:
                if plot.canvas.label(*plot.place((s.speedup, s.accuracy)), capital(name(label)), bold=True, colour=colour_of(label), places=("right", "above", "below", "left", "far-above", "far-below")):
                    break

    def _arrows(self, plot: Plot) -> None:
        x, y = plot.px(1.0) + 40, plot.py(self.of.level.accuracy) + 96
        plot.canvas.arrow(x, y, x, y - 60, ACCENT, width=2.5)
        plot.canvas.arrow(x, y, x + 110, y, ACCENT, width=2.5)
        plot.canvas.text(x + 8, y - 48, "more accurate", colour=ACCENT, bold=True)
        plot.canvas.text(x + 118, y + 4, "faster", colour=ACCENT, bold=True)


def _stairs(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Down first, then right: between two points of the frontier nothing is both faster and more accurate than the corner."""
    out = list(points[:1])
    for a, b in itertools.pairwise(points):
        out += [(a[0], b[1]), b]
    return out
