"""Locks in folders that go: nothing makes a run's folder again once it was moved."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import store_writer as writer
from filelock import FileLock, Timeout

from lthviz.errors import AddressError, StoreError
from lthviz.store import Store, about, files
from lthviz.store.locks import FolderLock

RUN = writer.CONFIG.run_id
ROOT = Path(__file__).resolve().parents[2]


def gone(store):
    return not (store.root / RUN).exists()


@pytest.fixture
def run(store):
    store.begin(writer.CONFIG)
    store.set_state(RUN, "cancelled")
    return store.path(RUN)


@pytest.mark.parametrize("mine", [FileLock, FolderLock])
def test_it_is_the_lock_that_filelock_takes(tmp_path, mine):
    other = FolderLock if mine is FileLock else FileLock
    with mine(tmp_path / "lock"), pytest.raises(Timeout):
        other(tmp_path / "lock", timeout=0.05).acquire()
    with other(tmp_path / "lock", timeout=0):
        pass


def test_who_waits_gets_it_when_it_is_free(tmp_path):
    lock = FolderLock(tmp_path / "lock")
    lock.acquire()
    threading.Timer(0.1, lock.release).start()
    with FolderLock(tmp_path / "lock", timeout=5) as held:
        assert held.is_locked and not lock.is_locked


def test_a_forked_process_does_not_keep_its_parents_lock(tmp_path):
    child = "import os, sys, time\nfrom pathlib import Path\nfrom lthviz.store.locks import FolderLock\n" \
            "lock = FolderLock(Path(sys.argv[1])).acquire()\nif os.fork() == 0:\n    print('forked', flush=True)\n    time.sleep(60)\n" \
            "else:\n    time.sleep(0.2)\n    os._exit(0)"
    with subprocess.Popen([sys.executable, "-c", child, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True) as p:
        assert p.stdout.readline() == "forked\n"
        p.wait()
        try:
            with FolderLock(tmp_path / "lock", timeout=5):
                pass
        finally:
            os.killpg(p.pid, 9)


@pytest.mark.parametrize("act", [lambda s, p, lock: lock.acquire(), lambda s, p, lock: about.change(p, title="x"),
                                 lambda s, p, lock: files.append_line(p / "events.jsonl", b"{}"), lambda s, p, lock: files.cut_torn_line(p / "events.jsonl")],
                         ids=["lock", "about", "append", "cut"])
def test_a_run_that_has_just_moved_is_not_made_again(store, run, act):
    lock = store.lock(RUN)
    store.discard(RUN)
    with pytest.raises(AddressError, match="not there any more"):
        act(store, run, lock)
    assert gone(store) and store.restore(RUN) == RUN


def test_a_run_that_moves_while_one_waits_for_its_lock(store, run):
    held, said = store.lock(RUN).acquire(), []

    def wait():
        with pytest.raises(AddressError) as e:
            store.lock(RUN).acquire(timeout=20)
        said.append(str(e.value))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.1)
    run.rename(store.root / ".elsewhere")
    held.release()
    waiting.join()
    assert "not there any more" in said[0] and gone(store)


def test_two_deletions_at_once_make_one_deleted_run(store, run):
    for _ in range(5):
        barrier, said = threading.Barrier(4), []

        def delete(barrier=barrier, said=said):
            barrier.wait()
            try:
                said.append(Store(store.root).discard(RUN).id)
            except AddressError as e:
                said.append(e)

        threads = [threading.Thread(target=delete) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert said.count(RUN) == 1 and len(said) == 4 and gone(store)
        assert [t.id for t in store.trashed()] == [RUN] and store.restore(RUN) == RUN and store.runs()[0] == RUN


def test_what_is_no_run_is_not_kept_as_a_deleted_one(store, run):
    (run / "config.json").unlink()
    with pytest.raises(AddressError, match="no run, or a part of one"):
        store.discard(RUN)
    assert not store.trashed() and run.is_dir()
    store.delete(RUN)
    assert gone(store)


def test_a_ghost_keeps_no_run_from_coming_back_or_being_begun(store, run):
    for come in (lambda: store.restore(RUN), lambda: store.begin(writer.CONFIG)):
        store.discard(RUN)
        run.mkdir()
        for name in ("lock", "events.jsonl", "heartbeat.json"):   # what older versions left of a worker
            (run / name).write_text("")
        assert come() == RUN and store.runs()[0] == RUN and not store.broken()


def test_a_folder_with_results_is_no_ghost(store, run):
    store.discard(RUN)
    (run / "rounds").mkdir(parents=True)
    (run / "rounds" / "000.h5").write_text("results")
    with pytest.raises(StoreError, match="is here"):
        store.restore(RUN)
    assert (run / "rounds" / "000.h5").read_text() == "results"
