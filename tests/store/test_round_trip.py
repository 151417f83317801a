"""What is appended comes back, and lies on disk as data/README.md says."""

import itertools
import json

import h5py
import numpy as np
import pytest
import store_writer as writer
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthviz.config import UNSTRUCTURED
from lthviz.core import stats
from lthviz.errors import AddressError
from lthviz.records import Address, Begin, Blocks, Checkpoint, Epoch, Layer, Masks, Round, Stage, Step, Ticket
from lthviz.store import Store, reading, writing

LABELS = ("unstructured", "refill", "regroup-groups=4")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("whole") / "runs")
    return store, writer.write(store)


def test_every_round_comes_back_as_it_was(stored):
    store, run = stored
    assert store.run(run).rounds == (0, 1, 2, 3, 4)
    for k in range(5):
        whole = writer.whole(k)
        found = store.round(run, k)
        assert writer.plain(found)[4:] == writer.plain(whole)[4:]
        assert (found.index, found.stages_done, found.complete) == (k, len(writer.CONFIG.stages(k)), True)


def test_rows_are_those_of_core_with_the_dense_accuracy_of_round_0(stored):
    store, run = stored
    dense = writer.ticket(0, UNSTRUCTURED).test_acc
    rows = store.run(run).rows
    tickets = [writer.ticket(k, s) for k in range(5) for s in writer.CONFIG.tickets(k)]
    assert list(rows) == [stats.row(t, writer.LAYERS, dense) for t in tickets]
    assert store.results(run) == list(rows)
    json.dumps(store.results(run), allow_nan=False)


@pytest.mark.parametrize("stages", [0, 1, 3, 9, 10**9])
def test_the_seconds_of_a_run_are_those_of_its_rounds_also_of_the_unfinished_one(store, monkeypatch, stages):
    run = writer.write(store, stop_after=stages) if stages else store.begin(writer.CONFIG)
    want = sum(store.round(run, k).seconds for k in store.run(run).rounds)
    assert want > 0 or not stages
    with monkeypatch.context() as m:
        m.setattr(reading, "_get_mask", lambda *_: pytest.fail("a mask was read"))
        m.setattr(reading, "_read_ticket", lambda *_: pytest.fail("a ticket was read"))
        assert store.run(run).seconds == want


def test_the_run_knows_its_settings_layers_and_conditions(stored):
    store, run = stored
    found = store.run(run)
    assert (found.id, found.config, found.layers) == (writer.CONFIG.run_id, writer.CONFIG, writer.LAYERS)
    assert found.info == {"parameters": 1234, "device": "cpu"}
    assert (found.preset, found.title) == ("digits", "a test")


def test_one_layer_of_one_ticket(stored):
    store, run = stored
    for s, layer in itertools.product(LABELS, writer.LAYERS):
        at = Address(run, 3, s, layer.name)
        mask = store.mask(at)
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, writer.masks(3, s)[layer.name])
        if s == UNSTRUCTURED:
            np.testing.assert_array_equal(store.weight(at), writer.weights(3, s)[layer.name], strict=True)
        else:
            assert store.weight(at) is None
        assert writer.plain(Round(3, {s: store.ticket(at)}, 0, True)) == writer.plain(Round(3, {s: writer.ticket(3, s)}, 0, True))


def test_weights_are_read_when_asked_for(stored, monkeypatch):
    store, run = stored
    asked = []
    monkeypatch.setattr(reading, "_get_weight", lambda t, name, path: asked.append(name))
    weights = store.round(run, 2).tickets[UNSTRUCTURED].weights
    assert (list(weights), len(weights), asked) == (["a.weight", "b.weight", "c.weight"], 3, [])
    assert "nothing" not in weights
    weights["b.weight"]
    assert asked == ["b.weight"]


