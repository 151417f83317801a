"""A run as one file, and back."""

import json

import h5py
import numpy as np
import pytest
import store_writer as writer

from lthviz.errors import DamagedError, StoreError, UsageError, VersionError
from lthviz.store import Store, files

RUN = writer.CONFIG.run_id


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    store = Store(folder / "runs")
    return store, store.pack(writer.write(store), folder / "run.h5")


@pytest.fixture
def other(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture
def copy(packed, tmp_path):
    path = tmp_path / "copy.h5"
    path.write_bytes(packed[1].read_bytes())
    return path


def contents(store: Store) -> list:
    found = store.run(RUN)
    return [found.config, found.layers, found.info, found.rows, found.rounds, found.created, found.preset, found.title,
            store.events(RUN), store.status(RUN).state, *(writer.plain(store.round(RUN, k)) for k in found.rounds)]


def test_there_and_back(packed, other, tmp_path):
    store, file = packed
    assert other.unpack(file) == RUN
    assert contents(other) == contents(store)
    assert other.checkpoint(RUN) is None and store.checkpoint(RUN) is not None
    assert other.pack(RUN, tmp_path / "again.h5").read_bytes() == file.read_bytes()


def test_unpacking_what_is_there_already(packed, other):
    store, file = packed
    assert store.unpack(file) == RUN, "with its checkpoint, heartbeat and locks beside"
    other.unpack(file)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in other.root.rglob("*") if p.is_file()}
    assert other.unpack(file) == RUN
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in other.root.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("part", ["rounds/003", "layers.json", "events.jsonl", "rounds"])
def test_another_run_of_the_same_id_is_an_error_and_stays(packed, other, part):
    file = packed[1]
    other.unpack(file)
    path = other.path(RUN)
    if part == "rounds/003":
        (path / "rounds" / "003.h5").unlink()
        whole = writer.whole(3)
        other._publish(path, type(whole)(3, {**whole.tickets, "refill": writer.ticket(2, "refill")}, 7, True, 3.5))
    elif part == "layers.json":
        (path / part).write_bytes((path / part).read_bytes().replace(b"cpu", b"gpu"))
    elif part == "events.jsonl":
        other.set_state(RUN, "queued")
    else:
        (path / "rounds" / "004.h5").unlink()
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    with pytest.raises(StoreError, match=f"run '{RUN}' is already here and differs at /{part}.*delete it"):
        other.unpack(file)
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before
    assert [p.name for p in other.root.iterdir()] == [RUN]


def test_an_example_of_that_id(packed, tmp_path):
    store, file = packed
    Store(tmp_path / "examples").unpack(file)
    both = Store(tmp_path / "runs")
    assert both.unpack(file) == RUN and both.is_example(RUN), "the same content: nothing to do"
    (tmp_path / "examples" / RUN / "rounds" / "004.h5").unlink()
    assert both.unpack(file) == RUN and not both.is_example(RUN), "examples stay as they are; the run becomes one's own"
    assert contents(both) == contents(store)


def test_an_unfinished_run(other, tmp_path):
    there = Store(tmp_path / "there" / "runs")
    writer.write(there, stop_after=10)
    with open(there.path(RUN) / "events.jsonl", "ab") as f:
        f.write(b'{"event":"torn')
    other.unpack(there.pack(RUN, tmp_path / "part.h5"))
    assert other.run(RUN).rounds == (0, 1)
    assert other.status(RUN).message.endswith("there is no checkpoint, so resume starts from round 0")
    assert other.events(RUN) == there.events(RUN)
    first = {k: (other.path(RUN) / "rounds" / f"{k:03d}.h5").read_bytes() for k in (0, 1)}
    writer.write(other)
    assert other.run(RUN).rounds == (0, 1, 2, 3, 4)
    assert {k: (other.path(RUN) / "rounds" / f"{k:03d}.h5").read_bytes() for k in (0, 1)} == first


def test_a_file_that_is_there_is_not_overwritten_unasked(packed, tmp_path):
    store, _ = packed
    out = tmp_path / "x.h5"
    out.write_text("mine")
    with pytest.raises(UsageError, match=r"x\.h5 is there already"):
        store.pack(RUN, out)
    assert out.read_text() == "mine"
    store.pack(RUN, out, overwrite=True)
    assert Store(tmp_path / "new").unpack(out) == RUN
    with pytest.raises(UsageError, match="is not there; make it"):
        store.pack(RUN, tmp_path / "no" / "x.h5")


