"""Reading everything that a store holds, to the last byte: what is damaged or missing, what can still be read, and the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from lthviz.errors import LthvizError, StoreError
from lthviz.store import about, amiss, hdf5, log, pack, presets, queue, reading, sweeps, timings
from lthviz.store.store import Store
from lthviz.store.writing import CHECKPOINT, ROUND, checkpoint_path, round_path

COPY = "put the file back from a copy of the run or from a packed one; until then the rest of the run is read without it"


class Damage(NamedTuple):
    """what: of the run, in words (`round 3`, `log`). file: where. why: one line, which names dataset or line. way_out: what to do about it."""

    what: str
    file: str
    why: str
    way_out: str


class Verified(NamedTuple):
    """What was found of a run, or of what lies beside the runs (run: ''). readable: in words, what of it can be read; bytes: that were looked at."""

    run: str
    damage: tuple[Damage, ...]
    readable: str
    bytes: int

    @property
    def whole(self) -> bool:
        return not self.damage


def run(store: Store, run_id: str) -> Verified:
    """Reads every file of a run, whatever is wrong with the others. AddressError where there is none of that id."""
    return _Run(store, store.path(run_id)).verified()


def beside(store: Store) -> Verified:
    """Reads what concerns all runs: sweeps, presets of one's own, requests for measurements."""
    found = [Damage(f"sweep {name}", str(store.root / sweeps.FOLDER / f"{name}.json"), why, "delete that file and begin the sweep again: its finished runs are kept")
             for name, why in store.damaged_sweeps().items()]
    found += [Damage(f"preset {name}", str(store.root / presets.FOLDER / f"{name}.toml"), why, "mend it with an editor, or delete it and save it again")
              for name, why in presets.broken(store.root).items()]
    folders = sorted(p for p in (store.root / queue.FOLDER).glob("*") if p.is_dir())
    for folder in folders:
        found += [Damage(f"request to measure {folder.name}", str(folder / name), why, "delete that file and ask again") for name, why in queue.damaged(folder).items()]
    there = [*(store.root / sweeps.FOLDER).glob("*.json"), *(store.root / presets.FOLDER).glob("*.toml"), *(p for f in folders for p in f.glob("*.request"))]
    return Verified("", tuple(found), f"{len(there) - len(found)} of {len(there)} files", sum(p.stat().st_size for p in there))


