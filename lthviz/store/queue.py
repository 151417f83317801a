"""What is asked to be measured, and how far that is: small files in ROOT/.measure/RUN_ID, for runs and examples alike.

A request is written once by who asks and removed when all of it is done, failed or cancelled; `progress.json` is the word of
the process that measures, which holds `lock`. An item of a request is done when a timing newer than the request is stored.
"""

from __future__ import annotations

import contextlib
import operator
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from lthviz.errors import DamagedError, StoreError
from lthviz.records import Timing
from lthviz.store import files

FOLDER = ".measure"


class Item(NamedTuple):
    """One measurement to make: a ticket, images a batch, CPU threads, and where."""

    round: int
    structure: str
    batch: int
    threads: int
    device: str = "cpu"

    @property
    def key(self) -> str:
        return f"{self.round:03d}-{self.structure}-{self.device}-t{self.threads}-b{self.batch}"

    def made(self, timings: Iterable[Timing], since: float) -> bool:
        """Whether a timing of it was taken at `since` or later."""
        mine = (self.round, self.structure, self.batch, self.threads, self.device)
        return any((t.round, t.structure, t.batch, t.threads, t.device) == mine and t.time >= since for t in timings)


class Request(NamedTuple):
    """Items asked for at once. time: when, in seconds since 1970. file: where it is kept. how: settings of `speed.bench.measure`."""

    time: float
    items: tuple[Item, ...]
    file: Path
    how: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """What the process that measures a run says. finished: items of requests that are through.

    item: the one at work; doing: what it does, one line. errors: of the items that failed, by `Item.key`, when and why in a line.
    attempts: times an unfinished item was begun, by key, so that one which ends the process is not tried for ever.
    """

    finished: int = 0
    item: Item | None = None
    doing: str = ""
    errors: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)

    def failed(self, item: Item, since: float) -> bool:
        """Whether the item failed at `since` or later."""
        return item.key in self.errors and self.errors[item.key][0] >= since

    def ended(self, item: Item, why: str = "") -> Progress:
        """What is to be said once an item is done, or has failed: why."""
        attempts = {k: v for k, v in self.attempts.items() if k != item.key}
        errors = {k: v for k, v in self.errors.items() if k != item.key} | ({item.key: (time.time(), why)} if why else {})
        return replace(self, item=None, doing="", attempts=attempts, errors=errors)


@dataclass(frozen=True)
class Measuring:
    """How a run's measurements stand. state: waiting, measuring, or failed (nothing is left to do, something went wrong).

    message: one line for people. done, total: tickets. item: what is being measured. error: why the last failure, one line.
    errors: all of them, by item (`Item.key`).
    """

    state: str
    message: str
    done: int
    total: int
    item: Item | None = None
    error: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


def ask(folder: Path, items: Sequence[Item], how: Mapping[str, Any]) -> Request:
    """Writes a request; what an earlier one said of its failures is forgotten once nothing of it is left."""
    now = time.time()
    with files.failing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not requests(folder):
        forget(folder)
    file = folder / f"{time.time_ns():020d}-{secrets.token_hex(3)}.request"
    files.write(file, files.json_bytes({"time": now, "items": [list(x) for x in items], "how": how}))
    return Request(now, tuple(items), file, how)


def requests(folder: Path) -> list[Request]:
    """Those that wait or are at work, oldest first; one that cannot be read is left out."""
    found = []
    for file in sorted(folder.glob("*.request")):
        with contextlib.suppress(FileNotFoundError, DamagedError):
            found.append(_read(file))
    return found


def _read(file: Path) -> Request:
    value = files.read_json(file)
    try:
        return Request(float(value["time"]), tuple(_item(x) for x in value["items"]), file, dict(value["how"]))
    except (LookupError, TypeError, ValueError) as e:
        raise DamagedError(f"{file} is damaged: {type(e).__name__}: {e}") from None


def _item(value: Sequence[Any]) -> Item:
    k, structure, batch, threads, device = value
    return Item(operator.index(k), str(structure), operator.index(batch), operator.index(threads), str(device))


def drop(request: Request) -> None:
    """Removes a request that is through."""
    with files.failing(request.file), contextlib.suppress(FileNotFoundError):
        files.patiently(os.unlink, request.file)


def drop_all(folder: Path) -> int:
    """Removes every request of a run, damaged ones as well, and what was said of them; their number."""
    gone = 0
    for file in folder.glob("*.request"):
        with files.failing(file), contextlib.suppress(FileNotFoundError):
            files.patiently(os.unlink, file)
            gone += 1
    forget(folder)
    return gone


def forget(folder: Path) -> None:
    """Removes what was said of earlier measurements."""
    path = folder / "progress.json"
    with files.failing(path), contextlib.suppress(FileNotFoundError):
        files.patiently(os.unlink, path)


def remove(folder: Path) -> None:
    """All of it, with the run."""
    shutil.rmtree(folder, ignore_errors=True)


def say(folder: Path, progress: Progress) -> None:
    """Replaces the progress."""
    value = {"pid": os.getpid(), "finished": progress.finished, "item": list(progress.item) if progress.item else None, "doing": progress.doing,
             "errors": progress.errors, "attempts": progress.attempts}
    files.write(folder / "progress.json", files.json_bytes(value), durable=False)


def progress(folder: Path) -> Progress:
    """The last word of the process that measures; empty when there is none, or none that can be read."""
    try:
        value = files.read_json(folder / "progress.json")
        item = _item(value["item"]) if value.get("item") else None
        errors = {str(k): (float(when), str(why)) for k, (when, why) in dict(value.get("errors", {})).items()}
        attempts = {str(k): operator.index(v) for k, v in dict(value.get("attempts", {})).items()}
        return Progress(operator.index(value.get("finished", 0)), item, str(value.get("doing", "")), errors, attempts)
    except (FileNotFoundError, StoreError, TypeError, ValueError):
        return Progress()


def lock(folder: Path) -> FileLock:
    """Held by the process that measures a run."""
    return FileLock(folder / "lock", timeout=2)


def held(folder: Path) -> bool:
    """Whether a living process measures that run."""
    if not (folder / "lock").exists():
        return False
    try:
        with FileLock(folder / "lock", timeout=0):
            return False
    except Timeout:
        return True
    except OSError:   # another user's
        return False
