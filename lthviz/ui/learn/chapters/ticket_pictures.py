"""The ticket against its controls: one of them through the rounds, and all side by side in one round."""

from __future__ import annotations

from collections.abc import Mapping

from lthviz.core import winning
from lthviz.core.study import MeanTicket
from lthviz.figures import theme
from lthviz.ui.learn.drawing import ACCENT, INK, MUTED, RULE, SMALL, WIDTH, Box, Canvas, colour_of, symbol_of
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.plot import Axis, Plot, linear, shares
from lthviz.ui.learn.saying import percent

HEIGHT = 396.0
CURVES, SIDE = Box(34, 24, WIDTH - 98, 176), Box(34, 246, WIDTH - 6, 346)
WIDE, BESIDE = 226.0, Box(WIDTH + 34, 24, 2 * WIDTH - 6, 176)
"""The height, and where the round stands, of the drawing that has both beside each other."""


class Pictures:
    """The drawings of one choice. labels: of what is set side by side, by a short name, with its title; name: whose seeds and band are drawn. wide: the
    round beside the curves instead of below."""

    def __init__(self, of: Evidence, labels: Mapping[str, tuple[str, str]], name: str, wide: bool = False) -> None:
        self.of, self.labels, self.name, self.wide = of, labels, name, wide
        self.side = BESIDE if wide else SIDE
        self.by_seed = {x: _by_seed(of, label) for x, (_, label) in labels.items()}
        every = [a for found in self.by_seed.values() for of_round in found.values() for a in of_round] + list(_dense(of))
        spare = 0.04 * (max(every) - min(every)) + 0.2
        self.low, self.high = max(0.0, min(every) - spare), min(100.0, max(every) + spare)

    def drawing(self, k: int, found: Mapping[str, MeanTicket]) -> str:
        canvas = Canvas(WIDE, 2 * WIDTH) if self.wide else Canvas(HEIGHT)
        self._curves(canvas, k)
        self._side(canvas, k, found)
        return canvas.svg()

    def _curves(self, canvas: Canvas, k: int) -> None:
        of = self.of.study
        least = min(t.density.mean for _, label in self.labels.values() for t in of.of(label) if t.density.mean)
        plot = Plot(canvas, shares(least), linear(self.low, self.high, "test accuracy (%)"), CURVES)
        plot.level(self.of.level.accuracy)
        at = plot.px(self._density(k))
        canvas.line([(at, CURVES.top - 2), (at, CURVES.bottom)], ACCENT, width=1.5)
        canvas.text(max(at, plot.title.right + 32), CURVES.top - 8, f"round {k}", anchor="middle", size=SMALL, colour=ACCENT)
        ends = [(plot.py(self.of.level.accuracy), "Dense", MUTED)]
        for x, (title, label) in self.labels.items():
            colour, drawn = colour_of(label), [t for t in of.of(label) if t.accuracy.n and t.density.mean]
            chosen = x == self.name
            if chosen:
                plot.band([(t.density.mean, t.accuracy.mean - t.accuracy.sd, t.accuracy.mean + t.accuracy.sd) for t in drawn if t.accuracy.sd is not None], colour)
                plot.dots(((t.density.mean, a) for t in drawn for a in self.by_seed[x].get(t.round, ())), colour)
            dash = theme.style(label).dash
            plot.line([(t.density.mean, t.accuracy.mean) for t in drawn], colour, width=2.2 if chosen else 1.0, dash="" if dash == "solid" else dash.replace("px", ""),
                      opacity=1 if chosen else 0.55)
            for t in drawn:
                if chosen:
                    spread = "" if t.accuracy.sd is None else f" ± {t.accuracy.sd:.1f}"
                    plot.mark((t.density.mean, t.accuracy.mean), symbol_of(label), colour, r=3.6,
                              title=f"{title}, round {t.round}: {t.accuracy.mean:.1f}{spread} % at {percent(t.density.mean)} of the weights (n = {t.accuracy.n})")
            if drawn:
                ends.append((plot.py(drawn[-1].accuracy.mean), title, colour))
        plot.names(ends, bold=self.labels[self.name][0])

    def _density(self, k: int) -> float:
        return self.of.study.ticket(k, self.labels["ticket"][1]).density.mean

    def _side(self, canvas: Canvas, k: int, found: Mapping[str, MeanTicket]) -> None:
        """The dense network and every method of that round: a dot a seed, the mean, whether it reaches the line."""
        level = self.of.level
        side = self.side
        plot = Plot(canvas, Axis(0, 1, ""), linear(self.low, self.high, "", most=4), side)
        canvas.text(side.left - 28, side.top - 10, f"Round {k}: {percent(self._density(k))} of the weights, each dot one seed", size=SMALL, colour=MUTED)
        canvas.area([(side.left, plot.py(level.least)), (side.right, plot.py(level.least)), (side.right, side.top), (side.left, side.top)], ACCENT, 0.07)
        plot.level(level.least, colour=ACCENT, dash="5 3")
        columns = {"dense": ("Dense", "dense", self.of.study.dense, _dense(self.of)),
                   **{x: (*self.labels[x], t, self.by_seed[x].get(k, ())) for x, t in found.items()}}
        wide = (side.right - side.left) / (1 + len(self.labels))
        for i, (x, (title, label, t, values)) in enumerate(columns.items()):
            at = side.left + (i + 0.5) * wide
            colour = colour_of(label)
            canvas.dots([(at - 14 + 28 * (j + 0.5) / len(values), plot.py(value)) for j, value in enumerate(values)], colour, r=2.2, opacity=0.5)
            canvas.line([(at - 22, plot.py(t.accuracy.mean)), (at + 22, plot.py(t.accuracy.mean))], colour, width=2.5)
            canvas.text(at, side.bottom + 15, title, anchor="middle", size=SMALL, colour=colour, bold=x == self.name)
            canvas.text(at, side.bottom + 30, f"{t.accuracy.mean:.1f} %", anchor="middle", size=SMALL, colour=INK, bold=True)
            verdict = f"to win: {level.least:.1f} %" if x == "dense" else "✓ wins" if winning.wins(t, level) else "✗ does not win"
            canvas.text(at, side.bottom + 44, verdict, anchor="middle", size=SMALL, colour=ACCENT if x == "dense" else MUTED)
        canvas.line([(side.left + wide, side.top), (side.left + wide, side.bottom)], RULE, dash="1 3")


def _by_seed(of: Evidence, label: str) -> dict[int, list[float]]:
    """Test accuracies of a method's tickets by round, one a seed."""
    found: dict[int, list[float]] = {}
    for of_seed in of.study.rows.values():
        for (k, x), row in of_seed.items():
            if k and x == label and row.get("test_acc") is not None:
                found.setdefault(k, []).append(row["test_acc"])
    return found


def _dense(of: Evidence) -> list[float]:
    return [row["test_acc"] for of_seed in of.study.rows.values() for (k, _), row in of_seed.items() if k == 0 and row.get("test_acc") is not None]
