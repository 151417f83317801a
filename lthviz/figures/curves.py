"""Test accuracy against what a ticket costs: its measured time, or the weights and multiply-adds it keeps.

The dense network is the origin, and a line a structure leads from it through the rounds: up and to the right is better. The
region where a ticket is as accurate as the dense network and cheaper is shaded. A tick beside a measured point stands at the
speed that its multiply-adds alone would allow. A speed that is only predicted is hollow, labelled, and on no line; one that was
measured on a busy machine stays on its line, open and with a dot.
"""

from __future__ import annotations

import html

import plotly.graph_objects as go

from lthviz.figures import rows, scales, theme, wording
from lthviz.figures.curves_words import accuracy_curves_alt, accuracy_curves_caption
from lthviz.figures.measured import AXES, Point, Study
from lthviz.records import Address, Run

ROOM = 1.7
"""The axis has room for ideals up to this many times the highest speedup; a farther one is in the hover and in the table."""
HOLLOW = {"square-open": "square-open-dot", "x-thin-open": "x-open"}
"""Markers of estimated speeds, where the measured one's is open already."""


def accuracy_curves(study: Study, *, x: str = "speed", near: bool = False, current: Address | None = None, brief: bool = False, baseline: str = "",
                    dark: bool = False, height: int = 460) -> go.Figure:
    """Accuracy against `x`, one of AXES, a line a structure and run; a ring around the `current` ticket.

    near: the accuracies within NEAR points of the dense network alone; how many tickets lie below is said in the figure.
    brief: a caption of two short sentences. baseline: id of the run whose lines lie behind the others, grey and dotted.
    A point's `customdata` is (run id, round, structure label), so that a click leads to its ticket.
    """
    fig, styles = go.Figure(), theme.styles(study.labels)
    shown: set[str] = set()
    for label in study.labels:
        for run in sorted(study.runs, key=lambda run: run.id != baseline):
            pinned = study.several and run.id == baseline
            s, own = (theme.baseline(styles[label]), f"{label} baseline") if pinned else (styles[label], label)
            mine = [q for q in study.points if q.run is run and q.row["structure"] == label and not q.dense]
            known = [q for q in mine if q.known(x)]
            start = _start(study, run, known, x)
            guessed = [q for q in mine if x == "speed" and q.estimated and q.accuracy is not None]
            if known and x == "speed" and not study.several:
                _ideals(fig, known, s.line(dark))
            before = len(fig.data)
            if known:
                _line(fig, study, start, known, s, label, x, dark, legend=own not in shown)
            if guessed:
                _hollow(fig, study, guessed, s, label, x, dark, legend=own not in shown)
            if pinned:
                for trace in fig.data[before:]:
                    trace.update(legendgroup=own, legendrank=2000, name=f"{trace.name} (baseline)")
            shown |= {own} if known or guessed else set()
    theme.apply(fig, dark, height=height)
    drawn = [q for q in study.points if q.accuracy is not None and q.at(x) is not None]
    if shown:
        _dense(fig, study, x, dark)
        _axes(fig, study, drawn, x, near, theme.palette(dark))
        _winning(fig, study, x, theme.palette(dark))
        _ring(fig, drawn, current, x, theme.palette(dark))
    else:
        theme.note(fig, "No ticket is measured yet" if study.labels and x == "speed" else "No ticket has been trained yet", dark)
    return theme.meta(fig, caption=accuracy_curves_caption(study, x, brief=brief, baseline=baseline), alt=accuracy_curves_alt(study, x), n=sum(q.known(x) for q in drawn),
                      runs=[r.id for r in study.runs])


