"""Stored runs in a notebook: accuracy against what a ticket costs, and a timing layer by layer, as the app draws them, with a title."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from lthviz.errors import AddressError, ConfigError, did_you_mean
from lthviz.figures import accuracy, curves, measured, speed
from lthviz.figures.notebook.dress import titled
from lthviz.records import Run, Timing


def accuracy_vs_density(runs: Run | Sequence[Run], *, dark: bool = False, height: int = 440) -> go.Figure:
    """Test accuracy of every trained ticket against the weights that it keeps, a line a method.

    runs: one stored run or several, `lt.Store("data/runs").run(…)`.
    dark: for a dark page.
    height: of the figure, in pixels.

    Returns: a plotly Figure; kept weights and test accuracy in percent, the dense network as a line.
    Errors: AddressError where there is no run.
    Source: ICML 2022, section 4.
    Example:
        lt.figures.accuracy_vs_density(store.run(run_id))
    """
    several = _runs(runs)
    return _again(accuracy.accuracy_vs_density(several, dark=dark), "Accuracy against kept weights", several, dark, height)


def accuracy_vs_speed(runs: Run | Sequence[Run], timings: Sequence[Timing] | Mapping[str, Sequence[Timing]] | None = None, *, x: str = "speed", dark: bool = False,
                      height: int = 480) -> go.Figure:
    """Test accuracy of the tickets against their measured speedup, or another cost.

    runs: one stored run or several.
    timings: what was measured of them: `store.timings(run_id)` for one run, by run id for several.
    x: the cost: `speed` (measured), `kept` (weights), `effective` (of them without dead inputs) or `flops` (multiply-adds).
    dark: for a dark page.
    height: of the figure, in pixels.

    Returns: a plotly Figure; speedup in times, the other costs in percent, accuracy in percent. The region that wins is shaded where the runs have one dense network.
    Errors: AddressError where there is no run; ConfigError for an unknown cost, or timings that do not say of which run.
    Source: ICML 2022, section 4; docs/speed.md has how it is measured.
    Example:
        lt.figures.accuracy_vs_speed(store.run(run_id), store.timings(run_id))
    """
    several = _runs(runs)
    if x not in measured.AXES:
        raise ConfigError(f"x = {x!r} is not known; {did_you_mean(str(x), measured.AXES)}")
    if timings is not None and not isinstance(timings, Mapping):
        if len(several) > 1:
            raise ConfigError("timings of several runs should be by run id: {run.id: store.timings(run.id) for run in runs}")
        timings = {several[0].id: timings}
    study = measured.study(several, timings)
    return _again(curves.accuracy_curves(study, x=x, dark=dark), f"Accuracy against {measured.AXES[x].name if x == 'flops' else measured.AXES[x].name.lower()}", several, dark, height)


def layer_times(timing: Timing, *, title: str = "ticket", dark: bool = False) -> go.Figure:
    """A measured ticket layer by layer: the dense time, the ticket's, and what its multiply-adds alone would allow.

    timing: what `lt.bench` gave, or a stored one.
    title: the ticket's name.
    dark: for a dark page.

    Returns: a plotly Figure; milliseconds for the batch, each layer timed alone.
    Errors: AddressError where no layer was timed.
    Source: docs/speed.md.
    Example:
        lt.figures.layer_times(timing)
    """
    if not isinstance(timing, Timing) or not timing.layers:
        raise AddressError("there is no layer in this timing; lt.bench(model, masks, image_shape) times them")
    fig = speed.layer_times(timing, title=title, dark=dark)
    return _titled(fig, "Time of each layer alone", f"{title}: {timing.speedup:.2f} times as fast as the dense network as a whole ({timing.executor} against {timing.baseline})",
                   dark, int(fig.layout.height) + 60)


def _runs(runs: Run | Sequence[Run]) -> list[Run]:
    several = [runs] if isinstance(runs, Run) else list(runs)
    if not several or not all(isinstance(r, Run) for r in several):
        raise AddressError("runs should be a stored run or several, as lt.Store('data/runs').run(run_id) gives them")
    return several


def _again(fig: go.Figure, title: str, runs: Sequence[Run], dark: bool, height: int) -> go.Figure:
    return _titled(fig, title, runs[0].title or runs[0].id if len(runs) == 1 else f"{len(runs)} runs", dark, height)


def _titled(fig: go.Figure, title: str, under: str, dark: bool, height: int) -> go.Figure:
    """The app's figure under a title; its axes stay as they are."""
    said, axes, right = fig.layout.meta, (fig.layout.xaxis.to_plotly_json(), fig.layout.yaxis.to_plotly_json()), fig.layout.margin.r
    titled(fig, title, under, caption=said["caption"], alt=said["alt"], dark=dark, height=height, n=said["n"])
    fig.update_layout(xaxis=axes[0] | {"fixedrange": False}, yaxis=axes[1] | {"fixedrange": False}, margin_r=right)
    return fig
