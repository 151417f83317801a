"""The figures of a report, each in both themes with the rows behind it; what cannot be drawn is a sentence instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio

from lthviz.figures import rows, wording
from lthviz.figures.curves import accuracy_curves
from lthviz.figures.curves_words import accuracy_curves_table
from lthviz.figures.layer_rounds import LayerRounds, layer_rounds, layer_rounds_table
from lthviz.figures.training_rounds import TrainingRounds, training_rounds, training_rounds_table
from lthviz.report.markup import filled
from lthviz.report.material import Material


@dataclass(frozen=True, eq=False)
class Picture:
    """key: of its files and its place in the page. title: its heading; choice: its name among those of its group. Of `draw(dark)` the caption, the
    spoken words and n ride on the figure; table: a row a point, units in the column names."""

    key: str
    title: str
    draw: Callable[[bool], go.Figure]
    table: list[dict[str, Any]]
    choice: str = ""

    @cached_property
    def light(self) -> go.Figure:
        return self._alive(False)

    @cached_property
    def dark(self) -> go.Figure:
        return self._alive(True)

    @property
    def said(self) -> dict[str, Any]:
        """Its `caption`, its `alt` text and n."""
        return self.light.layout.meta

    def _alive(self, dark: bool) -> go.Figure:
        """The figure with its own zoom and legend: the app's stand still, because there a click leads to a ticket."""
        fig = self.draw(dark)
        fig.update_layout(legend=dict(itemclick="toggle", itemdoubleclick="toggleothers"), dragmode="zoom", modebar=dict(remove=["lasso", "select"]))
        if not self.key.startswith("layers"):
            fig.update_xaxes(fixedrange=False)
            fig.update_yaxes(fixedrange=False)
        return fig


def plain(fig: go.Figure) -> dict[str, Any]:
    """A figure as JSON holds it; its `meta` stays out, what it says stands in the page."""
    value = json.loads(pio.to_json(fig, engine="json"))
    value["layout"].pop("meta", None)
    return {"data": value["data"], "layout": value["layout"]}


def accuracy(m: Material) -> list[Picture] | str:
    """Accuracy against kept weights, effective density and measured speedup; a sentence where no ticket's accuracy is known."""
    if why := _no_accuracy(m):
        return why
    table = accuracy_curves_table(m.study)
    return [Picture(f"accuracy-{x}", title, lambda dark, x=x: accuracy_curves(m.study, x=x, dark=dark), _columns(table, x))
            for x, title in (("kept", "Accuracy against kept weights"), ("effective", "Accuracy against effective density"),
                             ("speed", "Accuracy against measured speedup")) if any(q.known(x) for q in m.study.points)]


def unmeasured(m: Material) -> str:
    """Why there is no figure of speed, or of which tickets it has none; '' where all are measured."""
    if not m.accuracies or not m.study.missing:
        return ""
    if not m.study.timings:
        return "No ticket's speed is measured, so there is no figure of accuracy against speed; `lthviz bench` measures it."
    return f"Not measured with {wording.setting(m.study.setting)}: {wording.tickets(m.study.missing)}."


def _no_accuracy(m: Material) -> str:
    if not m.run.rows:
        return "No network has been trained yet, so there is no accuracy to show."
    if not any(r["round"] for r in m.run.rows):
        known = rows.dense(m.run)
        only = "The run prunes nothing (rounds = 0)" if not m.run.config.rounds else "No pruned ticket has been trained yet"
        return f"{only}: there is the dense network alone, " + (f"with {known:.2f} % test accuracy." if known is not None else "and its test accuracy is not known.")
    if not m.accuracies:
        return ("The test accuracy of these tickets is not known: they came in without it, and without the images to measure it on. Their masks and densities follow.")
    return ""


_SPEED = ("measured speedup (×)", "lower quartile (×)", "upper quartile (×)", "FLOPs would allow (×)", "ticket (ms)", "dense (ms)", "runs as", "dense form", "batch", "threads",
          "pairs", "largest difference", "disturbed")


def _columns(table: list[dict[str, Any]], x: str) -> list[dict[str, Any]]:
    """Of a table with everything, what this figure shows."""
    own = {"kept": ("kept weights (%)",), "effective": ("effective density (%)", "kept weights (%)"), "speed": _SPEED}[x]
    names = ("round", "ticket", *own, "test accuracy (%)", "dense accuracy (%)")
    return filled([{k: row[k] for k in names} for row in table if x != "speed" or row["measured speedup (×)"] is not None])


def layers(m: Material) -> list[Picture] | str:
    """Density of every layer over the rounds, a figure a structure."""
    if not m.pruned or not m.run.layers:
        return "No pruned round can be shown yet."
    out = []
    for label in m.labels:
        there = [k for k in m.pruned if label in m.rounds[k].tickets]
        density = np.array([[_density(m, k, label, x.name) for k in there] for x in m.run.layers])
        of = LayerRounds(m.run.id, m.name(label), tuple(x.short for x in m.run.layers), tuple(there), density)
        out.append(Picture(f"layers-{label}", "Density of every layer, round by round", lambda dark, of=of: layer_rounds(of, dark=dark), layer_rounds_table([of]), m.name(label)))
    return out


def _density(m: Material, k: int, label: str, layer: str) -> float:
    masks = m.rounds[k].tickets[label].masks
    return masks.density(layer) if layer in masks else float("nan")


def training(m: Material) -> list[Picture] | str:
    """How the tickets trained, a figure a structure with a line a round; the dense network's stands in each."""
    dense = m.curve(0, m.run.config.trunk_of(0))
    found = {label: {k: c for k in m.pruned if (c := m.curve(k, label))} for label in m.labels}
    found = {label: curves for label, curves in found.items() if curves} or ({m.run.config.trunk_of(0): {}} if dense is not None else {})
    if not found:
        return "No curve of a training is kept with this run: it was taken in as it is, or nothing has been trained yet."
    out = []
    for label, curves in found.items():
        of = TrainingRounds(m.run.id, label, m.name(label) if curves else "the dense network", ({0: dense} if dense is not None else {}) | curves)
        out.append(Picture(f"training-{label}", "How every ticket trained", lambda dark, of=of: training_rounds(of, dark=dark), training_rounds_table(of), m.name(label) if curves else ""))
    return out


def every(m: Material) -> list[Picture]:
    """All figures that there is something to draw of."""
    return [p for of in (accuracy(m), layers(m), training(m)) if isinstance(of, list) for p in of]