@pytest.mark.parametrize(("address", "words"), [
    (Address("convnet-digits-00000000"), "did you mean convnet-digits-"),
    (Address("../runs"), "there is no run '../runs'"),
    (Address(writer.CONFIG.run_id, 7), "has no round 7; it has rounds 0 to 4"),
    (Address(writer.CONFIG.run_id, 2, "refil", "a.weight"), "round 2 has no ticket 'refil'; did you mean refill"),
    (Address(writer.CONFIG.run_id, 2, "refill", "a.wait"), "no layer 'a.wait' in that network; did you mean a.weight"),
])
def test_an_address_that_leads_nowhere_names_the_near_misses(stored, address, words):
    for look in (stored[0].mask, stored[0].weight):
        with pytest.raises(AddressError, match=words.replace(".", r"\.")):
            look(address)
    if not address.layer:
        with pytest.raises(AddressError, match=words.replace(".", r"\.")):
            stored[0].ticket(address)


def test_the_file_is_what_the_readme_says(stored):
    """A reader made from data/README.md alone."""
    store, run = stored
    with h5py.File(store.path(run) / "rounds" / "003.h5") as f:
        assert (f.attrs["format"], f.attrs["kind"], f.attrs["run"]) == (1, b"round", run.encode())
        assert list(f["round/tickets"]) == list(LABELS)
        ticket = f["round/tickets/unstructured"]
        bits, shape = ticket["masks/b.weight"], ticket["masks/b.weight"].attrs["shape"]
        mask = np.unpackbits(bits[()], count=shape.prod()).reshape(shape).astype(bool)
        weight = np.zeros(shape, "f4")
        weight[mask] = ticket["weights/b.weight"][()]
        np.testing.assert_array_equal(mask, writer.masks(3, UNSTRUCTURED)["b.weight"])
        np.testing.assert_array_equal(weight, writer.weights(3, UNSTRUCTURED)["b.weight"])
        blocks = f["round/tickets/refill/blocks"]
        assert json.loads(blocks["layers"][()].tobytes()) == {"a.weight": [8, 27], "b.weight": [16, 72]}
        want = writer.blocks(3, "refill")["a.weight"]
        assert blocks["sizes"][()].tolist() == [[0, r.size, c.size] for r, c in zip(want.rows, want.cols)]
        assert blocks["cols"][()].tolist() == np.concatenate(want.cols).tolist()
        curve = ticket["curve"]
        assert curve[list(curve.attrs["fields"]).index(b"lr")].tolist() == [0.1] * writer.EPOCHS
        for thing in [f, *(f[k] for k in _all(f))]:  # nothing of variable length, nothing without a checksum
            assert not any(isinstance(v, str) for v in thing.attrs.values())
            if isinstance(thing, h5py.Dataset):
                assert h5py.check_vlen_dtype(thing.dtype) is None
                assert thing.fletcher32 or not thing.size


def _all(f):
    names = []
    f.visit(names.append)
    return names


@pytest.fixture
def one(tmp_path):
    store = Store(tmp_path / "runs")
    run = store.begin(writer.CONFIG)
    store.append(run, Begin(writer.LAYERS, {}))
    return store, run


def _through(folder, tickets):
    path = folder / "round.h5"
    path.write_bytes(writing.round_image("run", Round(5, tickets, 1, True), []))
    return reading.read_round(path, writing.ROUND, 5, folder)


SHAPES = hnp.array_shapes(min_dims=2, max_dims=4, max_side=9)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(lambda s: s != ".")


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(NAMES, hnp.arrays(bool, SHAPES), min_size=1, max_size=4))
def test_any_masks_come_back(tmp_path_factory, arrays):
    masks = Masks.of(arrays)
    found = _through(tmp_path_factory.getbasetemp(), {"refill": Ticket("refill", 5, masks)}).tickets["refill"].masks
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@st.composite
def any_blocks(draw):
    c, n = draw(st.integers(1, 70)), draw(st.integers(1, 70_000))
    some_rows, some_cols = (st.lists(st.integers(0, high - 1), max_size=8, unique=True) for high in (c, n))
    parts = draw(st.lists(st.tuples(some_rows, some_cols), max_size=4))
    return Blocks((c, n), *(tuple(np.array(p[i], np.int32) for p in parts) for i in (0, 1)))


