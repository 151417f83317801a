"""The report of a run: its numbers against the run's own, its data against the masks, nothing from outside, nothing that a name could smuggle in."""

import base64
import dataclasses
import json
import re
import zlib

import numpy as np
import pytest

from lthviz import report
from lthviz.config import RunConfig
from lthviz.errors import AddressError
from lthviz.records import Address, Checkpoint, Masks, Round, Ticket
from lthviz.report import masks as choosing
from lthviz.report.markup import number, script, table
from lthviz.report.material import gather
from tests import shipped
from tests.report.reading import Page

RUN = shipped.FIRST
SECTIONS = ["Summary", "Accuracy", "Tickets", "Where the weights are", "How they trained", "Masks", "Settings", "Machine and versions", "How to make it again"]


def test_its_sections_stand_in_their_order(source):
    assert re.findall(r"<h2[^>]*>([^<]*)</h2>", source) == SECTIONS


def test_the_table_of_tickets_is_the_runs_own_rows(whole, page):
    run, found = whole.run(RUN), page.tables[f"lthviz-tickets-{RUN}"]
    assert [int(x) for x in found.column("round")] == [r["round"] for r in run.rows]
    for column, field, scale in (("test accuracy (%)", "test_acc", 1), ("validation accuracy (%)", "val_acc", 1), ("kept weights (%)", "density", 100),
                                 ("effective density (%)", "effective_density", 100), ("training (s)", "seconds", 1)):
        assert [float(x) for x in found.column(column)] == [scale * r[field] for r in run.rows], column
    timed = {(t.round, t.structure): t for t in whole.timings(RUN)}
    for row, r in zip(found.exact, run.rows):
        t = timed.get((r["round"], r["structure"])) if r["round"] else None
        assert row[found.head.index("measured speedup (×)")] == ("–" if t is None else repr(1 / t.time_ratio))


def test_the_sparsest_winning_ticket_is_the_one_a_loop_finds(whole, page):
    run, found = whole.run(RUN), page.tables[f"lthviz-winners-{RUN}"]
    dense = next(r["test_acc"] for r in run.rows if r["round"] == 0)
    for row, label in zip(found.exact, run.config.tickets(1), strict=True):
        winning = [r for r in run.rows if r["round"] and r["structure"] == label and r["test_acc"] >= dense - 0.25]
        best = min(winning, key=lambda r: r["density"], default=None)
        assert row[1] == (f"round {best['round']}" if best else "none wins")
        assert row[2] == ("–" if best is None else repr(100 * best["density"]))
    assert f"{dense:.2f} %" in page.text and "596 images" in page.text


def test_the_masks_in_it_are_the_masks_of_the_run(whole, page):
    given = json.loads(page.script("mask-data"))
    run = whole.run(RUN)
    assert given["rounds"] == list(range(1, 13)) and [x for x, _ in given["layers"]] == [x.name for x in run.layers]
    rng = np.random.default_rng(0)
    for key in rng.choice(sorted(given["views"]), 12, replace=False).tolist():
        k, label, layer = key.split("/")
        view, C, n = given["views"][key], *run.by_name[layer].matrix
        parts = {name: zlib.decompress(base64.b64decode(given["parts"][part])) for name, _, _, part in view["parts"]}
        def bits(name, parts=parts, C=C, n=n):
            return np.unpackbits(np.frombuffer(parts[name], np.uint8), count=C * n).astype(bool).reshape(C, n)
        assert np.array_equal(bits("after"), whole.mask(Address(RUN, int(k), label, layer)).reshape(C, n))
        was = Address(RUN, int(k), "unstructured", layer) if label != "unstructured" else Address(RUN, int(k) - 1, "unstructured", layer)
        assert np.array_equal(bits("before"), whole.mask(was).reshape(C, n))
        blocks = whole.ticket(Address(RUN, int(k), label)).blocks.get(layer)
        if label.startswith("regroup") and blocks:
            assert [np.frombuffer(parts[f"rows{b}"], "<u2").tolist() for b in range(len(blocks))] == [r.tolist() for r in blocks.rows]


