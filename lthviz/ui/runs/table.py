"""The table of all runs, without a page: a row each, which of them are shown, and what can be done with those that are chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from lthviz.store.brief import Brief
from lthviz.store.sweeps import Sweep
from lthviz.ui import several

FILTERS = {"state": "State", "model": "Model", "data": "Data", "sweep": "Sweep"}
"""Names of what the table can be narrowed by, as they stand in the address, and for people."""


IMPORTED = "imported"
"""What runs that came in a packed file are found by, beside their state."""


class Row(NamedTuple):
    """A run of the table, and the sweeps that it belongs to. seeds: where it stands for all seeds of an example's study, they, this
    one's first; study: its id."""

    brief: Brief
    sweeps: tuple[Sweep, ...]
    seeds: tuple[Brief, ...] = ()
    study: str = ""

    @property
    def state(self) -> str:
        return "example" if self.brief.example else self.brief.status.state

    @property
    def words(self) -> str:
        """All that a search looks at, in small letters."""
        b = self.brief
        return " ".join([b.id, *(x.id for x in self.seeds), self.state, b.title, b.preset, b.config.model, b.config.data, structures(b), b.status.message, b.note, b.source, b.config.parent,
                         *(s.shown for s in self.sweeps), *(s.name for s in self.sweeps)]).lower()

    def has(self, name: str) -> set[str]:
        """What a filter of that name compares with."""
        if name == "sweep":
            return {s.name for s in self.sweeps}
        if name == "state":
            return {self.state} | ({IMPORTED} if self.brief.source else set())
        return {getattr(self.brief.config, name)}


def rows(briefs: Iterable[Brief], sweeps: Iterable[Sweep]) -> list[Row]:
    of: dict[str, list[Sweep]] = {}
    for sweep in sweeps:
        for run_id in sweep.runs:
            of.setdefault(run_id, []).append(sweep)
    briefs = list(briefs)
    studies = {found[0].id: (tuple(found), name) for name, found in several.together(briefs).items()}
    return [Row(b, () if b.example else tuple(of.get(b.id, ())), *studies.get(b.id, ())) for b in several.few(briefs)]


def choices(found: Sequence[Row], name: str) -> list[str]:
    """What a filter of that name can ask for, the most frequent first."""
    count: dict[str, int] = {}
    for row in found:
        for value in row.has(name):
            count[value] = count.get(value, 0) + 1
    return sorted(count, key=lambda v: (-count[v], v))


def narrowed(found: Sequence[Row], wanted: Mapping[str, Sequence[str]], search: str = "") -> list[Row]:
    """Those that have one of the wanted values of every filter that asks for any, and every word of the search."""
    words = search.lower().split()
    return [r for r in found if all(not values or r.has(name) & set(values) for name, values in wanted.items())
            and all(w in r.words for w in words)]


def structures(brief: Brief) -> str:
    return ", ".join(s.name for s in brief.config.structures) or "–"


def cells(row: Row, size: int | None = None) -> dict[str, Any]:
    """A row as the table shows it; numbers stay numbers, so that it can be sorted by them. size: of its folder, in bytes."""
    b = row.brief
    came = {"branch of": f"{b.config.parent}, round {b.config.from_round}" if b.config.parent else None, "came in": b.source or None}
    named = " · ".join(filter(None, (b.title, several.seeds(row.seeds) if row.seeds else ""))) or None
    # the first three are what a phone has room for
    return {"state": row.state, "best": b.best_acc, "run": b.id, "rounds": b.rounds - 1 if b.rounds else None, "planned": b.config.rounds, "dense": b.dense_acc, "last": b.last_acc,
            "minutes": round(b.seconds / 60, 2) if b.seconds else None, "disk": None if size is None else size / 1e6, "title": named,
            "structures": structures(b), "note": b.note or None, "changed": datetime.fromtimestamp(b.ended, UTC), "seed": None if row.seeds else b.config.seed, "message": b.status.message, **came,
            "sweep": ", ".join(s.shown for s in row.sweeps) or None, "model": b.config.model, "data": b.config.data}


def sentence(found: Sequence[Row]) -> str:
    """How many there are and how they stand."""
    count = {s: sum(r.state == s for r in found) for s in ("running", "paused", "queued", "failed", "interrupted", "cancelled", "finished", "example")}
    names = {"running": "at work", "queued": "waiting", "example": "example" + "s" * (count["example"] > 1)}
    parts = [f"{n:,} {names.get(s, s)}" for s, n in count.items() if n]
    imported = sum(bool(r.brief.source) for r in found)
    parts += [f"{imported:,} of them imported"] if imported else []
    further = sum(len(r.seeds) - 1 for r in found if r.seeds)
    parts += [f"{further:,} more seed{'s' * (further != 1)} of them"] if further else []
    total = len(found) + further
    return f"{total:,} run{'s' * (total != 1)}: {', '.join(parts)}."


# What can be done ------------------------------------------------------------------------------------------------------


def resumable(chosen: Iterable[Row]) -> list[str]:
    return [r.brief.id for r in chosen if r.state in ("failed", "interrupted", "cancelled")]


def cancellable(chosen: Iterable[Row]) -> list[str]:
    return [r.brief.id for r in chosen if not r.brief.example and r.brief.status.alive]


def deletable(chosen: Iterable[Row]) -> list[str]:
    """Not those at work: they are to be cancelled first."""
    return [r.brief.id for r in chosen if r.state in ("finished", "failed", "interrupted", "cancelled", "queued")]
