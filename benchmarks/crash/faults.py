"""Where a process is to be hit: at the n-th file operation of a label, counted by inject/sitecustomize.py."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

INJECT = Path(__file__).resolve().parent / "inject"
ERRORS = ("ENOSPC", "EIO", "EDQUOT")


class Fault(NamedTuple):
    """label: `write run/checkpoint.h5`, say; nth: of that label in a process, from 1; how: kill, half, after, an error's name, or always- and a name."""

    label: str
    nth: int = 1
    how: str = "kill"

    def __str__(self) -> str:
        return f"{self.how} at {self.label} #{self.nth}"

    @property
    def kills(self) -> bool:
        return self.how in ("kill", "half", "after")

    def env(self, root: Path, fired: Path) -> dict[str, str]:
        """What a process is told. fired: a file that is made when it happens."""
        fired.unlink(missing_ok=True)
        return watched(root) | {"LTHVIZ_CRASH_AT": self.label, "LTHVIZ_CRASH_NTH": str(self.nth), "LTHVIZ_CRASH_HOW": self.how, "LTHVIZ_CRASH_FIRED": str(fired)}


def watched(root: Path) -> dict[str, str]:
    """A process whose operations below `root` are labelled."""
    return {"LTHVIZ_CRASH_ROOT": str(root), "PYTHONPATH": os.pathsep.join([str(INJECT), *filter(None, [os.environ.get("PYTHONPATH")])])}


def counting(root: Path, out: Path) -> dict[str, str]:
    """A process that writes its labels to `out`."""
    return watched(root) | {"LTHVIZ_CRASH_COUNT": str(out)}


def counted(out: Path) -> Counter[str]:
    """How often there was each label, in the process in which it was most often."""
    if not out.exists():
        return Counter()
    found: Counter[str] = Counter()
    by_process: dict[str, Counter[str]] = {}
    for line in out.read_text().splitlines():
        pid, _, label = line.partition("\t")
        by_process.setdefault(pid, Counter())[label] += 1
    for labels in by_process.values():
        found |= labels
    return found


def kills(labels: Counter[str]) -> list[Fault]:
    """Each kind of operation at least once: before it; a write in its middle as well; a renaming behind it as well."""
    out = []
    for label in labels:
        op = label.split(" ", 1)[0]
        if op != "fopen":
            out.append(Fault(label))
        if op == "write":
            out.append(Fault(label, how="half"))
        if op in ("replace", "rename", "fopen", "mkdir"):
            out.append(Fault(label, how="after"))
    return out


def failures(labels: Counter[str]) -> list[Fault]:
    """Each kind of operation that may be refused, once, the errors in turn; and for good."""
    able = [x for x in labels if x.split(" ", 1)[0] in ("open", "write", "fsync", "replace", "rename", "mkdir", "fopen", "ftruncate")]
    once = [Fault(label, how=ERRORS[i % 3]) for i, label in enumerate(able)]
    room = [x for x in able if x.split(" ", 1)[0] in ("open", "write", "mkdir")]
    return once + [Fault(label, how="always-ENOSPC") for label in room]


def flushed(out: Path) -> list[str]:
    """What was renamed to its final name without having been flushed just before, by the labels of a counting run; and folders that were not after."""
    wrong, by_process = [], {}
    for line in out.read_text().splitlines() if out.exists() else ():
        pid, _, label = line.partition("\t")
        by_process.setdefault(pid, []).append(label)
    for labels in by_process.values():
        for at, label in enumerate(labels):
            op, _, kind = label.partition(" ")
            if op == "replace" and not kind.endswith(QUICK) and f"fsync {kind}" not in labels[max(0, at - 12):at]:
                wrong.append(f"{kind} was renamed before it was flushed")
    return sorted(set(wrong))


QUICK = ("heartbeat.json", "progress.json", ".request.taken")
"""Files that tell of this moment alone and need not survive a power cut."""
