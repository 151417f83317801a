"""Test accuracy against kept weights: the curve that a pruning study is read by (ICML 2022, figures 3 to 5).

The axis runs from the dense network on the left to few weights on the right, logarithmically: rounds that prune the same
share stand at equal distances. Every structure is compared at the density it really has, never at equal round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from lthviz.config import UNSTRUCTURED
from lthviz.figures import rows, theme
from lthviz.records import Address, Run

_TICKS = (100, 80, 60, 50, 40, 30, 25, 20, 15, 10, 7, 5, 3, 2, 1, 0.5, 0.2, 0.1)
_HOVER = ("<b>%{text}</b><br>test accuracy %{y:.2f} %<br>kept weights %{x:.1f} %, effective %{customdata[3]}"
          "<br>in blocks %{customdata[4]}<extra></extra>")


def accuracy_vs_density(runs: Sequence[Run], *, current: Address | None = None, dark: bool = False, height: int = 380) -> go.Figure:
    """A line a structure and run, the dense accuracy as a horizontal line, a ring around the `current` ticket.

    A point's `customdata` begins with (run id, round, structure label), so that a click leads to its ticket.
    """
    p = theme.palette(dark)
    fig = go.Figure()
    labels = rows.labels(runs)
    styles = theme.styles(labels)
    shown: set[str] = set()
    for run in runs:
        for label in labels:
            mine = [r for r in rows.own(run, runs) if r["structure"] == label and r["round"] > 0]
            if label == UNSTRUCTURED:
                mine = [r for r in rows.own(run, runs) if r["round"] == 0] + mine
            if not mine:
                continue
            title, s = rows.short(run, label, labels), styles[label]
            strong = len(runs) == 1 or (current is not None and run.id == current.run)
            fig.add_scatter(
                x=[100 * r["density"] for r in mine], y=[rows.accuracy(r) for r in mine], mode="lines+markers", name=title,
                legendgroup=label, showlegend=label not in shown, connectgaps=False,
                line=dict(color=s.line(dark), width=2 if strong else 1.2, dash=s.dash),
                marker=dict(symbol=s.symbol, size=(8 if strong else 6) + (s.symbol == "triangle-up"), color=s.line(dark),
                            line=dict(width=2 if "open" in s.symbol else 0, color=s.line(dark))),
                text=[rows.name(run, r, several=len(runs) > 1) for r in mine], hovertemplate=_HOVER,
                customdata=[(run.id, r["round"], r["structure"], rows.percent(r.get("effective_density")), rows.percent(r.get("coverage")))
                            for r in mine])
            shown.add(label)
    if not labels:      # only the dense network so far: one point says more than an empty frame
        _lone_dense(fig, runs, dark)
    theme.apply(fig, dark, height=height)
    if not fig.data:
        theme.note(fig, "No ticket has been trained yet", dark)
    else:
        _dense_lines(fig, runs, p)
        _ring(fig, runs, current, p)
        _axes(fig, runs)
    return theme.meta(fig, caption=accuracy_vs_density_caption(runs), alt=accuracy_vs_density_alt(runs),
                      n=_drawn(runs), runs=[r.id for r in runs])


def accuracy_vs_density_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The points behind the figure, a row a trained ticket; percentages, seconds."""
    return [{"run": run.id, "round": r["round"], "structure": r["structure"], "ticket": rows.ticket(run, r),
             "kept weights (%)": 100 * r["density"], "effective density (%)": rows.scaled(r.get("effective_density")),
             "coverage (%)": rows.scaled(r.get("coverage")), "test accuracy (%)": rows.accuracy(r), "validation accuracy (%)": r.get("val_acc"),
             "dense accuracy (%)": r.get("dense_acc"), "training (s)": r.get("seconds")}
            for run in runs for r in rows.own(run, runs)]


