"""A packed run that comes through the page is the run that was packed; what is no packed run leaves the store as it was."""


import pytest

from lthviz.store import Store
from lthviz.ui.runs import importing
from tests import shipped


@pytest.fixture
def packed(tmp_path):
    """(id, bytes) of the example run, packed."""
    store, run_id = Store(tmp_path / "from", shipped.EXAMPLES), shipped.FIRST
    return run_id, store.pack(run_id, tmp_path / "packed.h5").read_bytes()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", tmp_path / "none")


def test_it_is_taken_in_once_and_said_to_be_there_the_second_time(store, packed):
    run_id, data = packed
    said = importing.take(store, "C:\\mine\\shared.h5", data)
    assert (said.kind, said.run) == ("info", run_id) and "was taken in from shared.h5" in said.sentence
    assert store.runs() == [run_id] and store.about(run_id).source == "shared.h5"
    original = Store(store.root.parent / "from", shipped.EXAMPLES)
    assert store.run(run_id).rows == original.run(run_id).rows and store.run(run_id).finished == original.run(run_id).finished
    again = importing.take(store, "again.h5", data)
    assert again.kind == "info" and "is here already" in again.sentence and store.about(run_id).source == "shared.h5"


@pytest.mark.parametrize("spoilt", [lambda d: b"no HDF5 at all", lambda d: b"", lambda d: d[:len(d) // 2],
                                    lambda d: d[:len(d) // 2] + bytes([d[len(d) // 2] ^ 255]) + d[len(d) // 2 + 1:]])
def test_a_bad_file_is_one_clear_line_and_nothing_is_kept(store, packed, spoilt):
    said = importing.take(store, "bad.h5", spoilt(packed[1]))
    assert said.kind == "error" and said.run == "" and "\n" not in said.sentence and "bad.h5" in said.sentence and "lthviz-import-" not in said.sentence
    assert store.runs() == [] and store.broken() == {}


def test_a_file_above_the_limit_is_refused_with_the_command(store, packed, monkeypatch):
    monkeypatch.setattr(importing, "MOST", 0.001)
    said = importing.take(store, "large.h5", packed[1])
    assert said.kind == "error" and "python -m lthviz unpack large.h5" in said.sentence and store.runs() == []
