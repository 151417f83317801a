"""Four ways to fool oneself, as numbers of a study: what each would have told, and what all of the runs say."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from lthviz.config import UNSTRUCTURED
from lthviz.core import winning
from lthviz.core.intervals import Interval, interval
from lthviz.core.study import summary
from lthviz.core.versus import Versus, versus
from lthviz.figures.paying import is_control
from lthviz.ui.learn.evidence import Evidence


class OneSeed(NamedTuple):
    """A ticket against its control in a round. pairs: the difference by seed, in points; seed: the most flattering one."""

    label: str
    control: str
    round: int
    seed: int
    pairs: Mapping[int, float]
    mean: Interval

    @property
    def told(self) -> float:
        return self.pairs[self.seed]

    @property
    def against(self) -> int:
        """Seeds whose difference has the other sign."""
        return sum(d * self.told < 0 for d in self.pairs.values())


@lru_cache(maxsize=8)
def one_seed(of: Evidence) -> OneSeed | None:
    """Of the tickets that win, the one whose best seed flatters it most though on average it is no better than its control; None where no
    ticket has a control, or all have one seed. A control of a round keeps as many weights, so that round and density are equal."""
    found: list[OneSeed] = []
    for label in (UNSTRUCTURED, of.refill, of.regroup):
        for control in of.controls(label).values() if label else ():
            for t in of.study.of(label):
                both = {s: (_accuracy(rows, t.round, label), _accuracy(rows, t.round, control)) for s, rows in of.study.rows.items()}
                pairs = {s: a - b for s, (a, b) in both.items() if a is not None and b is not None}
                if len(pairs) > 1 and winning.wins(t, of.level):
                    found.append(OneSeed(label, control, t.round, max(pairs, key=pairs.__getitem__), pairs, interval(summary(pairs.values()))))
    return max(found, key=lambda x: (x.told > 0 >= x.mean.mean, x.told - x.mean.mean), default=None)


def _accuracy(rows: Mapping, round: int, label: str) -> float | None:
    return rows.get((round, label), {}).get("test_acc")


class Chosen(NamedTuple):
    """A seed's best ticket by test accuracy (percent). told: as it was chosen; honest: the same ticket's mean over the other seeds.
    held: test accuracy of the ticket that validation accuracy chooses instead, None without validation."""

    seed: int
    round: int
    label: str
    told: float
    honest: float
    held: float | None


@lru_cache(maxsize=8)
def chosen_on_test(of: Evidence) -> list[Chosen]:
    """For each seed the best of all its tickets, controls aside; [] with one seed."""
    found = []
    for seed, rows in of.study.rows.items():
        tickets = {key: r for key, r in rows.items() if key[0] and not is_control(key[1]) and r.get("test_acc") is not None}
        if not tickets:
            continue
        best = max(tickets, key=lambda key: tickets[key]["test_acc"])
        others = [a for s, theirs in of.study.rows.items() if s != seed and (a := _accuracy(theirs, *best)) is not None]
        if not others:
            continue
        valid = {key: r["val_acc"] for key, r in tickets.items() if r.get("val_acc") is not None}
        held = tickets[max(valid, key=valid.get)]["test_acc"] if len(valid) == len(tickets) else None
        found.append(Chosen(seed, *best, tickets[best]["test_acc"], statistics.fmean(others), held))
    return found


class EqualRound(NamedTuple):
    """Two methods in a round. told: difference of the means at that round; honest: at the density of the first (core.versus), in points."""

    label: str
    other: str
    versus: Versus
    told: float
    honest: float


@lru_cache(maxsize=8)
def equal_round(of: Evidence) -> EqualRound | None:
    """The round in which Regroup looks most unlike itself: against Refill or the unstructured ticket, at the same round instead of the same density."""
    found = []
    for other in (x for x in (of.refill, UNSTRUCTURED) if x) if of.regroup else ():
        for v in versus(of.study, of.regroup, of.study, other):
            there = of.study.ticket(v.ticket.round, other)
            if v.difference is not None and there is not None and there.accuracy.n:
                found.append(EqualRound(of.regroup, other, v, v.ticket.accuracy.mean - there.accuracy.mean, v.difference))
    return max(found, key=lambda x: abs(x.told - x.honest), default=None)


class Work(NamedTuple):
    """A timed ticket: multiply-adds left and measured time, as shares of the dense network's."""

    round: int
    label: str
    flops: float
    time: float


def work(of: Evidence) -> list[Work]:
    """Every ticket whose time was measured."""
    return [Work(t.round, t.structure, t.flops_ratio.mean, t.time_ratio.mean) for t in of.study.tickets if t.round and t.time_ratio.n and t.flops_ratio.n]