def hover(q: Point, several: bool = False) -> str:
    """All numbers of a ticket, a line each."""
    t, safe = q.timing, html.escape
    d = rows.dense(q.run)
    said = [f"<b>{safe(rows.name(q.run, q.row, several=several))}</b>",
            f"test accuracy {q.accuracy:.2f} %" + (f", dense {d:.2f} %" if d is not None and not q.dense else ""),
            f"kept {rows.percent(q.row['density'])}, effective {rows.percent(q.row.get('effective_density'))}, multiply-adds {rows.percent(q.flops)}"]
    if q.estimated:
        said.append(f"estimated {wording.times(q.speedup)}, not measured")
    if t:
        low, high = wording.quartiles(t)
        said += [f"measured {wording.times(t.speedup)} (quartiles {wording.times(low)} to {wording.times(high)}, n = {t.n})",
                 *([wording.disturbed(t)] if q.disturbed else []),
                 f"{wording.ms(t.ticket_ms)} as {safe(t.executor)}; dense {wording.ms(t.dense_ms)} as {safe(t.baseline)}"]
        said += [f"its multiply-adds would allow {wording.times(1 / t.flops_ratio)}"] if t.flops_ratio else []
        said += [f"estimated {wording.times(1 / q.predicted)}: its time came out {wording.signed(q.off)}"] if q.off is not None else []
        said.append(f"batch {t.batch}, {wording.threads(t.threads)}; {safe(wording.machine(t))}")
    return "<br>".join(said)


def _start(study: Study, run: Run, known: list[Point], x: str) -> list[Point]:
    """What a line leads from: the dense network or, of a branch, its parent's ticket of the round before."""
    before = known[0].row["round"] - 1 if known else -1
    found = [q for q in study.points if q.row["round"] == before and (q.dense or (q.row["structure"] == known[0].row["structure"] and q.known(x)))
             and q.accuracy is not None and q.at(x) is not None]
    return [q for q in found if q.run is run and q.dense] or [q for q in found if q.run.id == run.parent]


def _line(fig: go.Figure, study: Study, start: list[Point], known: list[Point], s: theme.Style, label: str, x: str, dark: bool, *, legend: bool) -> None:
    colour, several = s.line(dark), study.several
    machines = list(wording.machines(study.timings))
    points: list[Point | None] = []     # None: where rounds between are not known, the line breaks
    for q in known:
        gap = points and q.row["round"] > points[-1].row["round"] + 1
        points += [None, q] if gap else [q]
    look = dict(color=colour, width=1.2 if several else 2, dash=s.dash)
    if start:
        fig.add_scatter(x=[q.at(x) for q in (start[0], known[0])], y=[q.accuracy for q in (start[0], known[0])], mode="lines", line=look,
                        name="from dense", legendgroup=label, showlegend=False, hoverinfo="skip")
    ends = [wording.quartiles(q.timing) if q and q.timing else None for q in points]
    bars = dict(type="data", symmetric=False, thickness=1.2, width=0, color=colour,
                array=[e[1] - q.at(x) if e else 0 for q, e in zip(points, ends)], arrayminus=[q.at(x) - e[0] if e else 0 for q, e in zip(points, ends)])
    symbols = [theme.doubtful(s.symbol) if x == "speed" and q and q.disturbed else s.symbol for q in points]
    marker = dict(symbol=symbols, line=dict(width=[2 if "open" in v else 0 for v in symbols], color=colour)) if set(symbols) != {s.symbol} else \
        dict(symbol=s.symbol, line=dict(width=2 if "open" in s.symbol else 0, color=colour))
    fig.add_scatter(
        x=[q and q.at(x) for q in points], y=[q and q.accuracy for q in points], mode="lines+markers+text", connectgaps=False,
        name=rows.short(known[0].run, label, study.labels),
        legendgroup=label, showlegend=legend, error_x=bars if x == "speed" and not several else None,
        line=look, marker=dict(color=colour, size=(6 if several else 8) + (s.symbol == "triangle-up"), **marker),
        text=[wording.mark(machines.index(wording.identity(q.timing))) if x == "speed" and q and q.timing else "" for q in points],
        textposition="top right", textfont=dict(color=colour, size=16), hovertext=[hover(q, several) if q else "" for q in points],
        hovertemplate="%{hovertext}<extra></extra>", customdata=[q and q.key for q in points])


