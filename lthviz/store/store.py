"""Runs on disk: begin, write as events come, look at any time from any process.

A run is a folder (data/README.md). One process at a time writes a run's rounds: the one that holds its `lock`. Everybody may
read at any time: a file is whole under its name or not there, and a round that is complete is never written again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from lthviz.core import stats
from lthviz.errors import AddressError, DamagedError, StoreError, UsageError, VersionError, did_you_mean
from lthviz.records import Address, Begin, Checkpoint, Epoch, Event, Layer, Round, Run, Stage, Status, Ticket
from lthviz.store import files, hdf5, log, pack, rounds
from lthviz.store.folders import Folders
from lthviz.store.rounds import CHECKPOINT, ROUND, checkpoint_path, round_path

ACTIONS = ("pause", "play", "step", "cancel")


class Store(Folders):
    """The runs below a folder, and read-only example runs beside them.

    root: None means $LTHVIZ_RUNS, else data/runs. examples: None means `examples` beside root, when it is there.
    """

    def __init__(self, root: Path | str | None = None, examples: Path | None = None) -> None:
        super().__init__(root, examples)
        self._rows: dict[str, dict[str, tuple[Ticket, dict[str, Any]]]] = {}

    # Looking ----------------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        """A run without its masks. What is damaged is told in `info["damaged"]`; such a round keeps its number in `rounds`."""
        path = self.path(run_id)
        head = self.head(path)
        found, damaged = self._all_rows(path)
        try:
            layers, info = self._layers(path)
        except StoreError as e:
            layers, info, damaged = (), {}, {"layers": str(e), **damaged}
        if damaged:
            info = {**info, "damaged": damaged}
        return Run(run_id, head.config, layers, info, tuple(r for i in sorted(found) for r in found[i]), tuple(sorted(found)),
                   head.created, head.preset, head.title)

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

    def _all_rows(self, path: Path) -> tuple[dict[int, list[dict[str, Any]]], dict[str, str]]:
        """Rows by round, the unfinished one included, and what could not be read."""
        found: dict[int, list[dict[str, Any]]] = {}
        damaged: dict[str, str] = {}
        numbers = sorted(int(p.stem) for p in (path / "rounds").glob("*.h5") if p.stem.isdecimal())
        # The checkpoint first: what it holds may be published as a round meanwhile, never the other way.
        try:
            index, rows = rounds.read_rows(checkpoint_path(path), CHECKPOINT)
            if rows is not None:
                found[index] = rows
        except FileNotFoundError:
            pass
        except StoreError as e:
            damaged["checkpoint"] = str(e)
        for index in numbers:
            try:
                found[index] = rounds.read_rows(round_path(path, index), ROUND)[1] or []
            except StoreError as e:
                damaged[str(index)] = str(e)
                found.setdefault(index, [])
        return found, damaged

    def results(self, run_id: str) -> list[dict[str, Any]]:
        """One mapping a trained ticket, as `lthviz run --json` prints them under `rounds`."""
        return [dict(row) for row in self.run(run_id).rows]

    def round(self, run_id: str, index: int) -> Round:
        """A round, finished or as far as its newest checkpoint; weights are read when asked for."""
        path = self.path(run_id)
        for file, kind in rounds.places(path, index):
            with contextlib.suppress(FileNotFoundError):
                return rounds.read_round(file, kind, index, path)
        raise self._no_round(run_id, index)

    def _no_round(self, run_id: str, index: int) -> AddressError:
        there = self.run(run_id).rounds
        return AddressError(f"run {run_id!r} has no round {index}; " + (f"it has {_span(there)}" if there else "none is finished yet"))

    def ticket(self, address: Address) -> Ticket:
        """One ticket of a round; the round's others are not read."""
        path = self.path(address.run)
        for file, kind in rounds.places(path, address.round):
            with contextlib.suppress(FileNotFoundError):
                return rounds.read_ticket(file, kind, address.round, address.structure, path)
        raise self._no_round(address.run, address.round)

    def mask(self, address: Address) -> np.ndarray:
        """One layer's mask, bool in its weight's shape; nothing else is read."""
        return self._layer(address, "masks")

    def weight(self, address: Address) -> np.ndarray | None:
        """One layer's trained weight, float32; None where weights were not kept."""
        return self._layer(address, "weights")

    def _layer(self, address: Address, part: str) -> np.ndarray | None:
        for file, kind in rounds.places(self.path(address.run), address.round):
            with contextlib.suppress(FileNotFoundError):
                return rounds.read_layer(file, kind, address.round, address.structure, part, address.layer)
        raise self._no_round(address.run, address.round)

    def epochs(self, run_id: str, round: int, structure: str) -> tuple[Epoch, ...]:
        """The curve so far of one ticket's training, unfinished ones included."""
        return log.epochs(files.read_lines(self.path(run_id) / "events.jsonl")[0], round, structure)

    def events(self, run_id: str, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """What was logged from `offset` on, and the offset for the next call; an unfinished last line is left for then."""
        lines, end = files.read_lines(self.path(run_id) / "events.jsonl", offset)
        return log.parse(lines), end

    def status(self, run_id: str) -> Status:
        """How the run stands: its last state, whether its worker lives, how far it is."""
        path = self.path(run_id)
        if path.parent != self.root:
            return Status("finished", "an example, read-only")
        return log.status(path, lambda: self.held(run_id), lambda: self._next(path))

    def _next(self, path: Path) -> str:
        try:
            index, complete = rounds.checkpoint_round(checkpoint_path(path))
        except FileNotFoundError:
            return "there is no checkpoint, so resume starts from round 0"
        except StoreError as e:
            return str(e)
        return f"resume continues from round {index + complete}"

    # Writing ----------------------------------------------------------------------------------------------------------

    def append(self, run_id: str, event: Event) -> None:
        """Keeps what an event of the engine says; the caller holds the run's lock."""
        path = self.own(run_id)
        if isinstance(event, Begin):
            layers = [dataclasses.asdict(layer) for layer in event.layers]
            files.write(path / "layers.json", files.json_bytes({"format": hdf5.FORMAT, "layers": layers, "info": event.info}))
        if isinstance(event, Stage):
            self.save_checkpoint(run_id, event.snapshot())
            if event.round.complete:
                self._publish(path, event.round)
        if (line := log.line_of(event)) is not None:
            files.append_line(path / "events.jsonl", line)

    def save_checkpoint(self, run_id: str, checkpoint: Checkpoint) -> None:
        """Replaces the run's checkpoint."""
        path = self.own(run_id)
        rows = self._rows_of(path, checkpoint.round)
        files.write(checkpoint_path(path), rounds.checkpoint_image(run_id, checkpoint, rows))

    def checkpoint(self, run_id: str) -> Checkpoint | None:
        """Where a resume goes on; None when nothing was kept yet."""
        path = self.path(run_id)
        try:
            return rounds.read_checkpoint(checkpoint_path(path), path)
        except FileNotFoundError:
            return None
        except DamagedError as e:
            raise DamagedError(f"{e}; delete that file to start the run again, its finished rounds stay") from e

    def _publish(self, path: Path, round: Round) -> None:
        """Writes a complete round under its final name, once."""
        file = round_path(path, round.index)
        if not file.exists():
            with files.failing(file):
                file.parent.mkdir(exist_ok=True)
            files.write(file, rounds.round_image(path.name, round, self._rows_of(path, round)))

    def _rows_of(self, path: Path, round: Round) -> list[dict[str, Any]]:
        """The rows of a round's trained tickets; a ticket that was in the last checkpoint as well has its row already."""
        layers, _ = self._layers(path)
        tickets = [t for t in round.tickets.values() if t.test_acc is not None]
        dense = self._dense_acc(path, round) if tickets else None
        before = self._rows.get(path.name, {})
        self._rows[path.name] = now = {}
        for t in tickets:
            known, row = before.get(t.structure, (None, {}))
            now[t.structure] = t, row if known is t else dict(stats.row(t, layers, dense))
        return [row for _, row in now.values()]

    def _dense_acc(self, path: Path, round: Round) -> float | None:
        if round.index == 0:
            return next(iter(round.tickets.values())).test_acc
        try:
            rows = rounds.read_rows(round_path(path, 0), ROUND)[1]
        except (FileNotFoundError, DamagedError):  # `run` tells of a damaged round; the training that goes on is worth more
            return None
        return rows[0]["test_acc"] if rows else None

    def recover(self, run_id: str) -> None:
        """Puts right what a kill left: a complete round that is only in the checkpoint, a torn line, files aside."""
        path = self.own(run_id)
        files.cut_torn_line(path / "events.jsonl")
        for folder in (path, path / "rounds"):
            files.sweep(folder)
        file = checkpoint_path(path)
        try:
            index, complete = rounds.checkpoint_round(file)
            lost = rounds.read_round(file, CHECKPOINT, index, path) if complete and not round_path(path, index).exists() else None
        except (FileNotFoundError, DamagedError, VersionError):  # `checkpoint` says what is wrong with it
            return
        if lost is not None:
            self._publish(path, lost)

    def set_state(self, run_id: str, state: str, message: str = "") -> None:
        if state not in log.STATES:
            raise UsageError(f"state {state!r} is not known; {did_you_mean(state, log.STATES)}")
        files.append_line(self.own(run_id) / "events.jsonl", log.line("state", state=state, message=message, pid=os.getpid()))

    def beat(self, run_id: str, *, done: int, total: int, eta_s: float | None, loss: float | None = None) -> None:
        """A sign of life: batches done of all, seconds left, the newest loss."""
        value = {"time": time.time(), "done": done, "total": total, "eta_s": eta_s, "loss": loss}
        files.write(self.own(run_id) / "heartbeat.json", files.json_bytes(value), durable=False)

    # Asking a worker --------------------------------------------------------------------------------------------------

    def request(self, run_id: str, action: str) -> None:
        """Asks the run's worker to pause, play, step or cancel; the newest request counts."""
        if action not in ACTIONS:
            raise UsageError(f"request {action!r} is not known; {did_you_mean(action, ACTIONS)}")
        files.write(self.own(run_id) / "request", action.encode())

    def requested(self, run_id: str) -> str:
        """The request that waits, '' when there is none."""
        file = self.path(run_id) / "request"
        try:
            with files.readable(file):
                return file.read_text()
        except FileNotFoundError:
            return ""

    def clear_request(self, run_id: str) -> None:
        path = self.own(run_id) / "request"
        with files.failing(path):
            path.unlink(missing_ok=True)

    # One writer -------------------------------------------------------------------------------------------------------

    def lock(self, run_id: str) -> FileLock:
        """The lock that a run's writer holds; filelock.Timeout after two seconds when another has it. The system frees it
        when its process ends, however it ends. (Two seconds, because `held` takes it for a moment.)"""
        return FileLock(self.own(run_id) / "lock", timeout=2)

    def held(self, run_id: str) -> bool:
        """Whether a living process holds the run's lock."""
        file = self.path(run_id) / "lock"
        if self.is_example(run_id) or not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # another user's run, which may be looked at only
            return time.time() - log.heartbeat(file.parent).get("time", 0.0) < log.QUIET_S

    def delete(self, run_id: str) -> None:
        """Removes a run for good; StoreError while a worker has it."""
        path = self.own(run_id)
        try:
            with self.lock(run_id), files.failing(path):
                gone = path.with_name(f".deleted-{path.name}-{time.time_ns():x}")
                os.rename(path, gone)
                shutil.rmtree(gone)
        except Timeout:
            raise StoreError(f"run {run_id!r} is at work; cancel it before deleting it") from None

    # To share ---------------------------------------------------------------------------------------------------------

    def pack(self, run_id: str, out: Path | str, *, overwrite: bool = False) -> Path:
        """One .h5 file that holds the run without its checkpoint."""
        return pack.pack(self.path(run_id), Path(out), overwrite=overwrite)

    def unpack(self, file: Path | str) -> str:
        """Takes a packed run in; its id. The same run already there is left alone, another of that id is an error."""
        return pack.unpack(self, Path(file))


def _span(numbers: tuple[int, ...]) -> str:
    whole = numbers == tuple(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 1
    return f"rounds {numbers[0]} to {numbers[-1]}" if whole else "round " + ", ".join(map(str, numbers))