def test_a_damaged_round_is_not_packed(packed, other, tmp_path):
    other.unpack(packed[1])
    file = other.path(RUN) / "rounds" / "002.h5"
    data = bytearray(file.read_bytes())
    with h5py.File(file) as f:
        data[f["round/tickets/refill/masks/b.weight"].id.get_chunk_info(0).byte_offset] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedError, match=r"002\.h5 is damaged at /round/tickets/refill/masks/b\.weight"):
        other.pack(RUN, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_a_damaged_pack_leaves_nothing(packed, other, copy):
    good = copy.read_bytes()
    for at in (9, 20, 45, *range(60, len(good), 3001)):
        data = bytearray(good)
        data[at] ^= 1
        copy.write_bytes(data)
        with pytest.raises(DamagedError, match=r"copy\.h5 is damaged"):
            other.unpack(copy)
        assert not list(other.root.glob("*")) and not list(other.root.glob(".*"))


@pytest.mark.parametrize(("content", "words"), [
    (None, "there is no file"), (b"", "is not a packed run"), (b"PK\3\4", "is not a packed run"),
    ("masks", "is not a packed run; `lthviz pack` makes one"), ("round", "is not a packed run but a round file of one")])
def test_what_is_no_packed_run(packed, other, tmp_path, content, words):
    file = tmp_path / "given.h5"
    if content == "masks":
        with h5py.File(file, "w") as f:
            f["conv1.weight"] = np.ones((3, 3))
    elif content == "round":
        file.write_bytes((packed[0].path(RUN) / "rounds" / "000.h5").read_bytes())
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        other.unpack(file)


def test_a_newer_pack_is_refused(other, copy):
    with h5py.File(copy, "r+") as f:
        f.attrs["format"] = 2
    with pytest.raises(VersionError, match=r"in format 2;.*: update lthviz"):
        other.unpack(copy)


@pytest.mark.parametrize("evil", ["../evil", "/tmp/evil", ".evil", "another"])
def test_no_name_in_a_pack_leads_elsewhere(other, copy, tmp_path, evil):
    with h5py.File(copy, "r+") as f:
        f.attrs["run"] = np.bytes_(evil.encode())
        if evil != "another":
            head = json.loads(f["config.json"][()].tobytes())
            del f["config.json"]
            f["config.json"] = np.frombuffer(files.json_file({**head, "id": evil}), np.uint8)
    with pytest.raises(DamagedError, match="its run is called"):
        other.unpack(copy)
    assert not other.root.exists()


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"config": {"epochz": 3}}, StoreError, r"copy\.h5: 'epochz' is not a setting; did you mean epochs"),
    ({"config": {"rate": 7}}, StoreError, r"copy\.h5: rate = 7.0 is out of range"),
    ({"config": 3}, DamagedError, r"copy\.h5 is damaged: 'config' is missing or of the wrong type"),
    ({"created": "yesterday"}, DamagedError, r"copy\.h5 is damaged: 'created' is missing or of the wrong type"),
    ({"format": 3, "lthviz": "9.9"}, VersionError, r"copy\.h5, its config\.json was written by lthviz 9\.9 in format 3"),
], ids=str)
def test_settings_that_cannot_be_read_leave_nothing(other, copy, change, error, words):
    with h5py.File(copy, "r+") as f:
        head = json.loads(f["config.json"][()].tobytes())
        del f["config.json"]
        f["config.json"] = np.frombuffer(files.json_file({**head, **change}), np.uint8)
    with pytest.raises(error, match=words):
        other.unpack(copy)
    assert not other.root.exists()


@pytest.mark.parametrize("name", ["run", "lthviz"])
def test_a_head_of_plain_text_is_damaged(other, copy, name):
    with h5py.File(copy, "r+") as f:
        f.attrs[name] = f.attrs[name].decode()
    with pytest.raises(DamagedError, match=r"copy\.h5 is damaged at its head: .*fixed-length text"):
        other.unpack(copy)
    assert not other.root.exists()


def test_no_round_in_a_pack_leads_elsewhere(other, copy):
    with h5py.File(copy, "r+") as f:
        f.move("rounds/004", "rounds/..%2Fevil")
    with pytest.raises(DamagedError, match="is not the number of a round"):
        other.unpack(copy)
    assert not other.root.exists()
