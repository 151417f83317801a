"""When a ticket wins, and how sparse a method may get before none does.

A ticket wins when its mean test accuracy over the replicates is at least the dense network's mean less a tolerance: one standard
deviation of the dense replicates, or TOLERANCE points where there is one dense training alone, or what is stated. (The paper
counts a ticket as winning at the dense accuracy of a single seed; ICML 2022, section 4.1.) Extreme sparsity is that of a
method's sparsest winning ticket, by the density that it really has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lthviz.core.study import MeanTicket, Replicates, summary
from lthviz.errors import UsageError

TOLERANCE = 0.25
"""Points of accuracy that a winning ticket may lack where there is one dense training alone."""
ROUNDING = 1e-9
"""Points by which means of equal accuracies may come apart."""


class Level(NamedTuple):
    """The dense accuracy that a ticket must reach to win: mean of n dense trainings, less a tolerance (both in points).
    stated: whether the tolerance was given, not taken from the trainings."""

    accuracy: float
    tolerance: float
    n: int
    stated: bool = False

    @property
    def least(self) -> float:
        return self.accuracy - self.tolerance

    def reached(self, accuracy: float | None) -> bool:
        return accuracy is not None and accuracy >= self.least - ROUNDING


def level(accuracies: Iterable[float], tolerance: float | None = None) -> Level | None:
    """What winning means beside dense trainings of these accuracies (percent); None without any. tolerance: in points; None: the
    default. UsageError for one below zero or none at all."""
    if tolerance is not None and not tolerance >= 0:
        raise UsageError(f"a tolerance of {tolerance:g} points is none; give 0 or more")
    dense = summary(accuracies)
    if not dense.n:
        return None
    usual = TOLERANCE if dense.sd is None else dense.sd
    return Level(dense.mean, usual if tolerance is None else float(tolerance), dense.n, tolerance is not None)


def level_of(study: Replicates, tolerance: float | None = None) -> Level | None:
    """What winning means in a study; None before its dense network is trained."""
    return level([a for of in study.rows.values() for (k, _), r in of.items() if k == 0 and (a := r.get("test_acc")) is not None], tolerance)


def wins(ticket: MeanTicket, to_reach: Level | None) -> bool:
    """Whether a ticket wins; the number behind the verdict is `ticket.accuracy.n`."""
    return to_reach is not None and not ticket.dense and to_reach.reached(ticket.accuracy.mean)


def extreme(tickets: Sequence[MeanTicket], to_reach: Level | None, *, unbroken: bool = False) -> MeanTicket | None:
    """The sparsest winning ticket of one method, the most accurate of equally sparse ones; None: no ticket wins.

    unbroken: all less sparse tickets of the method must win as well, so that no lucky one at the end counts.
    """
    trained = [t for t in tickets if not t.dense and t.accuracy.n and t.density.mean is not None]
    lost = max((t.density.mean for t in trained if not wins(t, to_reach)), default=-math.inf) if unbroken else -math.inf
    winners = [t for t in trained if wins(t, to_reach) and t.density.mean >= lost]
    return min(winners, key=lambda t: (t.density.mean, -t.accuracy.mean), default=None)
