"""How times are taken: two pieces of work in turn in one process, after a warm-up, and the median of the pairs' ratios.

What else the machine does then falls on both alike, which a median before and a median after would not see. Knows callables and
a clock, nothing of networks.
"""

from __future__ import annotations

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Work = Callable[[], object]

LEAST = 9
"""Pairs that are taken however long they need, unless the caller says how many."""
MOST = 201
SAMPLE_MS = 5.0
"""Shorter work is repeated inside a sample until the sample is about this long."""
SETTLE_MS = 100.0
"""Work shorter than this runs unmeasured before each sample, for SPIN_MS: the other one's data leave the caches, its threads stop
spinning. Before longer work nothing runs for so long, as what a cold start costs does not show in it."""
SPIN_MS = 50.0
"""ONNX Runtime's threads were seen to keep a core for 30 ms after a run: what came next took more than twice its time."""


class Pairs(NamedTuple):
    """a_ms, b_ms: medians of one run. ratio: median of the pairs' b / a; spread: their quartiles (25 %, 75 %); n pairs."""

    a_ms: float
    b_ms: float
    ratio: float
    spread: tuple[float, float]
    n: int


@dataclass(frozen=True)
class Clock:
    """now: seconds, ever growing. sync: waits until a device has done what was asked of it; called at both ends of a sample.
    rest: waits for so many seconds."""

    now: Callable[[], float] = time.perf_counter
    sync: Callable[[], object] = lambda: None
    rest: Callable[[float], object] = time.sleep


def pairs(a: Work, b: Work, *, seconds: float = 5.0, n: int | None = None, clock: Clock = Clock(),
          progress: Callable[[int, int], None] | None = None) -> Pairs:
    """Times a and b in turn, a first in every other pair, for about `seconds`: at least LEAST pairs, or exactly `n`.

    progress(done, total) is called between pairs, outside of what is timed.
    """
    with _undisturbed():
        begun = clock.now()
        samples = [_Sampler(a, clock), _Sampler(b, clock)]
        for s in samples:   # the first sample after the warm-up is thrown away; it also says what a pair costs
            s.take()
        cost = sum(s.cost for s in samples)
        left = seconds - (clock.now() - begun)
        total = n if n is not None else min(MOST, max(LEAST, int(left / max(cost, 1e-9))))
        times: list[tuple[float, float]] = []
        for i in range(total):
            if i % 2:
                late = samples[1].take()
                times.append((samples[0].take(), late))
            else:
                times.append((samples[0].take(), samples[1].take()))
            if progress:
                progress(i + 1, total)
    ratios = [y / x for x, y in times]
    return Pairs(statistics.median(x for x, _ in times), statistics.median(y for _, y in times), statistics.median(ratios),
                 quartiles(ratios), total)


def medians(works: Mapping[str, Work], *, seconds: float = 3.0, n: int | None = None, clock: Clock = Clock(),
            hopeless: float = 2.0, progress: Callable[[int, int], None] | None = None) -> dict[str, float]:
    """Median milliseconds of one run of each, all in turn, the fastest first; 5 rounds or more, as `seconds` allow, or `n`.

    What takes more than `hopeless` times the fastest after three rounds is not run again.
    """
    with _undisturbed():
        begun = clock.now()
        samples = {name: _Sampler(work, clock) for name, work in works.items()}
        times: dict[str, list[float]] = {name: [] for name in samples}
        running, done, total = list(samples), 0, n if n is not None else 5
        while done < total and running:
            shift = done % len(running)
            for name in running[shift:] + running[:shift]:
                times[name].append(samples[name].take())
            done += 1
            if done == 3:
                now = {name: statistics.median(times[name]) for name in running}
                running = [name for name in running if now[name] <= hopeless * min(now.values())]
                if n is None:
                    left = seconds - (clock.now() - begun)
                    total = 3 + min(MOST, max(2, int(left / max(sum(samples[x].cost for x in running), 1e-9))))
            if progress:
                progress(done, total)
    return dict(sorted(((name, statistics.median(t)) for name, t in times.items()), key=lambda x: x[1]))


def fastest(works: Mapping[str, Work], **settings) -> str:
    """The name of the work with the smallest median; settings: of `medians`."""
    return next(iter(medians(works, **settings)))


def quartiles(values: list[float]) -> tuple[float, float]:
    """(25 %, 75 %) of the values, interpolated; twice the value where there is only one."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


class _Sampler:
    """Takes samples of one piece of work, as many runs each as it needs to be long enough. cost: seconds of the last sample."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self.work, self.clock, self.cost = work, clock, 0.0
        first = self._run(1)   # compiles, fills caches
        once = self._run(1) if first > 0.5 else min(self._run(1) for _ in range(3))
        self.repeats = max(1, math.ceil(SAMPLE_MS / max(1000 * once, 1e-6)))
        self.settles = 1000 * once < SETTLE_MS

    def take(self) -> float:
        """Milliseconds of one run, from one sample."""
        begun = self.clock.now()
        if self.settles:
            self.work()
            while 1000 * (self.clock.now() - begun) < SPIN_MS:
                self.work()
        else:
            self.clock.rest(SPIN_MS / 1000)
        seconds = self._run(self.repeats)
        self.cost = self.clock.now() - begun
        return 1000 * seconds / self.repeats

    def _run(self, repeats: int) -> float:
        work, clock = self.work, self.clock
        clock.sync()
        begun = clock.now()
        for _ in range(repeats):
            work()
        clock.sync()
        return clock.now() - begun


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """No garbage collection inside, as one that falls into a sample would be taken for the work's own time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
