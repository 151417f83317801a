"""The machine that a number was measured on. Needs neither torch nor numpy."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any


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
