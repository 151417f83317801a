"""A sweep from beginning to end: remembered, what is missing trained by a backend, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from filelock import Timeout

from lthviz.store import Store
from lthviz.store.brief import Briefs
from lthviz.store.sweeps import Sweep
from lthviz.sweep import serial
from lthviz.sweep.grid import Grid, Point
from lthviz.sweep.one import Outcome
from lthviz.sweep.tally import Tally, tally

BACKENDS = ("serial", "ray")


@dataclass(frozen=True)
class Backend:
    """Who trains. address, workers: of a Ray cluster (cluster.opened)."""

    kind: str = "serial"
    address: str = ""
    workers: int = 0


@dataclass(frozen=True)
class Result:
    """What came of a sweep. outcomes: of the runs that were missing, as they came. tally: all its runs, afterwards."""

    sweep: Sweep
    outcomes: tuple[Outcome, ...]
    tally: Tally

    @property
    def failures(self) -> dict[str, str]:
        """Why, by run, of those that did not finish though they were begun now."""
        return {o.run_id: f"{o.state}: {o.message}" if o.state != "failed" else o.message for o in self.outcomes if o.state != "finished"}


def missing(store: Store, grid: Grid) -> list[Point]:
    """The runs that are not finished, in the order of the grid."""
    done = set(tally(Briefs(store), grid.ids).having(["finished"]))
    return [p for p in grid.points if p.id not in done]


def run(store: Store, grid: Grid, backend: Backend, told: Callable[[Outcome], None] = lambda _: None,
        begun: Callable[[Sweep], Any] = lambda _: None) -> Result:
    """Train what is missing. told: gets what came of each run. begun: called once the backend is there and training begins.

    Raises what a cluster raises that cannot be had; a run that fails is an outcome.
    """
    with contextlib.ExitStack() as stack:
        points = missing(store, grid)
        cluster = None
        if backend.kind == "ray" and points:
            from lthviz.sweep import cluster as clusters

            cluster = stack.enter_context(clusters.opened(backend.address, backend.workers, max(p.config.threads for p in points)))
        sweep = store.keep_sweep(grid.name, grid.title, grid.text, grid.ids, backend.kind)
        stack.enter_context(_working(store, sweep))
        outcomes: list[Outcome] = []

        def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            told(outcome)

        begun(sweep)
        if cluster is not None:
            from lthviz.sweep import rays

            rays.sweep(store, sweep, points, tell, cluster)
        else:
            serial.sweep(store, sweep, points, tell)
        return Result(sweep, tuple(outcomes), tally(Briefs(store), grid.ids))


@contextlib.contextmanager
def _working(store: Store, sweep: Sweep) -> Iterator[None]:
    """Holds the sweep's lock, unless another works on it as well: then both share what is left."""
    lock = store.sweep_lock(sweep.name)
    with contextlib.suppress(Timeout):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
