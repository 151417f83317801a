"""What is asked to be measured, and how far that is: small files in ROOT/.measure/RUN_ID, for runs and examples alike.

A request is written once by who asks and removed when all of it is done, failed or cancelled; `progress.json` is the word of
the process that measures, which holds `lock`. An item of a request is done when a timing newer than the request is stored that was
taken as the request asks for.
"""

from __future__ import annotations

import contextlib
import json
import logging
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
from lthviz.records import Timing, timing_key
from lthviz.store import files

log = logging.getLogger(__name__)

FOLDER = ".measure"
PATIENCE_S = 600.0
"""So long a measurement that was disturbed waits for the machine to come to rest, to be made once more."""
_told: set[tuple[str, int]] = set()
"""Damaged files that the log has been told of, with their times."""


class Item(NamedTuple):
    """One measurement to make: a ticket, images a batch, CPU threads, where, and in which precision."""

    round: int
    structure: str
    batch: int
    threads: int
    device: str = "cpu"
    precision: str = "float32"

    @property
    def key(self) -> str:
        """That of the timing it becomes (`Timing.key`)."""
        return timing_key(self.round, self.structure, self.device, self.precision, self.threads, self.batch)

    def made(self, timings: Iterable[Timing], since: float, how: Mapping[str, Any]) -> bool:
        """Whether a timing of it was taken at `since` or later, as `how` asks (where the timing says how it was asked for)."""
        return any(t.key == self.key and t.time >= since and all(asked.get(k, v) == v for k, v in how.items())
                   for t in timings for asked in [t.conditions.get("asked") or {}])


class Request(NamedTuple):
    """Items asked for at once. time: when, in seconds since 1970. file: where it is kept. how: settings of `speed.bench.measure`.

    patience: seconds that what was disturbed may wait for the machine to come to rest, to be measured once more; 0: it is not.
    again: these items are such ones. They come after all others, and are not measured a third time.
    """

    time: float
    items: tuple[Item, ...]
    file: Path
    how: Mapping[str, Any]
    patience: float = 0.0
    again: bool = False

    def done(self, item: Item, timings: Iterable[Timing], said: Progress) -> bool:
        """Whether an item of it is measured, or has failed."""
        return said.failed(item, self.time) or item.made(timings, self.time, self.how)


@dataclass(frozen=True)
class Progress:
    """What the process that measures a run says. finished: items of requests that are through.

    item: the one at work; doing: what it does, one line. errors: of the items that failed, by `Item.key`: the time of the request that
    asked for it, and why in a line.
    attempts: times an unfinished item was begun, by key, so that one which ends the process is not tried for ever.
    """

    finished: int = 0
    item: Item | None = None
    doing: str = ""
    errors: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)

    def failed(self, item: Item, asked: float) -> bool:
        """Whether the item has failed for the request of that time."""
        return item.key in self.errors and self.errors[item.key][0] == asked

    def ended(self, item: Item, asked: float, why: str = "") -> Progress:
        """What is to be said once an item of the request of that time is done, or has failed: why."""
        attempts = {k: v for k, v in self.attempts.items() if k != item.key}
        errors = {k: v for k, v in self.errors.items() if k != item.key} | ({item.key: (asked, why)} if why else {})
        return replace(self, item=None, doing="", attempts=attempts, errors=errors)


@dataclass(frozen=True)
class Measuring:
    """How a run's measurements stand. state: waiting, measuring, or failed (nothing is left to do, something went wrong).

    message: one line for people. done, total: tickets. item: what is being measured. error: why the last failure, one line.
    errors: all of them, by item (`Item.key`). damaged: requests that cannot be read, and why.
    """

    state: str
    message: str
    done: int
    total: int
    item: Item | None = None
    error: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)


def plain(how: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they come back from a file: tuples are lists."""
    return json.loads(files.json_bytes(how))


def ask(folder: Path, items: Sequence[Item], how: Mapping[str, Any], *, patience: float = 0.0, again: bool = False) -> Request:
    """Writes a request; what an earlier one said of its failures is forgotten once nothing of it is left."""
    now = time.time()
    with files.failing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not requests(folder):
        forget(folder)
    file = folder / f"{time.time_ns():020d}-{secrets.token_hex(3)}.request"
    value = {"time": now, "items": [list(x) for x in items], "how": how, "patience": patience, "again": again}
    files.write_json(file, value)
    return Request(now, tuple(items), file, plain(how), patience, again)


def requests(folder: Path) -> list[Request]:
    """Those that wait or are at work, oldest first, what is to be measured again last; without those that `damaged` names."""
    return sorted(_all(folder)[0], key=lambda r: r.again)


def damaged(folder: Path) -> dict[str, str]:
    """Requests that cannot be read, by file name, and why in a line. They stay until they are taken back."""
    return _all(folder)[1]


def _all(folder: Path) -> tuple[list[Request], dict[str, str]]:
    found, broken = [], {}
    for file in sorted(folder.glob("*.request")):
        try:
            found.append(_read(file))
        except FileNotFoundError:   # done meanwhile
            continue
        except StoreError as e:
            broken[file.name] = str(e)
            _tell(file, e)
    return found, broken


def _tell(file: Path, error: Exception) -> None:
    """The log is told of a damaged file once a process."""
    with contextlib.suppress(FileNotFoundError):
        if (seen := (str(file), file.stat().st_mtime_ns)) not in _told:
            _told.add(seen)
            log.warning("what was asked to be measured is lost: %s", error)


def _read(file: Path) -> Request:
    value = files.read_json(file)
    try:
        return Request(float(value["time"]), tuple(_item(x) for x in value["items"]), file, dict(value["how"]),
                       float(value.get("patience", 0.0)), bool(value.get("again", False)))
    except (LookupError, TypeError, ValueError) as e:
        raise DamagedError(f"{file} is damaged: {type(e).__name__}: {e}") from None


def _item(value: Sequence[Any]) -> Item:
    k, structure, batch, threads, device, *precision = value
    return Item(operator.index(k), str(structure), operator.index(batch), operator.index(threads), str(device), *map(str, precision))


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
    files.write_json(folder / "progress.json", value, durable=False)


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
