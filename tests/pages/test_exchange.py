"""The page Exchange with real child processes: files that come in, files that do not, and what goes out, held against the store and other readers."""

import io
import json
import tempfile
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from lthviz.exchange import apart
from lthviz.store import Store
from lthviz.ui.exchange import work
from tests.exchange.intake.networks import masks_of, network, permanent, pruned
from tests.shipped import EXAMPLES, FIRST


def file_of(value) -> bytes:
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


@pytest.fixture(scope="module")
def net():
    return pruned(network())


@pytest.fixture(scope="module")
def checkpoint(net):
    return file_of(net.state_dict())


def settled(at, side="in"):
    """When the child of that side has ended."""
    for _ in range(600):
        if f"exchange-work-{side}" not in at.session_state:
            return at
        time.sleep(0.2)
        at.run()
        assert not at.exception, at.exception
    raise AssertionError("the child does not end")


def upload(at, name, data, label="Checkpoint"):
    next(f for f in at.get("file_uploader") if f.label.startswith(label)).upload(name, data, "application/octet-stream")
    return at.run()


def select(at, label, value):
    next(s for s in at.selectbox if s.label == label).select(value)
    return at.run()


def press(at, key):
    at.button(key=key).click().run()
    assert not at.exception, at.exception
    return at


def table(at):
    (found,) = [json.loads(e.proto.json) for e in at.get("bidi_component")]
    return found["rows"]


def links(at):
    return {e.proto.label: (e.proto.page, e.proto.query_string) for e in at.get("page_link")}


def test_it_begins_with_a_file_to_choose(nothing, page, words):
    at = page("exchange")
    assert "becomes a run like any other" in words(at) and "Choose a file first." in words(at)
    assert at.button(key="in-look").disabled and next(iter(at.get("file_uploader"))).label == "Checkpoint, weights or packed run"
    assert "There is no run yet that could be given out." in words(page("exchange", do="out"))
    said = words(page("exchange", do="sideways"))
    assert "The link asks to do 'sideways'; it can be in or out. Showing in." in said


def test_a_pruned_network_is_looked_into_and_becomes_a_run(nothing, page, words, net, checkpoint):
    at = select(upload(page("exchange", do="in"), "../../etc/<b>pruned.pt", checkpoint), "Images", "digits")
    assert "python -m lthviz import '<b>pruned<" not in words(at), "what a file is called is no markup"
    settled(press(at, "in-look"))
    masks = {n: m.numpy() for n, m in masks_of(net).items()}
    kept = 100 * sum(m.sum() for m in masks.values()) / sum(m.size for m in masks.values())
    said = words(at)
    assert f"is a <code>convnet</code> for <code>digits</code> (1×8×8, 10 classes); its masks keep {kept:.1f} % of the {sum(m.size for m in masks.values()):,} prunable weights" in said
    assert "<b>pruned" not in said and "/etc/" not in said and nothing.runs() == [], "nothing is kept before it is asked for"
    assert {r["weight"]: r["kept"] for r in table(at)} == {n: pytest.approx(m.mean()) for n, m in masks.items()}
    assert {(r["how"], r["mask"]) for r in table(at)} == {("the same name", "in the file")}
    at.toggle(key="in-every").set_value(True).run()
    assert [r["weight"] for r in table(at)] == list(network().state_dict())
    next(t for t in at.text_input if t.label == "Title").input("From elsewhere").run()
    settled(press(at, "in-take"))
    (run_id,) = nothing.runs()
    ticket = nothing.round(run_id, 1).ticket("unstructured")
    assert {n: m.tobytes() for n, m in masks.items()} == {n: ticket.masks[n].tobytes() for n in ticket.masks}
    run = nothing.run(run_id)
    assert (run.title, run.info["imported"]["source"]) == ("From elsewhere", "<b>pruned.pt")
    assert f"was taken in as run <code>{run_id}</code>. Measured here: {ticket.test_acc:.2f} % of the test images right in round 1" in words(at)
    assert {links(at)[x][1] for x in ("Lab", "Masks", "Tune", "Speed") if links(at)[x][1]} == {f"run={run_id}"}
    press(at, "in-give")
    assert f"{ticket.masks.nnz():,} of {ticket.masks.size():,} prunable weights kept" in words(at)


