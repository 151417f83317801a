"""A Ray cluster of this machine whose node with a GPU (by its word: nothing is computed on it) leaves and comes back; as a script.

It prints one line of JSON: of a sweep whose node stays away, and of one to which it comes back, what was told, raised and logged.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import ray
from ray.cluster_utils import Cluster as Nodes

from lthviz.config import RunConfig
from lthviz.errors import EnvironmentFault
from lthviz.store import Store
from lthviz.sweep import capacity, cluster, rays
from lthviz.sweep.grid import Point

SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


def points() -> list[Point]:
    """One that wants the GPU, and one that does not; both are over in a second."""
    base = RunConfig(model="convnet", data="digits", rounds=0, epochs=1, milestones=(), train_images=64, batch_size=16, threads=1, warmup=0)
    return [Point(base, "", {}), Point(base.replace(seed=1, device="cpu"), "", {})]


def sweep(folder: Path, made: cluster.Cluster, told=lambda _: None) -> dict:
    store, asked, logged = Store(folder), points(), []
    heard, raised = [], ""
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())
    logging.getLogger("lthviz").addHandler(handler)
    try:
        rays.sweep(store, store.keep_sweep("leaving", "", "", tuple(p.id for p in asked), "ray"), asked,
                   lambda outcome: (heard.append((outcome.run_id, outcome.state)), told(outcome)), made)
    except EnvironmentFault as e:
        raised = str(e)
    finally:
        logging.getLogger("lthviz").removeHandler(handler)
    return {"told": heard, "raised": raised, "logged": logged, "ids": [p.id for p in asked]}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    logging.getLogger("lthviz").propagate = False
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, **SMALL})
    leaving = nodes.add_node(num_cpus=1, num_gpus=1, **SMALL)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    made = cluster._measured(ray, 0)
    nodes.remove_node(leaving)
    capacity.GRACE_S = 1.0
    away = sweep(folder / "away", made)
    back = sweep(folder / "back", made, lambda outcome: nodes.add_node(num_cpus=1, num_gpus=1, **SMALL) if outcome.run_id == points()[1].id else None)
    ray.shutdown()
    nodes.shutdown()
    print(json.dumps({"away": away, "back": back}), file=sys.__stdout__, flush=True)
