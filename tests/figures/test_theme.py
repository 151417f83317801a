import itertools
import subprocess
import sys

import plotly.graph_objects as go
import pytest

from lthviz.config import STRUCTURES, RunConfig
from lthviz.figures import rows, theme
from lthviz.records import Run


def luminance(colour):
    def linear(v):
        return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
    r, g, b = (linear(int(colour[i:i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark, page", [(False, "#FFFFFF"), (True, "#15171B")])
def test_everything_can_be_made_out_on_the_page(dark, page):
    p = theme.palette(dark)
    assert contrast(p.text, page) >= 7 and contrast(p.muted, page) >= 4.5
    for colour in (p.accent, p.added, p.removed, *(s.line(dark) for s in theme.STYLES.values())):
        assert contrast(colour, page) >= 3, colour
    for a, b in itertools.combinations([p.kept, p.added, p.paper], 2):
        assert contrast(a, b) >= 1.9, (a, b)


def test_the_two_colours_of_change_are_the_agreed_ones():
    assert (theme.LIGHT.added, theme.LIGHT.removed) == (theme.DARK.added, theme.DARK.removed) == ("#0072B2", "#D55E00")


def test_every_method_is_told_from_the_others_by_colour_and_by_marker():
    assert {"dense", "unstructured", "refill+", *STRUCTURES} == theme.STYLES.keys()
    for cue in ("colour", "on_dark", "symbol"):
        assert len({getattr(s, cue) for s in theme.STYLES.values()}) == len(theme.STYLES), cue
    for kind, s in theme.STYLES.items():
        go.Scatter(marker_symbol=s.symbol, line_dash=s.dash)     # plotly knows them
        assert theme.kind(kind) == kind


def test_methods_are_called_by_their_titles_until_two_of_a_kind_meet():
    config = RunConfig(structures=("refill", "refill-rho=0.2", "nm", "nm-n=1", "reinit-of=refill~rho=0.2", "synflow", "random-shuffle=channels-of=refill"))
    run = Run("x", config, (), {}, (), (), 0.0)
    labels = [s.label for s in config.structures]
    assert [rows.short(run, label, labels) for label in labels] == ["Refill", "Refill+", "N:M (2:4)", "N:M (1:4)", "Re-initialised", "SynFlow", "Random"]
    assert rows.title(run, labels[4]) == "Re-initialised Refill+ (ρ 0.2)" and rows.title(run, labels[6]) == "Random (shuffle channels, as Refill)"


def test_kinds_of_labels():
    kinds = {"unstructured": "unstructured", "refill": "refill", "refill-rho=0.2": "refill+", "refill-score=remain": "refill",
             "regroup-groups=4-t1=2.0": "regroup", "random-shuffle=channels": "random", "no such": "unstructured"}
    assert {label: theme.kind(label) for label in kinds} == kinds


def test_figures_need_neither_streamlit_nor_torch_nor_files():
    code = "import sys, lthviz.figures; print([m for m in ('streamlit', 'torch', 'h5py', 'torchvision') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
