"""What is written aside before it gets its name, and whose it is: what a killed process left is removed by the next that writes there.

A name ends in the mark of the process that writes it: its number, where that number means something (this machine, since it was started, among the processes
that see each other), and some letters of its own. Runs may lie on a disk that several machines share: another machine's process is not asked after here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

STALE_S = 3600.0
"""What was put aside longer ago than this belongs to nobody any more."""


def _here() -> str:
    """Eight digits for the machine, its last start and the processes that see each other, as in a container."""
    said = [platform.node()]
    with contextlib.suppress(OSError):
        said += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:8]


HERE = _here()
MARK = f"{os.getpid()}-{HERE}{secrets.token_hex(4)}"
"""Of this process, without a dot."""


def file(path: Path) -> Path:
    """A name for what is written before it becomes `path`."""
    return path.with_name(f".{path.name}.{MARK}.{secrets.token_hex(3)}.tmp")


def folder(path: Path, which: str) -> Path:
    """A name for a folder that is filled before it becomes `path`, or that was `path` before. which: tells them apart."""
    return path.with_name(f".{path.name}.{MARK}.{which}")


def left(folder: Path, name: str = "", ending: str = "tmp") -> list[Path]:
    """What killed processes left aside in a folder. name: of what it should have become, '': of anything."""
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            parts = entry.name.split(".")
            if not (entry.name.startswith("." + name) and entry.name.endswith("." + ending)) or len(parts) < 4:
                continue
            tail = 3 if ending == "tmp" else 2     # a file's name has letters between the mark and the ending
            if (not name or ".".join(parts[1:-tail]) == name) and gone(parts[-tail], Path(entry.path)):
                found.append(Path(entry.path))
    return found


def gone(mark: str, path: Path) -> bool:
    """Whether whoever marked that file or folder has ended, as far as one can know here, or has not touched it for an hour."""
    pid, _, rest = mark.partition("-")
    if os.name != "nt" and pid.isdecimal() and rest.startswith(HERE) and mark != MARK and (int(pid) == os.getpid() or not _is_alive(int(pid))):
        return True
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime > STALE_S
    return False


def remove(paths: Iterable[Path]) -> None:
    """Removes files and folders; others may do so as well."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
