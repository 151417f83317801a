"""The machine that a number was measured on. Needs neither torch nor numpy."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from lthviz.errors import SpeedError


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu() -> str:
    """The processor's name, as its maker writes it where the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for entry in info.read_text(errors="replace").splitlines():
            if entry.startswith("model name"):
                return entry.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def identity() -> str:
    """Eight hexadecimal digits that tell this machine from another, and nothing else about it."""
    named = Path("/etc/machine-id")
    try:
        name = named.read_text().strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    words = (name or platform.node(), cpu(), str(os.cpu_count()))
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]


def load() -> float | None:
    """Processes that wanted a CPU in the last minute, on average; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


class Others:
    """How much of the machine other processes use between two moments."""

    def __init__(self) -> None:
        self.before = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        """Seconds: on the clock, of CPU by all processes, of CPU by this one and those that it has waited for."""
        try:
            ticks = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
            busy = sum(ticks[:3]) + sum(ticks[5:8])   # user, nice, system; irq, softirq, steal
            return time.monotonic(), busy / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])
        except (OSError, ValueError, IndexError):
            return None

    def cores(self) -> float | None:
        """Cores that others kept busy since this was made, on average; None where the system does not tell."""
        now = self._now()
        if self.before is None or now is None or now[0] == self.before[0]:
            return None
        wall, everything, own = (b - a for a, b in zip(self.before, now, strict=True))
        return round(max(0.0, everything - own) / wall, 2)


def memory_gib() -> int | None:
    """Memory that is built in, in GiB; None where the system does not tell."""
    total = _memory()[0]
    return None if total is None else round(total / 2**30)


def free_bytes() -> int | None:
    """Memory that a process could still take, with the limit of its control group; None where the system does not tell."""
    free = _memory()[1]
    for limit, used in (("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
                        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes")):
        try:
            left = int(Path(limit).read_text()) - int(Path(used).read_text()) + _reclaimable(Path(limit).parent)
        except (OSError, ValueError):   # no such limit, or "max"
            continue
        free = left if free is None else min(free, left)
    return free


def _reclaimable(group: Path) -> int:
    """Bytes of a control group's page cache: used, but given back when they are wanted."""
    counts = dict(entry.split() for entry in (group / "memory.stat").read_text().splitlines())
    return int(counts.get("inactive_file", 0)) + int(counts.get("active_file", 0))


def _memory() -> tuple[int | None, int | None]:
    """(all, free) in bytes."""
    info = Path("/proc/meminfo")
    if info.exists():
        sizes = {k: int(v.split()[0]) * 1024 for k, _, v in (x.partition(":") for x in info.read_text().splitlines()) if v.strip()}
        return sizes.get("MemTotal"), sizes.get("MemAvailable", sizes.get("MemFree"))
    if os.name == "nt":
        return _windows_memory()
    if {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(os.sysconf_names):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    return None, None


def _windows_memory() -> tuple[int | None, int | None]:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong),
                    *((name, ctypes.c_ulonglong) for name in ("total", "free", "_a", "_b", "_c", "_d", "_e"))]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None, None
    return status.total, status.free


PRECISIONS = ("float32", "tf32", "bfloat16")
"""In which a network may compute; on the CPU the first."""


def check_place(batch: int, threads: int, device: str, precision: str = "float32") -> int:
    """The number of threads, 0 being every core; SpeedError for what cannot be measured here, as far as it shows without torch."""
    there = cores()
    if type(batch) is not int or batch < 1:
        raise SpeedError(f"batch = {batch!r} should be a whole number of images, at least 1")
    if type(threads) is not int or not 0 <= threads <= there:
        raise SpeedError(f"threads = {threads!r} should be between 1 and the {there} cores that are there, or 0 for all of them")
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", device):
        raise SpeedError(f"device = {device!r} is not known; it can be cpu, cuda or cuda:N")
    if precision not in PRECISIONS:
        raise SpeedError(f"precision = {precision!r} is not one of {', '.join(PRECISIONS)}")
    if device == "cpu" and precision != "float32":
        raise SpeedError(f"precision = {precision!r} is measured on a GPU only; on the CPU it is float32")
    return threads or there


def version(package: str) -> str:
    """The installed version of a package, or 'not installed'."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def describe(packages: Sequence[str] = ("numpy", "scipy")) -> dict[str, Any]:
    """CPU model, cores this process may use, memory in GiB, load of the last minute, and versions. JSON-able."""
    return {"machine": identity(), "cpu": cpu(), "cores": cores(), "memory_gib": memory_gib(), "load": load(),
            "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
            **{name: version(name) for name in packages}}
