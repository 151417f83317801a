"""heartbeat.json: a worker's last sign of life, how far it is, and what the machine had left at that moment.

Its age is told by the clock that counts since the machine was started: the wall clock may be set while a run is at work, and a worker must
then seem neither dead nor alive for that.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from lthviz.errors import StoreError
from lthviz.store import files

FILE = "heartbeat.json"
SCARCE = 0.03
"""Of the machine's memory: with less than that left, a process that vanishes was probably ended for want of memory."""
MOST = 1e15
"""No number of a sign of life is as large; what a damaged file has instead is left out, as is what is no number."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GROUP = Path("/sys/fs/cgroup")


def beat(run: Path, *, done: int, total: int, eta_s: float | None, loss: float | None = None) -> None:
    """Replaces the sign of life: batches done of all, seconds left, the newest loss."""
    left = memory()
    value = {"time": time.time(), "boot": boot(), "since_boot": since_boot(), "pid": os.getpid(), "done": done, "total": total, "eta_s": eta_s, "loss": loss,
             "free_mb": None if left is None else round(left[0] / 1e6), "memory_mb": None if left is None else round(left[1] / 1e6)}
    files.write_json(run / FILE, value, durable=False)


def last(run: Path) -> dict[str, Any]:
    """The last sign of life; empty when there is none (or the machine went down while it was written)."""
    try:
        found = files.read_json(run / FILE)
    except (FileNotFoundError, StoreError):
        return {}
    numbers = ("time", "since_boot", "pid", "done", "total", "eta_s", "loss", "free_mb", "memory_mb")
    return {k: found[k] for k in numbers if isinstance(found.get(k), int | float) and abs(found[k]) < MOST} | {"boot": str(found.get("boot") or "")}


def age(found: dict[str, Any], said: float = 0.0, pid: int | None = None) -> float | None:
    """Seconds since the worker was last heard of; None when it never was. found: of `last`.

    said: when it last told its state, 0 for never: a sign of life as well. pid: who told it; a sign of life of the same process on this very
    machine is counted by the clock that nobody sets.
    """
    if found.get("boot") and found["boot"] == boot() and "since_boot" in found and pid in (None, found.get("pid")):
        return max(0.0, since_boot() - found["since_boot"])
    heard = max(found.get("time", 0.0), said)
    return max(0.0, time.time() - heard) if heard else None


def short_of_memory(found: dict[str, Any]) -> str:
    """' (…)': what a vanished worker's last sign of life says of the machine's memory, where that was nearly used up; else ''."""
    left, whole = found.get("free_mb"), found.get("memory_mb")
    if left is None or not whole or left > SCARCE * whole:
        return ""
    return f" (perhaps for want of memory: {left:,.0f} of {whole:,.0f} MB were left when it was last heard of)"


def boot() -> str:
    """What tells this start of this machine from every other; '' where the system does not say."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def since_boot() -> float:
    """Seconds on a clock that all processes of this machine share and that is never set."""
    return time.monotonic()


def memory() -> tuple[float, float] | None:
    """(left, whole), bytes: of the machine, or of the control group that this process is in, whichever has less; None where nobody says."""
    found = [x for x in (_of_machine(), _of_group()) if x]
    return min(found) if found else None


def _of_machine() -> tuple[float, float] | None:
    try:
        lines = dict(x.split(":", 1) for x in Path("/proc/meminfo").read_text().splitlines())
        return tuple(1024.0 * int(lines[k].split()[0]) for k in ("MemAvailable", "MemTotal"))   # type: ignore[return-value]
    except (OSError, LookupError, ValueError):
        return None


def _of_group() -> tuple[float, float] | None:
    """As a container sees it, where the group's files are at their usual place."""
    try:
        whole, used = (float((_GROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        kept = next(float(x.split()[1]) for x in (_GROUP / "memory.stat").read_text().splitlines() if x.startswith("inactive_file "))
        return whole - used + kept, whole
    except (OSError, ValueError, LookupError, StopIteration):   # "max": no limit
        return None
