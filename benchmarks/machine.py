"""What every benchmark prints: the machine, and medians with their spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from lthviz.speed.machine import describe


def header(title: str, packages: Sequence[str] = ("numpy", "scipy")) -> str:
    """The description in three lines, to stand above a benchmark's figures."""
    d = describe(packages)
    versions = ", ".join(f"{k} {d[k]}" for k in ("python", *packages))
    return (f"{title}\n{d['cpu']}, {d['cores']} cores, {d['memory_gib']} GiB, {d['system']}, load at start {d['load']}\n"
            f"{versions}\n")


def times_ms(work: Callable[[], Any], repeats: int = 9, warm_up: int = 2) -> list[float]:
    """Wall time of each of `repeats` calls in milliseconds, after `warm_up` that do not count."""
    found = []
    for i in range(warm_up + repeats):
        start = time.perf_counter()
        work()
        if i >= warm_up:
            found.append(1000 * (time.perf_counter() - start))
    return found


def spread(values: Sequence[float], unit: str = "ms", digits: int = 1) -> str:
    """`median (smallest–largest, n)` with its unit."""
    low, mid, high = min(values), statistics.median(values), max(values)
    return f"{mid:.{digits}f} {unit} ({low:.{digits}f}–{high:.{digits}f}, n = {len(values)})"


def line(what: str, value: str, limit: str = "") -> None:
    """One aligned line of a report; `limit` is what it is held against."""
    print(f"  {what:<58} {value}" + (f"   [{limit}]" if limit else ""), flush=True)