def test_a_mask_that_two_tickets_share_is_stored_once(tmp_path):
    """In one file, and in a packed one; what looks alike but has another name or shape is a mask of its own."""
    bits = np.random.default_rng(0).random((40, 30)) < 0.5
    of = Masks.of({"x": bits, "y": bits, "z": bits.reshape(30, 40)})
    other = Masks.of({"x": bits, "y": ~bits, "z": bits.reshape(30, 40)})
    tickets = {"unstructured": Ticket("unstructured", 5, of), "reinit": Ticket("reinit", 5, of), "random": Ticket("random", 5, other)}
    assert writer.plain(_through(tmp_path, tickets)) == writer.plain(Round(5, tickets, 1, True))
    with h5py.File(tmp_path / "round.h5") as f, h5py.File(tmp_path / "copy.h5", "w") as copy:
        f.copy(f["round"], copy, "round")
        for of_file in (f, copy):
            found = {name: [of_file[f"round/tickets/{t}/masks/{name}"] for t in tickets] for name in "xyz"}
            assert [len({h5py.h5o.get_info(d.id).addr for d in found[name]}) for name in "xyz"] == [1, 2, 1]
            assert found["x"][0] != found["y"][0] and list(found["z"][2].attrs["shape"]) == [30, 40]


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from(["a", "b/c", "d%2F"]), any_blocks(), max_size=3))
def test_any_blocks_come_back(tmp_path_factory, blocks):
    ticket = Ticket("refill", 5, Masks.of({"a": np.ones((1, 1), bool)}), blocks)
    found = _through(tmp_path_factory.getbasetemp(), {"refill": ticket})
    assert writer.plain(found) == writer.plain(Round(5, {"refill": ticket}, 1, True))


@pytest.mark.parametrize("outside", [False, True], ids=["zero outside the mask", "not zero outside"])
def test_weights_come_back_bit_for_bit(one, outside):
    """A weight that is not zero where its mask is keeps that as well; a nan is a value, a layer without weights is none."""
    store, run = one
    rng = np.random.default_rng(0)
    masks = Masks.of({"x": rng.random((40, 3, 3, 3)) < 0.3, "none": np.zeros((4, 4), bool)})
    w = np.where(masks["x"] | outside, rng.standard_normal((40, 3, 3, 3), np.float32), np.float32(0))
    w[masks["x"]] = np.where(rng.random(masks.nnz("x")) < 0.1, np.nan, w[masks["x"]])
    weights = {"x": w, "none": np.zeros((4, 4), np.float32), "bn.bias": rng.random(7, np.float32)}
    ticket = Ticket("refill", 1, masks, weights=weights)
    store.save_checkpoint(run, Checkpoint({}, {}, Round(1, {"refill": ticket}, 1, False)))
    for found in (store.round(run, 1), store.checkpoint(run).round):
        assert writer.plain(found) == writer.plain(Round(1, {"refill": ticket}, 1, False))
    np.testing.assert_array_equal(store.weight(Address(run, 1, "refill", "x")), w, strict=True)


def test_a_checkpoint_comes_back_exactly(one):
    store, run = one
    assert store.checkpoint(run) is None
    for k in (1, 2):
        was = writer.checkpoint(writer.whole(k))
        store.save_checkpoint(run, was)
    found = store.checkpoint(run)
    assert repr(found.meta) == repr(was.meta)
    assert list(found.arrays) == list(was.arrays)
    for name, array in was.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array, strict=True)
    assert writer.plain(found.round) == writer.plain(was.round)


def test_an_unfinished_round_can_be_looked_at_and_then_finished(tmp_path):
    """The weights of a round that was looked at while unfinished can still be read when it is published meanwhile."""
    store = Store(tmp_path / "runs")
    run = writer.write(store, stop_after=1 + 5)  # dense; prune, refill, regroup, rewind, train the trunk
    early = store.round(run, 1)
    assert (early.complete, early.stages_done, list(early.tickets)) == (False, 5, list(LABELS))
    assert early.tickets["refill"].test_acc is None and early.tickets["refill"].curve is None
    assert store.run(run).rounds == (0, 1)
    assert [(r["round"], r["structure"]) for r in store.run(run).rows] == [(0, UNSTRUCTURED), (1, UNSTRUCTURED)]
    writer.write(store)
    assert store.round(run, 1).complete
    np.testing.assert_array_equal(early.tickets[UNSTRUCTURED].weights["a.weight"], writer.weights(1, UNSTRUCTURED)["a.weight"])


