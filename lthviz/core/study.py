"""Several seeds of one study as one thing: its replicates, and the mean, spread and number behind each of its tickets.

Runs whose settings differ in nothing but `seed` (and in where they ran, which no run's id counts) are replicates of one study;
branches too, whose parents differ as they do.
A ticket of a study is a round and a structure's label; each of its numbers is taken over the replicates that have it, and
carries how many they were. Numbers are of the rows of `core.stats.row`; nothing here reads a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from lthviz.config import RunConfig
from lthviz.presets import PRESETS
from lthviz.records import Run

Key = tuple[str, int, str]
"""Run id, round, structure label."""
MEASURES = {"accuracy": "test_acc", "density": "density", "effective_density": "effective_density", "coverage": "coverage",
            "flops_ratio": "flops_ratio", "seconds": "seconds", "time_ratio": "time_ratio"}
"""What is summarised of a ticket, and its field in a run's row; `time_ratio` is measured and comes from outside."""


class Summary(NamedTuple):
    """A number over the replicates that have it. sd: of the sample (n - 1), None of one replicate; mean: None of none."""

    mean: float | None = None
    sd: float | None = None
    n: int = 0


NOTHING = Summary()


@dataclass(frozen=True)
class MeanTicket:
    """A ticket over the replicates. accuracy: test accuracy in percent; seconds: of training; time_ratio: measured time of a
    forward pass over the dense network's; the others are shares. seeds: of the replicates whose test accuracy is known."""

    round: int
    structure: str
    seeds: tuple[int, ...] = ()
    accuracy: Summary = NOTHING
    density: Summary = NOTHING
    effective_density: Summary = NOTHING
    coverage: Summary = NOTHING
    flops_ratio: Summary = NOTHING
    seconds: Summary = NOTHING
    time_ratio: Summary = NOTHING

    @property
    def dense(self) -> bool:
        return self.round == 0

    @property
    def speedup(self) -> float | None:
        """Dense time over the ticket's: of the mean time ratio."""
        return 1 / self.time_ratio.mean if self.time_ratio.mean else None


