import dataclasses

import pytest

from lthviz.figures import wording
from lthviz.figures.speed import (
    alternatives,
    alternatives_alt,
    alternatives_table,
    layer_times,
    layer_times_alt,
    layer_times_caption,
    layer_times_table,
)
from lthviz.records import LayerTiming, Timing

LAYERS = (LayerTiming("a.weight", 900, 0.5, 2.0, 1.2, "blocks"), LayerTiming("b.conv.weight", 100, 0.1, 4.0, 0.5, "compact"),
          LayerTiming("c.weight", 700, 0.9, 1.0, 1.0, "dense"))
TIMING = Timing(3, "regroup-groups=4", "cpu", 2, 16, dense_ms=8.0, ticket_ms=3.0, time_ratio=0.38, spread=(0.37, 0.4), flops_ratio=0.31, max_abs_err=1e-6,
                baseline="channels_last", executor="blocks", n=21, layers=LAYERS, others={"eager": 9.5, "channels_last": 8.0, "onnxruntime": 8.8},
                estimated_ms=2.9)


def traces(fig):
    return {t.name: t for t in fig.data if t.name}


@pytest.mark.parametrize("dark", [False, True])
def test_each_layer_has_dense_ticket_and_limit_in_network_order(dark):
    fig = layer_times(TIMING, title="Regroup", dark=dark)
    drawn = traces(fig)
    assert list(drawn["dense"].x) == [2.0, 4.0, 1.0] and list(drawn["Regroup"].x) == [1.2, 0.5, 1.0]
    assert list(drawn["FLOPs limit"].x) == pytest.approx([1.0, 0.4, 0.9])
    for t in (drawn["dense"], drawn["Regroup"], drawn["FLOPs limit"]):
        assert [c[0] for c in t.customdata] == [x.name for x in LAYERS] and list(t.y) == [0, 1, 2]
    top, bottom = sorted(fig.layout.yaxis.range)
    assert fig.layout.yaxis.range[0] > fig.layout.yaxis.range[1] and top < 0 < 2 < bottom      # the image is on top
    assert list(fig.layout.yaxis.ticktext) == ["a", "b.conv", "c"]
    assert [a.text for a in fig.layout.annotations] == ["blocks", "compact", "dense"]
    assert len({drawn[n].marker.symbol for n in ("dense", "Regroup", "FLOPs limit")}) == 3
    assert -0.1 < fig.layout.xaxis.range[0] < 0 and fig.layout.xaxis.range[1] > 4.0 and "16 images" in fig.layout.xaxis.title.text


def test_layers_in_words_and_numbers():
    alt = layer_times_alt(TIMING, title="Regroup")
    assert "3 layers: as Regroup, 2 run faster than dense" in alt
    assert "the most gains b.conv, 0.500 ms against 4.00 ms" in alt and "the least c, 1.00 ms against 1.00 ms" in alt
    assert layer_times_table(TIMING)[1] == {"layer": "b.conv.weight", "kept weights": 100, "dense (ms)": 4.0, "ticket (ms)": 0.5, "ticket ÷ dense": 0.125,
                                            "multiply-adds (%)": 10.0, "multiply-adds would allow (ms)": 0.4, "runs as": "compact"}
    assert "n = 3 layers" in layer_times_caption(TIMING)
    assert layer_times(TIMING).layout.meta["alt"] == layer_times_alt(TIMING)


def test_no_layer_says_so():
    for t in (None, dataclasses.replace(TIMING, layers=())):
        assert layer_times(t).layout.annotations[0].text == "No layer is measured yet" and "no layer is measured yet" in layer_times_alt(t)
        assert layer_times_table(t) == []


def test_the_alternatives_stand_by_their_time_with_the_ticket_and_the_baseline_told_apart():
    (bars,) = alternatives(TIMING, title="Regroup").data
    assert list(bars.y)[::-1] == ["Regroup", "channels_last", "onnxruntime", "eager"] and list(bars.x)[::-1] == [3.0, 8.0, 8.8, 9.5]
    assert list(bars.marker.line.width)[::-1] == [0, 1.5, 0, 0]
    colours = list(bars.marker.color)[::-1]
    assert colours[0] not in colours[1:] and len(set(colours[1:])) == 1
    assert alternatives_alt(TIMING, title="Regroup").endswith("Regroup 3.00 ms; channels_last 8.00 ms; onnxruntime 8.80 ms; eager 9.50 ms.")
    assert [r["is"] for r in alternatives_table(TIMING)] == ["ticket", "baseline", "dense", "dense"]


