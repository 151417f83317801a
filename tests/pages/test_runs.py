"""The Runs page on real stores: what it lists, filters, asks and does, and sweeps begun on it."""

from pathlib import Path

import pytest

from lthviz.presets import preset
from lthviz.store import Store, queue
from lthviz.sweep import grid
from lthviz.ui.runs import sweeps

ROOT = Path(__file__).resolve().parents[2]
TEXT = 'title = "Two seeds"\npreset = "digits"\nrounds = 1\nepochs = 1\ntrain_images = 60\n[grid]\nseed = [0, 1]\n'


@pytest.fixture(autouse=True)
def woken(monkeypatch) -> list:
    """Nothing is trained here: who wakes the worker is written down."""
    calls: list = []
    monkeypatch.setattr("lthviz.launch.wake", lambda store: calls.append(store.root))
    return calls


@pytest.fixture
def several(store, run_id):
    """The trained run, and one of each other kind; ids by state."""
    made = {"finished": run_id}
    for seed, state in enumerate(("failed", "cancelled", "interrupted", "queued"), 50):
        made[state] = store.begin(preset("digits").config.replace(seed=seed), preset="digits")
        store.set_state(made[state], "running" if state == "interrupted" else state, "as a test says" if state == "failed" else "")
    return made


def table(at):
    return at.dataframe[0].value