@dataclass(frozen=True, eq=False)
class Replicates:
    """The runs of one study, by seed, one a seed. times: measured time ratios of their tickets, at one setting."""

    id: str
    runs: tuple[Run, ...]
    times: Mapping[Key, float] = field(default_factory=dict)

    @property
    def config(self) -> RunConfig:
        """What the replicates share; the seed in it is the first one's."""
        return self.runs[0].config

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.config.seed for run in self.runs)

    @property
    def title(self) -> str:
        return title(self.runs)

    @cached_property
    def rows(self) -> dict[int, dict[tuple[int, str], Mapping[str, Any]]]:
        """The rows by seed, round and structure, measured time ratios among them; round 0's is 1."""
        return {run.config.seed: {(r["round"], r["structure"]): {**r, "time_ratio": self._time(run, r)} for r in run.rows} for run in self.runs}

    def _time(self, run: Run, row: Mapping[str, Any]) -> float | None:
        return self.times.get((run.id, row["round"], row["structure"])) if row["round"] else 1.0

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Structures with a trained ticket, in the order of the settings."""
        trained = dict.fromkeys(label for of in self.rows.values() for k, label in sorted(of) if k)
        order = [label for label in self.config.tickets(1) if label in trained]
        return (*order, *(label for label in trained if label not in order))

    @cached_property
    def tickets(self) -> tuple[MeanTicket, ...]:
        """Every ticket that any replicate has trained, by round and structure; the dense network is the first."""
        places = ["", *self.labels]
        keys = sorted({key for of in self.rows.values() for key in of}, key=lambda x: (x[0], places.index(x[1]) if x[0] else 0))
        values = np.full((len(MEASURES), len(keys), len(self.runs)), np.nan)
        for s, of in enumerate(self.rows.values()):
            for t, key in enumerate(keys):
                if row := of.get(key):
                    values[:, t, s] = [np.nan if (v := row.get(name)) is None else v for name in MEASURES.values()]
        known, seeds, found = ~np.isnan(values[0]), np.array(self.seeds), _summaries(values)
        return tuple(MeanTicket(k, label, tuple(seeds[known[t]].tolist()), *(of[t] for of in found)) for t, (k, label) in enumerate(keys))

    @property
    def dense(self) -> MeanTicket | None:
        """The dense network; None before any replicate has trained it."""
        return self.tickets[0] if self.tickets and self.tickets[0].dense else None

    def of(self, label: str) -> tuple[MeanTicket, ...]:
        """The tickets of one structure, by round, without the dense network."""
        return tuple(t for t in self.tickets if t.structure == label and not t.dense)

    def ticket(self, round: int, structure: str) -> MeanTicket | None:
        return next((t for t in self.tickets if (t.round, t.structure) == (round, structure)), None)


def summary(values: Iterable[float]) -> Summary:
    """Mean, sample standard deviation and number; nan counts as missing."""
    return _summaries(np.array(list(values), float)[None, None])[0][0]


def _summaries(values: np.ndarray) -> list[list[Summary]]:
    """Over the last axis of (measures, tickets, replicates), nan where a replicate has none."""
    n = (~np.isnan(values)).sum(axis=-1)
    mean = np.nansum(values, axis=-1) / np.maximum(n, 1)
    sd = np.sqrt(np.nansum((values - mean[..., None]) ** 2, axis=-1) / np.maximum(n - 1, 1))
    return [[Summary(m if k else None, s if k > 1 else None, k) for m, s, k in zip(*of)]
            for of in zip(mean.tolist(), sd.tolist(), n.tolist())]


# Which runs are replicates ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def study_id(config: RunConfig) -> str:
    """The id that all replicates share: `model-data-study-` and eight hexadecimal digits; never that of a run."""
    of = {"parent": "any"} if config.parent else {}   # a branch's parent has its seed; what of it the branch rests on stands in `earlier`
    head, _, digits = config.replace(seed=0, **of).run_id.rpartition("-")
    return f"{head}-study-{digits}"


def title(replicates: Sequence[Any]) -> str:
    """A study's name for people: its runs' own where they agree on one, else their preset's, else network and data. replicates:
    whatever has a `config`, a `preset` and a `title`."""
    own, presets = ({getattr(x, part) for x in replicates} for part in ("title", "preset"))
    if len(own) == 1 and (name := own.pop()):
        return name
    known, config = presets.pop() if len(presets) == 1 else "", replicates[0].config
    return PRESETS[known].title if known in PRESETS else f"{config.model} on {config.data}"


def studies(runs: Iterable[Run], times: Mapping[Key, float] | None = None) -> list[Replicates]:
    """The runs by study, in the order in which their first comes; of two runs with one seed, the one with more tickets counts."""
    by: dict[str, dict[int, Run]] = {}
    for run in runs:
        of = by.setdefault(study_id(run.config), {})
        there = of.get(run.config.seed)
        if there is None or (len(run.rows), run.id) > (len(there.rows), there.id):
            of[run.config.seed] = run
    return [Replicates(name, tuple(run for _, run in sorted(of.items())), times or {}) for name, of in by.items()]


def differing(configs: Sequence[RunConfig]) -> list[dict[str, Any]]:
    """Of each, the settings in which they are not all alike; the seed, whom they branch from and where they run aside."""
    values = [{f.name: getattr(c, f.name) for f in dataclasses.fields(c) if f.name not in {"seed", "parent", *c.place}} for c in configs]
    names = dict.fromkeys(k for v in values for k in v)     # the folder is a place of some and the data set of others
    apart = [k for k in names if len({repr(v.get(k)) for v in values}) > 1]
    return [{k: v[k] for k in apart if k in v} for v in values]
