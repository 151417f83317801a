"""What a whole network makes of t1 and the number of groups: a cell a setting, its number written in it, the current one outlined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from lthviz.figures import theme
from lthviz.tuning.sensitivity import Cell
from lthviz.words import capital

ROW_PX = 31


class Value(NamedTuple):
    """What a cell is coloured by. name: of the choice; said: in a sentence; digits: of the number in the cell."""

    name: str
    said: str
    digits: int = 0


VALUES = {
    "coverage": Value("In blocks", "share of the kept weights that lies in dense blocks"),
    "magnitude": Value("Kept magnitude", "share of the size Σ|w| of the unstructured ticket's weights that is kept"),
    "density": Value("Density", "share of the prunable weights that is kept", 1),
    "time": Value("Estimated time", "estimated time as a share of the dense network's in the same kernel"),
}


def sensitivity(cells: Sequence[Cell], *, value: str = "coverage", current: tuple[int, float] | None = None, waiting: Mapping[int, str] | None = None,
                where: str = "", dark: bool = False) -> go.Figure:
    """value: one of VALUES. current: (groups, t1) of the outlined cell. waiting: groups without cells yet, and why. where: what was tuned.

    A setting without any block is grey and has no number: it is the unstructured ticket, and would stretch the colours.
    A point's `customdata` is (groups, t1), so that a click takes them.
    """
    p, fig, waiting = theme.palette(dark), go.Figure(), waiting or {}
    groups, t1s = sorted({c.groups for c in cells} | set(waiting)), sorted({c.t1 for c in cells})
    known = [c for c in cells if getattr(c, value) is not None]
    theme.apply(fig, dark, height=max(240, 96 + ROW_PX * len(t1s)))
    if not known:
        theme.note(fig, next(iter(waiting.values()), "Nothing to show yet") if not cells else "The trained weights are not kept" if value == "magnitude"
                   else "This machine is not calibrated", dark)
        return theme.meta(fig, caption=sensitivity_caption(cells, value, where), alt=sensitivity_alt(cells, value), n=0)
    by = {(c.groups, c.t1): c for c in known}
    table = [[100 * getattr(by[g, t], value) if (g, t) in by and not by[g, t].bare else None for g in groups] for t in t1s]
    shown = [x for line in table for x in line if x is not None]
    low, high = min(shown, default=0), max(shown, default=0)
    fig.add_heatmap(z=table, x=list(range(len(groups))), y=list(range(len(t1s))), showscale=False, hoverinfo="skip", xgap=2, ygap=2, zmin=low,
                    zmax=high if high > low else low + 1, colorscale=[[0, _mixed(p.accent, p.paper, 0.06)], [1, p.accent]])
    everywhere = [(i, j, by[g, t]) for j, t in enumerate(t1s) for i, g in enumerate(groups) if (g, t) in by]
    place = [x for x in everywhere if not x[2].bare]
    turn = low + (0.68 if dark else 0.84) * (high - low)     # where the other colour of text is the easier one to read
    for bright in (False, True):   # numbers are read on every colour
        mine = [(i, j, c) for i, j, c in place if (100 * getattr(c, value) > turn and high > low) == bright]
        fig.add_scatter(x=[i for i, _, _ in mine], y=[j for _, j, _ in mine], mode="markers+text", showlegend=False, cliponaxis=False,
                        marker=dict(symbol="square", size=ROW_PX - 4, opacity=0), customdata=[(c.groups, c.t1) for _, _, c in mine],
                        text=[f"{100 * getattr(c, value):.{VALUES[value].digits}f}" for _, _, c in mine],
                        textfont=dict(size=13, color=("#FFFFFF" if not dark else "#0F1114") if bright else p.text),
                        hovertext=[_hover(c) for _, _, c in mine], hovertemplate="%{hovertext}<extra></extra>")
    if bare := [x for x in everywhere if x[2].bare]:
        _bare(fig, bare, (len(t1s), len(groups)), p)
    if current and current[0] in groups and current[1] in t1s:
        i, j = groups.index(current[0]), t1s.index(current[1])
        fig.add_shape(type="rect", x0=i - 0.5, x1=i + 0.5, y0=j - 0.5, y1=j + 0.5, line=dict(color=p.text, width=2.5))
    for g in set(waiting) - {c.groups for c in known}:
        fig.add_annotation(x=groups.index(g), y=(len(t1s) - 1) / 2, text=waiting[g], showarrow=False, textangle=-90, font=dict(color=p.muted, size=13))
    fig.update_xaxes(title_text="groups a layer is divided into", tickvals=list(range(len(groups))), ticktext=[str(g) for g in groups],
                     range=[-0.55, len(groups) - 0.45], showline=False, ticks="")
    fig.update_yaxes(title_text="t1", tickvals=list(range(len(t1s))), ticktext=[f"{t:g}" for t in t1s], range=[-0.55, len(t1s) - 0.45], showline=False, ticks="")
    fig.update_layout(margin=dict(l=8, r=8, t=8, b=8))
    fig.update_traces(unselected=dict(marker=dict(opacity=0)), selected=dict(marker=dict(opacity=0)), selector=dict(type="scatter"))
    return theme.meta(fig, caption=sensitivity_caption(cells, value, where), alt=sensitivity_alt(cells, value, current), n=len(known))


def sensitivity_table(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """A row a setting; shares in percent."""
    percent = lambda v: None if v is None else 100 * v  # noqa: E731
    return [{"groups": c.groups, "t1": c.t1, "in blocks (%)": percent(c.coverage), "kept magnitude (%)": percent(c.magnitude), "density (%)": percent(c.density),
             "estimated time (% of dense)": percent(c.time), "blocks": "none" if c.bare else "yes"} for c in sorted(cells)]


def sensitivity_caption(cells: Sequence[Cell], value: str, where: str = "") -> str:
    of = f" {where}" if where else ""
    what, bare = VALUES[value].said, sum(c.bare for c in cells)
    none = f" Grey: no block forms, so it is the unstructured ticket ({bare} of them)." if bare else ""
    return (f"{capital(what)}, in percent, for the whole network{of} (n = {len(cells)} settings).{none} The outlined cell is the current one; "
            "a click takes a cell's settings, and the four buttons step from cell to cell.")


def sensitivity_alt(cells: Sequence[Cell], value: str, current: tuple[int, float] | None = None) -> str:
    """The map in spoken words: its lowest, its highest and the current cell."""
    known = [c for c in cells if getattr(c, value) is not None]
    name = VALUES[value].name
    if not known:
        return f"{name} for every number of groups and t1: nothing to show yet."
    formed = [c for c in known if not c.bare]
    ends = [(word, f(formed, key=lambda c: getattr(c, value))) for word, f in (("lowest", min), ("highest", max))] if formed else []
    said = [f"{word} {100 * getattr(c, value):.1f} percent with {c.groups} groups and t1 {c.t1:g}" for word, c in ends]
    said += [f"{len(known) - len(formed)} make{'s' * (len(known) - len(formed) == 1)} no block"] if len(formed) < len(known) else []
    here = next((c for c in known if (c.groups, c.t1) == current), None)
    said += [f"the current setting {'makes no block' if here.bare else f'{100 * getattr(here, value):.1f} percent'}"] if here else []
    return f"{name} for {len(known)} settings of groups and t1: {'; '.join(said)}."


def _bare(fig: go.Figure, place: Sequence[tuple[int, int, Cell]], shape: tuple[int, int], p: theme.Palette) -> None:
    """Cells without a block: grey, in words, and as good to click as the others."""
    table = [[None] * shape[1] for _ in range(shape[0])]
    for i, j, _ in place:
        table[j][i] = 0
    grey = _mixed(p.muted, p.paper, 0.16)
    fig.add_heatmap(z=table, x=list(range(shape[1])), y=list(range(shape[0])), showscale=False, hoverinfo="skip", xgap=2, ygap=2, zmin=0, zmax=1,
                    colorscale=[[0, grey], [1, grey]])
    fig.add_scatter(x=[i for i, _, _ in place], y=[j for _, j, _ in place], mode="markers+text", showlegend=False, cliponaxis=False,
                    marker=dict(symbol="square", size=ROW_PX - 4, opacity=0), customdata=[(c.groups, c.t1) for _, _, c in place], text=["no block"] * len(place),
                    textfont=dict(size=12, color=p.muted), hovertext=[_hover(c) for _, _, c in place], hovertemplate="%{hovertext}<extra></extra>")


def _hover(c: Cell) -> str:
    if c.bare:
        return f"<b>groups {c.groups}, t1 {c.t1:g}</b><br>no block forms in any layer:<br>this is the unstructured ticket"
    said = [f"<b>groups {c.groups}, t1 {c.t1:g}</b>", f"in blocks {100 * c.coverage:.1f} %", f"density {100 * c.density:.1f} %"]
    said += [f"kept magnitude {100 * c.magnitude:.1f} %"] if c.magnitude is not None else []
    said += [f"estimated time {100 * c.time:.0f} % of dense"] if c.time is not None else []
    return "<br>".join(said)


def _mixed(one: str, other: str, share: float) -> str:
    """`share` of the first of two #rrggbb colours, the rest of the second."""
    both = [[int(x[i:i + 2], 16) for i in (1, 3, 5)] for x in (one, other)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02X}" for a, b in zip(*both))
