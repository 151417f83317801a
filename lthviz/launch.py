"""Run here, or in a background process: joins the engine and the store. Never imports torch until something trains.

`start` enqueues a run and wakes the worker, one process a machine and store that takes queued runs in order. The worker
drives the engine's generator; pause, play, step and cancel are words in the run's `request` file, read after every batch.
Pausing is not asking the generator for more. Between runs, and while one is paused, the worker has measured what `measure`
asked for: in a process of its own, which is ended when a training begins (measuring.py). The run's lock is held by whoever drives it and freed by the operating
system when that process dies, so a dead worker shows as *interrupted* and `resume` goes on from the last checkpoint.
"""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Iterable

from filelock import FileLock, Timeout

from lthviz import branching, measuring, processes, sinks
from lthviz.config import RunConfig
from lthviz.driving import drive, follow, rank, world
from lthviz.ending import Busy, Cancelled, reason
from lthviz.errors import LthvizError, UsageError
from lthviz.store import Store, queue

__all__ = ["Busy", "Cancelled", "branch", "cancel_measuring", "drive", "follow", "measure", "rank", "reason", "request", "resume", "resume_all",
           "start", "wake", "work", "world"]   # how a run is driven and ends stands in driving.py and ending.py

log = logging.getLogger("lthviz")


# Asking ----------------------------------------------------------------------------------------------------------------


def start(store: Store, config: RunConfig, *, preset: str = "", paused: bool = False) -> str:
    """Enqueue a run and wake the worker; the id. A run that is there already is attached to, or resumed if it had stopped.

    paused: it waits before its first stage for `step` or `play`.
    """
    sinks.require(sinks.chosen(config.log_to))
    return _enqueue(store, store.begin(config, preset=preset), paused)


def branch(store: Store, run_id: str, round: int, config: RunConfig, *, title: str = "", paused: bool = False) -> str:
    """Enqueue a new run that takes over the rounds before `round` of another and makes the others under `config`; its id.

    run_id: the parent, which may be at work, stopped or an example. What `branching.begin` refuses is refused here.
    """
    sinks.require(sinks.chosen(config.log_to))
    return _enqueue(store, branching.begin(store, run_id, round, config, title=title), paused)


def _enqueue(store: Store, run_id: str, paused: bool) -> str:
    status = store.status(run_id)
    if status.state == "finished" or (status.alive and status.state != "queued"):
        return run_id
    store.request(run_id, "pause") if paused else store.clear_request(run_id)
    return resume(store, run_id, keep_request=paused)


def resume(store: Store, run_id: str, *, keep_request: bool = False) -> str:
    """Put a stopped run back in the queue; it goes on from its last checkpoint."""
    if _put_back(store, run_id, keep_request):
        wake(store)
    return run_id


def resume_all(store: Store, run_ids: Iterable[str]) -> None:
    """Put runs in the queue, in this order as far as they were made in it; finished ones and those at work stay as they are."""
    if any([_put_back(store, run_id) for run_id in run_ids]):
        wake(store)


def _put_back(store: Store, run_id: str, keep_request: bool = False) -> bool:
    status = store.status(run_id)
    if store.held(run_id) or status.state == "finished":
        return False
    if not keep_request:
        store.clear_request(run_id)
    if status.state != "queued":
        store.set_state(run_id, "queued")
    return True


def request(store: Store, run_id: str, action: str) -> None:
    """Ask whoever drives the run to `pause`, `play`, `step` (to the end of the next stage) or `cancel`; obeyed within a batch."""
    if action == "cancel" and _taken_from_queue(store, run_id):
        return
    status = store.status(run_id)
    if action == "cancel" and status.state != "queued" and not store.held(run_id):
        raise UsageError(f"run {run_id} is {status.state}; there is nothing to cancel")
    if not status.alive:
        raise UsageError(f"run {run_id} is {status.state}; resume it first")
    store.request(run_id, action)


