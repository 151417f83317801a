"""Measuring the tickets of a run: which, with which weights, and the process of its own in which the worker has it done.

A clean process, so that nothing of a training (its threads, its memory, OpenMP's settings) is in the figures, and so that it
can be ended at any moment: what is measured is stored ticket by ticket, the rest stays asked for.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import Timeout

from lthviz import processes
from lthviz.errors import AddressError, LthvizError, did_you_mean, in_a_line
from lthviz.records import BUSY_CORES, Address, Run, Ticket, Timing
from lthviz.speed import machine
from lthviz.store import Store, queue
from lthviz.store.queue import Item, Request

log = logging.getLogger("lthviz")

POLL_S = 0.2
LOOK_S = 1.0
"""How often it is asked whether a training wants the machine: looking at all runs disturbs what is being measured."""
REST_S = 3.0
"""So long the machine must be at rest before what was disturbed is measured once more."""
ATTEMPTS = 3
"""How often a measurement is begun that ends its process (for want of memory, say) before it counts as failed."""


def items(run: Run, rounds: Iterable[int] | None, structures: Iterable[str] | None, batch: int, threads: int, device: str,
          precision: str = "float32") -> list[Item]:
    """The trained tickets of those rounds and structures, in order. None: every structure, every round after the dense one.

    AddressError names a round or structure of which nothing is trained; SpeedError a batch, threads, device or precision that cannot be.
    """
    trained = [(r["round"], r["structure"]) for r in run.rows]
    known, labels = sorted({k for k, _ in trained}), list(dict.fromkeys(s for _, s in trained))
    rounds = [k for k in known if k] if rounds is None else list(rounds)
    structures = labels if structures is None else list(structures)
    for k in rounds:
        if k not in known:
            raise AddressError(f"run {run.id!r} has no trained ticket of round {k}; " + (
                f"it has round {', '.join(map(str, known))}" if known else "none is trained yet"))
    for label in structures:
        if label not in labels:
            raise AddressError(f"run {run.id!r} has no trained ticket {label!r}; {did_you_mean(label, labels)}")
    chosen = [(k, s) for k, s in trained if k in rounds and s in structures]
    if not chosen:
        raise AddressError(f"run {run.id!r} has no trained ticket to measure there; wait for its first round after the dense one")
    threads = machine.check_place(batch, threads, device, precision)
    return [Item(k, s, batch, threads, device, precision) for k, s in chosen]


def measure_ticket(store: Store, address: Address, **settings: Any) -> Timing:
    """Measures one trained ticket of a run in this process and keeps the timing with it. settings: of `bench.measure`.

    The weights are the ticket's where they were kept, else the trunk's of its round under the ticket's masks, else random
    ones: speed does not depend on them, only on where the mask is.
    """
    from lthviz.speed import bench, network  # costs seconds: torch

    run = store.run(address.run)
    items(run, [address.round], [address.structure], 1, 0, "cpu")
    ticket = store.ticket(address)
    image_shape, classes = tuple(run.info["image_shape"]), len(run.info["classes"])
    model = network.build(run.config.model, image_shape, classes, form=run.config.form, weights=_weights(store, run, ticket))
    timing = bench.measure(model, run.layers, ticket.masks, image_shape=image_shape, structural=ticket.structural,
                           round=address.round, structure=address.structure, **settings)
    store.put_timing(address.run, timing)
    return timing


def _weights(store: Store, run: Run, ticket: Ticket) -> Mapping[str, np.ndarray]:
    """What is stored of the ticket's weights, or of the trunk's; empty where none were kept."""
    if ticket.weights is not None:
        return ticket.weights
    tickets = store.round(run.id, ticket.round).tickets
    return (tickets[trunk].weights if (trunk := run.config.trunk_of(ticket.round)) in tickets else None) or {}


# The process that measures ---------------------------------------------------------------------------------------------


def measure_queued(store: Store, run_id: str) -> int:
    """Measures what is asked of a run in this process until nothing is left; how many. Returns at once if another does."""
    from lthviz.speed import bench

    folder = store.measure_folder(run_id)
    lock = queue.lock(folder)
    try:
        lock.acquire()
    except Timeout:
        return 0
    made, reuse = 0, bench.Reuse()
    try:
        while asked := queue.requests(folder):
            request = asked[0]
            if request.again:
                rest = _rest(store, run_id, request)
                if rest is None:   # something else comes first
                    if store.to_measure(again=False):
                        break
                    continue
                if not rest:
                    _settle(folder, request)
                    continue
            for item in request.items:
                if not request.file.exists():   # cancelled
                    break
                made += _one(store, run_id, item, request, reuse)
            else:
                _settle(folder, request, _to_repeat(store, run_id, request))
        if not queue.progress(folder).errors:
            queue.forget(folder)
    finally:
        lock.release()
    return made


def _to_repeat(store: Store, run_id: str, request: Request) -> list[Item]:
    """The items of a request that were measured on a busy machine and are to be measured once more."""
    if request.again or not request.patience:
        return []
    disturbed = {t.key for t in store.timings(run_id) if t.disturbed and t.time >= request.time}
    return [item for item in request.items if item.key in disturbed]


def _settle(folder: Path, request: Request, repeat: Sequence[Item] = ()) -> None:
    """A request is through, but for what is to be measured again: that is asked for before the request goes, so that no death loses it."""
    if repeat:
        queue.ask(folder, repeat, request.how, patience=request.patience, again=True)
    said = queue.progress(folder)
    queue.say(folder, replace(said, finished=said.finished + len(request.items) - len(repeat), item=None, doing=""))
    queue.drop(request)


def _rest(store: Store, run_id: str, request: Request) -> bool | None:
    """Waits until the load has fallen: True; False once that takes longer than the request's patience; None as soon as
    something is asked for that nobody has measured yet, or it is taken back."""
    folder = store.measure_folder(run_id)
    while request.file.exists() and not store.to_measure(again=False):
        others = machine.Others()
        time.sleep(REST_S)
        busy = others.cores()
        if busy is None or busy <= BUSY_CORES:
            return True
        if time.time() - request.time > request.patience:
            return False
        queue.say(folder, replace(queue.progress(folder), item=None, doing=f"waiting for the machine to come to rest, to measure once more what was "
                                                                           f"disturbed (other processes keep {busy:.2g} cores busy)"))
    return None


def _one(store: Store, run_id: str, item: Item, request: Request, reuse: Any) -> bool:
    folder = store.measure_folder(run_id)
    said = queue.progress(folder)
    if request.done(item, store.timings(run_id), said):
        return False
    begun = said.attempts.get(item.key, 0)
    if begun >= ATTEMPTS:
        return _failed(folder, item, request, f"its process ended {begun} times, perhaps for want of memory; a smaller batch needs less")
    once_more = "once more: " * request.again
    said = replace(said, item=item, attempts={**said.attempts, item.key: begun + 1}, doing=f"{once_more}loading")
    queue.say(folder, said)
    try:
        measure_ticket(store, Address(run_id, item.round, item.structure), batch=item.batch, threads=item.threads, device=item.device,
                       precision=item.precision, reuse=reuse, **request.how,
                       progress=lambda doing: queue.say(folder, replace(said, doing=once_more + doing)))
    except LthvizError as e:
        return _failed(folder, item, request, str(e))
    except Exception as e:
        log.exception("%s, %s", run_id, item.key)
        return _failed(folder, item, request, in_a_line(e))
    queue.say(folder, said.ended(item, request.time))
    return True


def _failed(folder: Path, item: Item, request: Request, why: str) -> bool:
    queue.say(folder, queue.progress(folder).ended(item, request.time, why))
    return False


# Having it done --------------------------------------------------------------------------------------------------------


def work(store: Store, stop: Callable[[], bool], stuck: set[str]) -> None:
    """Has everything measured that is asked for, run by run, until `stop()` says that something else comes first.

    Waits while a run is being trained. stuck: runs whose requests cannot be worked on; they are left alone, and added to.
    """
    while not stop() and (run_id := next((r for r in store.to_measure() if r not in stuck), None)):
        if store.training() or queue.held(store.measure_folder(run_id)):
            time.sleep(POLL_S)
            continue
        try:
            _have_measured(store, run_id, lambda: stop() or bool(store.training()))
        except LthvizError as e:   # a full disk, say: it must not be tried for ever
            log.warning("%s cannot be measured: %s", run_id, e)
            stuck.add(run_id)


def _have_measured(store: Store, run_id: str, stop: Callable[[], bool]) -> None:
    """One process that measures a run's requests, ended when they are cancelled or something else comes first."""
    folder = store.measure_folder(run_id)
    before = queue.progress(folder)
    child = processes.spawn("work", "--measure", run_id, "--runs", str(store.root), stdin=subprocess.PIPE)
    looked = asked = time.monotonic()
    try:
        while child.poll() is None:
            time.sleep(POLL_S)
            now = time.monotonic()
            if queue.requests(folder):
                asked = now
            elif now - asked > LOOK_S or queue.progress(folder).item:   # all is taken back, or through and it ends by itself
                break
            if now - looked > LOOK_S:
                looked = now
                if stop():
                    break
        died = child.poll()
    finally:
        processes.end(child)
    said = queue.progress(folder)
    if died:
        _tell_of_the_death(folder, before, died)
    elif said.item and queue.requests(folder):   # it did nothing wrong, so this was no attempt
        queue.say(folder, replace(said, item=None, doing="", attempts={k: v for k, v in said.attempts.items() if k != said.item.key}))
    elif said.item:
        queue.forget(folder)


def _tell_of_the_death(folder: Path, before: queue.Progress, code: int) -> None:
    """Where the process died before it could say anything, what it was to do first counts as failed."""
    said, asked = queue.progress(folder), queue.requests(folder)
    if asked and (said.attempts, said.errors, said.finished) == (before.attempts, before.errors, before.finished):
        for item in asked[0].items:
            _failed(folder, item, asked[0], f"the process that measures ended with code {code}; its words are in worker.log")
        queue.drop(asked[0])
        said = queue.progress(folder)
        queue.say(folder, replace(said, finished=said.finished + len(asked[0].items)))
