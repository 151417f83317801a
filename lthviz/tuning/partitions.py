"""The row partitions of a round's layers, as Regroup would make them, and the blocks of its variant `paper`: asked for, kept, and read back.

A partitioner may hold the interpreter for seconds, so that no server that answers readers may call it. The child does
(child.py), layer by layer, with the very seeds of the engine.
"""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lthviz.config import Regroup
from lthviz.core import paper
from lthviz.core import partition as core_partition
from lthviz.core.bits import matrix_shape
from lthviz.core.partition import Partition
from lthviz.core.regroup import Part, parts
from lthviz.records import Blocks, Masks
from lthviz.speed.machine import version
from lthviz.tuning import desk
from lthviz.tuning.desk import Progress
from lthviz.tuning.sources import Source

PAPER = ("min_nnz", "min_rows", "min_cols")
"""What the later partitions of variant `paper` depend on beside what the first does: they divide what its blocks left."""


def divisions(source: Source, settings: Regroup) -> dict[str, dict[str, Any]]:
    """What has to be divided for a Regroup: key → what `desk.ask` takes; layers with groups of their own apart."""
    settings.check_layers(source.masks)
    out: dict[str, dict[str, Any]] = {}
    for name in source.masks:
        own = settings.of(name)
        what = {"run": source.run.id, "round": source.round, "digest": source.masks.digest, "seed": source.seed(Regroup.kind), "groups": own.groups,
                "imbalance": own.imbalance, "partitioner": own.partitioner}
        if own.variant == "paper":
            what["paper"] = {k: getattr(own, k) for k in PAPER}
        out.setdefault(key(what), {**what, "layers": []})["layers"].append(name)
    return out


def key(what: Mapping[str, Any]) -> str:
    """Hash of all that an answer depends on: masks, seed, settings, and the partitioner's version and ours."""
    text = " ".join(str(what[k]) for k in ("digest", "seed", "groups", "imbalance", "partitioner"))
    if thresholds := what.get("paper"):
        text += f" paper {' '.join(str(thresholds[k]) for k in PAPER)}"
    return hashlib.sha256(f"{text} {_made_by()}".encode()).hexdigest()[:20]


def ask(root: Path, source: Source, settings: Regroup, *, urgent: bool = True) -> None:
    """Have divided what is not known yet."""
    for k, what in divisions(source, settings).items():
        if not desk.progress(root, k, what["layers"], source.run.id).ready:
            desk.ask(root, k, what, urgent=urgent)


def retry(root: Path, source: Source, settings: Regroup) -> None:
    """Forget what failed of it, and ask again."""
    for k in divisions(source, settings):
        desk.retry(root, k)
    ask(root, source, settings)


def progress(root: Path, source: Source, settings: Regroup) -> Progress:
    """How many layers are divided."""
    each = [desk.progress(root, k, what["layers"], source.run.id) for k, what in divisions(source, settings).items()]
    return Progress(sum(p.done for p in each), sum(p.total for p in each), next((p.doing for p in each if p.doing), ""),
                    next((p.error for p in each if p.error), ""), any(p.again for p in each))


class Divided(NamedTuple):
    """The layers that are divided, and their parts with all that a cut needs; in variant `paper` the blocks instead, with notes on every part."""

    partitions: Mapping[str, Partition]
    parts: Mapping[str, Sequence[Part]]
    found: Mapping[str, tuple[Blocks, list[dict]]] = {}


def known(root: Path, source: Source, settings: Regroup) -> Divided:
    """What is known. The parts are kept in memory: making them is most of a preview's time."""
    made, cut, blocks = {}, {}, {}
    for k, what in divisions(source, settings).items():
        there = desk.known(root, k)
        for name in what["layers"]:
            first = _partition(there.get(name), source.masks, name)
            if first is None:
                continue
            if "paper" in what:
                blocks[name] = _blocks(k, name, _Kept(source.masks, there[name]))
            else:
                cut[name] = _parts(k, name, _Kept(source.masks, first))
            made[name] = first
    made, cut, blocks = ({name: of[name] for name in source.masks if name in of} for of in (made, cut, blocks))   # in the order of the network
    return Divided(made, cut, blocks)


def answer(masks: Masks, name: str, what: Mapping[str, Any]) -> dict[str, Any]:
    """A layer's partition, and in variant `paper` its blocks, as a line of a file; computed now, in this process."""
    first = divide(masks, name, what)
    line = to_line(first)
    if thresholds := what.get("paper"):
        own = Regroup(variant="paper", groups=what["groups"], imbalance=what["imbalance"], partitioner=what["partitioner"], **thresholds)
        found, notes = paper.blocks(masks.matrix(name), own, first, name=name, seed=what["seed"])
        line |= {"rows": [x.tolist() for x in found.rows], "cols": [x.tolist() for x in found.cols],
                 "parts": [{k: v if isinstance(v, bool) else int(v) for k, v in note.items()} for note in notes]}
    return line


def to_line(made: Partition) -> dict[str, Any]:
    """A partition as a line of a file."""
    return {"assignment": made.assignment.tolist(), "partitioner": made.partitioner, "km1": made.km1, "seconds": round(made.seconds, 4)}


def divide(masks: Masks, name: str, what: Mapping[str, Any]) -> Partition:
    """Divide a layer now, in this process, exactly as `core.partition.partition_all` does."""
    settings = Regroup(groups=what["groups"], imbalance=what["imbalance"], partitioner=what["partitioner"])
    return core_partition.one(masks, name, settings, what["seed"])


def _partition(line: Mapping[str, Any] | None, masks: Masks, name: str) -> Partition | None:
    """What a line says; None where it does not fit the layer."""
    try:
        assignment = np.array(line["assignment"], np.int32)
        made = Partition(assignment, str(line["partitioner"]), int(line["km1"]), float(line["seconds"]))
    except (LookupError, TypeError, ValueError):
        return None
    return made if assignment.shape == masks.shape(name)[:1] else None


class _Kept:
    """Masks and what a line says of them, that are looked up by a key: equal whatever they hold, so that only the key decides."""

    def __init__(self, masks: Masks, divided: Any) -> None:
        self.masks, self.divided = masks, divided

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=400)
def _parts(key: str, name: str, of: _Kept) -> tuple[Part, ...]:
    return parts(of.masks.matrix(name), of.divided)


@functools.lru_cache(maxsize=400)
def _blocks(key: str, name: str, of: _Kept) -> tuple[Blocks, list[dict]]:
    line = of.divided
    found = (tuple(np.array(x, np.int32) for x in line[axis]) for axis in ("rows", "cols"))
    return Blocks(matrix_shape(of.masks, name), *found), line["parts"]


@functools.cache
def _made_by() -> str:
    core = resources.files("lthviz.core")
    source = b"".join((core / name).read_bytes() for name in ("partition.ini", "partition.py", "partitioners.py"))
    return f"{version('mtkahypar')} {version('pymetis')} {zlib.crc32(source):08x}"
