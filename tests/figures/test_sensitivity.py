"""The map of settings: every cell its number, its colour, its click, and the same in a table and in words."""

import pytest

from lthviz.figures.sensitivity import VALUES, sensitivity, sensitivity_alt, sensitivity_table
from lthviz.tuning import Cell

CELLS = [Cell(g, t, 0.1 * g + 0.02 * t, 0.3 - 0.01 * g, None, 0.5 + 0.01 * t) for g in (2, 4) for t in (0.5, 1.5, 3.0)]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("value", ["coverage", "density", "time"])
def test_every_cell_shows_its_number_and_carries_its_setting(value, dark):
    fig = sensitivity(CELLS, value=value, current=(4, 1.5), where="of round 3", dark=dark)
    heat, marks = fig.data[0], fig.data[1:]
    assert {(g, t): z for j, t in enumerate((0.5, 1.5, 3.0)) for g, z in zip((2, 4), heat.z[j])} == {(c.groups, c.t1): 100 * getattr(c, value) for c in CELLS}
    said = {tuple(k): text for m in marks for k, text in zip(m.customdata or (), m.text or ())}
    assert said == {(c.groups, c.t1): f"{100 * getattr(c, value):.{VALUES[value].digits}f}" for c in CELLS}
    box, = fig.layout.shapes
    assert (box.x0, box.x1, box.y0, box.y1) == (0.5, 1.5, 0.5, 1.5)
    assert fig.layout.meta["n"] == 6 and "of round 3 (n = 6 settings)" in fig.layout.meta["caption"]


def test_what_is_not_known_is_said():
    assert "weights are not kept" in sensitivity(CELLS, value="magnitude").layout.annotations[0].text
    assert "not calibrated" in sensitivity([c._replace(time=None) for c in CELLS], value="time").layout.annotations[0].text
    assert sensitivity([], waiting={8: "dividing, 3 of 17"}).layout.annotations[0].text == "dividing, 3 of 17"
    fig = sensitivity(CELLS, waiting={8: "dividing, 3 of 17"}, current=(8, 1.5))
    assert [a.text for a in fig.layout.annotations] == ["dividing, 3 of 17"] and list(fig.layout.xaxis.ticktext) == ["2", "4", "8"]
    assert not sensitivity(CELLS, current=(4, 1.7)).layout.shapes


def test_table_and_words():
    rows = sensitivity_table(CELLS)
    assert len(rows) == 6 and rows[0] == {"groups": 2, "t1": 0.5, "in blocks (%)": pytest.approx(21), "kept magnitude (%)": None,
                                          "density (%)": pytest.approx(28), "estimated time (% of dense)": pytest.approx(50.5), "blocks": "yes"}
    said = sensitivity_alt(CELLS, "coverage", (2, 1.5))
    assert said == ("In blocks for 6 settings of groups and t1: lowest 21.0 percent with 2 groups and t1 0.5; highest 46.0 percent with 4 groups and t1 3; "
                    "the current setting 23.0 percent.")
    assert "nothing to show yet" in sensitivity_alt([], "coverage")


def test_a_setting_without_a_block_is_grey_and_never_the_best():
    """Its ticket is the unstructured one, which keeps all of the magnitude."""
    cells = [Cell(2, 1.5, 1.0, 0.2, 0.6, None), Cell(4, 1.5, 1.0, 0.1, 0.5, None), Cell(32, 1.5, 0.0, 0.3, 1.0, None)]
    fig = sensitivity(cells, value="magnitude", current=(32, 1.5))
    assert list(fig.data[0].z[0]) == [60, 50, None] and (fig.data[0].zmin, fig.data[0].zmax) == (50, 60)
    said = {tuple(k): text for m in fig.data for k, text in zip(m.customdata if m.customdata is not None else (), m.text or ())}
    assert said == {(2, 1.5): "60", (4, 1.5): "50", (32, 1.5): "no block"}
    assert sensitivity_alt(cells, "magnitude", (32, 1.5)) == (
        "Kept magnitude for 3 settings of groups and t1: lowest 50.0 percent with 4 groups and t1 1.5; highest 60.0 percent with 2 groups and t1 1.5; "
        "1 makes no block; the current setting makes no block.")
    assert "(1 of them)" in fig.layout.meta["caption"] and [r["blocks"] for r in sensitivity_table(cells)] == ["yes", "yes", "none"]
    alone = sensitivity(cells[2:], value="magnitude")
    assert [t.text for t in alone.data if t.text] == [("no block",)] and "highest" not in alone.layout.meta["alt"]
