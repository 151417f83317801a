"""How far a mean of a few seeds may be off: Student's interval, for accuracies that scatter about normally."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from lthviz.core.study import Summary, summary
from lthviz.core.versus import Versus

LEVEL = 0.95
"""Share of such intervals that hold the true mean."""


class Interval(NamedTuple):
    """A mean of n values and the ends of its interval; both None where one value, or none, tells nothing of the scatter."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def above(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low is not None and self.low > 0

    @property
    def below(self) -> bool:
        return self.high is not None and self.high < 0


def interval(of: Summary, level: float = LEVEL) -> Interval | None:
    """Mean ± t·sd/√n with Student's t for n − 1 degrees of freedom; None of nothing."""
    if not of.n:
        return None
    if of.sd is None:
        return Interval(of.mean, None, None, of.n)
    from scipy.special import stdtrit  # a tenth of a second, which pages that show none should not wait for

    half = float(stdtrit(of.n - 1, 0.5 + level / 2)) * of.sd / math.sqrt(of.n)
    return Interval(of.mean, of.mean - half, of.mean + half, of.n)


def over_rounds(found: Iterable[Versus], level: float = LEVEL) -> Interval | None:
    """The difference of two methods as one number: each seed's mean over the rounds that all pairs have, then the interval over the seeds.

    Rounds of one seed come from one trunk and are not independent, seeds are: so the seeds are what is counted.
    """
    by_seed: dict[int, list[float]] = {}
    for v in found:
        for seed, difference in v.pairs.items():
            by_seed.setdefault(seed, []).append(difference)
    most = max((len(x) for x in by_seed.values()), default=0)
    return interval(summary(sum(x) / len(x) for x in by_seed.values() if len(x) == most), level)