def choose(at, *ids):
    """Choose rows of the table, as the browser does."""
    rows = [list(table(at)["run"]).index(x) for x in ids]
    at.session_state[at.dataframe[0].key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return at.run()


def bars(at):
    return [p.proto.text.replace("\\", "") for p in at.get("progress")]


def button(at, key):
    return at.button(key=key)


def test_every_run_is_a_row_with_its_numbers(several, store, run_id, page, words):
    at = page("runs")
    assert sorted(table(at)["run"][table(at)["state"] != "example"]) == sorted(several.values())
    row = table(at).set_index("run").loc[run_id]
    results = store.results(run_id)
    assert row["dense"] == results[0]["test_acc"] and row["best"] == max((r for r in results if r["round"]), key=lambda r: (r["val_acc"], r["round"]))["test_acc"]
    assert row["last"] == max(r["test_acc"] for r in results if r["round"] == 2) and (row["rounds"], row["planned"]) == (2, 2)
    said = words(at)
    assert "1 waiting, 1 failed, 1 interrupted, 1 cancelled, 1 finished" in said and "Choose rows" in said


def test_the_address_narrows_the_table(several, page, words):
    at = page("runs", state=["failed", "queued"])
    assert set(table(at)["run"]) == {several["failed"], several["queued"]}
    assert "2 of 6 runs shown" in words(at) or "2 of 5 runs shown" in words(at)
    assert set(table(page("runs", find="as a test"))["run"]) == {several["failed"]}
    at = page("runs", state="![x](http://elsewhere/x.png)")
    assert not at.dataframe and "No run is like that" in words(at)


def test_chosen_runs_are_resumed_and_cancelled(several, store, page, woken):
    at = choose(page("runs"), several["failed"], several["cancelled"], several["finished"])
    assert button(at, "runs-resume").label == "Resume 2" and button(at, "runs-cancel").disabled
    button(at, "runs-resume").click().run()
    assert not at.exception and woken
    assert [store.status(several[s]).state for s in ("failed", "cancelled", "finished")] == ["queued", "queued", "finished"]
    at = choose(at, several["failed"])
    button(at, "runs-cancel").click().run()
    assert not at.exception and store.status(several["failed"]).state == "cancelled"


def test_deleted_runs_go_to_the_trash_and_come_back(several, store, page, words, woken):
    at = choose(page("runs"), several["failed"], several["queued"])
    button(at, "runs-delete").click().run()
    assert not at.exception and "2 runs deleted:" in words(at) and several["failed"] in words(at)
    assert [store.exists(several[s]) for s in ("failed", "cancelled", "finished", "queued")] == [False, True, True, False]
    assert several["failed"] not in set(table(at)["run"])
    del woken[:]
    button(at, "runs-undo").click().run()
    assert not at.exception and store.exists(several["failed"]) and "runs deleted:" not in words(at) and not store.trashed()
    assert several["failed"] in set(table(at)["run"]) and woken, "the one that waits is to be taken"


def test_the_trash_restores_one_and_is_emptied_after_a_question(several, store, page, words):
    keys = [store.discard(several[s]).key for s in ("failed", "cancelled", "interrupted")]
    at = page("runs")
    assert not [b for b in at.button if b.key == "runs-undo"], "not deleted here and now"
    at.button(key=f"restore-{keys[1]}").click().run()
    assert store.exists(several["cancelled"]) and [t.key for t in store.trashed()] == [keys[2], keys[0]]
    at.button(key="trash-empty").click().run()
    assert "Remove 2 runs for good?" in words(at) and len(store.trashed()) == 2, "asked only"
    at.button(key="trash-keep").click().run()
    assert "for good?" not in words(at)
    at.button(key="trash-empty").click().run()
    later = store.discard(several["cancelled"])
    at.button(key="trash-empty-now").click().run()
    assert [t.key for t in store.trashed()] == [later.key], "what was deleted after the question was not in it"


def test_what_is_at_work_meanwhile_is_not_deleted_and_says_so(several, store, page, words):
    at = choose(page("runs"), several["failed"], several["cancelled"])
    with store.lock(several["failed"]):
        button(at, "runs-delete").click().run()
    assert f"run '{several['failed']}' is at work; cancel it before deleting it" in words(at)
    assert store.exists(several["failed"]) and not store.exists(several["cancelled"])


def field(at, name, run_id):
    return next(w for w in (*at.text_input, *at.text_area) if (w.key or "").startswith(f"about-{name}-{run_id}"))


def test_a_title_and_a_note_are_changed_in_place_and_shown_plain(several, store, run_id, page, words):
    at = choose(page("runs"), run_id)
    note = "**not bold** <img src=x onerror=alert(1)> ![x](http://elsewhere/x.png)"
    field(at, "title", run_id).set_value("  The good\none ").run()
    field(at, "note", run_id).set_value(note).run()
    assert not at.exception and store.about(run_id)[:2] == ("The good one", note)
    row = table(at).set_index("run").loc[run_id]
    assert (row["title"], row["note"]) == ("The good one", note)
    assert "elsewhere" not in words(at), "nothing but the table and the field shows it"
    field(at, "title", run_id).set_value("").run()
    assert store.about(run_id).title == ""


def test_a_title_that_is_too_long_is_refused_and_stays_to_be_mended(several, store, run_id, page, words):
    at = choose(page("runs"), run_id)
    field(at, "title", run_id).set_value("x" * 10_000).run()
    assert "a title of 10,000 characters is too long" in words(at) and store.about(run_id).title == ""
    assert field(at, "title", run_id).value == "x" * 10_000


def test_the_disk_the_parent_and_the_duplicate(several, store, run_id, page, words):
    from lthviz.store import disk
    at = choose(page("runs"), run_id)
    assert table(at).set_index("run").loc[run_id]["disk"] == pytest.approx(disk.size(store.path(run_id)) / 1e6)
    assert f"They take {disk.words(sum(disk.size(store.path(i)) for i in store.runs()))}" in words(at) and "are free." in words(at)
    link = next(x for x in at.get("page_link") if x.proto.label == "Duplicate with changes")
    assert link.proto.page.endswith("lab") and link.proto.query_string == f"new={run_id}"


def test_a_sweep_is_begun_from_its_text(store, page, words, woken):
    at = page("runs")
    at.text_area(key="sweep-text").set_value(TEXT).run()
    assert "2 runs. One run at a time" in words(at) and "python -m lthviz sweep sweep.toml --backend serial" in words(at)
    button(at, "sweep-start").click().run()
    assert not at.exception and woken
    ids = grid.parse(TEXT, "sweep").ids
    (made,) = store.sweeps()
    assert (made.title, made.runs, made.backend, made.text) == ("Two seeds", ids, "worker", TEXT)
    assert all(store.status(x).state == "queued" for x in ids)
    assert "Two seeds" in words(at) and "0 of 2 runs done, 2 left." in bars(at)
    button(at, "sweep-stop-sweep").click().run()
    assert all(store.status(x).state == "cancelled" for x in ids) and store.sweep_stopped(store.sweep("sweep"))
    button(at, "sweep-on-sweep").click().run()
    assert all(store.status(x).state == "queued" for x in ids) and not store.sweep_stopped(store.sweep("sweep"))


def test_a_wrong_sweep_is_refused_where_it_is_written(store, page, words):
    at = page("runs")
    at.text_area(key="sweep-text").set_value("[grid]\nseeds = [0]").run()
    assert "'seeds' in [grid] is not a setting; did you mean seed" in words(at)
    assert not [b for b in at.button if b.key == "sweep-start"] and not store.sweeps()


def test_ten_thousand_runs_are_asked_about(store, page, words):
    at = page("runs")
    at.text_area(key="sweep-text").set_value(f"[grid]\nseed = {list(range(grid.ASK_FROM))}").run()
    assert button(at, "sweep-start").disabled
    at.checkbox(key="sweep-sure").check().run()
    assert not button(at, "sweep-start").disabled and not store.sweeps()


def test_a_terminals_sweep_is_shown_with_its_failures_and_its_runs(several, store, page, words):
    store.keep_sweep("seeds", "Many seeds", TEXT, (several["finished"], several["failed"], several["cancelled"], "not-begun-1"), "ray")
    at = page("runs")
    said = words(at)
    assert "Many seeds" in said and "1 of 4 runs done, 1 failed, 2 left." in bars(at) and f"{several['failed']}: as a test says" in said
    button(at, "sweep-show-seeds").click().run()
    assert at.query_params["sweep"] in ("seeds", ["seeds"])
    assert set(table(at)["run"]) == {several["finished"], several["failed"], several["cancelled"]}
    with store.sweep_lock("seeds"):
        assert [b.key for b in page("runs").button if b.key.startswith("sweep-stop")] == ["sweep-stop-seeds"]


def test_a_store_without_runs_says_what_to_do(nothing, page, words, monkeypatch):
    monkeypatch.setenv("LTHVIZ_EXAMPLES", str(nothing.root / "none"))
    at = page("runs")
    assert "No run is in this folder." in words(at) and not at.dataframe
    assert at.text_area(key="sweep-text").value.startswith("title = ")


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_is_shown(several, store, page, words):
    (store.root / "spoilt").mkdir()
    at = page("runs")
    assert "'spoilt' cannot be read" in words(at) and several["finished"] in set(table(at)["run"])
    assert not queue.requests(store.measure_folder(several["finished"]))


def test_a_run_at_work_beside_a_study_of_several_seeds_leaves_the_page_at_rest(store, page, words, monkeypatch):
    """The examples' seeds stand in one row: what is compared to see whether the table has to be drawn anew must count them alike."""
    monkeypatch.setenv("LTHVIZ_EXAMPLES", str(ROOT / "data" / "examples"))
    run = store.begin(preset("digits").config.replace(seed=77), preset="digits")
    drawn, draw = [], sweeps._live
    monkeypatch.setattr(sweeps, "_live", lambda seen: drawn.append(seen) or draw(seen))
    with store.lock(run):
        store.set_state(run, "running")
        at = page("runs")
        assert len(table(at)) < len(Store().runs()), "several seeds in one row"
        before = len(drawn)
        at.run()
        assert len(drawn) == before + 1 and "1 at work" in words(at), "drawn once, not over and over"
