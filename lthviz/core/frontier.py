"""Which weights pay: the tickets that no other beats in both accuracy and measured speed, and the fastest that still wins.

A speed is measured: the dense network's time over the ticket's, of the mean time ratio over the seeds that were timed. What is only estimated
is no place on the frontier. Studies can stand on one frontier where comparable.unlike has nothing against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lthviz.core.study import MeanTicket, Replicates
from lthviz.core.winning import Level, wins


class Spot(NamedTuple):
    """A measured ticket of a study. wins: whether it reaches what winning means in its study."""

    study: Replicates
    ticket: MeanTicket
    wins: bool

    @property
    def speedup(self) -> float:
        return self.ticket.speedup

    @property
    def accuracy(self) -> float:
        return self.ticket.accuracy.mean


def spots(study: Replicates, level: Level | None) -> list[Spot]:
    """The tickets of a study whose accuracy and speed are both measured, the dense network not among them."""
    return [Spot(study, t, wins(t, level)) for t in study.tickets if not t.dense and t.accuracy.n and t.speedup]


def frontier(of: Iterable[Spot]) -> list[Spot]:
    """Those that no other one is at least as fast and as accurate as, one of equals the first; the fastest first."""
    best: list[Spot] = []
    for spot in sorted(of, key=lambda s: (-s.speedup, -s.accuracy)):
        if not best or spot.accuracy > best[-1].accuracy:
            best.append(spot)
    return best


def fastest(of: Iterable[Spot]) -> Spot | None:
    """The fastest that wins, the more accurate of equally fast ones; None: none wins."""
    return max((s for s in of if s.wins), key=lambda s: (s.speedup, s.accuracy), default=None)
