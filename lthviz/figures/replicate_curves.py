"""Mean test accuracy over the seeds of a study against what a ticket costs: a line a method, its band one standard deviation wide.

The dense network is the origin. A ring marks each method's sparsest winning ticket. Points with fewer seeds than the study has are
smaller; at speeds, one behind which there is a measurement made on a busy machine is open and has a dot. Single seeds stand thin behind, where they are asked for. A number of one seed has no band.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from lthviz.core.study import MeanTicket, Replicates
from lthviz.core.versus import AXES as MEASURED
from lthviz.figures import rows, scales, theme
from lthviz.figures.measured import AXES
from lthviz.figures.replicated import Studies, known, place
from lthviz.figures.replicated_words import hover, replicate_curves_alt, replicate_curves_caption, shaded, short

Trace = dict[str, Any]
"""A plotly scatter trace."""
BESIDE = 3
"""Characters of a name that stands beside the axes."""
_FIELDS = {"speed": MEASURED["speed"], "kept": "density", "effective": "effective_density", "flops": "flops_ratio"}


def replicate_curves(of: Studies, *, x: str = "kept", near: bool = False, seeds: bool = False, dark: bool = False, height: int = 460) -> go.Figure:
    """Mean accuracy against `x`, one of `measured.AXES`, a line a study and method; `seeds`: with the single seeds behind.

    near: the accuracies within scales.NEAR points of the dense network alone. A point's `customdata` is (run id, round, structure label) of
    a ticket behind it: of its first seed, or of its own.
    """
    p = theme.palette(dark)
    lines = [(study, label, [t for t in study.of(label) if known(t, x)]) for study in of.of for label in study.labels]
    lines = [line for line in lines if line[2]]
    lines.sort(key=lambda line: line[0].id != of.baseline)      # what is drawn first lies behind
    pinned = of.baseline if of.several else ""
    others = iter(_styles([label for study, label, _ in lines if study.id != pinned]))
    behind_them = iter(_styles([label for study, label, _ in lines if study.id == pinned]))
    styles = [theme.baseline(next(behind_them)) if study.id == pinned else next(others) for study, _, _ in lines]
    behind: list[Trace] = []
    before: list[Trace] = []
    for (study, label, tickets), s in zip(lines, styles):
        way = _way(study, tickets)
        behind += ([_seeds(of, study, label, x, s.line(dark))] if seeds else []) + _band(way, x, s.line(dark))
        mine = _mean(of, study, label, way, x, s, dark)
        before += [t | {"legendrank": 2000} for t in mine] if of.several and study.id == of.baseline else mine
    before += [_dense(of, study, x, p) for study in of.of if study.dense and study.dense.accuracy.n]
    still = {"type": "scatter", "unselected": {"marker": {"opacity": 1}}}     # a click leads on; nothing fades
    fig = go.Figure(data=[still | t for t in behind + before] if lines else [], layout=_blank(dark, height))
    if lines:
        _furnish(fig, of, [t for _, _, tickets in lines for t in tickets], x, near, p)
    else:
        theme.note(fig, "No ticket is measured yet" if of.labels and x == "speed" else "No ticket has been trained yet", dark)
    return theme.meta(fig, caption=replicate_curves_caption(of, x), alt=replicate_curves_alt(of, x), n=max((len(s.seeds) for s in of.of), default=0),
                      runs=[run.id for run in of.runs])


@functools.cache
def _blank(dark: bool, height: int) -> dict[str, Any]:
    """The layout of an empty figure: dressing one costs plotly as much as all its curves."""
    return theme.apply(go.Figure(), dark, height=height).to_plotly_json()["layout"]


def _styles(labels: Sequence[str]) -> list[theme.Style]:
    """A style a line; lines of one kind, in one study or in several, differ in their markers."""
    seen: dict[str, int] = {}
    out = []
    for label in labels:
        kind = theme.kind(label)
        out.append(theme.style(label, seen.get(kind, 0)))
        seen[kind] = seen.get(kind, 0) + 1
    return out


def _way(study: Replicates, tickets: Sequence[MeanTicket]) -> list[MeanTicket | None]:
    """From the dense network through the rounds; None where rounds between are not known, so that the line breaks."""
    dense = study.dense if study.dense and study.dense.accuracy.n else None
    way: list[MeanTicket | None] = [dense] if dense else []
    for t in tickets:
        last = way[-1].round if way else t.round
        way += [t] if t.round <= last + 1 else [None, t]
    return way


def _band(way: Sequence[MeanTicket | None], x: str, colour: str) -> list[Trace]:
    """Mean ± one standard deviation, around every stretch of points that have one."""
    stretches: list[list[MeanTicket]] = [[]]
    for t in way:
        if t is None or t.accuracy.sd is None:
            stretches.append([])
        else:
            stretches[-1].append(t)
    xs: list[float | None] = []
    ys: list[float | None] = []
    for stretch in (s for s in stretches if len(s) > 1):
        at = [place(t, x) for t in stretch]
        xs += [*at, *reversed(at), None]
        ys += [*(t.accuracy.mean + t.accuracy.sd for t in stretch), *(t.accuracy.mean - t.accuracy.sd for t in reversed(stretch)), None]
    if not xs:
        return []
    return [dict(x=xs[:-1], y=ys[:-1], mode="lines", fill="toself", line=dict(width=0, color=colour), fillcolor=_faint(colour, 0.13),
                       hoverinfo="skip", showlegend=False, name="band")]


def _seeds(of: Studies, study: Replicates, label: str, x: str, colour: str) -> Trace:
    """The single seeds of a method as one trace, thin."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    keys: list[Any] = []
    said: list[str] = []
    symbols: list[str] = []
    for run in study.runs:
        for (k, structure), row in sorted(study.rows[run.config.seed].items()):
            share, accuracy = row.get(_FIELDS[x]) if k else 1.0, rows.accuracy(row)
            if (structure == label or k == 0) and share and accuracy is not None:
                xs.append(1 / share if x == "speed" else 100 * share)
                ys.append(accuracy)
                keys.append((run.id, k, structure))
                disturbed = x == "speed" and keys[-1] in of.disturbed
                symbols.append(theme.doubtful("circle") if disturbed else "circle")
                said.append(f"<b>{html.escape(rows.name(run, row, several=False))}, seed {run.config.seed}</b><br>test accuracy {accuracy:.2f} %"
                            + "<br>measured on a busy machine, so doubtful" * disturbed)
        xs, ys, keys, said, symbols = ([*v, end] for v, end in ((xs, None), (ys, None), (keys, None), (said, ""), (symbols, "circle")))
    return dict(x=xs, y=ys, mode="lines+markers", line=dict(color=colour, width=0.8), marker=dict(size=[5 if v == "circle" else 7 for v in symbols], symbol=symbols, color=colour), opacity=0.5, name="single seed",
                      showlegend=False, hovertext=said, hovertemplate="%{hovertext}<extra></extra>", customdata=keys, connectgaps=False)