def test_the_tickets_other_forms_and_remarks_are_told():
    more = dataclasses.replace(TIMING, conditions={"executors": {"blocks": 3.1, "compact": 3.6, "dense": 8.0}, "dense_layers": ["stem.weight"],
                                                   "warnings": ["c.weight: nothing is kept in this layer"], "baselines_failed": {"torch.compile": "no compiler"},
                                                   "executors_failed": {}})
    assert [(r["form"], r["is"], r["time (ms)"]) for r in alternatives_table(more, title="Regroup")][:3] == [
        ("Regroup", "ticket", 3.0), ("Regroup, compact", "other form", 3.6), ("channels_last", "baseline", 8.0)]
    opacity = list(alternatives(more).data[0].marker.opacity)[::-1]
    assert opacity[1] < opacity[0]
    assert wording.remarks(more) == ["c.weight: nothing is kept in this layer", "without a mask, and so run dense: stem.weight",
                                     "torch.compile, a dense form, was not timed: no compiler"]
    assert wording.remarks(TIMING) == []


def test_a_disturbed_measurement_is_marked_in_both_figures():
    busy = dataclasses.replace(TIMING, conditions={"others_cores": 1.2})
    calm, drawn = traces(layer_times(TIMING, title="Regroup"))["Regroup"], traces(layer_times(busy, title="Regroup"))["Regroup"]
    assert drawn.marker.symbol != calm.marker.symbol and "open" in drawn.marker.symbol and list(drawn.x) == list(calm.x)
    why = "measured on a busy machine, so doubtful: other processes kept 1.2 cores busy meanwhile"
    assert all(why in h for h in drawn.hovertext) and not any("busy" in h for h in calm.hovertext)
    assert why in layer_times_alt(busy) and "measured on a busy machine" in layer_times_caption(busy)
    assert {r["disturbed"] for r in layer_times_table(busy)} == {"other processes kept 1.2 cores busy meanwhile"}
    (bars,) = alternatives(busy).data
    assert list(bars.marker.pattern.shape)[::-1] == ["/", "/", "", ""] and not any(alternatives(TIMING).data[0].marker.pattern.shape)
    assert why in alternatives_alt(busy) and why in bars.hovertext[0] and "Hatched" in alternatives(busy).layout.meta["caption"]
    assert all(r["disturbed"] for r in alternatives_table(busy))
    assert "busy" not in "".join(f(TIMING) for f in (layer_times_alt, layer_times_caption, alternatives_alt))


def test_a_removed_layer_takes_no_time():
    gone = dataclasses.replace(TIMING, layers=(LAYERS[0], dataclasses.replace(LAYERS[1], kept=0, flops_ratio=0.0, ticket_ms=0.0, executor="removed")))
    assert "the most gains b.conv, 0 ms against 4.00 ms" in layer_times_alt(gone)
    assert "0.00 of its time" in traces(layer_times(gone))["dense"].hovertext[1] and layer_times_table(gone)[1]["ticket ÷ dense"] == 0


def test_a_baseline_that_is_not_among_the_others_is_shown_all_the_same():
    only = dataclasses.replace(TIMING, others={})
    assert [(r["form"], r["time (ms)"]) for r in alternatives_table(only, title="Regroup")] == [("Regroup", 3.0), ("channels_last", 8.0)]
    slow = dataclasses.replace(TIMING, ticket_ms=20.0)
    assert alternatives_table(slow)[-1]["is"] == "ticket"


def test_words_of_elsewhere_are_escaped():
    evil = dataclasses.replace(TIMING, layers=(dataclasses.replace(LAYERS[0], name="<i>.weight", executor="<a href='h'>"),))
    fig = layer_times(evil)
    assert "<a" not in fig.layout.annotations[0].text and "<i>" not in traces(fig)["dense"].hovertext[0]