def _hollow(fig: go.Figure, study: Study, guessed: list[Point], s: theme.Style, label: str, x: str, dark: bool, *, legend: bool) -> None:
    farthest = max((q for q in study.points if q.estimated and q.accuracy is not None), key=lambda q: q.at(x))     # says it for all
    colour, hollow = s.line(dark), HOLLOW.get(s.symbol, f"{s.symbol}-open")
    fig.add_scatter(
        x=[q.at(x) for q in guessed], y=[q.accuracy for q in guessed], mode="markers+text", legendgroup=label, showlegend=legend,
        name=f"{rows.short(guessed[0].run, label, study.labels)}, estimated",
        marker=dict(symbol=hollow, size=8, color=colour, line=dict(width=1.2, color=colour)),
        text=["estimated" if q is farthest else "" for q in guessed], textposition="bottom center", cliponaxis=False,
        textfont=dict(color=theme.palette(dark).muted, size=12),
        hovertext=[hover(q, study.several) for q in guessed], hovertemplate="%{hovertext}<extra></extra>", customdata=[q.key for q in guessed])


def _ideals(fig: go.Figure, known: list[Point], colour: str) -> None:
    """A faint tick at the speed that FLOPs would allow, joined to its point."""
    with_flops = [q for q in known if q.timing.flops_ratio]
    ideal = [1 / q.timing.flops_ratio for q in with_flops]
    fig.add_scatter(x=[v for q, at in zip(with_flops, ideal) for v in (q.speedup, at, None)], y=[v for q in with_flops for v in (q.accuracy, q.accuracy, None)],
                    mode="lines", line=dict(color=colour, width=1), opacity=0.3, hoverinfo="skip", showlegend=False, name="")
    fig.add_scatter(x=ideal, y=[q.accuracy for q in with_flops], mode="markers", name="FLOPs limit", showlegend=False, opacity=0.55,
                    marker=dict(symbol="line-ns-open", size=9, color=colour, line=dict(width=1.5, color=colour)),
                    hovertemplate="its multiply-adds would allow %{x:.3~g}×<extra></extra>", customdata=[q.key for q in with_flops])


def _dense(fig: go.Figure, study: Study, x: str, dark: bool) -> None:
    """The origin of every line, and the dense accuracy all along."""
    p, points = theme.palette(dark), [q for q in study.points if q.dense and q.accuracy is not None]
    fig.add_scatter(x=[q.at(x) for q in points], y=[q.accuracy for q in points], mode="markers", name="Dense", showlegend=False,
                    marker=dict(symbol="diamond", size=8 if study.several else 11, color=p.text), customdata=[q.key for q in points],
                    hovertext=[hover(q, study.several) for q in points], hovertemplate="%{hovertext}<extra></extra>")
    scales.dense(fig, [d for run in study.runs if (d := rows.dense(run)) is not None], p)


def _winning(fig: go.Figure, study: Study, x: str, p: theme.Palette) -> None:
    """Shade where a ticket wins; at speeds, a line where nothing is gained."""
    scales.nothing_gained(fig, x, p)
    if study.level is not None:
        scales.winning(fig, x, study.level.least, p)


def _ring(fig: go.Figure, drawn: list[Point], current: Address | None, x: str, p: theme.Palette) -> None:
    for q in drawn:
        if current and q.key == (current.run, current.round, current.structure):
            fig.add_scatter(x=[q.at(x)], y=[q.accuracy], mode="markers", name="current", showlegend=False, hoverinfo="skip",
                            marker=dict(symbol="circle-open", size=20, color=p.accent, line=dict(width=2.5, color=p.accent)))


def _axes(fig: go.Figure, study: Study, drawn: list[Point], x: str, near: bool, p: theme.Palette) -> None:
    ends = [q.at(x) for q in drawn]
    if x == "speed":
        ends += [e for t in study.timings for e in wording.quartiles(t)]
        ends += [v for t in study.timings if t.flops_ratio and not study.several and (v := 1 / t.flops_ratio) <= ROOM * max(ends)]
    guessed = x == "speed" and any(q.estimated for q in drawn)
    scales.cost(fig, x, ends, "speedup (×), measured; hollow: estimated" if guessed else AXES[x].title)
    accs = [q.accuracy for q in drawn]
    dense = [d for run in study.runs if (d := rows.dense(run)) is not None]
    scales.accuracy(fig, accs + ([study.level.least] if study.level else []), min(dense) - scales.NEAR if near and dense else None, p, count=accs)
