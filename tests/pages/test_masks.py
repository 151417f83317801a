"""Masks on every kind of run and address."""

import io
import json

import numpy as np
import pytest

from benchmarks.made_run import write
from lthviz.core.stats import layer_rows
from lthviz.records import Layer

ODD = (Layer("one.weight", (1, 3, 3, 3), (8, 8)), Layer("features.0.weight", (128, 8, 3, 3), (8, 8)), Layer("point.weight", (64, 128, 1, 1), (8, 8)),
       Layer("gone.weight", (32, 16, 3, 3), (4, 4)), Layer("fc.weight", (100, 64), (1, 1)))


def control(at, kind, label):
    return next(w for w in at.get(kind) if w.label.startswith(label))


def component(at, name):
    """What a component of that name was given: its JSON, or its bytes."""
    found = next(e.proto for e in at.get("bidi_component") if e.proto.component_name == f"lthviz_{name}")
    return json.loads(found.json) if found.WhichOneof("data") == "json" else found.bytes


def listed(at):
    return component(at, "linked_table")


def column(at, key):
    return [r[key] for r in listed(at)["rows"]]


def view(at):
    """Head of what the mask view was given."""
    data = component(at, "mask_view")
    return json.loads(data[4:4 + int.from_bytes(data[:4], "little")])


def test_the_list_and_the_totals_are_the_stores(store, run_id, page, words):
    at = page("masks", run=run_id, round=2, ticket="refill")
    run, now = store.run(run_id), store.round(run_id, 2)
    before, masks, last = now.ticket("unstructured").masks, now.ticket("refill").masks, store.round(run_id, 1).ticket("unstructured")
    rows = layer_rows(now.ticket("refill"), run.layers, before)
    for key, name in (("layer", "short"), ("kept", "kept"), ("added", "added"), ("removed", "removed"), ("gone", "removed_channels"),
                      ("density", "density"), ("effective", "effective_density"), ("coverage", "coverage"), ("blocks", "blocks")):
        assert column(at, key) == [r[name] for r in rows]
    assert column(at, "change") == [np.mean(masks[x.name] != before[x.name]) for x in run.layers]
    for layer, share in zip(run.layers, column(at, "magnitude"), strict=True):
        size, was = np.abs(last.weights[layer.name]).astype(float), before[layer.name]
        assert share == pytest.approx((size * (masks[layer.name] & was)).sum() / (size * was).sum())
    said = words(at)
    assert f"Refill keeps {masks.nnz():,} of {masks.size():,} weights" in said
    assert f"{sum(r['added'] for r in rows):,} weights came back and {sum(r['removed'] for r in rows):,} went" in said


def test_the_strip_shows_every_layer_with_its_density(store, run_id, page):
    at = page("masks", run=run_id, round=2, ticket="random", layer="features.3.weight")
    strip, masks = component(at, "mask_strip"), store.round(run_id, 2).ticket("random").masks
    assert [x["name"] for x in strip["layers"]] == list(masks) and strip["current"] == "features.3.weight"
    for x in strip["layers"]:
        assert x["density"] == f"{100 * masks.density(x['name']):.3g} %" and x["image"].startswith("data:image/png;base64,")
        assert f"{100 * masks.density(x['name']):.1f} percent kept" in x["alt"]
    assert len({x["image"] for x in strip["layers"]}) == len(masks)


def test_the_newest_run_is_shown_without_an_address(store, run_id, page, words):
    assert run_id in words(page("masks"))


def test_an_empty_store_says_so(nothing, page, words):
    assert "There is no run yet, so there is no mask to look at." in words(page("masks"))


def test_a_run_without_a_round_says_so(store, page, words, unfinished):
    said = words(page("masks", run=unfinished(store, "cancelled")))
    assert "No mask yet" in said and "is cancelled." in said and "The first masks come with the first pruning." in said


