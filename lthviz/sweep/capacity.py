"""What a cluster has now against what runs want of it: a node that leaves takes its resources along, and Ray waits for them for ever."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("lthviz")

EVERY_S = 2.0
"""So often the cluster is asked what it has."""
GRACE_S = 60.0
"""So long a node may be away, to be restarted, say, before what wants it is taken for impossible."""


class Capacity:
    """The nodes of a cluster as they are now. wants: `num_cpus` and `num_gpus`, which one node must have together."""

    def __init__(self, ray: Any) -> None:
        self.ray = ray
        self.nodes: list[tuple[float, float]] = []
        self._looked = -EVERY_S
        self._since: dict[tuple[float, float], float] = {}
        self.look()

    def look(self, *, fresh: bool = False) -> None:
        """Asks the cluster, unless it has just been asked and that will do."""
        if fresh or time.monotonic() - self._looked >= EVERY_S:
            self.nodes = [(n["Resources"].get("CPU", 0.0), n["Resources"].get("GPU", 0.0)) for n in self.ray.nodes() if n["Alive"]]
            self._looked = time.monotonic()

    def fits(self, wants: Mapping[str, float]) -> bool:
        """Whether a node has that much, free now or not."""
        return any(cpus >= wants["num_cpus"] and gpus >= wants["num_gpus"] for cpus, gpus in self.nodes)

    def lacks(self, wants: Mapping[str, float]) -> bool:
        """Whether no node has had that much for GRACE_S; that it begins to be so is logged."""
        key = wants["num_cpus"], wants["num_gpus"]
        if self.fits(wants):
            self._since.pop(key, None)
            return False
        if key not in self._since:
            self._since[key] = time.monotonic()
            log.warning("%s; waiting %.0f s for a node that has it", self.words(wants), GRACE_S)
        return time.monotonic() - self._since[key] >= GRACE_S

    def words(self, wants: Mapping[str, float]) -> str:
        """`a run wants 1 CPU and 1 GPU of one node, the cluster has 2 nodes of 4 CPUs`."""
        there = Counter(_words(*node) for node in self.nodes if any(node))
        has = ", ".join(f"{n} node{'s' * (n != 1)} of {of}" for of, n in there.items()) or "no node with a CPU"
        return f"a run wants {_words(wants['num_cpus'], wants['num_gpus'])} of one node, the cluster has {has}"


def _words(cpus: float, gpus: float) -> str:
    return " and ".join(f"{n:g} {what}{'s' * (n > 1)}" for n, what in ((cpus, "CPU"), (gpus, "GPU")) if n) or "nothing"
