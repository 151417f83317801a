"""The two partitioners, each a function from a (rows, columns) mask to a part per row.

Both are deterministic and seeded: equal masks, groups, imbalance and seed give equal parts in every process, whatever the
number of threads.
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Mapping
from functools import cache
from importlib import import_module, resources
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lthviz.errors import PartitionerMissing

INSTALL = {"mtkahypar": "pip install mtkahypar", "pymetis": "pip install pymetis"}
DENSE_PINS = 250_000
DENSE_SETTINGS = {"r-jet-num-iterations": 3, "i-fm-refinement-rounds": 1}
"""Above so many pins (512 × 4608 at 11 %) nearly every row shares columns with every other and a longer search finds little:
about half of the time for 0.0–1.0 % of km1, less than one seed differs from the next."""


def choose(partitioner: str) -> str:
    """The partitioner that `auto`, `mtkahypar` or `pymetis` means here; PartitionerMissing says how to get one."""
    wanted = list(INSTALL) if partitioner == "auto" else [partitioner]
    faults = []
    for name in wanted:
        try:
            import_module(name)
            return name
        except ImportError as fault:  # not installed, or a wheel that does not load here
            faults.append(str(fault))
    ways = " or ".join(INSTALL[name] for name in wanted)
    raise PartitionerMissing(f"Regroup cannot divide the rows: {'; '.join(faults)}. Install one with: {ways}")


def divide(mask: np.ndarray, groups: int, imbalance: float, seed: int, partitioner: str) -> np.ndarray:
    """Part of each row, int32 in 0..groups−1, of a bool mask without empty rows and with more rows than groups.

    Mt-KaHyPar's deterministic mode ignores its own seed, so the seed permutes the rows and columns it is given.
    """
    rng = np.random.default_rng(seed)
    rows, cols = rng.permutation(mask.shape[0]), rng.permutation(mask.shape[1])
    found = {"mtkahypar": _mtkahypar, "pymetis": _pymetis}[partitioner](mask[rows][:, cols], groups, imbalance, seed)
    parts = np.empty(mask.shape[0], np.int32)
    parts[rows] = found
    return parts


@cache
def label(partitioner: str) -> str:
    """Name and version, as results carry it: `mtkahypar 1.7.post1`."""
    return f"{partitioner} {version(partitioner)}"


def _mtkahypar(mask: np.ndarray, groups: int, imbalance: float, seed: int) -> np.ndarray:
    """Connectivity (km1) over a hyperedge per column; equal columns are one hyperedge with their number as its weight."""
    import mtkahypar

    packed = np.ascontiguousarray(np.packbits(mask, axis=0).T)
    _, first, weight = np.unique(packed.view(np.dtype((np.void, packed.shape[1]))).ravel(), return_index=True, return_counts=True)
    order = np.argsort(first)  # np.unique sorts by content; the edges stay in the permuted order
    col, row = np.nonzero(mask.T[first[order]])
    ends = np.cumsum(np.bincount(col, minlength=first.size))
    starts = np.concatenate([[0], ends[:-1]])
    crosses = ends - starts > 1  # a column of one row can never be cut
    pins = row.tolist()
    edges = [pins[a:b] for a, b in zip(starts[crosses].tolist(), ends[crosses].tolist())]
    machine = _initializer()
    context = _context(machine, len(pins))
    context.set_partitioning_parameters(groups, imbalance, mtkahypar.Objective.KM1)
    context.logging = False
    graph = machine.create_hypergraph(context, mask.shape[0], len(edges), edges, [1] * mask.shape[0],
                                      weight[order][crosses].tolist())
    return np.array(graph.partition(context).get_partition(), np.int32)


_threads = 0


def use_threads(count: int) -> None:
    """Let a partitioner use `count` threads, 0 for every core this process may use; once one has run in this process it stays as it is."""
    global _threads
    _threads = count


@cache
def _initializer() -> Any:
    """Mt-KaHyPar may be initialised once a process only."""
    import mtkahypar

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return mtkahypar.initialize(min(_threads, cores) or cores, False)


_kept = threading.local()


def _context(machine: Any, pins: int) -> Any:
    """The settings of partition.ini, with a shorter search above DENSE_PINS pins; of a thread, whose every division sets its own groups and imbalance in
    it. Reading them takes Mt-KaHyPar as long as dividing a small matrix."""
    name = "dense" if pins > DENSE_PINS else "usual"
    if not hasattr(_kept, name):
        setattr(_kept, name, _read(machine, DENSE_SETTINGS if name == "dense" else {}))
    return getattr(_kept, name)


def _read(machine: Any, instead: Mapping[str, int]) -> Any:
    """partition.ini with these settings instead of its own. Mt-KaHyPar takes them as a file only."""
    text = (resources.files("lthviz.core") / "partition.ini").read_text(encoding="utf-8")
    for name, value in instead.items():
        text, found = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", text)
        assert found == 1, name
    with TemporaryDirectory(prefix="lthviz-") as folder:
        path = Path(folder) / "partition.ini"
        path.write_text(text, encoding="utf-8")
        return machine.context_from_file(str(path))


def _pymetis(mask: np.ndarray, groups: int, imbalance: float, seed: int) -> np.ndarray:
    """METIS on the graph of the rows, an edge for each pair that shares columns, its weight their number."""
    import pymetis
    from scipy import sparse

    bits = sparse.csr_array(mask.astype(np.int32))
    graph = (bits @ bits.T).tocsr()
    graph.setdiag(0)
    graph.eliminate_zeros()
    weights = np.maximum(1, graph.data // (graph.data.sum(dtype=np.int64) // 2**30 + 1))  # METIS adds them in 32 bits
    each = (1 + imbalance) ** (1 / math.ceil(math.log2(groups))) - 1  # imbalance of one bisection; they multiply
    options = pymetis.Options(seed=seed % 2**31, ufactor=max(1, round(1000 * each)))
    result = pymetis.part_graph(groups, pymetis.CSRAdjacency(graph.indptr, graph.indices), eweights=weights.astype(np.int32),
                                recursive=True, options=options)
    return np.asarray(result.vertex_part, np.int32)
