"""Runs that share a trunk as one study: a trunk's own tickets and those that its branches trained, seed by seed.

A study that is too long for one run is cut into branches of one trunk: each takes the trunk's tickets over and trains one structure's. They
belong together where they differ in nothing but the seed, the structures, how far they go, and what weights are stored; what
is fed back into the trunk (`in_loop`) makes another trunk. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lthviz.config import STRUCTURES, UNSTRUCTURED, RunConfig, Structure
from lthviz.core.study import Key, Replicates, studies, study_id
from lthviz.records import Run

_OPEN = {"structures": (), "rounds": 0, "parent": "", "from_round": 0, "earlier": (), "keep_weights": "none"}
"""Settings in which the runs of a family may differ, besides the seed."""


def family_id(config: RunConfig) -> str:
    """What all runs of a family share: the id of their study without structures and rounds."""
    fed = {} if not config.in_loop else {"structures": (config.structure(config.in_loop),)}
    return study_id(config.replace(**{**_OPEN, **fed}))


def families(runs: Iterable[Run], times: Mapping[Key, float] | None = None) -> list[Replicates]:
    """The runs by family, in the order in which their first comes: of each a study with all structures of its runs, one run a seed.

    A ticket that several runs of a seed have is their trunk's, and counts once: that of the run that branched from none, else of the
    one with most tickets. times: by run id; a ticket that its own run has not measured has another's time where that has the same
    density and accuracy, and so the same masks. The runs of the studies have the ids of those that the trunk's tickets are of.
    """
    by: dict[str, dict[int, list[Run]]] = {}
    for run in runs:
        by.setdefault(family_id(run.config), {}).setdefault(run.config.seed, []).append(run)
    joined: list[Run] = []
    found: dict[Key, float] = {}
    for of in by.values():
        members = [run for _, of_seed in sorted(of.items()) for run in sorted(of_seed, key=_rank)]
        shared = _shared(members)
        for seed, of_seed in sorted(of.items()):
            one, sources = _joined(sorted(of_seed, key=_rank), shared | {"seed": seed})
            joined.append(one)
            for (k, label), ids in sources.items():
                measured = [t for run_id in ids if (t := (times or {}).get((run_id, k, label))) is not None]
                found |= {(one.id, k, label): measured[0]} if measured else {}
    return studies(joined, found)


def _rank(run: Run) -> tuple[bool, int, str]:
    return bool(run.config.parent), -len(run.rows), run.id


def _shared(members: Sequence[Run]) -> dict[str, Any]:
    """What the joined runs of a family have for settings, the first run's where nothing else is said."""
    places: dict[Structure, int] = {}
    for run in members:
        for at, s in enumerate(run.config.every_structure):
            places[s] = min(at, places.get(s, at))
    kinds = list(STRUCTURES)
    structures = sorted(places, key=lambda s: (kinds.index(s.kind), places[s], s.label))    # in one order, whichever branch comes first
    return {**_OPEN, "structures": tuple(structures), "rounds": max(run.config.rounds for run in members)}


def _joined(runs: Sequence[Run], settings: Mapping[str, Any]) -> tuple[Run, dict[tuple[int, str], list[str]]]:
    """The runs of one seed as one, and by round and label the runs that have the ticket, that first whose row it is."""
    rows: dict[tuple[int, str], Mapping[str, Any]] = {}
    sources: dict[tuple[int, str], list[str]] = {}
    for run in runs:
        for row in run.rows:
            there = rows.setdefault(key := (row["round"], row["structure"]), row)
            if all(there[x] == row[x] for x in ("density", "test_acc")):
                sources.setdefault(key, []).append(run.id)
    first = runs[0]
    config = first.config.replace(**settings)
    order = ["", UNSTRUCTURED, *(s.label for s in config.structures)]
    sorted_rows = tuple(rows[key] for key in sorted(rows, key=lambda key: (key[0], order.index(key[1]) if key[0] and key[1] in order else 0)))
    return replace(first, config=config, rows=sorted_rows, rounds=tuple(sorted({k for k, _ in rows})), seconds=sum(run.seconds for run in runs)), sources
