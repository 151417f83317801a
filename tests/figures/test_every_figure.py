"""Every figure function of lthviz.figures: what it says of itself, its axes, both themes, and that a redraw keeps what the reader set."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from lthviz.figures import accuracy, curves, layer_rounds, measured, replicate_curves, speed, theme, training, training_rounds
from lthviz.figures.layer_rounds import LayerRounds
from lthviz.figures.training_rounds import TrainingRounds
from lthviz.records import Curve, Epoch
from lthviz.ui import figure
from tests.figures import test_replicate_curves as of_seeds
from tests.figures import test_speed as of_speed

RUNS = of_seeds.SEEDS
TIMED = measured.study(RUNS[:1], {r.id: list(of_seeds.timings(r)) for r in RUNS})
ROUNDS = LayerRounds("run-1", "Refill", ("a", "b"), (1, 2, 3), np.array([[1.0, 0.5, 0.004], [0.2, np.nan, 0.0]]))
EPOCHS = [Epoch(2, "refill", e, 4, 3.0 / e, 50.0 + e, 40.0 + e, 0.1, 0.5) for e in range(1, 5)]
TRAININGS = TrainingRounds("run-1", "refill", "Refill", {0: Curve.of(EPOCHS), 2: Curve.of(EPOCHS[:1]), 3: Curve.of(EPOCHS)})
DRAWN = {   # every function that returns a figure, called with something to show
    accuracy.accuracy_vs_density: lambda dark: accuracy.accuracy_vs_density(RUNS, dark=dark),
    curves.accuracy_curves: lambda dark: curves.accuracy_curves(TIMED, dark=dark),
    replicate_curves.replicate_curves: lambda dark: replicate_curves.replicate_curves(of_seeds.of(), dark=dark),
    layer_rounds.layer_rounds: lambda dark: layer_rounds.layer_rounds(ROUNDS, dark=dark),
    speed.layer_times: lambda dark: speed.layer_times(of_speed.TIMING, title="Regroup", dark=dark),
    speed.alternatives: lambda dark: speed.alternatives(of_speed.TIMING, title="Regroup", dark=dark),
    training.loss_curve: lambda dark: training.loss_curve(EPOCHS, dark=dark),
    training_rounds.training_rounds: lambda dark: training_rounds.training_rounds(TRAININGS, dark=dark),
}
UNITS = re.compile(r"\([^)]+\)( +<b>.*)?$|^ms |^round$|^epoch|^layer")
"""A title of an axis: a quantity with its unit, or a count of things."""
CATEGORIES = {speed.alternatives: {"yaxis"}, speed.layer_times: {"yaxis"}, layer_rounds.layer_rounds: set()}
"""Axes of names, which say what they are by their labels."""


def test_no_figure_function_is_missing_here():
    folder = Path(inspect.getfile(theme)).parent
    found = {name for file in folder.glob("*.py") if file.stem not in ("theme", "scales", "sensitivity", "larger")   # larger enlarges those of others
             for name in re.findall(r"^def ([a-z]\w*)\((?:[^)]|\n)*?\) -> go\.Figure:", file.read_text(), re.M)}
    assert found == {f.__name__ for f in DRAWN}


@pytest.mark.parametrize("draw", DRAWN, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_says_what_it_shows_in_words_axes_and_units(draw, dark):
    fig = DRAWN[draw](dark)
    said = fig.layout.meta
    assert said["caption"].endswith(".") and said["alt"].endswith(".") and said["n"] >= 1
    assert fig.layout.uirevision == "keep" and fig.layout.font.color == theme.palette(dark).text
    assert fig.layout.paper_bgcolor == "rgba(0,0,0,0)"
    axes = {name: fig.layout[name] for name in fig.layout if name.startswith(("xaxis", "yaxis")) and name not in CATEGORIES.get(draw, ())}
    shown = {name: a for name, a in axes.items() if a.visible is not False and a.showticklabels is not False}
    titles = {name: a.title.text or next((x.text for x in fig.layout.annotations if UNITS.search(x.text or "")), "") for name, a in shown.items()}
    assert titles and all(UNITS.search(t) for t in titles.values()), titles
    assert isinstance(fig, go.Figure) and fig.to_json()


@pytest.mark.parametrize("draw", DRAWN, ids=lambda f: f.__name__)
def test_it_has_a_table_twin_with_the_names_of_its_family(draw):
    for end in ("table", "alt", "caption"):
        name = f"{draw.__name__}_{end}"
        homes = [draw.__module__, f"{draw.__module__}_words", "lthviz.figures.replicated_words"]
        assert any(hasattr(__import__(home, fromlist=["x"]), name) for home in homes if _there(home)), name


def _there(module: str) -> bool:
    try:
        __import__(module)
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("draw", DRAWN, ids=lambda f: f.__name__)
def test_the_line_under_it_names_the_run(draw):
    said = DRAWN[draw](False).layout.meta
    runs = said.get("runs") or ["the-run-of-the-address"]
    line = f"{said['caption']} {figure.origin(said, 'the-run-of-the-address')}"
    assert all(r in line for r in runs[:3])
    assert figure.origin({"caption": "Of run x.", "runs": ["x"]}) == "" and figure.origin({"caption": "", "runs": list("abcde")}) == "Runs a, b, c and 2 more."


# The density of layers over rounds ------------------------------------------------------------------------------------


def test_shades_numbers_and_words_of_the_layers_are_the_densities():
    fig = layer_rounds.layer_rounds(ROUNDS)
    heat = fig.data[0]
    assert np.allclose(np.array(heat.z, float), [[2, np.log10(50), 0], [np.log10(20), np.nan, 0]], equal_nan=True, atol=1e-4)
    assert [list(row) for row in heat.text] == [["100", "50", "0.4"], ["20", "", "0"]]
    said = {(a.y, a.x): (a.text, a.font.color) for a in fig.layout.annotations}
    assert [said[0, i] for i in (0, 2)] == [("100", "#FFFFFF"), ("0.4", "#000000")], "white on dark cells, black on light ones"
    assert (layer_rounds.ink("#000000"), layer_rounds.ink("#FFFFFF"), layer_rounds.ink("#0072B2")) == ("#FFFFFF", "#000000", "#FFFFFF")
    assert heat.customdata[1][1] == "not trained" and heat.customdata[0][2] == "0.40 % kept"
    assert fig.layout.yaxis.autorange == "reversed", "the image is on top"
    assert "in round 3 it keeps from 0.0 percent of b to 0.4 percent of a" in layer_rounds.layer_rounds_alt(ROUNDS)
    assert layer_rounds.layer_rounds_table([ROUNDS]) == [{"layer": "a", "round 1 (%)": 100.0, "round 2 (%)": 50.0, "round 3 (%)": 0.4},
                                                         {"layer": "b", "round 1 (%)": 20.0, "round 2 (%)": None, "round 3 (%)": 0.0}]


def test_two_tables_of_layers_share_their_rounds():
    other = LayerRounds("run-2", "Refill", ("a",), (2, 5), np.array([[0.25, 0.125]]), "B")
    rows = layer_rounds.layer_rounds_table([ROUNDS, other])
    assert rows[2] == {"of": "Refill of B", "layer": "a", "round 1 (%)": None, "round 2 (%)": 25.0, "round 3 (%)": None, "round 5 (%)": 12.5}


def test_a_network_that_is_not_built_yet_says_so():
    empty = LayerRounds("run-1", "Refill", (), (), np.zeros((0, 0)))
    assert layer_rounds.layer_rounds(empty).layout.annotations[0].text == "No ticket to show yet" and "no ticket to show yet" in layer_rounds.layer_rounds_alt(empty)
