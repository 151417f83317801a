"""A packed run that comes through the page is the run that was packed; what is no packed run leaves the store as it was."""


import pytest

from lthviz.store import Store
from lthviz.ui.exchange.packed import is_one, take
from tests import shipped


@pytest.fixture
def packed(tmp_path):
    """(id, file) of the example run, packed."""
    store, run_id = Store(tmp_path / "from", shipped.EXAMPLES), shipped.FIRST
    return run_id, store.pack(run_id, tmp_path / "file.h5")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", tmp_path / "none")


def test_it_is_taken_in_once_and_said_to_be_there_the_second_time(store, packed):
    run_id, file = packed
    said = take(store, "shared.h5", file)
    assert (said.kind, said.run) == ("info", run_id) and "was taken in from shared.h5" in said.sentence
    assert store.runs() == [run_id] and store.about(run_id).source == "shared.h5"
    original = Store(store.root.parent / "from", shipped.EXAMPLES)
    assert store.run(run_id).rows == original.run(run_id).rows and store.run(run_id).finished == original.run(run_id).finished
    again = take(store, "again.h5", file)
    assert again.kind == "info" and "is here already" in again.sentence and store.about(run_id).source == "shared.h5"


@pytest.mark.parametrize("spoilt", [lambda d: b"no HDF5 at all", lambda d: b"", lambda d: d[:len(d) // 2],
                                    lambda d: d[:len(d) // 2] + bytes([d[len(d) // 2] ^ 255]) + d[len(d) // 2 + 1:]])
def test_a_bad_file_is_one_clear_line_and_nothing_is_kept(store, packed, spoilt):
    packed[1].write_bytes(spoilt(packed[1].read_bytes()))
    said = take(store, "bad.h5", packed[1])
    assert said.kind == "error" and said.run == "" and "\n" not in said.sentence and "bad.h5" in said.sentence and str(packed[1]) not in said.sentence
    assert store.runs() == [] and store.broken() == {}


def test_what_is_packed_is_told_by_its_head(tmp_path, packed):
    other, one_round = tmp_path / "other.h5", Store(tmp_path / "from", shipped.EXAMPLES).path(shipped.FIRST) / "rounds" / "001.h5"
    other.write_bytes(b"no HDF5 at all")
    assert is_one(packed[1]) and not is_one(other) and not is_one(one_round) and not is_one(tmp_path / "none.h5")
