"""Real processes: killed at any moment, read while they write, holding the lock and losing it with their life."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import store_writer as writer
from filelock import Timeout

from lthviz.errors import StoreError, UsageError
from lthviz.store import Store, aside, files, sealed

ROOT = Path(__file__).resolve().parents[2]
RUN = writer.CONFIG.run_id


@pytest.fixture
def spawn():
    """Starts store_writer.py on a folder; waits until it holds the run's lock."""
    running = []

    def start(root: Path, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, writer.__file__, str(root), *arguments], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "PYTHONPATH": str(ROOT)})
        running.append(process)
        assert process.stdout.readline() == "locked\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def assert_whole(store: Store, run: str) -> None:
    """Every finished round is what was appended, and nothing has a final name that cannot be read."""
    found = store.run(run)
    assert "damaged" not in found.info
    for k in found.rounds:
        now = store.round(run, k)
        if now.complete:
            assert writer.plain(now)[4:] == writer.plain(writer.whole(k))[4:]
    assert [e["event"] for e in store.events(run)[0]].count("damaged") == 0


def test_killed_at_any_moment_nothing_finished_is_lost(tmp_path, spawn):
    store, rng, kept, kills = Store(tmp_path / "runs"), random.Random(0), 0, 0
    while not (store.root / "done").exists():
        process = spawn(store.root)
        log = store.path(RUN) / "events.jsonl"
        enough = log.stat().st_size + rng.randint(1, 3500)  # of about 13 kB
        while process.poll() is None and log.stat().st_size < enough:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_whole(store, RUN)
        finished = [k for k in store.run(RUN).rounds if store.round(RUN, k).complete]
        assert finished == list(range(len(finished))) and len(finished) >= kept
        kept = len(finished)
        assert kills < 60, "it does not get on"
    assert kills >= 3
    assert_whole(store, RUN)
    assert (kept, store.status(RUN).state) == (5, "finished")
    assert len(store.run(RUN).rows) == 13
    assert not list(store.path(RUN).rglob("*.tmp")), "recovery removes what was left aside"
    untouched = Store(tmp_path / "untouched")
    writer.write(untouched)
    assert store.run(RUN).rows == untouched.run(RUN).rows
    for s in ("unstructured", "refill"):
        assert repr(store.epochs(RUN, 3, s)) == repr(untouched.epochs(RUN, 3, s)), "as texts: a nan is not equal to itself"


def test_a_kill_between_checkpoint_and_round_loses_nothing(tmp_path, monkeypatch):
    store = Store(tmp_path / "runs")
    with monkeypatch.context() as m:
        m.setattr(Store, "_publish", lambda *_: None)
        writer.write(store, stop_after=8)
    assert [p.name for p in (store.path(RUN) / "rounds").iterdir()] == []
    assert store.round(RUN, 1).complete, "it can be looked at before it is published"
    store.recover(RUN)
    assert [p.name for p in (store.path(RUN) / "rounds").iterdir()] == ["001.h5"]
    assert writer.plain(store.round(RUN, 1))[4:] == writer.plain(writer.whole(1))[4:]
    before = (store.path(RUN) / "rounds" / "001.h5").stat()
    store.recover(RUN)
    assert (store.path(RUN) / "rounds" / "001.h5").stat() == before


def test_recovery_leaves_what_a_living_process_writes(tmp_path):
    store = Store(tmp_path / "runs")
    store.begin(writer.CONFIG)
    mine, other = store.path(RUN), os.getppid()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = [mine / f".checkpoint.h5.{dead.pid}-{aside.HERE}aa.1.tmp", mine / "rounds" / f".000.h5.{dead.pid}-{aside.HERE}aa.1.tmp",
            mine / f".layers.json.{os.getpid()}-{aside.HERE}notus.1.tmp", mine / f".x.{other}-{aside.HERE}aa.2.tmp"]
    stay = [mine / f".heartbeat.json.{other}-{aside.HERE}aa.1.tmp", mine / f".about.json.{dead.pid}-elsewhere.1.tmp"]   # another machine's may be alive
    for path in gone + stay:
        path.write_bytes(b"x")
    os.utime(gone[-1], (time.time() - 7200,) * 2)
    store.recover(RUN)
    assert [p for p in gone + stay if p.exists()] == stay


