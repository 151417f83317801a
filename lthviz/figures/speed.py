"""How fast one ticket runs: layer by layer against the dense network, and as a whole against the other ways to run it.

Each layer is timed alone at the shapes it has in the network, so the layers need not add up to the whole.
"""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go

from lthviz.figures import theme, wording
from lthviz.records import LayerTiming, Timing

ROW_PX = 27


def layer_times(t: Timing | None, *, title: str = "", dark: bool = False) -> go.Figure:
    """A row a layer, from the image to the classifier: the dense time, the ticket's time, and a tick where its multiply-adds alone
    would put it; what runs it stands at the right.

    title: the ticket's name for people. A point's `customdata` begins with the layer's name.
    """
    p, fig = theme.palette(dark), go.Figure()
    layers = t.layers if t else ()
    if not layers:
        theme.apply(fig, dark, height=200)
        theme.note(fig, "No layer is measured yet", dark)
        return theme.meta(fig, caption=layer_times_caption(t), alt=layer_times_alt(t, title=title), n=0)
    s, names = theme.style(t.structure), [_short(x) for x in layers]
    colour, place = s.line(dark), list(range(len(layers)))
    key = [(x.name,) for x in layers]
    said = [_hover(x, title) + (f"<br>{html.escape(wording.disturbed(t))}" if t.disturbed else "") for x in layers]
    symbol = theme.doubtful(s.symbol) if t.disturbed else s.symbol
    fig.add_scatter(x=[v for x in layers for v in (x.ticket_ms, x.dense_ms, None)], y=[v for i in place for v in (i, i, None)], mode="lines",
                    line=dict(color=p.rule, width=3), hoverinfo="skip", showlegend=False)
    fig.add_scatter(x=[x.dense_ms for x in layers], y=place, mode="markers", name="dense", customdata=key, hovertext=said,
                    marker=dict(symbol="diamond", size=9, color=p.muted), hovertemplate="%{hovertext}<extra></extra>")
    fig.add_scatter(x=[x.dense_ms * x.flops_ratio for x in layers], y=place, mode="markers", name="FLOPs limit", customdata=key,
                    marker=dict(symbol="line-ns-open", size=15, color=p.text, line=dict(width=2, color=p.text)), hovertext=said,
                    hovertemplate="%{hovertext}<extra></extra>")
    fig.add_scatter(x=[x.ticket_ms for x in layers], y=place, mode="markers", name=title or "ticket", customdata=key, hovertext=said,
                    marker=dict(symbol=symbol, size=10, color=colour, line=dict(width=2 if "open" in symbol else 0, color=colour)),
                    hovertemplate="%{hovertext}<extra></extra>")
    theme.apply(fig, dark, height=110 + ROW_PX * len(layers))
    most = max(max(x.dense_ms, x.ticket_ms) for x in layers)
    fig.update_xaxes(title_text=f"ms for {t.batch} image{'s' * (t.batch != 1)}", range=[-0.015 * most, most * 1.04], nticks=7)
    fig.update_yaxes(tickvals=place, ticktext=names, range=[len(layers) - 0.4, -0.6], showline=False, ticks="", ticklabelstandoff=6, tickfont=dict(color=p.text, size=13))
    for i, x in enumerate(layers):
        fig.add_annotation(x=1.01, xref="paper", y=i, text=html.escape(x.executor), showarrow=False, xanchor="left", yanchor="middle",
                           font=dict(color=p.muted, size=13))
    fig.update_layout(margin_r=16 + 7 * max(len(x.executor) for x in layers), bargap=0.3)
    return theme.meta(fig, caption=layer_times_caption(t), alt=layer_times_alt(t, title=title), n=len(layers))


def layer_times_table(t: Timing | None) -> list[dict[str, Any]]:
    """A row a layer; times in ms, shares in percent; why it is doubtful, where it is."""
    doubt = {"disturbed": "; ".join(t.disturbed)} if t and t.disturbed else {}
    return [{"layer": x.name, "kept weights": x.kept, "dense (ms)": x.dense_ms, "ticket (ms)": x.ticket_ms, "ticket ÷ dense": _share(x),
             "multiply-adds (%)": 100 * x.flops_ratio, "multiply-adds would allow (ms)": x.dense_ms * x.flops_ratio, "runs as": x.executor, **doubt}
            for x in (t.layers if t else ())]


def layer_times_alt(t: Timing | None, *, title: str = "") -> str:
    """The figure in spoken words: the layers that gain most and least."""
    if t is None or not t.layers:
        return "Time of each layer, dense and as a ticket: no layer is measured yet."
    best, worst = (f(t.layers, key=_share) for f in (min, max))
    faster = sum(x.ticket_ms < x.dense_ms for x in t.layers)
    said = f"Time of each of {len(t.layers)} layers: as {title or 'a ticket'}, {faster} run{'s' * (faster == 1)} faster than dense"
    for word, x in (("the most gains", best), ("the least", worst)):
        said += f"; {word} {_short(x)}, {wording.ms(x.ticket_ms)} against {wording.ms(x.dense_ms)}"
    return said + (f"; {wording.disturbed(t)}." if t.disturbed else ".")


