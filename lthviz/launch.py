"""Run here, or in a background process: joins the engine and the store. Never imports torch until something trains.

`start` enqueues a run and wakes the worker, one process a machine and store that takes queued runs in order. The worker
drives the engine's generator; pause, play, step and cancel are words in the run's `request` file, read after every batch.
Pausing is not asking the generator for more. Between runs, and while one is paused, the worker has measured what `measure`
asked for: in a process of its own, which is ended when a training begins (measuring.py). The run's lock is held by whoever drives it and freed by the operating
system when that process dies, so a dead worker shows as *interrupted* and `resume` goes on from the last checkpoint.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import contextmanager

from filelock import FileLock, Timeout

from lthviz import measuring
from lthviz.config import RunConfig
from lthviz.errors import LthvizError, UsageError
from lthviz.records import Epoch, Event, Stage, Step
from lthviz.store import Store, queue

log = logging.getLogger("lthviz")

POLL_S = 0.05
BEAT_S = 1.0
CHECKPOINT_S = 10.0
"""Mid-training checkpoints are at least this far apart, and no more than a twentieth of the time goes into them."""


class Busy(UsageError):
    """Somebody else is driving this run."""


class Cancelled(Exception):
    """The run was asked to end; its finished rounds stay."""


# Asking ----------------------------------------------------------------------------------------------------------------


def start(store: Store, config: RunConfig, *, preset: str = "", paused: bool = False) -> str:
    """Enqueue a run and wake the worker; the id. A run that is there already is attached to, or resumed if it had stopped.

    paused: it waits before its first stage for `step` or `play`.
    """
    run_id = store.begin(config, preset=preset)
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
    status = store.status(run_id)
    if action == "cancel" and not store.held(run_id):
        if status.state == "queued":
            store.set_state(run_id, "cancelled", "taken from the queue before it began")
            return
        raise UsageError(f"run {run_id} is {status.state}; there is nothing to cancel")
    if not status.alive:
        raise UsageError(f"run {run_id} is {status.state}; resume it first")
    store.request(run_id, action)


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
        worker = measuring.spawn("work", "--runs", str(store.root), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
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


def drive(store: Store, run_id: str, on_event: Callable[[Event], None] | None = None, *, only_queued: bool = False) -> None:
    """Run it in this process, from its last checkpoint if it has one, and store what happens.

    only_queued: do nothing unless it is in the queue, and obey a request that waits; without, an old request is dropped.

    Raises Busy when somebody else drives it, Cancelled when asked to end, and whatever went wrong after storing it as the
    run's state in one line (the traceback goes to the log).
    """
    lock = store.lock(run_id)
    try:
        lock.acquire(timeout=2)
    except Timeout:
        raise Busy(f"run {run_id} is being trained by another process") from None
    try:
        with _stored_outcome(store, run_id):
            store.recover(run_id)
            state = store.status(run_id).state
            if not only_queued:
                store.clear_request(run_id)
            if state == "queued" or not (only_queued or state == "finished"):
                with _Pulse(store, run_id) as pulse:
                    _drive(store, run_id, pulse, on_event, worker=only_queued)
    finally:
        lock.release()


def _drive(store: Store, run_id: str, pulse: _Pulse, on_event: Callable[[Event], None] | None, worker: bool) -> None:
    store.set_state(run_id, "running", "loading")
    gate = _Gate(store, run_id, pulse, measures=worker)
    # Two busy-waiting threads on two cores lose tenfold as soon as a browser wants one: measured 360 against 25 ms a step.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from lthviz import engine  # costs seconds: torch

    saved, cost = time.monotonic(), 0.0
    for event in engine.events(store.run(run_id).config, store.checkpoint(run_id)):
        store.append(run_id, event)
        if isinstance(event, Step):
            pulse.step(event)
        now = time.monotonic()
        if isinstance(event, Epoch) and now - saved > max(CHECKPOINT_S, 20 * cost):
            store.save_checkpoint(run_id, event.snapshot())
            saved, cost = time.monotonic(), time.monotonic() - now
        if isinstance(event, Stage):
            saved = now
        if on_event:
            on_event(event)
        gate(event)
    store.set_state(run_id, "finished")


class _Gate:
    """Obeys the request file: called after every event, returns when the run may go on.

    measures: while the run is paused, what is asked to be measured is.
    """

    def __init__(self, store: Store, run_id: str, pulse: _Pulse, *, measures: bool = False) -> None:
        self.store, self.run_id, self.pulse, self.measures, self.stepping = store, run_id, pulse, measures, False
        self.unmeasured: set[str] = set()
        self(None)

    def __call__(self, event: Event | None) -> None:
        if self.stepping and isinstance(event, Stage):
            self.stepping = False
            if not self.store.requested(self.run_id):   # what was asked during the stage counts more
                self.store.request(self.run_id, "pause")
        paused = False
        while action := self.store.requested(self.run_id):
            if action == "pause":   # its file stays until something else is asked for
                if not paused:
                    self.store.set_state(self.run_id, "paused")
                    paused = True
                since = time.monotonic()
                if self.measures:
                    measuring.work(self.store, lambda: self.store.requested(self.run_id) != "pause", self.unmeasured)
                time.sleep(POLL_S)
                self.pulse.paused += time.monotonic() - since
                continue
            if (action := self.store.take_request(self.run_id)) == "cancel":
                raise Cancelled("cancelled; the finished rounds are kept")
            if action == "pause":   # asked in the moment between looking and taking
                self.store.request(self.run_id, action)
            self.stepping = action == "step"
        if paused:
            self.store.set_state(self.run_id, "running")


class _Pulse:
    """Writes the heartbeat from a thread, so that a long stage is not taken for a dead worker."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self.last: Step | None = None
        self.paused = 0.0
        self.first: tuple[float, int] | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> _Pulse:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def step(self, event: Step) -> None:
        self.first = self.first or (time.monotonic() - self.paused, event.done - 1)
        self.last = event

    def _beat(self) -> None:
        while not self.stop.wait(BEAT_S):
            last = self.last
            try:
                if last is None:
                    self.store.beat(self.run_id, done=0, total=0, eta_s=None)
                    continue
                since, begun = self.first
                left = (time.monotonic() - self.paused - since) / max(1, last.done - begun) * (last.total - last.done)
                self.store.beat(self.run_id, done=last.done, total=last.total, eta_s=left, loss=last.loss())
            except Exception as e:   # a full disk, say: the training itself may yet be saved, and the next beat may come
                log.warning("%s: no heartbeat: %s", self.run_id, reason(e))


@contextmanager
def _stored_outcome(store: Store, run_id: str):
    """Whatever ends the run becomes its state, in one line, before it goes on to the caller."""
    previous = None
    if threading.current_thread() is threading.main_thread():
        previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except Cancelled as e:
        store.clear_request(run_id)
        store.set_state(run_id, "cancelled", str(e))
        raise
    except KeyboardInterrupt:
        store.set_state(run_id, "interrupted", "stopped by hand; resume goes on from the last checkpoint")
        raise
    except BaseException as e:
        store.set_state(run_id, "failed", reason(e))
        if not isinstance(e, LthvizError):   # one of ours says all in its line
            log.error("%s: %s", run_id, "".join(traceback.format_exception(e)).rstrip())
        raise
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def reason(error: BaseException) -> str:
    """One line that names the error and what to do."""
    if isinstance(error, LthvizError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "out of memory; a smaller batch_size or model needs less"
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}".rstrip(": ")


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
