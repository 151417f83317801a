"""Looking at runs: nothing on this page writes, and any number of processes may do it while a worker writes."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from filelock import Timeout

from lthviz.errors import AddressError, DamagedError, StoreError, VersionError
from lthviz.records import Address, Checkpoint, Epoch, Layer, Round, Run, Status, Ticket
from lthviz.store import about, amiss, files, log, pulse, reading, timings
from lthviz.store.about import About
from lthviz.store.folders import Folders
from lthviz.store.locks import FolderLock
from lthviz.store.reading import Outline
from lthviz.store.writing import CHECKPOINT, ROUND, checkpoint_path, round_path


class Looking(Folders):
    """What can be asked about the runs below a folder and the examples beside it."""

    def run(self, run_id: str) -> Run:
        """A run without its masks. What is damaged or missing is told in `info["damaged"]`; a damaged round keeps its number in `rounds`."""
        path = self.path(run_id)
        head = self.head(path)
        ended = path.parent != self.root or log.last_state(path)["state"] == "finished"   # before its rounds are looked at: none comes after it
        found, damaged = self._outlines(path)
        damaged |= {str(k): why for k, why in amiss.missing_rounds(path, found, head.config.rounds if ended else None).items()}
        try:
            layers, info = self._layers(path)
            if lost := amiss.missing_layers(path, tuple(found)):
                raise DamagedError(lost)
        except StoreError as e:
            layers, info, damaged = (), {}, {"layers": str(e), **damaged}
        if wrong := amiss.in_log(path):
            damaged["log"] = wrong
        damaged |= timings.read_all(self.timing_folders(run_id))[1]
        try:
            about.read(path)
        except (DamagedError, VersionError) as e:
            damaged["title and note"] = str(e)
        if damaged:
            info = {**info, "damaged": damaged}
        rounds = tuple(sorted(found))
        return Run(run_id, head.config, layers, info, tuple(r for i in rounds for r in found[i].rows), rounds,
                   head.created, head.preset, head.title, sum(found[i].seconds for i in rounds if i >= head.config.from_round))

    def _layers(self, path: Path) -> tuple[tuple[Layer, ...], dict[str, Any]]:
        try:
            value = files.read_json(path / "layers.json")
        except FileNotFoundError:
            return (), {}
        fields = [f.name for f in dataclasses.fields(Layer)]
        try:
            made = [{k: tuple(v) if isinstance(v, list) else v for k, v in x.items() if k in fields} for x in value["layers"]]
            return tuple(Layer(**x) for x in made), dict(value["info"])
        except (LookupError, TypeError, ValueError, AttributeError) as e:
            raise DamagedError(f"{path / 'layers.json'} is damaged: {type(e).__name__}: {e}") from None

    def _outlines(self, path: Path) -> tuple[dict[int, Outline], dict[str, str]]:
        """Rounds that have begun by number, the unfinished one included, and what could not be read."""
        found: dict[int, Outline] = {}
        damaged: dict[str, str] = {}
        numbers = sorted(int(p.stem) for p in (path / "rounds").glob("*.h5") if p.stem.isdecimal())
        # The checkpoint first: what it holds may be published as a round meanwhile, never the other way.
        try:
            last = reading.read_outline(checkpoint_path(path), CHECKPOINT)
            if last.rows is not None:
                found[last.index] = last
        except FileNotFoundError:
            pass
        except StoreError as e:
            damaged["checkpoint"] = str(e)
        for index in numbers:
            try:
                whole = reading.read_outline(round_path(path, index), ROUND)
                found[index] = Outline(index, whole.rows or [], whole.seconds)
            except StoreError as e:
                damaged[str(index)] = str(e)
                found.setdefault(index, Outline(index, [], 0.0))
        return found, damaged

    def about(self, run_id: str) -> About:
        """The title and the note that people gave the run; DamagedError."""
        return about.read(self.path(run_id))

    def results(self, run_id: str) -> list[dict[str, Any]]:
        """One mapping a trained ticket, as `lthviz run --json` prints them under `rounds`."""
        return [dict(row) for row in self.run(run_id).rows]

    def round(self, run_id: str, index: int) -> Round:
        """A round, finished or as far as its newest checkpoint; weights are read when asked for."""
        path = self.path(run_id)
        for file, kind in reading.places(path, index):
            with contextlib.suppress(FileNotFoundError):
                return reading.read_round(file, kind, index, path)
        raise self._no_round(run_id, index)

    def _no_round(self, run_id: str, index: int) -> AddressError:
        there = self.run(run_id).rounds
        known = f"it has {_span(there)}" if there else "none is finished yet"
        return AddressError(f"run {run_id!r} has no round {index}; {known}")

    def ticket(self, address: Address) -> Ticket:
        """One ticket of a round; the round's others are not read."""
        path = self.path(address.run)
        for file, kind in reading.places(path, address.round):
            with contextlib.suppress(FileNotFoundError):
                return reading.read_ticket(file, kind, address.round, address.structure, path)
        raise self._no_round(address.run, address.round)

    def mask(self, address: Address) -> np.ndarray:
        """One layer's mask, bool in its weight's shape; nothing else is read."""
        return self._layer(address, "masks")

    def weight(self, address: Address) -> np.ndarray | None:
        """One layer's trained weight, float32; None where weights were not kept."""
        return self._layer(address, "weights")

    def _layer(self, address: Address, part: str) -> np.ndarray | None:
        for file, kind in reading.places(self.path(address.run), address.round):
            with contextlib.suppress(FileNotFoundError):
                return reading.read_layer(file, kind, address.round, address.structure, part, address.layer)
        raise self._no_round(address.run, address.round)

    def epochs(self, run_id: str, round: int, structure: str) -> tuple[Epoch, ...]:
        """The curve so far of one ticket's training, unfinished ones included."""
        return log.epochs(files.read_lines(self.path(run_id) / "events.jsonl")[0], round, structure)

    def events(self, run_id: str, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """What was logged from `offset` on, and the offset for the next call; an unfinished last line is left for then."""
        lines, end = files.read_lines(self.path(run_id) / "events.jsonl", offset)
        return log.parse(lines), end

    def warnings(self, run_id: str) -> list[str]:
        """What went wrong beside the run while it was at work, each line once."""
        return list(dict.fromkeys(str(e.get("message", "")) for e in self.events(run_id)[0] if e.get("event") == "warning"))

    def status(self, run_id: str) -> Status:
        """How the run stands: its last state, whether its worker lives, how far it is."""
        path = self.path(run_id)
        if path.parent != self.root:
            return Status("finished", "an example, read-only")
        return log.status(path, lambda: self.held(run_id), lambda: self._next(path))

    def _next(self, path: Path) -> str:
        try:
            index, complete = reading.checkpoint_round(checkpoint_path(path))
        except FileNotFoundError:
            return "there is no checkpoint, so resume starts from round 0"
        except StoreError as e:
            return str(e)
        return f"resume continues from round {index + complete}"

    def checkpoint(self, run_id: str) -> Checkpoint | None:
        """Where a resume goes on; None when nothing was kept yet."""
        path = self.path(run_id)
        try:
            return reading.read_checkpoint(checkpoint_path(path), path)
        except FileNotFoundError:
            return None
        except DamagedError as e:
            raise DamagedError(f"{e}; delete that file to start the run again, its finished rounds stay") from e

    def requested(self, run_id: str) -> str:
        """The request that waits, '' when there is none."""
        file = self.path(run_id) / "request"
        try:
            with files.readable(file):
                return file.read_text()
        except FileNotFoundError:
            return ""

    def held(self, run_id: str) -> bool:
        """Whether a living process holds the run's lock."""
        file = self.path(run_id) / "lock"
        if self.is_example(run_id) or not file.exists():
            return False
        try:
            with FolderLock(file, timeout=0):
                return False
        except Timeout:
            return True
        except AddressError:   # deleted just now
            return False
        except OSError:  # another user's run, which may be looked at only
            heard = pulse.age(pulse.last(file.parent))
            return heard is not None and heard < log.QUIET_S


def _span(numbers: tuple[int, ...]) -> str:
    whole = numbers == tuple(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 1
    return f"rounds {numbers[0]} to {numbers[-1]}" if whole else "round " + ", ".join(map(str, numbers))