def test_ticket_round_and_comparison_are_picked(store, run_id, page, words):
    at = page("masks", run=run_id, round=1)
    control(at, "button_group", "Ticket").set_value("random").run()
    assert at.query_params["ticket"] == "random"
    assert "Against Unstructured," in words(at)
    control(at, "selectbox", "Compared with").select("none").run()
    assert "Against" not in words(at) and "added" not in [c["key"] for c in listed(at)["columns"]]
    control(at, "button_group", "Round").set_value(2).run()
    control(at, "selectbox", "Compared with").select("previous").run()
    before, after = (store.round(run_id, k).ticket("random").masks for k in (1, 2))
    added = sum(int((after[n] & ~before[n]).sum()) for n in after)
    assert f"Against Random of round 1, {added:,} weights came back" in words(at)


def test_plain_pruning_brings_nothing_back(store, run_id, page, words):
    before, after = (store.round(run_id, k).ticket("unstructured").masks for k in (1, 2))
    said = words(page("masks", run=run_id, round=2))
    assert f"Against Unstructured of round 1, {before.nnz() - after.nnz():,} weights went." in said and "came back" not in said


def test_the_dense_round_has_one_ticket(store, run_id, page, words):
    masks = store.round(run_id, 0).ticket("unstructured").masks
    assert f"Dense keeps {masks.size():,} of {masks.size():,} weights (100.0 %)." in words(page("masks", run=run_id, round=0))


def test_keys_move_the_layer_and_the_list_follows(store, run_id, page):
    at = page("masks", run=run_id, layer="features.0.weight")
    control(at, "button", "Next layer").click().run()
    assert at.query_params["layer"] == "features.3.weight"
    assert listed(at)["chosen"] == component(at, "mask_strip")["current"] == view(at)["layer"] == "features.3.weight"
    control(at, "button", "Previous layer").click().run()
    assert at.query_params["layer"] == "features.0.weight"


@pytest.mark.parametrize(("address", "sentence"), [
    ({"ticket": "refil"}, "The link names ticket 'refil'; did you mean refill"),
    ({"against": "all"}, "The link compares with 'all'; it can be round, previous, none or RUN/ROUND/TICKET."),
    ({"against": "nobody/1/refill"}, "The link compares with 'nobody/1/refill': there is no run 'nobody'"),
    ({"against": "{run}/9/refill"}, "no round 9"),
    ({"against": "{run}/1/refil"}, "did you mean refill"),
    ({"against": "{run}/x/refill"}, "it should be RUN/ROUND/TICKET"),
    ({"window": "5-2,0-3"}, "The link shows the window '5-2,0-3'; it should be rows and columns of features."),
    ({"window": "0-5,99999-100000"}, "Showing the whole layer."),
    ({"cells": "cubes"}, "The link names cells 'cubes'; it can be weights, kernels."),
    ({"select": "block-7"}, "The link selects 'block-7', which features."),
    ({"select": "row-999"}, "128 rows and"),
    ({"round": 9}, "The link names round 9; this run has rounds 0 to 2; showing the last."),
    ({"layer": "conv"}, "The link names layer 'conv'"),
])
def test_what_a_link_cannot_have_is_said_and_kept(store, run_id, page, words, address, sentence):
    address = {k: str(v).replace("{run}", run_id) for k, v in address.items()}
    at = page("masks", run=run_id, **address)
    assert sentence in words(at)
    assert {k: at.query_params[k] for k in address} == address


def test_a_damaged_round_is_said_and_the_others_are_shown(store, run_id, page, words):
    file = store.path(run_id) / "rounds" / "001.h5"
    file.write_bytes(file.read_bytes()[:4000])
    said = words(page("masks", run=run_id, round=1, ticket="refill"))
    assert "This could not be read" in said and "001.h5" in said
    assert "Refill keeps" in words(page("masks", run=run_id, round=2, ticket="refill"))


