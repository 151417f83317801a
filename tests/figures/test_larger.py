"""A larger figure is the same figure: against what plotly itself says of each property."""

import plotly.graph_objects as go
import pytest

from lthviz.figures import theme
from lthviz.figures.larger import larger


@pytest.fixture
def fig() -> go.Figure:
    fig = go.Figure()
    fig.add_scatter(x=[1, 2, 3], y=[4.0, 5.0, 6.0], error_y=dict(array=[0.1, 0.2, 0.3], width=4, thickness=1.5), line=dict(width=2, dash="7px,3px"),
                    marker=dict(size=[8, 9, 10], line=dict(width=2)), customdata=[("a", 1), ("b", 2), ("c", 3)], name="one")
    fig.add_bar(x=[1, 2], y=[3, 4], width=0.8, marker=dict(line=dict(width=1)))
    fig.add_annotation(x=2, y=5, text="here", ax=10, ay=-30, font=dict(size=13))
    fig.add_hline(y=5, line=dict(width=1, dash="dot"))
    theme.apply(fig, height=300)
    fig.update_xaxes(range=[0, 4], tickvals=[1, 2], title_text="rounds")
    return theme.meta(fig, caption="What it shows.", alt="In words.", width=3)


def test_everything_in_pixels_grows_and_nothing_else(fig):
    big = larger(fig, 1.5)
    line, bar = big.data
    assert (line.line.width, line.line.dash, tuple(line.marker.size), line.marker.line.width) == (3, "10.5px,4.5px", (12, 13.5, 15), 3)
    assert (line.error_y.width, line.error_y.thickness, tuple(line.error_y.array)) == (6, 2.25, (0.1, 0.2, 0.3))
    assert (bar.width, bar.marker.line.width) == (0.8, 1.5)                                     # a bar is as wide as its axis says
    assert (big.layout.height, big.layout.font.size, big.layout.legend.font.size, big.layout.margin.l) == (450, 21, 19.5, 12)
    x, note = big.layout.xaxis, big.layout.annotations[0]
    assert (x.tickfont.size, x.title.font.size, x.title.standoff, x.ticklen, x.linewidth) == (19.5, 21, 12, 6, 1.5)
    assert (note.font.size, note.ax, note.ay, note.x, note.y) == (19.5, 15, -45, 2, 5)
    assert (big.layout.shapes[0].line.width, big.layout.shapes[0].line.dash, big.layout.shapes[0].y0) == (1.5, "dot", 5)
    assert tuple(line.x) == (1, 2, 3) and tuple(line.y) == (4, 5, 6) and tuple(x.range) == (0, 4) and tuple(x.tickvals) == (1, 2)
    assert [tuple(c) for c in line.customdata] == [("a", 1), ("b", 2), ("c", 3)] and big.layout.meta == fig.layout.meta


def test_the_figure_itself_stays_as_it_is(fig):
    was = fig.to_json()
    larger(fig, 2)
    assert fig.to_json() == was


def test_once_as_large_is_the_same(fig):
    assert larger(fig, 1).to_plotly_json() == fig.to_plotly_json()
