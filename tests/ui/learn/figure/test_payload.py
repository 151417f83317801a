"""What is sent of a figure, decoded again by a plain loop, and what is refused."""

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz.ui.learn.figure import ADDED, KEPT, NEVER, REMOVED, Band, Control, Frame, Matrix, Picture
from lthviz.ui.learn.figure.payload import number, payload
from lthviz.ui.learn.figure.svg import checked
from lthviz.ui.learn.figure.view import _cell
from tests.ui.learn.figure.planted import PLANT

CODES = np.array([[NEVER, KEPT, ADDED], [REMOVED, KEPT, NEVER]], np.uint8)
MATRIX = Matrix(np.arange(6.0).reshape(2, 3), (2, 3), "W")
BANDS = (Band((1,), (2, 0, 1), "a", 2, 0), Band((0,), (0, 1, 2)))
DRAWING = '<svg viewBox="0 0 9 9"><rect width="4" height="4" fill="var(--added)"/></svg>'


@st.composite
def pictures(draw):
    """(shape, pictures of one matrix): codes, bands that divide the rows, texts and flags."""
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    out = []
    for _ in range(draw(st.integers(1, 4))):
        rng = np.random.default_rng(draw(st.integers(0, 2**31)))
        cuts = sorted(rng.choice(np.arange(1, rows), size=rng.integers(0, rows), replace=False)) if rows > 1 else []
        bands = tuple(Band(tuple(part), tuple(rng.permutation(columns)), "ab"[:rng.integers(0, 3)], int(rng.integers(0, columns + 1)), int(rng.integers(-1, 9)))
                      for part in np.split(rng.permutation(rows), cuts))
        bands = bands if rng.random() < 0.7 else ()
        out.append(Picture(rng.integers(0, 4, (rows, columns)).astype(np.uint8), bands, tuple(str(x) for x in rng.integers(0, 3, rows)) if rng.random() < 0.5 else (),
                           tuple(rng.random(rows)) if rng.random() < 0.5 else (), tuple("x" * columns) if len(bands) <= 1 else (), rng.random((rows, columns)) < 0.5 if rng.random() < 0.5 else None))
    return (rows, columns), out


@given(pictures())
def test_every_frame_can_be_read_back_from_what_is_sent(made):
    shape, of = made
    frames = [Frame(f"frame {i % 2}", (p,)) for i, p in enumerate(of)]
    sent = json.loads(json.dumps(payload(frames, [Control("place", tuple(map(str, range(len(of)))), "slider")], [Matrix(None, shape, "W")], "key")))
    pool = sent["pool"]
    for frame, there, p in zip(frames, sent["frames"], of, strict=True):
        assert pool[there["said"]] == frame.said
        (got,) = there["pictures"]
        for r in range(shape[0]):
            for c in range(shape[1]):
                assert pool[got["codes"]][r * shape[1] + c] == str(p.codes[r, c])
                if p.pale is not None and p.pale.any():
                    assert pool[got["pale"]][r * shape[1] + c] == str(int(p.pale[r, c]))
        assert [tuple(map(int, b.rows)) for b in p.bands] == [tuple(b[0]) for b in (pool[got["bands"]] if p.bands else [])]
        for b, (_, cols, name, block, hue) in zip(p.bands, pool[got["bands"]] if p.bands else [], strict=True):
            assert (tuple(map(int, b.cols)), b.name, b.block, b.hue) == (tuple(cols), name, block, hue)
        assert tuple(pool[got["notes"]] if p.notes else ()) == p.notes
        assert np.allclose(pool[got["bars"]] if p.bars else (), p.bars, atol=1e-4)
    assert len({json.dumps(v) for v in pool}) == len(pool)


def test_the_last_control_runs_fastest_and_the_count_must_fit():
    picture = Picture(CODES)
    controls = [Control("a", ("0", "1"), "choice"), Control("b", ("0", "1", "2"), "steps")]
    frames = [Frame(f"{a} {b}", (picture,)) for a in range(2) for b in range(3)]
    sent = payload(frames, controls, [MATRIX], "key")
    assert [sent["pool"][f["said"]] for f in sent["frames"]] == ["0 0", "0 1", "0 2", "1 0", "1 1", "1 2"]
    for wrong in (frames[1:], frames * 2, []):
        with pytest.raises(ValueError, match=r"frames for 6 combinations of 2 × 3"):
            payload(wrong, controls, [MATRIX], "key")
    with pytest.raises(ValueError, match="2 frames for 1 combinations of no controls"):
        payload(frames[:2], [], [MATRIX], "key")


