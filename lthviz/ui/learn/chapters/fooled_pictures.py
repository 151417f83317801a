"""The four tricks drawn: as each is told, and with what all of the runs say in the same picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from lthviz.figures import theme
from lthviz.ui.learn.chapters.fooled_numbers import Chosen, EqualRound, OneSeed, Work
from lthviz.ui.learn.drawing import ACCENT, INK, MUTED, RULE, SMALL, WIDTH, Box, Canvas, colour_of, symbol_of
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.plot import Axis, Plot, linear, shares
from lthviz.ui.learn.saying import name, percent, points
from lthviz.words import capital

HEIGHT = 280.0
TOLD = "var(--removed, #D55E00)"
WIDE, NAMED = Box(36, 26, WIDTH - 8, 236), Box(36, 26, WIDTH - 92, 236)


def one_seed(of: OneSeed, honest: bool) -> str:
    """Differences by seed, the most flattering first; honest: all of them, and their mean."""
    canvas = Canvas(HEIGHT)
    ordered = sorted(of.pairs.items(), key=lambda x: -x[1])
    most = max(0.5, *(abs(d) for d in of.pairs.values()), abs(of.mean.low or 0), abs(of.mean.high or 0)) * 1.15
    places = len(ordered) + 3
    plot = Plot(canvas, Axis(0, places, "one seed each, then their mean", ()), linear(-most, most, "ticket less its control (points)"), WIDE)
    plot.level(0.0, colour=INK, dash="")
    for i, (seed, d) in enumerate(ordered):
        if seed == of.seed or honest:
            colour = TOLD if seed == of.seed else MUTED
            canvas.line([plot.place((i + 0.7, 0)), plot.place((i + 0.7, d))], colour, width=1.5)
            plot.mark((i + 0.7, d), "circle" if seed == of.seed else "circle-open", colour, r=5 if seed == of.seed else 4, title=f"seed {seed}: {points(d)} points")
    x, y = plot.place((0.7, of.told))
    canvas.label(x, y, f"seed {of.seed}: {points(of.told)}", bold=True, colour=TOLD, places=("right",), near=10)
    if honest:
        at = places - 1.0
        if of.mean.low is not None:
            canvas.line([plot.place((at, of.mean.low)), plot.place((at, of.mean.high))], ACCENT, width=3)
        plot.mark((at, of.mean.mean), "diamond", ACCENT, r=6, title=f"mean of {of.mean.n}: {points(of.mean.mean)} points")
        canvas.label(plot.px(at), plot.py(of.mean.high or of.mean.mean), f"mean of {of.mean.n}: {points(of.mean.mean)}", bold=True, colour=ACCENT, places=("above", "left", "far-above"), near=9)
    return canvas.svg()


def chosen(of: Sequence[Chosen], honest: bool) -> str:
    """Each seed's best ticket; honest: the same ticket over the other seeds, and what validation would have chosen."""
    canvas = Canvas(HEIGHT)
    every = [v for c in of for v in (c.told, c.honest, *([c.held] if c.held is not None else []))]
    places, at, box = len(of) + 3, len(of) + 1.2, NAMED._replace(right=WIDTH - 106)
    plot = Plot(canvas, Axis(0, places, "one seed each, then the means", ()), linear(min(every) - 0.6, min(100.0, max(every) + 0.6), "test accuracy (%)"), box)
    for i, c in enumerate(of):
        x = i + 0.6
        if honest:
            canvas.line([plot.place((x, c.told)), plot.place((x, c.honest))], RULE, width=1.5)
            plot.mark((x, c.honest), "diamond", ACCENT, r=3.6, title=f"the same ticket over the other seeds: {c.honest:.1f} %")
        plot.mark((x, c.told), "circle", TOLD, r=4, title=f"seed {c.seed}, {name(c.label)} of round {c.round}: {c.told:.1f} %")
    told, fair = statistics.fmean(c.told for c in of), statistics.fmean(c.honest for c in of)
    held = [c.held for c in of if c.held is not None]
    marks = [(told, "circle", TOLD, f"best {told:.1f}"), *([(fair, "diamond", ACCENT, f"again {fair:.1f}")] if honest else []),
             *([(statistics.fmean(held), "square-open", INK, f"validation {statistics.fmean(held):.1f}")] if honest and len(held) == len(of) else [])]
    canvas.line([(plot.px(len(of) + 0.2), box.top), (plot.px(len(of) + 0.2), box.bottom)], RULE, dash="2 3")
    for value, symbol, colour, _ in marks:
        plot.mark((at, value), symbol, colour, r=6)
    plot.names([(plot.py(value), words, colour) for value, _, colour, words in marks])
    return canvas.svg()