def layer_times_caption(t: Timing | None) -> str:
    n = len(t.layers) if t else 0
    said = "Each convolution timed alone at the shapes it has in the network, as the ticket runs it and as the dense network does"
    said = f"{said} (n = {n} layer{'s' * (n != 1)}). At the right, what runs it in the ticket."
    return said + " Open with a dot: measured on a busy machine, so doubtful." if t and t.disturbed else said


def alternatives(t: Timing, *, title: str = "", dark: bool = False) -> go.Figure:
    """The whole network in every way it was timed, a bar each, the fastest on top: as the ticket, in the ticket's other forms, and in
    each dense form that a user has."""
    p, fig, s = theme.palette(dark), go.Figure(), theme.style(t.structure)
    forms = alternatives_table(t, title=title)[::-1]
    looks = {"ticket": (s.line(dark), 1.0), "other form": (s.line(dark), 0.4), "baseline": (p.rule, 1.0), "dense": (p.rule, 1.0)}
    fig.add_bar(x=[f["time (ms)"] for f in forms], y=[f["form"] for f in forms], orientation="h", showlegend=False,
                marker=dict(color=[looks[f["is"]][0] for f in forms], opacity=[looks[f["is"]][1] for f in forms],
                            line=dict(width=[1.5 if f["is"] == "baseline" else 0 for f in forms], color=p.muted),
                            pattern=dict(shape=["/" if t.disturbed and f["is"] in ("ticket", "baseline") else "" for f in forms])),
                text=[f" {wording.ms(f['time (ms)'])}" for f in forms], textposition="outside", cliponaxis=False, textfont=dict(color=p.text, size=13),
                hovertext=[f"<b>{html.escape(f['form'])}</b><br>{wording.ms(f['time (ms)'])}, {f['time ÷ fastest dense']:.2f} of the fastest dense form"
                           + (f"<br>{html.escape(wording.disturbed(t))}" if t.disturbed else "") for f in forms], hovertemplate="%{hovertext}<extra></extra>")
    theme.apply(fig, dark, height=90 + 34 * len(forms))
    fig.update_xaxes(title_text=f"ms for {t.batch} image{'s' * (t.batch != 1)}", range=[0, 1.22 * max(f["time (ms)"] for f in forms)], nticks=5)
    fig.update_yaxes(showline=False, ticks="", ticklabelstandoff=6, tickfont=dict(color=p.text, size=13))
    fig.update_layout(margin_t=12, bargap=0.35)
    return theme.meta(fig, caption=alternatives_caption(t), alt=alternatives_alt(t, title=title), n=len(forms))


def alternatives_table(t: Timing, *, title: str = "") -> list[dict[str, Any]]:
    """A row a way to run the network, the fastest first; `is`: ticket, other form, baseline or dense."""
    name = title or "ticket"
    ticket_forms = {k: v for k, v in (t.conditions.get("executors") or {}).items() if k not in (t.executor, "dense") and isinstance(v, int | float)}
    found = [(name, "ticket", t.ticket_ms), *((f"{name}, {k}", "other form", v) for k, v in ticket_forms.items()),
             *((k, "baseline" if k == t.baseline else "dense", v) for k, v in {**t.others, t.baseline: t.dense_ms}.items())]
    doubt = {"disturbed": "; ".join(t.disturbed)} if t.disturbed else {}
    return sorted(({"form": form, "is": kind, "time (ms)": ms, "time ÷ fastest dense": t.time_ratio if kind == "ticket" else ms / t.dense_ms, **doubt}
                   for form, kind, ms in found), key=lambda f: f["time (ms)"])


def alternatives_alt(t: Timing, *, title: str = "") -> str:
    said = [f"{f['form']} {wording.ms(f['time (ms)'])}" for f in alternatives_table(t, title=title)]
    return f"Time of the whole network, {t.batch} image{'s' * (t.batch != 1)}, the fastest first: {'; '.join(said)}" + (
        f"; {wording.disturbed(t)}." if t.disturbed else ".")


def alternatives_caption(t: Timing) -> str:
    return (f"Medians of the whole network. The ticket runs as {t.executor} and was timed in turn with {t.baseline}, the fastest dense form "
            f"(outlined); the other forms were timed before." + " Hatched: measured on a busy machine, so doubtful." * bool(t.disturbed))


def _hover(x: LayerTiming, title: str) -> str:
    return (f"<b>{html.escape(_short(x))}</b><br>{html.escape(title or 'ticket')} {wording.ms(x.ticket_ms)} as {html.escape(x.executor)}, "
            f"dense {wording.ms(x.dense_ms)}: {_share(x):.2f} of its time<br>its multiply-adds ({100 * x.flops_ratio:.1f} %) would allow "
            f"{wording.ms(x.dense_ms * x.flops_ratio)}<br>{x.kept:,} weights kept")


def _share(x: LayerTiming) -> float:
    """The layer's time over its dense time; a layer that is removed takes none."""
    return x.ticket_ms / x.dense_ms if x.dense_ms else 1.0


def _short(x: LayerTiming) -> str:
    return x.name.removesuffix(".weight")
