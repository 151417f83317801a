"""Masks on every kind of run and address."""

import pytest

from lthviz.core.stats import layer_rows


def control(at, kind, label):
    return next(w for w in at.get(kind) if w.label.startswith(label))


def listed(at):
    return at.dataframe[0].value


def test_the_list_and_the_totals_are_the_stores(store, run_id, page, words):
    at = page("masks", run=run_id, round=2, ticket="refill")
    run, now = store.run(run_id), store.round(run_id, 2)
    rows = layer_rows(now.ticket("refill"), run.layers, now.ticket("unstructured").masks)
    table = listed(at)
    assert list(table["layer"]) == [r["short"] for r in rows]
    for column, name in (("kept", "kept"), ("added", "added"), ("removed", "removed"), ("channels gone", "removed_channels")):
        assert list(table[column]) == [r[name] for r in rows]
    masks = now.ticket("refill").masks
    said = words(at)
    assert f"Refill keeps {masks.nnz():,} of {masks.size():,} weights" in said
    assert f"{sum(r['added'] for r in rows):,} weights came back and {sum(r['removed'] for r in rows):,} went" in said


def test_the_newest_run_is_shown_without_an_address(store, run_id, page, words):
    assert run_id in words(page("masks"))


def test_an_empty_store_says_so(nothing, page, words):
    assert "There is no run yet, so there is no mask to look at." in words(page("masks"))


def test_a_run_without_a_round_says_so(store, page, words, unfinished):
    said = words(page("masks", run=unfinished(store, "cancelled")))
    assert "No mask yet" in said and "This run is cancelled and no stage of it has ended" in said


def test_ticket_round_and_comparison_are_picked(store, run_id, page, words):
    at = page("masks", run=run_id, round=1)
    control(at, "button_group", "Ticket").set_value("random").run()
    assert at.query_params["ticket"] == "random"
    assert "Against Unstructured," in words(at)
    control(at, "selectbox", "Compared with").select("none").run()
    assert "Against" not in words(at) and "added" not in listed(at)
    control(at, "button_group", "Round").set_value(2).run()
    control(at, "selectbox", "Compared with").select("previous").run()
    before, after = (store.round(run_id, k).ticket("random").masks for k in (1, 2))
    added = sum(int((after[n] & ~before[n]).sum()) for n in after)
    assert f"Against Random of round 1, {added:,} weights came back" in words(at)


def test_the_dense_round_has_one_ticket(store, run_id, page, words):
    masks = store.round(run_id, 0).ticket("unstructured").masks
    assert f"Dense keeps {masks.size():,} of {masks.size():,} weights (100.0 %)." in words(page("masks", run=run_id, round=0))


def test_keys_move_the_layer_and_the_list_follows(store, run_id, page):
    at = page("masks", run=run_id, layer="features.0.weight")
    control(at, "button", "Next layer").click().run()
    assert at.query_params["layer"] == "features.3.weight"
    turn, _ = at.session_state["layers-shown"]
    assert at.session_state[f"layers-{turn}"]["selection"]["rows"] == [1]
    control(at, "button", "Layer before").click().run()
    assert at.query_params["layer"] == "features.0.weight"


@pytest.mark.parametrize(("address", "sentence"), [
    ({"ticket": "refil"}, "The link names ticket 'refil'; did you mean refill"),
    ({"against": "all"}, "The link compares with 'all'; it can be round, previous, none."),
    ({"round": 9}, "The link names round 9; this run has rounds 0 to 2; showing the last."),
    ({"layer": "conv"}, "The link names layer 'conv'"),
])
def test_what_a_link_cannot_have_is_said_and_kept(store, run_id, page, words, address, sentence):
    at = page("masks", run=run_id, **address)
    assert sentence in words(at)
    assert {k: at.query_params[k] for k in address} == {k: str(v) for k, v in address.items()}


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