def equal_round(evidence: Evidence, of: EqualRound, honest: bool) -> str:
    """Both methods' curves with the round's two tickets joined; honest: joined at equal density instead."""
    canvas, study = Canvas(HEIGHT), evidence.study
    t, u = of.versus.ticket, study.ticket(of.versus.ticket.round, of.other)
    lines = {x: [y for y in (study.dense, *study.of(x)) if y.accuracy.n and y.density.mean] for x in (of.other, of.label)}
    every = [y for of_line in lines.values() for y in of_line]
    values = [y.accuracy.mean for y in every]
    plot = Plot(canvas, shares(min(y.density.mean for y in every) * 0.94), linear(max(0.0, min(values) - 2), min(100.0, max(values) + 2), "mean test accuracy (%)"), NAMED)
    for label, drawn in lines.items():
        dash = theme.style(label).dash
        plot.line([(y.density.mean, y.accuracy.mean) for y in drawn], colour_of(label), width=1.6, dash="" if dash == "solid" else dash.replace("px", ""), opacity=0.7)
        for y in drawn[1:]:
            plot.mark((y.density.mean, y.accuracy.mean), symbol_of(label), colour_of(label), r=5.5 if y in (t, u) else 3.2,
                      title=f"{capital(name(label))}, round {y.round}: {y.accuracy.mean:.1f} % at {percent(y.density.mean)} of the weights")
    a, b = (t.density.mean, t.accuracy.mean), (u.density.mean, u.accuracy.mean)
    plot.line([a, b], TOLD, width=2, dash="5 3")
    x, y = (sum(v) / 2 for v in zip(plot.place(a), plot.place(b), strict=True))
    canvas.label(x, y, f"round {t.round}: {points(of.told)}", bold=True, colour=TOLD, places=("right", "left", "above"), near=9, must=True)
    if honest and of.versus.there is not None:
        there = of.versus.there.accuracy
        plot.line([a, (a[0], there)], ACCENT, width=2.6)
        plot.mark((a[0], there), "diamond", ACCENT, r=4.5, title=f"{capital(name(of.other))} at {percent(a[0])} of the weights, between its rounds: {there:.1f} %")
        canvas.label(plot.px(a[0]), 0.75 * plot.py(a[1]) + 0.25 * plot.py(there), f"at {percent(a[0])}: {points(of.honest)}", bold=True, colour=ACCENT, places=("left", "right", "below"), near=8, must=True)
    plot.names([(plot.py(drawn[-1].accuracy.mean), capital(name(x)), colour_of(x)) for x, drawn in lines.items()])
    return canvas.svg()


def work(of: Sequence[Work], honest: bool) -> str:
    """Measured time against multiply-adds left; told: the diagonal alone, on which time would lie if work were time."""
    canvas = Canvas(HEIGHT)
    top = 100 * max(1.0, *(w.time for w in of)) + 6
    plot = Plot(canvas, linear(0, 100, "multiply-adds left (% of the dense network's)", unit=" %"), linear(0, top, "measured time (% of the dense network's)"), WIDE)
    plot.line([(0, 0), (100, 100)], TOLD, width=2, dash="5 3")
    for w in of:
        if honest:
            plot.line([(100 * w.flops, 100 * w.flops), (100 * w.flops, 100 * w.time)], colour_of(w.label), width=0.8, opacity=0.3)
        title = f"{capital(name(w.label))}, round {w.round}: {percent(w.flops)} of the multiply-adds, {percent(w.time)} of the time"
        plot.mark((100 * w.flops, 100 * (w.time if honest else w.flops)), symbol_of(w.label), colour_of(w.label), r=4, title=title if honest else "", opacity=1 if honest else 0.5)
    x = WIDE.left + 0.56 * (WIDE.right - WIDE.left)
    for i, label in enumerate(dict.fromkeys(w.label for w in of)):      # below the diagonal nothing lies: more work in less time
        canvas.mark(x + 6, WIDE.bottom - 62 + 15 * i, symbol_of(label), colour_of(label), r=4)
        canvas.text(x + 16, WIDE.bottom - 58 + 15 * i, capital(name(label)), size=SMALL, colour=colour_of(label))
    canvas.text(x + 16, WIDE.bottom - 74, "as told: time is work", size=SMALL, colour=TOLD, bold=True)
    return canvas.svg()
