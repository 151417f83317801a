"""Driving a run: asks the engine for one event after the other, stores what happens, obeys requests. Imports torch only to train.

In a world of several processes (torchrun) the first drives; the others `follow`: the same engine, no store, and after each event
they hear from the first whether to go on, so that a request is obeyed by all of them at the same batch.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from lthviz import dead, measuring, sinks
from lthviz.ending import Busy, Cancelled, ending, outcome, reason
from lthviz.errors import StoreError
from lthviz.records import Begin, Epoch, Event, Stage, Step
from lthviz.store import Store

if TYPE_CHECKING:
    from lthviz.nn.world import World

log = logging.getLogger("lthviz")

POLL_S = 0.05
BEAT_S = 1.0
CHECKPOINT_S = 10.0
"""Mid-training checkpoints are at least this far apart, and no more than a twentieth of the time goes into them."""
GO, WAIT, END = range(3)
"""What the first process tells the others after an event."""


def rank() -> int:
    """Which of torchrun's processes this is; 0 where it did not start this one."""
    text = os.environ.get("RANK", "")
    return int(text) if text.isdecimal() else 0


@contextmanager
def world() -> Iterator[World | None]:
    """The processes that torchrun started, once all are there; None without it. What ends this one inside is told to the others."""
    if not {"RANK", "WORLD_SIZE"} & os.environ.keys():
        yield None
        return
    _calm_threads()
    from lthviz.nn.world import joined  # costs seconds: torch

    with joined() as found:
        try:
            yield found
        except BaseException as e:
            if found.peers:
                _, word, line = ending(e, True)
                found.peers.say(word, line)
            raise


def drive(store: Store, run_id: str, on_event: Callable[[Event], None] | None = None, *, only_queued: bool = False,
          world: World | None = None) -> None:
    """Run it in this process, from its last checkpoint if it has one, and store what happens.

    only_queued: do nothing unless it is in the queue, and obey a request that waits; without, an old request is dropped.
    world: the others `follow` this process.

    Raises Busy when somebody else drives it, Cancelled when asked to end, and whatever went wrong after storing it as the
    run's state in one line (the traceback goes to the log).
    """
    lock = store.lock(run_id)
    try:
        lock.acquire(timeout=2)
    except Timeout:
        if world:
            world.broadcast(None)
        raise Busy(f"run {run_id} is being trained by another process") from None
    try:
        with outcome(world, run_id, lambda *how: _store_state(store, run_id, *how)):
            store.recover(run_id)
            state = store.status(run_id).state
            if not only_queued:
                store.clear_request(run_id)
            if state == "queued" or not (only_queued or state == "finished"):
                store.keep_reserve(run_id)
                with _Pulse(store, run_id) as pulse:
                    _drive(store, run_id, pulse, on_event, world, worker=only_queued)
            elif world:
                world.broadcast(None)
    finally:
        try:
            store.give_reserve(run_id)
        finally:
            lock.release()


def _drive(store: Store, run_id: str, pulse: _Pulse, on_event: Callable[[Event], None] | None, world: World | None, worker: bool) -> None:
    names = sinks.chosen(store.run(run_id).config.log_to)
    sinks.require(names)
    store.set_state(run_id, "running", "loading")
    _calm_threads()
    from lthviz import engine  # costs seconds: torch
    from lthviz.nn.world import ALONE

    world = world or ALONE
    config, checkpoint = world.broadcast((store.run(run_id).config, store.checkpoint(run_id)))
    gate = _Gate(store, run_id, pulse, world.tell, measures=worker)
    sink = sinks.Live(store, run_id, names, checkpoint)
    try:
        _each(store, run_id, pulse, on_event, sink, gate, engine.events(config, checkpoint, world, lambda k: store.ahead(run_id, k)))
    except BaseException as e:
        sink.end(ending(e, False)[0])
        raise
    sink.end("finished")
    store.set_state(run_id, "finished")


def _each(store: Store, run_id: str, pulse: _Pulse, on_event: Callable[[Event], None] | None, sink: sinks.Live, gate: _Gate, events: Iterator[Event]) -> None:
    saved, cost = time.monotonic(), 0.0
    classes = 0
    for event in events:
        store.append(run_id, event)
        if isinstance(event, Begin):
            classes = len(event.info["classes"])
        if isinstance(event, Stage) and (warning := dead.told(event, classes)):
            store.warn(run_id, warning)
        if isinstance(event, Step):
            pulse.step(event)
        now, kept = time.monotonic(), isinstance(event, Stage)
        if isinstance(event, Epoch) and now - saved > max(CHECKPOINT_S, 20 * cost):
            kept = True
            store.save_checkpoint(run_id, event.snapshot())
            saved, cost = time.monotonic(), time.monotonic() - now
        if isinstance(event, Stage):
            saved = now
        sink(event, kept)
        if on_event:
            on_event(event)
        gate(event)


def follow(world: World, say: Callable[[str], None]) -> int:
    """Takes part in what the first process drives, to its end; the exit code. say: gets the line of what went wrong where the
    first is gone and cannot say it."""
    try:
        with outcome(world, f"rank {world.rank}", lambda *how: None):
            if (told := world.broadcast()) is None:
                return 0
            from lthviz import engine

            config, checkpoint = told
            _obey(world)
            for _ in engine.events(config, checkpoint, world):
                _obey(world)
        return 0
    except (Exception, KeyboardInterrupt) as e:
        if world.peers.speaks(e):
            say(reason(e))
        return 1


def _store_state(store: Store, run_id: str, state: str, line: str, cause: str) -> None:
    if state == "cancelled":
        store.clear_request(run_id)
    try:
        store.set_state(run_id, state, line, cause)
    except StoreError:   # the disk is full, say: what was kept for this makes room for the last line
        if not store.give_reserve(run_id):
            raise
        store.set_state(run_id, state, line, cause)


def _obey(world: World) -> None:
    while (word := world.tell()) != GO:
        if word == END:
            raise Cancelled("cancelled; the finished rounds are kept")


def _calm_threads() -> None:
    """Two busy-waiting threads on two cores lose tenfold as soon as a browser wants one: measured 360 against 25 ms a step."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class _Gate:
    """Obeys the request file: called after every event, returns when the run may go on. tell: what the other processes hear.

    measures: while the run is paused, what is asked to be measured is.
    """

    def __init__(self, store: Store, run_id: str, pulse: _Pulse, tell: Callable[[int], Any], *, measures: bool = False) -> None:
        self.store, self.run_id, self.pulse, self.tell, self.measures, self.stepping = store, run_id, pulse, tell, measures, False
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
                self.tell(WAIT)
                if self.measures:
                    measuring.work(self.store, lambda: self.store.requested(self.run_id) != "pause", self.unmeasured)
                time.sleep(POLL_S)
                self.pulse.paused += time.monotonic() - since
                continue
            if (action := self.store.take_request(self.run_id)) == "cancel":
                self.tell(END)
                raise Cancelled("cancelled; the finished rounds are kept")
            if action == "pause":   # asked in the moment between looking and taking
                self.store.request(self.run_id, action)
            self.stepping = action == "step"
        if paused:
            self.store.set_state(self.run_id, "running")
        self.tell(GO)


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