@given(st.floats(-1e6, 1e6))
def test_a_number_has_two_significant_digits(value):
    text = number(value)
    shown = Decimal(text.replace("\u2212", "-"))
    assert "-" not in text and len(text) <= 8
    if value == int(value) or abs(value) >= 10:
        assert abs(shown - Decimal(value)) <= Decimal("0.5")
    elif abs(value) >= 0.01:                                      # half of the second significant digit, as decimal arithmetic has it
        exact = Decimal(value)
        assert abs(shown - exact) <= Decimal(5).scaleb(exact.adjusted() - 2) * Decimal("1.0000001")
    else:
        assert abs(shown - Decimal(value)) <= (Decimal("0.0005") if abs(value) >= 0.001 else Decimal("0.00005")) * Decimal("1.0000001")
    assert text == "0" or shown != 0


@pytest.mark.parametrize(("value", "text"), [(0.123, "0.12"), (-1.26, "\u22121.3"), (0.0, "0"), (-0.0, "0"), (12.4, "12"), (7.0, "7"), (0.996, "1.0"), (9.96, "10"),
                                             (0.10, "0.10"), (0.0091, "0.009"), (-0.0042, "\u22120.004"), (0.00996, "0.010"), (0.00034, "0.0003"), (-0.000001, "0"), (128.0, "128")])
def test_numbers_read_as_one_would_write_them(value, text):
    assert number(value) == text


def test_two_matrices_with_one_largest_are_shaded_alike():
    a, b = Matrix(np.array([[0.5, -1.0]]), (1, 2), "a"), Matrix(np.array([[0.5, 2.0]]), (1, 2), "b")
    frame = Frame("said", (Picture(np.zeros((1, 2), np.uint8)),) * 2)
    assert [m["levels"] for m in payload([frame], [], [a, b], "key")["matrices"]] == [[50, 100], [25, 100]]
    assert [m["levels"] for m in payload([frame], [], [replace(a, largest=2.0), b], "key")["matrices"]] == [[25, 50], [25, 100]]


@pytest.mark.parametrize(("change", "words"), [
    (dict(codes=CODES.astype(int)), "codes should be uint8"), (dict(codes=CODES.T.copy()), "codes should be uint8 of shape"), (dict(codes=CODES + np.uint8(2)), "code 5; the last is 3"),
    (dict(bands=BANDS[:1]), "each of 2 rows once"), (dict(bands=(BANDS[0], BANDS[0])), "each of 2 rows once"), (dict(bands=(*BANDS, Band((), (0, 1, 2), "none"))), "'none' has no rows"),
    (dict(bands=(BANDS[0], replace(BANDS[1], cols=(0, 1)))), "each of 3 columns once"), (dict(bands=(BANDS[0], replace(BANDS[1], block=4))), "a block of 4 of 3 columns"),
    (dict(bands=(BANDS[0], replace(BANDS[1], hue=-2))), "hue -2"), (dict(notes=("one",)), "1 notes for 2 rows"), (dict(bars=(0.5, 1.5)), "bars should be 2 numbers from 0 to 1"),
    (dict(under=("a", "b")), "2 texts under 3 columns"), (dict(under=("a", "b", "c"), bands=BANDS), "where there are 2 bands"), (dict(rows_strong=(2,)), "chosen rows"),
    (dict(pale=np.ones((2, 3))), "pale should be bool"), (dict(strong=np.ones((3, 2), bool)), "strong should be bool of shape"),
])
def test_a_picture_that_does_not_fit_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        payload([Frame("said", (replace(Picture(CODES), **change),))], [], [MATRIX], "key")


