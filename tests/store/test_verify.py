"""`lthviz verify`: reads everything, names what is damaged or missing, and changes nothing."""

import json
import shutil

import h5py
import pytest
import store_writer as writer
from test_flips import TIMING

from lthviz.cli import main
from lthviz.store import Store, files, verify
from lthviz.store.queue import Item

RUN = writer.CONFIG.run_id


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("verify") / "runs", examples=tmp_path_factory.mktemp("none"))
    writer.write(store)
    store.set_about(RUN, note="a note")
    store.put_timing(RUN, TIMING)
    store.keep_sweep("seeds", "", "seed = 0\n", (RUN,), "serial")
    store.ask_measuring(RUN, [Item(1, "refill", 64, 2)], {})
    store.pack(RUN, store.root.parent / "packed.h5")
    return store


@pytest.fixture
def store(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("LTHVIZ_EXAMPLES", "")   # the command reads those too
    shutil.copytree(whole.root, tmp_path / "runs")
    shutil.copy(whole.root.parent / "packed.h5", tmp_path)
    return Store(tmp_path / "runs", examples=tmp_path / "none")


def change(file, at=None, dataset=""):
    data = bytearray(file.read_bytes())
    if dataset:
        with h5py.File(file) as f:
            at = f[dataset].id.get_chunk_info(0).byte_offset + 3
    data[len(data) // 2 if at is None else at] ^= 0x10
    file.write_bytes(data)


def contents(store):
    return {p: p.read_bytes() for p in store.root.parent.rglob("*") if p.is_file() and not p.name.endswith("lock")}


def test_what_is_whole_is_said_to_be_and_every_byte_was_looked_at(store, capsys):
    before = contents(store)
    found = verify.run(store, RUN)
    assert found.whole and "rounds 0, 1, 2, 3, 4 of 5 files" in found.readable and "1 timing" in found.readable
    size = {p: p.stat().st_size for p in store.path(RUN).rglob("*") if p.is_file()}
    assert found.bytes == sum(n for p, n in size.items() if p.suffix in (".h5", ".json", ".jsonl") and p.name != "heartbeat.json")
    assert [v.run for v in verify.every(store)] == [RUN, ""] and all(v.whole for v in verify.every(store))
    assert main(["verify", "--runs", str(store.root), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["whole"] and said["runs"][0]["run_id"] == RUN
    assert main(["verify", str(store.root.parent / "packed.h5"), RUN, "--runs", str(store.root)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith(f"{RUN}: whole (") and "2 looked at" in err and "all whole" in err
    assert contents(store) == before


CASES = {
    "config.json": ("settings", "its checksum does not fit", "put the file back"),
    "layers.json": ("layers", "its checksum does not fit", "put the file back"),
    "about.json": ("title and note", "about.json is damaged", "lthviz about RUN"),
    "events.jsonl": ("log", "events.jsonl is damaged at line", "nothing is to be done"),
    "rounds/002.h5 notes": ("round 2", "002.h5 is damaged at /round/tickets/refill/notes", "put the file back"),
    "checkpoint.h5": ("checkpoint", "checkpoint.h5 is damaged at", "delete that file"),
    "timings": ("timing ", "its checksum does not fit", "measure it again"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_damaged_is_named_with_the_way_out_and_the_rest_is_read(store, name, capsys):
    what, why, way_out = CASES[name]
    path = store.path(RUN)
    file = next((path / "timings").iterdir()) if name == "timings" else path / name.split()[0]
    change(file, dataset="round/tickets/refill/notes" if "notes" in name else "round/tickets/refill/masks/a.weight" if name == "checkpoint.h5" else "")
    found = verify.run(store, RUN)
    (d,) = found.damage
    assert d.what.startswith(what) and why in d.why and way_out in d.way_out and d.file == str(file) and "\n" not in d.why
    assert "rounds 0, 1, 3, 4 of 5 files" in found.readable if "rounds" in name else "rounds 0, 1, 2, 3, 4 of 5 files" in found.readable
    assert main(["verify", "--runs", str(store.root)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{RUN}: damaged\n  {what}") and why in out and f"way out: {d.way_out}" in out and "1 damaged" in err
    assert main(["verify", RUN, "--json", "--runs", str(store.root)]) == 1
    assert json.loads(capsys.readouterr().out)["runs"][0]["damage"][0]["what"] == d.what


def test_all_damaged_datasets_of_a_file_are_named(store):
    file = store.path(RUN) / "rounds" / "003.h5"
    for name in ("masks/b.weight", "curve", "notes"):
        change(file, dataset=f"round/tickets/unstructured/{name}")
    assert [d.why.partition(" at ")[2].partition(":")[0].rpartition("unstructured/")[2] for d in verify.run(store, RUN).damage] == ["notes", "masks/b.weight", "curve"]


def test_files_that_a_half_finished_copy_lacks(store):
    path = store.path(RUN)
    for name in ("layers.json", "events.jsonl", "rounds/001.h5"):
        (path / name).unlink()
    damage = verify.run(store, RUN).damage
    assert {d.what for d in damage} == {"log", "round 1", "layers"} and all("is not there" in d.why for d in damage)
    (path / "config.json").unlink()
    assert "has no config.json" in verify.run(store, RUN).damage[0].why
    assert [v.whole for v in verify.every(store)] == [False, True]
    assert store.status(RUN).state == "failed" and "half-copied" in store.status(RUN).message, "it is not taken for a run that has not begun, and trained anew"


def test_a_file_that_holds_another_round(store):
    path = store.path(RUN) / "rounds"
    shutil.copy(path / "001.h5", path / "003.h5")
    (d,) = verify.run(store, RUN).damage
    assert d.what == "round 3" and "holds another round than its name says" in d.why


def test_what_lies_beside_the_runs(store):
    change(store.root / ".sweeps" / "seeds.json")
    change(next(store.root.glob(".measure/*/*.request")))
    (store.root / ".presets").mkdir()
    (store.root / ".presets" / "mine.toml").write_text("[config\n")
    found = verify.beside(store)
    assert {d.what for d in found.damage} == {"sweep seeds", f"request to measure {RUN}", "preset mine"} and found.readable == "0 of 3 files"
    assert store.damaged_sweeps().keys() == {"seeds"} and store.sweeps() == []


def test_packed_runs_are_checked_and_a_name_that_is_none_is_told_first(store, capsys):
    file = store.root.parent / "packed.h5"
    change(file, dataset="rounds/001/tickets/refill/masks/a.weight")
    assert main(["verify", str(file), "--runs", str(store.root)]) == 1
    assert "packed.h5 is damaged at /rounds/001/tickets/refill/masks/a.weight" in capsys.readouterr().out
    assert main(["verify", RUN, "nothing", "--runs", str(store.root)]) == 2
    assert "there is no run 'nothing'" in capsys.readouterr().err


def test_a_folder_whose_name_is_no_run(store):
    odd = store.root / "odd name\x1b[2J"
    odd.mkdir()
    files.write_json(odd / "config.json", {"id": "x", "created": 1.0, "config": {}})
    found = {v.run: v for v in verify.every(store)}
    assert not found[odd.name].whole and found[RUN].whole
    assert main(["verify", "--runs", str(store.root)]) == 1
