"""A packed run that comes through the page is the run that was packed; what is no packed run leaves the store as it was. Both are read by a child."""

import pytest

from lthviz.errors import LthvizError
from lthviz.exchange import apart
from lthviz.store import Store
from lthviz.ui.exchange import packed as saying
from tests import shipped


@pytest.fixture
def packed(tmp_path):
    """(id, file) of the example run, packed."""
    store, run_id = Store(tmp_path / "from", shipped.EXAMPLES), shipped.FIRST
    return run_id, store.pack(run_id, tmp_path / "file.h5")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", tmp_path / "none")


def take(store, name, file, *more):
    """What the page asks a child for."""
    return apart.run(["import", str(file), f"--source={name}", f"--runs={store.root}", *more])


def test_it_is_taken_in_once_and_said_to_be_there_the_second_time(store, packed):
    run_id, file = packed
    assert take(store, "shared.h5", file, "--dry") == {"kind": saying.KIND, "source": "shared.h5"} and store.runs() == []
    said = take(store, "shared.h5", file)
    assert said["run_id"] == run_id and "was taken in from shared.h5" in saying.sentence(said)
    assert store.runs() == [run_id] and store.about(run_id).source == "shared.h5"
    original = Store(store.root.parent / "from", shipped.EXAMPLES)
    assert store.run(run_id).rows == original.run(run_id).rows and store.run(run_id).finished == original.run(run_id).finished
    assert "is here already" in saying.sentence(take(store, "again.h5", file)) and store.about(run_id).source == "shared.h5"


@pytest.mark.parametrize("spoilt", [lambda d: b"no HDF5 at all", lambda d: d[:len(d) // 2], lambda d: d[:len(d) // 2] + bytes([d[len(d) // 2] ^ 255]) + d[len(d) // 2 + 1:]],
                         ids=["other", "half", "a byte"])
def test_a_bad_file_is_one_clear_line_and_nothing_is_kept(store, packed, spoilt):
    packed[1].write_bytes(spoilt(packed[1].read_bytes()))
    with pytest.raises(LthvizError) as e:
        take(store, "bad.h5", packed[1])
    assert "\n" not in str(e.value) and "file.h5" in str(e.value)
    assert store.runs() == [] and store.broken() == {}


def test_what_a_packed_run_says_itself_is_not_said_beside_it(store, packed):
    with pytest.raises(LthvizError, match="leave --data out"):
        take(store, "a.h5", packed[1], "--data=digits")
