"""How a training goes: loss above, accuracy below, one shared axis of epochs.

Two small panels instead of two y axes: no reader has to guess which curve belongs to which scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lthviz.figures import theme
from lthviz.records import Curve, Epoch


def loss_curve(epochs: Sequence[Epoch] | Curve | None, *, dark: bool = False, height: int = 300, total: int = 0) -> go.Figure:
    """Training loss (upper panel) and validation accuracy (lower; training accuracy where nothing is held out) by epoch.

    total: epochs of the whole training, so that the axis stands still while it runs; 0: as many as there are.
    """
    c, p = _curve(epochs), theme.palette(dark)
    fig = go.Figure()
    theme.apply(fig, dark, height=height)
    if c is None:
        return theme.meta(theme.note(fig, "No epoch has ended yet", dark), caption=loss_curve_caption(c), alt=loss_curve_alt(c), n=0)
    what, acc = _accuracy(c)
    one = len(c.epoch) == 1
    for y, axis, colour, name in ((c.train_loss, "y", p.text, "training loss"), (acc, "y2", p.accent, what)):
        fig.add_scatter(x=c.epoch, y=y, yaxis=axis, name=name, mode="markers" if one else "lines", showlegend=False,
                        line=dict(color=colour, width=2), marker=dict(color=colour, size=7),
                        hovertemplate="epoch %{x}: %{y:.4~g}<extra>" + name + "</extra>")
    last = max(int(c.epoch[-1]), total)
    first = min(int(c.epoch[0]), 1)
    quiet = theme.axis(p)
    fig.update_layout(
        xaxis=quiet | dict(title_text="epoch", range=[first - 0.02 * (last - first + 1), last + 0.02 * (last - first + 1)], anchor="y2",
                           tickformat="d", nticks=min(9, last - first + 2)),
        yaxis=quiet | dict(domain=[0.58, 1], rangemode="tozero", nticks=4, **_flat(c.train_loss)),
        yaxis2=quiet | dict(domain=[0, 0.42], nticks=4, anchor="x", **_flat(acc)),
        margin=dict(l=8, r=12, t=24, b=8), hovermode="x unified")
    for y, text, value, digits in ((1, "training loss (nats)", c.train_loss[-1], 3), (0.42, what + " (%)", acc[-1], 1)):
        shown = "" if math.isnan(value) else f"  <b>{value:.{digits}f}</b>"
        fig.add_annotation(x=0, y=y, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
                           text=text + shown, font=dict(size=13, color=p.muted))
    return theme.meta(fig, caption=loss_curve_caption(c), alt=loss_curve_alt(c), n=len(c.epoch))


def loss_curve_table(epochs: Sequence[Epoch] | Curve | None) -> list[dict[str, Any]]:
    """A row an epoch."""
    c = _curve(epochs)
    if c is None:
        return []
    return [{"epoch": int(c.epoch[i]), "training loss (nats)": float(c.train_loss[i]), "training accuracy (%)": float(c.train_acc[i]),
             "validation accuracy (%)": None if math.isnan(c.val_acc[i]) else float(c.val_acc[i]),
             "learning rate": float(c.lr[i]), "seconds (s)": float(c.seconds[i])} for i in range(len(c.epoch))]


def loss_curve_alt(epochs: Sequence[Epoch] | Curve | None) -> str:
    """The figure in spoken words."""
    c = _curve(epochs)
    if c is None:
        return "Training loss and accuracy by epoch: no epoch has ended yet."
    what, acc = _accuracy(c)
    e = int(c.epoch[-1])
    if len(c.epoch) == 1:
        return f"After epoch {e} the training loss is {c.train_loss[0]:.3f} and the {what} {acc[0]:.1f} percent."
    return (f"From epoch {int(c.epoch[0])} to {e} the training loss goes from {c.train_loss[0]:.3f} to {c.train_loss[-1]:.3f} "
            f"and the {what} from {acc[0]:.1f} to {acc[-1]:.1f} percent.")


def loss_curve_caption(epochs: Sequence[Epoch] | Curve | None) -> str:
    c = _curve(epochs)
    n = 0 if c is None else len(c.epoch)
    return f"Mean loss over the training images, and accuracy, after each epoch (n = {n} epoch{'s' * (n != 1)}, one training)."


def _curve(epochs: Sequence[Epoch] | Curve | None) -> Curve | None:
    c = epochs if isinstance(epochs, Curve) or epochs is None else Curve.of(epochs)
    return c if c is not None and len(c.epoch) else None


def _accuracy(c: Curve) -> tuple[str, np.ndarray]:
    return ("training accuracy", c.train_acc) if np.isnan(c.val_acc).all() else ("validation accuracy", c.val_acc)


def _flat(y: np.ndarray) -> dict[str, Any]:
    """A range for a panel that would otherwise be a single value."""
    good = y[~np.isnan(y)]
    if good.size and good.max() - good.min() < 1e-9:
        return {"range": [float(good[0]) - max(0.5, abs(good[0]) * 0.1), float(good[0]) + max(0.5, abs(good[0]) * 0.1)]}
    return {}