def _mean(of: Studies, study: Replicates, label: str, way: Sequence[MeanTicket | None], x: str, s: theme.Style, dark: bool) -> list[Trace]:
    """The line of means, the way to it from the dense network, and the ring around the sparsest winning ticket."""
    colour, group, first = s.line(dark), f"{study.id} {label}", 1 if way and way[0] and way[0].dense else 0
    look = dict(color=colour, width=2, dash=s.dash)
    out = []
    if first and len(way) > 1 and way[1]:       # a line of its own, so that the legend keeps the marker
        out.append(dict(x=[place(t, x) for t in way[:2]], y=[t.accuracy.mean for t in way[:2]], mode="lines", line=look, name="from dense",
                              legendgroup=group, showlegend=False, hoverinfo="skip"))
    points = way[first:]
    sizes = [(8 if t is None or t.accuracy.n == len(study.seeds) else 5) + (s.symbol == "triangle-up") for t in points]
    symbols = [theme.doubtful(s.symbol) if t and x == "speed" and of.doubtful(study, t) else s.symbol for t in points]
    marked = set(symbols) != {s.symbol}
    out.append(dict(
        x=[t and place(t, x) for t in points], y=[t and t.accuracy.mean for t in points], mode="lines+markers", connectgaps=False, name=short(of, study, label),
        legendgroup=group, line=look, marker=dict(symbol=symbols if marked else s.symbol, size=sizes, color=colour, line=dict(
            width=[2 if "open" in v else 0 for v in symbols] if marked else 2 if "open" in s.symbol else 0, color=colour)),
        hovertext=[_hover(of, study, t) if t else "" for t in points], hovertemplate="%{hovertext}<extra></extra>",
        customdata=[t and _key(study, t) for t in points]))
    best = of.extremes[study.id, label]
    if best and known(best, x):
        out.append(dict(x=[place(best, x)], y=[best.accuracy.mean], mode="markers", name="sparsest that wins", legendgroup=group, showlegend=False,
                              hoverinfo="skip", marker=dict(symbol="circle-open", size=19, color=colour, line=dict(width=2, color=colour))))
    return out


def _dense(of: Studies, study: Replicates, x: str, p: theme.Palette) -> Trace:
    t = study.dense
    spread = dict(type="data", array=[t.accuracy.sd], thickness=1.2, width=4, color=p.text) if t.accuracy.sd is not None else None
    return dict(x=[place(t, x)], y=[t.accuracy.mean], error_y=spread, mode="markers", name="Dense", showlegend=False,
                      marker=dict(symbol="diamond", size=11, color=p.text), customdata=[_key(study, t)], hovertext=[_hover(of, study, t)],
                      hovertemplate="%{hovertext}<extra></extra>")


def _furnish(fig: go.Figure, of: Studies, tickets: Sequence[MeanTicket], x: str, near: bool, p: theme.Palette) -> None:
    """Axes, the dense accuracies, and the region where a ticket wins."""
    origins = [study.dense for study in of.of if study.dense and study.dense.accuracy.n]
    means = [t.accuracy.mean for t in tickets]
    ends = [t.accuracy.mean + side * (t.accuracy.sd or 0) for t in (*tickets, *origins) for side in (-1, 1)]
    reach = [bar.least for bar in of.levels.values() if bar and bar.least > min(ends)]
    below = min(t.accuracy.mean for t in origins) - scales.NEAR if near and origins else None
    scales.cost(fig, x, [place(t, x) for t in tickets] + ([1.0] if x == "speed" else []), AXES[x].title)
    scales.accuracy(fig, [*ends, *reach], below, p, count=means)
    names = [of.apart[study.id] for study in of.of if study.dense and study.dense.accuracy.n]
    scales.dense(fig, [t.accuracy.mean for t in origins], p, names if of.several and all(0 < len(name) <= BESIDE for name in names) else ())
    scales.nothing_gained(fig, x, p)
    if bar := shaded(of):
        scales.winning(fig, x, max(bar.least, fig.layout.yaxis.range[0]), p)


def _key(study: Replicates, t: MeanTicket) -> tuple[str, int, str]:
    run = next(run for run in study.runs if run.config.seed in t.seeds)
    return run.id, t.round, t.structure


def _hover(of: Studies, study: Replicates, t: MeanTicket) -> str:
    first, *rest = (html.escape(line) for line in hover(of, study, t))
    return "<br>".join([f"<b>{first}</b>", *rest])


def _faint(colour: str, opacity: float) -> str:
    r, g, b = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{opacity})"