def test_the_pages_go_on_where_the_other_was_left(store, run_id, page):
    def switch(at, name):
        at.query_params.clear()
        at.switch_page(f"pages/{name}.py").run()
        assert not at.exception
        return {k: at.query_params[k] for k in ("run", "round", "layer", "stage", "ticket") if k in at.query_params}

    at = page("lab", run=run_id, round=1, stage="refill:refill", layer="features.6.weight")
    here = {"run": run_id, "round": "1", "layer": "features.6.weight"}
    assert switch(at, "masks") == here | {"ticket": "refill"}
    assert switch(at, "lab") == here | {"stage": "refill:refill"}
    assert switch(at, "masks") == here | {"ticket": "refill"}
    control(at, "button_group", "Ticket").set_value("random").run()
    assert switch(at, "lab") == here | {"stage": "train:random"}


def test_any_ticket_of_the_run_can_be_compared_with(store, run_id, page, words):
    at = page("masks", run=run_id, round=2, ticket="refill")
    masks = store.round(run_id, 2).ticket("refill").masks
    control(at, "selectbox", "Compared with").select("random").run()
    assert at.query_params["against"] == f"{run_id}/2/random"
    other = store.round(run_id, 2).ticket("random").masks
    assert f"Against Random, {sum(int((masks[n] & ~other[n]).sum()) for n in masks):,} weights came back" in words(at)
    control(at, "selectbox", "Compared with").select("other").run()
    assert at.query_params["against"] == f"{run_id}/1/refill"
    control(at, "selectbox", "its round").select(0).run()
    assert at.query_params["against"] == f"{run_id}/0/unstructured" and "Against Dense" in words(at)
    control(at, "button_group", "Ticket").set_value("random").run()
    assert at.query_params["against"] == f"{run_id}/0/unstructured"                  # what was chosen by its full address stays


def test_how_alike_two_tickets_are_is_said_against_chance(store, run_id, page, words):
    at = page("masks", run=run_id, round=2, ticket="refill", layer="features.3.weight", against=f"{run_id}/1/random")
    a, b = (store.round(run_id, k).ticket(t).masks["features.3.weight"] for k, t in ((1, "random"), (2, "refill")))
    shared, pa, pb = int((a & b).sum()), a.mean(), b.mean()
    assert (f"in features.3 {shared:,} weights, {100 * shared / (a | b).sum():.1f} % of those that either keeps (Jaccard index {shared / (a | b).sum():.3f}; "
            f"two unrelated masks of these densities: {pa * pb / (pa + pb - pa * pb):.3f})") in words(at)
    assert "Refill, round 2 and Random, round 1 share" in words(at)
    assert view(at)["title"] == "features.3 · Refill, round 2, after Random, round 1"


def test_runs_of_different_networks_are_compared_layer_by_layer(store, run_id, page, words):
    other = write(store, ODD, title="Odd layers")
    odd = [*ODD[:1], Layer("features.0.weight", (128, 32, 3, 3), (8, 8))]
    same = write(store, odd, seed=5, model="vgg16", title="One in common")
    at = page("masks", run=run_id, round=2, ticket="refill", against=f"{other}/1/refill")
    assert f"Refill, round 1 of Odd layers ({other}) has no layer of the same name and shape as this network's, so nothing can be compared." in words(at)
    assert not view(at)["paired"]
    at = page("masks", run=run_id, round=2, ticket="refill", layer="features.0.weight", against=f"{same}/1/refill")
    assert f"2 of 3 layers have no counterpart of the same name and shape in Refill, round 1 of One in common ({same}) and are shown alone: features.3, features.6." in words(at)
    assert view(at)["paired"] and column(at, "added")[0] is not None and column(at, "added")[1:] == [None, None]
    at.query_params["layer"] = "features.3.weight"
    at.run()
    assert not view(at)["paired"] and not at.exception


