"""A flipped byte, a cut file, a newer format: named, and the rest stays readable."""

import json

import h5py
import numpy as np
import pytest
import store_writer as writer

from lthviz.errors import DamagedError, StoreError, VersionError
from lthviz.records import Address
from lthviz.store import Store, files

STEP = 211  # every byte was tried once; here one in so many, at other places than the powers of two that structures like


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("damage") / "runs")
    return store, writer.write(store)


@pytest.fixture
def file(stored):
    """A round's file that a test may change."""
    path = stored[0].path(stored[1]) / "rounds" / "002.h5"
    good = path.read_bytes()
    yield path
    path.write_bytes(good)


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_a_flipped_byte_never_gives_other_masks_or_weights(stored, file):
    store, run = stored
    good, want, rows = file.read_bytes(), writer.plain(store.round(run, 2)), store.run(run).rows
    noticed = 0
    for at in range(0, len(good), STEP):
        flip(file, at)
        try:
            same = writer.plain(store.round(run, 2)) == want
        except StoreError as e:
            same, noticed = True, noticed + 1
            assert str(file) in str(e) and "\n" not in str(e)
        assert same, f"byte {at}"
        found = store.run(run)
        assert found.rows == rows or "2" in found.info["damaged"], f"byte {at}"
        file.write_bytes(good)
    assert noticed > 0.9 * len(good) / STEP


@pytest.mark.parametrize("name", ["masks/b.weight", "weights/a.weight", "notes", "curve"])
def test_the_damaged_dataset_is_named(stored, file, name):
    store, run = stored
    with h5py.File(file) as f:
        at = f[f"round/tickets/unstructured/{name}"].id.get_chunk_info(0).byte_offset
    flip(file, at + 1)
    with pytest.raises(DamagedError, match=f"002.h5 is damaged at /round/tickets/unstructured/{name}"):
        dict(store.round(run, 2).tickets["unstructured"].weights)
    for k in (0, 1, 3, 4):
        assert writer.plain(store.round(run, k))[4:] == writer.plain(writer.whole(k))[4:]
    if name == "masks/b.weight":  # what does not need the damaged dataset is still read
        for s, layer in (("unstructured", "a.weight"), ("refill", "b.weight")):
            np.testing.assert_array_equal(store.mask(Address(run, 2, s, layer)), writer.masks(2, s)[layer])


@pytest.mark.parametrize("keep", [0, 1, 8, 100, 3000, -1])
def test_a_cut_file_is_damaged_and_the_run_tells(stored, file, keep):
    store, run = stored
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DamagedError, match=r"002\.h5 is damaged"):
        store.round(run, 2)
    found = store.run(run)
    assert "002.h5" in found.info["damaged"]["2"]
    assert found.rounds == (0, 1, 2, 3, 4)
    assert {r["round"] for r in found.rows} == {0, 1, 3, 4}
    assert found.seconds == sum(store.round(run, k).seconds for k in (0, 1, 3, 4))


def test_a_newer_format_is_refused_by_name(stored, file):
    store, run = stored
    with h5py.File(file, "r+") as f:
        f.attrs["format"], f.attrs["lthviz"] = 2, np.bytes_(b"7.0")
    for look in (lambda: store.round(run, 2), lambda: store.mask(Address(run, 2, "refill", "a.weight"))):
        with pytest.raises(VersionError, match=r"written by lthviz 7\.0 in format 2; this is lthviz .*: update lthviz"):
            look()
    assert "update lthviz" in store.run(run).info["damaged"]["2"]


@pytest.mark.parametrize("name", ["format", "kind", "lthviz"])
@pytest.mark.parametrize("value", ["plain text", np.array([1, 2]), None], ids=["text", "array", "missing"])
def test_a_head_of_other_types_is_damaged(stored, file, name, value):
    """As h5py writes text unasked: of variable length."""
    store, run = stored
    with h5py.File(file, "r+") as f:
        if value is None:
            del f.attrs[name]
        else:
            f.attrs[name] = value
    with pytest.raises(DamagedError, match=r"002\.h5 is damaged at its head: \S"):
        store.round(run, 2)
    assert "damaged at its head" in store.run(run).info["damaged"]["2"]


@pytest.mark.parametrize("text", [b"", b"{", b'{"format": 1}', b'{"format": 1, "layers": 3, "info": {}}', {"format": "1"},
                                  b'{"format": 1, "layers": [{"x": 1}], "info": {}}', {"format": 0}, {"format": None}])
def test_damaged_layers_are_told(stored, layers, text):
    store, run = stored
    layers(text)
    found = store.run(run)
    assert found.layers == () and "layers.json is damaged" in found.info["damaged"]["layers"] and len(found.rows) == 13


def test_layers_of_a_newer_format_are_refused_by_name(stored, layers):
    store, run = stored
    layers({"format": 3, "lthviz": "7.0"})
    found = store.run(run)
    assert found.layers == () and len(found.rows) == 13
    assert "layers.json was written by lthviz 7.0 in format 3" in found.info["damaged"]["layers"]


@pytest.fixture
def layers(stored):
    """Replaces layers.json by a text, or some of its fields."""
    file = stored[0].path(stored[1]) / "layers.json"
    good = file.read_bytes()
    yield lambda x: file.write_bytes(x if isinstance(x, bytes) else files.json_file({**json.loads(good), **x}))
    file.write_bytes(good)


def test_a_damaged_checkpoint_says_what_to_do_and_stops_nothing_else(tmp_path):
    store = Store(tmp_path / "runs")
    run = writer.write(store, stop_after=9)
    file = store.path(run) / "checkpoint.h5"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(DamagedError, match=r"checkpoint\.h5 is damaged.*delete that file to start the run again"):
        store.checkpoint(run)
    store.recover(run)
    assert "checkpoint.h5" in store.status(run).message
    assert "checkpoint.h5" in store.run(run).info["damaged"]["checkpoint"] and len(store.run(run).rows) == 4


def test_a_damaged_heartbeat_is_none(tmp_path):
    store = Store(tmp_path / "runs")
    run = writer.write(store, stop_after=1)
    for text in (b"\0" * 60, b'{"time": null, "done": "3", "total": null, "eta_s": "soon"}'):
        (store.path(run) / "heartbeat.json").write_bytes(text)
        assert store.status(run).done == 0