def _taken_from_queue(store: Store, run_id: str) -> bool:
    """Cancels a run that waits; not one that a worker has or takes at this moment, and which hears of it by request."""
    if store.status(run_id).state != "queued":
        return False
    try:
        with store.lock(run_id).acquire(timeout=0.2):
            if store.status(run_id).state != "queued":
                return False
            store.set_state(run_id, "cancelled", "taken from the queue before it began")
            return True
    except Timeout:
        return False


def measure(store: Store, run_id: str, *, rounds: Iterable[int] | None = None, structures: Iterable[str] | None = None, batch: int = 64,
            threads: int = 0, device: str = "cpu", precision: str = "float32", baselines: str | tuple[str, ...] = "all", seconds: float = 8.0,
            patience: float = queue.PATIENCE_S) -> int:
    """Ask the worker to measure the speed of a run's trained tickets; how many of them were not asked for already.

    rounds, structures: of the tickets; None: all of them, without the dense round 0. The run may be an example, or still at work:
    a training that is running comes first. `store.measuring` tells how it stands, `store.timings` what came out. Weights are the
    ticket's where they were kept, else the trunk's or random ones under its masks: speed does not depend on them.
    precision, baselines, seconds: in which to compute, dense forms to compare with, about how long to time each ticket
    (speed.bench.measure). patience: what was disturbed by other work (`Timing.disturbed`) is measured once more, when nothing else is to be
    measured and the load has fallen, should that take no more than so many seconds; 0: it is not.
    AddressError for tickets that are not there, SpeedError for a batch, threads, device or precision that cannot be.
    """
    items = measuring.items(store.run(run_id), rounds, structures, batch, threads, device, precision)
    asked = store.ask_measuring(run_id, items, {"baselines": baselines, "seconds": seconds}, patience=patience)
    wake(store)
    return asked


def cancel_measuring(store: Store, run_id: str) -> None:
    """Take back what was asked to be measured of a run; what is measured already is kept, and old failures are forgotten."""
    store.cancel_measuring(run_id)


def wake(store: Store) -> None:
    """Start the worker process if runs or measurements wait and none is at work. It outlives the process that woke it."""
    if not (_queue(store) or store.to_measure()) or _taken(_worker_lock(store)):
        return
    with open(store.root / "worker.log", "ab") as out:
        worker = processes.spawn("work", "--runs", str(store.root), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    threading.Thread(target=worker.wait, daemon=True).start()   # leaves no zombie behind


# Working ---------------------------------------------------------------------------------------------------------------


def work(store: Store) -> int:
    """Take queued runs, oldest first, and then measurements, until nothing is left; the number of runs driven.

    Returns at once if a worker is at it already.
    """
    driven, stuck = 0, set()   # a run that cannot even store its failure stays queued: it must not be tried for ever
    unmeasured: set[str] = set()   # likewise

    def queued() -> str | None:
        return next((r for r in _queue(store) if r not in stuck), None)

    while queued() or set(store.to_measure()) - unmeasured:
        lock = _worker_lock(store)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            break
        try:
            # The queue is read anew for each run: one may have been cancelled or put back meanwhile.
            while run_id := queued():
                driven += 1
                try:
                    drive(store, run_id, only_queued=True)
                except (LthvizError, Cancelled) as e:
                    log.warning("%s: %s", run_id, e)
                except Exception:
                    log.exception("%s", run_id)
                if store.status(run_id).state == "queued":
                    stuck.add(run_id)
            measuring.work(store, lambda: queued() is not None, unmeasured)
        finally:
            lock.release()
        # And once more after the lock is free: whoever enqueued while it was held did not wake anybody.
    return driven


# Locks and queue -------------------------------------------------------------------------------------------------------


def _worker_lock(store: Store) -> FileLock:
    store.root.mkdir(parents=True, exist_ok=True)
    return FileLock(store.root / "worker.lock")


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _queue(store: Store) -> list[str]:
    """Ids of the queued runs, oldest first."""
    return [r for r in reversed(store.runs()) if not store.is_example(r) and store.status(r).state == "queued"]