def accuracy_vs_density_alt(runs: Sequence[Run]) -> str:
    """The figure in spoken words: how far each structure came, against the dense network."""
    points = [(run, r) for run in runs for r in rows.own(run, runs) if rows.accuracy(r) is not None]
    if not points:
        return "Test accuracy against kept weights: no ticket has been trained yet."
    dense = {run.id: rows.dense(run) for run in runs}
    said = [f"the dense network reaches {d:.1f} percent" for d in dense.values() if d is not None][:1]
    if len([d for d in dense.values() if d is not None]) > 1:
        low, high = (f(d for d in dense.values() if d is not None) for f in (min, max))
        said = [f"the dense networks reach {low:.1f} to {high:.1f} percent"]
    for label in dict.fromkeys(r["structure"] for _, r in points if r["round"] > 0):
        run, last = min(((u, r) for u, r in points if r["structure"] == label and r["round"] > 0), key=lambda x: x[1]["density"])
        said.append(f"{rows.title(run, label)} has {rows.accuracy(last):.1f} percent with {100 * last['density']:.1f} percent of the weights")
    return "Test accuracy against kept weights: " + "; ".join(said) + "."


def accuracy_vs_density_caption(runs: Sequence[Run]) -> str:
    """What it shows, n and where it is from, in one sentence."""
    n = _drawn(runs)
    which = f"run {runs[0].id}" if len(runs) == 1 else f"{len(runs)} runs, a thin line each" if runs else "no run"
    return f"Test accuracy of each ticket against the weights it keeps, one training a point (n = {n}; {which})."


def _drawn(runs: Sequence[Run]) -> int:
    """How many points there are: tickets whose accuracy is known."""
    return sum(1 for run in runs for r in rows.own(run, runs) if rows.accuracy(r) is not None)


# Furniture -------------------------------------------------------------------------------------------------------------


def _lone_dense(fig: go.Figure, runs: Sequence[Run], dark: bool) -> None:
    s = theme.STYLES[UNSTRUCTURED]
    for run in runs:
        mine = [r for r in rows.ordered(run) if rows.accuracy(r) is not None]
        if mine:
            fig.add_scatter(x=[100.0] * len(mine), y=[rows.accuracy(r) for r in mine], mode="markers", name="Dense", showlegend=False,
                            marker=dict(symbol=s.symbol, size=9, color=s.line(dark)), hovertemplate=_HOVER,
                            text=[rows.name(run, r, several=len(runs) > 1) for r in mine],
                            customdata=[(run.id, 0, r["structure"], rows.percent(r.get("effective_density")), rows.percent(r.get("coverage")))
                                        for r in mine])


def _dense_lines(fig: go.Figure, runs: Sequence[Run], p: theme.Palette) -> None:
    levels = [d for run in runs if (d := rows.dense(run)) is not None]
    for i, level in enumerate(levels):
        fig.add_hline(y=level, line=dict(color=p.muted, width=1, dash=theme.STYLES["dense"].dash), layer="below")
        if i == 0:
            text = f"dense<br>{level:.1f} %" if len(levels) == 1 else "dense"
            fig.add_annotation(x=1.01, xref="paper", y=max(levels), text=text, showarrow=False, xanchor="left", yanchor="middle",
                               align="left", font=dict(color=p.muted, size=13))
    if levels:   # the label stands beside the axes, where no curve can cross it
        fig.update_layout(margin_r=58)


def _ring(fig: go.Figure, runs: Sequence[Run], current: Address | None, p: theme.Palette) -> None:
    for run in runs:
        for r in rows.ordered(run):
            if current and (run.id, r["round"], r["structure"]) == (current.run, current.round, current.structure) and rows.accuracy(r) is not None:
                fig.add_scatter(x=[100 * r["density"]], y=[rows.accuracy(r)], mode="markers", name="current", showlegend=False, hoverinfo="skip",
                                marker=dict(symbol="circle-open", size=20, color=p.accent, line=dict(width=2.5, color=p.accent)))


def _axes(fig: go.Figure, runs: Sequence[Run]) -> None:
    points = [r for run in runs for r in rows.ordered(run)]
    least = max(0.05, min([100 * r["density"] for r in points if r["density"] > 0] or [50.0]))
    least = min(least, 50.0)
    fig.update_xaxes(type="log", range=[math.log10(112), math.log10(least / 1.12)], tickvals=[t for t in _TICKS if t >= least / 1.12],
                     ticktext=[f"{t:g}" for t in _TICKS if t >= least / 1.12], title_text="kept weights (%)", minor=dict(ticks=""))
    accs = [a for r in points if (a := rows.accuracy(r)) is not None] + [d for run in runs if (d := rows.dense(run)) is not None]
    if accs:
        pad = max(0.5, 0.09 * (max(accs) - min(accs)))
        fig.update_yaxes(range=[max(-1.0, min(accs) - pad), max(accs) + pad], title_text="test accuracy (%)")
