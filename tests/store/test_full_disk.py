"""A disk that is full, or a write that fails at any step: one clear line, nothing half-written under a final name."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import store_writer as writer

from lthviz.errors import StoreError
from lthviz.records import Begin, Checkpoint, Round
from lthviz.store import Store, files

ROOT = Path(__file__).resolve().parents[2]

LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[3])
import numpy as np, store_writer as writer
from lthviz.errors import StoreError
from lthviz.records import Checkpoint, Round
from lthviz.store import Store
store, run = Store(sys.argv[1]), sys.argv[2]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # the system refuses to let a file grow beyond
big = Checkpoint({}, {"x": np.zeros(1_000_000)}, Round(1, {}, 0, False))
for act in (lambda: store.save_checkpoint(run, big), lambda: store.set_state(run, "failed", "x" * 200_000),
            lambda: store.pack(run, store.root / "packed.h5"), lambda: store.append(run, writer.next_stage())):
    try:
        act()
        print("written")
    except StoreError as e:
        print(e)
store.set_state(run, "failed", "the disk is full")
"""


def snapshot(root: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and not p.name.endswith(".lock")}


def test_a_write_that_the_system_refuses(tmp_path):
    store = Store(tmp_path / "runs")
    run = writer.write(store, writer.CONFIG.replace(rounds=12))
    before = snapshot(store.root)
    done = subprocess.run([sys.executable, "-c", LIMITED, str(store.root), run, str(Path(writer.__file__).parent)], check=True,
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    lines = done.stdout.splitlines()
    for line, name in zip(lines, ("checkpoint.h5", "events.jsonl", "packed.h5")):
        assert line.startswith(f"cannot write {store.root}") and name in line
        assert "File too large" in line and "MiB are free" in line
    assert len(lines) == 4 and done.stderr == ""
    assert lines[3] == "written", "what still fits is written"
    after = snapshot(store.root)
    for log in (store.path(run) / "events.jsonl", store.path(run) / "log.txt"):
        assert after.pop(log).startswith(before.pop(log))
    changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
    assert changed == {store.path(run) / "checkpoint.h5", store.path(run) / "rounds" / "013.h5"}
    assert store.status(run).message == "the disk is full"


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_failure_at_any_step_leaves_the_old_file(store, monkeypatch, step):
    run = writer.write(store, stop_after=4)
    before = snapshot(store.root)

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as m:
        m.setattr(os, step, fail)
        for act in (lambda: store.save_checkpoint(run, writer.checkpoint(writer.whole(2))), lambda: store.request(run, "pause"),
                    lambda: store.append(run, Begin((), {})), lambda: store.begin(writer.CONFIG.replace(seed=9)),
                    lambda: store.pack(run, store.root / "packed.h5")):
            with pytest.raises(StoreError, match=r"cannot write .*: No space left on device; [0-9,]+ MiB are free on that disk"):
                act()
    assert snapshot(store.root) == before
    assert store.runs() == [run] and not [p for p in store.root.iterdir() if p.name != run]
    store.save_checkpoint(run, writer.checkpoint(writer.whole(2)))
    assert store.checkpoint(run).round.index == 2


def test_a_line_that_fails_half_way_is_taken_back(tmp_path, monkeypatch):
    path, write = tmp_path / "events.jsonl", os.write
    files.append_line(path, b'{"a":1}')
    calls = []

    def half(fd, data):
        if data[:1] == b"{" and not calls:
            calls.append(1)
            return write(fd, data[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as m:
        m.setattr(os, "write", half)
        with pytest.raises(StoreError, match=r"events\.jsonl: No space left"):
            files.append_line(path, b'{"b":2}')
    assert calls and path.read_bytes() == b'{"a":1}\n'


def test_a_folder_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot write .*: Not a directory"):
        Store(tmp_path / "file" / "runs").begin(writer.CONFIG)


def test_a_checkpoint_of_many_megabytes_survives_a_failing_one(store, monkeypatch):
    """The bytes are made before the file is touched: an array that HDF5 cannot hold leaves the old checkpoint."""
    run = writer.write(store, stop_after=2)
    before = snapshot(store.root)
    with pytest.raises(TypeError):
        store.save_checkpoint(run, Checkpoint({}, {"x": np.array([object()])}, Round(1, {}, 0, False)))
    assert snapshot(store.root) == before


@pytest.mark.parametrize(("refusals", "written"), [(0, True), (3, True), (10**9, False)])
def test_a_file_that_somebody_reads_is_replaced_a_moment_later_as_on_windows(tmp_path, monkeypatch, refusals, written):
    path, replace, waited = tmp_path / "heartbeat.json", os.replace, []
    files.write(path, b"old")

    def refuse(*names):
        if len(waited) < refusals:
            raise PermissionError(errno.EACCES, "Access is denied")
        replace(*names)

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files.os, "replace", refuse)
    monkeypatch.setattr(files.time, "sleep", waited.append)
    if written:
        files.write(path, b"new")
    else:
        with pytest.raises(StoreError, match=r"cannot write .*: Access is denied"):
            files.write(path, b"new")
        assert 0.9 < sum(waited) < 1.5
    assert path.read_bytes() == (b"new" if written else b"old") and list(tmp_path.iterdir()) == [path]


def test_where_that_is_no_matter_of_time_it_fails_at_once(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.os, "replace", refuse)
    monkeypatch.setattr(files.time, "sleep", lambda _: pytest.fail("it waited"))
    with pytest.raises(StoreError, match="Permission denied"):
        files.write(tmp_path / "x", b"new")