@pytest.mark.parametrize(("frame", "controls", "matrices", "words"), [
    (Frame("said"), [], [MATRIX], "0 pictures for 1 matrices"), (Frame("", (Picture(CODES),)), [], [MATRIX], "says nothing"),
    (Frame("said", (), DRAWING), [], [], "no words for those who do not see it"),
    (Frame("said", (Picture(CODES),)), [], [replace(MATRIX, values=np.ones((3, 2)))], "values have shape"),
    (Frame("said", (Picture(CODES),)), [], [replace(MATRIX, values=np.full((2, 3), np.inf))], "not finite"),
    (Frame("said", (Picture(CODES),)), [], [replace(MATRIX, rows=("a",))], "1 rows for 2"),
    (Frame("said"), [Control("a", ("0",), "dial")], [], "kind 'dial'"), (Frame("said"), [Control("a", ("0",), "choice")], [], "two to four"),
    (Frame("said"), [Control("a", ("0",), "slider", 1)], [], "starts at 1"), (Frame("said"), [Control("a", ("0",), "slider")] * 2, [], "the same name"),
    (Frame("said"), [Control("a", ("0",), "steps"), Control("b", ("0",), "steps")], [], "two controls of kind 'steps'"),
])
def test_a_figure_that_does_not_fit_is_refused(frame, controls, matrices, words):
    with pytest.raises(ValueError, match=words):
        payload([frame], controls, matrices, "key")


@pytest.mark.parametrize("inside", [
    "<script>alert(1)</script>", "<foreignObject/>", '<rect onclick="x()"/>', '<rect ONLOAD="x()"/>', '<a href="#x"><text>x</text></a>', '<rect href="#x"/>', "<style>rect{}</style>",
    '<rect xmlns:l="http://www.w3.org/1999/xlink" l:href="#x"/>', '<rect fill="url(https://a.example/x)"/>', "<rect style=\"fill: URL( 'https://a.example/x' )\"/>", '<image/>', "<rect",
    '<animate attributeName="x"/>'])
def test_a_drawing_that_could_run_or_fetch_is_refused(inside):
    with pytest.raises(ValueError, match="drawing"):
        checked(f'<svg viewBox="0 0 9 9">{inside}</svg>')


def test_a_drawing_of_shapes_is_taken_and_gets_its_namespace():
    inside = '<defs><pattern id="h"><path d="M0 0"/></pattern></defs><rect fill="url(#h)"/><rect fill="url( \'#h\' )"/><text x="1">5 &lt; 6</text></svg>'
    for head in ('<svg viewBox="0 0 9 9">', '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'):
        assert checked(head + inside) == '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">' + inside
    for other in ("<g/>", "<svg/>", "", "<html viewBox='0 0 1 1'/>"):
        with pytest.raises(ValueError, match="drawing"):
            checked(other)


def test_what_the_browser_sends_is_a_cell_of_an_editable_matrix_or_nothing():
    matrices = [MATRIX, replace(MATRIX, editable=True)]
    assert _cell({"matrix": 1, "row": 1, "column": 2}, matrices) == (1, 1, 2)
    for wrong in (None, "x", {}, {"matrix": 0, "row": 1, "column": 2}, {"matrix": 2, "row": 0, "column": 0}, {"matrix": 1, "row": 2, "column": 0},
                  {"matrix": 1, "row": -1, "column": 0}, {"matrix": 1, "row": 0, "column": 3}, {"matrix": 1, "row": "0", "column": 0}):
        assert _cell(wrong, matrices) is None


def test_two_hundred_frames_are_sent_in_few_bytes():
    rng = np.random.default_rng(0)
    frames = [Frame(f"Rate {i}.", (Picture(rng.integers(0, 4, (12, 16)).astype(np.uint8), tuple(Band(tuple(rows), tuple(rng.permutation(16)), f"group {g}", 5, g)
              for g, rows in enumerate(np.split(rng.permutation(12), 3))), notes=tuple(f"{x} kept" for x in rng.integers(0, 16, 12)), bars=tuple(rng.random(12))),)) for i in range(200)]
    sent = payload(frames, [Control("rate", tuple(map(str, range(200))), "slider")], [Matrix(rng.normal(size=(12, 16)), (12, 16), "W")], "key")
    assert len(json.dumps(sent)) < 300_000


def test_the_planted_figure_has_no_two_frames_alike():
    space = {}
    exec(PLANT, space)
    sent = payload(space["frames"](), space["CONTROLS"], space["matrices"](), "key")
    assert len({json.dumps(f) for f in sent["frames"]}) == 3 * 20 * 2


def test_a_cell_whose_number_is_not_known_has_none():
    values = np.array([[0.5, np.nan, -1.0]])
    (sent,) = payload([Frame("said", (Picture(np.zeros((1, 3), np.uint8)),))], [], [Matrix(values, (1, 3), "W")], "key")["matrices"]
    assert (sent["numbers"], sent["levels"]) == (["0.50", "", "\u22121"], [50, 0, 100])
