"""A run in a line, for lists of a thousand: its settings, its state, and its accuracies by the log, without opening its rounds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lthviz.config import RunConfig
from lthviz.errors import DamagedError, LthvizError, StoreError, VersionError
from lthviz.records import Status
from lthviz.store import about, disk, files, log, reading, sealed
from lthviz.store.about import About
from lthviz.store.folders import Head
from lthviz.store.looking import Looking
from lthviz.store.writing import ROUND

_STAGE = b'{"event":"stage"'
_SETTLED = ("finished", "failed", "cancelled")


@dataclass(frozen=True)
class Brief:
    """What a list says of a run.

    rounds: how many are finished, the dense one included. Accuracies are of test images, percent, None before there is one:
    dense_acc of the dense network, best_acc of the pruned ticket that validation accuracy chooses, last_acc of the one that it
    chooses in the newest round that has trained one. Test accuracy never chooses: without validation both are of the last ticket.
    Of a branch only tickets that it has trained itself count for the latter two; what it took over is its parent's.
    seconds: of work. ended: seconds since 1970 at which it took its present state. note, source, asked: as in `About`.
    """

    id: str
    config: RunConfig
    created: float
    preset: str
    title: str
    example: bool
    status: Status
    rounds: int = 0
    dense_acc: float | None = None
    best_acc: float | None = None
    last_acc: float | None = None
    seconds: float = 0.0
    ended: float = 0.0
    note: str = ""
    source: str = ""
    asked: str = ""

    @property
    def parent(self) -> str:
        """Id of the run that it branched from, '' of one that stands alone."""
        return self.config.parent


class Briefs:
    """The runs of a store as briefs. What has not changed on disk since the last look is not read again.

    accuracies: where an older log has none, from the rounds; False: they are left out there, and no round is opened.
    """

    def __init__(self, store: Looking, *, accuracies: bool = True) -> None:
        self.store, self.accuracies = store, accuracies
        self._known: dict[Path, tuple[tuple, Brief | str]] = {}

    def all(self) -> tuple[list[Brief], dict[str, str]]:
        """Every run, newest first, the examples behind the user's own; and what cannot be read: folder name → why."""
        found: list[Brief] = []
        broken: dict[str, str] = {}
        seen: set[str] = set()   # an own run hides an example of its id
        for root in filter(None, (self.store.root, self.store.examples)):
            here = []
            for path in root.iterdir() if root.is_dir() else ():
                if path.name.startswith(".") or path.name in seen or not path.is_dir():
                    continue
                seen.add(path.name)
                made = self._of(path)
                if isinstance(made, Brief):
                    here.append(made)
                elif made:
                    broken[path.name] = made
            found += sorted(here, key=lambda b: (-b.created, b.id))
        return found, broken

    def of(self, ids: Iterable[str]) -> dict[str, Brief]:
        """Those of these runs that are there and can be read, by id."""
        found = {}
        for run_id in ids:
            path = self.store.root / run_id
            if path.is_dir() and isinstance(made := self._of(path), Brief):
                found[run_id] = made
        return found

    def _of(self, path: Path) -> Brief | str:
        """A brief, or in words why there is none; '' for a folder that went away."""
        try:
            stamp = tuple(disk.stamp(path / name) for name in ("config.json", "events.jsonl", about.FILE))
            if not stamp[0][0] and not path.is_dir():
                return ""
            before, made = self._known.get(path, (None, ""))
            if before != stamp:
                made = self._read(path)
                self._known[path] = stamp, made
            if isinstance(made, Brief) and not made.example and made.status.state not in _SETTLED:
                made = replace(made, status=self._status(path))   # of a living run more changes than its log
            return made
        except FileNotFoundError:
            return ""
        except LthvizError as e:
            return str(e)

    def _read(self, path: Path) -> Brief | str:
        try:
            head = self.store.head(path)
        except StoreError as e:
            return str(e)
        example = path.parent != self.store.root
        status = Status("finished", "an example, read-only") if example else self._status(path)
        said = _about(path)
        return _told(path, head, Brief(path.name, head.config, head.created, head.preset, head.title, example, status, note=said.note, source=said.source, asked=said.asked),
                     self.accuracies)

    def _status(self, path: Path) -> Status:
        return log.status(path, lambda: self.store.held(path.name), lambda: "resume goes on from the last checkpoint")


