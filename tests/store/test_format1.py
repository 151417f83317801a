"""Runs in format 1, kept as they were written: read, checked, gone on with, packed and unpacked; and what a newer lthviz wrote is refused, whatever file it is."""

import dataclasses
import json
import shutil
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from narrow import BACKBONE, CONFIG, OTHER

from lthviz import engine, launch
from lthviz.cli import main
from lthviz.config import UNSTRUCTURED, Refill
from lthviz.errors import StoreError, VersionError
from lthviz.nn import models
from lthviz.records import Address, Stage
from lthviz.store import Store, files, hdf5, presets, sealed, verify
from lthviz.store.brief import Briefs
from tests import shipped

KEPT = Path(__file__).parent / "format1.tar.xz"
RUN, STOPPED = CONFIG.run_id, OTHER.run_id
BRANCH = CONFIG.replace(structures=(*CONFIG.structures, Refill(rho=0.2)), parent=RUN, from_round=1).run_id


@pytest.fixture
def store(tmp_path):
    with tarfile.open(KEPT) as f:
        f.extractall(tmp_path, filter="data")
    return Store(tmp_path / "runs", examples=tmp_path / "none")


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setitem(models.BACKBONES, "convnet", BACKBONE)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith(("lock", ".lock"))}


def values(round):
    """Everything in a round but how long it took, as values that compare with ==."""
    return [(label, t.masks.digest, repr((t.test_acc, t.val_acc)), t.curve and np.array([getattr(t.curve, f) for f in t.curve.FIELDS if f != "seconds"]).tobytes(),
             t.weights and {k: v.tobytes() for k, v in t.weights.items()}, {k: (b.shape, [x.tolist() for x in (*b.rows, *b.cols)]) for k, b in t.blocks.items()})
            for label, t in round.tickets.items()]


def test_all_of_it_is_read_and_nothing_is_changed(store):
    before = contents(store.root.parent)
    assert set(store.runs()) == {RUN, STOPPED, BRANCH} and store.broken() == {}
    for run_id in store.runs():
        run = store.run(run_id)
        assert "damaged" not in run.info and [x.name for x in run.layers] == [f"features.{k}.weight" for k in (0, 3, 6)]
        assert verify.run(store, run_id).whole
        for k in run.rounds:
            assert all(0 < t.masks.density() <= 1 for t in store.round(run_id, k).tickets.values())
        assert all(b"crc32" not in x for x in files.read_lines(store.path(run_id) / "events.jsonl")[0]) and {e["event"] for e in store.events(run_id)[0]} >= {"stage", "state"}
    assert store.run(RUN).config == CONFIG and store.run(RUN).rounds == (0, 1) and len(store.run(RUN).rows) == 5
    assert store.about(RUN).note.startswith("Trained on 60 images of 8×8 pixels;\n") and store.warnings(RUN) == ["a warning, so that there is one"]
    assert len(store.epochs(RUN, 1, "refill")) == CONFIG.epochs and store.weight(Address(RUN, 1, UNSTRUCTURED, "features.3.weight")).shape == (16, 8, 3, 3)
    assert [(t.round, t.structure, t.batch) for t in store.timings(RUN)] == [(1, x, 4) for x in ("refill", "regroup-groups=2-min_rows=4", UNSTRUCTURED)]
    assert (store.status(RUN).state, store.status(STOPPED).state, store.status(BRANCH).state) == ("finished", "interrupted", "queued")
    assert store.sweep("seeds").runs == (RUN, STOPPED) and store.measuring(STOPPED).total == 1 and presets.find(store.root, "tiny").config == CONFIG
    briefs, broken = Briefs(store).all()
    assert not broken and {b.id: b.rounds for b in briefs} == {RUN: 2, STOPPED: 1, BRANCH: 1} and next(b for b in briefs if b.id == RUN).dense_acc > 0
    assert verify.beside(store).whole and verify.packed(store.root.parent / "packed.h5").whole
    assert contents(store.root.parent) == before


@pytest.mark.usefixtures("narrow", "partitions_once")
@pytest.mark.parametrize("run_id", [STOPPED, BRANCH])
def test_one_that_stopped_goes_on_to_the_end_that_the_engine_comes_to(store, run_id):
    """In the middle of a training, and a branch before its first; its new files are of the present format, and its old rounds stay as they are."""
    begun, before = store.checkpoint(run_id), contents(store.path(run_id))
    expected = {}
    for event in engine.events(store.run(run_id).config, begun, ahead=lambda k: store.ahead(run_id, k)):
        if isinstance(event, Stage):
            expected[event.round.index] = event.round
    launch.drive(store, run_id)
    found, after = store.run(run_id), contents(store.path(run_id))
    assert store.status(run_id).state == "finished" and found.rounds == (0, 1) and "damaged" not in found.info and verify.run(store, run_id).whole
    kept = store.round(run_id, 1)
    assert values(kept) == values(dataclasses.replace(expected[1], tickets={s: dataclasses.replace(t, weights=t.weights if kept.tickets[s].weights else None)
                                                                           for s, t in expected[1].tickets.items()}))
    assert after["rounds/000.h5"] == before["rounds/000.h5"] and after["events.jsonl"].startswith(before["events.jsonl"])
    lines = after["events.jsonl"][len(before["events.jsonl"]):].splitlines()
    assert lines and all(map(sealed.intact, lines)) and all(sealed.intact(after[n]) and json.loads(after[n])["format"] == 2 for n in ("config.json", "layers.json"))


