import itertools
import subprocess
import sys

import pytest

from lthviz.figures import theme


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


def test_kinds_of_labels():
    kinds = {"unstructured": "unstructured", "refill": "refill", "refill-rho=0.2": "refill+", "refill-score=remain": "refill",
             "regroup-groups=4-t1=2.0": "regroup", "random-shuffle=channels": "random", "no such": "unstructured"}
    assert {label: theme.kind(label) for label in kinds} == kinds


def test_figures_need_neither_streamlit_nor_torch_nor_files():
    code = "import sys, lthviz.figures; print([m for m in ('streamlit', 'torch', 'h5py', 'torchvision') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
