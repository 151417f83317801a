"""What docs/results.md is made from: the studies' runs among the examples, and the summaries of studies whose runs are not stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks import methods
from lthviz.core.families import families, family_id
from lthviz.core.study import Key, Replicates, title
from lthviz.core.winning import Level, level_of
from lthviz.errors import StoreError
from lthviz.figures import measured
from lthviz.figures.measured import Setting
from lthviz.records import Run, Timing
from lthviz.store import Store
from lthviz.sweep import grid

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "data" / "examples"
FILES = ROOT / "benchmarks" / "studies"
RESULTS = ROOT / "benchmarks" / "results"
SUMMARIES = ("methods", "regroup", "inloop", "longer")
"""Studies of which the numbers alone are kept, in benchmarks/results; of all others the runs are, in data/examples."""


@dataclass(frozen=True, eq=False)
class Study:
    """A study's file and what of it is there. of: its runs by family, or those of its summary; missing: ids of its runs that are not there
    or not finished; timings: those behind the time ratios of `of`, at `setting`."""

    name: str
    title: str
    expected: int
    of: tuple[Replicates, ...]
    missing: tuple[str, ...] = ()
    info: Mapping[str, Any] | None = None
    timings: tuple[Timing, ...] = ()
    setting: Setting | None = None

    @property
    def file(self) -> str:
        return f"benchmarks/studies/{self.name}.toml"

    @property
    def main(self) -> Replicates | None:
        """The family with most tickets, which the tables are about."""
        return max(self.of, key=lambda s: len(s.tickets), default=None)

    @property
    def there(self) -> bool:
        """Whether there is a pruned ticket to speak of."""
        return self.main is not None and bool(self.main.labels) and self.main.dense is not None

    @cached_property
    def level(self) -> Level | None:
        return level_of(self.main) if self.main else None


def summaries() -> dict[str, Study]:
    """The studies of which only the numbers are kept, by name; those that are not gathered yet as well."""
    found = {}
    for name in SUMMARIES:
        read, kept = grid.read(FILES / f"{name}.toml"), RESULTS / f"{name}.json"
        results = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {"studies": [], "conditions": None}
        found[name] = Study(name, read.title, len(read.points), tuple(methods.replicates(results)), () if kept.exists() else read.ids, results["conditions"])
    return found


def stored(examples: Path = EXAMPLES, files: Path = FILES) -> dict[str, Study]:
    """The studies whose runs are kept, by name; those of which no run is there as well."""
    store = Store(examples.parent / "runs-of-nobody", examples=examples)
    runs = {run_id: store.run(run_id) for run_id in store.runs()}
    if broken := store.broken():
        raise StoreError(f"{examples}: {next(iter(broken.values()))}")
    timings = {run_id: store.timings(run_id) for run_id in runs}
    setting = measured.usual([t for found in timings.values() for t in found])
    found = {}
    for path in sorted(files.glob("*.toml")):
        if path.stem not in SUMMARIES:
            found[path.stem] = _study(path, runs, timings, setting)
    return found


def _study(path: Path, runs: Mapping[str, Run], timings: Mapping[str, Iterable[Timing]], setting: Setting | None) -> Study:
    read = grid.read(path)
    mine = [runs[p.id] for p in read.points if p.id in runs]
    missing = tuple(p.id for p in read.points if p.id not in runs or not _whole(runs[p.id]))
    kin = {family_id(r.config) for r in mine}
    seeds = {(family_id(r.config), r.config.seed) for r in mine}
    # another example of the same trunk lends its speeds, where its tickets are the same ones
    lending = [r for r in runs.values() if (family_id(r.config), r.config.seed) in seeds and r not in mine and not r.config.parent]
    at = {run.id: measured.at(timings[run.id], setting) for run in (*mine, *lending)} if setting else {}
    times: dict[Key, float] = {(run_id, k, label): t.time_ratio for run_id, of in at.items() for (k, label), t in of.items()}
    own = {label for r in mine for label in ("unstructured", *(s.label for s in r.config.every_structure))}
    joined = families([*mine, *(_only(r, own, mine) for r in lending)], times) if mine else []
    used = tuple(t for of in at.values() for t in of.values() if t.round)
    info = next((r.info for r in mine if r.info), None)
    return Study(path.stem, read.title or (title(mine) if mine else path.stem), len(read.points), tuple(s for s in joined if _family(s) in kin), missing,
                 info, used, setting)


def _only(run: Run, labels: set[str], mine: list[Run]) -> Run:
    """The run without what the study does not have, so that nothing of another study counts as this one's."""
    have = {(r.config.seed, row["round"], row["structure"]) for r in mine for row in r.rows}
    rows = tuple(row for row in run.rows if (run.config.seed, row["round"], row["structure"]) in have)
    structures = tuple(s for s in run.config.structures if s.label in labels)
    return Run(run.id, run.config.replace(structures=structures, rounds=min(run.config.rounds, max(r.config.rounds for r in mine))), run.layers, run.info, rows,
               run.rounds, run.created)


def _family(study: Replicates) -> str:
    return family_id(study.config)


def _whole(run: Run) -> bool:
    """Whether every ticket of its settings is trained."""
    there = {(row["round"], row["structure"]) for row in run.rows if row["test_acc"] is not None}
    return all((k, label) in there for k in range(run.config.rounds + 1) for label in run.config.tickets(k))


def narrowest(study: Study, label: str, index: int, examples: Path = EXAMPLES) -> dict[str, list[int]]:
    """Output channels that a ticket keeps, by layer: a number a seed. Of the runs that are stored."""
    store = Store(examples.parent / "runs-of-nobody", examples=examples)
    found: dict[str, list[int]] = {}
    for run_id in sorted(store.runs()):
        run = store.run(run_id)
        if study.main and family_id(run.config) == _family(study.main) and any((r["round"], r["structure"]) == (index, label) for r in run.rows):
            masks = store.round(run_id, index).ticket(label).masks
            for layer in run.layers:
                found.setdefault(layer.short, []).append(int(masks.matrix(layer.name).any(axis=1).sum()))
    return found
