"""A sweep without a cluster: its runs one after another in this process, or in the worker that the app starts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from lthviz import launch
from lthviz.errors import UsageError
from lthviz.store import Store
from lthviz.store.sweeps import Sweep
from lthviz.sweep.grid import Grid, Point
from lthviz.sweep.one import Outcome, elsewhere, train, waits

POLL_S = 0.5

Told = Callable[[Outcome], None]


def sweep(store: Store, made: Sweep, points: list[Point], told: Told) -> None:
    """Train the points in order; `told` gets what came of each.

    A run that another process trains is passed over and waited for at the end: two of these side by side share the work.
    """
    waiting, busy = deque(points), deque[Point]()
    while (waiting or busy) and not store.sweep_stopped(made):
        if waiting:
            point = waiting.popleft()
            outcome = train(store, point.config, point.preset)
            if outcome.state == "busy":
                busy.append(point)
            else:
                told(outcome)
        elif waits(store, busy[0].config) or (store.taken(busy[0].id) and store.held(busy[0].id)):
            busy.rotate(-1)
            time.sleep(POLL_S)
        elif (outcome := elsewhere(store, busy[0].id)) is not None:
            told(outcome)
            busy.popleft()
        else:   # whoever trained it is gone
            waiting.append(busy.popleft())


def enqueue(store: Store, grid: Grid) -> Sweep:
    """Remember the sweep and put all its unfinished runs in the queue of the worker that the app starts."""
    if branch := next((p for p in grid.points if p.config.parent), None):
        raise UsageError(f"the sweep has branches ({branch.words}), which cannot stand in the queue before their parents are finished; save it as a file and "
                         f"run it from a terminal: lthviz sweep {grid.name}.toml")
    made = store.keep_sweep(grid.name, grid.title, grid.text, grid.ids, "worker")
    for point in grid.points:
        store.begin(point.config, preset=point.preset)
    launch.resume_all(store, grid.ids)
    return made
