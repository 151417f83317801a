"""Methods against each other at equal achieved density, or at equal measured time: never at equal round.

A method's curve begins at the dense network (density and time ratio 1) and is read between its rounds, straight in accuracy over the
logarithm of the density or time ratio, and never beyond its ends. What was read carries the two rounds it lies between. Where both
methods have the same seeds, the difference is taken seed by seed: what a seed does to both of them falls out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lthviz.core.study import MeanTicket, Replicates, Summary, summary

AXES = {"density": "density", "speed": "time_ratio"}
"""What may be held equal, and the number of a ticket that says it."""
NUMBERS = {**AXES, "effective": "effective_density"}
"""Besides, to see whether dead inputs are the reason of a difference."""


class Point(NamedTuple):
    """A round of a curve. at: density or time ratio; accuracy: in percent."""

    round: int
    at: float
    accuracy: float


class Between(NamedTuple):
    """What a curve says at a place, and the bracket: the rounds beside it, the less dense (or faster) one first."""

    accuracy: float
    low: Point
    high: Point


class Versus(NamedTuple):
    """A ticket against another method at equal `at`. there: the other method's mean curve at that place, None beyond its ends.
    paired: mean and standard deviation of the differences, ticket less the other method, seed by seed at each seed's own place, in points; n = 0 without a common seed, and beyond the ends,
    where the few seeds that still overlap would be a choice of their own. pairs: these differences by seed."""

    ticket: MeanTicket
    at: float
    there: Between | None
    paired: Summary
    pairs: Mapping[int, float] = {}

    @property
    def difference(self) -> float | None:
        """Of the means, in points; the pairs' mean where there are pairs."""
        return self.paired.mean if self.paired.n else self.ticket.accuracy.mean - self.there.accuracy if self.there else None

    @property
    def words(self) -> str:
        """What the difference is: `paired by seed, n = 3, mean ± s.d. of the differences`; '' where there is none."""
        if self.paired.n:
            return f"paired by seed, n = {self.paired.n}" + (", mean ± s.d. of the differences" if self.paired.sd is not None else ", the one difference")
        return "unpaired, the difference of the means" if self.there else ""


def read(curve: Iterable[Point], at: float) -> Between | None:
    """A curve at a place, between the nearest rounds on either side of it; None beyond its ends. Rounds at one place are averaged."""
    points = [p for p in curve if p.at > 0]
    below, above = max((p.at for p in points if p.at <= at), default=None), min((p.at for p in points if p.at >= at), default=None)
    if below is None or above is None:
        return None
    low, high = _at(points, below), _at(points, above)
    share = math.log(at / below) / math.log(above / below) if above > below else 0.0
    return Between(low.accuracy + share * (high.accuracy - low.accuracy), low, high)


def _at(points: Sequence[Point], at: float) -> Point:
    there = [p for p in points if p.at == at]
    return Point(there[0].round, at, math.fsum(p.accuracy for p in there) / len(there))


def curve(study: Replicates, label: str, against: str = "density", seed: int | None = None) -> tuple[Point, ...]:
    """A method's curve from the dense network on: of the means, or of one seed. Tickets that are not trained, or whose speed is not
    measured, are left out."""
    name = NUMBERS[against]
    if seed is None:
        tickets = ([study.dense] if study.dense else []) + list(study.of(label))
        found = [(t.round, 1.0 if t.dense else getattr(t, name).mean, t.accuracy.mean) for t in tickets]
    else:
        rows = study.rows.get(seed, {})
        found = [(k, r.get(name) if k else 1.0, r.get("test_acc")) for (k, of), r in sorted(rows.items()) if k == 0 or of == label]
    return tuple(Point(*x) for x in found if x[1] is not None and x[2] is not None and not math.isnan(x[2]))


def versus(study: Replicates, label: str, other: Replicates, other_label: str, against: str = "density") -> list[Versus]:
    """Every ticket of a method against another method, of the same study or of one on the same network and data, by round."""
    theirs = curve(other, other_label, against)
    seeds = [s for s in study.seeds if s in other.seeds]
    mine = {s: {p.round: p for p in curve(study, label, against, s)} for s in seeds}
    of_seed = {s: curve(other, other_label, against, s) for s in seeds}
    found = []
    for t in study.of(label):
        at = getattr(t, NUMBERS[against]).mean
        if at is None or t.accuracy.mean is None:
            continue
        there = read(theirs, at)
        pairs = {s: p.accuracy - b.accuracy for s in seeds if there and (p := mine[s].get(t.round)) and (b := read(of_seed[s], p.at))}
        found.append(Versus(t, at, there, summary(pairs.values()), pairs))
    return found