def test_the_numbers_of_a_figure_are_those_that_are_drawn(whole, page):
    data = json.loads(page.script("figure-data"))
    drawn = sorted(v for t in data["accuracy-kept"]["light"]["data"] if t["mode"] == "lines+markers+text" for v in t["y"] if v is not None)
    told = page.tables[f"lthviz-accuracy-kept-{RUN}"]
    assert drawn == pytest.approx(sorted(float(a) for a, k in zip(told.column("test accuracy (%)"), told.column("round")) if k != "0"))
    assert data["accuracy-kept"]["dark"]["layout"]["font"]["color"] != data["accuracy-kept"]["light"]["layout"]["font"]["color"]


def test_nothing_in_it_leads_outside(page):
    assert {x for x in page.links if not x.startswith("#")} == set()
    assert not page.handlers and all("url(" not in s and "@import" not in s for s in page.styles)
    assert "default-src 'none'" in report.page.POLICY


def test_every_figure_has_a_sentence_with_n_and_run_words_and_numbers(source):
    figures = re.findall(r'<figure id="fig-[^>]*>.*?</figure>', source, re.S)
    assert len(figures) == 3 + 4 + 4 + 1
    for figure in figures:
        caption = re.search(r"<figcaption>(.*?)</figcaption>", figure, re.S)[1]
        assert RUN in caption and re.search(r"\(n = \d+", caption) and "<details>" in figure and "<table" in figure
        assert 'id="mask-view"' in figure or re.search(r'role="group" aria-label="[^"]{40,}"', figure)


