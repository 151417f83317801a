"""How every training of a method went: loss above, accuracy below, a line a round, the dense network's among them.

The lines darken from the first round to the last; the dense network's is dashed, because every ticket is held against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lthviz.figures import theme
from lthviz.figures.training import loss_curve_table
from lthviz.records import Curve


@dataclass(frozen=True, eq=False)
class TrainingRounds:
    """The trainings of a method of a run. structure: its label; method: its name; curves: by round, the dense network's under 0."""

    run: str
    structure: str
    method: str
    curves: Mapping[int, Curve]

    @property
    def what(self) -> str:
        """Which accuracy there is: of validation images, or of training images where none are held out."""
        return "training accuracy" if all(np.isnan(c.val_acc).all() for c in self.curves.values()) else "validation accuracy"


def training_rounds(of: TrainingRounds, *, dark: bool = False, height: int = 420) -> go.Figure:
    """Training loss (upper panel) and accuracy (lower) by epoch; a line a round."""
    p, s, fig = theme.palette(dark), theme.style(of.structure), go.Figure()
    theme.apply(fig, dark, height=height)
    if not of.curves:
        return theme.meta(theme.note(fig, "No training has ended yet", dark), caption=training_rounds_caption(of), alt=training_rounds_alt(of), n=0, runs=[of.run])
    rounds, what = sorted(of.curves), of.what
    for k in rounds:
        c = of.curves[k]
        colour = p.text if k == 0 else theme.mix(p.rule, s.line(dark), 0.35 + 0.65 * (rounds.index(k) + 1) / len(rounds))
        look = dict(color=colour, width=2 if k in (0, rounds[-1]) else 1.4, dash="4px,3px" if k == 0 else "solid")
        for y, axis, name in ((c.train_loss, "y", "training loss"), (_accuracy(c, what), "y2", what)):
            fig.add_scatter(x=c.epoch.tolist(), y=[None if math.isnan(v) else round(float(v), 5) for v in y], yaxis=axis, mode="markers" if len(y) == 1 else "lines",
                            name="dense" if k == 0 else f"{k}", legendgroup=f"{k}", showlegend=axis == "y", line=look, marker=dict(color=colour, size=7),
                            hovertemplate=("dense network" if k == 0 else f"round {k}") + f", epoch %{{x}}<br>{name} %{{y:.4~g}}<extra></extra>")
    quiet, last = theme.axis(p), max(int(c.epoch[-1]) for c in of.curves.values() if len(c.epoch))
    fig.update_layout(
        xaxis=quiet | dict(title_text="epoch", anchor="y2", tickformat="d", nticks=min(9, last + 1)),
        yaxis=quiet | dict(domain=[0.57, 1], rangemode="tozero", nticks=5), yaxis2=quiet | dict(domain=[0, 0.43], nticks=5, anchor="x"),
        legend=dict(title=dict(text="round ", side="left", font=dict(size=13, color=p.muted)), y=1.09), margin=dict(l=8, r=12, t=58, b=8))
    for y, text in ((1, "training loss (nats)"), (0.43, f"{what} (%)")):
        fig.add_annotation(x=0, y=y, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, text=text, font=dict(size=13, color=p.muted))
    return theme.meta(fig, caption=training_rounds_caption(of), alt=training_rounds_alt(of), n=len(rounds), runs=[of.run])


def training_rounds_table(of: TrainingRounds) -> list[dict[str, Any]]:
    """A row a round and epoch."""
    return [{"round": k, **row} for k in sorted(of.curves) for row in loss_curve_table(of.curves[k])]


def training_rounds_alt(of: TrainingRounds) -> str:
    """In spoken words: where the first and the last round ended."""
    if not of.curves:
        return f"Training loss and accuracy by epoch of {of.method}: no training has ended yet."
    ends = []
    for k in dict.fromkeys((min(of.curves), max(of.curves))):
        c = of.curves[k]
        ends.append(f"{'the dense network' if k == 0 else f'round {k}'} ends at a loss of {c.train_loss[-1]:.3f} and {_accuracy(c, of.what)[-1]:.1f} percent")
    return f"Training loss and {of.what} by epoch of {of.method}, {len(of.curves)} rounds: {'; '.join(ends)}."


def training_rounds_caption(of: TrainingRounds) -> str:
    n = len(of.curves)
    return (f"Mean loss over the training images, and {of.what}, after each epoch: {of.method}, a line a round, darker the later; dashed: the dense network "
            f"(n = {n} training{'s' * (n != 1)}; run {of.run}).")


def _accuracy(c: Curve, what: str) -> Sequence[float]:
    return c.train_acc if what == "training accuracy" else c.val_acc
