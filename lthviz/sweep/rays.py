"""A sweep on a Ray cluster. Ray is the engine (placing, resources, retries); this page only says what a run is.

All workers share the folder of the runs, on one machine or on a file system that all of them mount: there a run is found, its
lock says who trains it, and a checkpoint is taken up by whichever worker comes after one that died.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lthviz import launch
from lthviz.config import RunConfig
from lthviz.errors import EnvironmentFault, LthvizError, StoreError
from lthviz.store import Store, files
from lthviz.store.sweeps import Sweep
from lthviz.sweep.capacity import Capacity
from lthviz.sweep.cluster import Cluster
from lthviz.sweep.grid import Point
from lthviz.sweep.one import Outcome, elsewhere, train, waits

log = logging.getLogger("lthviz")

POLL_S = 0.5
RETRIES = 3
"""How often a run is begun again whose worker died; one that ends every worker must not be tried for ever."""
LOOK_S = 60.0
"""How long a node may take to say whether it sees the runs."""


def sweep(store: Store, made: Sweep, points: list[Point], told: Callable[[Outcome], None], cluster: Cluster) -> None:
    """Train the points on the cluster; `told` gets what came of each, as it comes.

    Raises what `look` raises, and EnvironmentFault when what is left wants resources that have left the cluster.
    """
    look(cluster, store, made)
    task = cluster.ray.remote(max_retries=RETRIES, max_calls=0)(_task)
    waiting, busy, stuck, at_work = deque(points), deque[Point](), deque[Point](), dict[Any, Point]()
    capacity = Capacity(cluster.ray)
    try:
        while (waiting or busy or stuck or at_work) and not store.sweep_stopped(made):
            capacity.look()
            for ref, point in list(at_work.items()):
                if capacity.lacks(cluster.wants(point.config)):   # so it is not running, and never would
                    cluster.ray.cancel(ref)
                    stuck.append(at_work.pop(ref))
            for _ in range(len(stuck)):   # what it wanted may be back
                point = stuck.popleft()
                (stuck if capacity.lacks(cluster.wants(point.config)) else waiting).append(point)
            while waiting and len(at_work) < cluster.most:
                if (point := _next(store, waiting)) is None:   # branches, whose parents are at work
                    break
                wants = cluster.wants(point.config)
                if capacity.lacks(wants):
                    stuck.append(point)
                    continue
                at_work[task.options(name=point.id, **wants).remote(
                    str(store.root), made.name, made.token, point.config.to_dict(), point.preset, wants["num_cpus"])] = point
            if stuck and not (busy or at_work):
                capacity.look(fresh=True)
                if not all(capacity.lacks(cluster.wants(point.config)) for point in stuck):
                    continue
                raise EnvironmentFault(f"{len(stuck)} run{'s' * (len(stuck) != 1)} left undone: {capacity.words(cluster.wants(stuck[0].config))}; bring such a "
                                       "node back or not, the same sweep begun again does the rest with what is there then")
            if not at_work:   # all that is left is another's
                time.sleep(POLL_S)
            ready, _ = cluster.ray.wait(list(at_work), timeout=POLL_S) if at_work else ([], [])
            for ref in ready:
                point = at_work.pop(ref)
                outcome = _outcome(cluster.ray, store, ref, point)
                busy.append(point) if outcome.state == "busy" else told(outcome)
            if busy and not ready:
                _look_again(store, busy, waiting, told)
    finally:
        for ref in at_work:   # asked to stop, or stopped by hand: a run at work ends as interrupted
            cluster.ray.cancel(ref)
        if at_work:
            cluster.ray.wait(list(at_work), num_returns=len(at_work), timeout=10)


def _next(store: Store, waiting: deque[Point]) -> Point | None:
    """Takes the first that need not wait for its parent; None where all have to."""
    found = next((p for p in waiting if not waits(store, p.config)), None)
    if found is not None:
        waiting.remove(found)
    return found


def look(cluster: Cluster, store: Store, made: Sweep) -> None:
    """StoreError, EnvironmentFault: a node does not see the folder of the runs, or has no lthviz of this version."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Node

    nodes = [n for n in cluster.ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]
    task = cluster.ray.remote(num_cpus=0, max_retries=1)(_sees)
    asked = {task.options(scheduling_strategy=Node(n["NodeID"], soft=False)).remote(str(store.root), made.name, made.token): n for n in nodes}
    ready, late = cluster.ray.wait(list(asked), num_returns=len(asked), timeout=LOOK_S)
    for ref in ready:
        name = asked[ref].get("NodeManagerHostname") or asked[ref].get("NodeManagerAddress")
        try:
            version, why = cluster.ray.get(ref)
        except cluster.ray.exceptions.RayError as e:
            raise EnvironmentFault(f"worker {name} cannot run lthviz: {_line(e)}; install the same version there, with its requirements") from None
        if why:
            raise StoreError(why)
        if version != files.version():
            raise EnvironmentFault(f"worker {name} has lthviz {version}, this is {files.version()}; install the same version on both")
    if late:
        raise EnvironmentFault(f"worker {asked[late[0]].get('NodeManagerHostname')} did not answer within {LOOK_S:.0f} s; is its node overloaded or gone?")