def test_finished_rounds_never_change(tmp_path):
    store = Store(tmp_path / "runs")
    seen: dict[str, tuple[bytes, int]] = {}
    for _ in range(6):
        run = writer.write(store, stop_after=4)
        for path in sorted((store.path(run) / "rounds").glob("*.h5")):
            now = path.read_bytes(), path.stat().st_mtime_ns
            assert seen.setdefault(path.name, now) == now
    assert len(seen) == 4
    other = writer.whole(1)  # a second attempt that came out otherwise, as on a GPU
    changed = Round(1, {**other.tickets, "refill": writer.ticket(2, "refill")}, other.stages_done, True)
    store.append(run, Stage(changed, "train", "refill", 1.0, lambda: writer.checkpoint(changed)))
    assert (store.path(run) / "rounds" / "001.h5").read_bytes() == seen["001.h5"][0]


def test_steps_leave_nothing_and_losses_are_not_asked_for(one):
    store, run = one
    before = store.events(run)
    store.append(run, Step(1, 2, lambda: pytest.fail("asking costs a synchronisation")))
    store.append(run, Epoch(0, "s", 0, 1, 1.0, 2.0, 3.0, 0.1, 0.5, lambda: pytest.fail("nobody asked for a checkpoint")))
    after = store.events(run)
    assert len(after[0]) == len(before[0]) + 1
    assert not list(store.path(run).glob("**/*.h5"))


LAYERS = (Layer("a.weight", (4, 3, 1, 1), (8, 8), "bn_a"), Layer("b.weight", (5, 4, 1, 1), (8, 8), "bn_b", ("a.weight",)))
EMPTY_ROW = Masks.of({"a.weight": np.arange(12).reshape(4, 3, 1, 1) >= 3, "b.weight": np.ones((5, 4, 1, 1), bool)})


def _stored(path, ticket, *, older):
    """A round of that ticket, in a file that says of each ticket by which rule it was trained, or in one as they were before."""
    path.write_bytes(writing.round_image("run", Round(5, {ticket.structure: ticket}, 1, True), [stats.row(ticket, LAYERS, 93.0)]))
    if older:
        with h5py.File(path, "r+") as f:
            del f["round/tickets"][ticket.structure].attrs["structural"]
    return (reading.read_round(path, writing.ROUND, 5, path.parent).tickets[ticket.structure],
            reading.read_ticket(path, writing.ROUND, 5, ticket.structure, path.parent))


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("removes", [False, True])
def test_a_ticket_keeps_the_rule_that_it_was_trained_by(tmp_path, older, removes):
    """Random tickets were once structural: an empty row was a removed channel, and its readers' weights did not count."""
    ticket = Ticket("random", 5, EMPTY_ROW, test_acc=90.0, removes_channels=removes)
    row = stats.row(ticket, LAYERS, 93.0)
    assert row["density"] * 32 == 29 and row["effective_density"] * 32 == (24 if removes else 29)
    for found in _stored(tmp_path / "005.h5", ticket, older=older):
        assert found.structural is removes and stats.row(found, LAYERS, 93.0) == row


@pytest.mark.parametrize(("label", "structural"), [("refill", True), ("unstructured", False), ("random", False), ("snip", False)])
def test_without_a_rule_of_its_own_a_ticket_has_its_methods(tmp_path, label, structural):
    for older in (False, True):
        ticket = Ticket(label, 5, Masks.of({"a.weight": np.ones((4, 3, 1, 1), bool), "b.weight": np.ones((5, 4, 1, 1), bool)}), test_acc=90.0)
        assert all(found.structural is structural for found in _stored(tmp_path / f"{older}.h5", ticket, older=older))
