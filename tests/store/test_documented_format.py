"""data/README.md is enough to read what is stored, and names all of it."""

import ast
import dataclasses
import json
import math
import re
import shutil
import tarfile
import zlib
from pathlib import Path

import documented_reader as reader
import h5py
import numpy as np
import pytest
from narrow import BACKBONE, CONFIG, OTHER

from lthviz import branching, launch
from lthviz.config import Refill
from lthviz.nn import models
from lthviz.records import Address
from lthviz.store import Store, files, queue, sealed
from lthviz.store.queue import Item
from tests import shipped

README = Path(__file__).resolve().parents[2] / "data" / "README.md"
EXAMPLES = sorted(p.name for p in shipped.EXAMPLES.iterdir() if p.is_dir())
KEPT = Path(__file__).parent / "format1.tar.xz"


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """The runs in format 1."""
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(KEPT) as f:
        f.extractall(folder, filter="data")
    return Store(folder / "runs", examples=folder / "none")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, older):
    """A run trained just now, with everything that can be stored of one; its packed file stands beside the runs."""
    folder = tmp_path_factory.mktemp("fresh")
    store = Store(folder / "runs", examples=folder / "none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.BACKBONES, "convnet", BACKBONE)
        run = store.begin(CONFIG, title="Fresh")
        launch.drive(store, run)
        branching.begin(store, run, 1, CONFIG.replace(structures=(*CONFIG.structures, Refill(rho=0.2))))
    for timing in older.timings(run):
        store.put_timing(run, timing)
    store.set_about(run, note="a note")
    store.warn(run, "a warning")
    store.beat(run, done=1, total=2, eta_s=1.0, loss=0.5)
    store.keep_sweep("seeds", "", "seed = 8\n", (run,), "serial")
    store.stop_sweep("seeds")
    store.ask_measuring(run, [Item(1, "refill", 4, 1)], {"seconds": 1.0})
    queue.say(store.measure_folder(run), queue.Progress())
    store.pack(run, folder / "packed.h5")
    return store, run


def test_the_reader_is_written_from_the_document_alone():
    tree = ast.parse(Path(reader.__file__).read_text())
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names} | {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names == {"json", "zlib", "pathlib", "h5py", "numpy"}


def agree(store, run_id, *, rounds=None):
    """The two readings of a run, in everything."""
    path, run = store.path(run_id), store.run(run_id)
    head, told = reader.config(path), reader.layers(path)
    assert head["id"] == run_id and head["config"] == run.config.to_dict() and head["created"] == run.created and head["preset"] == run.preset
    assert (reader.about(path).get("title") or head["title"]) == run.title and reader.about(path).get("note", "") == store.about(run_id).note
    assert told["info"] == run.info and len(told["layers"]) == len(run.layers)
    for x, layer in zip(told["layers"], run.layers, strict=True):
        assert files.json_bytes({"classifier": False, **x}) == files.json_bytes({k: {"classifier": False, **dataclasses.asdict(layer)}[k] for k in {"classifier": False, **x}})
    assert [{k: v for k, v in e.items() if k != "crc32"} for e in reader.events(path)] == store.events(run_id)[0]
    assert run.id not in store.runs() or store.is_example(run_id) or reader.state(path) == store.status(run_id).state
    by_key = {t.key: t for t in store.timings(run_id)}
    for t in reader.timings(path):
        assert json.loads(files.json_bytes(by_key.pop(f"{t['round']:03d}-{t['structure']}-{t['device']}-{t['precision']}-t{t['threads']}-b{t['batch']}").to_dict())) == t
    assert not by_key and set(reader.rounds(path)) <= set(run.rounds)
    rows = []
    for k in reader.rounds(path) if rounds is None else rounds:
        mine, theirs = reader.round(path, k), store.round(run_id, k)
        rows += mine["rows"]
        assert [mine[x] for x in ("index", "stages_done", "complete", "seconds")] == [theirs.index, theirs.stages_done, theirs.complete, theirs.seconds]
        assert list(mine["tickets"]) == list(theirs.tickets)
        for label, t in theirs.tickets.items():
            _same(mine["tickets"][label], t)
            log, epochs = reader.curve(path, k, label), store.epochs(run_id, k, label)
            assert [[math.nan if e[f] is None else e[f] for f in ("epoch", "train_loss", "lr", "seconds")] for e in log] == [[e.epoch, e.train_loss, e.lr, e.seconds] for e in epochs]
    assert rows == [dict(r) for r in run.rows if r["round"] in (reader.rounds(path) if rounds is None else rounds)]


def _same(mine, t):
    assert list(mine["masks"]) == list(t.masks) and all((mine["masks"][n] == t.masks[n]).all() and mine["masks"][n].shape == t.masks.shape(n) for n in t.masks)
    assert {n: [(r.tolist(), c.tolist()) for r, c in zip(b.rows, b.cols, strict=True)] for n, b in t.blocks.items()} == mine["blocks"]
    assert mine["notes"] == json.loads(files.json_bytes(t.notes)) and mine["round"] == t.round and mine["structural"] == bool(t.structural)
    assert [mine[k] for k in ("test_acc", "val_acc", "train_seconds")] == [t.test_acc, t.val_acc, t.train_seconds]
    assert (mine["curve"] is None) == (t.curve is None) and all(np.array_equal(v, getattr(t.curve, f), equal_nan=True) for f, v in (mine["curve"] or {}).items())
    assert (mine["weights"] is None) == (t.weights is None) and list(mine["weights"] or ()) == list(t.weights or ())
    for n, w in (t.weights or {}).items():
        assert (mine["weights"][n].dtype, mine["weights"][n].shape, mine["weights"][n].tobytes()) == (w.dtype, w.shape, w.tobytes())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_read_as_lthviz_reads_them(name, tmp_path):
    """Of all but the first the ends alone: a dozen runs of a dozen rounds take time."""
    store = Store(tmp_path, examples=shipped.EXAMPLES)
    agree(store, name, rounds=None if name == shipped.FIRST else (reader.rounds(store.path(name))[0], reader.rounds(store.path(name))[-1]))


@pytest.mark.parametrize("run_id", [CONFIG.run_id, OTHER.run_id])
def test_runs_of_format_1_are_read_as_lthviz_reads_them(older, run_id):
    if run_id == OTHER.run_id:   # whose worker is gone: what a reader makes of that is told in another place
        older.set_state(run_id, "cancelled")
    agree(older, run_id)


def test_a_fresh_run_is_read_as_lthviz_reads_it(fresh):
    store, run_id = fresh
    agree(store, run_id)
    assert reader.config(store.path(run_id))["format"] == 2 and all("crc32" in e for e in reader.events(store.path(run_id)))
    weight = store.weight(Address(run_id, 1, "unstructured", "features.3.weight"))
    assert np.array_equal(reader.round(store.path(run_id), 1)["tickets"]["unstructured"]["weights"]["features.3.weight"], weight) and np.any(weight)


def test_a_packed_run_holds_what_its_folder_does(fresh):
    store, run_id = fresh
    path = store.path(run_id)
    with h5py.File(store.root.parent / "packed.h5") as f:
        assert f.attrs["kind"] == b"run" and f.attrs["run"].decode() == run_id and f.attrs["format"] == 1
        for name in ("config.json", "layers.json", "events.jsonl"):
            assert reader.values(f[name]).tobytes() == (path / name).read_bytes()
        assert reader.checked(reader.values(f["about.json"]).tobytes())["note"] == "a note"
        assert {k: reader.checked(reader.values(v).tobytes())["timing"] for k, v in f["timings"].items()} == {p.name: reader.checked(p.read_bytes())["timing"] for p in (path / "timings").iterdir()}
        for k in reader.rounds(path):
            mine, theirs = reader.whole(f[f"rounds/{k:03d}"]), reader.round(path, k)
            assert repr(mine) == repr(theirs) and mine["tickets"].keys() == theirs["tickets"].keys()


def test_the_reader_tells_damage(fresh, tmp_path):
    copy = tmp_path / fresh[1]
    shutil.copytree(fresh[0].path(fresh[1]), copy)
    for name in ("config.json", "layers.json", "events.jsonl", "about.json"):
        data = bytearray((copy / name).read_bytes())
        at = data.index(b'"lthviz":"0') + 10 if name != "events.jsonl" else data.index(b'"time":1') + 8
        data[at] ^= 1
        (copy / name).write_bytes(data)
        with pytest.raises(ValueError, match="damaged"):
            getattr(reader, {"events.jsonl": "events"}.get(name, name.partition(".")[0]))(copy)


def test_the_document_s_own_example_is_right():
    (line,) = re.findall(r'^    (\{"format":2.*"crc32":"[0-9a-f]{8}"\})$', README.read_text(), re.M)
    assert sealed.intact(line.encode()) and reader.checked(line.encode())["asked"] == ""
    code = README.read_text().partition("    def checked(data):")[2].partition("\n\n")[0]
    space = {"zlib": zlib, "json": json}
    exec("def checked(data):" + "\n".join(x[4:] if i else x for i, x in enumerate(code.splitlines())), space)
    assert space["checked"](line.encode()) == reader.checked(line.encode())
    with pytest.raises(ValueError, match="it is damaged"):
        space["checked"](line.replace("0.1.0", "0.1.1").encode())


FREE = {"config", "others", "executors", "baselines_failed", "executors_failed", "errors", "attempts", "how"}
"""Fields whose own fields are settings, or names that a run gives."""


def fields(value):
    if isinstance(value, list):
        return {k for x in value for k in fields(x)}
    if isinstance(value, dict):
        return set(value) | {k for key, x in value.items() if key not in FREE for k in fields(x)}
    return set()


def in_hdf5(group):
    """Names of attributes, groups and datasets, and of the fields of JSON in them; not those that a run gives."""
    found = set(group.attrs)
    for key, item in group.items():
        given = group.name.rpartition("/")[2] in ("tickets", "masks", "weights", "arrays", "rounds", "timings")
        found |= set() if given else {key}
        found |= in_hdf5(item) if isinstance(item, h5py.Group) else set(item.attrs)
        if key in ("rows", "meta") and isinstance(item, h5py.Dataset) and item.dtype == np.uint8 and "blocks" not in group.name:
            found |= fields(json.loads(item[()].tobytes()))
        if key == "notes":
            found |= {k for notes in json.loads(item[()].tobytes()).values() for k in fields(notes)}
    return found


def test_everything_in_fresh_files_is_named_in_the_document(fresh):
    store, _ = fresh
    names, seen = set(), []
    for file in sorted(p for p in store.root.rglob("*") if p.is_file()):
        data = file.read_bytes()
        if file.suffix == ".h5":
            with h5py.File(file) as f:
                names |= in_hdf5(f)
        elif file.suffix in (".json", ".jsonl", ".request", ".stop"):
            for line in data.splitlines() if file.suffix == ".jsonl" else [data]:
                names |= fields(reader.checked(line))
                assert b'"crc32":"' in line
        seen.append(file.name)
    with h5py.File(store.root.parent / "packed.h5") as f:
        names |= in_hdf5(f)
    text = README.read_text()
    assert len(names) > 120 and {"crc32", "stages_done", "kept_only", "since_boot", "token", "rewind_step"} <= names
    unnamed = {n for n in names if not re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text)}
    assert not unnamed, unnamed
    known = {re.sub(r"^(\d{3}\.h5|.*\.request|\d{3}-.*\.json)$", lambda m: {"5": "NNN.h5", "t": "*.request", "n": "KEY.json"}[m[0][-1]], x) for x in seen}
    assert {"config.json", "events.jsonl", "NNN.h5", "checkpoint.h5", "KEY.json", "*.request", "progress.json"} <= known
    assert not [x for x in known if x.replace("seeds", "NAME") not in text and x != ".lock"]