def _sees(root: str, name: str, token: str) -> tuple[str, str]:
    """(version of lthviz here, why the sweep is not seen here)."""
    return files.version(), unseen(root, name, token)


def unseen(root: str, name: str, token: str) -> str:
    """Why this process does not see a sweep that the folder of the runs should have; '' where it does."""
    where = f"worker {platform.node()} does not see the folder of the runs, {root}"
    way_out = "put --runs on a file system that all machines mount at the same path"
    if not Path(root).is_dir():
        return f"{where}: it is not there; {way_out}"
    try:
        found = Store(root).sweep(name)
    except LthvizError:
        return f"{where}: a folder of that name is there, but not with this sweep; {way_out}"
    return "" if found.token == token else f"{where}: a folder of that name holds another sweep {name!r}; {way_out}"


def _task(root: str, name: str, token: str, config: Mapping[str, Any], preset: str, cpus: int) -> Outcome:
    """One run, in a worker. A node that came later than `look` is looked at here."""
    if why := unseen(root, name, token):
        return Outcome(RunConfig.from_dict(config).run_id, "failed", why, host=platform.node(), pid=os.getpid())
    for library in ("OMP", "MKL", "OPENBLAS"):   # read when they are loaded; torch is told again before each training
        os.environ[f"{library}_NUM_THREADS"] = str(cpus)
    made = RunConfig.from_dict(config)
    return train(Store(root), made if made.threads else made.replace(threads=int(cpus)), preset)


def _outcome(ray: Any, store: Store, ref: Any, point: Point) -> Outcome:
    """What came of a task, Ray's own failures included; those become the run's state as well."""
    try:
        return Outcome(*ray.get(ref))
    except ray.exceptions.TaskCancelledError:
        return Outcome(point.id, "cancelled", "stopped with the sweep")
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError) as e:
        why = "for want of memory" if isinstance(e, ray.exceptions.OutOfMemoryError) else "perhaps for want of memory"
        outcome = Outcome(point.id, "failed", f"its worker died {RETRIES + 1} times, {why}; a smaller batch_size or model needs less")
    except ray.exceptions.RayError as e:
        outcome = Outcome(point.id, "failed", f"Ray could not run it: {_line(e)}")
    try:
        if store.exists(point.id) and not store.held(point.id) and store.status(point.id).state not in ("finished", "failed"):
            store.set_state(point.id, "failed", outcome.message)
    except LthvizError as e:
        log.warning("%s: %s", point.id, launch.reason(e))
    return outcome


def _look_again(store: Store, busy: deque[Point], waiting: deque[Point], told: Callable[[Outcome], None]) -> None:
    """Runs that another process had: its outcome, or they are handed over again when it is gone."""
    for _ in range(len(busy)):
        point = busy.popleft()
        if waits(store, point.config) or (store.taken(point.id) and store.held(point.id)):
            busy.append(point)
        elif (outcome := elsewhere(store, point.id)) is not None:
            told(outcome)
        else:
            waiting.append(point)


def _line(error: BaseException) -> str:
    """The last line of Ray's report: what was raised in the worker."""
    lines = [x.strip() for x in str(error).splitlines() if x.strip()]
    return lines[-1] if lines else type(error).__name__