def test_what_cannot_come_in_says_why_and_loses_nothing(nothing, page, words, checkpoint, tmp_path, monkeypatch):
    (tmp_path / "aside").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "aside"))
    at = upload(page("exchange", do="in"), "half.pt", checkpoint[:len(checkpoint) // 2])
    press(at, "in-look")
    assert [p.name for p in (tmp_path / "aside").glob("lthviz-exchange-*/*.pt")] == ["file.pt"]
    settled(at)
    assert "half.pt is a zip archive that is cut short or damaged; copy or save it again. Nothing was taken in." in words(at)
    assert not list((tmp_path / "aside").glob("lthviz-exchange-*")), "nothing is left of what was uploaded"
    at = select(at, "Network", "resnet18")
    assert "What you chose has changed since it was looked into." in words(at)
    assert not at.button(key="in-look").disabled, "the file is still chosen"
    at = upload(page("exchange", do="in"), "whole.pt", checkpoint)
    settled(press(at, "in-look"))
    said = words(at)
    assert "say which: “Images” (digits, fashion-mnist), " in said and "--data" not in said.partition("Nothing was taken in.")[0].rpartition("whole.pt is")[2]
    assert not [b for b in at.button if b.key == "in-take"] and nothing.runs() == []


def test_what_is_looked_into_can_be_stopped(nothing, page, words, checkpoint):
    at = press(upload(page("exchange", do="in"), "a.pt", checkpoint), "in-look")
    assert "Looking into a.pt" in words(at) and at.button(key="in-look").disabled
    settled(press(at, "stop-in"))
    assert "It was stopped; nothing was kept. Nothing was taken in." in words(at) and not at.button(key="in-look").disabled


def test_a_child_that_takes_too_long_is_ended_and_what_was_found_stays(nothing, page, words, checkpoint, monkeypatch):
    at = select(upload(page("exchange", do="in"), "a.pt", checkpoint), "Images", "digits")
    settled(press(at, "in-look"))
    monkeypatch.setattr(work, "LIMITS", apart.Limits(seconds=0.2))
    settled(press(at, "in-take"))
    said = words(at)
    assert "It was ended after 0.2 seconds, the most that it may take here; from a terminal it may take as long as it needs. Nothing was taken in." in said
    assert "its masks keep" in said and at.button(key="in-take") and nothing.runs() == [] and nothing.broken() == {}


def test_masks_of_their_own_and_a_path_on_this_machine(nothing, page, words, net, tmp_path):
    masks = masks_of(net)
    (tmp_path / "w.pt").write_bytes(file_of(permanent(pruned(network())).state_dict()))
    out = io.BytesIO()
    np.savez(out, **{n: m.numpy() for n, m in masks.items()})
    at = upload(page("exchange", do="in"), "m.npz", out.getvalue(), "Masks")
    next(t for t in at.text_input if t.label == "Or a path on this machine").input(str(tmp_path / "w.pt")).run()
    at = select(at, "Images", "digits")
    assert f"python -m lthviz import {tmp_path / 'w.pt'} --data digits --masks m.npz --dry" in words(at)
    settled(press(at, "in-look"))
    assert "w.pt</code> is a <code>convnet</code>" in words(at)
    assert {r["weight"]: r["kept"] for r in table(at)} == {n: pytest.approx(m.float().mean().item()) for n, m in masks.items()}
    upload(at, "a.pt", b"another")
    assert "Both a file and a path are given; take one of them away." in words(at) and at.button(key="in-look").disabled


def test_who_is_not_at_this_machine_gives_no_path(nothing, page, monkeypatch):
    from streamlit import config
    label = "Or a path on this machine"
    assert label in [t.label for t in page("exchange", do="in").text_input]
    monkeypatch.setattr("streamlit.get_option", lambda name: "0.0.0.0" if name == "server.address" else config.get_option(name))
    assert label not in [t.label for t in page("exchange", do="in").text_input]


def test_a_packed_run_is_known_and_taken_in_once(nothing, page, words, tmp_path, monkeypatch):
    """By a child: the process of the page opens nothing but what is in the store."""
    there = Store(tmp_path / "from", EXAMPLES)
    data = there.pack(FIRST, tmp_path / "a.h5").read_bytes()
    rows, real = there.run(FIRST).rows, h5py.File

    def inside(name, *args, **kwargs):
        assert Path(name).is_relative_to(nothing.root)
        return real(name, *args, **kwargs)

    monkeypatch.setattr("h5py.File", inside)
    monkeypatch.setattr("h5py.is_hdf5", inside)
    for says in (f"Run {FIRST} was taken in from a colleague's.h5.", f"Run {FIRST} is here already, and is the same"):
        at = settled(press(upload(page("exchange", do="in"), "a colleague's.h5", data), "in-look"))
        assert "is a run that lthviz packed" in words(at)
        at = settled(press(at, "in-take"))
        assert says.replace("'", "&#x27;") in words(at) and nothing.runs() == [FIRST]
    assert nothing.about(FIRST).source == "a colleague's.h5" and nothing.run(FIRST).rows == rows
    at = press(upload(page("exchange", do="in"), "half.h5", data[:len(data) // 2]), "in-look")
    settled(at)
    assert "half.h5" in words(at) and "Nothing was taken in." in words(at)


def made(at):
    """Bytes of what was made, by form."""
    return {of[3]: m.file.read_bytes() for of, m in at.session_state["exchange-made"].items()}


def rows(at):
    return {b.key.removeprefix("make-"): not b.disabled for b in at.button if (b.key or "").startswith("make-")}


def test_a_ticket_goes_out_as_it_is_stored(store, run_id, page, words):
    at = page("exchange", do="out", run=run_id, round=1, ticket="refill", format="masks-npz")
    ticket = store.round(run_id, 1).ticket("refill")
    said = words(at)
    assert f"round 1: {ticket.masks.nnz():,} of {ticket.masks.size():,} prunable weights kept" in said
    assert f"python -m lthviz export {run_id} --round 1 --structure refill --format masks-npz -o lthviz-{run_id}-round1-refill-masks-npz.npz" in said
    settled(press(at, "make-masks-npz"), "out")
    with np.load(io.BytesIO(made(at)["masks-npz"])) as f:
        assert {n: f[n].tobytes() for n in ticket.masks} == {n: ticket.masks[n].tobytes() for n in ticket.masks}
    (button,) = at.get("download_button")
    assert button.proto.label.startswith("Download, ") and "make-masks-npz" not in [b.key for b in at.button]
    settled(press(at, "make-csv"), "out")
    with zipfile.ZipFile(io.BytesIO(made(at)["csv"])) as z:
        assert "rows.csv" in z.namelist()
    assert set(made(at)) == {"masks-npz", "csv"} and len(at.get("download_button")) == 2 and at.query_params["format"] in ("csv", ["csv"])
    at.query_params["round"] = "2"
    at.run()
    assert [b.proto.label for b in at.get("download_button")], "the whole run's tables are the same from every round"
    assert len(at.get("download_button")) == 1 and "masks-npz" in rows(at)


def test_a_ticket_without_weights_says_so_and_its_masks_go_out(store, run_id, page, words):
    without = next(x for x, t in store.round(run_id, 2).tickets.items() if t.weights is None)
    at = page("exchange", run=run_id, round=2, ticket=without)
    assert "Its weights were not kept" in words(at) and "Not of this ticket: its weights were not kept." in words(at)
    can = rows(at)
    assert {n for n, possible in can.items() if not possible} == {"safetensors", "state-dict", "torch-prune", "module", "onnx", "torch-export"}
    at = page("exchange", run=run_id, round=0)
    assert all(rows(at).values()) == (store.round(run_id, 0).ticket("unstructured").weights is not None)


def test_what_an_address_cannot_have_is_said(store, run_id, page, words):
    said = words(page("exchange", do="out", run=run_id, round=9, ticket="nothing", format="onxx"))
    assert "The link names round 9; rounds 0 to 2 are finished; showing the last." in said and "The link names format 'onxx'; did you mean onnx?" in said and "The link names ticket 'nothing'" in said


def test_an_example_goes_out_too(example, run_id, page, words):
    at = page("exchange", do="out", run=run_id)
    settled(press(at, "make-bundle"), "out")
    with h5py.File(io.BytesIO(made(at)["bundle"])) as f:
        assert f.attrs["run"] in (run_id, run_id.encode())


def test_a_run_at_work_gives_out_what_is_finished(store, run_id, page, words, unfinished):
    said = words(page("exchange", do="out", run=unfinished(store, "queued")))
    assert "Nothing to give out yet" in said and "A round can go out as soon as it is finished" in said
    store.set_state(run_id, "queued")
    assert "of its rounds those that are finished go out, 0 to 2 so far" in words(page("exchange", do="out", run=run_id))


def test_what_cannot_be_made_says_why_in_its_row(store, run_id, page, words, monkeypatch):
    monkeypatch.setattr(work, "LIMITS", apart.Limits(seconds=0.2))
    at = settled(press(page("exchange", do="out", run=run_id), "make-report"), "out")
    assert "It was ended after 0.2 seconds" in words(at) and not at.get("download_button") and rows(at)["report"]
    at.query_params["round"] = "1"
    at.run()
    assert "It was ended after 0.2 seconds" in words(at), "it is of the whole run"


def test_the_ways_lead_here(store, run_id, page):
    for name, address, label, query in (("masks", {"round": 1, "ticket": "refill"}, "Other forms: weights, ONNX …", f"do=out&run={run_id}&round=1&ticket=refill"),
                                        ("lab", {"round": 1, "stage": "train:refill"}, "Give it out", f"do=out&run={run_id}&round=1&ticket=refill"),
                                        ("runs", {}, "Take in a run or network", "do=in")):
        where, said = links(page(name, **({"run": run_id} if name != "runs" else {}), **address))[label]
        assert where.endswith("exchange") and said == query