def test_readers_see_whole_rounds_while_a_writer_works(tmp_path, spawn):
    store = Store(tmp_path / "runs")
    process = spawn(store.root, "8")
    run, looks, offset, log = writer.CONFIG.replace(rounds=8).run_id, 0, 0, []
    while process.poll() is None:
        found = store.run(run)
        assert "damaged" not in found.info
        assert [r["round"] for r in found.rows] == sorted(r["round"] for r in found.rows)
        for k in found.rounds[-2:]:
            now = store.round(run, k)
            assert writer.plain(now)[4:] == writer.plain(writer.whole(k))[4:] or not now.complete
            for label, t in now.tickets.items():
                assert t.masks == writer.masks(k, label)
                if t.weights is not None:
                    assert all(w.tobytes() == t.weights[n].tobytes() for n, w in writer.weights(k, label).items())
        more, offset = store.events(run, offset)
        log += more
        assert store.status(run).state in ("queued", "running", "finished", "interrupted")
        looks += 1
    assert process.wait() == 0 and looks > 3
    log += store.events(run, offset)[0]
    assert log == store.events(run)[0]
    assert len(store.run(run).rows) == 1 + 8 * 3


def test_the_life_of_a_run_as_others_see_it(tmp_path, spawn):
    store = Store(tmp_path / "runs")
    store.begin(writer.CONFIG)
    assert (store.status(RUN).state, store.held(RUN), store.status(RUN).beat_s) == ("queued", False, None)
    process = spawn(store.root, "60")
    run = writer.CONFIG.replace(rounds=60).run_id
    _until(lambda: len(store.run(run).rounds) > 1)
    status = store.status(run)
    assert (status.state, status.done, status.total, status.eta_s, store.held(run)) == ("running", 1, 2, 3.0, True)
    assert status.beat_s < 5
    with pytest.raises(Timeout):
        store.lock(run).acquire(timeout=0)
    with pytest.raises(StoreError, match="is at work; cancel it before deleting it"):
        store.delete(run)

    process.send_signal(signal.SIGSTOP)  # alive and silent
    heart = store.path(run) / "heartbeat.json"
    heart.write_text(f'{{"time": {time.time() - 100}, "done": 1, "total": 2}}')
    _rewrite_times(store.path(run) / "events.jsonl", -100)
    status = store.status(run)
    assert status.state == "running" and "the worker has been quiet for 10" in status.message and status.beat_s > 99

    process.kill()
    process.wait()
    assert not store.held(run)
    status = store.status(run)
    state = store.checkpoint(run).round
    assert (status.state, status.alive, status.eta_s) == ("interrupted", False, None)
    assert status.message == f"the worker is gone; resume continues from round {state.index + state.complete}"
    with store.lock(run):
        assert store.held(run), "held by this process, seen by it as well"
    store.set_state(run, "cancelled", "by hand")
    assert (store.status(run).state, store.status(run).message) == ("cancelled", "by hand")
    store.delete(run)
    assert store.runs() == [RUN]


def test_a_run_without_checkpoint_starts_over(store):
    store.begin(writer.CONFIG)
    store.set_state(RUN, "running")
    assert store.status(RUN).message == "the worker is gone; there is no checkpoint, so resume starts from round 0"


def test_a_worker_that_ends_between_two_looks_is_not_called_gone(store, monkeypatch):
    store.begin(writer.CONFIG)
    store.set_state(RUN, "running")
    monkeypatch.setattr(Store, "held", lambda self, run: store.set_state(run, "finished"))
    assert store.status(RUN).state == "finished"


def test_requests_wait_until_they_are_cleared(store):
    store.begin(writer.CONFIG)
    assert store.requested(RUN) == ""
    for action in ("pause", "play", "step", "cancel"):
        store.request(RUN, action)
        assert Store(store.root).requested(RUN) == action
    with pytest.raises(UsageError, match="request 'paus' is not known; did you mean pause"):
        store.request(RUN, "paus")
    assert store.requested(RUN) == "cancel"
    store.clear_request(RUN)
    store.clear_request(RUN)
    assert store.requested(RUN) == ""
    with pytest.raises(UsageError, match="state 'runing' is not known; did you mean running"):
        store.set_state(RUN, "runing")


def test_probing_the_lock_never_keeps_a_worker_from_it(store):
    """`held` takes the lock for a moment; who wants it to work with waits that long."""
    store.begin(writer.CONFIG)
    probe = subprocess.Popen([sys.executable, "-c", "import sys; from lthviz.store import Store; s = Store(sys.argv[1])\n"
                              "print('go', flush=True)\nwhile True: s.held(sys.argv[2])", str(store.root), RUN],
                             stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        probe.stdout.readline()
        for _ in range(30):
            with store.lock(RUN):
                pass
    finally:
        probe.kill()
        probe.wait()
        probe.stdout.close()


def _until(done) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def _rewrite_times(path: Path, by: float) -> None:

    lines = [sealed.load(x)[0] for x in path.read_bytes().splitlines()]
    path.write_bytes(b"".join(sealed.seal(files.json_bytes({**x, "time": x["time"] + by})) + b"\n" for x in lines))
