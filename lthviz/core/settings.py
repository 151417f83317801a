"""Settings of several runs side by side: every field, those of the structures unfolded, and in which of them they differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from lthviz.config import DERIVED, RunConfig, Structure


class Setting(NamedTuple):
    """A setting of several runs. name: `lr`, or of a structure `Regroup: t1`; values: one a run, None where the run has no such structure;
    help: what it is; place: whether it says where a run trained only."""

    name: str
    values: tuple[Any, ...]
    help: str = ""
    place: bool = False

    @property
    def differs(self) -> bool:
        return len({repr(v) for v in self.values}) > 1


def side_by_side(configs: Sequence[RunConfig]) -> list[Setting]:
    """Every setting of these runs: what they train on and how, their structures, then each structure's own. Structures of one kind are
    matched in their order: the second Regroup of one run stands beside the second of another."""
    out = []
    for f in dataclasses.fields(RunConfig):
        if f.name in DERIVED - {"parent", "from_round"}:
            continue
        values = tuple(getattr(c, f.name) for c in configs)
        if f.name == "structures":
            values = tuple(", ".join(s.label for s in of) for of in values)
        out.append(Setting(f.name, values, str(f.metadata.get("help", "")), all(f.name in c.place for c in configs)))
    return out + _structures(configs)


def _structures(configs: Sequence[RunConfig]) -> list[Setting]:
    unfolded = [_unfolded(c) for c in configs]
    out: list[Setting] = []
    for key in dict.fromkeys(k for of in unfolded for k in of):
        of_it = [of.get(key) for of in unfolded]
        title = key[0].title + (f" {key[1] + 1}" if any((key[0], 1) in of for of in unfolded) else "")
        for f in dataclasses.fields(key[0]):
            out.append(Setting(f"{title}: {f.name}", tuple(None if s is None else getattr(s, f.name) for s in of_it), str(f.metadata.get("help", ""))))
    return out


def _unfolded(config: RunConfig) -> dict[tuple[type[Structure], int], Structure]:
    """Structures by kind, and by how many of that kind come before."""
    seen: dict[type[Structure], int] = {}
    out: dict[tuple[type[Structure], int], Structure] = {}
    for s in config.structures:
        out[type(s), seen.get(type(s), 0)] = s
        seen[type(s)] = seen.get(type(s), 0) + 1
    return out