class _Run:
    """One run's folder, read file by file."""

    def __init__(self, store: Store, path: Path) -> None:
        self.store, self.path, self.found, self.bytes = store, path, [], 0
        self.rounds: set[int] = set()
        self.words: list[str] = []

    def verified(self) -> Verified:
        planned = self._json("settings", "config.json", lambda: self.store.head(self.path).config.rounds, COPY.replace("the rest of the run is read", "nothing of the run is shown"))
        ended = self.path.parent != self.store.root or log.last_state(self.path)["state"] == "finished"
        self._json("layers", "layers.json", lambda: self.store._layers(self.path), f"{COPY}; going on with an unfinished run writes it anew")
        self._json("title and note", about.FILE, lambda: about.read(self.path), "say anew what the run is (`lthviz about RUN --title … --note …`), or delete that file")
        self._log()
        self._checkpoint()
        numbers = sorted(int(p.stem) for p in (self.path / "rounds").glob("*.h5") if p.stem.isdecimal())
        for k in numbers:
            if self._hdf5(f"round {k}", round_path(self.path, k), ROUND, COPY):
                self.rounds.add(k)
        for file in sorted((self.path / "ahead").glob("*.h5")):
            self._hdf5(f"ahead {int(file.stem)}" if file.stem.isdecimal() else file.stem, file, ROUND, "make the branch again")
        for k, why in amiss.missing_rounds(self.path, {*numbers, *self.in_checkpoint}, planned if ended and planned is not None else None).items():
            self._tell(f"round {k}", round_path(self.path, k), why, COPY)
        if lost := amiss.missing_layers(self.path, numbers):
            self._tell("layers", self.path / "layers.json", lost, f"{COPY}; going on with an unfinished run writes it anew")
        self._timings()
        self.words.append(f"{_span(self.rounds)} of {len(numbers)} files")
        return Verified(self.path.name, tuple(self.found), ", ".join(self.words), self.bytes)

    def _tell(self, what: str, file: Path, why: object, way_out: str) -> None:
        self.found.append(Damage(what, str(file), str(why), "update lthviz" if "update lthviz" in str(why) else way_out))

    def _json(self, what: str, name: str, read: Callable[[], object], way_out: str) -> object:
        file = self.path / name
        self.bytes += file.stat().st_size if file.exists() else 0
        try:
            value = read()
        except LthvizError as e:
            self._tell(what, file, e, way_out)
            return None
        if file.exists():
            self.words.append(what)
        return value

    def _log(self) -> None:
        file = self.path / "events.jsonl"
        lines, damaged = amiss.log_lines(file)
        self.bytes += sum(len(x) + 1 for x in lines)
        if why := amiss.damaged_lines(file, damaged, len(lines)) if lines else amiss.lost_log(self.path):
            self._tell("log", file, why, "nothing is to be done: what these lines said of accuracies and curves stands in the rounds as well" if lines else COPY)
        self.words.append(f"{len(lines) - len(damaged):,} of {len(lines):,} lines of the log")

    def _checkpoint(self) -> None:
        file, self.in_checkpoint = checkpoint_path(self.path), set()
        if file.exists() and self._hdf5("checkpoint", file, CHECKPOINT, "delete that file: a finished run does not need it; another one starts again from round 0, and its finished rounds stay"):
            self.words.append("checkpoint")
            self.in_checkpoint = {reading.checkpoint_round(file)[0]}

    def _hdf5(self, what: str, file: Path, kind: str, way_out: str) -> bool:
        """Whether all of it was read; first each dataset by itself, then all together as the store reads it."""
        self.bytes += file.stat().st_size
        before = len(self.found)
        try:
            with hdf5.opened(file, kind) as f:
                for error in hdf5.damages(file, f):
                    self._tell(what, file, error, way_out)
            if len(self.found) == before:
                if kind == CHECKPOINT:
                    reading.read_checkpoint(file, self.path)
                else:
                    reading.read_outline(file, kind)
                    reading.read_round(file, kind, int(file.stem), self.path, lazy=False)
        except FileNotFoundError:
            self._tell(what, file, f"{file} holds another round than its name says", way_out)
        except StoreError as e:
            self._tell(what, file, e, way_out)
        return len(self.found) == before

    def _timings(self) -> None:
        count = 0
        for folder in self.store.timing_folders(self.path.name) if self.store.exists(self.path.name) else ():
            for file in sorted(folder.glob("[!.]*.json")):
                self.bytes += file.stat().st_size
                try:
                    timings.read(file)
                    count += 1
                except FileNotFoundError:
                    continue
                except StoreError as e:
                    self._tell(f"timing {file.stem}", file, e, "measure it again, which replaces the file, or delete it")
        if count:
            self.words.append(f"{count} timing{'s' * (count != 1)}")


def packed(file: Path) -> Verified:
    """Reads a packed run to its last byte."""
    found: list[Damage] = []
    try:
        with hdf5.opened(file, pack.PACK) as f:
            found += [Damage("packed run", str(file), str(e), "pack the run again, or copy the file again") for e in hdf5.damages(file, f)]
            if not found:
                pack.check(file, f)
    except StoreError as e:
        found.append(Damage("packed run", str(file), str(e), "update lthviz" if "update lthviz" in str(e) else "pack the run again, or copy the file again"))
    return Verified(file.name, tuple(found), "" if found else "all of it", file.stat().st_size)


def every(store: Store) -> Iterator[Verified]:
    """All runs, those that cannot be listed too, then what lies beside them."""
    ids, broken = store.runs(), store.broken()
    for run_id in (*ids, *sorted(broken)):
        path = next((root / run_id for root in (store.root, store.examples) if root and (root / run_id).is_dir()), None)
        if path is not None:
            yield _Run(store, path).verified()
    yield beside(store)


def _span(rounds: set[int]) -> str:
    if not rounds:
        return "no round"
    return "round" + "s" * (len(rounds) > 1) + " " + re.sub(r"[\[\]{}]", "", ", ".join(map(str, sorted(rounds))))