def test_packed_unpacked_and_compared(store, tmp_path):
    other = Store(tmp_path / "other", examples=tmp_path / "none")
    assert other.unpack(tmp_path / "packed.h5") == RUN
    again = Store(tmp_path / "again", examples=tmp_path / "none")
    assert again.unpack(store.pack(RUN, tmp_path / "new.h5")) == RUN
    for here in (other, again):
        assert all(values(here.round(RUN, k)) == values(store.round(RUN, k)) for k in (0, 1)) and here.timings(RUN) == store.timings(RUN)
        assert [e for e in here.events(RUN)[0] if e["event"] == "epoch"] == [e for e in store.events(RUN)[0] if e["event"] == "epoch"]
        assert here.about(RUN).note == store.about(RUN).note and verify.run(here, RUN).whole
    store.recover(RUN)   # whose settings are then of the present format
    assert sealed.intact((store.path(RUN) / "config.json").read_bytes()) and store.run(RUN).config == CONFIG
    assert store.unpack(tmp_path / "packed.h5") == other.unpack(tmp_path / "new.h5") == RUN, "the same run, in whichever format"


def test_the_examples_are_of_format_1_and_whole(capsys):
    for run in sorted(p for p in shipped.EXAMPLES.iterdir() if p.is_dir()):
        assert json.loads((run / "config.json").read_bytes())["format"] == 1 and b"crc32" not in (run / "layers.json").read_bytes()
    assert main(["verify", shipped.FIRST, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["whole"]


NEWER = {"config.json", "layers.json", "about.json", "timing", "sweep", "request", "round", "checkpoint", "ahead", "packed"}


@pytest.mark.parametrize("kind", sorted(NEWER))
def test_what_a_newer_lthviz_wrote_is_refused_with_the_sentence_that_says_so(store, kind, tmp_path):
    path = store.path(RUN)
    if kind == "ahead":
        (path / "ahead").mkdir()
        shutil.copy(path / "rounds" / "001.h5", path / "ahead" / "001.h5")
    file = {"timing": next((path / "timings").glob("*refill*")), "sweep": store.root / ".sweeps" / "seeds.json", "request": next((store.root / ".measure").rglob("*.request")),
            "round": path / "rounds" / "001.h5", "checkpoint": path / "checkpoint.h5", "ahead": path / "ahead" / "001.h5", "packed": tmp_path / "packed.h5"}.get(kind, path / kind)
    if file.suffix == ".h5":
        with h5py.File(file, "r+") as f:
            f.attrs["format"], f.attrs["lthviz"] = hdf5.FORMAT + 1, np.bytes_(b"7.0")
    else:
        files.write_json(file, {**json.loads(file.read_bytes()), "format": sealed.FORMAT + 1, "lthviz": "7.0"})
    newest = hdf5.FORMAT if file.suffix == ".h5" else sealed.FORMAT
    said = rf"was written by lthviz 7\.0 in format {newest + 1}; this is lthviz .*, which reads formats up to {newest}: update lthviz"
    look = {"config.json": lambda: store.run(RUN), "about.json": lambda: store.about(RUN), "sweep": lambda: store.sweep("seeds"), "round": lambda: store.round(RUN, 1),
            "checkpoint": lambda: store.checkpoint(RUN), "ahead": lambda: store.ahead(RUN, 1), "packed": lambda: Store(tmp_path / "other").unpack(file)}
    with pytest.raises(StoreError, match=said) as e:
        look.get(kind, lambda: _raise(store, kind))()
    assert str(file) in str(e.value) and (kind not in look or isinstance(e.value, VersionError))
    found = verify.packed(file) if kind == "packed" else verify.beside(store) if kind in ("sweep", "request") else verify.run(store, RUN)
    assert {d.file for d in found.damage} == {str(file)} and {d.way_out for d in found.damage} == ({"update lthviz"} if kind not in ("sweep", "request") else {found.damage[0].way_out})
    if kind != "config.json":
        assert store.run(RUN).config == CONFIG, "the rest is read"


def _raise(store, kind):
    """What is told of files without which all else is read."""
    raise StoreError(store.measuring(STOPPED).error if kind == "request" else next(iter(store.run(RUN).info["damaged"].values())))
