"""Starts the processes that read, one at a time, sees them die or stop, and counts."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.fuzz import hostile
from benchmarks.fuzz.child import HEAD, NOW, keep
from benchmarks.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
CPU_S, WALL_S = 8.0, 90.0
"""Seconds of work, and of the clock, that one input may take."""
DEATHS = 8
"""So often a reader may die before the rest of its time is left."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Result:
    """findings: what was wrong, by the file that it is kept in."""

    name: str
    where: str
    inputs: int = 0
    seconds: float = 0.0
    findings: dict[str, str] = dataclasses.field(default_factory=dict)


def guided() -> bool:
    """Whether inputs can be guided by coverage here."""
    return importlib.util.find_spec("atheris") is not None


def run(names: Sequence[str], *, seconds: float, inputs: int, seed: int, keep_in: Path, guide: bool, told: Callable[[Result], None] = lambda _: None) -> list[Result]:
    """Each target for that long or that many inputs, whichever ends first. keep_in: where findings are kept."""
    keep_in.mkdir(parents=True, exist_ok=True)
    out = []
    for i, name in enumerate(names):
        out.append(_target(name, seconds, inputs, seed + 1000 * i, keep_in, guide))
        told(out[-1])
    return out


def together(names: Sequence[str], *, inputs: int, seed: int, keep_in: Path) -> list[str]:
    """Each target for that many inputs, all in one process, not guided, in the same order each time: what was found, in words. Its short form."""
    folder = Path(tempfile.mkdtemp(prefix="lthviz-fuzz-"))
    found, at = [], 0
    try:
        while at < len(names):
            rest = names[at:]
            done, why, data, number = _child(",".join(rest), folder, seed + at, 60.0, inputs, guide=False)
            if not why:
                break
            keep(folder / "findings", rest[number], why, f"it died, or was ended, at input {done}", data)
            at += number + 1
        for file in sorted((folder / "findings").glob("*")):
            keep_in.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, keep_in / file.name)
            if file.suffix == ".txt":
                found.append(f"{file.stem}: {file.read_text()}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _target(name: str, seconds: float, inputs: int, seed: int, keep_in: Path, guide: bool) -> Result:
    result, begun, deaths = Result(name, TARGETS[name].where), time.monotonic(), 0
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None     # files of which a million is written
    folder = Path(tempfile.mkdtemp(prefix="lthviz-fuzz-", dir=place))
    try:
        while deaths < DEATHS and result.inputs < inputs and (left := seconds - (time.monotonic() - begun)) > 0.2:
            done, why, data, _ = _child(name, folder, seed + deaths, left, inputs - result.inputs, guide)
            result.inputs += done
            if why:
                deaths += 1
                keep(folder / "findings", name, why, "it died, or was ended", data)
            if not why or not done:
                break
        for file in sorted((folder / "findings").glob("*")):
            shutil.copy(file, keep_in / file.name)
            if file.suffix == ".txt":
                result.findings[str(keep_in / f"{file.stem}.input")] = file.read_text().split("\n", 1)[0]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result.seconds = time.monotonic() - begun
    return result


def _child(name: str, folder: Path, seed: int, seconds: float, inputs: int, guide: bool) -> tuple[int, str, bytes, int]:
    """Inputs that one process has read; why it ended early, '' where it did not, the input that it was at, and the number of its target. name: of one, or of several with commas."""
    (folder / "now").write_bytes(bytes(NOW))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
    with open(folder / "now", "r+b") as f, open(folder / "said", "wb") as said:
        memory = mmap.mmap(f.fileno(), 0)
        child = subprocess.Popen([sys.executable, "-m", "benchmarks.fuzz.child", name, str(folder), str(seed), str(seconds), str(inputs), str(int(guide))], cwd=folder, env=environment,
                                 stdin=subprocess.PIPE, stdout=said, stderr=said)
        why, since, last = "", time.monotonic(), (0, -1)
        while child.poll() is None and not why:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.25)
            number, count, reading, cpu, _ = HEAD.unpack_from(memory, 0)
            if (number, count) != last or not reading:
                last, since = (number, count), time.monotonic()
            elif time.monotonic() - since > WALL_S or (time.monotonic() - since > 1 and _cpu_s(child.pid) - cpu / 1e9 > CPU_S):
                why = "more than its time"
        if child.poll() is None:
            child.kill()
            child.wait()
        child.stdin.close()
        number, count, reading, _, length = HEAD.unpack_from(memory, 0)
        data = bytes(memory[HEAD.size:HEAD.size + length])
    if not why and child.returncode < 0:
        why = f"died of signal {-child.returncode}"
    elif not why and child.returncode:
        raise RuntimeError(f"the process of {name} could not go on (exit code {child.returncode}):\n{(folder / 'said').read_text(errors='replace')[-3000:]}")
    return count + bool(why and reading), why, data, number


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    except (OSError, IndexError):
        return 0.0


def summary(results: Sequence[Result], guide: bool, seed: int) -> dict[str, Any]:
    """As JSON has it."""
    return {"guided": guide, "seed": seed, "inputs": sum(r.inputs for r in results), "seconds": round(sum(r.seconds for r in results), 1), "findings": sum(len(r.findings) for r in results),
            "targets": [dataclasses.asdict(r) for r in results]}


def outside_is_empty() -> bool:
    """Whether nothing was written where hostile files point to."""
    place = Path(hostile.OUTSIDE)
    return not place.exists() or not any(place.iterdir())
