"""What every benchmark prints: the machine, and medians with their spread."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def describe(packages: Sequence[str] = ("numpy", "scipy")) -> dict[str, Any]:
    """CPU model, cores this process may use, memory in GiB, load of the last minute, and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu(), "cores": cores, "memory_gib": _memory_gib(), "load": round(os.getloadavg()[0], 1),
            "system": platform.system() + " " + platform.release(), "python": platform.python_version(),
            **{name: _version(name) for name in packages}}


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


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for entry in info.read_text().splitlines():
            if entry.startswith("model name"):
                return entry.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
