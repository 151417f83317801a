"""Drawings: where values lie, what is cut off, labels that keep clear; and all drawings of the chapters measured in a browser."""

import base64
import itertools
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import streamlit
from hypothesis import given
from hypothesis import strategies as st

from lthviz.figures import theme
from lthviz.ui.learn.drawing import SMALL, Box, Canvas, colour_of, symbol_of
from lthviz.ui.learn.figure.svg import checked
from lthviz.ui.learn.plot import Axis, Plot, linear, shares, speeds
from tests.ui.learn.evidences import examples, sound, texts

BOX = Box(40, 20, 340, 220)


def test_axes_place_values():
    x, y = shares(0.1), linear(0, 100, "accuracy (%)")
    plot = Plot(Canvas(280), x, y, BOX)
    assert plot.px(1.0) == 40 and plot.px(0.1) == pytest.approx(340) and plot.px(math.sqrt(0.1)) == pytest.approx(190)
    assert plot.py(0) == 220 and plot.py(100) == 20 and plot.py(25) == 170
    assert [words for _, words in x.ticks] == ["100 %", "50 %", "20 %", "10 %"] and [words for _, words in y.ticks] == ["0", "20", "40", "60", "80", "100"]
    assert [words for _, words in speeds(0.9, 4.2).ticks] == ["1×", "2×", "3×"]


@given(st.floats(-50, 90), st.floats(0.05, 100))
def test_round_ticks_are_few_and_inside(low, wide):
    axis = linear(low, low + wide, "")
    values = [v for v, _ in axis.ticks]
    assert len(values) <= 7 and all(low - 1e-6 <= v <= low + wide + 1e-6 for v in values) and len({w for _, w in axis.ticks}) == len(values)
    steps = {round((b - a) / (values[1] - values[0]), 6) for a, b in itertools.pairwise(values)}
    assert steps <= {1.0}


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-300, 300)), min_size=2, max_size=12, unique_by=lambda p: p[0]))
def test_lines_stay_within_the_axes_and_on_themselves(points):
    points = sorted(points)
    canvas = Canvas(280)
    plot = Plot(canvas, Axis(0, 10, ""), Axis(0, 100, ""), BOX)
    before = len(canvas.parts)
    plot.line(points, "red")
    placed = [(40 + 30 * x, 220 - 2 * y) for x, y in points]
    for part in canvas.parts[before:]:
        for pair in re.search(r"points='([^']*)'", part)[1].split():
            at = tuple(map(float, pair.split(",")))
            assert 19.9 <= at[1] <= 220.1 and min(distance(at, a, b) for a, b in itertools.pairwise(placed)) < 0.11
    assert any(1 <= y <= 99 for _, y in points) <= (len(canvas.parts) > before)


def distance(p, a, b):
    """Of a point from a segment."""
    length = math.dist(a, b) ** 2
    t = min(1.0, max(0.0, ((p[0] - a[0]) * (b[0] - a[0]) + (p[1] - a[1]) * (b[1] - a[1])) / length)) if length else 0.0
    return math.dist(p, (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])))


@given(st.lists(st.tuples(st.floats(45, 335), st.floats(25, 215)), max_size=30))
def test_labels_keep_clear_of_each_other(points):
    canvas = Canvas(280)
    Plot(canvas, linear(0, 10, "speed"), linear(0, 10, "accuracy"), BOX)
    for x, y in points:
        canvas.mark(x, y, "square", "red")
    before, stood = len(canvas.texts), sum(canvas.label(x, y, f"round {i}") for i, (x, y) in enumerate(points))
    assert len(canvas.texts) - before == stood
    for box in canvas.texts[before:]:
        assert not any(box.meets(mark) for mark in canvas.marks)
    sound(canvas.svg())


def test_names_beside_ends_stand_apart():
    canvas = Canvas(280)
    plot = Plot(canvas, linear(0, 10, "x"), linear(0, 10, "y"), BOX)
    plot.names([(100, "one", "red"), (101, "two", "red"), (219, "three", "red"), (220, "four", "red")])
    at = [float(x.get("y")) for x in ElementTree.fromstring(canvas.svg()).iter() if x.tag.endswith("text") and x.text in ("one", "two", "three", "four")]
    assert all(b - a >= 13.9 for a, b in itertools.pairwise(at)) and at[-1] <= 226


def test_every_method_has_a_colour_for_both_themes_and_a_shape():
    canvas = Canvas(100)
    for i, label in enumerate(theme.STYLES):
        canvas.mark(10 + 20 * i, 20, symbol_of(label), colour_of(label), title=f"<{label}> & more")
    svg = canvas.svg()
    for label, style in theme.STYLES.items():
        assert f"{colour_of(label)[4:-1]}:light-dark({style.colour}, {style.on_dark})" in svg
    paths = re.findall(r"<path d='([^']*)'", svg)
    assert len(paths) == len(theme.STYLES) and "&lt;refill&gt; &amp; more" in svg
    checked(svg)


def test_words_are_escaped():
    canvas = Canvas(50)
    canvas.text(0, 20, "<script>alert(1)</script>", size=SMALL)
    assert "<script" not in canvas.svg() and texts(canvas.svg()) == ["<script>alert(1)</script>"]


def drawings():
    from lthviz.ui import cache
    from lthviz.ui.learn import evidence
    from lthviz.ui.learn.chapters import curve, fooled, price, ticket, ticket_round

    of, speed = evidence.found(), evidence.found("speed")
    made = [*ticket.frames(of)[0][::5], *ticket.frames(of, True)[0][::9], *price.frames(speed, True)[0][::5], *ticket_round.frames(ticket_round.shown(of), cache.round), *price.frames(speed)[0][::3], *curve.frames(speed), *fooled.frames(of, speed)]
    return [f.drawing for f in made]


def test_in_the_app_s_letters_no_text_stands_on_another(browser, tmp_path, monkeypatch):
    """With the font that the app serves, as a browser sets it."""
    examples(tmp_path, monkeypatch)
    font = next((Path(streamlit.__file__).parent / "static").rglob("SourceSansVF-Upright*.woff2"))
    face = f"@font-face {{ font-family: S; src: url(data:font/woff2;base64,{base64.b64encode(font.read_bytes()).decode()}); font-weight: 200 900 }}"
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(f"<style>{face} body {{ font-family: S; margin: 0 }}</style>" + "".join(drawings()))
    page.evaluate("document.fonts.load('600 13px S').then(() => document.fonts.ready)")
    found = page.evaluate("""[...document.querySelectorAll('svg')].map(svg => ({wide: svg.viewBox.baseVal.width, high: svg.viewBox.baseVal.height,
        boxes: [...svg.querySelectorAll('text')].map(t => { const b = t.getBBox(), size = +t.getAttribute('font-size'), y = +t.getAttribute('y');
            return [b.x, y - 0.66 * size, b.x + b.width, y + 0.2 * size, t.textContent] })}))""")
    page.close()
    assert len(found) > 30
    for of in found:
        for a in of["boxes"]:
            assert a[0] >= 0 and a[2] <= of["wide"] and a[1] >= 0 and a[3] <= of["high"], a
        for a, b in itertools.combinations(of["boxes"], 2):
            assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]), (a, b)