def test_what_is_shown_is_in_the_link(store, run_id, page):
    head = view(page("masks", run=run_id, round=2, ticket="refill", layer="features.0.weight", view="diff", cells="kernels", window="3-9,2-500", select="block-1"))
    assert (head["mode"], head["cells"], head["window"], head["picked"]["kind"], head["picked"]["block"]) == ("diff", "kernels", "3-9,2-31", "block", 0)
    head = view(page("masks", run=run_id, round=2, layer="features.0.weight", window="3-900,2-500", select="column-7"))
    assert (head["window"], head["picked"]["column"]) == ("3-127,2-287", 7)


def test_weights_are_sent_where_they_are_stored_and_asked_for(store, run_id, page):
    asked = dict(run=run_id, round=2, layer="features.0.weight")
    head = view(page("masks", **asked, shade=1))
    size = np.abs(store.round(run_id, 2).ticket("unstructured").weights["features.0.weight"])
    mask = store.round(run_id, 2).ticket("unstructured").masks["features.0.weight"]
    assert head["shades"]["of"] == mask.sum()
    assert head["shades"]["edges"][0] == pytest.approx(size[mask].min()) and head["shades"]["edges"][-1] == pytest.approx(size[mask].max())
    assert head["shades"]["median"] == pytest.approx(np.median(size[mask]))
    assert view(page("masks", **asked))["shades"] is None                             # read only when asked for
    head = view(page("masks", **asked, ticket="refill", shade=1))
    assert head["shades"] is None and head["why"] == (
        "No |w|: this run stores the trained weights of its trunk alone (keep_weights = trunk), so Unstructured of every trained round has them and Refill has not; "
        "a run with keep_weights = all stores every ticket's.")


@pytest.mark.parametrize("layer", [x.name for x in ODD])
@pytest.mark.parametrize("ticket", ["unstructured", "refill", "regroup"])
def test_layers_of_one_channel_of_single_positions_and_with_nothing_kept(store, page, words, layer, ticket):
    run = write(store, ODD, empty="gone.weight")
    at = page("masks", run=run, round=2, ticket=ticket, layer=layer, cells="kernels", shade=1)
    head, row = view(at), next(r for r in listed(at)["rows"] if r["id"] == layer)
    assert head["layer"] == layer and row["kept"] == store.round(run, 2).ticket(ticket).masks.nnz(layer)
    if layer == "gone.weight" and ticket == "unstructured":
        assert (row["density"], head["shades"], head["why"]) == (0, None, "No |w|: nothing is kept in this layer.")
        assert column(at, "magnitude")[3] in (0, None)


def test_the_masks_can_be_taken_away(store, run_id):
    from lthviz.exchange import maskfile
    from lthviz.ui.masks.files import npz

    masks = store.round(run_id, 2).ticket("refill").masks
    found = np.load(io.BytesIO(npz(masks)))
    assert all(np.array_equal(found[name], masks[name]) for name in masks) and set(found) == set(masks)
    file = store.root / "masks.npz"
    file.write_bytes(npz(masks))
    assert maskfile.read(file) == masks


def test_blocks_are_listed_with_what_lies_in_none(store, page):
    run = write(store, ODD)
    at = page("masks", run=run, round=2, ticket="regroup", layer="features.0.weight", select="block-2")
    table = next(json.loads(e.proto.json) for e in at.get("bidi_component") if "block-list" in e.proto.id)
    ticket = store.round(run, 2).ticket("regroup")
    blocks, mask = ticket.blocks["features.0.weight"], ticket.masks.matrix("features.0.weight")
    inside = np.zeros_like(mask)
    for r, c in zip(blocks.rows, blocks.cols, strict=True):
        inside[np.ix_(r, c)] = True
    assert table["chosen"] == "block-2" and [(r["rows"], r["cols"]) for r in table["rows"][:-1]] == [(r.size, c.size) for r, c in zip(blocks.rows, blocks.cols, strict=True)]
    assert table["rows"][-1]["weights"] == (mask & ~inside).sum()
    assert sum(r["share"] for r in table["rows"]) == pytest.approx(1)