def _told(path: Path, head: Head, brief: Brief, accuracies: bool) -> Brief:
    """The brief with what the log says; where an older log has no accuracies, with those of the rounds."""
    stages = [e for e in _stages(path) if isinstance(e.get("round"), int) and log.is_number(e["round"])]
    numbers = [int(p.stem) for p in (path / "rounds").glob("*.h5") if p.stem.isdecimal()]
    trained = {(e["round"], str(e.get("structure"))): e for e in stages if e.get("kind") == "train"}
    own = head.config.from_round   # a branch's log has its parent's rounds before, and no training of what it took over in its first
    here = {key for key in trained if key[0] >= own}
    whole = all((k, label) in trained for k in numbers for label in head.config.tickets(k))
    if accuracies and (not whole or any("val_acc" not in e or e.get("test_acc") is None for e in trained.values())):
        trained = {**trained, **_of_rounds(path, numbers)}
    tested = {key: e for key, e in trained.items() if log.is_number(e.get("test_acc"))}
    dense = [e["test_acc"] for (k, _), e in tested.items() if not k]
    pruned = {key: e for key, e in tested.items() if key[0] > own or (key[0] and key in here)}
    newest = max((k for k, _ in pruned), default=0)
    seconds = sum(e["seconds"] for e in stages if e["round"] >= own and log.is_number(e.get("seconds")))
    return replace(brief, rounds=len(numbers), dense_acc=float(dense[0]) if dense else None, best_acc=_chosen(head.config, pruned),
                   last_acc=_chosen(head.config, {key: e for key, e in pruned.items() if key[0] == newest}), seconds=seconds,
                   ended=log.last_state(path)["time"] or brief.created)


def _chosen(config: RunConfig, tickets: Mapping[tuple[int, str], Mapping[str, Any]]) -> float | None:
    """Test accuracy of the ticket with the highest validation accuracy, the later of equals; where one has none, of the last."""
    def later(key: tuple[int, str]) -> tuple[int, int]:
        labels = config.tickets(key[0])
        return key[0], labels.index(key[1]) if key[1] in labels else -1

    held_out = all(log.is_number(e.get("val_acc")) for e in tickets.values())
    best = max(tickets, key=lambda key: (tickets[key]["val_acc"] if held_out else 0.0, *later(key)), default=None)
    return None if best is None else float(tickets[best]["test_acc"])


def _stages(path: Path) -> list[dict[str, Any]]:
    """The stage lines of a log. All in one go: a list of a thousand runs has a hundred thousand of them."""
    lines = [x for x in files.read_lines(path / "events.jsonl")[0] if x.startswith(_STAGE)]
    whole = [sealed.intact(x) for x in lines]
    try:
        found = json.loads((b"[" + b",".join(lines) + b"]").decode())
    except (ValueError, RecursionError):   # a line of them is damaged
        return log.parse(lines)
    return [e for e, good in zip(found, whole, strict=True) if good or not log.wrong(e)] if len(found) == len(lines) else log.parse(lines)


def _of_rounds(path: Path, numbers: Iterable[int]) -> dict[tuple[int, str], Mapping[str, Any]]:
    found: dict[tuple[int, str], Mapping[str, Any]] = {}
    for k in numbers:
        try:
            rows = reading.read_outline(path / "rounds" / f"{k:03d}.h5", ROUND).rows or []
        except (StoreError, FileNotFoundError):   # the run's own page tells of a damaged round
            continue
        found |= {(r["round"], r["structure"]): r for r in rows}
    return found


def _about(path: Path) -> About:
    try:
        return about.read(path)
    except (DamagedError, VersionError):     # the run's own page tells of it
        return About()