def test_the_same_store_gives_the_same_bytes_in_a_file_of_moderate_size(whole, source, tmp_path):
    report.write(whole, RUN, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == source.encode() and len(source) < 9_000_000
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


# Names and notes -------------------------------------------------------------------------------------------------------


def test_what_people_write_is_text_and_never_markup(cut, whole):
    store, evil = cut(2), "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>"
    store.set_about(RUN, title="<script>window.broken=1</script>", note=f"first line\n{evil}")
    usual = next(t for t in whole.timings(RUN) if (t.round, t.structure) == (1, "refill"))
    store.put_timing(RUN, dataclasses.replace(usual, conditions={**usual.conditions, "cpu": evil, "system": evil}))
    source = report.html(store, RUN)
    page = Page(source)
    store.set_about(RUN, title="plain", note="plain")
    assert Page(report.html(store, RUN)).counts["script"] == page.counts["script"] and "img" not in page.counts and not page.handlers
    assert "<script>window.broken=1</script>" in page.text and f"first line\n{evil}" in page.text
    data = page.script("figure-data")
    assert "<" not in data and "\\u003c/script>" not in json.dumps(json.loads(page.script("mask-data")))
    assert any("broken" in str(t.get("hovertext")) for t in json.loads(data)["accuracy-speed"]["light"]["data"])


@pytest.mark.parametrize("value", ["</script>", "<!--<script>", "a & b", '"', "\u2028", "é"])
def test_json_in_a_script_holds_no_bracket_and_reads_back(value):
    assert "<" not in script({value: [value]}) and json.loads(script({value: [value]})) == {value: [value]}


def test_cells_and_heads_are_escaped_and_numbers_read_back():
    made = table([{"<b>": "<i>", "share (%)": 12.3456789, "n": 1234567, "less (points)": -0.5}], "a & b", file='"x')
    found = Page(made)
    assert "b" not in found.counts and "i" not in found.counts and 'aria-label="a &amp; b"' in made and 'data-file="&quot;x"' in made
    assert found.tables['"x'].rows == [["<i>", "12.35", "1,234,567", "−0.50"]] and found.tables['"x'].exact[0][1] == "12.3456789"
    assert [number(v, "x (%)") for v in (None, True, 0.001, 1e-9)] == ["–", "yes", "0.001", "1e-09"]


# What is missing -------------------------------------------------------------------------------------------------------


def test_a_run_without_timings_says_so_and_has_no_figure_of_speed(cut):
    page = Page(report.html(cut(3), RUN))
    assert "No ticket's speed is measured" in page.text and {"accuracy-kept", "accuracy-effective"} == {k for k in json.loads(page.script("figure-data")) if k.startswith("acc")}
    assert "Unfinished: the dense network and 2 of 12 pruning rounds" in page.text


def test_the_dense_network_alone(cut):
    page = Page(report.html(cut(1), RUN))
    assert "No pruned ticket has been trained yet: there is the dense network alone, with 94.80 % test accuracy." in page.text
    assert "no weight is pruned yet" in page.text and list(json.loads(page.script("figure-data"))) == ["training-unstructured"]
    assert "the dense network (n = 1 training" in page.text


def test_a_run_that_has_not_begun(cut):
    page = Page(report.html(cut(0), RUN))
    for said in ("Nothing has been trained yet.", "No network has been trained yet, so there is no accuracy", "No ticket has been trained yet.", "No pruned round", "No curve of a training"):
        assert said in page.text
    assert json.loads(page.script("figure-data")) == {} and "mask-data" not in page.ids and "python -m lthviz run --preset digits" in page.text


def test_a_round_at_work_shows_the_tickets_that_are_trained(cut):
    """A checkpoint holds the unfinished round: here round 2 with its unstructured ticket trained and the others made alone."""
    store = cut(2)
    whole = type(store)(store.root.parent / "elsewhere", shipped.EXAMPLES).round(RUN, 2)
    tickets = {label: t if label == "unstructured" else dataclasses.replace(t, test_acc=None, val_acc=None, curve=None, train_seconds=None) for label, t in whole.tickets.items()}
    store.save_checkpoint(RUN, Checkpoint({"done": 1}, {}, Round(2, tickets, 6, False)))
    page = Page(report.html(store, RUN))
    assert page.tables[f"lthviz-tickets-{RUN}"].column("round").count("2") == 1
    given = json.loads(page.script("mask-data"))
    assert given["rounds"] == [1, 2] and [label for label, *_ in given["tickets"][1]] == list(whole.tickets)


@pytest.fixture
def imported(tmp_path, whole):
    """`imported(rounds)`: a run that came from elsewhere with so many pruned states, accuracies unknown."""
    run = whole.run(RUN)

    def make(rounds: int):
        store = type(whole)(tmp_path / "imported", tmp_path / "none")
        config = RunConfig(model="convnet", data="digits", rounds=rounds, structures=(), imported="0123456789ab")
        made = []
        for k in range(rounds + 1):
            ticket = Ticket("unstructured", k, whole.round(RUN, k).tickets["unstructured"].masks)
            made.append((Round(k, {"unstructured": ticket}, len(config.stages(k)), True), [{
                "round": k, "structure": "unstructured", "density": ticket.masks.density(), "effective_density": ticket.masks.density(), "coverage": 0.0, "coverage_layers": 0.0,
                "flops_ratio": ticket.masks.density(), "test_acc": None, "val_acc": None, "dense_acc": None, "seconds": None, "smaller": False, "epoch_seconds": None}]))
        info = {"image_shape": [1, 8, 8], "classes": ["0", "1"], "imported": {"source": "their.pt"}}
        return store, store.put_imported(config, run.layers, info, made, Checkpoint({"done": 0}, {}, made[-1][0]))
    return make


def test_a_network_that_came_without_accuracies(imported):
    store, run_id = imported(2)
    page = Page(report.html(store, run_id))
    assert "The test accuracy of these tickets is not known" in page.text and "no ticket is said to win" in page.text and "It came with 2 pruned states." in page.text
    found = page.tables[f"lthviz-tickets-{run_id}"]
    assert "test accuracy (%)" not in found.head and found.column("round") == ["0", "1", "2"]
    assert json.loads(page.script("mask-data"))["rounds"] == [1, 2] and "taken in from their.pt" in page.text and "layers-unstructured" in page.script("figure-data")


def test_a_run_of_no_rounds(imported):
    page = Page(report.html(*imported(0)))
    assert "The run prunes nothing (rounds = 0): there is the dense network alone, and its test accuracy is not known." in page.text and "It came as a dense network." in page.text


def test_damaged_parts_are_named_and_the_rest_is_there(cut):
    store = cut(4)
    file = store.path(RUN) / "rounds" / "002.h5"
    file.write_bytes(file.read_bytes()[:5000])
    (store.path(RUN) / "about.json").write_text("{")
    source = report.html(store, RUN)
    page = Page(source)
    assert re.findall(r"<h2[^>]*>([^<]*)</h2>", source)[1] == "What cannot be read" and "round 2: " in page.text and "title and note: " in page.text
    assert json.loads(page.script("mask-data"))["rounds"] == [1, 3] and set(page.tables[f"lthviz-tickets-{RUN}"].column("round")) == {"0", "1", "3"}


def test_no_such_run(whole):
    with pytest.raises(AddressError):
        report.html(whole, "nothing-here")


# Room ------------------------------------------------------------------------------------------------------------------


def test_where_there_is_little_room_rounds_are_left_out_evenly_and_named(whole):
    m = gather(whole, RUN)
    every = choosing.choose(m)
    assert every.rounds == list(range(1, 13)) and every.left_out == ""
    half = choosing.choose(m, room=len(json.dumps(every.views)) // 3)
    steps = {b - a for a, b in zip(half.rounds, half.rounds[1:])}
    assert half.rounds[-1] == 12 and len(half.rounds) > 1 and len(steps) == 1 and steps != {1}
    gone = [k for k in range(1, 13) if k not in half.rounds]
    assert f"the masks of rounds {', '.join(map(str, gone))} are left out" in half.left_out
    assert len(json.dumps(half.views, separators=(",", ":"))) < len(json.dumps(every.views)) // 3 + 5000


def test_of_a_network_that_is_too_large_the_last_round_and_the_layers_that_fit(whole):
    m = gather(whole, RUN)
    found = choosing.choose(m, room=30_000)
    assert found.rounds == [12] and [x for x, _ in found.views["layers"]] == ["features.0.weight"]
    assert "the masks of the layers features.3, features.6 are left out" in found.left_out


def test_a_layer_that_no_browser_can_draw_is_left_out(whole, monkeypatch):
    monkeypatch.setattr(choosing, "LARGEST", 128 * 288)
    found = choosing.choose(gather(whole, RUN))
    assert [x for x, _ in found.views["layers"]] == ["features.0.weight"] and "features.3, features.6" in found.left_out


def test_a_ticket_of_an_empty_mask_is_shown_as_one(imported, whole):
    store, run_id = imported(1)
    m = gather(store, run_id)
    empty = Masks.of({x.name: np.zeros(x.shape, bool) for x in m.run.layers})
    m.rounds[1].tickets["unstructured"] = Ticket("unstructured", 1, empty)
    assert {row["kept"] for row in choosing.choose(m).table} == {0}


def test_a_long_table_of_epochs_keeps_the_last_of_each_training():
    rows = [{"round": k, "epoch": e, "training loss (nats)": 1.0} for k in range(11) for e in range(1, 163)]
    shown, said = report.page._thin(rows)
    assert len(shown) <= 660 and {(k, 162) for k in range(11)} <= {(r["round"], r["epoch"]) for r in shown} and "every 3th" not in said and "1,782" in said
    assert report.page._thin(rows[:100]) == (rows[:100], "")
