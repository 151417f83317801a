"""Room on the disk: what a run takes, what all of them take, and what is free."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def size(folder: Path | str) -> int:
    """Bytes of all files below a folder; 0 for one that is not there."""
    total = 0
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):     # a file that was written aside and is renamed by now
                total += size(entry.path) if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size
    return total


def free(folder: Path) -> int:
    """Bytes free on the disk of a folder, or of the nearest one above that is there."""
    return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free


class Sizes:
    """Sizes of many runs, cheap to ask for again: files come and go by renaming, which changes the time of their folder; only the log grows
    where it is."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple, int]] = {}

    def of(self, run: Path) -> int:
        """Bytes of a run's folder."""
        now = tuple(stamp(run / name) for name in ("", "rounds", "timings", "events.jsonl"))
        before, known = self._known.get(run, (None, 0))
        if before != now:
            known = size(run)
            self._known[run] = now, known
        return known


def stamp(path: Path) -> tuple[int, int]:
    """(time of the last change in ns, bytes), by which a file is known to be as it was; zeros where there is none."""
    try:
        s = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0
    return s.st_mtime_ns, s.st_size


def words(n: float) -> str:
    """Bytes for people, in powers of 1000 as disks are sold: `812 kB`, `3.4 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n < 999.5 or (unit == "bytes" and n < 1000):
            return f"{n:.0f} {unit}" if unit == "bytes" or n >= 99.5 else f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"
