"""Runs in real worker processes: attached to, paused, stepped, cancelled, killed and resumed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lthviz import launch, processes
from lthviz.config import Refill
from lthviz.errors import UsageError
from lthviz.records import Stage
from lthviz.store import Store
from tests.small import SMALL

ROOT = Path(__file__).resolve().parent.parent
FEW = SMALL.replace(rounds=1, structures=(Refill(),))


@pytest.fixture
def store(tmp_path, monkeypatch):
    """No worker outlives its test: what a failed one leaves in the queue is not trained either."""
    made, spawned, spawn = Store(tmp_path / "runs"), [], processes.spawn
    monkeypatch.setattr(processes, "spawn", lambda *words, **options: spawned.append(spawn(*words, **options)) or spawned[-1])
    yield made
    for run_id in made.runs():
        if made.status(run_id).state in ("queued", "running", "paused"):
            with contextlib.suppress(UsageError):   # it has ended meanwhile
                launch.request(made, run_id, "cancel")
    try:
        wait(lambda: all(worker.poll() is not None for worker in spawned), "the workers to end", 30)
    finally:
        for worker in spawned:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)   # a session of its own, with what it measured with
                worker.wait()
        left = at_work(made.root)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert not left


def at_work(root: Path) -> list[int]:
    """Processes of lthviz that were started for the runs below `root`, those that only wait to be buried left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"lthviz" in words and os.fsencode(root) in words and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def wait(condition, what, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {seconds} s for {what}")


def wait_for(store, run_id, *states):
    def reached():
        state = store.status(run_id).state
        assert state in (*states, "queued", "running", "paused"), store.status(run_id)
        return state in states
    wait(reached, f"{run_id} to be {states}")


def stages(store, run_id):
    return [(e["round"], e["kind"], e["structure"]) for e in store.events(run_id)[0] if e["event"] == "stage"]


def equal_runs(a: Store, b: Store, run_id: str) -> None:
    """Masks, accuracies, curves and weights of every round, bit for bit."""
    assert a.run(run_id).rounds == b.run(run_id).rounds
    for i in a.run(run_id).rounds:
        x, y = a.round(run_id, i), b.round(run_id, i)
        assert list(x.tickets) == list(y.tickets) and x.complete and y.complete
        for label in x.tickets:
            p, q = x.ticket(label), y.ticket(label)
            assert p.masks == q.masks and (p.test_acc, p.val_acc) == (q.test_acc, q.val_acc)
            np.testing.assert_array_equal(p.curve.train_loss, q.curve.train_loss)
            for name in p.weights:
                np.testing.assert_array_equal(p.weights[name], q.weights[name], err_msg=f"{i} {label} {name}")


def test_killed_at_random_moments_and_resumed_equals_uninterrupted(store, tmp_path):
    undisturbed = Store(tmp_path / "undisturbed")
    run_id = undisturbed.begin(SMALL)
    launch.drive(undisturbed, run_id)

    rng = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    launch.start(store, SMALL)
    kills = 0
    while store.status(run_id).state != "finished":
        wait(lambda: store.held(run_id) or store.status(run_id).state == "finished", "the worker to take the run")
        if kills < 4 and store.held(run_id):
            seen = len(stages(store, run_id))
            wait(lambda: len(stages(store, run_id)) > seen or not store.held(run_id), "a stage")  # noqa: B023
            time.sleep(rng.uniform(0, 0.15))
            pid = [e["pid"] for e in store.events(run_id)[0] if e.get("state") == "running"][-1]
            if store.held(run_id):
                os.kill(pid, signal.SIGKILL)
                kills += 1
                wait(lambda: not store.held(run_id), "the lock to be freed")
                if store.status(run_id).state != "finished":
                    assert store.status(run_id).state == "interrupted"
                    launch.resume(store, run_id)
        time.sleep(0.02)
    assert kills >= 2
    equal_runs(store, undisturbed, run_id)


def test_a_second_start_attaches(store):
    run_id = launch.start(store, FEW)
    assert launch.start(store, FEW) == run_id
    wait_for(store, run_id, "finished")
    events = store.events(run_id)[0]
    assert sum(e.get("state") == "running" for e in events) == 1
    before = len(events)
    assert launch.start(store, FEW) == run_id
    assert store.status(run_id).state == "finished" and len(store.events(run_id)[0]) == before


def test_step_pause_play_and_cancel(store):
    run_id = launch.start(store, FEW, paused=True)
    wait_for(store, run_id, "paused")
    assert stages(store, run_id) == []
    for n in (1, 2, 3):
        launch.request(store, run_id, "step")
        wait(lambda: len(stages(store, run_id)) == n and store.status(run_id).state == "paused", f"stage {n}")  # noqa: B023
    assert stages(store, run_id) == [(0, "train", "unstructured"), (1, "prune", "unstructured"), (1, "refill", "refill")]
    launch.request(store, run_id, "play")
    wait_for(store, run_id, "finished")

    other = launch.start(store, FEW.replace(seed=1, epochs=200))
    wait(lambda: store.status(other).done > 0, "the first steps")
    launch.request(store, other, "cancel")
    wait(lambda: store.status(other).state == "cancelled", "the cancel to be obeyed")
    wait(lambda: not store.held(other), "the worker to let go")
    with pytest.raises(UsageError, match="cancelled"):
        launch.request(store, other, "pause")


def test_queued_runs_go_one_after_the_other(store):
    ids = [launch.start(store, FEW.replace(seed=s)) for s in (1, 2)]
    for run_id in ids:
        wait_for(store, run_id, "finished")
    spans = [(min(t), max(t)) for t in ([e["time"] for e in store.events(r)[0] if e["event"] != "state" or e["state"] != "queued"] for r in ids)]
    assert spans[0][1] <= spans[1][0], "the second began after the first had ended"


def test_a_run_cancelled_in_the_queue_is_not_trained_and_one_put_back_is(store):
    """While a worker is busy: what it does next is what the queue says then."""
    busy, gone = (launch.start(store, FEW.replace(seed=s, epochs=e)) for s, e in ((1, 300), (2, 2)))
    wait(lambda: store.status(busy).done > 0, "the first to train")
    launch.request(store, gone, "cancel")
    assert store.status(gone).state == "cancelled"
    other = launch.start(store, FEW.replace(seed=3, epochs=100))
    launch.request(store, busy, "cancel")
    wait(lambda: store.status(other).done > 0, "the third to train")
    launch.resume(store, busy)
    launch.request(store, other, "cancel")
    wait(lambda: store.held(busy), "the first to be taken up again")
    launch.request(store, busy, "cancel")
    wait(lambda: store.status(busy).state == "cancelled", "the cancel")
    assert stages(store, gone) == [] and store.status(gone).state == "cancelled"


def test_what_is_asked_during_a_stepped_stage_counts(store):
    run_id = store.begin(FEW)
    store.request(run_id, "step")

    def ask(event):
        if isinstance(event, Stage):
            store.request(run_id, "cancel")

    with pytest.raises(launch.Cancelled):
        launch.drive(store, run_id, ask, only_queued=True)
    assert len(stages(store, run_id)) == 1 and store.status(run_id).state == "cancelled"


def test_a_second_start_from_a_terminal_watches_and_disturbs_nothing(store):
    run_id = launch.start(store, FEW, paused=True)
    wait_for(store, run_id, "paused")
    words = [f"{k}={','.join(s['kind'] for s in v) if k == 'structures' else str(v).lower()}" for k, v in FEW.to_dict().items()]
    watcher = subprocess.Popen([sys.executable, "-m", "lthviz", "run", *(x for w in words for x in ("--set", w)), "--runs", store.root, "--json"],
                               cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = watcher.stderr.readline() + watcher.stderr.readline()
        assert run_id in said and "watching" in said
        time.sleep(1)
        assert store.status(run_id).state == "paused" and stages(store, run_id) == []
        launch.request(store, run_id, "play")
        out, err = watcher.communicate(timeout=90)
        assert watcher.returncode == 0, err
        assert json.loads(out)["state"] == "finished" and json.loads(out)["run_id"] == run_id
    finally:
        watcher.kill()
        watcher.communicate()


def test_what_failed_for_where_it_ran_goes_on_elsewhere(store, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")   # the worker sees no GPU, wherever this runs
    run_id = launch.start(store, FEW.replace(device="cuda"))
    wait_for(store, run_id, "failed")
    assert "or 'cpu'" in store.status(run_id).message
    wait(lambda: not store.held(run_id), "the worker to let go")
    assert launch.start(store, FEW) == run_id
    wait_for(store, run_id, "finished")


def test_a_failure_is_the_runs_state_in_one_line(store, tmp_path):
    run_id = launch.start(store, FEW.replace(data="folder", data_dir=str(tmp_path / "nowhere")))
    wait_for(store, run_id, "failed")
    message = store.status(run_id).message
    assert "nowhere" in message and "\n" not in message
    wait(lambda: not store.held(run_id), "the worker to let go")


def test_ctrl_c_leaves_an_interrupted_run_that_goes_on(store):
    run_id = store.begin(FEW)

    def stop(event):
        if isinstance(event, Stage) and event.kind == "refill":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        launch.drive(store, run_id, stop)
    assert store.status(run_id).state == "interrupted" and not store.held(run_id)
    launch.drive(store, run_id)
    assert store.status(run_id).state == "finished"


def test_a_cancel_that_comes_when_a_worker_takes_the_run_reaches_the_worker(store):
    run_id = store.begin(FEW)
    with store.lock(run_id):   # taken, and not yet said to be running
        launch.request(store, run_id, "cancel")
        assert (store.status(run_id).state, store.requested(run_id)) == ("queued", "cancel"), "the state is for the one at work to write"
    with pytest.raises(launch.Cancelled):
        launch.drive(store, run_id, only_queued=True)
    assert store.status(run_id).state == "cancelled" and store.requested(run_id) == ""


def test_a_cancel_looks_at_the_state_again_under_the_lock(store, monkeypatch):
    run_id = store.begin(FEW)
    lock = store.lock

    def late(run):
        store.set_state(run_id, "finished")   # a worker came and went between the look and the lock
        return lock(run)

    monkeypatch.setattr(store, "lock", late)
    with pytest.raises(UsageError, match="is finished; there is nothing to cancel"):
        launch.request(store, run_id, "cancel")
    assert store.status(run_id).state == "finished"


def test_two_drivers_never_share_a_run(store):
    run_id = store.begin(FEW)
    with store.lock(run_id), pytest.raises(launch.Busy, match=run_id):
        launch.drive(store, run_id)


def test_many_are_put_back_at_once_and_only_what_is_not_finished_is_trained(store):
    configs = [FEW.replace(rounds=0, epochs=1, seed=s) for s in range(3)]
    ids = [store.begin(c) for c in configs]
    launch.drive(store, ids[1])
    store.set_state(ids[2], "failed", "as a test says")
    before = stages(store, ids[1])
    launch.resume_all(store, ids)
    for run_id in ids:
        wait_for(store, run_id, "finished", "failed") if store.status(run_id).state != "finished" else None
    wait(lambda: all(store.status(x).state == "finished" for x in ids), "all three")
    assert stages(store, ids[1]) == before and all(len(stages(store, x)) == 1 for x in ids)
