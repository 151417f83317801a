"""What a killed process left aside goes with the next that writes there, and nobody else's does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import store_writer as writer

from lthviz.store import Store, aside, files, parts, timings

ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import os, sys
from pathlib import Path
name, nth = sys.argv[3], int(sys.argv[4])
real, left = getattr(os, name), [nth]
def killed(*args, **named):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
    return real(*args, **named)
from lthviz.store import Store, files, parts
setattr(os, name, killed)
exec(sys.argv[2])
"""


def kill(where: Path, act: str, op: str, nth: int = 1) -> None:
    """Another process does that with `here`, and is killed at the n-th operation of that name."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(where), f"here = Path(sys.argv[1]); {act}", op, str(nth)], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == -9, done.stderr


def names(folder: Path) -> list[str]:
    return sorted(x.name for x in folder.iterdir())


@pytest.mark.parametrize("op", ["write", "fsync", "replace"])
def test_the_next_to_write_a_file_removes_what_was_left_of_it(tmp_path, op):
    kill(tmp_path, "files.write(here / 'p.h5', b'12345678')", op)
    (left,) = names(tmp_path)
    assert left.startswith(".p.h5.") and left.endswith(".tmp")
    stranger = tmp_path / f".p.h5.x.{left.split('.')[3]}.1.tmp"      # of another file, `p.h5.x`
    stranger.write_bytes(b"")
    files.write(tmp_path / "p.h5", b"new")
    assert names(tmp_path) == [stranger.name, "p.h5"] and (tmp_path / "p.h5").read_bytes() == b"new"
    files.sweep(tmp_path)
    assert names(tmp_path) == ["p.h5"]


def test_what_a_living_process_or_another_machines_writes_stays(tmp_path):
    here = [tmp_path / f".p.h5.{os.getppid()}-{aside.HERE}ab.1.tmp", tmp_path / ".p.h5.99999999-00000000ab.1.tmp", tmp_path / ".p.h5.tmp", aside.file(tmp_path / "p.h5")]
    for path in here:
        path.write_bytes(b"")
    files.write(tmp_path / "p.h5", b"new")
    assert all(path.exists() for path in here)
    os.utime(here[1], (0, 0))
    files.write(tmp_path / "p.h5", b"newer")
    assert [path.exists() for path in here] == [True, False, True, True], "after an hour it is nobody's"


def test_a_timing_that_was_not_finished_goes_with_the_next(store):
    run = writer.write(store, stop_after=3)
    folder = store.path(run) / timings.FOLDER
    folder.mkdir()
    kill(folder, "files.write(here / '001-refill-cpu-float32-t1-b4.json', b'{}')", "replace")
    assert len(names(folder)) == 1
    store.recover(run)
    assert names(folder) == []


def test_a_start_that_was_killed_leaves_nothing_behind_the_next(store):
    kill(store.root, "import store_writer as writer; Store(here).begin(writer.CONFIG)".replace("import store_writer as writer; ", f"sys.path.insert(0, {str(Path(writer.__file__).parent)!r}); import store_writer as writer; "), "rename")
    assert [x.name.partition("-")[0] for x in store.root.iterdir()] == [".new"]
    run = store.begin(writer.CONFIG)
    assert names(store.root) == [run]


def test_a_trash_that_was_half_emptied_is_emptied_by_the_next(store):
    store.discard(writer.write(store, stop_after=3))
    kill(store.root, "Store(here).empty_trash()", "unlink", 2)
    assert [x for x in names(store.root) if x.startswith(".deleted-")] and not Store(store.root).trashed()
    store.empty_trash()
    assert names(store.root) == [".trash"] and names(store.root / ".trash") == []


@pytest.mark.parametrize(("nth", "there"), [(1, "old"), (2, None)])
def test_a_folder_that_was_being_replaced_is_the_old_or_the_new_one(tmp_path, nth, there):
    """Between the two renamings neither has the name; the next export puts that right first, whatever becomes of it itself."""
    out = tmp_path / "csv"
    parts.write(out, {"a.csv": b"old"}, "tables")
    kill(tmp_path, "parts.write(here / 'csv', {'a.csv': b'new'}, 'tables')", "rename", nth)
    assert ((out / "a.csv").read_bytes().decode() if out.exists() else None) == there
    assert len(names(tmp_path)) == 2
    parts.write(out, {"a.csv": b"newer"}, "tables")
    assert names(tmp_path) == ["csv"] and (out / "a.csv").read_bytes() == b"newer"


def test_the_old_folder_has_its_name_back_when_the_next_export_fails(tmp_path, monkeypatch):
    out = tmp_path / "csv"
    parts.write(out, {"a.csv": b"old"}, "tables")
    kill(tmp_path, "parts.write(here / 'csv', {'a.csv': b'new'}, 'tables')", "rename", 2)
    with monkeypatch.context() as m:
        m.setattr(files, "write", lambda *_: (_ for _ in ()).throw(files.StoreError("no room")))
        with pytest.raises(files.StoreError, match="no room"):
            parts.write(out, {"a.csv": b"newer"}, "tables")
    assert names(tmp_path) == ["csv"] and (out / "a.csv").read_bytes() == b"old"


def test_the_files_of_a_folder_are_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    for op, real in (("fsync", os.fsync), ("rename", os.rename)):
        monkeypatch.setattr(os, op, lambda *args, op=op, real=real: (done.append(op), real(*args))[1])
    parts.write(tmp_path / "csv", {"a.csv": b"a", "b.csv": b"b"}, "tables")
    assert done.index("rename") >= 3, "two tables and the list of both"
