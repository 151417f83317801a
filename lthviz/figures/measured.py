"""Measured tickets: runs joined with the timings of their tickets, for the figures that set accuracy against cost.

A speed is "measured" only where a Timing is there; what a calibration predicts for the other tickets is "estimated", and the
two never stand under one name. Speeds are compared within one setting alone: batch, threads, device, precision.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lthviz.core import winning
from lthviz.core.study import Key
from lthviz.core.winning import Level
from lthviz.figures import rows
from lthviz.records import Run, Timing
from lthviz.speed import estimate


class Axis(NamedTuple):
    """What accuracy is set against. name: of the choice; title: of the axis; said: in a sentence."""

    name: str
    title: str
    said: str


AXES = {
    "speed": Axis("Measured speedup", "measured speedup (×)", "how much faster it runs than the fastest dense form of its network"),
    "kept": Axis("Kept weights", "kept weights (%)", "the weights it keeps"),
    "effective": Axis("Effective density", "effective density (%)", "the weights it keeps once dead inputs are removed"),
    "flops": Axis("FLOPs", "multiply-adds (%)", "the multiply-adds it keeps, dead inputs removed"),
}


class Setting(NamedTuple):
    """Under what a ticket is timed. batch: images; threads: 0 for all."""

    batch: int = 64
    threads: int = 0
    device: str = "cpu"
    precision: str = "float32"


class Point(NamedTuple):
    """A trained ticket with its measurement. estimate: predicted time over the dense network's, None without a calibration."""

    run: Run
    row: rows.Row
    timing: Timing | None = None
    estimate: float | None = None

    @property
    def key(self) -> Key:
        return self.run.id, self.row["round"], self.row["structure"]

    @property
    def dense(self) -> bool:
        return self.row["round"] == 0

    @property
    def accuracy(self) -> float | None:
        return rows.accuracy(self.row)

    @property
    def estimated(self) -> bool:
        """Whether its speed is known by prediction alone."""
        return not self.dense and self.timing is None and bool(self.estimate)

    @property
    def speedup(self) -> float | None:
        """Dense time over the ticket's, measured where it is, else estimated; 1 for the dense network."""
        if self.dense:
            return 1.0
        return self.timing.speedup if self.timing else 1 / self.estimate if self.estimate else None

    @property
    def predicted(self) -> float | None:
        """Estimated time over the dense network's: as it was kept with the measurement, else as it is now."""
        kept = self.timing.estimated_ms / self.timing.dense_ms if self.timing and self.timing.estimated_ms else None
        return kept or self.estimate

    @property
    def disturbed(self) -> tuple[str, ...]:
        """Why its measured speed is doubtful, a line each."""
        return self.timing.disturbed if self.timing and not self.dense else ()

    @property
    def off(self) -> float | None:
        """By how much the measured time is longer than the estimated one, as a share; None where one of them is missing."""
        return self.timing.time_ratio / self.predicted - 1 if self.timing and self.predicted and not self.dense else None

    @property
    def flops(self) -> float | None:
        """Multiply-adds left, as a share of the dense network's."""
        return self.timing.flops_ratio if self.timing else self.row.get("flops_ratio")

    def at(self, x: str) -> float | None:
        """Where it stands on one of AXES: a speedup, or a share in percent; None where that is not known."""
        if x == "speed":
            return self.speedup
        share = {"kept": self.row["density"], "effective": self.row.get("effective_density"), "flops": self.flops}[x]
        return 100.0 if self.dense else 100 * share if share else None

    def known(self, x: str) -> bool:
        """Whether it is a trained ticket whose place on the axis was measured or counted, not predicted."""
        return not self.dense and self.accuracy is not None and self.at(x) is not None and (x != "speed" or self.timing is not None)

    def wins(self, x: str, level: Level) -> bool:
        """As accurate as the dense network within the tolerance, and cheaper on this axis."""
        return self.known(x) and level.reached(self.accuracy) and (self.at(x) > 1 if x == "speed" else self.at(x) < 100)


@dataclass(frozen=True, eq=False)
class Study:
    """Runs and every trained ticket of theirs, at one setting. here: identity of the reader's machine."""

    runs: tuple[Run, ...]
    points: tuple[Point, ...]
    setting: Setting | None
    here: str = ""

    @property
    def several(self) -> bool:
        return len(self.runs) > 1

    @cached_property
    def labels(self) -> list[str]:
        return rows.labels(self.runs)

    @cached_property
    def timings(self) -> list[Timing]:
        """The measurements of tickets; that of the dense network against itself is none."""
        return [q.timing for q in self.points if q.timing and not q.dense]

    @cached_property
    def missing(self) -> list[Point]:
        """Tickets whose speed is not measured."""
        return [q for q in self.points if not q.dense and q.timing is None]

    @cached_property
    def disturbed(self) -> list[Point]:
        """Tickets whose speed was measured on a busy machine."""
        return [q for q in self.points if q.disturbed]

    @cached_property
    def level(self) -> Level | None:
        """What winning means here; None where the dense networks are not replicates of each other."""
        return level(self.runs)


def study(runs: Sequence[Run], timings: Mapping[str, Sequence[Timing]] | None = None, setting: Setting | None = None, *,
          estimates: Mapping[Key, float] | None = None, here: str = "") -> Study:
    """Joins runs with their timings (by run id) at a setting; None: the one with most of them. What a branch took over from a run that is here
    is that run's alone.

    estimates: predicted time ratios to the block kernel's dense network. Where a ticket of the run is measured, its dense forms tell what that
    is of the fastest one's time; else they are taken for equally fast.
    """
    timings = timings or {}
    setting = setting or usual([t for run in runs for t in timings.get(run.id, ())])
    points = []
    for run in runs:
        found = at(timings.get(run.id, ()), setting)
        shares = [estimate.against_fastest(1.0, t.others, t.dense_ms) for t in found.values()]
        share = statistics.median(shares) if shares else 1.0
        for row in rows.own(run, runs):
            here_it_is = row["round"], row["structure"]
            guess = (estimates or {}).get((run.id, *here_it_is))
            points.append(Point(run, row, found.get(here_it_is), guess and share * guess))
    return Study(tuple(runs), tuple(points), setting, here)


def setting_of(t: Timing) -> Setting:
    return Setting(t.batch, t.threads, t.device, t.precision)


def settings(timings: Iterable[Timing]) -> list[Setting]:
    """What was measured, in order."""
    return sorted({setting_of(t) for t in timings}, key=lambda s: (s.device, s.precision, s.threads, s.batch))


def usual(timings: Sequence[Timing]) -> Setting | None:
    """The setting under which most tickets are measured, the newest among equals."""
    def weight(s: Setting) -> tuple[int, float]:
        found = at(timings, s).values()
        return len(found), max(t.time for t in found)
    return max(settings(timings), key=weight, default=None)


def at(timings: Iterable[Timing], setting: Setting | None) -> dict[tuple[int, str], Timing]:
    """The measurements of one setting by round and structure."""
    return {(t.round, t.structure): t for t in timings if setting_of(t) == setting}


def level(runs: Sequence[Run]) -> Level | None:
    """The dense accuracy and tolerance that these runs share: one standard deviation over seeds (core.winning)."""
    def training(run: Run) -> Any:   # all that decides about the dense network, but for its seed
        return run.config.replace(seed=0, structures=(), rounds=0, rate=0.5, in_loop="", keep_weights="none", parent="", from_round=0, earlier=()).run_id

    by_seed = {run.config.seed: d for run in runs if (d := rows.dense(run)) is not None}
    return winning.level(by_seed.values()) if len({training(run) for run in runs}) == 1 else None
