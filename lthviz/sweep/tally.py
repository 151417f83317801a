"""How far a sweep is, from its runs as they stand in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lthviz.store.brief import Brief, Briefs

AT_WORK = ("running", "paused")
NOT_BEGUN = "not begun"


@dataclass(frozen=True)
class Tally:
    """The runs of a sweep, counted. ids: all of them; briefs: those that are in the store. left: neither done, failed nor at work."""

    ids: tuple[str, ...]
    briefs: Mapping[str, Brief]

    def state(self, run_id: str) -> str:
        return self.briefs[run_id].status.state if run_id in self.briefs else NOT_BEGUN

    def having(self, states: Iterable[str]) -> list[str]:
        """The ids in one of those states, in the order of the sweep."""
        states = set(states)
        return [x for x in self.ids if self.state(x) in states]

    @property
    def total(self) -> int:
        return len(self.ids)

    @property
    def done(self) -> int:
        return len(self.having(["finished"]))

    @property
    def failed(self) -> int:
        return len(self.having(["failed"]))

    @property
    def at_work(self) -> list[Brief]:
        return [self.briefs[x] for x in self.having(AT_WORK)]

    @property
    def left(self) -> int:
        return self.total - self.done - self.failed - len(self.at_work)

    @property
    def share(self) -> float:
        """How much is done, 0..1: whole runs, and parts of those at work."""
        parts = sum(b.status.done / b.status.total for b in self.at_work if b.status.total)
        return min(1.0, (self.done + self.failed + parts) / self.total) if self.total else 1.0

    @property
    def eta_s(self) -> float | None:
        """Seconds left, as if what is left took as long as what is done and as many were at work as now. None: nothing tells."""
        now = self.at_work
        ends = [b.status.eta_s for b in now if b.status.eta_s is not None]
        took = [self.briefs[x].seconds for x in self.having(["finished"]) if self.briefs[x].seconds]
        if not took:
            took = [b.status.eta_s / (1 - b.status.done / b.status.total) for b in now
                    if b.status.eta_s is not None and b.status.done < b.status.total]
        if not now or not took:
            return None
        mean = sum(took) / len(took)
        rest = sum(ends) + mean * (len(now) - len(ends)) + mean * self.left
        return max(rest / len(now), max(ends, default=0.0))

    def sentence(self) -> str:
        """`3 of 10 runs done, 1 failed, 2 at work, 4 left`."""
        parts = [f"{self.done} of {self.total} run{'s' * (self.total != 1)} done"]
        parts += [f"{self.failed} failed"] * bool(self.failed) + [f"{len(self.at_work)} at work"] * bool(self.at_work)
        return ", ".join(parts + [f"{self.left} left"] * bool(self.left))


def tally(briefs: Briefs, ids: Sequence[str]) -> Tally:
    """How the runs of these ids stand now."""
    return Tally(tuple(ids), briefs.of(ids))
