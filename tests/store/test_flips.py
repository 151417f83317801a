"""A changed byte, wherever it is, in every kind of file: it is told, with the file's name, or what is read is what was written."""

import json

import h5py
import numpy as np
import pytest
import store_writer as writer

from lthviz.errors import StoreError
from lthviz.records import Timing
from lthviz.store import Store, about, amiss, files, hdf5, log, queue, timings
from lthviz.store.queue import Item
from lthviz.store.writing import CHECKPOINT, ROUND, ahead_path, round_image

TIMING = Timing.of({"round": 1, "structure": "refill", "device": "cpu", "threads": 2, "batch": 64, "precision": "float32", "dense_ms": 20.0, "ticket_ms": 5.0, "time_ratio": 0.25,
                    "spread": [0.2, 0.3], "n": 11, "flops_ratio": 0.3, "max_abs_err": 1e-6, "baseline": "torch", "others": {"torch": 20.0}, "executor": "blocks", "layers": [],
                    "estimated_ms": None, "time": 1.8e9, "conditions": {"machine": "0a1b2c3d", "note": "é\\\"\n"}})
PLACES = 80
"""Of an HDF5 file, at which a byte is changed; of the smaller files every byte is."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("flips") / "runs", examples=tmp_path_factory.mktemp("none"))
    run = writer.write(store, writer.CONFIG.replace(rounds=2), stop_after=8)
    store.set_state(run, "cancelled", "by hand: é")
    store.set_about(run, title="A title", note="two\nlines")
    store.put_timing(run, TIMING)
    store.keep_sweep("seeds", "Seeds", "seed = [1, 2]", (run,), "serial")
    store.ask_measuring(run, [Item(1, "refill", 64, 2)], {"seconds": 1.0})
    queue.say(store.measure_folder(run), queue.Progress(3, Item(1, "refill", 64, 2), "timing", {"a": (1.0, "b")}, {"c": 1}))
    path = store.path(run)
    (path / "ahead").mkdir()
    files.write(ahead_path(path, 2), round_image(run, writer.whole(2, writer.CONFIG.replace(rounds=2)), ()))
    store.pack(run, store.root.parent / "packed.h5")
    return store, run


def changes(data, every):
    """Copies of the bytes with one changed by a bit, by another, and as a whole, at so many places; and with two zeros that became FF."""
    step = 1 if every else max(1, len(data) // PLACES) | 1
    for at in range(0, len(data), step):
        for by in (0x01, 0x20, 0xFF) if every else (0x10, 0xFF):
            yield f"byte {at} by {by:02x}", data[:at] + bytes([data[at] ^ by]) + data[at + 1:]
    if not every:
        for at in [i for i in range(0, len(data) - 1, 2) if data[i:i + 2] == b"\0\0"][::max(1, len(data) // PLACES)]:
            yield f"bytes {at} and {at + 1}", data[:at] + b"\xff\xff" + data[at + 2:]


def noticed(file, look, every):
    """How many changes were told of the file, of how many; that no other is seen is asserted."""
    good, want, told, tried = file.read_bytes(), look(), 0, 0
    try:
        for what, data in changes(good, every):
            file.write_bytes(data)
            tried += 1
            try:
                found = look()
            except StoreError as e:
                assert str(file) in str(e) and "\n" not in str(e), what
                told += 1
            else:
                assert found == want, f"{file.name}: {what} is read unnoticed"
    finally:
        file.write_bytes(good)
    return told, tried


SMALL = {
    "config.json": lambda s, r, f: s.head(f.parent)._replace(title=""),
    "layers.json": lambda s, r, f: repr(s._layers(f.parent)),
    "about.json": lambda s, r, f: about.read(f.parent),
    "timing": lambda s, r, f: timings.read(f),
    "sweep": lambda s, r, f: {k.name: repr(k) for k in s.sweeps()} or pytest.fail("told") if not s.damaged_sweeps() else _raise(s.damaged_sweeps()),
    "request": lambda s, r, f: repr(queue.requests(f.parent)) if not queue.damaged(f.parent) else _raise(queue.damaged(f.parent)),
    "heartbeat.json": lambda s, r, f: files.read_json(f),
    "progress.json": lambda s, r, f: files.read_json(f),
}


def _raise(found):
    raise StoreError(next(iter(found.values())))


def _file(store, run, name):
    path = store.path(run)
    return {"timing": path / "timings" / timings.file_name(TIMING.key), "sweep": store.root / ".sweeps" / "seeds.json", "progress.json": store.measure_folder(run) / name,
            "request": next(store.measure_folder(run).glob("*.request")), "round": path / "rounds" / "001.h5", "checkpoint": path / "checkpoint.h5",
            "ahead": path / "ahead" / "002.h5", "packed": store.root.parent / "packed.h5"}.get(name, path / name)


@pytest.mark.parametrize("name", SMALL)
def test_every_byte_of_a_json_file(stored, name):
    store, run = stored
    file = _file(store, run, name)
    told, tried = noticed(file, lambda: SMALL[name](store, run, file), every=True)
    assert told == tried > 300, "there is no byte that carries nothing"


def test_every_byte_of_a_log(stored):
    """Also one that makes two lines of one or one of two: a line is left out and told, the others are as they were."""
    store, run = stored
    file, path = store.path(run) / "events.jsonl", store.path(run)
    good = file.read_bytes()
    file.write_bytes(good := b"".join(good.splitlines(keepends=True)[-5:]))
    want = store.events(run)[0]
    assert amiss.in_log(path) == "" and [e["event"] for e in want].count("state") >= 1
    for what, data in changes(good, every=True):
        file.write_bytes(data)
        line = 1 + good[:int(what.split()[1])].count(b"\n")
        assert f"events.jsonl is damaged at line {line}: " in amiss.in_log(path), what
        assert [e for e in store.events(run)[0] if e["event"] != "damaged"] == want[:line - 1] + want[line + (good[int(what.split()[1])] == 10):], what
    file.write_bytes(good)


def dump(f):
    """Everything in an HDF5 file: names, attributes, values."""
    out = [(k, np.asarray(v).tobytes()) for k, v in f.attrs.items()]
    for name in f:
        item = f[name]
        out += [name, dump(item) if isinstance(item, h5py.Group) else (item.dtype.str, item.shape, item[()].tobytes(), [(k, np.asarray(v).tobytes()) for k, v in item.attrs.items()])]
    return out


@pytest.mark.parametrize(("name", "kind"), [("round", ROUND), ("checkpoint", CHECKPOINT), ("ahead", ROUND), ("packed", "run")])
def test_bytes_of_an_hdf5_file(stored, name, kind):
    store, run = stored
    file = _file(store, run, name)

    def look():
        with hdf5.opened(file, kind) as f:
            hdf5.verify(file, f)
            return dump(f)

    told, tried = noticed(file, look, every=False)
    assert told > 0.8 * tried > PLACES


def test_a_single_number_and_zeros_that_became_ones_are_noticed(tmp_path):
    """HDF5 has no checksum for an array without dimensions, and its Fletcher-32 takes 0000 for FFFF."""
    file = tmp_path / "x.h5"

    def fill(f):
        hdf5.put(f, "number", np.array(7))
        hdf5.put(f, "bytes", np.r_[np.arange(1, 9), np.zeros(92)].astype(np.uint8), gzip=False)

    files.write(file, hdf5.image("round", {"lthviz": "x"}, fill))
    with h5py.File(file) as f:
        places = f["number"].id.get_offset(), f["bytes"].id.get_chunk_info(0).byte_offset
    good = file.read_bytes()
    for at, was, now, name in ((places[0], b"\x07", b"\x08", "number"), (places[1] + 10, b"\0\0", b"\xff\xff", "bytes")):
        assert good[at:at + len(was)] == was
        file.write_bytes(good[:at] + now + good[at + len(was):])
        with hdf5.opened(file, "round") as f, pytest.raises(StoreError, match=f"x.h5 is damaged at /{name}: its checksum does not fit its values"):
            hdf5.get(f, name, file)
        with h5py.File(file) as f:
            f[name][()]   # which HDF5 itself does not notice


def test_a_line_that_lost_its_checksum_is_none_of_format_1():
    whole = log.line("stage", round=1, kind="train", structure="refill", seconds=1.0, stages_done=2, complete=False)
    old = {k: v for k, v in json.loads(whole).items() if k != "crc32"}
    assert [e["event"] for e in log.parse([whole, files.json_bytes(old), whole.replace(b"crc32", b"crb32"), files.json_bytes({"event": "new"})])] == ["stage", "stage", "damaged", "damaged"]
