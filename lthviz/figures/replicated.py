"""Studies side by side: replicates joined with their measurements, what winning means in each, and how sparse each method may get."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lthviz.config import UNSTRUCTURED
from lthviz.core import comparable, versus, winning
from lthviz.core import study as studying
from lthviz.core.study import Key, MeanTicket, Replicates, Summary
from lthviz.core.versus import Versus
from lthviz.core.winning import Level
from lthviz.figures import measured, rows
from lthviz.figures.measured import Setting
from lthviz.records import Run, Timing

LEGIBLE = 28
"""Characters that tell studies apart in a legend; with more of them they get letters."""


def letter(i: int) -> str:
    return string.ascii_uppercase[i] if i < 26 else f"{i + 1}"


@dataclass(frozen=True, eq=False)
class Studies:
    """Studies on one setting of measurement. tolerance: in points, None: the default; unbroken: a method's extreme sparsity needs
    all its less sparse tickets to win as well. timings: those of the setting; disturbed: of which tickets these were measured on a busy machine; here: identity of the reader's machine;
    names: short ones of the studies by id, where they have any; baseline: id of the study that is pinned."""

    of: tuple[Replicates, ...]
    setting: Setting | None = None
    timings: tuple[Timing, ...] = ()
    tolerance: float | None = None
    unbroken: bool = False
    here: str = ""
    disturbed: frozenset[Key] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    baseline: str = ""

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(run for study in self.of for run in study.runs)

    @property
    def several(self) -> bool:
        return len(self.of) > 1

    @cached_property
    def labels(self) -> list[str]:
        """Every structure that any of the studies has trained."""
        return list(dict.fromkeys(label for study in self.of for label in study.labels))

    @cached_property
    def levels(self) -> dict[str, Level | None]:
        """What winning means, by study id; None before a study's dense network is trained."""
        return {study.id: winning.level_of(study, self.tolerance) for study in self.of}

    @cached_property
    def extremes(self) -> dict[tuple[str, str], MeanTicket | None]:
        """The sparsest winning ticket by study id and structure."""
        return {(study.id, label): winning.extreme(study.of(label), self.levels[study.id], unbroken=self.unbroken)
                for study in self.of for label in study.labels}

    @cached_property
    def apart(self) -> dict[str, str]:
        """What tells each study from the others, by id: its name, else the settings in which they differ; '' for one alone."""
        if self.names:
            return {study.id: self.names.get(study.id, "") for study in self.of}
        values = studying.differing([study.config for study in self.of])
        return {study.id: ", ".join(f"{k} {_plain(v)}" for k, v in of.items()) for study, of in zip(self.of, values)}

    @cached_property
    def caveats(self) -> list[str]:
        """What limits a comparison of them, a sentence each."""
        return comparable.caveats(self.runs)

    @property
    def lettered(self) -> Studies:
        """The same with the letters A, B, C … for names, where what tells the studies apart is too long for a legend."""
        if self.names or max((len(x) for x in self.apart.values()), default=0) <= LEGIBLE:
            return self
        return dataclasses.replace(self, names={study.id: letter(i) for i, study in enumerate(self.of)})

    @cached_property
    def reference(self) -> str:
        """The structure that the others are held against: the unstructured ticket where it was trained, else the first."""
        return UNSTRUCTURED if UNSTRUCTURED in self.labels else next(iter(self.labels), "")

    def wins(self, study: Replicates, ticket: MeanTicket) -> bool:
        return winning.wins(ticket, self.levels[study.id])

    def doubtful(self, study: Replicates, ticket: MeanTicket) -> int:
        """How many of the measurements behind a ticket's time ratio were made on a busy machine."""
        return sum((run.id, ticket.round, ticket.structure) in self.disturbed for run in study.runs)

    def versus(self, against: str = "density", reference: str = "") -> list[tuple[Replicates, str, list[Versus]]]:
        """Every method against the reference method of the first study that has it, at equal density or speed; where a baseline is pinned, against
        that study's method of the same label, else its reference method."""
        reference = reference or self.reference
        if pinned := next((study for study in self.of if study.id == self.baseline and study.labels and self.several), None):
            other = reference if reference in pinned.labels else pinned.labels[0]
            return [(study, label, versus.versus(study, label, pinned, label if label in pinned.labels else other, against))
                    for study in self.of if study is not pinned for label in study.labels]
        base = next((study for study in self.of if reference in study.labels), None)
        return [(study, label, versus.versus(study, label, base, reference, against)) for study in self.of for label in study.labels
                if base and (study is not base or label != reference)]


def studies(runs: Sequence[Run], timings: Mapping[str, Sequence[Timing]] | None = None, setting: Setting | None = None, *,
            tolerance: float | None = None, unbroken: bool = False, here: str = "") -> Studies:
    """Sorts runs into studies, with their timings (by run id) at a setting; None: the one with most of them."""
    timings = timings or {}
    setting = setting or measured.usual([t for run in runs for t in timings.get(run.id, ())])
    found = {run.id: measured.at(timings.get(run.id, ()), setting) for run in runs}
    times = {(run, k, label): t.time_ratio for run, of in found.items() for (k, label), t in of.items()}
    together = tuple(t for of in found.values() for t in of.values() if t.round)
    disturbed = frozenset((run, k, label) for run, of in found.items() for (k, label), t in of.items() if k and t.disturbed)
    return Studies(tuple(studying.studies(runs, times)), setting, together, tolerance, unbroken, here, disturbed)


def place(ticket: MeanTicket, x: str) -> float | None:
    """Where a ticket stands on one of `measured.AXES`: the speedup of its mean time ratio, or a mean share in percent."""
    if x == "speed":
        return 1.0 if ticket.dense else ticket.speedup
    return 100.0 if ticket.dense else rows.scaled(summary_at(ticket, x).mean)


def summary_at(ticket: MeanTicket, x: str) -> Summary:
    """The number behind its place: for `speed` the measured time ratio, else a share."""
    return {"speed": ticket.time_ratio, "kept": ticket.density, "effective": ticket.effective_density, "flops": ticket.flops_ratio}[x]


def known(ticket: MeanTicket, x: str) -> bool:
    """Whether it is trained, and its place on the axis known."""
    return ticket.accuracy.n > 0 and bool(place(ticket, x))


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(getattr(v, "label", str(v)) for v in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
